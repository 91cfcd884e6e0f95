"""`attn inspect`: a sentence through attention, every number on the way."""

from typing import Annotated

import typer

from attn_cli.commands import inputs
from attn_cli.commands import recipe as tutorial
from attn_cli.commands.options import Words, grouped, option, require_other_file
from attn_cli.commands.output import Output

EPILOG = """Examples:

attn inspect "Life is short, eat dessert first"

attn inspect "Life is short, eat dessert first" --show query,key,scores

attn inspect "Life is short, eat dessert first" --heads 2 --mask causal --positions rope

attn inspect "Life is short, eat dessert first" --compare-with linear

attn inspect --recipe book --mask causal --init linear --seed 789

echo "to be or not to be" | attn inspect - --json
"""


@grouped
def inspect(
    ctx: typer.Context,
    words: Words,
    sources: tutorial.Sources,
    choices: tutorial.Choices,
    output: Output,
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="The text; - or nothing reads standard input."),
    ] = None,
    recipe: tutorial.RecipeOption = "article",
    lines: tutorial.LinesOption = False,
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
    require_other_file(output.out, sources.file or "-", sources.vocab, sources.embeddings)
    found = tutorial.inspections(text, recipe, words, sources, choices, lines=lines)
    if compare_with is None:
        output.deliver(found, many=lines)
    else:
        output.compare(found, compare_with)
    return 0
