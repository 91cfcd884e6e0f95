"""Masks: every pattern against its definition cell by cell, the algebra, and what is refused."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli.errors import UsageError
from attn_cli.masks import PATTERNS, allowed
from attn_cli.torch_random import Generator


def window(i: int, j: int, n: int, w: int) -> bool:
    return j in [i - back for back in range(w)]


def local(i: int, j: int, n: int, r: int) -> bool:
    return i - r <= j <= i + r


def prefix(i: int, j: int, n: int, p: int) -> bool:
    return j < p or j <= i


def strided(i: int, j: int, n: int, s: int) -> bool:
    return j in range(i, max(i - s, -1), -1) or j in range(i, -1, -s)


def global_(i: int, j: int, n: int, *places: int) -> bool:
    there = {place % n for place in places}
    return i == j or i in there or j in there


def hide(i: int, j: int, n: int, *places: int) -> bool:
    return j not in {place % n for place in places}


DEFINITIONS: dict[str, Callable[..., bool]] = {
    "none": lambda i, j, n: True,
    "causal": lambda i, j, n: j < i + 1,
    "window": window,
    "local": local,
    "prefix": prefix,
    "strided": strided,
    "global": global_,
    "hide": hide,
}


def by_definition(name: str, n: int, *numbers: int) -> np.ndarray:
    define = DEFINITIONS[name]
    return np.array([[define(i, j, n, *numbers) for j in range(n)] for i in range(n)])


def test_every_pattern_has_a_definition_here() -> None:
    assert DEFINITIONS.keys() | {"bigbird"} == PATTERNS.keys()


@given(st.data())
def test_patterns_are_what_their_definitions_say(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(DEFINITIONS.keys() - {"none"})))
    n = data.draw(st.integers(1, 12))
    pattern = PATTERNS[name]
    one = st.integers(-n, n - 1) if pattern.places else st.integers(pattern.least, 15)
    most = 4 if pattern.places else max(pattern.n_numbers)
    numbers = data.draw(st.lists(one, min_size=min(pattern.n_numbers), max_size=most))
    written = name + (":" + ",".join(map(str, numbers)) if numbers else "")
    found = allowed(written, n)
    assert found is not None and found.dtype == bool and found.shape == (n, n)
    assert np.array_equal(found, by_definition(name, n, *numbers))


@pytest.mark.parametrize(
    ("written", "rows"),
    [
        ("causal", ["100000", "110000", "111000", "111100", "111110", "111111"]),
        ("window:2", ["100000", "110000", "011000", "001100", "000110", "000011"]),
        ("local:1", ["110000", "111000", "011100", "001110", "000111", "000011"]),
        ("prefix:2", ["110000", "110000", "111000", "111100", "111110", "111111"]),
        ("strided:2", ["100000", "110000", "111000", "011100", "101110", "010111"]),
        ("strided:3", ["100000", "110000", "111000", "111100", "011110", "001111"]),
        ("global:0", ["111111", "110000", "101000", "100100", "100010", "100001"]),
        ("global:-1", ["100001", "010001", "001001", "000101", "000011", "111111"]),
        ("hide:1,-1", ["101110"] * 6),
        ("window:1", ["100000", "010000", "001000", "000100", "000010", "000001"]),
        ("prefix:0", ["100000", "110000", "111000", "111100", "111110", "111111"]),
        (" window: 2 ", ["100000", "110000", "011000", "001100", "000110", "000011"]),
    ],
)
def test_patterns_as_a_person_draws_them(written: str, rows: list[str]) -> None:
    found = allowed(written, 6)
    assert found is not None
    assert ["".join(map(str, row)) for row in found.astype(int)] == rows


@pytest.mark.parametrize("numbers", [(0, 0, 0), (3, 1, 2), (1, 0, 99), (4, 2, 0), (2, 1, 3, 7)])
def test_bigbird_is_window_global_and_seeded_random(numbers: tuple[int, ...]) -> None:
    n = 9
    width, n_global, n_random, *seed = numbers
    uniform = Generator(*seed or [0]).rand(n, n)
    expected = np.zeros((n, n), dtype=bool)
    for i in range(n):
        least = sorted(range(n), key=lambda j: uniform[i, j])[:n_random]
        for j in range(n):
            near = abs(i - j) <= width // 2
            expected[i, j] = near or i < n_global or j < n_global or j in least
    found = allowed("bigbird:" + ",".join(map(str, numbers)), n)
    assert np.array_equal(found, expected)


def test_bigbird_depends_on_its_seed_alone() -> None:
    first, again, other = (allowed(f"bigbird:1,0,2,{s}", 20) for s in (5, 5, 6))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_none_is_no_mask() -> None:
    assert allowed("none", 4) is None
    with_more = allowed("none&causal", 4)
    assert np.array_equal(with_more, allowed("causal", 4))
    everywhere = allowed("causal+none", 4)
    assert everywhere is not None and everywhere.all()


PARTS = st.sampled_from(["causal", "local:1", "window:3", "global:0,-1", "hide:2", "strided:2"])


@given(st.lists(st.lists(PARTS, min_size=1, max_size=3), min_size=1, max_size=3))
def test_plus_is_any_and_ampersand_is_all(sum_of_products: list[list[str]]) -> None:
    expected = np.zeros((5, 5), dtype=bool)
    for product in sum_of_products:
        expected |= np.logical_and.reduce([allowed(part, 5) for part in product])
    written = "+".join("&".join(product) for product in sum_of_products)
    assert np.array_equal(allowed(written, 5), expected)
    spaced = " + ".join(" & ".join(product) for product in sum_of_products)
    assert np.array_equal(allowed(spaced, 5), expected)


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("casual", "there is no mask `casual`", "Did you mean `causal`?"),
        ("widow:3", "there is no mask `widow:3`", "Did you mean `window`?"),
        ("zzz", "there is no mask `zzz`", "bigbird:W,G,R[,SEED]"),
        ("", "there is no mask ``", "Use: none, causal"),
        ("causal+", "there is no mask ``", "Use: none"),
        ("causal&&causal", "there is no mask ``", "Use: none"),
        ("window", "the mask `window` should be written `window:W`", ""),
        ("window:", "the mask `window:` should be written `window:W`", ""),
        ("window:x", "the mask `window:x` should be written `window:W`", ""),
        ("window:1,2", "the mask `window:1,2` should be written `window:W`", ""),
        ("window:1.5", "the mask `window:1.5` should be written `window:W`", ""),
        ("window:٣", "the mask `window:٣` should be written `window:W`", ""),
        ("window:--3", "the mask `window:--3` should be written `window:W`", ""),
        ("causal:1", "the mask `causal:1` should be written `causal`", ""),
        ("none:1", "the mask `none:1` should be written `none`", ""),
        ("global", "the mask `global` should be written `global:I,J`", ""),
        ("bigbird:1,2", "should be written `bigbird:W,G,R[,SEED]`", ""),
        ("bigbird:1,2,3,4,5", "should be written `bigbird:W,G,R[,SEED]`", ""),
        ("window:0", "the numbers in the mask `window:W` go from 1 to 2147483647, not: 0", ""),
        ("local:-1", "go from 0 to 2147483647, not: -1", ""),
        ("strided:2147483648", "not: 2147483648", ""),
        ("global:3", "the places of 3 words in the mask `global:I,J` go from -3 to 2, not: 3", ""),
        ("hide:0,-4", "go from -3 to 2, not: -4", ""),
        ("window:" + "9" * 5000, "go from 1 to 2147483647, not: 9", ""),
    ],
)
def test_what_is_no_mask_is_refused(written: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        allowed(written, 3)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_numbers_may_be_far_larger_than_the_text() -> None:
    ones = np.ones((3, 3), dtype=bool)
    for written in ("local:2147483647", "prefix:99", "bigbird:0,0,2147483647", "bigbird:999,0,0"):
        assert np.array_equal(allowed(written, 3), ones), written
    assert np.array_equal(allowed("window:2147483647", 3), np.tri(3, dtype=bool))


@pytest.mark.parametrize(
    "written", ["causal", "local:1+global:0", "bigbird:3,1,9", "hide:0&strided:4"]
)
def test_patterns_take_memory_by_the_cell(written: str) -> None:
    """At most 25 bytes a cell on the way, which the tutorial's own count leaves room for."""
    n = 500
    allowed(written, 4)
    tracemalloc.start()
    try:
        allowed(written, n)
        assert tracemalloc.get_traced_memory()[1] < 25 * n * n
    finally:
        tracemalloc.stop()


def test_every_pattern_says_who_described_it() -> None:
    for name, pattern in PATTERNS.items():
        assert pattern.usage.startswith(name) and pattern.meaning
        assert name == "none" or " et al. " in pattern.meaning
