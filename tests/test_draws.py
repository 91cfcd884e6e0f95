"""Draws: the order and the layout of weights, and both kinds of dropout mask.

What torch itself draws is compared in `test_tutorial_torch`; here the stream is read by hand.
"""

from __future__ import annotations

import numpy as np
import pytest
from pace import promptly

from attn_cli.draws import MKL_MODULUS, MKL_MULTIPLIER, draw_weights, dropout_factors
from attn_cli.recipes import Recipe, recipe
from attn_cli.torch_random import Generator

SIZES = {"d_model": 3, "d_k": 2, "d_v": 5}


def test_heads_draw_one_after_the_other() -> None:
    drawn, stream = draw_weights(recipe(heads=2, **SIZES), Generator(7)), Generator(7)
    for head in range(2):
        assert np.array_equal(drawn.w_query[head], stream.rand(3, 2))
        assert np.array_equal(drawn.w_key[head], stream.rand(3, 2))
        assert np.array_equal(drawn.w_value[head], stream.rand(3, 5))
    assert drawn.score_vector is drawn.w_output is drawn.b_output is None


def test_a_group_draws_its_key_and_value_once() -> None:
    made = recipe(heads=4, kv_heads=2, **SIZES)
    drawn, stream = draw_weights(made, Generator(7)), Generator(7)
    for head in range(4):
        assert np.array_equal(drawn.w_query[head], stream.rand(3, 2))
        if head % 2 == 0:
            assert np.array_equal(drawn.w_key[head // 2], stream.rand(3, 2))
            assert np.array_equal(drawn.w_value[head // 2], stream.rand(3, 5))
    assert (drawn.w_key.shape, drawn.w_value.shape) == ((2, 3, 2), (2, 3, 5))


def test_transposed_weights_are_drawn_the_other_way_round() -> None:
    drawn, stream = draw_weights(recipe("blog", **SIZES), Generator(7)), Generator(7)
    assert np.array_equal(drawn.w_query[0].T, stream.rand(2, 3))
    assert np.array_equal(drawn.w_key[0].T, stream.rand(2, 3))
    assert np.array_equal(drawn.w_value[0].T, stream.rand(5, 3))


def test_another_order_is_another_part_of_the_stream() -> None:
    drawn, stream = draw_weights(recipe(order="vkq", **SIZES), Generator(7)), Generator(7)
    assert np.array_equal(drawn.w_value[0], stream.rand(3, 5))
    assert np.array_equal(drawn.w_key[0], stream.rand(3, 2))
    assert np.array_equal(drawn.w_query[0], stream.rand(3, 2))


def test_additive_scores_draw_a_vector_behind_each_head() -> None:
    drawn = draw_weights(recipe(score="additive", heads=2, **SIZES), Generator(7))
    stream = Generator(7)
    assert drawn.score_vector is not None
    for head in range(2):
        stream.rand(3, 9)
        assert np.array_equal(drawn.score_vector[head], stream.rand(2))


@pytest.mark.parametrize("init", ["rand", "randn", "linear"])
def test_a_projection_is_drawn_whole_and_split_by_heads(init: str) -> None:
    made = recipe(init=init, heads=4, kv_heads=2, out_proj=True, **SIZES)
    drawn, stream = draw_weights(made, Generator(7)), Generator(7)

    def whole(d_in: int, d_out: int) -> np.ndarray:
        if init == "linear":
            return stream.uniform(-(d_in**-0.5), d_in**-0.5, d_out, d_in).T
        return stream.randn(d_in, d_out) if init == "randn" else stream.rand(d_in, d_out)

    query, key, value = whole(3, 8), whole(3, 4), whole(3, 10)
    assert np.array_equal(np.concatenate(drawn.w_query, axis=1), query)
    assert np.array_equal(np.concatenate(drawn.w_key, axis=1), key)
    assert np.array_equal(np.concatenate(drawn.w_value, axis=1), value)
    assert drawn.w_output is not None
    assert np.array_equal(np.concatenate(drawn.w_output, axis=0), whole(20, 20))
    if init == "linear":
        assert np.array_equal(drawn.b_output, stream.uniform(-(20**-0.5), 20**-0.5, 20))
    else:
        assert drawn.b_output is None


def mkl_one_by_one(seed: int, count: int, keep: float) -> list[bool]:
    state = int(Generator(seed).words(1)[0]) % MKL_MODULUS or 1
    kept = []
    for _ in range(count):
        kept.append(state / MKL_MODULUS < keep)
        state = state * MKL_MULTIPLIER % MKL_MODULUS
    return kept


@pytest.mark.parametrize("count", [1, 2, 3, 64, 65, 1000])
@pytest.mark.parametrize("seed", [0, 123])
def test_the_mkl_stream_is_the_congruence_step_by_step(seed: int, count: int) -> None:
    made = Recipe(seed=seed, dropout=0.3, dropout_generator="mkl")
    found = dropout_factors(made, (count,))
    assert ((found > 0) == mkl_one_by_one(seed, count, 0.7)).all()


@pytest.mark.parametrize("generator", ["torch", "mkl"])
def test_dropout_keeps_its_share_and_scales_it(generator: str) -> None:
    made = recipe(dropout=0.25, dropout_generator=generator)
    factors = dropout_factors(made, (2, 100, 100))
    assert factors.shape == (2, 100, 100) and factors.dtype == np.float32
    assert set(np.unique(factors).tolist()) == {0.0, float(np.float32(1) / np.float32(0.75))}
    assert abs((factors > 0).mean() - 0.75) < 0.01  # three standard deviations
    seeded = recipe(made, seed=5, dropout_seed=123)
    assert np.array_equal(dropout_factors(seeded, (2, 100, 100)), factors)
    assert not np.array_equal(dropout_factors(recipe(made, seed=5), (2, 100, 100)), factors)


def test_a_million_factors_take_no_loop() -> None:
    with promptly():
        dropout_factors(recipe(dropout=0.5, dropout_generator="mkl"), (1 << 20,))
