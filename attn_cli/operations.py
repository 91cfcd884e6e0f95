"""Operations: the formulas that attention is made of, each on its own.

Pure functions of arrays; no heads, no masks by name, no models.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from attn_cli.types import Floats, Integers


def softmax(logits: Floats) -> tuple[Floats, Floats]:
    """Softmax over the last axis, and the logarithm of the sum that it divided by.

    exp(x - lse), with lse = log Σ exp(x): both from one pass, with the row's largest value taken
    off first so that no exponential overflows (Bridle 1990; Blanchard, Higham & Higham 2021).
    A row that is -∞ throughout (wholly masked) gives weights of 0 and an lse of -∞, never NaN.

    Args:
        logits: (..., n_key) float32; -∞ marks what is masked.

    Returns:
        weights (..., n_key) float32, rows summing to 1 or wholly 0; lse (...) float32.

    >>> weights, lse = softmax(np.array([1.0, 1.0, -np.inf], dtype=np.float32))
    >>> weights.tolist(), round(float(lse), 6)
    ([0.5, 0.5, 0.0], 1.693147)
    """
    largest = np.max(logits, axis=-1, keepdims=True, initial=-np.inf)
    shift = np.where(np.isneginf(largest), np.float32(0), largest)
    with np.errstate(over="ignore"):  # the ends of float32 are further apart than it reaches
        weights = np.exp(logits - shift)
    total = weights.sum(axis=-1, keepdims=True)
    masked = total == 0
    weights /= np.where(masked, np.float32(1), total)
    with np.errstate(divide="ignore"):
        lse = np.log(total) + shift
    return weights, lse[..., 0]


def softcap_logits(logits: Floats, cap: float) -> Floats:
    """c · tanh(x / c): large logits bend towards ±c (Bello et al. 2016, section 3.4; Gemma 2).

    >>> softcap_logits(np.array([1.0, 1e30], dtype=np.float32), 50.0).tolist()
    [0.9998666048049927, 50.0]
    """
    limit = np.float32(cap)
    capped: Floats = limit * np.tanh(logits / limit)
    return capped


def layer_norm(
    x: Floats, weight: Floats | None = None, bias: Floats | None = None, eps: float = 1e-5
) -> Floats:
    """(x - mean) / √(variance + ε) · weight + bias over the last axis (Ba et al. 2016, equation 4).

    >>> layer_norm(np.array([1.0, 3.0], dtype=np.float32), eps=0.0).tolist()
    [-1.0, 1.0]
    """
    centred: Floats = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    centred /= np.sqrt(variance + np.float32(eps))
    if weight is not None:
        centred *= weight
    if bias is not None:
        centred += bias
    return centred


def rms_norm(x: Floats, weight: Floats, eps: float = 1e-6) -> Floats:
    """x / √(mean of x² + ε) · weight over the last axis (Zhang & Sennrich 2019, equation 4).

    >>> rms_norm(np.array([3.0, 3.0], dtype=np.float32), np.float32([1, 2]), eps=0.0).tolist()
    [1.0, 2.0]
    """
    normed: Floats = x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + np.float32(eps))
    normed *= weight
    return normed


# ln erfc(a / √2) as a polynomial in a, highest power first, the constant being 0: fitted by
# reweighted least squares on 0 … 6 so that erf is nowhere further off than 1.6e-8. The leading
# power is even and negative: beyond the fit erfc goes to 0, as it should.
_LOG_ERFC = (
    -1.9650081e-06, 2.72944926e-05, -1.2905011e-04, -9.49175082e-05,
    4.89599025e-03, -3.63875777e-02, -3.18298876e-01, -7.97885299e-01,
)  # fmt: skip


def gelu(x: Floats) -> Floats:
    """x · Φ(x), Φ the normal distribution (Hendrycks & Gimpel 2016, section 2): the exact form.

    Within 1e-7 · max(1, |x|) of float64. numpy has no error function: Φ comes from
    x · Φ(x) = (x + |x| · (1 - erfc(|x|/√2))) / 2, with erfc the exponential of a polynomial.

    >>> gelu(np.array([-1.0, 0.0, 1.0], dtype=np.float32)).round(4).tolist()
    [-0.15870000422000885, 0.0, 0.8413000106811523]
    """
    size = np.abs(x)
    erfc = size * np.float32(_LOG_ERFC[0])
    with np.errstate(over="ignore"):  # e to the -∞ is the 0 that it should be
        for coefficient in _LOG_ERFC[1:]:
            erfc += np.float32(coefficient)
            erfc *= size
        np.exp(erfc, out=erfc)
    erfc *= size
    size += x
    size -= erfc
    size *= np.float32(0.5)
    return size


def gelu_tanh(x: Floats) -> Floats:
    """The tanh form of GELU (Hendrycks & Gimpel 2016, section 2), as GPT-2 has it.

    >>> gelu_tanh(np.array([-1.0, 1.0], dtype=np.float32)).round(4).tolist()
    [-0.15880000591278076, 0.8411999940872192]
    """
    inner: Floats = np.square(x)
    inner *= np.float32(0.044715)
    inner += np.float32(1)
    inner *= x
    inner *= np.float32(math.sqrt(2 / math.pi))
    np.tanh(inner, out=inner)
    inner += np.float32(1)
    inner *= x
    inner *= np.float32(0.5)
    return inner


def relu(x: Floats) -> Floats:
    """max(x, 0)."""
    positive: Floats = np.maximum(x, np.float32(0))
    return positive


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + e⁻ˣ)."""
    with np.errstate(over="ignore"):  # 1 / ∞ is the 0 that it should be
        powers: Floats = np.exp(-x)
    powers += np.float32(1)
    np.reciprocal(powers, out=powers)
    return powers


def silu(x: Floats) -> Floats:
    """x · sigmoid(x) (Hendrycks & Gimpel 2016; "swish": Ramachandran et al. 2017)."""
    with np.errstate(over="ignore"):
        powers: Floats = np.exp(-x)
    powers += np.float32(1)
    np.divide(x, powers, out=powers)
    return powers


def quick_gelu(x: Floats) -> Floats:
    """x · sigmoid(1.702 x), the sigmoid form of GELU (Hendrycks & Gimpel 2016, section 2)."""
    sized: Floats = sigmoid(x * np.float32(1.702))
    sized *= x
    return sized


def identity(x: Floats) -> Floats:
    """x."""
    return x


# The activations by the names that configurations have for them.
ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "gelu": gelu,
    "gelu_python": gelu,
    "gelu_new": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_accurate": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "gelu_python_tanh": gelu_tanh,
    "quick_gelu": quick_gelu,
    "relu": relu,
    "silu": silu,
    "swish": silu,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "linear": identity,
}


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
