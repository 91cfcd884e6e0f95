"""Notebook: what an Inspection shows as the value of a cell: static tables, numbers and colours.

Whatever comes from a user is escaped here; there are no scripts and nothing is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from attn_cli import palette
from attn_cli.tables import MASKED, Table, cell_text, format_number, tables
from attn_cli.text import visible

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection

_MOST_CELLS = 20_000  # of one table: more make a browser slow

_CELL = "text-align:right;padding:1px 6px;font-family:monospace"


def notebook_html(inspection: Inspection) -> str:
    """The usual tables of an Inspection (ids, embedding, weights) as one HTML fragment."""
    parts = [f"<p><b>{_safe(inspection.text)}</b></p>"]
    for table in tables(inspection):
        parts += _table(table)
    return f'<div class="attn">{"".join(parts)}</div>'


def _table(table: Table) -> Iterator[str]:
    caption = f"<b>{table.name}</b> {table.shape} {table.where}"
    if table.values.size > _MOST_CELLS:
        yield f"<p>{caption}: too large to show here; rich.print() draws it as a map</p>"
        return
    yield '<table style="border-collapse:collapse">'
    yield f'<caption style="text-align:left">{caption}<br>'
    yield f"rows: {table.rows} · columns: {table.columns}{_legend(table)}</caption>"
    heads = "".join(f'<th style="{_CELL}">{_safe(label)}</th>' for label in table.column_labels)
    yield f"<tr><th></th>{heads}</tr>"
    for row, label in enumerate(table.row_labels):
        cells = "".join(_cell(table, row, column) for column in range(table.values.shape[1]))
        yield f'<tr><th style="text-align:left">{_safe(label)}</th>{cells}</tr>'
    yield "</table>"


def _cell(table: Table, row: int, column: int) -> str:
    text = cell_text(table, row, column)
    if table.scale == "none" or text == MASKED:
        return f'<td style="{_CELL}">{text}</td>'
    value = table.values[row, column].item()
    color = (
        palette.weight_color(value)
        if table.scale == "weight"
        else palette.signed_color(value, table.largest)
    )
    ink = "#000" if palette.is_bright(color) else "#fff"
    return f'<td style="{_CELL};background:rgb{color};color:{ink}">{text}</td>'


def _legend(table: Table) -> str:
    if table.scale == "none":
        return ""
    if table.scale == "weight":
        return " · colour: from 0 (dark) to 1"
    largest = format_number(table.largest)
    return f" · colour: from -{largest} (blue) to {largest} (orange)"


def _safe(text: str) -> str:
    """A user's text as it is, in a direction of its own."""
    return f"<bdi>{escape(visible(text))}</bdi>"
