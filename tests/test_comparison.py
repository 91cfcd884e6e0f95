"""Two runs compared: distances against known values, alignment, and what has no counterpart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from heads import inspection, known, random_heads
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_cli.comparison import align, compare, js_distance
from attn_cli.errors import DataError
from attn_cli.inspection import Inspection, Layer, Mask, Token

WORDS = ("a", "b", "c")


def tokens(text: str) -> list[Token]:
    return [Token(character) for character in text]


@pytest.mark.parametrize(
    ("p", "q", "expected"),
    [
        ([1, 0], [1, 0], 0.0),
        ([1, 0], [0, 1], 1.0),
        ([0.5, 0.5], [1, 0], 0.5579230452841438),  # scipy.spatial.distance.jensenshannon, base 2
        ([0.1, 0.2, 0.7], [0.3, 0.3, 0.4], 0.2736668758986993),
        ([0, 0], [0, 1], 1.0),
        ([0, 0], [0, 0], 0.0),
    ],
)
def test_the_distance_of_known_rows(p: list[float], q: list[float], expected: float) -> None:
    assert js_distance(np.array(p, float), np.array(q, float)) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 2**32), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_it_is_a_metric(seed: int, n: int) -> None:
    p, q, r = np.random.default_rng(seed).dirichlet(np.full(n, 0.3), 3)
    assert js_distance(p, p) == 0
    assert 0 <= js_distance(p, q) <= 1
    assert js_distance(p, q) == pytest.approx(js_distance(q, p), abs=1e-12)
    assert js_distance(p, r) <= js_distance(p, q) + js_distance(q, r) + 1e-9


def test_equal_runs_differ_by_nothing() -> None:
    one = inspection([random_heads(0, 3, 3)] * 2, WORDS)
    found = compare(one, one)
    assert found.largest == 0.0
    assert {(c.mean, c.js_mean, c.js_max) for c in found.heads} == {(0.0, 0.0, 0.0)}
    assert found.same_parts and found.within(0)


def test_what_changed_is_measured_and_placed() -> None:
    heads = random_heads(1, 3, 3)
    changed = [heads[0], heads[1].copy(), heads[2]]
    changed[1][2] = [0.0, 0.0, 1.0]
    heads[1][2] = [0.5, 0.25, 0.25]
    found = compare(inspection([heads], WORDS), inspection([changed], WORDS))
    first, *others = found.by_change()
    assert (first.layer, first.head, first.query, first.key) == (0, 1, 2, 2)
    assert first.largest == found.largest == 0.75
    assert first.mean == pytest.approx(1.5 / 6)  # six cells are allowed
    assert first.js_max == pytest.approx(js_distance(heads[1][2], changed[1][2]))
    assert first.js_mean == pytest.approx(first.js_max / 3)
    assert all(other.js_mean == 0 for other in others)
    values, allowed = found.difference(0, 1)
    np.testing.assert_allclose(values, changed[1] - heads[1], atol=1e-7)
    assert (allowed == np.tri(3, dtype=bool)).all()
    assert found.within(0.75) and not found.within(0.7499)


def test_tokens_are_aligned() -> None:
    assert align(tokens("abc"), tokens("abc")) == ((0, 0), (1, 1), (2, 2))
    assert align(tokens("abcd"), tokens("acd")) == ((0, 0), (1, None), (2, 1), (3, 2))
    assert align(tokens("axb"), tokens("ayb")) == ((0, 0), (1, None), (None, 1), (2, 2))


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
@settings(max_examples=100, deadline=None)
def test_an_alignment_has_every_token_once_in_order(a: str, b: str) -> None:
    pairs = align(tokens(a), tokens(b))
    assert [i for i, _ in pairs if i is not None] == list(range(len(a)))
    assert [j for _, j in pairs if j is not None] == list(range(len(b)))
    assert all(a[i] == b[j] for i, j in pairs if i is not None and j is not None)


def test_a_key_that_one_text_lacks_has_no_weight_there() -> None:
    """Query c looks at b in A; B has no b, and c looks at a."""
    one = inspection([[known("previous", WORDS)]], WORDS)
    other = inspection([[known("previous", ("a", "c"))]], ("a", "c"))
    found = compare(one, other)
    assert found.matched == ((0, 0), (2, 1))
    assert not found.same_parts and not found.within(1)
    values, allowed = found.difference(0, 0)
    assert values.tolist() == [[0, 0, 0], [1, -1, 0]]
    assert allowed.tolist() == [[True, False, False], [True, True, True]]
    (change,) = found.heads
    assert (change.js_max, change.js_mean, change.largest) == (1.0, 0.5, 1.0)
    assert change.mean == 2 / 4


def test_layers_are_matched_by_index() -> None:
    one = inspection([random_heads(i, 2, 3) for i in range(3)], WORDS)
    other = replace(one, layers=one.layers[1:])
    found = compare(one, other)
    assert (found.only_a, found.only_b) == ((0,), ())
    assert {change.layer for change in found.heads} == {1, 2}
    assert found.largest == 0 and not found.same_parts and not found.within(0)


def test_what_cannot_be_compared_is_refused() -> None:
    one = inspection([random_heads(0, 2, 3)], WORDS)
    with pytest.raises(DataError, match="layer 0 has 2 heads in A and 3 in B"):
        compare(one, inspection([random_heads(0, 3, 3)], WORDS))
    with pytest.raises(DataError, match="no layer is in both: A has 0, B has none"):
        compare(one, inspection([], WORDS))
    with pytest.raises(DataError, match="no query token is in both"):
        compare(one, inspection([random_heads(0, 2, 2)], ("x", "y")))
    cross = Inspection(
        kind="cross",
        query_tokens=(Token("a"),),
        key_tokens=(Token("b"),),
        layers=(Layer(weights=np.ones((2, 1, 1))),),
    )
    with pytest.raises(DataError, match="causal and cross"):
        compare(one, cross)
    many = [Token("x")] * 5000
    with pytest.raises(DataError, match="5000 and 4999"):
        align(many, many[1:])


def test_rows_that_neither_may_look_from_are_no_evidence() -> None:
    allowed = np.array([[True, True], [False, False]])
    heads = [np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 0.0]])]
    pair = tuple(tokens("ab"))
    one, other = (
        Inspection(
            query_tokens=pair,
            key_tokens=pair,
            mask=Mask(name="padding", allowed=allowed),
            layers=(Layer(weights=head[None]),),
        )
        for head in heads
    )
    assert compare(one, other).heads[0].js_mean == 1.0
