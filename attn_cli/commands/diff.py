"""`attn diff`: two Inspections, aligned and subtracted; a regression test in one command."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.commands import sources
from attn_cli.commands.model import MODEL, OfflineOption, RealModel, TruncateOption
from attn_cli.commands.options import (
    LOOKS,
    OUTPUT,
    ColorOption,
    Group,
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

attn diff "The cat sat." "The dog sat." --model sample_inputs/tiny-llama || true
"""

_WHICH = "Which head"


class Chosen(Group):
    """Which head is drawn as a matrix."""

    layer: Annotated[
        int | None,
        option("--layer", panel=_WHICH, metavar="N", help="The layer of the head to draw."),
    ] = None
    head: Annotated[
        int | None,
        option(
            "--head",
            panel=_WHICH,
            metavar="N",
            help="The head to draw; by default the one that changed most.",
        ),
    ] = None

    def of(self, comparison: "Comparison") -> tuple[int, int]:
        """Of the heads that the options leave, the one that changed most.

        Raises:
            UsageError: they leave none.
        """
        for change in comparison.by_change():
            if self.layer in (None, change.layer) and self.head in (None, change.head):
                return change.layer, change.head
        asked = [f"{name} {value}" for name, value in vars(self).items() if value is not None]
        last = comparison.heads[-1]
        raise UsageError(
            f"there is no {', '.join(asked)} in both",
            f"The last layer that is in both is {last.layer}, its last head {last.head}.",
        )


class Printed(Group):
    """Where the result goes and what it looks like there."""

    top: Annotated[
        int, option("--top", panel=OUTPUT, metavar="N", help="How many heads to list.")
    ] = 12
    out: Annotated[
        str | None,
        option("--out", "-o", panel=OUTPUT, metavar="FILE", help="Write a .json file."),
    ] = None
    json: JsonOption = False
    precision: Annotated[
        int | None,
        option(
            "--precision",
            panel=OUTPUT,
            metavar="N",
            help="Decimals: in tables as many as the differences need, all in JSON.",
        ),
    ] = None
    style: Annotated[
        StyleChoice,
        option("--style", panel=LOOKS, help="The head as figures or as a map of colours."),
    ] = "auto"
    color: ColorOption = "auto"

    def deliver(
        self, comparisons: "Iterator[Comparison]", tolerance: float, chosen: Chosen
    ) -> None:
        """Draw, print or write every comparison as soon as it is there."""
        if not self.json and self.out is None:
            self._draw(comparisons, tolerance, chosen)
            return
        from attn_cli.files.results import diff_json

        pieces = (diff_json(one, tolerance, self.precision) for one in comparisons)
        if self.out is not None:
            from attn_cli.files.whole import write_whole

            write_whole(self.out, pieces)
        else:
            for piece in pieces:
                write_bytes(piece)

    def _draw(self, comparisons: "Iterator[Comparison]", tolerance: float, chosen: Chosen) -> None:
        from attn_cli.commands.output import screen
        from attn_cli.terminal import diff as view
        from attn_cli.terminal.render import render

        on = screen(self.color)
        for number, comparison in enumerate(comparisons):
            drawn = view.lines(
                comparison,
                on,
                tolerance=tolerance,
                chosen=chosen.of(comparison),
                top=self.top,
                precision=self.precision,
                style=self.style,
            )
            write_text("\n" * bool(number) + render(drawn, on.colors))


@grouped
def diff(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A", help="A file that attn wrote, - for a pipe; with --model a text."
        ),
    ],
    chosen: Chosen,
    printed: Printed,
    b: Annotated[
        str | None,
        typer.Argument(metavar="B", help="Another; with two models it may be left out."),
    ] = None,
    model: Annotated[
        list[str] | None,
        option(
            "--model",
            "-m",
            panel=MODEL,
            metavar="MODEL",
            help="Compare two texts in one model, or with --model twice one text in two.",
        ),
    ] = None,
    truncate: TruncateOption = False,
    offline: OfflineOption = False,
    tolerance: Annotated[
        float,
        option(
            "--tolerance",
            panel=OUTPUT,
            metavar="T",
            help="How far a weight may be from the other. The exit code is 0 if none is further "
            "and both have the same tokens and layers, else 1; 2 is trouble, or nothing in common.",
        ),
    ] = 0.0,
) -> int:
    """Compare the weights of two runs: tokens aligned, heads ordered by how much they changed."""
    left, right = _sources(a, b, model or [], RealModel(truncate=truncate, offline=offline))
    if not 0 <= tolerance <= 1:
        raise UsageError(f"--tolerance must be from 0 to 1, not: {tolerance}")
    in_range("--top", printed.top, 1, 2**31 - 1)
    in_range("--precision", printed.precision, 0, 17)
    require_other_file(printed.out, *((a, b) if not model else ()), models=model or [])
    if printed.out is not None and not printed.out.lower().endswith(".json"):
        raise UsageError(f"no format is known for `{printed.out}`", "Use `.json`.")
    within = True

    def compared() -> "Iterator[Comparison]":
        nonlocal within
        for comparison in _pairs(left, right):
            within &= comparison.within(tolerance)
            yield comparison

    printed.deliver(compared(), tolerance, chosen)
    return ExitCode.DONE if within else ExitCode.NO


def _sources(
    a: str, b: str | None, models: list[str], real: RealModel
) -> "tuple[Iterator[Inspection], Iterator[Inspection]]":
    """What A and B are: files, or texts in one or two models.

    Raises:
        UsageError: there are not two things to compare, or more.
    """
    if not models:
        real.require_model()
        if b is None:
            raise UsageError("there is no B: only one file is given", "Name two to compare.")
        if a == b == "-":
            raise UsageError("only one of A and B can be standard input", "Name a file for one.")
        return sources.inspections(a), sources.inspections(b)
    if len(models) > 2:
        raise UsageError(f"--model is given {len(models)} times", "Compare two at a time.")
    if b is None and len(models) == 1:
        raise UsageError(
            "there is only one text in one model", "Give another text, or `--model` once more."
        )
    texts, (one, other) = (a, a if b is None else b), (models[0], models[-1])
    left, right = (RealModel(**{**vars(real), "model": name}) for name in (one, other))
    return (
        left.inspections(texts[0], None, lines=False),
        right.inspections(texts[1], None, lines=False),
    )


def _pairs(a: "Iterator[Inspection]", b: "Iterator[Inspection]") -> "Iterator[Comparison]":
    """The first of A with the first of B, and so on; each once it is known that both go on alike.

    So nothing is said of one text against a file of two before that is refused.
    """
    from attn_cli.comparison import compare

    both: Iterator[tuple[Inspection | None, Inspection | None]] = zip_longest(a, b)
    before: tuple[Inspection, Inspection] | None = None
    for number, (one, other) in enumerate(both, start=1):
        if one is None or other is None:
            name, longer = ("A", "B") if one is None else ("B", "A")
            raise DataError(
                f"{longer} has {number} texts or more, and {name} has {number - 1}",
                "Compare files of the same texts.",
            )
        if before is not None:
            yield compare(*before)
        before = one, other
    if before is not None:
        yield compare(*before)
