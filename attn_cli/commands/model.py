"""The options of real models, shared by every command that can look into one."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Annotated

from attn_cli.commands import inputs
from attn_cli.commands.options import Group, option
from attn_cli.commands.streams import remark
from attn_cli.errors import UsageError
from attn_cli.text import recovered

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection

MODEL = "Real model"


class RealModel(Group):
    """A checkpoint instead of the tutorial's weights, and what it is given."""

    model: Annotated[
        str | None,
        option(
            "--model",
            "-m",
            panel=MODEL,
            metavar="MODEL",
            help="A directory with config.json and safetensors, a .gguf file, or a name such as "
            "org/name.",
        ),
    ] = None
    pair: Annotated[
        str | None,
        option("--pair", panel=MODEL, metavar="TEXT", help="A second text, for encoders."),
    ] = None
    decoder: Annotated[
        str | None,
        option(
            "--decoder",
            panel=MODEL,
            metavar="TEXT",
            help="The decoder's text, for encoder-decoders: shows both sides and what is between.",
        ),
    ] = None
    truncate: Annotated[
        bool,
        option("--truncate", panel=MODEL, help="Cut what is longer than the model takes."),
    ] = False
    offline: Annotated[
        bool, option("--offline", panel=MODEL, help="Never fetch a model: look on this machine.")
    ] = False

    def require_model(self) -> None:
        """Refuse what only a model can be given where there is none.

        Raises:
            UsageError: such an option is given without --model.
        """
        for name in ("pair", "decoder", "truncate", "offline"):
            if self.model is None and getattr(self, name):
                raise UsageError(f"--{name} is for real models", "Name one with `--model`.")

    def inspections(
        self,
        text: str | None,
        file: str | None,
        *,
        lines: bool,
        layers: str | None = None,
        heads: str | None = None,
        keep: Collection[str] = (),
        generate: int | None = None,
    ) -> Iterator[Inspection]:
        """The Inspections of every text, each made when it is asked for.

        Args:
            layers, heads: which, as `attn_cli.selection` has it; None: all.
            keep: arrays to hold beside the weights.
            generate: go on with the text for so many tokens, an Inspection each.
        """
        from attn_cli.checkpoints.inspecting import Asked, Model, Text
        from attn_cli.checkpoints.locate import open_checkpoint

        assert self.model is not None
        bar = sys.stderr is not None and sys.stderr.isatty()
        model = Model(open_checkpoint(self.model, offline=self.offline, progress=bar))
        asked = Asked(layers=layers, heads=heads, keep=keep)
        for place, one in inputs.texts(text, file, by_lines=lines):
            pair, decoder = (t and recovered(t) for t in (self.pair, self.decoder))
            given = Text(one, pair, decoder, self.truncate)
            with inputs.placed(place):
                if generate is None:
                    found = model.inspect(given, asked)
                else:
                    yield from _each_said(model.generate(given, generate, asked), generate)
                    continue
            for inspection in found:
                if inspection.kind != "cross":
                    _say_cut(inspection)
            yield from found


def _each_said(steps: Iterator[Inspection], n_new: int) -> Iterator[Inspection]:
    """The steps of a generation, with a remark where the text was cut, or there are too few."""
    n, step = 0, None
    for n, step in enumerate(steps, start=1):
        if n == 1:
            _say_cut(step)
        yield step
    if step is not None and n < n_new and not step.source.settings["is_end"]:
        remark(f"the model's positions are full after {n} of {n_new} tokens")


def _say_cut(inspection: Inspection) -> None:
    """Say on standard error that a text was cut, if it was."""
    if n_uncut := inspection.source.settings.get("n_uncut"):
        n = len(inspection.key_tokens)
        remark(f"the text has {n_uncut} tokens, the model {n} positions: it was cut")
