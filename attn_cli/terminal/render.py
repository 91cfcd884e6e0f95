"""Render: lines of Segments become one string for a stream.

Rich's console is not asked: it would look at the environment, where `Screen` has decided.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from rich.cells import cell_len, get_character_cell_size
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

from attn_cli.terminal.styles import DIM, ColorDepth, Screen
from attn_cli.text import visible

Line: TypeAlias = list[Segment]
_ZWJ = "\u200d"


def wrapped(
    text: str, screen: Screen, style: Style = DIM, *, first: str = "", indent: str = ""
) -> Iterator[Line]:
    """A remark in as many lines as it needs; what users wrote in it is made visible.

    Args:
        first: what the first line begins with.
        indent: what the others begin with.
    """
    for part in folded(screen.clean(screen.symbols(text)), screen.width, first, indent):
        yield [Segment(part, style)]


def folded(text: str, width: int, first: str = "", indent: str = "") -> Iterator[str]:
    """Lines of at most `width` cells: broken at spaces, and in a word that is longer than a line.

    `textwrap` counts characters, of which one may have two cells or none.
    """
    start = line = first
    gap = ""
    for piece in re.findall(" +|[^ ]+", text):
        if piece[0] == " ":
            gap = piece if line != start else ""
            continue
        while piece:
            room = width - cell_len(line + gap)
            is_long = _fitting(piece, width - len(start)) < len(piece)
            taken = _fitting(piece, room)
            if line != start and (not taken or (taken < len(piece) and not is_long)):
                yield line
                start = line = indent
                gap = ""
                continue
            taken = taken or 1  # a sign that is wider than the whole line
            line += gap + piece[:taken]
            piece, gap = piece[taken:], ""
    if line != start:
        yield line


def _fitting(word: str, room: int) -> int:
    """How many characters of a word fit into so many cells, without parting what is one sign."""
    if word.isascii():
        return min(len(word), max(room, 0))
    for place, character in enumerate(word):
        room -= get_character_cell_size(character)
        if room < 0:
            while place and not (get_character_cell_size(word[place]) and word[place - 1] != _ZWJ):
                place -= 1
            return place
    return len(word)


def render(drawn: Iterable[Line], colors: ColorDepth) -> str:
    """Lines of Segments as one string; without colours not a single escape sequence."""
    out = []
    for line in drawn:
        segments = map(safe, line)
        if colors == "none":
            out.append("".join(segment.text for segment in segments).rstrip() + "\n")
        else:
            out.append("".join(_ansi(segment, _SYSTEMS[colors]) for segment in segments) + "\n")
    return "".join(out)


def safe(segment: Segment) -> Segment:
    """The last gate: whatever a view forgot to make visible, where it was measured, is so here."""
    if segment.text.isprintable():
        return segment
    return Segment(visible(segment.text), segment.style)


_SYSTEMS = {
    "16": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
}


def _ansi(segment: Segment, system: ColorSystem) -> str:
    style = segment.style
    return style.render(segment.text, color_system=system) if style else segment.text
