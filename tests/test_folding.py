"""Folding: words for pieces, one place for special tokens; no attention is lost on the way."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli import folding
from attn_cli.errors import DataError
from attn_cli.files import document
from attn_cli.inspection import Inspection, Layer, Mask, Token, folded_pieces

# "un" and "##do" are one word, as are "did", "n't"; the full stop is of none.
PIECES = (
    Token("[CLS]", None, True),
    Token("un", (0, 2), False, 0),
    Token("##do", (2, 4), False, 0),
    Token("it", (5, 7), False, 1),
    Token(".", (7, 8), False, None),
    Token("[SEP]", None, True),
)


def inspection(tokens: tuple[Token, ...] = PIECES, seed: int = 1, n_head: int = 2) -> Inspection:
    n = len(tokens)
    weights = np.random.default_rng(seed).random((n_head, n, n))
    weights /= weights.sum(axis=-1, keepdims=True)
    layer = Layer(index=3, weights=weights, query=np.ones((n_head, n, 2)), key=np.ones((1, n, 2)))
    return Inspection(text="undo it.", query_tokens=tokens, layers=(layer,))


def test_words_are_sums_over_keys_and_means_over_queries() -> None:
    whole = inspection()
    words = folding.by_words(whole)
    assert [t.text for t in words.query_tokens] == ["[CLS]", "undo", "it", ".", "[SEP]"]
    assert words.query_tokens[1].pieces == ("un", "##do")
    assert words.query_tokens[1].span == (0, 4) and words.query_tokens[1].word == 0
    assert words.query_tokens[2].pieces == () and words.key_tokens is words.query_tokens
    before, after = whole.layers[0].weights, words.layers[0].weights
    by_hand = (before[:, 1, 1] + before[:, 1, 2] + before[:, 2, 1] + before[:, 2, 2]) / 2
    assert np.abs(after[:, 1, 1] - by_hand).max() < 1e-7
    assert np.abs(after[:, 0, 1] - (before[:, 0, 1] + before[:, 0, 2])).max() < 1e-7
    assert np.array_equal(after[:, 0, 0], before[:, 0, 0])
    assert words.layers[0].index == 3
    assert words.layers[0].query is None and words.token_ids is None  # of tokens that are gone


def test_the_pieces_stay_listed_in_json() -> None:
    values = document.document(folding.by_words(inspection()))
    assert values["query_tokens"][1]["pieces"] == ("un", "##do")
    assert "pieces" not in values["query_tokens"][0]


def test_special_tokens_become_one_key_and_no_query() -> None:
    whole = inspection()
    folded = folding.fold_special(whole)
    assert [t.text for t in folded.query_tokens] == ["un", "##do", "it", "."]
    assert [t.text for t in folded.key_tokens] == ["un", "##do", "it", ".", "[special]"]
    assert folded_pieces(folded.key_tokens) == ("[CLS]", "[SEP]")
    before, after = whole.layers[0].weights, folded.layers[0].weights
    assert np.abs(after[..., -1] - (before[:, 1:5, 0] + before[:, 1:5, 5])).max() < 1e-7
    assert np.array_equal(after[..., :-1], before[:, 1:5, 1:5])


def test_how_much_was_folded_is_known_before_and_after() -> None:
    whole = inspection()
    name, mass = folding.sink_mass(whole)
    assert name == "[CLS] and [SEP]" and mass.shape == (1, 2)
    said, after = folding.sink_mass(folding.fold_special(whole))
    assert said == "[special]" and np.abs(mass - after).max() < 1e-7
    by_hand = whole.layers[0].weights[:, 1:5][:, :, [0, 5]].sum(axis=2).mean(axis=1)
    assert np.abs(mass[0] - by_hand).max() < 1e-7


def test_without_special_tokens_the_first_is_folded() -> None:
    folded = folding.fold_special(inspection(PIECES[1:5]))
    assert [t.text for t in folded.query_tokens] == ["##do", "it", "."]
    assert folded_pieces(folded.key_tokens) == ("un",)


@pytest.mark.parametrize(("token", "kept"), [(4, "."), (5, "[SEP]")])
def test_a_row_of_a_text_that_is_generated_keeps_its_query(token: int, kept: str) -> None:
    row = inspection().layers[0].weights[:, token : token + 1]
    made = Inspection(
        text="undo it.",
        kind="causal",
        query_tokens=PIECES[token : token + 1],
        key_tokens=PIECES,
        layers=(Layer(weights=row),),
    )
    folded = folding.fold_special(made)
    assert [t.text for t in folded.query_tokens] == [kept]
    assert [t.text for t in folded.key_tokens] == ["un", "##do", "it", ".", "[special]"]
    expected = np.concatenate([row[..., 1:5], row[..., :1] + row[..., 5:]], axis=2)
    assert np.abs(folded.layers[0].weights - expected).max() < 1e-7


def test_nothing_is_left_of_special_tokens_alone() -> None:
    with pytest.raises(DataError, match="nothing would be left"):
        folding.fold_special(inspection(PIECES[:1]))


def test_masks_fold_with_their_tokens() -> None:
    allowed = np.tril(np.ones((6, 6), dtype=bool))
    weights = np.where(allowed, 1.0, 0.0) / allowed.sum(axis=1, keepdims=True)
    narrow = allowed & ~np.tril(np.ones((6, 6), dtype=bool), -2)
    sharp = np.where(narrow, 1.0, 0.0) / narrow.sum(axis=1, keepdims=True)
    layers = (Layer(weights=weights[None]), Layer(index=1, weights=sharp[None], allowed=narrow))
    whole = Inspection(
        text="undo it.",
        kind="causal",
        query_tokens=PIECES,
        mask=Mask(name="causal", allowed=allowed),
        layers=layers,
    )
    words = folding.by_words(whole)
    assert words.mask.allowed is not None and words.mask.allowed.tolist() == np.tri(5).tolist()
    own = words.layers[1].allowed
    assert own is not None and own.tolist() == (np.tri(5) - np.tri(5, k=-2)).tolist()
    for layer in words.layers:
        seen = words.allowed(layer)
        assert seen is not None and (layer.weights[:, ~seen] == 0).all()


def test_both_sides_of_cross_attention_fold() -> None:
    rng = np.random.default_rng(2)
    weights = rng.random((1, 3, 6))
    cross = Inspection(
        text="un it",
        kind="cross",
        query_tokens=(PIECES[0], PIECES[1], PIECES[3]),
        key_tokens=PIECES,
        key_text="undo it.",
        layers=(Layer(weights=weights / weights.sum(axis=-1, keepdims=True)),),
    )
    words = folding.by_words(cross)
    assert [t.text for t in words.key_tokens] == ["[CLS]", "undo", "it", ".", "[SEP]"]
    assert words.layers[0].weights.shape == (1, 3, 5)
    assert folding.fold_special(words).layers[0].weights.shape == (1, 2, 4)


@st.composite
def tokens(draw: st.DrawFn) -> tuple[Token, ...]:
    """Special tokens, punctuation and words of some pieces, in any order."""
    found: list[Token] = []
    for word, kind in enumerate(draw(st.lists(st.sampled_from("sp123"), min_size=1, max_size=9))):
        if kind in "sp":
            found.append(Token(kind, None, kind == "s"))
        else:
            found += [Token(f"{word}", None, False, word)] * int(kind)
    return tuple(found)


@given(tokens(), st.integers(0, 2**32 - 1))
def test_mass_is_conserved(some: tuple[Token, ...], seed: int) -> None:
    """With weights that are multiples of 2⁻¹⁰, every sum is exact: so must mass be."""
    n = len(some)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(1024, np.full(n, 1 / n), size=(2, n))
    weights = counts / 1024
    whole = Inspection(text="x", query_tokens=some, layers=(Layer(weights=weights),))
    words = folding.by_words(whole)
    groups = [
        len(list(group)) if word is not None else 1
        for word, group in groupby(some, lambda token: token.word)
        for _ in ([0] if word is not None else list(group))
    ]
    assert [max(len(token.pieces), 1) for token in words.query_tokens] == groups
    after = words.layers[0].weights.astype(np.float64)
    mass = (after * np.array(groups)[None, :, None]).sum(axis=(1, 2))
    assert np.abs(mass - n).max() <= n * 2**-23  # a mean over three queries is no multiple of 2⁻ⁿ
    assert np.abs(after.sum(axis=-1) - 1).max() <= 2**-22
    if 3 not in groups:
        assert (after.sum(axis=-1) == 1).all() and (mass == n).all()
    ordinary = [token for token in some if not token.special]
    if 0 < len(ordinary) < n:
        folded = folding.fold_special(whole).layers[0].weights.astype(np.float64)
        assert (folded.sum(axis=-1) == 1).all()  # exactly
        sums = weights[:, [i for i, t in enumerate(some) if not t.special]]
        special = sums[:, :, [i for i, t in enumerate(some) if t.special]].sum(axis=-1)
        assert np.array_equal(folded[..., -1], special)
