"""Generation: what one new token came from: the row of weights of the token that looked for it.

It draws one step at a time, so that each can be shown as it is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment

from attn_cli import shading
from attn_cli.tables import PRECISION, Table, facts, plain_labels, tables
from attn_cli.terminal.clean import fit
from attn_cli.terminal.heatmap import cells
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.show import scale_bar, titled
from attn_cli.terminal.strongest import strongest
from attn_cli.terminal.styles import DIM, TITLE, Screen
from attn_cli.text import label

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection

_MOST_ROWS, _INDENT = 8, "  "  # of more heads their mean is shown


def is_step(inspection: Inspection) -> bool:
    """Whether it is about one new token."""
    return "new_token" in inspection.source.settings and len(inspection.query_tokens) == 1


def lines(
    inspection: Inspection, screen: Screen, precision: int = PRECISION, *, first: bool = True
) -> Iterator[Line]:
    """A new token, and for each head what the token that looked for it gave weight to.

    Args:
        precision: decimals.
        first: begin with what is said once of all steps.
    """
    if first:
        yield from _beginning(inspection, screen)
    settings = inspection.source.settings
    looking = screen.clean(plain_labels(inspection.query_tokens)[0])
    end = "; it ends the text" if settings.get("is_end") else ""
    said = screen.clean(f"id {settings.get('new_id')}, looked for by {looking}{end}")
    token = f"+ {screen.clean(label(str(settings['new_token'])))}"
    yield []
    if cell_len(f"{token}  {said}") <= screen.width:
        yield [Segment(screen.symbols(token), TITLE), Segment(screen.symbols(f"  {said}"), DIM)]
    else:
        yield [Segment(screen.symbols(fit(token, screen.width).rstrip()), TITLE)]
        yield from wrapped(said, screen, first=_INDENT, indent=_INDENT)
    for table in _rows(inspection):
        yield from _row(table, screen, precision)


def _beginning(inspection: Inspection, screen: Screen) -> Iterator[Line]:
    keys = inspection.key_tokens
    end = max((token.span[1] for token in keys if token.span is not None), default=0)
    said = [f"{len(keys)} tokens", *facts(inspection)[1:]]
    yield from titled(inspection.text[:end], said, screen)
    yield from wrapped(
        "below each new token: a cell for every token so far, and those that weigh most", screen
    )
    yield scale_bar("weight", "0", "1", screen)


def _rows(inspection: Inspection) -> list[Table]:
    """A table of one row for each head, or their mean where they are many."""
    found = list(tables(inspection, ("weights",)))
    if len(found) <= _MOST_ROWS:
        return found
    mean = np.mean([table.values for table in found], axis=0)
    return [replace(found[0], values=mean, where=f"mean of {len(found)} heads", allowed=None)]


def _row(table: Table, screen: Screen, precision: int) -> Iterator[Line]:
    yield [Segment(f"{_INDENT}{screen.symbols(table.where)}"[: screen.width], DIM)]
    room = screen.width - len(_INDENT)
    pool = -(-table.values.shape[1] // room)
    yield [Segment(_INDENT), *cells(table, shading.steps(table, 1, pool)[0].tolist(), screen)]
    yield [Segment(_INDENT), *strongest(table, 0, screen, room, precision)]
