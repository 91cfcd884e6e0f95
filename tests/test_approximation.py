"""Approximations: each against its own paper's order of computation, and what each refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_cli import inspect, masks, memory
from attn_cli.approximation import approximate
from attn_cli.attention import attend
from attn_cli.errors import UsageError
from attn_cli.inspection import Inspection, Layer, Vectors
from attn_cli.torch_random import Generator

SENTENCE = "Life is short, eat dessert first"


def wide(x: np.ndarray, n_head: int) -> np.ndarray:
    return np.repeat(x, n_head // len(x), axis=0).astype(np.float64)


def phi(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))


@given(st.integers(0, 2**32), st.sampled_from([(1, 1), (4, 4), (4, 2), (4, 1)]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_linear_is_the_factored_order(seed: int, heads: tuple[int, int], causal: bool) -> None:
    """phi(Q) (phi(K)ᵀ V) / phi(Q) Σ phi(K), and with a causal mask the sums up to each query."""
    run = inspect(SENTENCE, seed=seed, heads=heads[0], kv_heads=heads[1],
                  mask="causal" if causal else "none")  # fmt: skip
    layer = run.layers[0]
    found = approximate(run, layer, "linear")
    query = phi(layer.query.astype(np.float64))
    key, value = phi(wide(layer.key, heads[0])), wide(layer.value, heads[0])
    products = np.einsum("hnd,hnv->hndv", key, value)
    if causal:
        states, sums = products.cumsum(axis=1), key.cumsum(axis=1)
    else:
        states = np.broadcast_to(products.sum(axis=1, keepdims=True), products.shape)
        sums = np.broadcast_to(key.sum(axis=1, keepdims=True), key.shape)
    expected = np.einsum("hnd,hndv->hnv", query, states)
    expected /= np.einsum("hnd,hnd->hn", query, sums)[..., None]
    assert np.abs(found.context - expected).max() < 1e-5 * max(1, np.abs(expected).max())
    assert np.abs(found.weights.sum(axis=-1) - 1).max() < 1e-5
    assert not causal or not np.triu(found.weights, 1).any()


@pytest.mark.parametrize(
    "choices",
    [{}, {"mask": "causal"}, {"heads": 4, "kv_heads": 2}, {"positions": "rope"}, {"score": "dot"}],
)
def test_performer_comes_to_the_exact_weights(choices: dict[str, object]) -> None:
    """The error falls like √(exp|q + k|² - 1) / √R: vectors short, so that R = 100,000 shows it."""
    rows = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    run = inspect(SENTENCE, vectors=Vectors(rows), init="linear", d_k=4, **choices)
    layer = run.layers[0]
    few, many = (
        np.abs(approximate(run, layer, f"performer:{rank}").weights - layer.weights).max()
        for rank in (4, 100_000)
    )
    summed = layer.query[:, :, None] + wide(layer.key, len(layer.query))[:, None]
    spread = np.exp(np.square(summed * layer.scale**0.5).sum(-1).max())
    assert many < 5 * np.sqrt(spread / 100_000) < 0.1 and many < few / 10


def test_performer_is_unbiased_term_by_term() -> None:
    """Its weights for R features, from exp(ω·q - |q|²/2) written out in float64."""
    run = inspect(SENTENCE, d_k=4)
    layer, rank = run.layers[0], 5
    omega = Generator(123).randn(rank, 4).astype(np.float64)
    query, key = (x[0].astype(np.float64) / 4**0.25 for x in (layer.query, layer.key))

    def features(x: np.ndarray) -> np.ndarray:
        return np.exp(x @ omega.T - (x**2).sum(-1, keepdims=True) / 2)

    products = features(query) @ features(key).T
    expected = products / products.sum(-1, keepdims=True)
    found = approximate(run, layer, f"performer:{rank}")
    assert np.abs(found.weights[0] - expected).max() < 1e-5
    assert np.abs(found.context[0] - expected @ layer.value[0]).max() < 1e-5


@pytest.mark.parametrize("rank", [1, 3, 6, 50])
@pytest.mark.parametrize("heads", [(1, 1), (4, 2)])
def test_lowrank_is_linformer_by_hand(rank: int, heads: tuple[int, int]) -> None:
    run = inspect(SENTENCE, heads=heads[0], kv_heads=heads[1])
    layer = run.layers[0]
    e = Generator(123).randn(rank, 6).astype(np.float64) / np.sqrt(rank)
    found = approximate(run, layer, f"lowrank:{rank}")
    for head in range(heads[0]):
        key, value = (wide(x, heads[0])[head] for x in (layer.key, layer.value))
        logits = layer.query[head].astype(np.float64) @ (e @ key).T / np.sqrt(2)
        shares = np.exp(logits - logits.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        assert np.abs(found.weights[head] - shares @ e).max() < 1e-5
        assert np.abs(found.context[head] - shares @ (e @ value)).max() < 1e-5


@pytest.mark.parametrize("way", ["causal", "window:2", "local:1+global:0", "bigbird:1,1,1"])
@pytest.mark.parametrize(
    "choices",
    [{}, {"positions": "alibi", "heads": 2}, {"softcap": 2.0}, {"score": "additive"},
     {"mask": "prefix:3"}, {"dropout": 0.5}, {"positions": "alibi", "softcap": 1.0}],
)  # fmt: skip
def test_a_sparse_pattern_is_attention_under_that_mask(way: str, choices: dict[str, str]) -> None:
    run = inspect(SENTENCE, **choices)
    both = "+".join(f"{choices.get('mask', 'none')}&{part}" for part in way.split("+"))
    expected = inspect(SENTENCE, **{**choices, "mask": both})
    found = approximate(run, run.layers[0], way)
    assert np.array_equal(found.allowed, expected.mask.allowed)
    assert np.abs(found.weights - expected.layers[0].weights).max() < 1e-6
    assert np.abs(found.context - expected.layers[0].context).max() < 1e-6


def test_a_sum_stays_a_sum_under_a_pattern() -> None:
    run = inspect(None, "book", init="none", score="dot", normalize="sum")
    scores = np.tril(run.layers[0].scores[0])
    found = approximate(run, run.layers[0], "causal")
    assert np.abs(found.weights[0] - scores / scores.sum(-1, keepdims=True)).max() < 1e-6


def test_no_mask_is_the_exact_result() -> None:
    run = inspect(SENTENCE, mask="causal")
    found = approximate(run, run.layers[0], "none")
    assert np.array_equal(found.weights, run.layers[0].weights)


@pytest.mark.parametrize("way", ["linear", "performer:8", "lowrank:3"])
def test_dropout_stays_where_it_was(way: str) -> None:
    plain, dropped = inspect(SENTENCE), inspect(SENTENCE, dropout=0.5)
    weights = approximate(plain, plain.layers[0], way).weights
    found = approximate(dropped, dropped.layers[0], way)
    assert np.array_equal(found.weights, weights)
    layer = dropped.layers[0]
    assert np.abs(found.context - (weights * layer.dropout) @ layer.value).max() < 1e-6


def test_rows_that_may_look_at_nothing_are_zero() -> None:
    run = inspect(SENTENCE, mask="causal&hide:0")
    for way in ("linear", "performer:8", "local:2"):
        found = approximate(run, run.layers[0], way)
        assert not found.weights[0, 0].any() and not found.context[0, 0].any()
        assert np.abs(found.weights[0, 1:].sum(-1) - 1).max() < 1e-5


def test_large_scores_give_finite_numbers() -> None:
    rows = np.float32([[1e4, -1e4], [-1e4, 3e4], [30, 20]])
    run = inspect("a b c", "book", vectors=Vectors(rows), init="none")
    for way in ("linear", "performer:64", "lowrank:2", "causal"):
        found = approximate(run, run.layers[0], way)
        assert np.isfinite(found.weights).all() and np.isfinite(found.context).all(), way


def test_cross_attention_has_no_patterns_but_kernels() -> None:
    run = inspect("a b c", cross="d e")
    assert approximate(run, run.layers[0], "linear").weights.shape == (1, 3, 2)
    assert approximate(run, run.layers[0], "lowrank:1").weights.shape == (1, 3, 2)
    with pytest.raises(UsageError, match="within one text, not across two"):
        approximate(run, run.layers[0], "causal")


def refusal(way: str, **choices: object) -> str:
    run = inspect(SENTENCE, **choices)
    with pytest.raises(UsageError) as caught:
        approximate(run, run.layers[0], way)
    assert "\n" not in caught.value.message
    return str(caught.value)


@pytest.mark.parametrize(
    "way",
    ["performer", "performer:", "performer:0", "performer:-1", "performer:1.5", "performer:x",
     "performer:1000000", "performer:100001", "performer:٣", "performer:" + "9" * 5000],
)  # fmt: skip
def test_a_number_of_features_is_from_1_to_100_000(way: str) -> None:
    assert "should be written `performer:R`, R from 1 to 100000" in refusal(way)


def test_ways_that_there_are_not() -> None:
    assert "`linear:5` should be written `linear`" in refusal("linear:5")
    assert "`linear:` should be written `linear`" in refusal("linear:")
    for way in ("", "fourier", "performr:3"):
        assert f"there is no approximation `{way}`" in refusal(way)
        assert "linear, performer:R, lowrank:R, or a mask" in refusal(way)
    assert "should be written `window:W`" in refusal("window:x")
    run = inspect("a b")
    padded, plain = (approximate(run, run.layers[0], f"lowrank:{r}") for r in ("007", "7"))
    assert np.array_equal(padded.weights, plain.weights)


@pytest.mark.parametrize("way", ["linear", "performer:3", "lowrank:3"])
def test_what_kernels_and_projections_have_no_place_for(way: str) -> None:
    for choices, what in (
        ({"score": "additive"}, "additive scores"),
        ({"softcap": 3.0}, "a soft cap"),
        ({"positions": "alibi"}, "a bias of the places"),
    ):
        assert f"`{way}` approximates softmax(q·k) alone, and here is {what}" in refusal(
            way, **choices
        )
    if way.startswith("lowrank"):
        assert "cannot be masked" in refusal(way, mask="causal")


def test_query_and_key_are_needed() -> None:
    run = inspect(SENTENCE).keeping({"weights"})
    with pytest.raises(UsageError, match="needs query, key and value"):
        approximate(run, run.layers[0], "linear")


def test_any_inspection_will_do() -> None:
    """Nothing is asked of where the tensors came from, not even a scale."""
    made = np.random.default_rng(5)
    query, key, value = (made.normal(size=(2, 5, 4)).astype(np.float32) for _ in range(3))
    exact = attend(query, key, value)
    words = inspect("a b c d e")
    layer = Layer(query=query, key=key, value=value, weights=exact.weights)
    run = Inspection(text="a b c d e", query_tokens=words.query_tokens, layers=(layer,))
    found = approximate(run, layer, "window:2")
    again = attend(query, key, value, allowed=masks.allowed("window:2", 5))
    assert np.array_equal(found.weights, again.weights)
    assert np.abs(approximate(run, layer, "performer:100000").weights - exact.weights).max() < 0.05


def test_memory_is_counted_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 300 << 20)
    text = " ".join(f"w{i}" for i in range(300))
    assert "`performer:100000` of 300 keys would take" in refusal_of(text, "performer:100000")
    assert "`lowrank:100000` of 300 keys would take" in refusal_of(text, "lowrank:100000")


def refusal_of(text: str, way: str) -> str:
    run = inspect(text)
    with pytest.raises(UsageError) as caught:
        approximate(run, run.layers[0], way)
    return caught.value.message
