"""Palette: numbers to colours, on scales that are perceptually even and safe for colour-blind eyes.

Plain RGB triples for every view; which of them a terminal can show is decided in `terminal`.
In both scales dark is near zero and bright is large.
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

RGB: TypeAlias = tuple[int, int, int]
STEPS = 256

# Viridis (S. van der Walt and N. Smith, 2015; public domain) at sixteen even places.
_WEIGHT = (
    "440154 481a6c 472f7d 414487 39568c 31688e 2a788e 23888e "
    "1f988b 22a884 35b779 54c568 7ad151 a5db36 d2e21b fde725"
)  # fmt: skip
# Blue for negative and orange for positive, told apart in every common form of colour blindness,
# equally light at equal distance from a dark grey zero.
_SIGNED = (
    "b7e6ff 7cc4f5 4b9fdb 2f78b0 27537c 24374c 262626 4d3320 7d4a1b b0651a d9893a f5b476 ffe0bd"
)


def weight_color(value: float) -> RGB:
    """The colour of a weight: 0 is dark violet, 1 bright yellow, whatever the matrix."""
    return scale_colors("weight")[step(value)]


def signed_color(value: float, largest: float) -> RGB:
    """The colour of a number around zero, on a scale from -largest to largest."""
    return scale_colors("signed")[signed_step(value, largest)]


def step(fraction: float) -> int:
    """A place from 0 to 1 as one of the 256 steps; what lies outside gets the end."""
    return min(max(int(fraction * STEPS), 0), STEPS - 1)


def signed_step(value: float, largest: float) -> int:
    """A number's place on a scale from -largest to largest as one of the 256 steps."""
    return step((value / largest + 1) / 2) if largest else STEPS // 2


@cache
def scale_colors(scale: str) -> tuple[RGB, ...]:
    """The 256 colours of the `weight` or the `signed` scale."""
    anchors = [tuple(bytes.fromhex(code)) for code in (_WEIGHT, _SIGNED)[scale == "signed"].split()]
    last = len(anchors) - 1
    colors = []
    for index in range(STEPS):
        place = index * last / (STEPS - 1)
        low = min(int(place), last - 1)
        mix = place - low
        pairs = zip(anchors[low], anchors[low + 1], strict=True)
        red, green, blue = (round(a + (b - a) * mix) for a, b in pairs)
        colors.append((red, green, blue))
    return tuple(colors)


def luminance(color: RGB) -> float:
    """Relative luminance, 0 (black) to 1 (white) (WCAG 2.2)."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def is_bright(color: RGB) -> bool:
    """Whether black text stands out more on this colour than white text does (WCAG contrast)."""
    return (luminance(color) + 0.05) ** 2 > 1.05 * 0.05


@cache
def bright_steps(scale: str) -> tuple[bool, ...]:
    """Of each of the 256 colours of a scale, whether black text stands out more on it."""
    return tuple(map(is_bright, scale_colors(scale)))
