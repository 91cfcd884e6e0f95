"""Overview: all heads of an Inspection at once: its tokens, a tile a head, and where to look first.

For what has too many heads to show a table of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.folding import sink_mass
from attn_cli.inspection import folded_pieces
from attn_cli.profile import BROAD, MIXED, Finding, profile, worth_a_look
from attn_cli.summaries import statistic_grid
from attn_cli.terminal import grid
from attn_cli.terminal.flow import flow_lines
from attn_cli.terminal.heads import OVERVIEW, key_lines, letter_rows
from attn_cli.terminal.listing import draw
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.show import heading
from attn_cli.terminal.styles import Screen

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection

_LISTED, _PRECISION, _NARROW = 8, 2, 60
_NOTE = (
    "shade: how few keys a head looks at, from 0, all alike, to 1, one alone; "
    "letter: what it mostly looks at, above chance"
)


def lines(inspection: Inspection, screen: Screen, command: str = "") -> Iterator[Line]:
    """Tokens, the grid of all heads, the sink, and the heads most worth a look.

    Args:
        command: the command line that gave this, to which the numbers of a head can be added.
    """
    yield from heading(inspection, screen)
    yield []
    yield from flow_lines(inspection, screen)
    measured = profile(inspection)
    yield []
    table = replace(statistic_grid(measured, OVERVIEW), name="heads")
    letters = letter_rows(measured, table)
    yield from grid.lines(table, screen, letters=letters, note=_NOTE, numbers=False)
    yield from key_lines(measured, screen)
    for remark in (*_groups(inspection), *_sink(inspection)):
        yield from wrapped(remark, screen)
    yield []
    headings = ["mostly looks at", "share", "by chance", "see it with"]
    rows = [_row(found) for found in worth_a_look(measured, _LISTED)]
    if screen.width < _NARROW:  # what to type may not be cut
        headings, rows = headings[::3], [row[::3] for row in rows]
    yield from draw("worth a look", headings, rows, screen)
    if command:
        yield from wrapped(f"added to: {screen.clean(command)}", screen)


def _row(found: Finding) -> tuple[str, ...]:
    share, chance = (f"{number:.{_PRECISION}f}" for number in (found.value, found.chance))
    plain = found.pattern in (BROAD, MIXED)
    does = _UNNAMED[found.pattern] if plain else _WORDS[found.pattern]
    numbers = ("", "") if plain else (share, chance)
    return (does, *numbers, f"--layer {found.head.layer} --head {found.head.head}")


_WORDS = {
    "self": "itself",
    "previous": "the token before",
    "next": "the token after",
    "first": "the first token",
    "special": "special tokens",
    "duplicate": "the same token, earlier",
    "induction": "what came after it, earlier",
    "punctuation": "punctuation",
}
_UNNAMED = {BROAD: "everything alike", MIXED: "no one thing"}


def _groups(inspection: Inspection) -> Iterator[str]:
    """Which query heads share a key/value head."""
    n_head, group = inspection.n_head, inspection.n_head // inspection.n_kv_head
    if group > 1:
        shared = ", ".join(f"{first}–{first + group - 1}" for first in range(0, n_head, group))
        yield f"heads that share keys and values: {shared}"


def _sink(inspection: Inspection) -> Iterator[str]:
    """What attention rests on: how much of it, and in which head most."""
    if len(inspection.query_tokens) < 2:
        return
    name, mass = sink_mass(inspection)
    if not name:
        return
    layer, head = (int(place) for place in np.unravel_index(mass.argmax(), mass.shape))
    hint = "" if folded_pieces(inspection.key_tokens) else "; `--fold-special` folds it"
    yield (
        f"sink: {mass.mean():.0%} of all attention rests on {name}, most in layer "
        f"{inspection.layers[layer].index}, head {head}: {mass[layer, head]:.0%}{hint}"
    )
