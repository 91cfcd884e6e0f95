"""The room of places: each formula by hand, its properties, and as its paper prints it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attn_cli.positions import (
    alibi_slopes,
    key_distances,
    llama3_frequencies,
    relative_buckets,
    rotary_angles,
    rotary_frequencies,
    rotate,
    sinusoidal_code,
    spread_by_distance,
    yarn_frequencies,
    yarn_range,
)

EXAMPLES = settings(max_examples=100, deadline=None, database=None)


def test_rotary_frequencies_by_hand() -> None:
    assert np.allclose(rotary_frequencies(8), [1, 0.1, 0.01, 0.001], rtol=1e-6)
    assert np.allclose(rotary_frequencies(3, 8.0), [1, 0.25], rtol=1e-6)  # an odd width has room
    assert rotary_frequencies(8).dtype == np.float32


@given(arrays(np.float32, (2, 5, 6), elements=st.floats(-2, 2, width=32)), st.integers(0, 50))
@EXAMPLES
def test_rotation_knows_distances_alone(x: np.ndarray, shift: int) -> None:
    """Su et al. 2021: lengths stay, and query · key depends on how far apart the two are."""
    frequencies = rotary_frequencies(6, 100.0)

    def turned(first: int) -> np.ndarray:
        angles = rotary_angles(np.arange(first, first + 5), frequencies)
        return rotate(x, np.cos(angles), np.sin(angles))

    here, there = turned(0), turned(shift)
    assert np.abs(np.square(here).sum(axis=-1) - np.square(x).sum(axis=-1)).max() < 1e-5
    products = [part @ part.transpose(0, 2, 1) for part in (here, there)]
    assert np.abs(products[0] - products[1]).max() < 1e-4  # angles up to 50 step by 4e-6


def test_rotation_by_a_quarter() -> None:
    """By halves: component i goes with i + n_pairs; those beyond stay."""
    x = np.array([[[1, 2, 3, 4, 5]]], dtype=np.float32)
    turned = rotate(x, np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32))
    assert turned.tolist() == [[[-3, -4, 1, 2, 5]]]


def test_llama3_has_three_bands() -> None:
    # 2π/f against 64/4 = 16 and 64/1 = 64: the first turns often enough, the last too seldom.
    frequencies = np.array([1.0, 0.2, 0.05], dtype=np.float32)
    found = llama3_frequencies(
        frequencies, factor=8, low_freq_factor=1, high_freq_factor=4, original_length=64
    )
    smooth = (64 * 0.2 / (2 * math.pi) - 1) / 3
    between = (1 - smooth) * 0.2 / 8 + smooth * 0.2
    assert np.allclose(found, [1.0, between, 0.05 / 8], rtol=1e-6)


def test_yarn_ramps_between_two_pairs() -> None:
    frequencies = rotary_frequencies(16)
    found = yarn_frequencies(frequencies, factor=4, low=2, high=6)
    kept = np.clip(1 - (np.arange(8) - 2) / 4, 0, 1)
    assert np.allclose(found, frequencies * kept + frequencies / 4 * (1 - kept), rtol=1e-6)
    # A pair that turns β times in L tokens: d · ln(L / 2πβ) / (2 · ln base).
    low, high = yarn_range(64, 10_000.0, 4096, truncate=False)
    assert low == pytest.approx(64 * math.log(4096 / (64 * math.pi)) / (2 * math.log(10_000)))
    assert high == pytest.approx(64 * math.log(4096 / (2 * math.pi)) / (2 * math.log(10_000)))
    assert yarn_range(64, 10_000.0, 4096) == (10, 23)
    assert yarn_range(2, 10_000.0, 4)[0] < yarn_range(2, 10_000.0, 4)[1]


def test_alibi_slopes_as_published() -> None:
    # Press et al. 2022: 8 heads have 1/2 … 1/256; 12 have those and every other one of 16's.
    assert alibi_slopes(8).tolist() == [2.0**-i for i in range(1, 9)]
    between = [2.0 ** -(i / 2) for i in (1, 3, 5, 7)]
    assert np.allclose(alibi_slopes(12), [2.0**-i for i in range(1, 9)] + between, rtol=1e-6)
    assert alibi_slopes(1).tolist() == [2.0**-8]


def test_relative_buckets_by_hand() -> None:
    """32 buckets to 128, as T5 has them: 8 and 16 exact, then each √√2, or ⁸√8, as far again."""
    distances = np.array([0, -1, -7, -8, -11, -12, -127, -128, -500, 1, 7, 8, 500])
    both = relative_buckets(distances, n_bucket=32, max_distance=128, both_sides=True)
    assert both.tolist() == [0, 1, 7, 8, 8, 9, 15, 15, 15, 17, 23, 24, 31]
    past = relative_buckets(distances, n_bucket=32, max_distance=128, both_sides=False)
    assert past.tolist() == [0, 1, 7, 8, 11, 12, 31, 31, 31, 0, 0, 0, 0]


@given(st.integers(2, 40), st.integers(50, 400), st.booleans())
@EXAMPLES
def test_relative_buckets_never_shrink(half: int, max_distance: int, both_sides: bool) -> None:
    n_bucket = 2 * half
    buckets = relative_buckets(
        -np.arange(600), n_bucket=n_bucket, max_distance=max_distance, both_sides=both_sides
    )
    assert (np.diff(buckets) >= 0).all()
    assert buckets.min() == 0
    assert buckets.max() == (half if both_sides else n_bucket) - 1


def test_sinusoidal_code_by_hand() -> None:
    code = sinusoidal_code(np.array([0, 1, 30]), 5, base=100.0)
    assert code.shape == (3, 5)
    assert code.dtype == np.float32
    for row, position in enumerate((0, 1, 30)):
        for place in range(5):
            angle = position / 100.0 ** (2 * (place // 2) / 5)
            exact = math.cos(angle) if place % 2 else math.sin(angle)
            assert code[row, place] == pytest.approx(exact, abs=5e-6)


def test_distances_are_spread_over_queries_and_keys() -> None:
    spread = spread_by_distance(np.stack([key_distances(5), 10 * key_distances(5)]), 3)
    expected = np.arange(5) - np.arange(2, 5)[:, None]
    assert np.array_equal(spread, np.stack([expected, 10 * expected]))
    assert not spread.flags.writeable
