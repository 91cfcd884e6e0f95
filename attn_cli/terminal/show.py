"""Show: an Inspection from top to bottom, each table as numbers or as a map, with its legend.

The entrance to the terminal's views of an Inspection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len
from rich.segment import Segment

from attn_cli.tables import MASKED, PRECISION, SHOWN, Table, facts, format_number, tables
from attn_cli.terminal import heatmap
from attn_cli.terminal import tables as numbers
from attn_cli.terminal.clean import fit
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.styles import DIM, MIN_WIDTH, SHADES, TITLE, ColorDepth, Screen, cell_style

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

    from attn_cli.inspection import Inspection

ShowStyle = Literal["auto", "numbers", "map"]
_MOST_NUMBER_BLOCKS = 4  # a table in more blocks than this is easier to read as a map
_LEGEND_WIDTH = 20


def lines(
    inspection: Inspection,
    screen: Screen,
    names: Sequence[str] = SHOWN,
    *,
    precision: int = PRECISION,
    style: ShowStyle = "auto",
    own_scale: bool = False,
) -> Iterator[Line]:
    """Everything asked for, as lines of Segments no wider than the screen.

    Args:
        names: the tables, of `attn_cli.tables.SHOWABLE`.
        precision: decimals.
        style: `numbers` or `map` for every matrix; `auto` takes a map where the numbers would
            need many blocks of columns.
        own_scale: colour weights from 0 to the table's largest instead of from 0 to 1.
    """
    yield from _heading(inspection, screen)
    for table in tables(inspection, names):
        if own_scale and table.scale == "weight":
            table = replace(table, end=table.largest)
        yield []
        yield from _table(table, screen, precision, style)


def console_view(
    inspection: Inspection, console: Console, options: ConsoleOptions
) -> Iterator[Segment]:
    """What `rich.print(inspection)` shows: the screen is the console's."""
    depths: dict[str | None, ColorDepth] = {
        "standard": "16",
        "256": "256",
        "truecolor": "truecolor",
    }
    screen = Screen(
        width=max(options.max_width, MIN_WIDTH),
        colors="none" if console.no_color else depths.get(console.color_system, "none"),
        ascii=options.ascii_only,
    )
    for line in lines(inspection, screen):
        yield from line
        yield Segment.line()


def _heading(inspection: Inspection, screen: Screen) -> Iterator[Line]:
    text = screen.clean(inspection.text)
    if text:
        title = f'"{fit(text, min(screen.width - 2, cell_len(text)))}"'
    else:  # tensors without a text go by where they came from
        title = fit(screen.clean(inspection.source.model), screen.width).rstrip()
    yield [Segment(screen.symbols(title), TITLE)]
    yield from wrapped(" · ".join(map(screen.clean, facts(inspection))), screen)


def _table(table: Table, screen: Screen, precision: int, style: ShowStyle) -> Iterator[Line]:
    plan = numbers.layout(table, screen, precision)
    crowded = style == "auto" and plan.n_blocks > _MOST_NUMBER_BLOCKS
    as_map = table.scale != "none" and (style == "map" or crowded)
    yield from _title(table, screen)
    yield from wrapped(f"rows: {table.rows} · columns: {table.columns}", screen)
    if as_map:
        note = "a map, two rows a line" if heatmap.halves_rows(screen) else "a map"
        if crowded:
            note += "; `--style numbers` prints the figures"
        yield from wrapped(f"shown as {note}", screen)
        yield from heatmap.draw(table, screen)
    else:
        yield from numbers.draw(table, plan, screen, precision)
    yield from _legend(table, screen, precision, as_map)


def _title(table: Table, screen: Screen) -> Iterator[Line]:
    name = Segment(screen.symbols(f"{table.name}  {table.shape}"), TITLE)
    where = Segment(f"  {table.where}" if table.where else "", DIM)
    if name.cell_length + where.cell_length <= screen.width:
        yield [name, where]
    else:
        yield [name]
        yield from wrapped(table.where, screen)


def _legend(table: Table, screen: Screen, precision: int, as_map: bool) -> Iterator[Line]:
    """What the colours or shades say, with both ends of the scale."""
    plain = screen.colors == "none"
    if table.scale == "none" or (plain and table.scale == "signed" and not as_map):
        return
    if table.scale == "weight":
        low, high = "0", format_number(table.end, precision) if table.end != 1 else "1"
        note = "weight, on this table's own scale"
        if table.end == 1:
            note = "weight, on the same scale for every head"
    else:
        high = format_number(table.largest, precision)
        low = "0" if plain else f"-{high}"
        note = f"{'size without sign' if plain else 'value'}, on this table's own scale"
    if table.allowed is not None and not table.allowed.all():
        note += f"; {MASKED} is masked"
    width = max(min(_LEGEND_WIDTH, screen.width - len(low) - len(high) - 2), 1)
    steps = [(2 * i + 1) * 128 // width for i in range(width)]
    bar = [Segment(" ", cell_style(table.scale, step, screen.colors)) for step in steps]
    if plain:
        bar = [Segment(screen.symbols(SHADES))]
    yield [Segment(f"{low} "), *bar, Segment(f" {high}")]
    yield from wrapped(note, screen)
