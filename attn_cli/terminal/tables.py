"""Tables in the terminal: numbers on coloured cells, in blocks of columns where they are many.

Drawn as Segments, which is some 50 times faster than one rich cell a number. The choice between
numbers and a map is made in `show`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment

from attn_cli.palette import STEPS
from attn_cli.tables import PRECISION, Table, cell_text, widest
from attn_cli.terminal.clean import fit
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.styles import DIM, PLAIN, SHADES, Screen, cell_style, scale_step

_WIDEST_HEADER = 12  # a column is not made wider than this for its header alone


@dataclass(frozen=True)
class Layout:
    """How a table of numbers is laid on a screen; every width in cells, gaps not counted."""

    position_width: int  # 0: no positions
    label_width: int
    cell_width: int
    shaded: bool  # a shade behind each number, where there is no colour
    per_block: int
    n_blocks: int

    @property
    def indent(self) -> int:
        """Cells before the first column."""
        return self.label_width + 1 + (self.position_width + 1 if self.position_width else 0)


def layout(table: Table, screen: Screen, precision: int) -> Layout:
    """Measure a table: the label column, one width for all numbers, and the blocks."""
    n_rows, n_columns = table.values.shape
    position_width = len(str(n_rows - 1)) if table.numbered else 0
    shaded = table.scale == "weight" and screen.colors == "none"
    numbers = widest(table, precision)
    room = screen.width - (position_width + 1 if position_width else 0) - 1
    labels = max(map(cell_len, map(screen.clean, table.row_labels)), default=1)
    # A long label gives way to the numbers, which cannot.
    label_width = min(labels, max(8, screen.width // 4), room - numbers - 2 - shaded)
    label_width = max(label_width, 1)
    room -= label_width
    headers = max(map(cell_len, map(screen.clean, table.column_labels)), default=1)
    cell_width = max(numbers, min(headers, _WIDEST_HEADER, room - 2 - shaded))
    most = max(room // (cell_width + 2 + shaded), 1)
    n_blocks = max(-(-n_columns // most), 1)
    return Layout(
        position_width,
        label_width,
        cell_width,
        shaded,
        max(-(-n_columns // n_blocks), 1),
        n_blocks,
    )


def draw(table: Table, plan: Layout, screen: Screen, precision: int = PRECISION) -> Iterator[Line]:
    """The numbers of a table, without its title and legend."""
    n_columns = table.values.shape[1]
    for first in range(0, n_columns, plan.per_block):
        columns = range(first, min(first + plan.per_block, n_columns))
        if plan.n_blocks > 1:
            heading = f"columns {first}–{columns[-1]} of {n_columns}"
            yield from wrapped(heading, screen)
        yield _header(table, plan, columns, screen)
        for row, label in enumerate(table.row_labels):
            line = _row_start(row, label, plan, screen)
            for column in columns:
                text = cell_text(table, row, column, precision)
                line.append(_cell(table, text, _step(table, row, column), plan, screen))
            yield line


def _step(table: Table, row: int, column: int) -> int | None:
    """The colour step of a cell; None where it has no colour."""
    if table.scale == "none" or column in table.bare or table.is_masked(row, column):
        return None
    return scale_step(table, table.values[row, column].item())


def _header(table: Table, plan: Layout, columns: range, screen: Screen) -> Line:
    line = [Segment(" " * plan.indent)]
    tail = " " * (1 + plan.shaded)
    for column in columns:
        name = fit(screen.clean(table.column_labels[column]), plan.cell_width, right=True)
        line.append(Segment(screen.symbols(f" {name}{tail}"), DIM))
    return line


def _row_start(row: int, label: str, plan: Layout, screen: Screen) -> Line:
    line = []
    if plan.position_width:
        line.append(Segment(f"{row:>{plan.position_width}} ", DIM))
    line.append(Segment(screen.symbols(fit(screen.clean(label), plan.label_width)) + " ", PLAIN))
    return line


def _cell(table: Table, text: str, step: int | None, plan: Layout, screen: Screen) -> Segment:
    body = f" {text:>{plan.cell_width}}"
    if step is None:
        return Segment(screen.symbols(body + " " * (1 + plan.shaded)), PLAIN)
    if plan.shaded:
        return Segment(screen.symbols(f"{body}{shade(step)} "), PLAIN)
    return Segment(f"{body} ", cell_style(table.scale, step, screen.colors))


def shade(step: int) -> str:
    """One of five shades for a step from 0 to 255, for screens without colour."""
    return SHADES[step * len(SHADES) // STEPS]
