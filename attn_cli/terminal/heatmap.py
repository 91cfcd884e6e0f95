"""Heat maps: one character or half a character a number, for matrices too wide for figures.

It draws; which tables come here is decided in `show`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from attn_cli import shading
from attn_cli.tables import MASKED, Table
from attn_cli.terminal.clean import fit
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.styles import DIM, PLAIN, Screen, cell_style, scale_step, step_color
from attn_cli.terminal.tables import shade

if TYPE_CHECKING:
    from attn_cli.types import Integers

_MOST_BLOCKS = 3  # more blocks than this side by side are pooled into fewer, larger cells
_LABEL_WIDTH = 12
_WIDEST, _LEAST = 4, 3  # of a cell that has a weight's percent in it


def draw(table: Table, screen: Screen) -> Iterator[Line]:
    """A map of a table: two rows a line in colour, one row a line in shades."""
    indent = _indent(table, screen)
    room = max(screen.width - indent, 1)
    pool_columns = -(-table.values.shape[1] // (room * _MOST_BLOCKS))
    square = table.scale == "weight" or table.allowed is not None
    pool_rows = pool_columns if square else 1
    steps = shading.steps(table, pool_rows, pool_columns)
    if pool_rows * pool_columns > 1:
        text = f"each cell is the largest of {pool_rows} × {pool_columns} numbers"
        yield from wrapped(text, screen)
    n_columns = steps.shape[1]
    for first in range(0, n_columns, room):
        columns = range(first, min(first + room, n_columns))
        if n_columns > room:
            end = min(columns.stop * pool_columns, table.values.shape[1]) - 1
            heading = f"columns {first * pool_columns}–{end} of {table.values.shape[1]}"
            yield from wrapped(heading, screen)
        yield _ruler(columns, pool_columns, indent)
        part = steps[:, columns.start : columns.stop]
        yield from _rows(table, part, pool_rows, indent, screen)


def has_percents(table: Table, screen: Screen) -> bool:
    """Whether there is room for every weight's percent."""
    least = _LEAST + (screen.colors == "none")  # and a shade
    room = screen.width - _indent(table, screen)
    return table.scale == "weight" and room // table.values.shape[1] >= least


def percents(table: Table, screen: Screen) -> Iterator[Line]:
    """One row a line, every cell with its weight in percent, under the number of its key."""
    indent, plain = _indent(table, screen), screen.colors == "none"
    width = min((screen.width - indent) // table.values.shape[1], _WIDEST)
    tail = " " * (width - _LEAST)
    names = "".join(f"{column:>{_LEAST}}{tail}" for column in range(table.values.shape[1]))
    yield [Segment(" " * indent + names, DIM)]
    for row in range(len(table.row_labels)):
        line = _row_start(table, row, indent, screen)
        for column, value in enumerate(table.values[row].tolist()):
            if table.is_masked(row, column):
                line.append(Segment(screen.symbols(f"{MASKED:>{_LEAST}}{tail}"), DIM))
                continue
            step, percent = scale_step(table, value), f"{100 * value:>{_LEAST}.0f}"
            text = screen.symbols(percent + shade(step)) if plain else percent + tail
            line.append(Segment(text, cell_style(table.scale, step, screen.colors)))
        yield line


def _row_start(table: Table, row: int, indent: int, screen: Screen) -> Line:
    position_width = _position_width(table)
    label_width = indent - position_width - 1
    label = fit(screen.clean(table.row_labels[row]), label_width)
    return [
        Segment(f"{row:>{position_width - 1}} " if position_width else "", DIM),
        Segment(screen.symbols(label) + " ", PLAIN),
    ]


def _indent(table: Table, screen: Screen) -> int:
    """Cells before a row's own; every label is measured, so it is asked for once a table."""
    labels = max((cell_len(screen.clean(label)) for label in table.row_labels), default=0)
    return _position_width(table) + min(labels, _LABEL_WIDTH) + 1


def _position_width(table: Table) -> int:
    """Cells for the number of a row and the space after it; labels may be numbers already."""
    return len(str(len(table.row_labels))) + 1 if table.numbered else 0


def _ruler(columns: range, pool: int, indent: int) -> Line:
    """The number of every tenth column above it."""
    marks = [" "] * len(columns)
    for offset in range(0, len(columns), 10):
        number = str((columns.start + offset) * pool)
        if offset + len(number) <= len(columns):
            marks[offset : offset + len(number)] = number
    return [Segment(" " * indent + "".join(marks), DIM)]


def _rows(table: Table, steps: Integers, pool: int, indent: int, screen: Screen) -> Iterator[Line]:
    halves = halves_rows(screen)
    rows = steps.tolist()
    for upper in range(0, len(rows), 2 if halves else 1):
        line = _row_start(table, upper * pool, indent, screen)
        if halves:
            lower = rows[upper + 1] if upper + 1 < len(rows) else [None] * len(rows[upper])
            line.extend(_half_blocks(table, rows[upper], lower, screen))
        else:
            line.extend(cells(table, rows[upper], screen))
        yield line


def halves_rows(screen: Screen) -> bool:
    """Whether two rows fit into one line: with colours, and with a character of two halves."""
    return screen.colors != "none" and not screen.ascii


def cells(table: Table, row: list[int], screen: Screen) -> Iterator[Segment]:
    """One row a line: a shade, or a space on its colour."""
    for step in row:
        color = None if step == shading.MASK else step_color(table.scale, step, screen.colors)
        if step == shading.MASK:
            yield Segment(screen.symbols(MASKED), DIM)
        elif screen.colors == "none":
            size = step if table.scale == "weight" else min(abs(2 * step - 255), 255)
            yield Segment(screen.symbols(shade(size)))
        else:
            yield Segment(" ", Style.from_color(None, color))


def _half_blocks(
    table: Table, upper: list[int], lower: list[int | None], screen: Screen
) -> Iterator[Segment]:
    """Two rows in one line: the upper half of each character in front, the lower half behind."""
    for above, below in zip(upper, lower, strict=True):
        if above == shading.MASK and below in (shading.MASK, None):
            yield Segment(MASKED, DIM)
            continue
        front, back = (
            None if step in (shading.MASK, None) else step_color(table.scale, step, screen.colors)
            for step in (above, below)
        )
        if front is None:
            yield Segment(" " if back is None else "▄", Style.from_color(back))
        else:
            yield Segment("▀", Style.from_color(front, back))
