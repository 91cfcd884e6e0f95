"""Show: an Inspection from top to bottom, each table as numbers or as a map, with its legend.

The entrance to the terminal's views of an Inspection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment

from attn_cli.inspection import folded_pieces
from attn_cli.tables import MASKED, PRECISION, SHOWN, Scale, Table, facts, format_number, tables
from attn_cli.terminal import heatmap
from attn_cli.terminal import tables as numbers
from attn_cli.terminal.clean import fit
from attn_cli.terminal.flow import flow_lines
from attn_cli.terminal.render import Line, safe, wrapped
from attn_cli.terminal.strongest import strongest_lines
from attn_cli.terminal.styles import DIM, MIN_WIDTH, SHADES, TITLE, ColorDepth, Screen, cell_style

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

    from attn_cli.inspection import Inspection

ShowStyle = Literal["auto", "numbers", "map"]
_MOST_NUMBER_BLOCKS = 4  # a table in more blocks than this is easier to read as a map
_MOST_TOKEN_BLOCKS = 2  # of more tokens a flow says as much in fewer lines
_LEGEND_WIDTH = 20


def lines(
    inspection: Inspection,
    screen: Screen,
    names: Sequence[str] = SHOWN,
    *,
    precision: int = PRECISION,
    style: ShowStyle = "auto",
    own_scale: bool = False,
    strongest: bool = False,
) -> Iterator[Line]:
    """Everything asked for, as lines of Segments no wider than the screen.

    Args:
        names: the tables, of `attn_cli.tables.SHOWABLE`.
        precision: decimals.
        style: `numbers` or `map` for every matrix; `auto` takes a map where the numbers would
            need many blocks of columns.
        own_scale: colour weights from 0 to the table's largest instead of from 0 to 1.
        strongest: after a table of weights, say for each query which keys it gives most to.
    """
    yield from heading(inspection, screen)
    if names == SHOWN and _has_many_tokens(inspection, screen, precision):
        yield []
        yield from flow_lines(inspection, screen)
        names = [name for name in names if name != "tokens"]
    for table in tables(inspection, names):
        if own_scale and table.scale == "weight":
            table = replace(table, end=table.largest)
        yield []
        of_head = strongest and table.name == "weights"
        yield from table_lines(table, screen, precision, style, percents=of_head)
        if of_head:
            yield []
            yield from strongest_lines(table, screen, precision)


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
        yield from map(safe, line)
        yield Segment.line()


def heading(inspection: Inspection, screen: Screen) -> Iterator[Line]:
    """The text, and in what it was looked at."""
    if inspection.text:
        yield from titled(inspection.text, facts(inspection), screen)
    else:  # tensors without a text go by where they came from
        title = fit(screen.clean(inspection.source.model), screen.width).rstrip()
        yield [Segment(screen.symbols(title), TITLE)]
        yield from wrapped(" · ".join(map(screen.clean, facts(inspection))), screen)
    pieces = folded_pieces(inspection.key_tokens)
    if pieces and inspection.layers:
        from attn_cli.folding import sink_mass

        name, mass = sink_mass(inspection)
        whole = f"{name}: {' and '.join(dict.fromkeys(pieces))}, {mass.mean():.0%} of all attention"
        yield from wrapped(screen.clean(whole), screen)
    if inspection.source.settings.keys() & {"aggregate", "weigh"}:
        from attn_cli.aggregation import notes

        for note in notes(inspection):
            yield from wrapped(note, screen)


def titled(text: str, said: Sequence[str], screen: Screen) -> Iterator[Line]:
    """A text as a title, and what is said of it."""
    shown = screen.clean(text)
    title = f'"{fit(shown, min(screen.width - 2, cell_len(shown)))}"'
    yield [Segment(screen.symbols(title), TITLE)]
    yield from wrapped(" · ".join(map(screen.clean, said)), screen)


def _has_many_tokens(inspection: Inspection, screen: Screen, precision: int) -> bool:
    found = (numbers.layout(table, screen, precision) for table in tables(inspection, ("tokens",)))
    return any(plan.n_blocks > _MOST_TOKEN_BLOCKS for plan in found)


def table_lines(
    table: Table,
    screen: Screen,
    precision: int = PRECISION,
    style: ShowStyle = "auto",
    *,
    percents: bool = False,
) -> Iterator[Line]:
    """One table: its title, what its rows and columns are, its numbers or map, its legend.

    Args:
        percents: weights in more than one block of columns become percents, if those fit.
    """
    plan = numbers.layout(table, screen, precision)
    percents = percents and plan.n_blocks > 1 and heatmap.has_percents(table, screen)
    crowded = style == "auto" and (percents or plan.n_blocks > _MOST_NUMBER_BLOCKS)
    as_map = table.scale != "none" and (style == "map" or crowded)
    yield from title(table, screen)
    yield from wrapped(f"rows: {table.rows} · columns: {table.columns}", screen)
    if as_map:
        note = "a map, two rows a line" if heatmap.halves_rows(screen) else "a map"
        if percents := percents and style == "auto":
            note = "percents"
        if crowded:
            note += "; `--style numbers` prints the figures"
        yield from wrapped(f"shown as {note}", screen)
        if percents and not _has_same_tokens(table):
            names = (f"{i} {screen.clean(key)}" for i, key in enumerate(table.column_labels))
            yield from wrapped(f"keys: {', '.join(names)}", screen)
        yield from heatmap.percents(table, screen) if percents else heatmap.draw(table, screen)
    else:
        yield from numbers.draw(table, plan, screen, precision)
    yield from _legend(table, screen, precision, as_map)


def _has_same_tokens(table: Table) -> bool:
    """Whether columns have the names of the rows, and so need not be told again."""
    rows, columns = table.row_labels, table.column_labels
    both = zip(rows, columns, strict=False)
    same = all(column in (row, f"{row}@{i}") for i, (row, column) in enumerate(both))
    return same and len(rows) == len(columns)


def title(table: Table, screen: Screen) -> Iterator[Line]:
    """The name of a table, its shape and where it is from."""
    name = Segment(screen.symbols(f"{table.name}  {table.shape}"), TITLE)
    where = Segment(f"  {table.where}" if table.where else "", DIM)
    if name.cell_length + where.cell_length <= screen.width:
        yield [name, where]
    else:
        yield from wrapped(f"{table.name}  {table.shape}", screen, TITLE)
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
        blind = np.flatnonzero(~table.allowed.any(axis=1)).tolist()
        if blind:
            rows = ", ".join(map(str, blind[:5])) + (", …" if len(blind) > 5 else "")
            note += f"; row{'s' * (len(blind) > 1)} {rows} may look at nothing: all weights are 0"
    yield scale_bar(table.scale, low, high, screen)
    yield from wrapped(note, screen)


def scale_bar(scale: Scale, low: str, high: str, screen: Screen) -> Line:
    """The colours or shades of a scale between the numbers at its ends."""
    width = max(min(_LEGEND_WIDTH, screen.width - len(low) - len(high) - 2), 1)
    steps = [(2 * i + 1) * 128 // width for i in range(width)]
    bar = [Segment(" ", cell_style(scale, step, screen.colors)) for step in steps]
    if screen.colors == "none":
        bar = [Segment(screen.symbols(SHADES))]
    return [Segment(f"{low} "), *bar, Segment(f" {high}")]
