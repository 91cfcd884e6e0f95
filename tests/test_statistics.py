"""What a head does, on heads whose answer is known, and against formulas written out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from heads import REPEATED, inspection, known, looking_at, random_heads
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_cli.inspection import Inspection, Layer, Mask, Token
from attn_cli.profile import profile
from attn_cli.statistics import STATISTICS, TARGETS, Rows, block_of, measure


def one_head(
    weights: np.ndarray, words: tuple[str, ...] = REPEATED, **options: Any
) -> Callable[[str], float]:
    """A function from the name of a statistic to its mean over one head."""
    measured = profile(inspection([[weights]], words, **options))
    return lambda name: float(measured.values(name)[0])


@pytest.mark.parametrize("pattern", ("previous", "first", "self", "duplicate", "induction"))
def test_a_head_that_does_one_thing_scores_1_exactly(pattern: str) -> None:
    value = one_head(known(pattern, REPEATED))
    assert value(pattern) == 1.0
    assert (value("largest"), value("sparsity"), value("keys")) == (1.0, 1.0, 1.0)
    assert (value("entropy"), value("relative")) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("pattern", "others"),
    [
        ("previous", ("self", "duplicate", "induction")),
        ("self", ("previous", "first", "duplicate", "induction")),
        ("first", ("self",)),
        ("duplicate", ("self", "induction")),
        ("induction", ("self", "duplicate")),
    ],
)
def test_it_scores_0_exactly_on_what_it_never_does(pattern: str, others: tuple[str, ...]) -> None:
    value = one_head(known(pattern, REPEATED))
    assert [value(name) for name in others] == [0.0] * len(others)


def test_a_uniform_head_is_as_broad_as_can_be() -> None:
    value = one_head(np.full((4, 4), 1 / 4), ("a", "b", "c", "d"), causal=False)
    assert (value("relative"), value("sparsity")) == (1.0, 0.0)
    assert (value("entropy"), value("keys"), value("largest")) == (2.0, 4.0, 0.25)
    causal = one_head(known("uniform", REPEATED))
    assert causal("relative") == pytest.approx(1, abs=1e-6)
    assert causal("sparsity") == pytest.approx(0, abs=1e-6)


def test_next_special_and_punctuation() -> None:
    words = ("[CLS]", "it", "is", ",", "--", "[SEP]")
    value = one_head(looking_at([1, 2, 3, 4, 5, 5], 6), words, causal=False, special=words[::5])
    assert value("next") == 1.0  # the last query has no next, so it does not count
    assert value("special") == pytest.approx(2 / 6)
    assert value("punctuation") == pytest.approx(2 / 6)
    to_marks = one_head(looking_at([3, 4, 3, 4, 3, 4], 6), words, causal=False, special=words[::5])
    assert (to_marks("punctuation"), to_marks("special"), to_marks("next")) == (1, 0, 2 / 5)


def test_what_a_text_does_not_have_is_no_number() -> None:
    value = one_head(known("self", ("a", "b", "c")), ("a", "b", "c"))
    for name in ("next", "special", "duplicate", "induction", "punctuation", "similarity"):
        assert math.isnan(value(name)), name
    single = profile(inspection([[np.ones((1, 1))]], ("a",)))
    assert np.isnan(single.mean).all()  # one key alone is no choice


def test_queries_without_a_choice_do_not_count() -> None:
    """The first causal query looks at itself whatever the head does."""
    value = one_head(known("previous", ("a", "b", "c", "d")), ("a", "b", "c", "d"))
    assert (value("self"), value("previous")) == (0.0, 1.0)
    assert value("first") == pytest.approx(1 / 3)  # of three queries one has it as its previous


def test_induction_does_not_count_the_querys_own_place() -> None:
    """In "a a" what followed the first a is the query itself."""
    value = one_head(known("self", ("a", "a", "b")), ("a", "a", "b"))
    assert math.isnan(value("induction"))
    assert value("duplicate") == 0.0


def test_ids_say_which_tokens_are_the_same() -> None:
    run = inspection([[known("first", ("a", "b", "A"))]], ("a", "b", "A"))
    assert math.isnan(profile(run).values("duplicate")[0])
    assert profile(replace(run, token_ids=np.array([4, 5, 4]))).values("duplicate")[0] == 1.0


def test_between_two_texts_places_say_nothing() -> None:
    run = Inspection(
        kind="cross",
        query_tokens=(Token("a"), Token("b")),
        key_tokens=(Token("x"), Token("."), Token("z")),
        layers=(Layer(weights=np.array([[[0.5, 0.5, 0], [0.25, 0.5, 0.25]]])),),
    )
    measured = profile(run)
    for name in ("self", "previous", "next", "distance", "duplicate", "induction"):
        assert math.isnan(measured.values(name)[0]), name
    assert measured.values("first")[0] == 0.375
    assert measured.values("punctuation")[0] == 0.5


def by_hand(weights: np.ndarray, words: tuple[str, ...]) -> dict[str, list[float]]:
    """Every statistic of one causal head, row by row, in plain Python."""
    found: dict[str, list[float]] = {name: [] for name in STATISTICS}
    for i in range(1, len(words)):
        row, n = [float(w) for w in weights[i]], i + 1
        entropy = -sum(w * math.log2(w) for w in row if w)
        found["entropy"].append(entropy)
        found["relative"].append(entropy / math.log2(n))
        found["largest"].append(max(row))
        found["keys"].append(2**entropy)
        found["distance"].append(sum(w * abs(i - j) for j, w in enumerate(row)))
        norm = math.sqrt(sum(w * w for w in row))
        found["sparsity"].append((math.sqrt(n) - 1 / norm) / (math.sqrt(n) - 1))
        found["self"].append(row[i])
        found["previous"].append(row[i - 1])
        found["first"].append(row[0])
        copies = [j for j in range(i) if words[j] == words[i]]
        if copies:
            found["duplicate"].append(sum(row[j] for j in copies))
        if after := [j + 1 for j in copies if j + 1 < i]:
            found["induction"].append(sum(row[j] for j in after))
        if marks := [j for j in range(n) if words[j] == ","]:
            found["punctuation"].append(sum(row[j] for j in marks))
    return found


@given(words=st.lists(st.sampled_from("ab,"), min_size=3, max_size=9), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_every_statistic_is_its_formula(words: list[str], seed: int) -> None:
    (weights,) = random_heads(seed, 1, len(words))
    value = one_head(weights, tuple(words))
    for name, rows in by_hand(weights, tuple(words)).items():
        if rows:
            # Rows are float32: their own rounding, summed over a row.
            assert value(name) == pytest.approx(sum(rows) / len(rows), rel=1e-5, abs=1e-6), name
        else:
            assert math.isnan(value(name)), name


def test_similarity_is_one_minus_the_divergence_from_both_neighbours() -> None:
    a, b, c = looking_at([0, 0], 2), looking_at([0, 1], 2), np.full((2, 2), 0.5)
    run = inspection([[a, b, c]], ("x", "y"), causal=False)
    # One row in two is the same: 1 and 0. A half against a whole: H(3/4, 1/4) - 1/2 bits.
    half = 1 - (0.75 * math.log2(4 / 3) + 0.25 * math.log2(4) - 0.5)
    expected = [0.5, (0.5 + half) / 2, half]
    assert profile(run).values("similarity") == pytest.approx(expected, abs=1e-6)
    same = inspection([[c, c]], ("x", "y"), causal=False)
    assert profile(same).values("similarity").tolist() == [1.0, 1.0]


def test_a_row_that_may_look_at_nothing_is_left_out() -> None:
    allowed = np.array([[True, True, True], [False, False, False], [True, True, False]])
    weights = np.array([[0.5, 0.5, 0], [0, 0, 0], [0, 1, 0]])
    tokens = (Token("a"), Token("b"), Token("c"))
    run = Inspection(
        query_tokens=tokens,
        key_tokens=tokens,
        mask=Mask(name="given", allowed=allowed),
        layers=(Layer(weights=weights[None]),),
    )
    measured = profile(run)
    assert measured.values("entropy")[0] == 0.5
    assert measured.values("previous")[0] == 1.0  # of c alone: b may look at nothing


def test_the_variance_of_chance_is_that_of_all_shuffles() -> None:
    """Against every permutation of a row, and the keys of every pattern."""
    run = inspection(
        [[np.tile([0.5, 0.25, 0.125, 0.125], (4, 1))]], ("a", ",", "a", ","), causal=False
    )
    block = block_of(run, 0, 4)
    found = Rows(run.layers[0].weights, block).chance_variance()
    shuffles = np.array(list(permutations([0.5, 0.25, 0.125, 0.125])))
    for target in range(len(TARGETS)):
        for row in range(4):
            keys = block.targets[target, row]
            if keys.any():
                assert found[target, 0, row] == pytest.approx(shuffles[:, keys].sum(axis=1).var())


def test_each_has_a_formula_and_a_source() -> None:
    for name, statistic in STATISTICS.items():
        meaning, formula, *_ = statistic.explanation.split("\n\n")
        assert meaning.endswith("."), name
        assert "w_" in formula or "H_i" in formula or "JS" in formula, name
        assert any(year in statistic.explanation for year in ("19", "20")), name
    assert set(TARGETS) < set(STATISTICS)


def test_blocks_of_rows_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    run = inspection([random_heads(1, 3, 8), random_heads(2, 3, 8)])
    whole = profile(run)
    monkeypatch.setattr("attn_cli.profile._CELLS", 3 * 8 * 3)  # three rows at a time
    parts = profile(run)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(parts.uniform, whole.uniform, rtol=1e-12)
    np.testing.assert_allclose(parts.chance_std, whole.chance_std, rtol=1e-12)


def test_shapes() -> None:
    run = inspection([random_heads(1, 3, 8)])
    rows = Rows(run.layers[0].weights[:, 2:5], block_of(run, 2, 5))
    assert measure(rows).shape == (len(STATISTICS), 3, 3)
