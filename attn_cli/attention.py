"""Attention: from query, key and value to scores, weights and context.

It takes tensors and a mask, and knows neither words nor weights' origin.

Dimensions: n_head query heads share n_kv_head key/value heads (n_head a multiple of n_kv_head);
n_query queries look at n_key keys; d_head is the width of query and key, d_value that of value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from attn_cli.errors import UsageError
from attn_cli.operations import softcap_logits, softmax

if TYPE_CHECKING:
    from attn_cli.types import Booleans, Floats


class Attention(NamedTuple):
    """Every tensor on the way, float32."""

    scores: Floats  # (n_head, n_query, n_key): query · key, before anything
    logits: Floats  # (n_head, n_query, n_key): what the softmax sees: scaled, -inf where masked
    weights: Floats  # (n_head, n_query, n_key): softmax over the keys
    lse: Floats | None  # (n_head, n_query): log-sum-exp of each row of logits, if there was one
    dropped: Floats | None  # (n_head, n_query, n_key): the weights after dropout
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
    score_vector: Floats | None = None,
    normalize: Literal["softmax", "sum"] = "softmax",
    dropout: Floats | None = None,
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
        score_vector: (n_head, d_head) float32 makes the scores additive, `additive_scores`,
            instead of products; None means products.
        normalize: how logits become weights: `softmax`, or `sum`, each divided by their sum as
            the first try of many textbooks has it; masked ones count as 0.
        dropout: (n_head, n_query, n_key) float32 factors of the weights while values are mixed
            (Srivastava et al. 2014).

    Raises:
        UsageError: logits below 0, or that sum to 0, are to be divided by their sum.
    """
    n_head, _, d_head = query.shape
    key, value = repeated(key, n_head), repeated(value, n_head)
    if score_vector is None:
        scores = query @ key.transpose(0, 2, 1)
    else:
        scores = additive_scores(query, key, score_vector)
    # A float64 scalar would make the arrays float64: twice the memory, and no longer torch's sums.
    logits = scores * np.float32(1 / math.sqrt(d_head) if scale is None else scale)
    if softcap is not None:
        logits = softcap_logits(logits, softcap)
    if bias is not None:
        logits = logits + bias
    if allowed is not None:
        logits = np.where(allowed, logits, np.float32(-np.inf))
    lse = None
    if normalize == "softmax":
        weights, lse = softmax(logits)
    else:
        weights = _by_sum(logits)
    dropped = None if dropout is None else weights * dropout
    mixing: Floats = weights if dropped is None else dropped
    return Attention(scores, logits, weights, lse, dropped, mixing @ value)


def repeated(shared: Floats, n_head: int) -> Floats:
    """Keys or values (n_kv_head, …) for every one of `n_head` query heads, neighbours sharing."""
    groups = n_head // shared.shape[0]
    return np.repeat(shared, groups, axis=0) if groups > 1 else shared


def additive_scores(query: Floats, key: Floats, score_vector: Floats) -> Floats:
    """v · tanh(q + k) for every query and key (Bahdanau et al. 2015, section A.1.2).

    Args:
        query: (n_head, n_query, d_head) float32, W_a s in the paper.
        key: (n_head, n_key, d_head) float32, U_a h.
        score_vector: (n_head, d_head) float32, v_a.

    Returns:
        (n_head, n_query, n_key) float32.
    """
    scores = np.empty((*query.shape[:2], key.shape[1]), dtype=np.float32)
    for row in range(query.shape[1]):  # a row at a time: all sums at once would need n³ memory
        sums = np.tanh(query[:, row, None] + key)
        scores[:, row] = (sums @ score_vector[:, :, None])[..., 0]
    return scores


def _by_sum(logits: Floats) -> Floats:
    """Every logit divided by the sum of its row: weights only where none is below 0."""
    shares = np.where(np.isneginf(logits), np.float32(0), logits)
    hint = "Use `--normalize softmax`."
    if shares.size and shares.min() < 0:
        raise UsageError(
            f"a score of {shares.min():.4g} cannot be divided by a sum: a weight is never negative",
            hint,
        )
    total = shares.sum(axis=-1, keepdims=True, dtype=np.float64)  # float32 may not reach it
    masked = np.isneginf(logits).all(axis=-1, keepdims=True)
    if (masked < (total == 0)).any():
        raise UsageError("a row of scores sums to 0: none is a part of it", hint)
    weights: Floats = (shares / np.where(masked, 1, total)).astype(np.float32)
    return weights
