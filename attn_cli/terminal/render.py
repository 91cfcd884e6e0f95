"""Render: lines of Segments become one string for a stream.

Rich's console is not asked: it would look at the environment, where `Screen` has decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import TypeAlias

from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

from attn_cli.terminal.styles import DIM, ColorDepth, Screen

Line: TypeAlias = list[Segment]


def wrapped(
    text: str, screen: Screen, style: Style = DIM, *, first: str = "", indent: str = ""
) -> Iterator[Line]:
    """A remark of our own in as many lines as it needs.

    Args:
        first: what the first line begins with.
        indent: what the others begin with.
    """
    for part in wrap(
        screen.symbols(text),
        screen.width,
        break_on_hyphens=False,
        initial_indent=first,
        subsequent_indent=indent,
    ):
        yield [Segment(part, style)]


def render(drawn: Iterable[Line], colors: ColorDepth) -> str:
    """Lines of Segments as one string; without colours not a single escape sequence."""
    out = []
    for line in drawn:
        if colors == "none":
            out.append("".join(segment.text for segment in line).rstrip() + "\n")
        else:
            out.append("".join(_ansi(segment, _SYSTEMS[colors]) for segment in line) + "\n")
    return "".join(out)


_SYSTEMS = {
    "16": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
}


def _ansi(segment: Segment, system: ColorSystem) -> str:
    style = segment.style
    return style.render(segment.text, color_system=system) if style else segment.text
