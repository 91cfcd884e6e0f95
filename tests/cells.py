"""Cells: a token back from a cell of CSV, as the format's description says."""

from __future__ import annotations

import re


def token_of(cell: str) -> str:
    """A token from its cell: without an apostrophe at the front, escapes turned back."""
    short = {"n": "\n", "r": "\r", "t": "\t"}
    return re.sub(
        r"\\([nrt]|x..|u....|U.{8})",
        lambda found: short.get(found[1]) or chr(int(found[1][1:], 16)),
        cell.removeprefix("'"),
    )
