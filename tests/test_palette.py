"""The palettes: even in lightness, safe for colour-blind eyes, readable under black or white text.

Lightness is CIELAB L* (0 to 100), where a difference of about 1 is just visible.
"""

from __future__ import annotations

import numpy as np
import pytest

from attn_cli import palette

EVEN = 2.0  # L* that the weight scale may be off a straight line
SMALL = 0.1  # L* that 8-bit rounding may take back from one step to the next
SYMMETRIC = 3.0  # L* that the two sides of the signed scale may differ at equal distance
DISTINCT = 40.0  # CIELAB distance of the two ends, as a colour-blind eye sees them
READABLE = 4.5  # contrast that WCAG 2.2 asks of text, level AA

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
EYES = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "usual": np.eye(3).tolist(),
}


def linear(colors: object) -> np.ndarray:
    """sRGB of 0 to 255 as linear light of 0 to 1 (IEC 61966-2-1)."""
    part = np.asarray(colors, dtype=float) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    """Linear RGB as CIELAB under D65."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = light @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lightness(scale: str) -> np.ndarray:
    return lab(linear(palette.scale_colors(scale)))[:, 0]


def contrast(one: object, other: object) -> float:
    """WCAG 2.2 contrast of two colours, 1 to 21."""
    bright = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (bright[1] + 0.05) / (bright[0] + 0.05)


def seen(colors: object, eye: str) -> np.ndarray:
    """What an eye sees of colours, in CIELAB."""
    return lab(np.clip(linear(colors) @ np.array(EYES[eye]).T, 0, 1))


def test_the_tools_of_this_file_agree_with_known_colours() -> None:
    assert lab(linear((255, 255, 255))) == pytest.approx([100, 0, 0], abs=0.02)
    assert lab(linear((255, 0, 0))) == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
    red_green = [(200, 60, 0), (120, 110, 0)]  # far apart for most, near for a deuteranope
    distance = {e: np.linalg.norm(np.subtract(*seen(red_green, e))) for e in EYES}
    assert distance["deuteranopia"] < 0.4 * distance["usual"]


def test_weights_grow_lighter_evenly_from_dark_to_bright() -> None:
    levels = lightness("weight")
    assert len(levels) == 256
    assert levels[0] < 20 and levels[-1] > 85
    assert np.diff(levels).min() > -SMALL
    assert (levels[8:] > levels[:-8]).all()
    straight = np.linspace(levels[0], levels[-1], len(levels))
    assert np.abs(levels - straight).max() < EVEN


def test_signed_numbers_are_as_light_as_they_are_far_from_zero() -> None:
    levels = lightness("signed")
    negative, positive = levels[:128][::-1], levels[128:]
    assert np.abs(negative - positive).max() < SYMMETRIC
    for side in (negative, positive):
        assert side[0] < 20 and side[-1] > 85
        assert np.diff(side).min() > -SMALL


@pytest.mark.parametrize("eye", EYES)
def test_the_signs_are_told_apart_by_every_eye(eye: str) -> None:
    # At the very ends both sides are nearly white; three quarters of the way there they are not.
    for magnitude in (0.4, 0.6, 0.75):
        ends = [palette.signed_color(sign * magnitude, 1.0) for sign in (-1, 1)]
        one, other = seen(ends, eye)
        assert np.linalg.norm(one - other) > DISTINCT, magnitude
    one, other = seen([palette.signed_color(-1, 1.0), palette.signed_color(1, 1.0)], eye)
    assert np.linalg.norm(one - other) > DISTINCT / 2


@pytest.mark.parametrize("eye", EYES)
def test_weights_are_ordered_for_every_eye(eye: str) -> None:
    levels = seen(palette.scale_colors("weight"), eye)[:, 0]
    assert (levels[16:] > levels[:-16]).all()


@pytest.mark.parametrize("scale", ["weight", "signed"])
def test_text_is_readable_on_every_colour(scale: str) -> None:
    for color in palette.scale_colors(scale):
        text = (0, 0, 0) if palette.is_bright(color) else (255, 255, 255)
        assert contrast(color, text) >= READABLE, color


@pytest.mark.parametrize("scale", ["weight", "signed"])
@pytest.mark.parametrize("depth", ["truecolor", "256"])
def test_drawn_cells_are_readable(scale: str, depth: str) -> None:
    from attn_cli.terminal.styles import cell_style

    for step in range(palette.STEPS):
        style = cell_style(scale, step, depth)  # type: ignore[arg-type]
        assert style.color is not None and style.bgcolor is not None
        text, ground = (c.get_truecolor() for c in (style.color, style.bgcolor))
        assert contrast(text, ground) >= READABLE, (step, text, ground)


def test_ends_and_what_lies_beyond() -> None:
    assert palette.weight_color(0) == (0x44, 0x01, 0x54)  # viridis as published
    assert palette.weight_color(1) == palette.weight_color(1.5) == (0xFD, 0xE7, 0x25)
    assert palette.weight_color(-0.5) == palette.weight_color(0)
    assert palette.signed_color(-7, 7) == palette.scale_colors("signed")[0]
    assert palette.signed_color(7, 7) == palette.scale_colors("signed")[-1]
    zero = palette.signed_color(0, 7)
    assert zero == palette.signed_color(0, 0) and max(zero) - min(zero) <= 6  # grey
