"""Grid: one number of every head, layers × heads, coloured and lettered, however many there are.

It draws what it is given; which statistic that is, and what the letters mean, others say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.segment import Segment

from attn_cli.tables import MASKED, Table, format_number, widest
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.show import scale_bar, title
from attn_cli.terminal.styles import DIM, PLAIN, Screen, cell_style, scale_step
from attn_cli.terminal.tables import shade

PRECISION = 2


@dataclass(frozen=True)
class _Form:
    """What a cell holds: a number and a letter, a letter with room around it, or a letter alone."""

    width: int  # of a cell
    numbers: bool = False
    spaced: bool = False


def lines(
    table: Table,
    screen: Screen,
    *,
    letters: Sequence[str] | None = None,
    note: str = "",
    precision: int = PRECISION,
    numbers: bool = True,
) -> Iterator[Line]:
    """A grid with its title and legend, no wider than the screen.

    Args:
        table: rows are layers, columns heads; `scale` is `weight`.
        letters: one string a row, one letter a head.
        note: what the numbers are.
        precision: decimals, where there is room for numbers.
        numbers: show them where there is; otherwise colours or shades alone do.
    """
    yield from title(table, screen)
    yield from wrapped(f"rows: {table.rows} · columns: {table.columns}", screen)
    indent = max(map(len, table.row_labels)) + 1
    forms = _forms(table, letters is not None, screen, precision)[0 if numbers else 1 :]
    room = screen.width - indent
    fitting = (f for f in forms if f.width * table.values.shape[1] <= room)
    form = next(fitting, forms[-1])
    n_columns = table.values.shape[1]
    most = max((screen.width - indent) // form.width, 1)
    per_block = -(-n_columns // -(-n_columns // most))  # blocks alike, not a last one of scraps
    for first in range(0, n_columns, per_block):
        columns = range(first, min(first + per_block, n_columns))
        if n_columns > per_block:
            yield from wrapped(f"columns {first}–{columns[-1]} of {n_columns}", screen)
        yield [Segment(" " * indent + _header(columns, form), DIM)]
        for row, name in enumerate(table.row_labels):
            line = [Segment(f"{name:>{indent - 1}} ", DIM)]
            for column in columns:
                letter = letters[row][column] if letters is not None else ""
                line.append(_cell(table, row, column, letter, form, screen, precision))
            yield line
    end = format_number(table.end, precision) if table.end != 1 else "1"
    yield scale_bar(table.scale, "0", end, screen)
    if note:
        yield from wrapped(note, screen)


def _forms(table: Table, lettered: bool, screen: Screen, precision: int) -> list[_Form]:
    """The forms that a cell can have, the one that says most first."""
    shaded = screen.colors == "none"
    with_number = 1 + widest(table, precision) + 2 * lettered + 1 + shaded
    return [
        _Form(with_number, numbers=True, spaced=True),
        _Form(3 + shaded, spaced=True),
        _Form(lettered + shaded or 1),
    ]


def _header(columns: range, form: _Form) -> str:
    """The number of every head; where there is no room for all, of the first and every tenth."""
    most = len(str(columns[-1]))
    if form.width > most:
        after = " " if form.spaced else ""
        return "".join(f"{column:>{form.width - len(after)}}{after}" for column in columns)
    marks = [" "] * (len(columns) * form.width)
    for column in (columns.start, *range(-(-columns.start // 10) * 10, columns.stop, 10)):
        place, number = (column - columns.start) * form.width, str(column)
        end = place + len(number)
        if end <= len(marks) and marks[max(place - 1, 0) : end] in ([" "] * n for n in range(5)):
            marks[place:end] = number
    return "".join(marks)


def _cell(
    table: Table,
    row: int,
    column: int,
    letter: str,
    form: _Form,
    screen: Screen,
    precision: int,
) -> Segment:
    if table.is_masked(row, column):
        text = f" {MASKED}" if form.spaced else MASKED
        return Segment(screen.symbols(f"{text:<{form.width}}"), DIM)
    value = table.values[row, column].item()
    step = scale_step(table, value)
    parts = [letter] if letter else []
    if form.numbers:
        parts.insert(0, format_number(value, precision))
    text = " ".join(parts)
    if screen.colors == "none":
        text += shade(step)
    if form.spaced:
        text = f"{text:>{form.width - 1}} "
    if screen.colors == "none":
        return Segment(screen.symbols(f"{text:>{form.width}}"), PLAIN)
    return Segment(f"{text:>{form.width}}", cell_style(table.scale, step, screen.colors))
