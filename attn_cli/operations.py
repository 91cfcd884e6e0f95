"""Operations: the formulas that attention is made of, each on its own.

Pure functions of arrays; no heads, no masks by name, no models. Places are in `positions`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from attn_cli.types import Booleans, Floats


def lower_triangle(n_query: int, n_key: int) -> Booleans:
    """True where a key is no later than the query; the queries are the last of the keys."""
    return np.tri(n_query, n_key, n_key - n_query, dtype=bool)


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
    centred /= _root(variance, eps)
    if weight is not None:
        centred *= weight
    if bias is not None:
        centred += bias
    return centred


def _root(variance: Floats, eps: float) -> Floats:
    """√(variance + ε); NaN where float32 cannot hold the squares: to divide by ∞ hides it."""
    root: Floats = np.sqrt(variance + np.float32(eps))
    root[np.isinf(root)] = np.nan
    return root


def rms_norm(x: Floats, weight: Floats, eps: float = 1e-6) -> Floats:
    """x / √(mean of x² + ε) · weight over the last axis (Zhang & Sennrich 2019, equation 4).

    >>> rms_norm(np.array([3.0, 3.0], dtype=np.float32), np.float32([1, 2]), eps=0.0).tolist()
    [1.0, 2.0]
    """
    normed: Floats = x / _root(np.square(x).mean(axis=-1, keepdims=True), eps)
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
    with np.errstate(over="ignore"):  # tanh of ±∞ is the ±1 that it should be
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
