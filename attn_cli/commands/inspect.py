"""`attn inspect`: a sentence through attention, every number on the way."""

from typing import Annotated

import typer

from attn_cli.commands import inputs
from attn_cli.commands import recipe as tutorial
from attn_cli.commands.model import MODEL, Ablating, RealModel
from attn_cli.commands.options import (
    LinesOption,
    Words,
    grouped,
    in_range,
    option,
    require_other_file,
)
from attn_cli.commands.output import Output
from attn_cli.commands.selected import Selected
from attn_cli.errors import UsageError

EPILOG = """Examples:

attn inspect "Life is short, eat dessert first"

attn inspect "Life is short, eat dessert first" --show query,key,scores

attn inspect "Life is short, eat dessert first" --heads 2 --mask causal --positions rope

attn inspect "Life is short, eat dessert first" --compare-with linear

attn inspect "The cat sat on the mat" --model sample_inputs/tiny-llama --layer 1 --head 0-1

attn inspect "The cat sat on the mat" --model sample_inputs/tiny-llama --ablate 1.0,2.3

attn inspect --recipe book --mask causal --init linear --seed 789

echo "to be or not to be" | attn inspect - --json
"""


@grouped
def inspect(
    ctx: typer.Context,
    cutting: Words,
    sources: tutorial.Sources,
    choices: tutorial.Choices,
    real: RealModel,
    ablating: Ablating,
    selected: Selected,
    output: Output,
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="The text; - or nothing reads standard input."),
    ] = None,
    recipe: tutorial.RecipeOption = "article",
    lines: LinesOption = False,
    generate: Annotated[
        int | None,
        option(
            "--generate",
            panel=MODEL,
            metavar="N",
            help="Go on with a decoder's text for N tokens: a row of attention for each.",
        ),
    ] = None,
    compare_with: Annotated[
        str | None,
        option(
            "--compare-with",
            panel=tutorial.MECHANISM,
            metavar="WAY",
            help="Beside the exact result show linear (Katharopoulos et al. 2020), performer:R "
            "(Choromanski et al. 2021), lowrank:R (Wang et al. 2020), or any mask.",
        ),
    ] = None,
) -> int:
    """Run attention over a text and show its ids, embedding and attention weights."""
    if not tutorial.has_vectors(recipe, sources):
        inputs.require_one_source(ctx, text, sources.file)
    require_other_file(
        output.out, sources.file or "-", sources.vocab, sources.embeddings, models=[real.model]
    )
    real.require_model()
    ablating.require_model(real)
    many = lines or real.decoder is not None or generate is not None
    _require_room(real, ablating, selected, output, generate, compare_with)
    if real.model is None:
        found = tutorial.inspections(text, recipe, cutting, sources, choices, lines=lines)
        found = selected.of(found)
    else:
        tutorial.require_none(recipe, cutting, sources, choices)
        if ablating.ablate is not None:
            output.ablated(real.ablations(text, sources.file, lines=lines, ablating=ablating))
            return 0
        keep = set(output.names or ()) | ({"query", "key", "value"} if compare_with else set())
        found = real.inspections(
            text,
            sources.file,
            lines=lines,
            layers=selected.layer,
            heads=selected.head,
            keep=keep,
            generate=generate,
        )
        found = map(selected.folded, found)
    if compare_with is not None:
        output.compare(found, compare_with)
    else:
        output.deliver(found, many=many, some=selected.some)
    return 0


def _require_room(
    real: RealModel,
    ablating: Ablating,
    selected: Selected,
    output: Output,
    generate: int | None,
    compare_with: str | None,
) -> None:
    """Refuse --generate without a model, and what has no room beside it or beside --ablate.

    Raises:
        UsageError: one of these is given.
    """
    in_range("--generate", generate, 1, 100_000)
    if generate is not None and real.model is None:
        raise UsageError("--generate is for real models", "Name one with `--model`.")
    ablates = ablating.ablate is not None
    alone = "--generate" if generate is not None else "--ablate" if ablates else ""
    beside = {
        "--compare-with": compare_with is not None,
        "--ablate": generate is not None and ablates,
        "--layer or --head": ablates and selected.some,
        "--show": ablates and output.show is not None,
        "--own-scale": ablates and output.own_scale,
        "--words": ablates and selected.words,
        "--fold-special": ablates and selected.fold_special,
    }
    for name, given in beside.items():
        if alone and given:
            raise UsageError(f"{alone} and {name} do not go together", "Give one of them.")
