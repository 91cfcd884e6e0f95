"""THE room: attention by hand, its invariances, and against a naive float64 version."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attn_cli.attention import Attention, attend, repeated
from attn_cli.errors import UsageError

EXAMPLES = settings(max_examples=80, deadline=None, database=None)
# Query, key and value up to 2 and widths up to 6: scores reach 24, where float32 steps by 2e-6.
# A weight moves by at most half of what its logit moves, a context value by four times that.
NEAR = 1e-5


def tensors(*shape: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float32, shape, elements=st.floats(-2, 2, width=32))


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of `attend`: grouped heads, any mask, any scale."""
    n_kv_head, group = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    n_query, n_key = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    d_head, d_value = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    mask = st.none() | arrays(np.bool_, (n_query, n_key))
    return {
        "query": draw(tensors(n_kv_head * group, n_query, d_head)),
        "key": draw(tensors(n_kv_head, n_key, d_head)),
        "value": draw(tensors(n_kv_head, n_key, d_value)),
        "scale": draw(st.sampled_from([None, 1.0, 0.25])),
        "allowed": draw(mask),
    }


@st.composite
def full_problems(draw: st.DrawFn) -> dict[str, Any]:
    """The same with a cap, a bias, additive scores and dropout, each of them or not."""
    problem = draw(problems())
    (n_head, n_query, d_head), n_key = problem["query"].shape, problem["key"].shape[1]
    factors = arrays(np.float32, (n_head, n_query, n_key), elements=st.sampled_from([0, 1.25]))
    return problem | {
        "softcap": draw(st.none() | st.sampled_from([0.5, 30.0])),
        "bias": draw(st.none() | tensors(n_head, n_query, n_key)),
        "score_vector": draw(st.none() | tensors(n_head, d_head)),
        "dropout": draw(st.none() | factors),
    }


def naive(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    scale: float | None,
    allowed: np.ndarray | None,
    softcap: float | None = None,
    bias: np.ndarray | None = None,
    score_vector: np.ndarray | None = None,
    dropout: np.ndarray | None = None,
) -> Attention:
    """One number at a time, in float64, as the formula is written."""
    (n_head, n_query, d_head), (n_kv_head, n_key, d_value) = query.shape, value.shape
    q, k, v = (array.astype(np.float64) for array in (query, key, value))
    scores = np.zeros((n_head, n_query, n_key))
    logits, weights = np.full_like(scores, -np.inf), np.zeros_like(scores)
    lse, context = np.full((n_head, n_query), -np.inf), np.zeros((n_head, n_query, d_value))
    for h in range(n_head):
        g = h // (n_head // n_kv_head)  # neighbouring query heads share a key/value head
        for i in range(n_query):
            for j in range(n_key):
                pairs = [(float(q[h, i, d]), float(k[g, j, d])) for d in range(d_head)]
                scores[h, i, j] = (
                    sum(a * b for a, b in pairs)
                    if score_vector is None
                    else sum(
                        float(v) * math.tanh(a + b)
                        for v, (a, b) in zip(score_vector[h], pairs, strict=True)
                    )
                )
            seen = [j for j in range(n_key) if allowed is None or allowed[i, j]]
            for j in seen:
                factor = 1 / math.sqrt(d_head) if scale is None else scale
                logits[h, i, j] = scores[h, i, j] * factor
                if softcap is not None:
                    logits[h, i, j] = softcap * math.tanh(logits[h, i, j] / softcap)
                if bias is not None:
                    logits[h, i, j] += bias[h, i, j]
            total = sum(math.exp(logits[h, i, j]) for j in seen)
            for j in seen:
                weights[h, i, j] = math.exp(logits[h, i, j]) / total
                kept = 1.0 if dropout is None else float(dropout[h, i, j])
                context[h, i] += weights[h, i, j] * kept * v[g, j]
            lse[h, i] = math.log(total) if seen else -math.inf
    dropped = None if dropout is None else weights * dropout
    return Attention(scores, logits, weights, lse, dropped, context)


def assert_near(found: Attention, expected: Attention, tolerance: float = NEAR) -> None:
    for name, ours, theirs in zip(found._fields, found, expected, strict=True):
        assert (ours is None) == (theirs is None), name
        if ours is None:
            continue
        assert ours.shape == theirs.shape, name
        finite = np.isfinite(theirs)
        assert np.array_equal(ours[~finite], theirs[~finite]), name
        assert np.abs(ours[finite] - theirs[finite]).max(initial=0) < tolerance, name


def test_by_hand() -> None:
    # d_head = 4, so the scale is 1/2. The query is (2 ln 3, 0, 0, 0).
    #   scores:  with key (1, 0, 0, 0): 2 ln 3;  with key (0, 5, 0, 0): 0
    #   logits:  ln 3 and 0
    #   weights: 3 / (3 + 1) = 3/4 and 1 / (3 + 1) = 1/4;  lse = ln(3 + 1)
    #   context: 3/4 · (4, 0) + 1/4 · (0, 8) = (3, 2)
    ln3 = math.log(3)
    query = np.array([[[2 * ln3, 0, 0, 0]]], dtype=np.float32)
    key = np.array([[[1, 0, 0, 0], [0, 5, 0, 0]]], dtype=np.float32)
    value = np.array([[[4, 0], [0, 8]]], dtype=np.float32)
    found = attend(query, key, value)
    expected = {
        "scores": [[[2 * ln3, 0]]],
        "logits": [[[ln3, 0]]],
        "weights": [[[0.75, 0.25]]],
        "lse": [[math.log(4)]],
        "context": [[[3, 2]]],
    }
    for name, numbers in expected.items():
        array = getattr(found, name)
        assert array.dtype == np.float32, name
        assert array.shape == np.shape(numbers), name
        assert np.abs(array - np.array(numbers)).max() < 1e-6, name
    # The first key masked: only the second is left, with all of the weight.
    masked = attend(query, key, value, allowed=np.array([[False, True]]))
    assert masked.scores[0, 0, 0] == found.scores[0, 0, 0]
    assert masked.logits.tolist() == [[[-math.inf, 0]]]
    assert masked.weights.tolist() == [[[0, 1]]]
    assert masked.context.tolist() == [[[0, 8]]]


@given(full_problems())
@EXAMPLES
def test_against_float64(problem: dict[str, Any]) -> None:
    found = attend(**problem)
    assert all(array is None or array.dtype == np.float32 for array in found)
    assert_near(found, naive(**problem))


def test_weights_by_sum() -> None:
    """The book's first try: 1, 3 and 4 are 1/8, 3/8 and 4/8; what is masked counts as nothing."""
    query, key = np.ones((1, 1, 1), dtype=np.float32), np.array([[[1], [3], [4]]], np.float32)
    found = attend(query, key, key, scale=1.0, normalize="sum")
    assert (found.weights.tolist(), found.lse) == ([[[0.125, 0.375, 0.5]]], None)
    assert found.context.tolist() == [[[(1 + 9 + 16) / 8]]]
    masked = attend(
        query, key, key, scale=1.0, normalize="sum", allowed=np.array([[True, True, False]])
    )
    assert masked.weights.tolist() == [[[0.25, 0.75, 0]]]
    # A query that sees nothing beside one that does, and one head beside another.
    two = np.array([[[1], [1]], [[2], [2]]], dtype=np.float32)
    allowed = np.array([[False, False, False], [True, True, False]])
    nothing = attend(two, key, key, scale=1.0, normalize="sum", allowed=allowed)
    assert nothing.weights.tolist() == [[[0, 0, 0], [0.25, 0.75, 0]]] * 2


@given(problems())
@EXAMPLES
def test_weights_by_sum_against_float64(problem: dict[str, Any]) -> None:
    """Every row by its own sum, whatever the other rows and heads are and see."""
    query, key = (np.abs(problem[name]) + np.float32(0.25) for name in ("query", "key"))
    found = attend(**problem | {"query": query, "key": key, "normalize": "sum"})
    logits = np.where(np.isneginf(found.logits), 0, found.logits).astype(np.float64)
    total = logits.sum(axis=-1, keepdims=True)
    expected = np.divide(logits, total, out=np.zeros_like(logits), where=total > 0)
    assert found.weights.dtype == np.float32
    assert np.abs(found.weights - expected).max() < 1e-6
    assert problem["allowed"] is None or (found.weights[:, ~problem["allowed"]] == 0).all()


def test_a_sum_beyond_float32() -> None:
    key = np.full((1, 4, 1), 3e38, dtype=np.float32)
    found = attend(np.ones((1, 1, 1), np.float32), key, np.ones_like(key), scale=1, normalize="sum")
    assert found.weights.tolist() == [[[0.25] * 4]]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([3, -1.25, -1], "a score of -1.25 cannot be divided by a sum: a weight is never negative"),
        ([0, 0, 0], "a row of scores sums to 0: none is a part of it"),
    ],
)
def test_scores_that_a_sum_cannot_divide(scores: list[float], message: str) -> None:
    """The second query sees them; the first, and a third that sees nothing, could be divided."""
    rows = np.array([[[1, 1, 1], scores, [1, 1, 1]]], dtype=np.float32)
    allowed = np.array([[True] * 3, [True] * 3, [False] * 3])
    eye = np.eye(3, dtype=np.float32)[None]
    with pytest.raises(UsageError) as caught:
        attend(rows, eye, eye, scale=1, allowed=allowed, normalize="sum")
    assert (caught.value.message, caught.value.hint) == (message, "Use `--normalize softmax`.")


@given(problems())
@EXAMPLES
def test_rows_sum_to_one_or_are_wholly_masked(problem: dict[str, Any]) -> None:
    found = attend(**problem)
    sums = found.weights.sum(axis=-1, dtype=np.float64)
    allowed = problem["allowed"]
    some = np.ones(sums.shape[1], dtype=bool) if allowed is None else allowed.any(axis=-1)
    assert np.abs(sums[:, some] - 1).max(initial=0) < 1e-6
    assert (found.weights[:, ~some] == 0).all()
    assert (found.context[:, ~some] == 0).all()
    assert np.isneginf(found.lse[:, ~some]).all()
    if allowed is not None:
        assert (found.weights[:, ~allowed] == 0).all()
        assert np.array_equal(
            np.isneginf(found.logits), np.broadcast_to(~allowed, sums.shape[:1] + allowed.shape)
        )


@given(problems(), st.integers(0, 2**32 - 1))
@EXAMPLES
def test_the_order_of_the_keys_does_not_matter(problem: dict[str, Any], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(problem["key"].shape[1])
    allowed = problem["allowed"]
    moved = problem | {
        "key": problem["key"][:, order],
        "value": problem["value"][:, order],
        "allowed": None if allowed is None else allowed[:, order],
    }
    one, other = attend(**problem), attend(**moved)
    assert np.abs(other.weights - one.weights[..., order]).max() < NEAR
    assert np.abs(other.context - one.context).max() < NEAR


@given(problems(), st.floats(-2, 2, width=32))
@EXAMPLES
def test_moving_all_keys_together_does_not_matter(problem: dict[str, Any], shift: float) -> None:
    """Each score of a row then changes by the same number, which a softmax does not see."""
    one = attend(**problem)
    other = attend(**problem | {"key": problem["key"] + np.float32(shift)})
    assert np.abs(other.weights - one.weights).max() < 2 * NEAR


@given(problems())
@EXAMPLES
def test_grouped_heads_are_repeated_heads(problem: dict[str, Any]) -> None:
    group = problem["query"].shape[0] // problem["key"].shape[0]
    ungrouped = problem | {
        name: np.concatenate([head[None] for head in problem[name] for _ in range(group)])
        for name in ("key", "value")
    }
    for one, other in zip(attend(**problem), attend(**ungrouped), strict=True):
        assert (one is None and other is None) or np.array_equal(one, other)


def test_heads_that_share_nothing_are_not_copied() -> None:
    shared = np.zeros((3, 2, 4), dtype=np.float32)
    assert repeated(shared, 3) is shared
    assert repeated(shared, 6).shape == (6, 2, 4)


@given(problems())
@EXAMPLES
def test_masked_keys_are_as_if_they_were_not_there(problem: dict[str, Any]) -> None:
    n_query, n_key = problem["query"].shape[1], problem["key"].shape[1]
    keep = np.arange(n_key) % 2 == 0
    masked = attend(**problem | {"allowed": np.tile(keep, (n_query, 1))})
    fewer = {name: problem[name][:, keep] for name in ("key", "value")}
    alone = attend(**problem | fewer | {"allowed": None})
    assert np.abs(masked.weights[..., keep] - alone.weights).max() < NEAR
    assert np.abs(masked.lse - alone.lse).max() < NEAR
    assert np.abs(masked.context - alone.context).max() < NEAR


@pytest.mark.parametrize("sign", [1, -1])
def test_huge_scores(sign: int) -> None:
    """Scores of ±1e30: no infinity, no NaN, all of the weight on the largest."""
    query = np.array([[[1e15, 0], [sign * 1e15, 1e15]]], dtype=np.float32)
    key = np.array([[[1e15, 0], [-1e15, 0], [0, 1e14]]], dtype=np.float32)
    value = np.array([[[1], [2], [3]]], dtype=np.float32)
    found = attend(query, key, value, scale=1.0)
    assert found.scores[0, 0].tolist() == pytest.approx([1e30, -1e30, 0])
    assert all(np.isfinite(array).all() for array in found if array is not None)
    best = 0 if sign > 0 else 1
    assert found.weights.tolist() == [[[1, 0, 0], [float(best == 0), float(best == 1), 0]]]
    assert found.context.tolist() == [[[1], [best + 1]]]


def test_a_scale_of_zero_looks_everywhere_alike() -> None:
    query, key = np.ones((1, 1, 3), dtype=np.float32), np.eye(3, dtype=np.float32)[None]
    assert attend(query, 7 * key, key, scale=0.0).weights == pytest.approx(1 / 3)
