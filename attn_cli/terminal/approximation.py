"""Approximations in the terminal: the exact result, the other one, and their difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.tables import PRECISION, Table, format_number, tables
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.show import ShowStyle, heading, table_lines
from attn_cli.terminal.styles import Screen

if TYPE_CHECKING:
    from attn_cli.approximation import Approximation
    from attn_cli.inspection import Inspection

COMPARED = ("weights", "context")


def lines(
    inspection: Inspection,
    way: str,
    found: Sequence[Approximation],
    screen: Screen,
    names: Sequence[str],
    *,
    precision: int = PRECISION,
    style: ShowStyle = "auto",
) -> Iterator[Line]:
    """For every head the named tables three times: exact, by `way`, and the second less the first.

    Args:
        found: a layer each, as in the Inspection.
        names: some of COMPARED.
    """
    yield from heading(inspection, screen)
    for name in names:
        others = ((head, one.allowed) for one in found for head in getattr(one, name))
        for exact, (other, allowed) in zip(tables(inspection, (name,)), others, strict=True):
            scale = exact.scale if other.min() >= 0 else "signed"
            masked = allowed if name == "weights" and allowed is not None else exact.allowed
            apart = other - exact.values
            trio: tuple[tuple[str, Table], ...] = (
                (f"{name}, exact", exact),
                (f"{name}, {way}", replace(exact, values=other, scale=scale, allowed=masked)),
                (f"{name}, difference", replace(exact, values=apart, scale="signed")),
            )
            for title, table in trio:
                yield []
                yield from table_lines(replace(table, name=title), screen, precision, style)
            largest, mean = (
                format_number(float(size), precision)
                for size in (np.abs(apart).max(), np.abs(apart).mean())
            )
            yield from wrapped(f"largest difference {largest}, on average {mean}", screen)
