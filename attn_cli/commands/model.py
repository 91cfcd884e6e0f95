"""The options of real models, shared by every command that can look into one."""

import sys
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from attn_cli.commands import inputs
from attn_cli.commands.options import Group, option
from attn_cli.errors import UsageError

if TYPE_CHECKING:
    from attn_cli.checkpoints.ablation import Ablation
    from attn_cli.checkpoints.inspecting import Model, Text
    from attn_cli.inspection import Inspection

MODEL = "Real model"

AblateChoice = Literal["zero", "mean"]


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

    ablate: Annotated[
        str | None,
        option(
            "--ablate",
            panel=MODEL,
            metavar="L.H",
            help="Run again without these heads (3.5 or 2.0-3,3.5), and without their largest "
            "weights one by one: what that does to the output.",
        ),
    ] = None
    ablate_with: Annotated[
        AblateChoice,
        option("--ablate-with", panel=MODEL, help="What stands for a head: zeros or its mean."),
    ] = "zero"

    def require_model(self) -> None:
        """Refuse what only a model can be given where there is none.

        Raises:
            UsageError: such an option is given without --model.
        """
        for name in ("pair", "decoder", "truncate", "offline", "ablate"):
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
    ) -> "Iterator[Inspection]":
        """The Inspections of every text, each made when it is asked for.

        Args:
            layers, heads: which, as `attn_cli.selection` has it; None: all.
            keep: arrays to hold beside the weights.
            generate: go on with the text for so many tokens, an Inspection each.
        """
        from attn_cli.checkpoints.inspecting import Asked

        model = self._opened()
        asked = Asked(layers=layers, heads=heads, keep=keep)
        for place, one in inputs.texts(text, file, by_lines=lines):
            given = self._given(one)
            with inputs.placed(place):
                if generate is not None:
                    yield from model.generate(given, generate, asked)
                    continue
                found = model.inspect(given, asked)
            if self.truncate:
                _say_cut(found[0], one)
            yield from found

    def ablations(
        self, text: str | None, file: str | None, *, lines: bool
    ) -> "Iterator[tuple[Inspection, Ablation, str]]":
        """Every text with what the ablation of its heads did, and its likeliest next token."""
        model = self._opened()
        assert self.ablate is not None
        for place, one in inputs.texts(text, file, by_lines=lines):
            with inputs.placed(place):
                found, ablation = model.ablate(self._given(one), self.ablate, self.ablate_with)
                likeliest = ablation.likeliest
                yield found, ablation, "" if likeliest is None else model.token(likeliest)

    def _opened(self) -> "Model":
        from attn_cli.checkpoints.inspecting import Model
        from attn_cli.checkpoints.locate import open_checkpoint

        assert self.model is not None
        bar = sys.stderr is not None and sys.stderr.isatty()
        return Model(open_checkpoint(self.model, offline=self.offline, progress=bar))

    def _given(self, text: str) -> "Text":
        from attn_cli.checkpoints.inspecting import Text

        return Text(text, self.pair, self.decoder, self.truncate)


def _say_cut(inspection: "Inspection", text: str) -> None:
    """Say on standard error where a text was cut, if it was."""
    from attn_cli.commands.streams import complain

    ends = [token.span[1] for token in inspection.query_tokens if token.span is not None]
    if ends and text[max(ends) :].strip():
        complain(
            f"the text was cut after {len(inspection.query_tokens)} tokens, "
            f"at character {max(ends)} of {len(text)}"
        )
