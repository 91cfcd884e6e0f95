"""Draws: the tutorial's weights and dropout, drawn in the order in which the sources draw them.

It knows recipes and the generator; it multiplies nothing.

Dimensions: n_head query heads, n_kv_head key/value heads, d_model, d_head (query and key), d_value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attn_cli.recipes import Recipe
from attn_cli.torch_random import Generator, linear

if TYPE_CHECKING:
    from collections.abc import Callable

    from attn_cli.types import Booleans, Floats

MKL_MODULUS, MKL_MULTIPLIER = 2**31 - 1, 1_132_489_760


class Weights(NamedTuple):
    """What is drawn for one layer, each to be used as x @ W; float32."""

    w_query: Floats  # (n_head, d_model, d_head)
    w_key: Floats  # (n_kv_head, d_model, d_head)
    w_value: Floats  # (n_kv_head, d_model, d_value)
    score_vector: Floats | None = None  # (n_head, d_head), of additive scores
    w_output: Floats | None = None  # (n_head, d_value, d_out)
    b_output: Floats | None = None  # (d_out,)


def draw_weights(made: Recipe, generator: Generator) -> Weights:
    """The weights of a recipe, from a generator that stands where they begin.

    Heads draw one after the other: W_query, W_key, W_value, and for additive scores v. With
    grouped heads (Ainslie et al. 2023) the first query head of a group draws the group's key and
    value. With an output projection (the book's MultiHeadAttention) each of the three is drawn
    once for all heads and then split, and W_output follows.
    """
    draw = _drawer(made, generator)
    if made.out_proj:
        return _fused(made, draw, generator)
    parts: dict[str, list[Floats]] = {"q": [], "k": [], "v": []}
    vectors = []
    group = made.heads // made.n_kv_head
    for head in range(made.heads):
        for name in made.order:
            if name == "q" or head % group == 0:
                parts[name].append(draw(made.d_model, made.d_v if name == "v" else made.d_k))
        if made.score == "additive":
            vectors.append(draw(made.d_k, 1)[:, 0])
    return Weights(
        np.stack(parts["q"]),
        np.stack(parts["k"]),
        np.stack(parts["v"]),
        np.stack(vectors) if vectors else None,
    )


def _drawer(made: Recipe, generator: Generator) -> Callable[[int, int], Floats]:
    """How one weight (d_in, d_out) is drawn, whichever way round the source draws it."""

    def draw(d_in: int, d_out: int) -> Floats:
        if made.init == "linear":
            weight: Floats = linear(generator, d_in, d_out, bias=False)[0].T
            return weight
        numbers = generator.randn if made.init == "randn" else generator.rand
        return numbers(d_out, d_in).T if made.transposed else numbers(d_in, d_out)

    return draw


def _fused(made: Recipe, draw: Callable[[int, int], Floats], generator: Generator) -> Weights:
    widths = {
        "q": made.heads * made.d_k,
        "k": made.n_kv_head * made.d_k,
        "v": made.n_kv_head * made.d_v,
    }
    drawn = {name: draw(made.d_model, widths[name]) for name in made.order}
    q, k, v = (
        np.stack(np.split(drawn[name], heads, axis=1))
        for name, heads in zip("qkv", (made.heads, made.n_kv_head, made.n_kv_head), strict=True)
    )
    vector = None
    if made.score == "additive":
        vector = np.stack([draw(made.d_k, 1)[:, 0] for _ in range(made.heads)])
    d_out, bias = made.heads * made.d_v, None
    if made.init == "linear":
        weight, bias = linear(generator, d_out, d_out)
        w_output = weight.T
    else:
        w_output = draw(d_out, d_out)
    return Weights(q, k, v, vector, np.stack(np.split(w_output, made.heads)), bias)


def dropout_factors(made: Recipe, shape: tuple[int, ...]) -> Floats:
    """What dropout multiplies each weight with, 0 or 1/(1 - p) (Srivastava et al. 2014).

    torch draws in one of two ways, and both are in print for the book's example: from its own
    generator, or, where it was built with MKL on x86, from a stream that MKL makes (multiplicative
    congruential, MCG31m1) and that torch's generator only seeds.
    """
    generator = Generator(made.seed if made.dropout_seed is None else made.dropout_seed)
    count, keep = math.prod(shape), 1.0 - made.dropout
    draw = _mkl_kept if made.dropout_generator == "mkl" else _torch_kept
    factors: Floats = draw(generator, count, keep).astype(np.float32) / np.float32(keep)
    return factors.reshape(shape)


def _torch_kept(generator: Generator, count: int, keep: float) -> Booleans:
    """Which of `count` values stay: those whose 53-bit uniform is below `keep`."""
    kept: Booleans = generator.rand53(count) < keep
    return kept


def _mkl_kept(generator: Generator, count: int, keep: float) -> Booleans:
    modulus = np.uint64(MKL_MODULUS)
    states = np.array([int(generator.words(1)[0]) % MKL_MODULUS or 1], dtype=np.uint64)
    while len(states) < count:  # the next k states are the first k, multiplied k times more
        leap = np.uint64(pow(MKL_MULTIPLIER, len(states), MKL_MODULUS))
        states = np.concatenate((states, states[: count - len(states)] * leap % modulus))
    kept: Booleans = states < keep * MKL_MODULUS
    return kept
