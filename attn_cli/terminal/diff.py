"""Diff: two Inspections compared, from the verdict to one head's differences, as lines.

What is compared and measured is `comparison`'s; here it is only drawn.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.segment import Segment

from attn_cli.comparison import Comparison
from attn_cli.summaries import change_grid, change_table, difference_table, unmatched
from attn_cli.tables import PRECISION, format_number
from attn_cli.terminal import grid, show
from attn_cli.terminal.clean import fit
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.show import ShowStyle
from attn_cli.terminal.styles import TITLE, Screen

_MOST_NAMED = 20  # tokens that only one text has


def lines(
    comparison: Comparison,
    screen: Screen,
    *,
    tolerance: float,
    chosen: tuple[int, int],
    top: int,
    precision: int = PRECISION,
    style: ShowStyle = "auto",
) -> Iterator[Line]:
    """The verdict, what has no counterpart, the heads that changed most, and one of them."""
    verdict = "within" if comparison.within(tolerance) else "beyond"
    largest = format_number(comparison.largest, precision) if comparison.largest else "0"
    heading = f"{verdict} the tolerance of {tolerance:g}: the largest difference is {largest}"
    yield [Segment(screen.symbols(fit(heading, screen.width).rstrip()), TITLE)]
    yield from _texts(comparison, screen)
    if comparison.largest == 0:
        return
    if len(comparison.heads) > 1:
        yield []
        table = change_grid(comparison)
        note = "mean Jensen-Shannon distance of a head's rows: 0 the same, 1 no key in common"
        yield from grid.lines(table, screen, note=note)
    yield []
    changes = comparison.by_change()
    if top < len(changes):
        yield from wrapped(f"{top} of {len(changes)} heads", screen)
    yield from show.drawn(change_table(changes[:top]), screen, precision, "numbers")
    yield []
    yield from show.drawn(difference_table(comparison, *chosen), screen, precision, style)


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
