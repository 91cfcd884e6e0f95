"""The options of real models, shared by every command that can look into one."""

import sys
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from attn_cli.commands import inputs
from attn_cli.commands.options import Group, option
from attn_cli.commands.streams import remark
from attn_cli.errors import UsageError
from attn_cli.text import recovered

if TYPE_CHECKING:
    from attn_cli.checkpoints.ablation import Ablation
    from attn_cli.checkpoints.inspecting import Model, Text
    from attn_cli.inspection import Inspection

MODEL = "Real model"

AblateChoice = Literal["zero", "mean"]
TruncateOption = Annotated[
    bool, option("--truncate", panel=MODEL, help="Cut what is longer than the model takes.")
]
OfflineOption = Annotated[
    bool, option("--offline", panel=MODEL, help="Never fetch a model: look on this machine.")
]


# Parts of the tutorial alone: what a real layer is given is no row of an embedding.
_LACKS = {"position_code", "w_query", "w_key", "w_value", "dropout", "dropped", "output"}


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
    truncate: TruncateOption = False
    offline: OfflineOption = False

    def require_model(self) -> None:
        """Refuse what only a model can be given where there is none.

        Raises:
            UsageError: such an option is given without --model.
        """
        for name in ("pair", "decoder", "truncate", "offline"):
            if self.model is None and getattr(self, name) not in (None, False):
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
        if not _LACKS <= set(keep) and (lacking := sorted(_LACKS & set(keep))):
            raise UsageError(
                f"--show has no `{lacking[0]}` of a real model",
                "Its rows are made of what came out of the layers before.",
            )
        model = self._opened()
        from attn_cli.checkpoints.inspecting import Asked

        asked = Asked(layers=layers, heads=heads, keep=keep)
        for place, one in inputs.texts(text, file, by_lines=lines):
            given = self._given(one)
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

    def ablations(
        self, text: str | None, file: str | None, *, lines: bool, ablating: "Ablating"
    ) -> "Iterator[tuple[Inspection, Ablation, str]]":
        """Every text with what the ablation of its heads did, and its likeliest next token."""
        model = self._opened()
        heads, replacement = ablating.ablate, ablating.ablate_with
        assert heads is not None
        for place, one in inputs.texts(text, file, by_lines=lines):
            with inputs.placed(place):
                found, ablation = model.ablate(self._given(one), heads, replacement)
                _say_cut(found)
                likeliest = ablation.likeliest
                yield found, ablation, "" if likeliest is None else model.token(likeliest)

    def _opened(self) -> "Model":
        from attn_cli.checkpoints.locate import open_checkpoint

        assert self.model is not None
        bar = sys.stderr is not None and sys.stderr.isatty()
        checkpoint = open_checkpoint(self.model, offline=self.offline, progress=bar)
        with checkpoint.tokenizer_ahead():  # while numpy is loaded
            from attn_cli.checkpoints.inspecting import Model
        return Model(checkpoint)

    def _given(self, text: str) -> "Text":
        from attn_cli.checkpoints.inspecting import Text

        pair, decoder = (t and recovered(t) for t in (self.pair, self.decoder))
        return Text(text, pair, decoder, self.truncate)


class Ablating(Group):
    """Heads that a model is run again without."""

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

    def require_model(self, real: RealModel) -> None:
        """Refuse these options where there is no model, or no head is named.

        Raises:
            UsageError: so it is.
        """
        if self.ablate is not None and real.model is None:
            raise UsageError("--ablate is for real models", "Name one with `--model`.")
        if self.ablate_with != "zero" and self.ablate is None:
            raise UsageError("--ablate-with is given without --ablate", "Name heads with it.")


def _each_said(steps: "Iterator[Inspection]", n_new: int) -> "Iterator[Inspection]":
    """The steps of a generation, with a remark where the text was cut, or there are too few."""
    n, step = 0, None
    for n, step in enumerate(steps, start=1):
        if n == 1:
            _say_cut(step)
        yield step
    if step is not None and n < n_new and not step.source.settings["is_end"]:
        remark(f"the model's positions are full after {n} of {n_new} tokens")


def _say_cut(inspection: "Inspection") -> None:
    """Say on standard error that a text was cut, if it was."""
    if n_uncut := inspection.source.settings.get("n_uncut"):
        n = len(inspection.key_tokens)
        remark(f"the text has {n_uncut} tokens, the model {n} positions: it was cut")
