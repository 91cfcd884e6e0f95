"""`attn show`: an Inspection from a file or a pipe, drawn as `attn inspect` draws it."""

from typing import Annotated

import typer

from attn_cli.commands import inputs
from attn_cli.commands.options import grouped, require_other_file
from attn_cli.commands.output import Output

EPILOG = """Examples:

attn inspect "Life is short, eat dessert first" --json | attn show -

attn show sample_inputs/inspection.json --show weights
"""


@grouped
def show(
    ctx: typer.Context,
    output: Output,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="A .json, .jsonl or .npz that attn wrote; - or nothing reads standard input.",
        ),
    ] = None,
) -> int:
    """Show what was inspected before, or turn it into another format."""
    inputs.require_one_source(ctx, None, file)
    require_other_file(output.out, file or "-")
    from attn_cli.files import load_all

    if file is not None and file != "-":
        output.deliver(load_all(file), many=True)
    else:
        with inputs.opened(None) as (_, stream):
            output.deliver(load_all(stream), many=True)
    return 0
