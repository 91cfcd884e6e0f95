"""Operations: the formulas that attention is made of, each on its own.

Pure functions of arrays; no heads, no masks by name, no models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from attn_cli.types import Floats


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
