"""SVG: the tables of an Inspection as one picture: cells as strokes of colour, labels as text.

Nothing is loaded and nothing runs. Whatever comes from a user is escaped here.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from attn_cli import palette, shading
from attn_cli.tables import (
    MASKED,
    PRECISION,
    Table,
    cell_text,
    doubts,
    facts,
    format_number,
    tables,
    widest,
)
from attn_cli.text import visible

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection
    from attn_cli.types import Integers

SHOWN = ("weights",)
STYLE = """\
.attn text{font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;\
fill:#1b1b1f;white-space:pre;unicode-bidi:plaintext}
.attn .t{font-weight:bold}.attn .d{fill:#5c5c66}
.attn .e{text-anchor:end}.attn .m{text-anchor:middle}
.attn .k{fill:#000}.attn .w{fill:#fff}.attn .bg{fill:#fff}.attn .no{fill:#e2e2e7}
.attn path{fill:none;stroke-width:1;shape-rendering:crispEdges}
@media (prefers-color-scheme:dark){.attn text{fill:#e8e8ec}.attn .d{fill:#a4a4ae}\
.attn .k{fill:#000}.attn .w{fill:#fff}.attn .bg{fill:#17171b}.attn .no{fill:#3c3c44}}
"""
# Pixels: a character's width and height, from its middle to its baseline, a line, between panels.
_EM, _LETTER, _BASELINE, _LINE, _GAP = 6.7, 12, 4, 15, 22
_WIDEST_PICTURE = 1800
_MOST_NUMBERED = (40, 16)  # rows and columns with a number in every cell
_MOST_CELLS = 240  # along an axis; more are pooled
_LARGEST_CELL, _SMALLEST_CELL = 14, 2
MAP, SMALL_MAP = 420, 200  # about as large as a map is: alone, and among many
_MANY = 4  # panels
_LONGEST_LABEL, _LONGEST_LINE = 24, 180  # characters
_TITLE = 22  # pixels of a panel's title
_WEIGHT_NOTE = "weight, on the same scale for every head; rows look, columns are looked at"
_LEGEND = 32  # steps


@dataclass(frozen=True)
class Panel:
    """One table, drawn with its upper left corner at 0, 0; sizes in pixels."""

    body: str
    width: float
    height: float
    note: str = ""  # what is to be said of it
    row: str = ""  # those of the same row stand side by side


def write(
    inspection: Inspection, precision: int | None = None, names: Sequence[str] = SHOWN
) -> Iterator[bytes]:
    """A title, then every table: the heads of a layer side by side, the layers below each other."""
    decimals = PRECISION if precision is None else precision
    title = inspection.text or inspection.source.model
    lines = [title, " · ".join(facts(inspection)), *doubts(inspection)]
    lines = [_cut(line, _LONGEST_LINE) for line in lines]
    top = 20.0 + 16 * len(lines)
    found = list(tables(inspection, names))
    size = SMALL_MAP if len(found) > _MANY else MAP
    body, width, height = _placed([_titled(table, decimals, size) for table in found], top - 4)
    if "weights" in names:
        note = _WEIGHT_NOTE + "; grey is masked" * _is_masked(inspection)
        legend, needed = _legend("weight", "0", "1", note)
        body.append(f'<g transform="translate(8 {height:g})">{legend}</g>')
        width, height = max(width, needed + 16), height + 2 * _LINE
    width = max(width, 16 + _EM * max(map(_cells, lines)))
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="attn" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img">\n<title>{_safe(title)}</title>\n'
        f'<style>\n{STYLE}</style>\n<rect class="bg" width="100%" height="100%"/>\n'
    ).encode()
    for place, line in enumerate(lines):
        yield f"{_text(8, 20 + 16 * place, line, 't' if not place else 'd')}\n".encode()
    for part in body:
        yield f"{part}\n".encode()
    yield b"</svg>\n"


def panel(table: Table, decimals: int = PRECISION, size: int = MAP) -> Panel:
    """A table as the inside of an SVG: the cells and their labels.

    Args:
        size: of a map of colours, in pixels; cells with numbers have their own.
    """
    frame = _frame(table, decimals, size)
    steps = shading.steps(table, frame.pool_rows, frame.pool_columns)
    n_rows, n_columns = steps.shape
    corner = f"translate({frame.left:g} {frame.top:g})"
    parts = [*_labels(frame, steps)]
    if table.scale != "none":
        parts += [f'<g transform="{corner} scale({frame.cell_width:g} {frame.cell_height:g})">']
        if (steps == shading.MASK).any():
            parts += [f'<rect class="no" width="{n_columns}" height="{n_rows}"/>']
        parts += [*_strokes(steps, palette.scale_colors(table.scale)), "</g>"]
    if frame.numbered:
        parts += [f'<g transform="{corner}">', *_numbers(table, frame, steps, decimals), "</g>"]
    width, height = n_columns * frame.cell_width, n_rows * frame.cell_height
    pooled = frame.pool_rows * frame.pool_columns > 1
    return Panel(
        "\n".join(parts),
        frame.left + width + 0.5 * _LETTER,  # half of the last column's label is beside it
        frame.top + height + 6,
        f"each cell the largest of {frame.pool_rows} × {frame.pool_columns}" if pooled else "",
    )


def _titled(table: Table, decimals: int, size: int) -> Panel:
    """A panel with its title, and below it the legend of its own scale."""
    drawn = panel(table, decimals, size)
    title = f"{table.name} {table.shape}"
    said = "; ".join(filter(None, (table.where, drawn.note)))
    place = _EM * _cells(title) + 10
    parts = [_text(0, 11, title, "t"), _text(place, 11, said, "d")]
    parts += [f'<g transform="translate(0 {_TITLE})">\n{drawn.body}\n</g>']
    width, bottom = max(drawn.width, place + _EM * _cells(said)), _TITLE + drawn.height
    if table.scale == "signed":
        end, axes = format_number(table.largest, decimals), f"rows: {table.rows}"
        axes += f" · columns: {table.columns}"
        legend, needed = _legend("signed", f"-{end}", end, "on this table's own scale")
        legend += _text(0, 11 + _LINE, axes, "d")
        parts += [f'<g transform="translate(0 {bottom:g})">{legend}</g>']
        width, bottom = max(width, needed, _EM * _cells(axes)), bottom + 2 * _LINE + 6
    row = f"{table.name} {table.where.partition(',')[0]}"
    return Panel("\n".join(parts), width, bottom, row=row)


def _is_masked(inspection: Inspection) -> bool:
    allowed = inspection.mask.allowed
    return allowed is not None and not bool(allowed.all())


@dataclass(frozen=True)
class _Frame:
    """Where the parts of a panel are, in pixels."""

    numbered: bool  # every cell has its number
    cell_width: float
    cell_height: float
    pool_rows: int
    pool_columns: int
    left: float
    top: float
    upright: bool  # the labels of the columns
    row_labels: Sequence[str]
    column_labels: Sequence[str]


def _frame(table: Table, decimals: int, size: int) -> _Frame:
    n_rows, n_columns = table.values.shape
    numbered = n_rows <= _MOST_NUMBERED[0] and n_columns <= _MOST_NUMBERED[1]
    numbered = numbered or table.scale == "none"
    pool_rows, pool_columns = 1, 1
    if numbered:
        width, height = _EM * widest(table, decimals) + 10, 20.0
    else:
        pool_rows, pool_columns = -(-n_rows // _MOST_CELLS), -(-n_columns // _MOST_CELLS)
        if table.scale == "weight" or table.allowed is not None:
            pool_rows = pool_columns = max(pool_rows, pool_columns)
        most = max(-(-n_rows // pool_rows), -(-n_columns // pool_columns))
        width = height = float(min(max(size // most, _SMALLEST_CELL), _LARGEST_CELL))
    rows = [_cut(label) for label in table.row_labels]
    if table.numbered:
        rows = [f"{i} {label}" for i, label in enumerate(rows)]
    columns = [_cut(label) for label in table.column_labels]
    longest = _EM * max(map(_cells, columns), default=0)
    upright = longest + 4 > width
    return _Frame(
        numbered=numbered,
        cell_width=width,
        cell_height=height,
        pool_rows=pool_rows,
        pool_columns=pool_columns,
        left=_EM * max(map(_cells, rows), default=0) + 8,
        top=longest + 8 if upright else _LINE,
        upright=upright,
        row_labels=rows,
        column_labels=columns,
    )


def _labels(frame: _Frame, steps: Integers) -> Iterator[str]:
    """Rows to the left and columns above; where cells are small, as many as there is room for."""
    n_rows, n_columns = steps.shape
    for row in range(0, n_rows, math.ceil(_LETTER / frame.cell_height)):
        y = frame.top + (row + 0.5) * frame.cell_height + _BASELINE
        yield _text(frame.left - 5, y, frame.row_labels[row * frame.pool_rows], "e")
    stride = math.ceil(_LETTER / frame.cell_width) if frame.upright else 1
    for column in range(0, n_columns, stride):
        x = frame.left + (column + 0.5) * frame.cell_width
        label = frame.column_labels[column * frame.pool_columns]
        if frame.upright:
            turn = f"translate({x + _BASELINE:g} {frame.top - 5:g}) rotate(-90)"
            yield f'<text transform="{turn}">{_safe(label)}</text>'
        else:
            yield _text(x, frame.top - 5, label, "m")


def _numbers(table: Table, frame: _Frame, steps: Integers, decimals: int) -> Iterator[str]:
    """The number in every cell, in black or white by what stands out more."""
    bright = palette.bright_steps(table.scale) if table.scale != "none" else ()
    for row, column in np.ndindex(*steps.shape):
        text = cell_text(table, row, column, decimals)
        ink = "" if not bright or text == MASKED else " k" if bright[steps[row, column]] else " w"
        x = (column + 0.5) * frame.cell_width
        yield _text(x, (row + 0.5) * frame.cell_height + _BASELINE, text, f"m{ink}")


def _placed(panels: Sequence[Panel], top: float) -> tuple[list[str], float, float]:
    """Panels in lines, a new one where the row changes or the width is used up."""
    body: list[str] = []
    x, y, height, width, row = 8.0, top, 0.0, 0.0, ""
    for one in panels:
        if x > 8 and (one.row != row or x + one.width > _WIDEST_PICTURE):
            x, y, height = 8.0, y + height + _GAP, 0.0
        body.append(f'<g transform="translate({x:g} {y:g})">\n{one.body}\n</g>')
        x, height, row = x + one.width + _GAP, max(height, one.height), one.row
        width = max(width, x - _GAP + 8)
    return body, width, y + height + _LINE


def _strokes(steps: Integers, colors: Sequence[palette.RGB]) -> Iterator[str]:
    """Every run of cells of one colour in a row as a horizontal stroke, one path a colour."""
    paths: dict[int, list[str]] = {}
    for y, row in enumerate(steps):
        starts = np.flatnonzero(np.diff(row, prepend=-2))
        lengths = np.diff(starts, append=len(row))
        for x, length, step in zip(
            starts.tolist(), lengths.tolist(), row[starts].tolist(), strict=True
        ):
            if step != shading.MASK:
                paths.setdefault(step, []).append(f"M{x} {y}.5h{length}")
    for step, strokes in paths.items():
        color = bytes(colors[step]).hex()
        yield f'<path stroke="#{color}" d="{"".join(strokes)}"/>'


def _legend(scale: str, low: str, high: str, note: str) -> tuple[str, float]:
    """A scale with both its ends, and how wide that is."""
    steps = np.arange(_LEGEND)[None] * (palette.STEPS - 1) // (_LEGEND - 1)
    start = _EM * len(low) + 6
    end = start + 4 * _LEGEND + 6
    bar = "".join(_strokes(steps, palette.scale_colors(scale)))
    said = f"{high}  {note}"
    body = (
        f"{_text(0, 11, low)}"
        f'<g transform="translate({start:g} 1) scale(4 12)">{bar}</g>'
        f"{_text(end, 11, said)}"
    )
    return body, end + _EM * len(said)


def _text(x: float, y: float, text: str, css: str = "") -> str:
    kind = f' class="{css}"' if css else ""
    return f'<text x="{x:g}" y="{y:g}"{kind}>{_safe(text)}</text>' if text else ""


def _safe(text: str) -> str:
    return escape(visible(text))


def _cells(text: str) -> int:
    """About how many characters wide a text is drawn; a wide one counts twice, a mark not."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _cut(text: str, most: int = _LONGEST_LABEL) -> str:
    text = visible(text)
    used, end = 0, 0
    for place, character in enumerate(text):
        used += _cells(character)
        if used > most:
            return text[:end].rstrip("\u200c\u200d") + "…"
        if used < most:
            end = place + 1
    return text
