"""The room of text: cutting into words with their places, and making any string safe to show."""

from __future__ import annotations

import io
import re
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pace import promptly

from attn_cli.errors import DataError, UsageError
from attn_cli.text import (
    SPLITS,
    Split,
    byte_names,
    count_fewest,
    decode_chunks,
    is_punctuation,
    join_words,
    label,
    recovered,
    reversible,
    split_text,
    strip_punctuation,
    visible,
)

EXAMPLES = settings(max_examples=150, deadline=None, database=None)

# What goes wrong first: quotes, dashes, every kind of space, letters whose lower case is longer,
# CJK, joiners, marks, controls, and characters of two UTF-16 halves.
HOSTILE = st.text(
    st.sampled_from(
        "abZİΣßς09_'’‘“”\"-—–.,!?()$+<|&;、。「」日本 \t\n\r\x0b\x0c\x1c\x1f\x85\u00a0\u2003\u2028"
        "\u2029\u3000\u200b\u200c\u200d\u202e\u0301\ufeff\ufe0f\x00\x1b\x7f\x9b\U0001f469\U0001f642"
        "\U000e0001\ue000\U0010ffff"
    ),
    max_size=40,
)
ANY_TEXT = HOSTILE | st.text(max_size=20)


def words(text: str, split: Split = "words", lowercase: bool = False) -> list[str]:
    return [word.text for word in split_text(text, split, lowercase=lowercase)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Life is short, eat dessert first", ["Life", "is", "short", "eat", "dessert", "first"]),
        ("don't rock-'n'-roll", ["don't", "rock-'n'-roll"]),
        ("it’s ‘so’ “good”", ["it’s", "so", "good"]),  # U+2019 is kept inside, not outside
        ("a -- b — c ... d", ["a", "b", "c", "d"]),
        ('"(Really?!)" [1] {x}', ["Really", "1", "x"]),
        ("e.g. 3.14, 1,000; U.S.A.", ["e.g", "3.14", "1,000", "U.S.A"]),
        ("_emphasis_ *bold* #tag @name", ["emphasis", "bold", "tag", "name"]),
        ("$5 + 3 = 8 <b> ~x~ `y`", ["$5", "+", "3", "=", "8", "<b>", "~x~", "`y`"]),  # symbols
        ("「日本語」、東京。 ¿Qué? «Oui»", ["日本語」、東京", "Qué", "Oui"]),
        ("a\u00a0b\u2003c\u3000d\u0085e\u2028f\x1cg\u202fh", list("abcdefgh")),
        ("a\u200bb c\ufeff", ["a\u200bb", "c\ufeff"]),  # no white space, whatever they look like
        ("\U0001f642! e\u0301t\u0301.", ["\U0001f642", "e\u0301t\u0301"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_the_other_splits() -> None:
    assert words(" Don't,  go! -- ", "whitespace") == ["Don't,", "go!", "--"]
    assert words("a é\n", "characters") == ["a", " ", "é", "\n"]
    assert words("aé ~\n", "bytes") == ["a", "<0xc3>", "<0xa9>", " ", "~", "<0x0a>"]
    assert byte_names("€\x7f") == ["<0xe2>", "<0x82>", "<0xac>", "<0x7f>"]
    assert [(w.start, w.end) for w in split_text("aé", "bytes")] == [(0, 1), (1, 2), (1, 2)]


def test_lower_case_comes_after_the_span() -> None:
    found = split_text('"İstanbul" BİR ΟΔΟΣ', lowercase=True)
    assert [word.text for word in found] == ["i̇stanbul", "bi̇r", "οδος"]
    assert [(word.start, word.end) for word in found] == [(1, 9), (11, 14), (15, 19)]
    assert words("ÀB", "bytes", lowercase=True) == ["<0xc3>", "<0x80>", "b"]
    assert words("AB", "characters", lowercase=True) == ["a", "b"]


@given(ANY_TEXT, st.sampled_from(SPLITS), st.booleans())
@EXAMPLES
def test_a_span_is_where_the_word_stood(text: str, split: Split, lowercase: bool) -> None:
    try:
        found = split_text(text, split, lowercase=lowercase)
    except DataError:
        assert not text.strip() or not [p for p in text.split() if strip_punctuation(p)]
        return
    assert found
    for word in found:
        piece = text[word.start : word.end]
        assert piece
        if split == "bytes":
            piece = next(name for name in byte_names(piece) if name.lower() == word.text.lower())
        assert word.text == (piece.lower() if lowercase else piece)
    places = [(word.start, word.end) for word in found]
    assert places == sorted(places)
    if split != "bytes":
        assert all(end <= start for (_, end), (start, _) in pairwise(places))


@given(ANY_TEXT, st.sampled_from(SPLITS))
@EXAMPLES
def test_how_many_words_there_are_at_the_least(text: str, split: Split) -> None:
    try:
        found = split_text(text, split)
    except DataError:
        found = []
    fewest = count_fewest(text, split)
    if split == "whitespace" or (split == "characters" and text.strip()):
        assert fewest == len(found)
    elif split == "words":
        assert fewest == sum(any(map(str.isalnum, word.text)) for word in found)
    elif found:
        assert len(text) == fewest <= len(found)


@given(ANY_TEXT)
@EXAMPLES
def test_each_split_keeps_what_it_says(text: str) -> None:
    if text.strip():
        assert words(text, "whitespace") == text.split()
        assert words(text, "characters") == list(text)
        assert join_words(words(text, "bytes"), "bytes") == text
        assert join_words(words(text, "characters"), "characters") == text
    cores = [core for piece in text.split() if (core := strip_punctuation(piece))]
    if cores:
        assert words(text) == cores
        assert words(join_words(cores)) == cores
    for core in cores:
        assert not is_punctuation(core[0])
        assert not is_punctuation(core[-1])


def test_punctuation_is_what_unicode_says() -> None:
    for code in [*range(0x3400), *range(0xFE00, 0x11000), 0x1F642, 0xE0001]:
        character = chr(code)
        assert is_punctuation(character) == unicodedata.category(character).startswith("P"), code


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("text", ["", " ", "\n\t\u3000\u00a0"])
def test_empty_texts(text: str, split: Split) -> None:
    with pytest.raises(DataError) as caught:
        split_text(text, split)
    assert caught.value.message == "the text is empty"


def test_only_punctuation() -> None:
    with pytest.raises(DataError) as caught:
        split_text("-- … !?")
    assert caught.value.message == "the text has no words, only punctuation"
    assert "--split whitespace" in caught.value.hint
    assert words("-- !?", "whitespace") == ["--", "!?"]


def test_a_split_that_does_not_exist() -> None:
    with pytest.raises(UsageError) as caught:
        split_text("a", "sentences")  # type: ignore[arg-type]
    assert "`sentences`" in caught.value.message
    assert all(name in caught.value.hint for name in SPLITS)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("ab\udce9c", "byte 0xe9 at character 2"),  # what Python makes of a byte in an argument
        ("\ud83d alone", "U+D83D at character 0"),
        ("a \udfff", "U+DFFF at character 2"),
    ],
)
def test_half_characters(text: str, what: str) -> None:
    with pytest.raises(DataError) as caught:
        split_text(text)
    assert caught.value.message == f"the text is not valid UTF-8: {what}"


def test_arguments_in_another_locale() -> None:
    """Python gives bytes that a locale cannot decode as surrogates: as UTF-8 they are a text."""
    assert (
        recovered("café \U0001f642".encode().decode("ascii", "surrogateescape"))
        == "café \U0001f642"
    )
    assert recovered("café") == "café"
    with pytest.raises(DataError, match="byte 0xe9 at character 3"):
        recovered(b"caf\xe9".decode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=r"U\+D83D at character 0"):
        recovered("\ud83d")


# Bytes in pieces --------------------------------------------------------------------------------


class Pieces:
    """A binary stream that gives its bytes in pieces of these sizes, over and over."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.pieces, place = [], 0
        while place < len(data):
            size = sizes[len(self.pieces) % len(sizes)]
            self.pieces.append(data[place : place + size])
            place += size

    def read(self, size: int = -1, /) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=5)


@given(ANY_TEXT.filter(lambda text: not text.startswith("\ufeff")), SIZES, st.booleans())
@example("é€\U0001f642", [1], True)
@EXAMPLES
def test_text_in_pieces(text: str, sizes: list[int], marked: bool) -> None:
    data = (b"\xef\xbb\xbf" if marked else b"") + text.encode()
    pieces = list(decode_chunks(Pieces(data, sizes), "it"))
    assert "".join(pieces) == text
    assert all(pieces)


@given(st.binary(max_size=30) | st.builds(lambda a, b: a.encode() + b, HOSTILE, st.binary()), SIZES)
@example(b"abc\xe2\x82", [2])  # ends within a character
@example(b"a\xe2\x28\xa1", [2])  # a bad byte after a border
@example(b"\xef\xbb\xbf\xff", [1])
@example(b"ok \xed\xa0\x80", [4])  # half of a surrogate pair
@EXAMPLES
def test_the_first_bad_byte_is_named(data: bytes, sizes: list[int]) -> None:
    """Whatever the pieces, the place is that of decoding all of it at once."""
    try:
        expected = data.decode()
    except UnicodeDecodeError as error:
        with pytest.raises(DataError) as caught:
            list(decode_chunks(Pieces(data, sizes), "`some file`"))
        byte = f"byte 0x{data[error.start]:02x} at {error.start}"
        assert caught.value.message == f"`some file` is not UTF-8 text: {byte}"
    else:
        found = "".join(decode_chunks(Pieces(data, sizes), "it"))
        assert found == expected.removeprefix("\ufeff")


def test_ordinary_streams() -> None:
    text = "é" * 700_000  # more than a megabyte, and a border within a character
    data = b"x" + text.encode()
    assert "".join(decode_chunks(io.BytesIO(data), "it")) == "x" + text
    pieces = list(decode_chunks(io.BufferedReader(io.BytesIO(data)), "it"))  # type: ignore[arg-type]
    assert "".join(pieces) == "x" + text
    assert len(pieces) > 1
    assert list(decode_chunks(io.BytesIO(b""), "it")) == []
    assert list(decode_chunks(io.BytesIO(b"\xef\xbb\xbf\xef\xbb\xbfa"), "it")) == ["\ufeffa"]


# What is shown ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, Ünïcödé 日本", "plain text, Ünïcödé 日本"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\x00\x07\x7f\x9b\xad", "\\x00\\x07\\x7f\\x9b\\xad"),
        ("\u202eabc\u2066\u200b\ufeff", "\\u202eabc\\u2066\\u200b\\ufeff"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\ud800\ue000\U000e0001", "\\ud800\\ue000\\U000e0001"),
        ("a\u00a0b\u3000c d", "a\u00a0b\u3000c d"),
        ("می\u200cخواهم a\u200db", "می\\u200cخواهم a\\u200db"),  # outside an emoji
        ("\u200d\U0001f469\u200d", "\\u200d\U0001f469\\u200d"),
        (
            "a\ufe0f\u200d\U0001f469 \u2211\u200d\u2211",
            "a\ufe0f\\u200d\U0001f469 \u2211\\u200d\u2211",
        ),
        # Letters and marks that draw nothing, and selectors with nothing to select.
        ("\u3164\u115f\u1160\uffa0\u2800\u034f", "\\u3164\\u115f\\u1160\\uffa0\\u2800\\u034f"),
        (
            "\ufe0fa\ufe0f\ufe01 \U000e0100葛\U000e0100",
            "\\ufe0fa\ufe0f\\ufe01 \\U000e0100葛\U000e0100",
        ),
        ("1\ufe0f\u20e3 \u2764\ufe0f", "1\ufe0f\u20e3 \u2764\ufe0f"),
        ("\U0001f3f4\U000e0067\U000e007f", "\U0001f3f4\\U000e0067\\U000e007f"),  # tags hide a text
        # Towers of marks, and marks with nothing to stand on.
        ("Z" + "\u0301" * 9 + "a\u0301", "Z" + "\u0301" * 4 + "…a\u0301"),
        ("\u1100" + "\u1161" * 9, "\u1100" + "\u1161" * 4 + "…"),
        ("\u0301a \u0301", "◌\u0301a ◌\u0301"),
        ("नमस्ते ก็ที่ שָׁלוֹם Việt", "नमस्ते ก็ที่ שָׁלוֹם Việt"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "emoji",
    [
        "\U0001f469\u200d\U0001f52c",  # a woman scientist
        "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",  # a family
        "\U0001f469\u200d\u2764\ufe0f\u200d\U0001f48b\u200d\U0001f468",  # a kiss
        "\U0001f9d1\U0001f3fd\u200d\U0001f91d\u200d\U0001f9d1\U0001f3ff",  # skin tones
        "\U0001f3f3\ufe0f\u200d\U0001f308",  # the rainbow flag
        "\U0001f3c3\u200d\u2642\ufe0f",  # a man running
        "\U0001f642\u200d\u2194\ufe0f",  # a head shaking (Unicode 15.1)
        "\U0001f426\u200d\u2b1b",  # a black bird (Unicode 15.0)
    ],
)
def test_an_emoji_stays_in_one_piece(emoji: str) -> None:
    assert visible(f"({emoji})") == f"({emoji})"


OBEYED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(ANY_TEXT)
@EXAMPLES
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    for shown in (visible(text), label(text)):
        left = {c for c in shown if unicodedata.category(c) in OBEYED}
        assert left <= set("\u200c\u200d")
        assert visible(shown) == shown
    assert label(text).strip()
    if text.isprintable() and text.isascii():
        assert visible(text) == text


@given(ANY_TEXT)
@example("\\n\\x1b\\\n\\")
@example("\\U0001f642\U000e0001")
@EXAMPLES
def test_escapes_can_be_turned_back(text: str) -> None:
    shown = reversible(text)
    assert {c for c in shown if unicodedata.category(c) in OBEYED} <= set("\u200c\u200d")
    pattern = r"\\([nrt]|x..|u....|U.{8})"
    short = {"n": "\n", "r": "\r", "t": "\t"}
    back = re.sub(pattern, lambda m: short.get(m[1]) or chr(int(m[1][1:], 16)), shown)
    assert back == text


@pytest.mark.parametrize(
    "text", ["\x1b漢\u202e" * 300_000, "👩\u200d" * 20_000, "Z" + "\u0301" * 100_000]
)
def test_long_texts_are_made_visible_at_once(text: str) -> None:
    with promptly():  # what looks back at each place takes minutes
        assert visible(visible(text)) == visible(text)
        assert len(label(text)) < 10 * 2000


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("", "∅"),
        (" ", "␣"),
        ("   ", "␣␣␣"),
        ("\n", "\\n"),
        (" \t\n", "␣\\t\\n"),
        ("\u00a0", "\\xa0"),
        ("\u3000", "\\u3000"),
        (" a b", "␣a b"),
        ("a  ", "a␣␣"),
        ("\x1b", "\\x1b"),
        ("word", "word"),
        ("\u00a0a\u3000", "\\xa0a\\u3000"),
        ("x" * 2001, "x" * 2000 + "…"),
    ],
)
def test_labels_are_never_blank(token: str, shown: str) -> None:
    assert label(token) == shown
