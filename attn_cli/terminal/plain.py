"""Plain: what the terminal shows of an Inspection, as a text file: 100 columns, no colour.

It is written, not read: the numbers are rounded as they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from attn_cli.tables import PRECISION, SHOWN
from attn_cli.terminal.render import render
from attn_cli.terminal.show import lines
from attn_cli.terminal.styles import Screen

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection

WIDTH = 100


def write(
    inspection: Inspection, precision: int | None = None, names: Sequence[str] = SHOWN
) -> Iterator[bytes]:
    """Every line that a terminal of `WIDTH` columns would get, in UTF-8."""
    decimals = PRECISION if precision is None else precision
    for line in lines(inspection, Screen(width=WIDTH), names, precision=decimals):
        yield render([line], "none").encode()
