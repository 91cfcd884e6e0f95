"""Clean: the widths of anybody's text in a terminal's cells.

It knows no colours; which characters are shown as escapes, `attn_cli.text` says.
"""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Exactly `width` cells: padded with spaces, or cut with `…` at the end."""
    length = cell_len(text)
    if length > width:
        # A joiner joins only what is on both sides of it.
        text = set_cell_size(text, max(width - 1, 0)).rstrip("\u200c\u200d") + "…" * (width > 0)
        length = cell_len(text)
    space = " " * (width - length)
    return space + text if right else text + space
