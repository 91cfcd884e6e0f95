"""Diff: two Inspections compared, from the verdict to one head's differences, as lines.

What is compared and measured is `comparison`'s; here it is only drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from rich.segment import Segment

from attn_cli.comparison import Comparison
from attn_cli.summaries import (
    change_grid,
    change_table,
    difference_table,
    largest_change,
    unmatched,
)
from attn_cli.tables import PRECISION
from attn_cli.terminal import grid, show
from attn_cli.terminal import tables as numbers
from attn_cli.terminal.clean import fit
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.show import ShowStyle
from attn_cli.terminal.styles import TITLE, Screen

_MOST_DECIMALS = 10
_MOST_NAMED = 20  # tokens that only one text has


def lines(
    comparison: Comparison,
    screen: Screen,
    *,
    tolerance: float,
    chosen: tuple[int, int],
    top: int,
    precision: int | None = None,
    style: ShowStyle = "auto",
) -> Iterator[Line]:
    """The verdict, what has no counterpart, the heads that changed most, and one of them.

    Args:
        comparison: what is drawn.
        screen: where.
        tolerance: the largest difference that is none.
        chosen: the layer and head that is drawn as a matrix.
        top: how many heads are listed.
        precision: decimals; None takes as many as the differences need.
        style: `auto` takes a map where the figures need several blocks of columns.
    """
    decimals = _decimals(comparison.largest, PRECISION) if precision is None else precision
    yield from wrapped(_verdict(comparison, tolerance), screen, TITLE)
    if comparison.largest:
        yield from wrapped(screen.clean(largest_change(comparison)), screen)
    yield from _texts(comparison, screen)
    if comparison.largest == 0:
        return
    if len(comparison.heads) > 1:
        yield []
        table = change_grid(comparison)
        note = "mean Jensen-Shannon distance of a head's rows: 0 the same, 1 no key in common"
        figures = _decimals(table.end, grid.PRECISION)
        yield from grid.lines(table, screen, note=note, precision=figures)
    yield []
    changes = comparison.by_change()
    if top < len(changes):
        yield from wrapped(f"{top} of {len(changes)} heads", screen)
    yield from show.table_lines(change_table(changes[:top]), screen, decimals, "numbers")
    yield []
    table = difference_table(comparison, *chosen)
    if style == "auto" and numbers.layout(table, screen, decimals).n_blocks > 1:
        style = "map"  # where a head changed is a picture before it is a number
    if style == "map":  # which has no room for names
        table = replace(table, columns="keys of either, which are looked at")
    yield from show.table_lines(table, screen, decimals, style)


def _verdict(comparison: Comparison, tolerance: float) -> str:
    largest = f"the largest difference is {comparison.largest:.4g}"
    if not comparison.same_parts:
        return f"not the same tokens and layers; of what both have, {largest}"
    verdict = "within" if comparison.within(tolerance) else "beyond"
    return f"{verdict} the tolerance of {tolerance:g}: {largest}"


def _decimals(largest: float, least: int) -> int:
    """Enough decimals that the largest of some small numbers has two digits."""
    if not 0 < largest < 1:
        return least
    return min(max(1 - math.floor(math.log10(largest)), least), _MOST_DECIMALS)


def _texts(comparison: Comparison, screen: Screen) -> Iterator[Line]:
    """Both texts, and the tokens and layers that only one of them has."""
    only_a, only_b = unmatched(comparison)
    sides = (
        ("A", comparison.a, only_a, comparison.only_a),
        ("B", comparison.b, only_b, comparison.only_b),
    )
    for name, inspection, tokens, layers in sides:
        source = screen.clean(inspection.source.model)
        n = len(inspection.query_tokens)
        head = f"{name}  {n} token{'s' * (n != 1)}, {source}: "
        text = screen.clean(inspection.text)
        yield [Segment(screen.symbols(fit(f'{head}"{text}"', screen.width).rstrip()))]
        if tokens:
            named = [screen.clean(token) for token in tokens[:_MOST_NAMED]]
            more = len(tokens) - len(named)
            end = f" and {more} more" if more else ""
            yield from wrapped(f"in {name} alone, not compared: {' '.join(named)}{end}", screen)
        if layers:
            numbers = ", ".join(map(str, layers))
            yield from wrapped(f"layers in {name} alone, not compared: {numbers}", screen)
