"""`attn diff`: two Inspections, aligned and subtracted; a regression test in one command."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.commands import sources
from attn_cli.commands.options import (
    LOOKS,
    OUTPUT,
    ColorOption,
    JsonOption,
    grouped,
    in_range,
    option,
    require_other_file,
)
from attn_cli.commands.output import StyleChoice
from attn_cli.commands.streams import write_bytes, write_text
from attn_cli.errors import DataError, ExitCode, UsageError

if TYPE_CHECKING:
    from attn_cli.comparison import Comparison
    from attn_cli.inspection import Inspection

EPILOG = """Examples:

attn inspect "Life is short" --seed 1 --json | attn diff - sample_inputs/inspection.json || true

attn diff sample_inputs/inspection.json sample_inputs/inspection.json --tolerance 1e-6
"""

_WHICH = "Which head"


@grouped
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A file that attn wrote; - reads a pipe.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    tolerance: Annotated[
        float,
        option(
            "--tolerance",
            panel=OUTPUT,
            metavar="T",
            help="How far a weight may be from the other. The exit code is 0 if none is further "
            "and both have the same tokens and layers, else 1; 2 is trouble.",
        ),
    ] = 0.0,
    top: Annotated[
        int, option("--top", panel=OUTPUT, metavar="N", help="How many heads to list.")
    ] = 12,
    layer: Annotated[
        int | None,
        option("--layer", panel=_WHICH, metavar="N", help="The layer of the head to draw."),
    ] = None,
    head: Annotated[
        int | None,
        option(
            "--head",
            panel=_WHICH,
            metavar="N",
            help="The head to draw; by default the one that changed most.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        option("--out", "-o", panel=OUTPUT, metavar="FILE", help="Write a .json file."),
    ] = None,
    json: JsonOption = False,
    precision: Annotated[
        int | None,
        option("--precision", panel=OUTPUT, metavar="N", help="Decimals: all in JSON."),
    ] = None,
    style: Annotated[
        StyleChoice,
        option("--style", panel=LOOKS, help="The head as figures or as a map of colours."),
    ] = "auto",
    color: ColorOption = "auto",
) -> int:
    """Compare the weights of two runs: tokens aligned, heads ordered by how much they changed."""
    if a == b == "-":
        raise UsageError("only one of A and B can be standard input", "Name a file for the other.")
    if not 0 <= tolerance <= 1:
        raise UsageError(f"--tolerance must be from 0 to 1, not: {tolerance}")
    in_range("--top", top, 1, 2**31 - 1)
    in_range("--precision", precision, 0, 17)
    require_other_file(out, a, b)
    if out is not None and not out.lower().endswith(".json"):
        raise UsageError(f"no format is known for `{out}`", "Use `.json`.")
    within = True

    def results() -> "Iterator[Comparison]":
        nonlocal within
        for comparison in _pairs(a, b):
            within &= comparison.within(tolerance)
            yield comparison

    if json or out is not None:
        from attn_cli.files.results import diff_json

        pieces = (diff_json(comparison, tolerance, precision) for comparison in results())
        if out is not None:
            from attn_cli.files.whole import write_whole

            write_whole(out, pieces)
        else:
            for piece in pieces:
                write_bytes(piece)
    else:
        from attn_cli.commands.output import screen
        from attn_cli.terminal import diff as view
        from attn_cli.terminal.render import render

        on = screen(color)
        for number, comparison in enumerate(results()):
            drawn = view.lines(
                comparison,
                on,
                tolerance=tolerance,
                chosen=_chosen(comparison, layer, head),
                top=top,
                precision=precision,
                style=style,
            )
            write_text("\n" * bool(number) + render(drawn, on.colors))
    return ExitCode.DONE if within else ExitCode.NO


def _pairs(a: str, b: str) -> "Iterator[Comparison]":
    """The first of A with the first of B, and so on."""
    from attn_cli.comparison import compare

    both: Iterator[tuple[Inspection | None, Inspection | None]]
    both = zip_longest(sources.inspections(a), sources.inspections(b))
    for number, (one, other) in enumerate(both, start=1):
        if one is None or other is None:
            name, longer = ("A", "B") if one is None else ("B", "A")
            raise DataError(
                f"{longer} has {number} texts or more, and {name} has {number - 1}",
                "Compare files of the same texts.",
            )
        yield compare(one, other)


def _chosen(comparison: "Comparison", layer: int | None, head: int | None) -> tuple[int, int]:
    """The head that is drawn: of those that the options leave, the one that changed most."""
    left = [
        change
        for change in comparison.by_change()
        if layer in (None, change.layer) and head in (None, change.head)
    ]
    if not left:
        asked = [
            f"{name} {value}"
            for name, value in (("layer", layer), ("head", head))
            if value is not None
        ]
        last = comparison.heads[-1]
        raise UsageError(
            f"there is no {', '.join(asked)} in both",
            f"The last layer that is in both is {last.layer}, its last head {last.head}.",
        )
    return left[0].layer, left[0].head
