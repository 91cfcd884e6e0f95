"""Clean: the one place where anybody's text becomes safe to draw in a terminal.

Only what has passed through here is drawn. It knows no colours; `attn_cli.text` says which
characters are shown as escapes.
"""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from attn_cli.text import visible

_MOST_MARKS = 4  # combining marks on one character; no script stacks more


def clean(text: str) -> str:
    """A text without anything that a terminal would obey, and without towers of marks."""
    text = visible(text)
    return text if text.isascii() else _cap_marks(text)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Exactly `width` cells: padded with spaces, or cut with `…` at the end."""
    length = cell_len(text)
    if length > width:
        text = set_cell_size(text, max(width - 1, 0)) + "…" * (width > 0)
        length = cell_len(text)
    space = " " * (width - length)
    return space + text if right else text + space


def _cap_marks(text: str) -> str:
    import unicodedata

    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
        elif marks == _MOST_MARKS + 1:
            kept.append("…")
    return "".join(kept)
