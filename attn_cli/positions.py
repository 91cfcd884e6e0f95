"""Positions: the formulas by which a token's place enters attention, each on its own.

Sinusoidal and rotary codes, ALiBi, relative buckets. Pure functions of arrays; no models.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.types import Floats, Integers

T = TypeVar("T", bound=np.generic)


def sinusoidal_code(positions: Integers, d_model: int, base: float = 10_000.0) -> Floats:
    """Sines and cosines of falling frequency, in turn (Vaswani et al. 2017, section 3.5).

    Args:
        positions: (n,) whole numbers.
        d_model: width of the code, even or odd.

    Returns:
        (n, d_model) float32: sin(position / base^(2i/d_model)) at 2i, its cosine at 2i + 1.

    >>> sinusoidal_code(np.array([0, 1]), 2).round(4).tolist()
    [[0.0, 1.0], [0.8414999842643738, 0.5403000116348267]]
    """
    angles = rotary_angles(positions, rotary_frequencies(d_model, base))
    code = np.empty((len(positions), d_model), dtype=np.float32)
    code[:, 0::2] = np.sin(angles)
    code[:, 1::2] = np.cos(angles[:, : d_model // 2])
    return code


def rotary_frequencies(d_rotary: int, base: float = 10_000.0) -> Floats:
    """Radians a position for each pair of components: base^(-2i/d) (Su et al. 2021, section 3.2.2).

    Each step is rounded to float32 where torch rounds it: at position 1,000 the last bit of a
    frequency is 1e-4 radians.

    Returns:
        (⌈d_rotary / 2⌉,) float32, from 1 down.
    """
    exponents = np.arange(0, d_rotary, 2, dtype=np.float32) / np.float32(d_rotary)
    with np.errstate(over="ignore"):  # one turn in ∞ positions is the 0 that it should be
        powers = np.power(np.float64(base), exponents.astype(np.float64)).astype(np.float32)
    frequencies: Floats = np.float32(1) / powers
    return frequencies


def llama3_frequencies(
    frequencies: Floats,
    *,
    factor: float,
    low_freq_factor: float,
    high_freq_factor: float,
    original_length: float,
) -> Floats:
    """Rotary frequencies of Llama 3.1 for a longer context (Dubey et al. 2024, section 3.2).

    Pairs that turn at least `high_freq_factor` times within the `original_length` keep their
    frequency, those that turn less than `low_freq_factor` times have it divided by `factor`, and
    those between go smoothly from one to the other.
    """
    wavelengths = np.float32(2 * math.pi) / frequencies
    slowed = frequencies / np.float32(factor)
    turns = np.float32(original_length) / wavelengths
    smooth = (turns - np.float32(low_freq_factor)) / np.float32(high_freq_factor - low_freq_factor)
    between = (np.float32(1) - smooth) * slowed + smooth * frequencies
    long = wavelengths > np.float32(original_length / low_freq_factor)
    short = wavelengths < np.float32(original_length / high_freq_factor)
    return np.where(long, slowed, np.where(short, frequencies, between))


def yarn_frequencies(
    frequencies: Floats,
    *,
    factor: float,
    low: float,
    high: float,
) -> Floats:
    """Rotary frequencies of YaRN (Peng et al. 2023, section 3.2, "NTK-by-parts").

    Pairs before `low` keep their frequency, those after `high` have it divided by `factor`, with a
    straight ramp between; `yarn_range` says where the two are.
    """
    places = np.arange(len(frequencies), dtype=np.float32)
    ramp = np.clip((places - np.float32(low)) / np.float32(high - low), 0, 1).astype(np.float32)
    kept = np.float32(1) - ramp
    powers = np.float32(1) / frequencies
    slowed = np.float32(1) / (np.float32(factor) * powers)
    mixed: Floats = slowed * (np.float32(1) - kept) + frequencies * kept
    return mixed


def yarn_range(
    d_rotary: int,
    base: float,
    original_length: float,
    *,
    beta_fast: float = 32.0,
    beta_slow: float = 1.0,
    truncate: bool = True,
) -> tuple[float, float]:
    """The pairs between which YaRN's ramp runs: those that turn so many times in the context."""

    def pair(turns: float) -> float:
        length = original_length / (turns * 2 * math.pi)
        return d_rotary * math.log(length) / (2 * math.log(base))

    low, high = pair(beta_fast), pair(beta_slow)
    if truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, d_rotary - 1)
    return low, high + 0.001 if low == high else high


def rotary_angles(positions: Integers, frequencies: Floats) -> Floats:
    """How far each pair of components is turned: (n, n_pairs) float32 radians."""
    angles: Floats = positions.astype(np.float32)[:, None] * frequencies
    return angles


def rotate(x: Floats, cosines: Floats, sines: Floats) -> Floats:
    """Turn the pairs (i, i + n_pairs) of components (Su et al. 2021, equation 34, by halves).

    Args:
        x: (..., n, d_head) float32; components beyond the first 2 · n_pairs stay as they are.
        cosines, sines: (n, n_pairs) of the angles.

    >>> turned = rotate(np.float32([[1, 0, 5]]), np.float32([[0]]), np.float32([[1]]))
    >>> turned.tolist()
    [[0.0, 1.0, 5.0]]
    """
    n_pairs = cosines.shape[-1]
    first, second = x[..., :n_pairs], x[..., n_pairs : 2 * n_pairs]
    turned = np.empty_like(x)
    turned[..., :n_pairs] = first * cosines - second * sines
    turned[..., n_pairs : 2 * n_pairs] = second * cosines + first * sines
    turned[..., 2 * n_pairs :] = x[..., 2 * n_pairs :]
    return turned


def key_distances(n_key: int) -> Integers:
    """Every distance, key - query, that two of n_key tokens can have: from 1 - n_key up.

    >>> key_distances(3).tolist()
    [-2, -1, 0, 1, 2]
    """
    return np.arange(1 - n_key, n_key)


def spread_by_distance(values: NDArray[T], n_query: int) -> NDArray[T]:
    """A value for each of `key_distances`, spread over queries and keys; takes no memory.

    Args:
        values: (..., 2 · n_key - 1).
        n_query: how many of the last tokens are queries.

    Returns:
        (..., n_query, n_key), a read-only view: [i, j] is the value at distance j - i.

    >>> spread_by_distance(np.array([-2, -1, 0, 1, 2]), 2).tolist()
    [[-1, 0, 1], [-2, -1, 0]]
    """
    n_key = (values.shape[-1] + 1) // 2
    windows = np.lib.stride_tricks.sliding_window_view(values, n_key, axis=-1)
    return windows[..., ::-1, :][..., n_key - n_query :, :]


def alibi_slopes(n_head: int) -> Floats:
    """How much each head is drawn to near keys: (n_head,) float32 (Press et al. 2022, section 3).

    The powers of 2^(-8/n) for n heads; when n is not a power of two, those of the next smaller
    power, then every other one of the next larger.

    >>> alibi_slopes(4).tolist()
    [0.25, 0.0625, 0.015625, 0.00390625]
    """
    n = 1 << (n_head.bit_length() - 1)
    # The base is rounded to float32 first, as in BLOOM's own code: 1,000 keys away the last bit of
    # a slope is 1e-4 of a logit.
    near, between = map(float, np.array([2 ** (-8 / n), 2 ** (-4 / n)], dtype=np.float32))
    slopes = [near**i for i in range(1, n + 1)]
    slopes += [between**i for i in range(1, 2 * (n_head - n) + 1, 2)]
    return np.array(slopes, dtype=np.float32)


def relative_buckets(
    distances: Integers, *, n_bucket: int, max_distance: int, both_sides: bool
) -> Integers:
    """The bucket that each distance, key - query, falls in (Raffel et al. 2020, section 2.1).

    Half of a side's buckets hold one distance each, the others grow like logarithms up to
    `max_distance`. With `both_sides`, later keys have the upper half of the buckets; without, all
    later keys share bucket 0.
    """
    if both_sides:
        n_bucket //= 2
        offset = np.where(distances > 0, n_bucket, 0)
        distances = np.abs(distances)
    else:
        offset = np.zeros_like(distances)
        distances = np.maximum(-distances, 0)
    exact = n_bucket // 2
    # float32 throughout, as torch has it: a distance at the edge of a bucket must fall alike.
    ratio = np.maximum(distances, 1).astype(np.float32) / np.float32(exact)
    steps = (
        np.log(ratio) / np.float32(math.log(max_distance / exact)) * np.float32(n_bucket - exact)
    )
    far = np.minimum(exact + steps.astype(np.int64), n_bucket - 1)
    buckets: Integers = offset + np.where(distances < exact, distances, far)
    return buckets
