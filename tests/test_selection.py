"""Selection: numbers as they are written on the command line, and the parts that they name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli import selection
from attn_cli.errors import UsageError
from attn_cli.inspection import Inspection, Layer, Token


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0", [0]),
        ("-1", [5]),
        ("1-3", [1, 2, 3]),
        ("0-2,-1", [0, 1, 2, 5]),
        ("-3--1", [3, 4, 5]),
        ("3--1", [3, 4, 5]),
        ("-6-1", [0, 1]),
        (" 4 , 2", [4, 2]),
        ("2,2,1-2", [2, 1]),
        ("all", list(range(6))),
        ("5-5", [5]),
        ("007", []),
    ],
)
def test_numbers_and_ranges(written: str, meant: list[int]) -> None:
    if not meant:
        with pytest.raises(UsageError, match="no layer 007: there are 6, 0 to 5"):
            selection.numbers(written, 6, "layer")
        return
    assert selection.numbers(written, 6, "layer") == meant


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("6", "there is no head 6: there are 6, 0 to 5"),
        ("-7", "there is no head -7"),
        ("9" * 5000, "there is no head 9999"),
        ("3-1", "3 comes after 1"),
        ("-1-0", "5 comes after 0"),
        *((text, "cannot be") for text in ("", ",", "1,", "a", "1-", "-", "--1", "1---2", "1.5")),
        *((text, "cannot be") for text in ("²", "1–2", "0x1", "1 2", "+1", "1-2-3")),
    ],
)
def test_what_is_written_otherwise_is_refused(written: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        selection.numbers(written, 6, "head")
    assert message in caught.value.message


@given(st.integers(1, 40), st.data())
def test_a_range_is_what_python_has(count: int, data: st.DataObject) -> None:
    low, high = (data.draw(st.integers(-count, count - 1)) for _ in range(2))
    first, last = low % count, high % count
    if first > last:
        with pytest.raises(UsageError):
            selection.numbers(f"{low}-{high}", count, "layer")
    else:
        assert selection.numbers(f"{low}-{high}", count, "layer") == list(range(first, last + 1))


def made() -> Inspection:
    """Six heads on two key/value heads; every head's numbers are its own."""
    rng = np.random.default_rng(5)
    weights = rng.random((6, 3, 3))
    layer = Layer(
        index=4,
        weights=weights / weights.sum(axis=-1, keepdims=True),
        query=rng.random((6, 3, 2)),
        key=rng.random((2, 3, 2)),
        value=rng.random((2, 3, 5)),
        output=rng.random((3, 7)),
        lse=rng.random((6, 3)),
    )
    tokens = tuple(map(Token, "abc"))
    return Inspection(text="a b c", query_tokens=tokens, layers=(layer, replace(layer, index=7)))


def test_heads_keep_their_numbers_and_take_their_keys() -> None:
    whole = made()
    once = selection.select_heads(whole, "1,3-4")
    [layer, _], before = once.layers, whole.layers[0]
    assert layer.head_index is not None and layer.head_index.tolist() == [1, 3, 4]
    assert np.array_equal(layer.weights, before.weights[[1, 3, 4]])
    assert layer.key is not None and before.key is not None and layer.lse is not None
    assert np.array_equal(layer.key, before.key[[0, 1, 1]])
    assert layer.lse.shape == (3, 3) and layer.output is None  # it was of all heads
    twice = selection.select_heads(once, "-1")  # a place among those that are left
    assert twice.layers[0].head_index is not None
    assert twice.layers[0].head_index.tolist() == [4]
    assert selection.select_heads(whole, "all").layers[0] is before


def test_layers_are_places_and_keep_their_numbers() -> None:
    [layer] = selection.select_layers(made(), [1]).layers
    assert layer.index == 7
