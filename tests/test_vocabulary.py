"""The room of vocabularies: words to ids and back, and counting a text that comes in pieces."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_text import ANY_TEXT, HOSTILE

from attn_cli.errors import DataError, UnknownWordError, UsageError
from attn_cli.text import SPLITS, Split, split_text
from attn_cli.vocabulary import ORDERS, Order, Vocabulary, count_words, whole_words

EXAMPLES = settings(max_examples=150, deadline=None, database=None)
COUNTS = {"the": 5, "cat": 2, "a": 2, "sat": 1, "Zoo": 1}


def test_the_words_of_the_article() -> None:
    words = ["Life", "is", "short", "eat", "dessert", "first"]
    vocabulary = Vocabulary.of(words)
    assert dict(vocabulary) == {
        "Life": 0,
        "dessert": 1,
        "eat": 2,
        "first": 3,
        "is": 4,
        "short": 5,
    }
    assert vocabulary.encode(words) == [0, 4, 5, 2, 1, 3]
    assert vocabulary.decode([0, 4, 5, 2, 1, 3]) == words
    # A repeated word leaves no gap, which the article's own line would.
    assert dict(Vocabulary.of(["b", "a", "b"])) == {"a": 0, "b": 1}
    assert Vocabulary.of(["b", "a", "b"]).counts == {"a": 1, "b": 2}


def test_a_mapping_that_does_not_change() -> None:
    ids = {"b": 7, "a": 2}
    vocabulary = Vocabulary(ids)
    ids["c"] = 9
    assert list(vocabulary) == ["a", "b"]  # in the order of the ids
    assert vocabulary == {"a": 2, "b": 7}
    assert len(vocabulary) == 2
    assert "c" not in vocabulary
    assert vocabulary.counts == {}
    assert vocabulary != Vocabulary({"a": 2, "b": 8})
    with pytest.raises(TypeError):
        vocabulary["c"] = 9  # type: ignore[index]
    assert "'a': 2" in repr(vocabulary)


def test_counts_cover_every_word() -> None:
    assert Vocabulary({"a": 1, "<unk>": 0}, {"a": 4, "elsewhere": 2}).counts == {"<unk>": 0, "a": 4}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["Zoo", "a", "cat", "sat", "the"]),
        ({"order": "frequency"}, ["the", "a", "cat", "Zoo", "sat"]),
        ({"size": 3}, ["a", "cat", "the"]),
        ({"size": 4}, ["Zoo", "a", "cat", "the"]),  # of equals, what sorts first
        ({"size": 2, "order": "frequency"}, ["the", "a"]),
        ({"size": 0}, []),
        ({"size": 9}, ["Zoo", "a", "cat", "sat", "the"]),
        ({"min_count": 2}, ["a", "cat", "the"]),
        ({"min_count": 2, "size": 1}, ["the"]),
        ({"special": ["<unk>", "<s>"]}, ["<unk>", "<s>", "Zoo", "a", "cat", "sat", "the"]),
        ({"special": ["<unk>"], "size": 3}, ["<unk>", "a", "the"]),
        ({"special": ["the"], "min_count": 2}, ["the", "a", "cat"]),
        ({"special": ["<unk>"], "size": 1}, ["<unk>"]),
    ],
)
def test_build(options: dict[str, object], expected: list[str]) -> None:
    vocabulary = Vocabulary.build(COUNTS, **options)  # type: ignore[arg-type]
    assert list(vocabulary) == expected
    assert list(vocabulary.values()) == list(range(len(expected)))
    assert vocabulary.counts == {word: COUNTS.get(word, 0) for word in expected}


@given(
    st.dictionaries(st.text("abcdeéZ", min_size=1, max_size=3), st.integers(1, 4), max_size=12),
    st.none() | st.integers(0, 14),
    st.integers(1, 4),
    st.sampled_from(ORDERS),
)
@EXAMPLES
def test_build_keeps_the_most_frequent(
    counts: dict[str, int], size: int | None, min_count: int, order: Order
) -> None:
    vocabulary = Vocabulary.build(counts, size=size, min_count=min_count, order=order)
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    kept = [word for word, count in ranked if count >= min_count][:size]
    assert list(vocabulary) == (kept if order == "frequency" else sorted(kept))
    assert vocabulary.decode(vocabulary.encode(kept)) == kept


def test_build_refuses() -> None:
    with pytest.raises(UsageError) as caught:
        Vocabulary.build(COUNTS, size=1, special=["<unk>", "<s>"])
    assert caught.value.message == "--size 1 leaves no room for 2 special entries"
    with pytest.raises(UsageError, match="special entry is given twice"):
        Vocabulary.build(COUNTS, special=["<s>", "<s>"])


def test_ids_that_cannot_be() -> None:
    with pytest.raises(DataError, match=r"two words have the id 3, one of them `[ab]`"):
        Vocabulary({"a": 3, "b": 3, "c": 1})
    with pytest.raises(DataError, match="the id of `b` is negative"):
        Vocabulary({"a": 0, "b": -1})


@given(st.lists(ANY_TEXT, min_size=1, max_size=8))
@EXAMPLES
def test_decoding_is_the_inverse_of_encoding(words: list[str]) -> None:
    vocabulary = Vocabulary.of(words)
    assert list(vocabulary) == sorted(set(words))
    assert vocabulary.decode(vocabulary.encode(words)) == words
    ids = list(vocabulary.values())
    assert vocabulary.encode(vocabulary.decode(ids)) == ids == list(range(len(set(words))))


def test_unknown_words() -> None:
    vocabulary = Vocabulary({"is": 0, "Life": 1})
    with pytest.raises(UnknownWordError) as caught:
        vocabulary.encode(["Life", "was", "is", "once", "was"])
    assert caught.value.message == "the vocabulary does not have the word `was` and 1 more"
    assert "--unk '<unk>'" in caught.value.hint
    with pytest.raises(UnknownWordError) as caught:
        vocabulary.encode(word for word in ["was"])
    assert caught.value.message == "the vocabulary does not have the word `was`"
    assert vocabulary.encode(["Life", "was"], unknown="is") == [1, 0]
    with pytest.raises(UnknownWordError):
        vocabulary.encode(["was"], unknown="<unk>")
    # <unk> serves unasked; another entry that is asked for but missing is not replaced by it.
    assert Vocabulary({"<unk>": 5, "is": 0}).encode(["was", "is"]) == [5, 0]
    with pytest.raises(UnknownWordError):
        Vocabulary({"<unk>": 5}).encode(["was"], unknown="?")


def test_with_unknown() -> None:
    vocabulary = Vocabulary({"a": 0, "b": 6}, {"a": 2, "b": 1})
    assert vocabulary.with_unknown("b") is vocabulary
    more = vocabulary.with_unknown("?")
    assert dict(more) == {"a": 0, "b": 6, "?": 7}
    assert more.counts == {"a": 2, "b": 1, "?": 0}
    assert dict(vocabulary) == {"a": 0, "b": 6}
    assert dict(Vocabulary({}).with_unknown("?")) == {"?": 0}


def test_ids_that_no_word_has() -> None:
    with pytest.raises(DataError) as caught:
        Vocabulary({"a": 0, "b": 1}).decode([1, 2])
    assert caught.value.message == "no word has the id 2"
    assert "from 0 to 1" in caught.value.hint


# Counting ---------------------------------------------------------------------------------------


@st.composite
def texts_in_pieces(draw: st.DrawFn) -> list[str]:
    """A text and where it is cut, in words, in white space, and into nothing."""
    text = draw(HOSTILE | st.text("ab-’ \n\u3000", max_size=60) | ANY_TEXT)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    ends = zip([0, *cuts], [*cuts, len(text)], strict=True)
    return [text[start:end] for start, end in ends]


@given(texts_in_pieces(), st.sampled_from(SPLITS), st.booleans())
@example(["li", "fe is", "", " sh", "ort"], "words", False)
@example(["do", "n'", "t --", "- do", "n't"], "words", False)
@example(["a\u3000", "\u00a0b", "\x85"], "whitespace", False)
@example(["ΟΔΟ", "Σ ΟΣ"], "words", True)  # the last sigma of a word is another letter
@settings(EXAMPLES, max_examples=300)
def test_counting_in_pieces_is_counting_the_whole(
    pieces: list[str], split: Split, lowercase: bool
) -> None:
    counted = count_words(iter(pieces), split, lowercase=lowercase)
    try:
        whole = split_text("".join(pieces), split, lowercase=lowercase)
    except DataError:
        assert split in ("characters", "bytes") or not counted
        return
    assert counted == Counter(word.text for word in whole)


@given(texts_in_pieces())
@EXAMPLES
def test_whole_words_are_the_same_text(pieces: list[str]) -> None:
    found = list(whole_words(iter(pieces)))
    assert "".join(found) == "".join(pieces)
    assert all(piece[-1].isspace() for piece in found[:-1])
