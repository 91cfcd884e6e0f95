"""The options of real models, shared by every command that can look into one."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Annotated

from attn_cli.commands import inputs
from attn_cli.commands.options import Group, option
from attn_cli.errors import UsageError

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
            given = Text(one, self.pair, self.decoder, self.truncate)
            with inputs.placed(place):
                if generate is not None:
                    yield from model.generate(given, generate, asked)
                    continue
                found = model.inspect(given, asked)
            if self.truncate:
                _say_cut(found[0], one)
            yield from found


def _say_cut(inspection: Inspection, text: str) -> None:
    """Say on standard error where a text was cut, if it was."""
    from attn_cli.commands.streams import complain

    ends = [token.span[1] for token in inspection.query_tokens if token.span is not None]
    if ends and text[max(ends) :].strip():
        complain(
            f"the text was cut after {len(inspection.query_tokens)} tokens, "
            f"at character {max(ends)} of {len(text)}"
        )
