"""Styles: what this screen can show, and the style of a number on it.

It asks nothing of the environment: whoever makes a Screen has decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from rich.color import Color
from rich.style import Style

from attn_cli import palette
from attn_cli.text import visible

if TYPE_CHECKING:  # a list of words is drawn without numpy
    from attn_cli.tables import Scale, Table

ColorDepth = Literal["none", "16", "256", "truecolor"]
MIN_WIDTH, MAX_WIDTH = 20, 10_000
_LONGEST = 2 * MAX_WIDTH  # characters of one text

TITLE, DIM, PLAIN = Style(bold=True), Style(dim=True), Style.null()
BLACK, WHITE = Color.from_ansi(16), Color.from_ansi(231)

# The scales where a terminal has few colours: indices of ANSI colours, chosen by eye and by
# lightness, since the nearest ones are uneven. In 16 the terminal's theme decides the shades, so
# zero is left bare; orange is not among them, and yellow stands in.
_RAMPS: dict[str, dict[str, tuple[int | None, ...]]] = {
    "16": {"weight": (None, 4, 6, 2, 11), "signed": (14, 6, 4, None, 1, 3, 11)},
    "256": {
        "weight": (53, 54, 25, 31, 36, 77, 148, 220),
        "signed": (153, 110, 67, 24, 235, 94, 136, 179, 223),
    },
}
_ANSI_BRIGHT = frozenset((2, 3, 6, 7, 10, 11, 14, 15))

SHADES = " ░▒▓█"
_ASCII = str.maketrans(
    {"×": "x", "·": ".", "–": "-", "─": "-", "…": "~", "∅": "0", "␣": "_"}
    | {"÷": "/", "−": "-", "≈": "~", "√": "sqrt ", "Σ": "sum of", "∞": "inf", "→": "->"}
    | dict(zip("░▒▓█", ".:*#", strict=True))
)


# Which side a number is on, in equations: blue and orange, told apart in every common form of
# colour blindness, and dark and light enough to be read on black as on white.
_SIDES: dict[str, dict[str, int | tuple[int, int, int]]] = {
    "16": {"query": 6, "key": 3},
    "256": {"query": 67, "key": 130},
    "truecolor": {"query": (47, 120, 176), "key": (176, 101, 26)},
}


@dataclass(frozen=True)
class Screen:
    """Where a view is drawn: how wide, in how many colours, and whether Unicode gets there."""

    width: int = 80
    colors: ColorDepth = "none"
    ascii: bool = False  # our own symbols have to do without Unicode
    encoding: str = "utf-8"  # what users' text has to pass through

    def symbols(self, text: str) -> str:
        """Our own typography in what the screen can show."""
        return text.translate(_ASCII) if self.ascii else text

    def clean(self, text: str) -> str:
        """A user's text, safe and in characters that the screen can show; others as escapes.

        What no screen has room for is left out before it costs time.
        """
        if len(text) > _LONGEST:
            text = f"{text[:_LONGEST]}…"
        codec = "ascii" if self.ascii and self.encoding == "utf-8" else self.encoding
        safe = visible(text)
        return safe if codec == "utf-8" else safe.encode(codec, "backslashreplace").decode(codec)


def scale_step(table: Table, value: float) -> int:
    """The place of a value on its table's scale, 0 to 255."""
    if table.scale == "weight":
        return palette.step(value / table.end if table.end else 0.0)
    return palette.signed_step(value, table.largest)


@cache
def step_color(scale: Scale, step: int, colors: ColorDepth) -> Color | None:
    """The colour of one step of a scale on a screen; None is the terminal's own background."""
    if colors == "none" or scale == "none":
        return None
    if colors == "truecolor":
        return Color.from_rgb(*palette.scale_colors(scale)[step])
    ramp = _RAMPS[colors][scale]
    index = ramp[step * len(ramp) // palette.STEPS]
    return None if index is None else Color.from_ansi(index)


@cache
def cell_style(scale: Scale, step: int, colors: ColorDepth) -> Style:
    """Background by value, text black or white by contrast."""
    color = step_color(scale, step, colors)
    if color is None:
        return PLAIN
    if colors == "16":
        bright = color.number in _ANSI_BRIGHT
        return Style.from_color(Color.from_ansi(0 if bright else 15), color)
    bright = palette.is_bright(color.get_truecolor())
    return Style.from_color(BLACK if bright else WHITE, color)


@cache
def side_style(side: str, colors: ColorDepth) -> Style:
    """What marks a number as the `query`'s or the `key`'s."""
    if colors == "none":
        return PLAIN
    code = _SIDES[colors][side]
    return Style.from_color(
        Color.from_ansi(code) if isinstance(code, int) else Color.from_rgb(*code)
    )
