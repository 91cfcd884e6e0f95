"""Replay in the terminal: the list of printed tensors, or one of them beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.segment import Segment

from attn_cli.tables import PRECISION, Table
from attn_cli.terminal import listing
from attn_cli.terminal import tables as numbers
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.styles import TITLE, Screen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.replay import Published, Replayed


def overview(
    items: Sequence[Published], found: Sequence[Replayed], screen: Screen
) -> Iterator[Line]:
    """A line for each: its shape, how far ours is off, and whether that is within the print."""
    rows = [
        (
            str(number),
            item.name,
            " × ".join(map(str, one.theirs.shape)) or "1",
            f"{one.difference:.1e}",
            "yes" if one.agrees else "NO",
        )
        for number, (item, one) in enumerate(zip(items, found, strict=True), start=1)
    ]
    agreed = sum(one.agrees for one in found)
    title = f"published  {len(items)} tensors, {agreed} reproduced"
    yield from listing.draw(
        title, ("no", "name", "shape", "largest difference", "same"), rows, screen
    )
    yield from wrapped(
        "A article, B its predecessor, C and E the book's chapter 3, D its chapter 2. "
        "`attn replay NAME` shows one, and the command line that gives it.",
        screen,
    )


def one(item: Published, replayed: Replayed, screen: Screen) -> Iterator[Line]:
    """Theirs and ours as tables, how far they are apart, and the command line."""
    yield [Segment(screen.symbols(f"{item.name} ({item.source})"), TITLE)]
    yield from wrapped(item.command, screen)
    dtype = np.int64 if np.asarray(item.values).dtype.kind == "i" else np.float64
    for name, values in (("published", replayed.theirs), ("ours", replayed.ours)):
        table = _table(name, values, dtype)
        yield []
        yield [Segment(screen.symbols(f"{name}  {' × '.join(map(str, values.shape)) or 1}"), TITLE)]
        yield from numbers.draw(table, numbers.layout(table, screen, PRECISION), screen)
    yield []
    verdict = "the same to the printed decimals" if replayed.agrees else "NOT the same"
    yield [Segment(f"{verdict}: largest difference {replayed.difference:.2g}")]
    if item.note:
        yield from wrapped(item.note, screen)


def _table(name: str, values: NDArray[np.float64], dtype: type) -> Table:
    rows = np.atleast_2d(values)
    return Table(
        name=name,
        where="",
        rows="",
        columns="",
        row_labels=[str(i) for i in range(rows.shape[0])],
        column_labels=[str(i) for i in range(rows.shape[1])],
        values=rows.astype(dtype),
        scale="signed",
        allowed=~np.isneginf(rows),
    )
