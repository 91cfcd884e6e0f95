"""`attn inspect`: a sentence through attention, every number on the way."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.commands import inputs
from attn_cli.commands.options import (
    INPUT,
    FileOption,
    Group,
    Words,
    grouped,
    option,
    require_other_file,
)
from attn_cli.commands.output import Output

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection

EPILOG = """Examples:

attn inspect "Life is short, eat dessert first"

attn inspect "Life is short, eat dessert first" --show query,key,scores

echo "to be or not to be" | attn inspect - --json
"""

_MODEL = "Tutorial model"


class Model(Group):
    """The sizes and the seed of the tutorial's weights; the defaults are the article's."""

    seed: Annotated[
        int, option("--seed", panel=_MODEL, metavar="N", help="As for torch.manual_seed.")
    ] = 123
    vocab_size: Annotated[
        int, option("--vocab-size", panel=_MODEL, metavar="N", help="Rows of the embedding.")
    ] = 50_000
    d_model: Annotated[
        int, option("--d-model", panel=_MODEL, metavar="N", help="Width of an embedding.")
    ] = 3
    d_k: Annotated[
        int, option("--d-k", panel=_MODEL, metavar="N", help="Width of query and key.")
    ] = 2
    d_v: Annotated[
        int, option("--d-v", panel=_MODEL, metavar="N", help="Width of value and context.")
    ] = 4


@grouped
def inspect(
    ctx: typer.Context,
    words: Words,
    model: Model,
    output: Output,
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="The text; - or nothing reads standard input."),
    ] = None,
    file: FileOption = None,
    lines: Annotated[
        bool, option("--lines", panel=INPUT, help="Each line is a text of its own.")
    ] = False,
    vocab: Annotated[
        str | None,
        option("--vocab", panel=INPUT, metavar="FILE", help="Ids from a .json or .txt file."),
    ] = None,
) -> int:
    """Run self-attention over a text and show its ids, embedding and attention weights."""
    inputs.require_one_source(ctx, text, file)
    require_other_file(output.out, file or "-", vocab)

    def run() -> "Iterator[Inspection]":
        from attn_cli.tutorial import inspect

        known = None
        if vocab is not None:
            from attn_cli.files import vocabulary

            known = vocabulary.load(vocab)
        for place, one in inputs.texts(text, file, by_lines=lines):
            with inputs.placed(place):
                inspected = inspect(
                    one,
                    split=words.split,
                    lowercase=words.lowercase,
                    vocabulary=known,
                    unknown=words.unk,
                    **vars(model),
                )
            yield inspected

    output.deliver(run(), many=lines)
    return 0
