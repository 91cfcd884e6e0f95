"""Listings: plain columns of text under headings, for what is not a matrix.

It needs no numpy, and it draws line by line, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.segment import Segment

from attn_cli.terminal.clean import fit
from attn_cli.terminal.render import Line
from attn_cli.terminal.styles import DIM, PLAIN, TITLE, Screen

_NARROWEST = 4  # cells of a column of words: a few letters, and the sign that there are more
_LONGEST = 20  # cells of a number


def draw(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], screen: Screen
) -> Iterator[Line]:
    """A title, headings, and a line for each row.

    A column of digits is right-aligned. Where the screen is too narrow the widest give way,
    headings and words; numbers are never cut.
    """
    columns = [[screen.clean(cell) for cell in column] for column in zip(*rows, strict=True)]
    right = [all(cell.isdecimal() for cell in column) for column in columns]
    widths = [
        max(cell_len(heading), *map(cell_len, column))
        for heading, column in zip(headings, columns, strict=True)
    ]
    excess = sum(widths) + 2 * (len(widths) - 1) - screen.width
    least = [_least(column) for column in columns]
    while excess > 0 and (wide := [i for i, width in enumerate(widths) if width > least[i]]):
        widths[max(wide, key=widths.__getitem__)] -= 1
        excess -= 1
    yield [Segment(screen.symbols(fit(title, screen.width).rstrip()), TITLE)]
    yield [_line(headings, widths, right, screen, DIM)]
    for cells in zip(*columns, strict=True):
        yield [_line(cells, widths, right, screen, PLAIN)]


def _least(column: Sequence[str]) -> int:
    """The cells that a column needs: of numbers all, if they are no longer than numbers are."""
    widest = max(map(cell_len, column))
    are_numbers = widest <= _LONGEST and all(cell[:1].isdecimal() for cell in column)
    return widest if are_numbers else _NARROWEST


def _line(
    cells: Sequence[str],
    widths: Sequence[int],
    right: Sequence[bool],
    screen: Screen,
    style: object,
) -> Segment:
    parts = (fit(cell, width, right=r) for cell, width, r in zip(cells, widths, right, strict=True))
    return Segment(screen.symbols("  ".join(parts)), style)  # type: ignore[arg-type]
