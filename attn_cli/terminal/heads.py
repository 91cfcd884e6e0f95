"""Heads: the grid of all heads and the table of some, as lines for a terminal.

Which heads are listed is decided by whoever calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.segment import Segment

from attn_cli.profile import LETTERS, Profile
from attn_cli.summaries import head_tables, statistic_grid, unit
from attn_cli.tables import Table
from attn_cli.terminal import grid, show
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.styles import TITLE, Screen

OVERVIEW = "sparsity"  # what an overview is coloured by: 0 is uniform, 1 a single key


def lines(
    profile: Profile,
    indices: Sequence[int],
    screen: Screen,
    *,
    precision: int = grid.PRECISION,
    overview: bool = True,
) -> Iterator[Line]:
    """An overview of all heads, then every statistic of some.

    Args:
        profile: the heads of a model.
        indices: which heads are listed, in their order.
        screen: where it is drawn.
        precision: decimals.
        overview: begin with the grid of all heads.
    """
    yield _heading(profile, screen)
    if overview:
        yield []
        yield from grid_lines(profile, OVERVIEW, screen, precision=precision, heading=False)
    yield []
    if not indices:
        yield from wrapped("no head is like that", screen)
        return
    total = len(profile.heads)
    if len(indices) < total:
        yield from wrapped(f"{len(indices)} of {total} heads", screen)
    for number, table in enumerate(head_tables(profile, indices)):
        if number:
            yield []
        yield from show.table_lines(table, screen, precision, "numbers")
    yield from wrapped(
        "uniform and shuffled: what rows have that look everywhere alike, and on average these "
        "heads' own rows with their weights in other places; a pattern is named where a head does "
        "it at least half of the way from uniform to always. `attn heads --explain all` has the "
        "formulas",
        screen,
    )


def grid_lines(
    profile: Profile,
    name: str,
    screen: Screen,
    *,
    precision: int = grid.PRECISION,
    heading: bool = True,
) -> Iterator[Line]:
    """One statistic of every head, layers × heads, lettered by what the head mostly does."""
    if heading:
        yield _heading(profile, screen)
        yield []
    table = statistic_grid(profile, name)
    note = f"{name}, {unit(name)}"
    if unit(name) != "share" and profile.chance(name) == profile.chance(name):
        note += f"; uniform rows have {profile.chance(name):.{precision}f}"
    yield from grid.lines(
        table, screen, letters=letter_rows(profile, table), note=note, precision=precision
    )
    yield from key_lines(profile, screen)


def letter_rows(profile: Profile, table: Table) -> list[str]:
    """The letters of a grid's heads, one string a layer."""
    by_head = dict(zip(profile.heads, profile.letters, strict=True))
    n_columns = table.values.shape[1]
    layers = dict.fromkeys(head.layer for head in sorted(profile.heads))
    return [
        "".join(by_head.get((layer, head), " ") for head in range(n_columns))  # type: ignore[call-overload]
        for layer in layers
    ]


def _heading(profile: Profile, screen: Screen) -> Line:
    texts, heads = profile.n_texts, len(profile.heads)
    layers = len({head.layer for head in profile.heads})
    parts = ((heads, "head"), (layers, "layer"), (texts, "text"))
    counts = [f"{count} {noun}{'s' * (count != 1)}" for count, noun in parts]
    return [Segment(screen.symbols(" · ".join(counts))[: screen.width], TITLE)]


def key_lines(profile: Profile, screen: Screen) -> Iterator[Line]:
    """The letters that there are, and how many heads have each."""
    line = ""
    for pattern, letter in LETTERS.items():
        if count := profile.patterns.count(pattern):
            part = f"{letter} {pattern} {count}"
            if line and len(line) + len(part) + 3 > screen.width:
                yield from wrapped(line, screen)
                line = ""
            line += f" · {part}" if line else part
    yield from wrapped(line, screen)
