"""The room of formulas: softmax by hand, its properties, and against plain float64."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from attn_cli.operations import (
    ACTIVATIONS,
    gelu,
    gelu_tanh,
    layer_norm,
    quick_gelu,
    relu,
    rms_norm,
    sigmoid,
    silu,
    softcap_logits,
    softmax,
)

EXAMPLES = settings(max_examples=100, deadline=None, database=None)
NEAR = 1e-6  # float32 against float64 for logits up to 30: their own rounding is half of it
SHAPES = array_shapes(min_dims=1, max_dims=3, max_side=6)
LOGITS = arrays(np.float32, SHAPES, elements=st.floats(-30, 30, width=32))


def naive(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The textbook's formula in float64."""
    powers = np.exp(logits.astype(np.float64))
    total = powers.sum(axis=-1, keepdims=True)
    return powers / total, np.log(total)[..., 0]


def test_by_hand() -> None:
    # exp(ln 1) + exp(ln 3) + exp(ln 4) = 8, so the weights are 1/8, 3/8, 4/8 and lse = ln 8.
    # Halving every power takes ln 2 off each logit: the same weights, lse = ln 4.
    row = np.log(np.array([1, 3, 4], dtype=np.float32))
    logits = np.stack([row, row - np.float32(math.log(2))])
    weights, lse = softmax(logits)
    assert weights.dtype == lse.dtype == np.float32
    assert weights.shape == (2, 3)
    assert lse.shape == (2,)
    assert np.abs(weights - np.array([0.125, 0.375, 0.5])).max() < NEAR
    assert np.abs(lse - [math.log(8), math.log(4)]).max() < NEAR


@given(LOGITS)
@EXAMPLES
def test_against_float64(logits: np.ndarray) -> None:
    before = logits.copy()
    weights, lse = softmax(logits)
    expected, expected_lse = naive(logits)
    assert weights.dtype == np.float32
    assert np.abs(weights - expected).max() < NEAR
    assert np.abs(lse - expected_lse).max() < 5 * NEAR  # of size 30: one float32 step is 2e-6
    assert np.abs(weights.sum(axis=-1, dtype=np.float64) - 1).max() < NEAR
    assert np.abs(np.exp(logits - lse[..., None]) - weights).max() < 10 * NEAR
    assert np.array_equal(logits, before)


@given(
    arrays(np.float32, SHAPES, elements=st.integers(-60, 60).map(float)),
    st.integers(-(2**20), 2**20),
)
@EXAMPLES
def test_adding_a_number_to_a_row_changes_nothing(logits: np.ndarray, shift: int) -> None:
    """Whole numbers, so that adding is exact: then the weights are equal to the last bit."""
    weights, lse = softmax(logits)
    shifted, shifted_lse = softmax(logits + np.float32(shift))
    assert np.array_equal(shifted, weights)
    half_a_step = 2**-4  # of float32 at 2**20, the largest shift
    exact = lse.astype(np.float64) + shift
    assert np.abs(shifted_lse - exact).max() <= half_a_step + 5 * NEAR


@given(LOGITS, st.randoms(use_true_random=False))
@EXAMPLES
def test_the_order_of_the_keys_does_not_matter(logits: np.ndarray, random: object) -> None:
    order = list(range(logits.shape[-1]))
    random.shuffle(order)  # type: ignore[attr-defined]
    weights, lse = softmax(logits)
    permuted, permuted_lse = softmax(logits[..., order])
    assert np.abs(permuted - weights[..., order]).max() < NEAR
    assert np.abs(permuted_lse - lse).max() < 5 * NEAR


HUGE = [0.0, 1.0, 1e30, -1e30, -np.inf]


@given(arrays(np.float32, SHAPES, elements=st.sampled_from([np.float32(x) for x in HUGE])))
@EXAMPLES
def test_no_overflow_and_never_nan(logits: np.ndarray) -> None:
    weights, lse = softmax(logits)
    masked = np.isneginf(logits).all(axis=-1)
    assert np.isfinite(weights).all()
    assert (weights[masked] == 0).all()
    assert np.isneginf(lse[masked]).all()
    assert np.isfinite(lse[~masked]).all()
    assert np.abs(weights[~masked].sum(axis=-1) - 1).max(initial=0) < NEAR
    assert (weights[np.isneginf(logits)] == 0).all()


def test_the_ends_of_float32() -> None:
    """Warnings are errors here: the difference of the two is beyond float32, and that is fine."""
    largest = np.finfo(np.float32).max
    rows = [[largest, -largest, 0], [-largest, -largest, -np.inf], [0, largest, largest]]
    weights, lse = softmax(np.array(rows, dtype=np.float32))
    assert weights.tolist() == [[1, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0.5]]
    assert lse.tolist() == [largest, -largest, largest]


@pytest.mark.parametrize("shape", [(2, 0), (0, 3), (0, 0), (1, 2, 0)])
def test_no_keys_or_no_queries(shape: tuple[int, ...]) -> None:
    weights, lse = softmax(np.zeros(shape, dtype=np.float32))
    assert weights.shape == shape
    assert lse.shape == shape[:-1]
    assert np.isneginf(lse).all()


POINTS = np.concatenate([np.linspace(-12, 12, 4801), np.linspace(-1e4, 1e4, 401)])
# A mean of numbers up to 3 is off by up to 5e-7; over √ε = 0.03, times 2, that is 3e-5.
ROWS = arrays(np.float32, (2, 3, 7), elements=st.floats(-3, 3, width=32))


def test_gelu_against_the_error_function() -> None:
    x = POINTS.astype(np.float32)
    exact = np.array([v * math.erfc(-v / math.sqrt(2)) / 2 for v in x.astype(np.float64)])
    assert gelu(x).dtype == np.float32
    assert (np.abs(gelu(x) - exact) / np.maximum(1, np.abs(x))).max() < 1e-7
    assert np.abs(gelu_tanh(x) - exact).max() > 1e-4  # the two forms are not each other


def test_activations_against_float64() -> None:
    x = POINTS.astype(np.float32)
    wide = x.astype(np.float64)
    with np.errstate(over="ignore"):
        ones = 1 / (1 + np.exp(-wide))
        quick = wide / (1 + np.exp(-1.702 * wide))
    inner = math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)
    size = np.maximum(1, np.abs(x))
    for found, exact in (
        (gelu_tanh(x), 0.5 * wide * (1 + np.tanh(inner))),
        (sigmoid(x), ones),
        (silu(x), wide * ones),
        (quick_gelu(x), quick),
        (relu(x), np.maximum(wide, 0)),
    ):
        assert found.dtype == np.float32
        assert (np.abs(found - exact) / size).max() < 3e-7


def test_activations_of_huge_numbers() -> None:
    """What an intermediate value cannot reach is no warning, and the result is the limit."""
    ends = {"tanh": [-1, 1], "sigmoid": [0, 1], "linear": [-1e30, 1e30]}
    for name, activation in ACTIVATIONS.items():
        found = activation(np.array([-1e30, 1e30], dtype=np.float32))
        assert found.tolist() == np.float32(ends.get(name, [0, 1e30])).tolist(), name


def test_capped_logits() -> None:
    x = np.linspace(-200, 200, 801, dtype=np.float32)
    found = softcap_logits(x, 30.0)
    assert found.dtype == np.float32
    assert (
        np.abs(found - 30 * np.tanh(x.astype(np.float64) / 30)).max() < 5e-6
    )  # a step at 30: 2e-6


def test_activations_leave_what_they_are_given() -> None:
    for name, activation in ACTIVATIONS.items():
        x = np.linspace(-3, 3, 50, dtype=np.float32)
        before = x.copy()
        assert activation(x).shape == x.shape, name
        assert np.array_equal(x, before), name


@given(ROWS, arrays(np.float32, 7, elements=st.floats(-2, 2, width=32)))
@EXAMPLES
def test_norms_against_float64(x: np.ndarray, weight: np.ndarray) -> None:
    wide, bias, before = x.astype(np.float64), weight[::-1], x.copy()
    centred = wide - wide.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    expected = centred / np.sqrt(variance + 1e-3) * weight + bias
    assert np.abs(layer_norm(x, weight, bias, 1e-3) - expected).max() < 5e-5
    expected = wide / np.sqrt(np.square(wide).mean(axis=-1, keepdims=True) + 1e-3) * weight
    found = rms_norm(x, weight, 1e-3)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-5
    assert np.array_equal(x, before)


def test_norms_as_they_are_when_nothing_is_said() -> None:
    """PyTorch's own 1e-5 for the one, 1e-6 for the other: numbers so small that they count."""
    x = np.array([-0.003, 0.003], dtype=np.float32)
    ones = np.ones(2, dtype=np.float32)
    square = 9e-6
    assert layer_norm(x)[1] == pytest.approx(0.003 / math.sqrt(square + 1e-5), rel=1e-6)
    assert rms_norm(x, ones)[1] == pytest.approx(0.003 / math.sqrt(square + 1e-6), rel=1e-6)


# The ends of what float32 holds ----------------------------------------------------------------

ENDS = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [1000.0, -1000.0, 1e30, -1e30, 88.7, -87.4, -103.9, 1e-45, 0.0, -0.0, -math.inf]
    ),
    st.floats(-110, 110, width=32),
)


def exact_softmax(logits: list[float]) -> tuple[list[Decimal], Decimal]:
    """Weights and log-sum-exp of a row in 60 decimal digits."""
    with localcontext() as context:
        context.prec, context.Emin, context.Emax = 60, -(10**17), 10**17
        given = [Decimal(value) for value in logits]
        largest = max(given)
        powers = [
            Decimal(0)
            if value.is_infinite() or value - largest < -10_000
            else (value - largest).exp()
            for value in given
        ]
        total = sum(powers)
        return [power / total for power in powers], largest + total.ln()


@EXAMPLES
@given(st.lists(ENDS, min_size=1, max_size=12))
def test_softmax_is_exact_to_the_ends_of_float32(row: list[float]) -> None:
    """Within four roundings of a weight and of the row's own size; the smallest may vanish."""
    logits = np.array(row, dtype=np.float32)
    weights, lse = softmax(logits)
    if np.isneginf(logits).all():
        assert not weights.any() and np.isneginf(lse)
        return
    wanted, wanted_lse = exact_softmax([float(value) for value in logits])
    for got, exact in zip(weights.tolist(), wanted, strict=True):
        # exp's argument is rounded once: of a distance d, by up to d/2 units in the last place.
        apart = -float(exact.ln()) if exact else 0.0
        assert abs(Decimal(got) - exact) <= exact * Decimal((4 + apart) * 2.0**-24) + Decimal(
            "3e-45"
        )
    bound = Decimal(4 * 2.0**-24) * max(abs(wanted_lse), 1)
    assert abs(Decimal(float(lse)) - wanted_lse) <= bound
