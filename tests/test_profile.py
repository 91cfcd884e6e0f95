"""Profiles: averages over texts, chance beside them, names only where they are earned, an order."""

from __future__ import annotations

import numpy as np
import pytest
from heads import PATTERNS, REPEATED, inspection, known, random_heads

from attn_cli.errors import DataError
from attn_cli.profile import (
    LETTERS,
    Head,
    heads_of,
    letter,
    order,
    profile,
    worth_a_look,
)
from attn_cli.statistics import STATISTICS, TARGETS

LONG = REPEATED * 3


def test_known_heads_are_named_and_lettered() -> None:
    measured = profile(inspection([[known(pattern, LONG) for pattern in PATTERNS]], LONG))
    assert measured.patterns == PATTERNS
    assert measured.letters == "PFSUDI"
    assert [letter(pattern) for pattern in PATTERNS] == list("PFSUDI")
    assert len(set(LETTERS.values())) == len(LETTERS)


@pytest.mark.parametrize("seed", range(5))
def test_random_heads_get_no_name(seed: int) -> None:
    heads = random_heads(seed, 40, len(LONG), peaked=4.0)
    assert set(profile(inspection([heads], LONG)).patterns) == {"mixed"}


def test_one_lucky_row_is_no_pattern() -> None:
    """All of its one chance at induction, which one random head in six has too."""
    words = ("a", "b", "c", "d", "e", "a")
    weights = known("induction", words)
    measured = profile(inspection([[weights]], words))
    assert measured.values("induction")[0] == 1.0
    assert measured.patterns != ("induction",)


def test_a_mixed_head_is_named_from_halfway_between_chance_and_always() -> None:
    chance = profile(inspection([[known("uniform", LONG)]], LONG)).chance("previous")
    for share, named in ((0.45, False), (0.55, True)):
        head = share * known("previous", LONG) + (1 - share) * known("uniform", LONG)
        measured = profile(inspection([[head]], LONG))
        assert measured.lift[TARGETS.index("previous"), 0] == pytest.approx(share, abs=1e-5)
        assert (measured.patterns == ("previous",)) is named
    assert 0 < chance < 0.2


def test_chance_by_hand() -> None:
    """Three causal rows with a choice of 2, 3 and 4 keys."""
    measured = profile(inspection([[known("first", tuple("abcd"))]], tuple("abcd")))
    assert measured.chance("previous") == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3)
    assert measured.chance("entropy") == pytest.approx((1 + np.log2(3) + 2) / 3)
    assert measured.chance("distance") == pytest.approx((1 / 2 + 1 + 3 / 2) / 3)
    assert measured.chance("relative") == pytest.approx(1)


def test_shuffling_keeps_what_it_should_and_loses_the_pattern() -> None:
    heads = [known("previous", LONG), *random_heads(3, 3, len(LONG))]
    measured = profile(inspection([heads], LONG))
    for name in ("entropy", "relative", "largest", "keys", "sparsity"):
        row = list(STATISTICS).index(name)
        assert measured.shuffled[row] == pytest.approx(measured.mean[row], rel=1e-6), name
    row = list(STATISTICS).index("previous")
    assert measured.mean[row, 0] == 1.0
    assert measured.shuffled[row, 0] == pytest.approx(measured.chance("previous"), abs=0.2)
    again = profile(inspection([heads], LONG))
    np.testing.assert_array_equal(again.shuffled, measured.shuffled)


def test_shuffled_heads_agree_with_uniform_ones_on_the_average() -> None:
    """The measured shuffle, the uniform rows and the formula for the spread are independent."""
    heads = random_heads(11, 200, len(LONG))
    measured = profile(inspection([heads], LONG))
    rows = [list(STATISTICS).index(name) for name in ("self", "previous", "first", "duplicate")]
    targets = [TARGETS.index(name) for name in ("self", "previous", "first", "duplicate")]
    deviation = measured.shuffled[rows] - measured.uniform[rows][:, None]
    expected = measured.chance_std[targets]
    assert (np.abs(deviation) < 5 * expected).all()
    # Each of the two shuffles is drawn once for all heads, so their means are not 100 draws each.
    assert np.abs(deviation.mean(axis=1)).max() < 3 * expected.mean()


def test_texts_are_averaged_with_their_spread() -> None:
    runs = [
        inspection([[known("previous", words), known("self", words)]], words)
        for words in (REPEATED, ("a", "b", "c"), tuple("abcde"))
    ]
    runs.append(inspection([[known("self", REPEATED), known("self", REPEATED)]], REPEATED))
    measured = profile(iter(runs))
    row = list(STATISTICS).index("previous")
    assert measured.n_texts == 4
    assert measured.mean[row].tolist() == [0.75, 0.0]
    assert measured.std[row].tolist() == pytest.approx([0.5, 0.0])  # of 1, 1, 1, 0
    duplicate = list(STATISTICS).index("duplicate")
    assert measured.texts[[row, duplicate]].tolist() == [4, 2]
    assert not np.isnan(measured.mean[duplicate]).any()
    singles = [profile(run).chance("previous") for run in runs]
    assert measured.chance("previous") == pytest.approx(sum(singles) / 4)


def test_one_text_has_no_spread() -> None:
    assert np.isnan(profile(inspection([random_heads(0, 2, 8)])).std).all()


def test_texts_of_different_models_are_refused() -> None:
    runs = [inspection([random_heads(0, n, 8)]) for n in (2, 3)]
    with pytest.raises(DataError, match="text 2 has 3 heads in 1 layer, and the first has 2"):
        profile(runs)
    with pytest.raises(DataError, match="no text"):
        profile([])
    with pytest.raises(DataError, match="no layers"):
        profile(inspection([]))


def test_layers_may_differ_in_heads() -> None:
    run = inspection([[known("self", LONG)], [known("previous", LONG), known("first", LONG)]], LONG)
    measured = profile(run)
    assert measured.heads == heads_of(run) == (Head(0, 0), Head(1, 0), Head(1, 1))
    assert measured.letters == "SPF"


def test_the_order() -> None:
    heads = [known("first", REPEATED), known("uniform", REPEATED), known("previous", REPEATED)]
    measured = profile(inspection([heads]))
    assert order(measured, "previous")[0] == 2
    assert order(measured, "entropy")[0] == 1
    assert order(measured, "entropy", smallest_first=True)[-1] == 1
    assert order(measured, "next") == [0, 1, 2]  # a causal head has none: as they come


def test_worth_a_look_begins_with_the_clearest_of_each_pattern_the_rare_ones_first() -> None:
    uniform, mixed = known("uniform", LONG), random_heads(2, 1, len(LONG))[0]
    weak = 0.7 * known("first", LONG) + 0.3 * uniform
    heads = [mixed, weak, known("first", LONG), uniform, known("induction", LONG)]
    found = worth_a_look(profile(inspection([heads], LONG)), 5)
    assert [finding.head.head for finding in found] == [4, 2, 1, 0, 3]
    assert [finding.letter for finding in found] == list("IFF.U")
    assert found[0].value == 1.0
    assert 0 < found[0].chance < 0.3
    assert len(worth_a_look(profile(inspection([heads], LONG)), 2)) == 2
    assert str(found[0].head) == "0.4"
