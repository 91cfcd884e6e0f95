"""Markdown: the tables of an Inspection for a note, an issue or a chat.

It is written, not read: the numbers are rounded as they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from attn_cli.inspection import Inspection
from attn_cli.tables import PRECISION, SHOWN, cell_text, doubts, tables
from attn_cli.text import visible

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]()#+-.!|~:$^="})


def write(
    inspection: Inspection, precision: int | None = None, names: Sequence[str] = SHOWN
) -> Iterator[bytes]:
    """A heading for the text, then a titled table each."""
    decimals = PRECISION if precision is None else precision
    lines = [f"## {clean(inspection.text or inspection.source.model)}", ""]
    for doubt in doubts(inspection):
        lines += [clean(doubt), ""]
    for table in tables(inspection, names):
        where = f", {table.where}" if table.where else ""
        lines += [f"**{table.name}** {table.shape}{where}  "]
        lines += [f"rows: {table.rows} · columns: {table.columns}", ""]
        lines += [_row(["", *map(clean, table.column_labels)])]
        lines += [_row(["---", *("---:" for _ in table.column_labels)])]
        for i, label in enumerate(table.row_labels):
            cells = (cell_text(table, i, j, decimals) for j in range(table.values.shape[1]))
            lines += [_row([clean(label), *cells])]
        lines += [""]
    yield "\n".join(lines).encode()


def clean(text: str) -> str:
    """A text that Markdown and the HTML in it show as it is, on one line."""
    return escape(visible(text).translate(_SPECIAL), quote=False)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
