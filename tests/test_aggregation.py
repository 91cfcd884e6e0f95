"""Across layers: each aggregate against its formula worked out another way, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from heads import inspection, random_heads
from pace import promptly

from attn_cli import aggregation, inspect
from attn_cli.aggregation import NOTES, aggregate, notes, output_norms, value_norms, weigh
from attn_cli.attention import attend
from attn_cli.errors import DataError, UsageError
from attn_cli.inspection import Inspection, Layer, Mask, Token

WORDS = ("a", "b", "c", "d")


def run(seed: int = 0, n_layer: int = 3, *, causal: bool = True) -> Inspection:
    layers = [random_heads(seed + layer, 2, 4, causal=causal) for layer in range(n_layer)]
    return inspection(layers, WORDS, causal=causal)


def result(how: str, one: Inspection) -> np.ndarray:
    found = aggregate(one, how)  # type: ignore[arg-type]
    assert [layer.weights.shape for layer in found.layers] == [(1, 4, 4)]
    return found.layers[0].weights[0]


def test_mean_and_max() -> None:
    one = run()
    stack = np.stack([layer.weights for layer in one.layers])
    np.testing.assert_allclose(result("mean", one), stack.mean(axis=(0, 1)), atol=1e-7)
    largest = stack.max(axis=(0, 1))
    shares = largest / largest.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(result("max", one), shares, atol=1e-7)
    assert (aggregation.largest(one) == largest).all()


@pytest.mark.parametrize("causal", (True, False))
def test_rollout_is_the_sum_over_all_ways_through_the_layers(causal: bool) -> None:
    one = run(causal=causal)
    steps = [0.5 * layer.weights.mean(axis=0) + 0.5 * np.eye(4) for layer in one.layers]
    ways = np.zeros((4, 4))
    for way in product(range(4), repeat=4):  # token in the last layer, …, token of the input
        pairs = zip(reversed(steps), way[:-1], way[1:], strict=True)
        ways[way[0], way[-1]] += np.prod([step[i, j] for step, i, j in pairs])
    found = result("rollout", one)
    np.testing.assert_allclose(found, ways, atol=1e-7)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-6)


def test_rollout_by_hand() -> None:
    """Two layers in which the second token looks at the first alone: it keeps a quarter."""
    one = inspection([[np.array([[1, 0], [1, 0]])]] * 2, ("a", "b"))
    assert result_of_two(one) == [[1.0, 0.0], [0.75, 0.25]]


def result_of_two(one: Inspection) -> list[list[float]]:
    found: list[list[float]] = aggregate(one, "rollout").layers[0].weights[0].tolist()
    return found


def test_flow_by_hand() -> None:
    """The same network: a quarter more can pass to the first token than multiplied shares say.

    From the second token 0.5 go down either way. To the first token of the input lead the first's
    own edge (1) and the second's (0.5): all of 0.5 + 0.5 gets there. To the second leads one edge
    of 0.5, and 0.5 arrives at its foot.
    """
    one = inspection([[np.array([[1, 0], [1, 0]])]] * 2, ("a", "b"))
    np.testing.assert_allclose(aggregation.flow(one), [[1, 0], [1, 0.5]], atol=1e-12)
    shares = aggregate(one, "flow").layers[0].weights[0]
    np.testing.assert_allclose(shares, [[1, 0], [2 / 3, 1 / 3]], atol=1e-7)


def test_a_flow_is_at_least_what_rollout_sends_and_at_most_what_leaves() -> None:
    one = run(7)
    flow, rollout = aggregation.flow(one), aggregation.rollout(one)
    assert (flow >= rollout - 1e-12).all()
    assert flow.max() <= 1 + 1e-12


@pytest.mark.parametrize(
    ("n", "n_layer", "wanted"),
    ((60, 20, "60 tokens takes 36600 edges × 20 layers"), (4, 2000, "4 tokens.* × 2000 layers")),
)
def test_a_flow_that_would_take_too_long_is_refused_before_it_begins(
    n: int, n_layer: int, wanted: str
) -> None:
    one = inspection([random_heads(0, 1, n)] * n_layer, tuple(f"w{i}" for i in range(n)))
    with promptly(), pytest.raises(UsageError, match=wanted):
        aggregate(one, "flow")


def attended() -> Layer:
    """Four query heads on two key/value heads, with values and an output projection."""
    generator = np.random.default_rng(5)
    query, key, value = (
        generator.normal(size=(heads, 4, 3)).astype(np.float32) for heads in (4, 2, 2)
    )
    made = attend(query, key, value, allowed=np.tri(4, dtype=bool))
    w_output = generator.normal(size=(4, 3, 6)).astype(np.float32)
    return Layer(value=value, w_output=w_output, weights=made.weights, context=made.context)


def test_norms_are_those_of_what_each_key_adds() -> None:
    layer = attended()
    assert layer.value is not None and layer.w_output is not None and layer.context is not None
    value = np.repeat(layer.value, 2, axis=0)
    added = layer.weights[..., None] * value[:, None]  # (n_head, n_query, n_key, d_value)
    np.testing.assert_allclose(added.sum(axis=2), layer.context, atol=1e-6)
    np.testing.assert_allclose(value_norms(layer), np.linalg.norm(added, axis=-1), atol=1e-6)
    projected = np.einsum("hijd,hdo->hijo", added, layer.w_output)
    np.testing.assert_allclose(
        output_norms(layer), np.linalg.norm(projected, axis=-1), rtol=1e-5, atol=1e-6
    )


def test_weighed_rows_are_shares() -> None:
    one = replace(run(n_layer=1), layers=(attended(),))
    for how, norms in (("value-norm", value_norms), ("output-norm", output_norms)):
        (layer,) = weigh(one, how).layers  # type: ignore[arg-type]
        expected = norms(one.layers[0])
        expected = expected / expected.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(layer.weights, expected, atol=1e-7)
        assert layer.value is None and layer.logits is None  # they belong to the plain weights


def test_values_of_one_length_change_nothing() -> None:
    one = run(n_layer=1)
    turned = replace(one.layers[0], value=np.eye(4, dtype=np.float32)[None])
    same = weigh(replace(one, layers=(turned,)), "value-norm")
    np.testing.assert_allclose(same.layers[0].weights, one.layers[0].weights, atol=1e-7)


def test_the_result_says_what_it_is() -> None:
    one = replace(run(n_layer=1), layers=(attended(),))
    found = aggregate(weigh(one, "value-norm"), "rollout")
    assert notes(found) == [NOTES["value-norm"], NOTES["rollout"]]
    assert found.source.settings["aggregated_heads"] == 4
    assert notes(one) == []
    odd = replace(one, source=replace(one.source, settings={"weigh": [1], "aggregate": "x"}))
    assert notes(odd) == []
    assert set(NOTES) == {*aggregation.AGGREGATES, *aggregation.WEIGHS}


def test_what_is_missing_is_named() -> None:
    one = run(n_layer=1)
    with pytest.raises(DataError, match="layer 0 has no `value`"):
        weigh(one, "value-norm")
    with pytest.raises(DataError, match="layer 0 has no `w_output`"):
        weigh(inspect("a b c"), "output-norm")
    with pytest.raises(DataError, match="no layers"):
        aggregate(inspection([], WORDS), "mean")
    with pytest.raises(UsageError, match="no such aggregate"):
        aggregate(one, "median")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no such weighing"):
        weigh(one, "norm")  # type: ignore[arg-type]
    silent = replace(one, layers=(replace(one.layers[0], value=np.zeros((1, 4, 2))),))
    with pytest.raises(DataError, match="layer 0, head 0, query 0: every value"):
        weigh(silent, "value-norm")


def test_between_two_texts_nothing_rolls() -> None:
    cross = Inspection(
        kind="cross",
        query_tokens=(Token("a"),),
        key_tokens=(Token("x"), Token("y")),
        layers=(Layer(weights=np.array([[[0.25, 0.75]]])),),
    )
    assert aggregate(cross, "mean").layers[0].weights.tolist() == [[[0.25, 0.75]]]
    for how in ("rollout", "flow"):
        with pytest.raises(DataError, match="the same tokens"):
            aggregate(cross, how)  # type: ignore[arg-type]


def test_through_several_layers_a_window_reaches_further() -> None:
    allowed = np.tri(4, dtype=bool) & ~np.tri(4, k=-2, dtype=bool)
    weights = allowed / allowed.sum(axis=-1, keepdims=True)
    one = inspection([[weights]] * 2, WORDS)
    one = replace(one, mask=Mask(name="window", allowed=allowed))
    found = aggregate(one, "rollout")
    assert found.mask.allowed is not None
    assert found.mask.allowed[3].tolist() == [False, True, True, True]
    assert ((found.layers[0].weights[0] > 0) == found.mask.allowed).all()
    assert aggregate(one, "mean").mask.name == "window"
    assert aggregate(run(), "rollout").mask.name == "causal"


def test_weighing_keeps_the_masks_and_the_numbers_of_heads() -> None:
    one = inspect(" ".join(WORDS), heads=2, mask="causal")
    (layer,) = one.layers
    own = replace(layer, allowed=one.mask.allowed, head_index=np.array([3, 5]))
    (weighed,) = weigh(replace(one, mask=Mask(), layers=(own,)), "value-norm").layers
    assert weighed.allowed is not None and np.array_equal(weighed.allowed, one.mask.allowed)
    assert weighed.head_index is not None and weighed.head_index.tolist() == [3, 5]
