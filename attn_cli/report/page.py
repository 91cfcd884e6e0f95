"""Page: an Inspection as one HTML file: tables of numbers, and pictures where they are too many.

It is static and complete: nothing is loaded, nothing runs. Whatever comes from a user is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

from attn_cli import palette, shading
from attn_cli.report import svg
from attn_cli.tables import (
    MASKED,
    PRECISION,
    SHOWN,
    Table,
    cell_text,
    doubts,
    facts,
    format_number,
    tables,
)
from attn_cli.text import visible

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection

_MOST_NUMBERS = (40, 24)  # rows and columns of a table of numbers

_STYLE = """\
:root{color-scheme:light dark}
body{font:14px/1.5 system-ui,sans-serif;margin:2em;background:#fff;color:#1b1b1f}
h1{font-size:1.3em;margin:0}h2{font-size:1.05em;margin:2em 0 0}p{margin:.2em 0}
.d{color:#5c5c66}.heads{display:flex;flex-wrap:wrap;gap:1.5em;align-items:flex-start}
figure{margin:.6em 0;overflow-x:auto;max-width:100%}figcaption{margin-bottom:.2em}
table{border-collapse:collapse;font:12px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}
th{font-weight:normal;text-align:right;padding:1px 7px;white-space:pre}
td{text-align:right;padding:2px 7px}tr>th:first-child{text-align:left}td.no{background:#e2e2e7}
.bar{display:inline-block;width:10em;height:.9em;vertical-align:-.1em;margin:0 .4em}
@media (prefers-color-scheme:dark){body{background:#17171b;color:#e8e8ec}.d{color:#a4a4ae}\
td.no{background:#3c3c44}}
"""
_HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none';style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
"""


def write(
    inspection: Inspection, precision: int | None = None, names: Sequence[str] = SHOWN
) -> Iterator[bytes]:
    """A heading, then the tables under one heading for each part of a layer."""
    decimals = PRECISION if precision is None else precision
    title = inspection.text or inspection.source.model
    used: set[tuple[str, int]] = set()
    body = [f"<h1><bdi>{_safe(title)}</bdi></h1>"]
    body += [f'<p class="d">{_safe(" · ".join(facts(inspection)))}</p>']
    body += [f"<p>{_safe(doubt)}</p>" for doubt in doubts(inspection)]
    for (name, layer), group in groupby(tables(inspection, names), key=_part):
        body += [f"<h2>{_safe(' · '.join(filter(None, (name, layer))))}</h2>"]
        heads = list(group)
        body += [f"<p class='d'>rows: {heads[0].rows} · columns: {heads[0].columns}</p>"]
        if heads[0].scale == "weight":  # one scale, so one legend
            body += [f"<p class='d'>{_legend(heads[0], decimals)}</p>"]
        body += ['<div class="heads">']
        size = svg.SMALL_MAP if len(heads) > 1 else svg.MAP
        for table in heads:
            body += _figure(table, decimals, size, used)
        body += ["</div>"]
    style = _STYLE + svg.STYLE + _colors(used)
    yield _HEAD.format(title=_safe(title), style=style).encode()
    for part in body:
        yield f"{part}\n".encode()
    yield b"</body>\n</html>\n"


def _part(table: Table) -> tuple[str, str]:
    return table.name, table.where.partition(",")[0]


def _figure(table: Table, decimals: int, size: int, used: set[tuple[str, int]]) -> Iterator[str]:
    n_rows, n_columns = table.values.shape
    numbered = n_rows <= _MOST_NUMBERS[0] and n_columns <= _MOST_NUMBERS[1]
    drawn = None if numbered or table.scale == "none" else svg.panel(table, decimals, size)
    head, note = table.where.partition(", ")[2], f"; {drawn.note}" if drawn and drawn.note else ""
    yield f"<figure><figcaption>{head} <span class='d'>{table.shape}{note}</span></figcaption>"
    if drawn is None:
        yield from _table(table, decimals, used)
    else:
        box = f'width="{drawn.width:g}" height="{drawn.height:g}"'
        yield f'<svg class="attn" {box} role="img">{drawn.body}</svg>'
    if table.scale == "signed":
        yield f"<p class='d'>{_legend(table, decimals)}</p>"
    yield "</figure>"


def _table(table: Table, decimals: int, used: set[tuple[str, int]]) -> Iterator[str]:
    steps = shading.steps(table) if table.scale != "none" else None
    heads = "".join(f"<th><bdi>{_safe(label)}</bdi></th>" for label in table.column_labels)
    yield f"<table><tr><th></th>{heads}</tr>"
    for row, label in enumerate(table.row_labels):
        cells = []
        for column in range(table.values.shape[1]):
            text = cell_text(table, row, column, decimals)
            kind = ""
            if steps is not None and text == MASKED:
                kind = " class=no"
            elif steps is not None:
                step = int(steps[row, column])
                used.add((table.scale, step))
                kind = f" class={table.scale[0]}{step}"
            cells.append(f"<td{kind}>{text}</td>")
        place = f"{row} " if table.numbered else ""
        yield f"<tr><th>{place}<bdi>{_safe(label)}</bdi></th>{''.join(cells)}</tr>"
    yield "</table>"


def _colors(used: set[tuple[str, int]]) -> str:
    """The rules of those steps of the scales that a table uses."""
    rules = []
    for scale, step in sorted(used):
        color = palette.scale_colors(scale)[step]
        ink = "#000" if palette.is_bright(color) else "#fff"
        rules.append(f".{scale[0]}{step}{{background:#{bytes(color).hex()};color:{ink}}}\n")
    return "".join(rules)


def _legend(table: Table, decimals: int) -> str:
    if table.scale == "weight":
        low, high, note = "0", "1", "weight, on the same scale for every head"
    else:
        high = format_number(table.largest, decimals)
        low, note = f"-{high}", "on this table's own scale"
    if table.allowed is not None and not table.allowed.all():
        note += "; grey is masked"
    colors = palette.scale_colors(table.scale)[:: palette.STEPS // 15]
    stops = ",".join(f"#{bytes(color).hex()}" for color in colors)
    bar = f'<span class="bar" style="background:linear-gradient(90deg,{stops})"></span>'
    return f"{low}{bar}{high} · {note}"


def _safe(text: str) -> str:
    return escape(visible(text))
