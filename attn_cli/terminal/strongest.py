"""Strongest: for every query the keys that it gives most to, as lines like sentences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment

from attn_cli.tables import PRECISION, Table, format_number
from attn_cli.terminal.clean import fit
from attn_cli.terminal.render import Line
from attn_cli.terminal.styles import DIM, PLAIN, TITLE, Screen, cell_style, scale_step

_MOST, _LABEL_WIDTH, _BETWEEN = 5, 16, "   "
_LOOKS_AT = " → "


def strongest_lines(table: Table, screen: Screen, precision: int = PRECISION) -> Iterator[Line]:
    """A line a query: `4 the → cat@5 0.5210   sat 0.2013 …`, as many keys as fit, at most five.

    Args:
        table: weights, as `attn_cli.tables` makes them.
    """
    yield [Segment(screen.symbols("strongest keys"), TITLE), Segment(f"  {table.where}", DIM)]
    labels = [screen.clean(label) for label in table.row_labels]
    width = min(max(map(cell_len, labels)), _LABEL_WIDTH)
    places = len(str(len(labels) - 1))
    for row, name in enumerate(labels):
        start = f"{row:>{places}} "
        line = [Segment(start, DIM), Segment(screen.symbols(fit(name, width) + _LOOKS_AT), PLAIN)]
        room = screen.width - len(start) - width - len(_LOOKS_AT)
        yield [*line, *strongest(table, row, screen, room, precision)]


def strongest(
    table: Table, row: int, screen: Screen, room: int, precision: int
) -> Iterator[Segment]:
    """The keys that one query gives most to, each with its weight, as many as there is room for."""
    between = ""
    for column in _largest(table, row, 0.5 * 10.0**-precision):
        value = table.values[row, column].item()
        key = screen.symbols(screen.clean(table.column_labels[column]))
        key = fit(key, min(cell_len(key), _LABEL_WIDTH))
        number = format_number(value, precision)
        room -= len(between) + cell_len(key) + 1 + len(number)
        if room < 0:
            return
        style = cell_style(table.scale, scale_step(table, value), screen.colors)
        yield from (Segment(f"{between}{key} ", PLAIN), Segment(number, style))
        between = _BETWEEN


def _largest(table: Table, row: int, least: float) -> list[int]:
    """The places of a row's largest weights, the largest first; none that is masked or small."""
    values = table.values[row]
    order = np.argsort(-values, kind="stable")[:_MOST].tolist()
    return [c for c in order if values[c] >= least and not table.is_masked(row, c)]
