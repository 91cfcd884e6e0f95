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

_MOST, _LABEL_WIDTH = 5, 16


def strongest_lines(table: Table, screen: Screen, precision: int = PRECISION) -> Iterator[Line]:
    """A line a query: `4 the  cat@5 0.5210  sat 0.2013 …`, as many keys as fit, at most five.

    Args:
        table: weights, as `attn_cli.tables` makes them.
    """
    yield [Segment(f"strongest  {table.where}", TITLE)]
    labels = [screen.clean(label) for label in table.row_labels]
    width = min(max(map(cell_len, labels)), _LABEL_WIDTH)
    places = len(str(len(labels) - 1))
    for row, name in enumerate(labels):
        start = f"{row:>{places}} "
        line = [Segment(start, DIM), Segment(screen.symbols(fit(name, width)), PLAIN)]
        room = screen.width - len(start) - width
        for column in _largest(table, row):
            value = table.values[row, column].item()
            key = screen.symbols(screen.clean(table.column_labels[column]))
            key = fit(key, min(cell_len(key), _LABEL_WIDTH))
            number = format_number(value, precision)
            room -= cell_len(key) + len(number) + 4
            if room < 0:
                break
            style = cell_style(table.scale, scale_step(table, value), screen.colors)
            line += [Segment(f"  {key} ", PLAIN), Segment(number, style), Segment(" ")]
        yield line


def _largest(table: Table, row: int) -> list[int]:
    """The places of a row's largest weights, the largest first; none that is masked or 0."""
    values = table.values[row]
    order = np.argsort(-values, kind="stable")[:_MOST].tolist()
    return [c for c in order if values[c] > 0 and not table.is_masked(row, c)]
