"""Attention: from query, key and value to scores, weights and context.

It takes tensors and a mask, and knows neither words nor weights' origin.

Dimensions: n_head query heads share n_kv_head key/value heads (n_head a multiple of n_kv_head);
n_query queries look at n_key keys; d_head is the width of query and key, d_value that of value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attn_cli.operations import softcap_logits, softmax

if TYPE_CHECKING:
    from attn_cli.types import Booleans, Floats


class Attention(NamedTuple):
    """Every tensor on the way, float32."""

    scores: Floats  # (n_head, n_query, n_key): query · key, before anything
    logits: Floats  # (n_head, n_query, n_key): what the softmax sees: scaled, -inf where masked
    weights: Floats  # (n_head, n_query, n_key): softmax over the keys
    lse: Floats  # (n_head, n_query): log-sum-exp of each row of logits
    context: Floats  # (n_head, n_query, d_value): values mixed by the weights


def attend(
    query: Floats,
    key: Floats,
    value: Floats,
    *,
    scale: float | None = None,
    softcap: float | None = None,
    bias: Floats | None = None,
    allowed: Booleans | None = None,
) -> Attention:
    """Scaled dot-product attention, softmax(cap(Q Kᵀ · scale) + bias) V, with every step kept.

    Vaswani et al. 2017, equation 1; key/value heads shared by groups of query heads as in
    Ainslie et al. 2023 (each key/value head serves n_head / n_kv_head neighbouring query heads).

    Args:
        query: (n_head, n_query, d_head) float32.
        key: (n_kv_head, n_key, d_head) float32.
        value: (n_kv_head, n_key, d_value) float32.
        scale: what the scores are multiplied with; None means 1/√d_head.
        softcap: c in c · tanh(logits / c), taken after the scale and before bias and mask
            (Gemma Team 2024, "Gemma 2", section 2); None means no cap.
        bias: (n_head or 1, n_query, n_key) float32, added to the scaled scores (relative
            positions: Press et al. 2022; Raffel et al. 2020); None means none.
        allowed: (n_query, n_key) bool, True where a query may look at a key; None means
            everywhere. A query that may look at nothing gets weights and context of 0.
    """
    n_head, _, d_head = query.shape
    groups = n_head // key.shape[0]
    if groups > 1:
        key, value = np.repeat(key, groups, axis=0), np.repeat(value, groups, axis=0)
    scores = query @ key.transpose(0, 2, 1)
    # A float64 scalar would make the arrays float64: twice the memory, and no longer torch's sums.
    logits = scores * np.float32(1 / math.sqrt(d_head) if scale is None else scale)
    if softcap is not None:
        logits = softcap_logits(logits, softcap)
    if bias is not None:
        logits = logits + bias
    if allowed is not None:
        logits = np.where(allowed, logits, np.float32(-np.inf))
    weights, lse = softmax(logits)
    return Attention(scores, logits, weights, lse, weights @ value)
