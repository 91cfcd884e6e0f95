"""Tokenizers: ids as transformers makes them, readable tokens, spans that fit, text and back."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from conftest import environment
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_cli.checkpoints.tokenizer import Tokenizer, from_json, load, untrimmed
from attn_cli.errors import DataError

REFERENCE = Path(__file__).parent / "reference" / "readers"
EXPECTED = json.loads((REFERENCE / "expected.json").read_text(encoding="utf-8"))
BYTE_LEVEL = ("gpt2", "llama3")

NASTY = [
    "a",
    " ",
    "  two  spaces  ",
    "\t\n\r\n",
    "tab\tand\nline\n\n\nend",
    "don't I'LL 12345 3.14 x=y;",
    "naïve café Zürich",
    "日本語 中文 한국어",
    "🙂 👩‍👩‍👧 🇪🇺",
    "e\u0301 combining, n\u0303",
    "zero\u200bwidth\u202eright",
    "nul\x00bell\x07escape\x1b[31m",
    "<|begin_of_text|> [CLS] <s> ##x ▁y Ġz <0xE6>",
    "ᏣᎳᎩ ʻŌlelo नमस्ते عربى",
    "\ufeffbom",
    "\U0010ffff\ue000",
]


@cache
def tokenizer(name: str) -> Tokenizer:
    return load(REFERENCE / f"{name}.json")


@pytest.mark.parametrize("name", EXPECTED)
def test_ids_pieces_and_types_are_those_of_transformers(name: str) -> None:
    for case in EXPECTED[name]:
        pair = case["text"] if isinstance(case["text"], list) else [case["text"]]
        encoded = tokenizer(name).encode(*pair)
        assert list(encoded.ids) == case["ids"]
        assert list(encoded.pieces) == case["pieces"]
        assert list(encoded.types) == case["types"]
        assert len(encoded.tokens) == len(encoded.ids)


def test_tokens_are_shown_as_the_characters_that_they_stand_for() -> None:
    def shown(name: str, text: str) -> list[str]:
        return [token.text for token in tokenizer(name).encode(text, special=False).tokens]

    assert shown("gpt2", "The was naïve\n")[:2] == ["The", " was"]
    assert shown("gpt2", "The naïve\n")[-3:] == [" na<0xc3>", "<0xaf>ve", "\n"]
    assert shown("gpt2", "語") == ["<0xe8>", "<0xaa><0x9e>"]
    assert shown("llama", "The was 語") == [" The", " was", " ", "<0xe8>", "<0xaa>", "<0x9e>"]
    assert shown("bert", "The older dog") == ["the", "o", "##ld", "##er", "dog"]
    assert shown("albert", "The was") == [" the", " wa", "s"]


def test_special_tokens_come_from_the_post_processor_and_are_marked() -> None:
    encoded = tokenizer("bert").encode("was it", "it was")
    marked = [(token.text, token.special, token.span) for token in encoded.tokens]
    assert marked == [
        ("[CLS]", True, None),
        ("was", False, (0, 3)),
        ("it", False, (4, 6)),
        ("[SEP]", True, None),
        ("it", False, (7, 9)),
        ("was", False, (10, 13)),
        ("[SEP]", True, None),
    ]
    assert encoded.text == "was it\nit was" and encoded.types == (0, 0, 0, 0, 1, 1, 1)
    assert [token.word for token in encoded.tokens] == [None, 0, 1, None, 2, 3, None]
    bare = tokenizer("bert").encode("was it", special=False)
    assert [token.text for token in bare.tokens] == ["was", "it"]
    assert tokenizer("gpt2").encode("The was").pieces == ("The", "Ġwas")  # that file adds none


def test_a_special_token_that_is_in_the_text_is_of_the_text() -> None:
    first, second = tokenizer("llama3").encode("<|end_of_text|>").tokens
    assert (first.text, first.special, first.span) == ("<|begin_of_text|>", True, None)
    assert (second.text, second.special, second.span) == ("<|end_of_text|>", False, (0, 15))


def test_pieces_of_a_word_share_its_number_and_punctuation_has_none() -> None:
    tokens = tokenizer("gpt2").encode("Alice, quickly: (don't)").tokens
    words: dict[int | None, str] = {}
    for token in tokens:
        words[token.word] = words.get(token.word, "") + token.text
    assert words == {0: "Alice", 1: " quickly", 2: "don't", None: ",: ()"}


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("name", BYTE_LEVEL)
def test_byte_level_text_comes_back_and_spans_tile_it(name: str, text: str) -> None:
    check_byte_level(name, text)


@settings(deadline=None, max_examples=120)
@given(text=st.text(min_size=1, max_size=40))
@pytest.mark.parametrize("name", BYTE_LEVEL)
def test_any_byte_level_text_comes_back_and_spans_tile_it(name: str, text: str) -> None:
    check_byte_level(name, text)


def check_byte_level(name: str, text: str) -> None:
    encoded = tokenizer(name).encode(text)
    specials = {"<|begin_of_text|>", "<|end_of_text|>", "<|endoftext|>"}
    assert (
        tokenizer(name)
        .decode(encoded.ids, special=True)
        .removeprefix("<|begin_of_text|>" if name == "llama3" else "")
        == text
    )
    covered = 0  # spans go on where the last ended, or share its last character
    for token in encoded.tokens:
        if token.span is None:
            continue
        start, end = token.span
        assert covered - 1 <= start <= covered < end + 1 and end >= covered
        covered = end
        if not ("<0x" in token.text or token.text in specials):
            assert text[start:end] == token.text
    assert covered == len(text)


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("name", EXPECTED)
def test_spans_and_words_lie_in_the_text(name: str, text: str) -> None:
    check_spans(name, text)


@settings(deadline=None, max_examples=60)
@given(text=st.text(min_size=1, max_size=40), pair=st.none() | st.text(max_size=20))
@pytest.mark.parametrize("name", EXPECTED)
def test_spans_and_words_of_any_text_lie_in_it(name: str, text: str, pair: str | None) -> None:
    check_spans(name, text, pair)


def check_spans(name: str, text: str, pair: str | None = None) -> None:
    try:
        encoded = tokenizer(name).encode(text, pair)
    except DataError as error:
        assert error.message.endswith(("gives no tokens", "makes no token of the text"))
        assert name not in BYTE_LEVEL
        return
    assert len(encoded.tokens) == len(encoded.ids) == len(encoded.types) == len(encoded.pieces)
    last = 0
    for token in encoded.tokens:
        assert token.text
        if token.span is None:
            assert token.special and token.word is None
            continue
        start, end = token.span
        assert last <= start + 1 and 0 <= start <= end <= len(encoded.text)
        last = start
        if token.word is not None:
            assert not encoded.text[start:end].isspace()


@pytest.mark.parametrize("text", [text for text in NASTY if "<s>" not in text])
def test_sentence_piece_text_comes_back(text: str) -> None:
    encoded = tokenizer("llama").encode(text, special=False)
    assert tokenizer("llama").decode(encoded.ids, special=True) == text


def test_padding_and_truncation_in_the_file_are_switched_off() -> None:
    document = json.loads((REFERENCE / "bert.json").read_text())
    document["truncation"] = {
        "direction": "Right",
        "max_length": 8,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    document["padding"] = {
        "strategy": {"Fixed": 128},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    }
    limited = from_json(json.dumps(document).encode(), "bert")
    text = "the dog was in the street " * 20
    assert limited.encode(text) == tokenizer("bert").encode(text)
    assert len(limited.encode(text).ids) == 6 * 20 + 2
    # The file does ask for both: the package alone gives 128 tokens of which 8 are the text's.
    plain = tokenizers.Tokenizer.from_str(json.dumps(document)).encode(text)
    assert len(plain.ids) == 128 and sum(plain.attention_mask) == 8


def changed(name: str, **parts: Any) -> Tokenizer:
    document = json.loads((REFERENCE / f"{name}.json").read_text())
    document |= {part: value for part, value in parts.items() if part != "model"}
    document["model"] |= parts.get("model", {})
    return from_json(json.dumps(document).encode(), name)


def test_dropout_in_the_file_is_switched_off() -> None:
    dropping = changed("gpt2", model={"dropout": 0.9})
    text = "the dog was in the street " * 20
    for _ in range(3):
        assert dropping.encode(text) == tokenizer("gpt2").encode(text)


ERASING = {"type": "Replace", "pattern": {"Regex": "."}, "content": ""}
TEXTLESS = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}],
    "pair": [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ],
    "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}},
}


def test_a_text_does_not_vanish() -> None:
    for erasing, texts in (
        (changed("bert", normalizer=ERASING), ("the dog",)),
        (changed("bert", post_processor=TEXTLESS), ("the dog",)),
        (changed("bert", post_processor=TEXTLESS), ("the dog", "was")),
        (changed("gpt2", model={"vocab": {}, "merges": []}), ("the dog",)),
    ):
        with pytest.raises(DataError, match="makes no token of the text") as caught:
            erasing.encode(*texts)
        assert "tokenizer.json" in caught.value.hint
    assert len(tokenizer("bert").encode("[MASK]").ids) == 3  # it is a token of the text itself
    assert len(tokenizer("bert").encode("\u200b").ids) == 2  # nothing that could be read is lost
    assert len(tokenizer("bert").encode("the", "!").ids) == 5


def test_what_the_package_says_is_in_words() -> None:
    document = json.loads((REFERENCE / "albert.json").read_text())
    document["model"]["unk_id"] = 10**9
    with pytest.raises(DataError) as caught:
        from_json(json.dumps(document).encode(), "it")
    assert "cannot be loaded (unk id not in vocabulary)" in caught.value.message


def test_an_id_beyond_the_embedding_is_an_error_that_names_both() -> None:
    encoded = tokenizer("gpt2").encode("was the")
    most = max(encoded.ids)
    tokenizer("gpt2").encode("was the", n_rows=most + 1)
    with pytest.raises(DataError) as caught:
        tokenizer("gpt2").encode("was the", n_rows=most)
    assert f"has id {most}, and the model's embedding has {most} rows" in caught.value.message
    assert f"`{encoded.pieces[encoded.ids.index(most)]}`" in caught.value.message


def test_ids_are_decoded_and_unknown_ones_refused() -> None:
    llama = tokenizer("llama")
    encoded = llama.encode("The was")
    assert llama.decode(encoded.ids) == "The was"
    assert llama.decode(encoded.ids, special=True) == "<s> The was"
    assert llama.decode([]) == ""
    assert llama.id_of("<s>") == 1 and llama.id_of("no such token") is None
    for index in (llama.n_vocab, -1, 2**40):
        with pytest.raises(DataError, match=f"no token of id {index}"):
            llama.decode([index])
    half = tokenizer("gpt2").encode("語").ids[:1]
    assert tokenizer("gpt2").decode(half) == "\ufffd"


def test_a_text_that_is_no_text_is_refused() -> None:
    with pytest.raises(DataError, match="not valid UTF-8"):
        tokenizer("gpt2").encode("a\ud800")
    with pytest.raises(DataError, match="not valid UTF-8"):
        tokenizer("bert").encode("a", "\udcff")
    with pytest.raises(DataError, match="gives no tokens"):
        tokenizer("gpt2").encode("")


def test_trimmed_spans_get_their_spaces_back() -> None:
    """Files differ in whether a span has its word's leading space; ours always has."""
    document = json.loads((REFERENCE / "gpt2.json").read_text())
    text = "a  b   dog \n  x"
    spans = []
    for trim in (True, False):
        document["post_processor"]["trim_offsets"] = trim
        made = from_json(json.dumps(document).encode(), "gpt2").encode(text)
        spans.append([token.span for token in made.tokens])
    assert spans[0] == spans[1]
    assert untrimmed((0, 1), " x", "x") == (0, 1)  # a space that is not in the text


BROKEN: dict[str, Any] = {
    "empty": b"",
    "no JSON": b"{",
    "no object": b"[]",
    "nothing in it": b"{}",
    "unknown model": json.dumps({"version": "1.0", "model": {"type": "Magic"}}).encode(),
    "not UTF-8": b"\xff",
    "nested deep": b'{"model":' * 10_000,
    "merge without tokens": json.dumps(
        {"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"]]}}
    ).encode(),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_by_name(case: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(BROKEN[case])
    with pytest.raises(DataError) as caught:
        load(path)
    assert caught.value.message.startswith(f"{path} describes no tokenizer that can be used")


def test_without_the_package_the_error_says_what_to_install() -> None:
    code = """
import sys
sys.modules["tokenizers"] = None
from attn_cli.checkpoints.tokenizer import Tokenizer, from_json
from attn_cli.errors import UsageError
try:
    from_json(b"{}", "x")
except UsageError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    assert done.stdout == (
        "a model's own tokens need the package `tokenizers`\n"
        "Install it with: pip install 'attn-cli[models]'\n"
    )


def test_a_panic_in_the_package_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        """As the package's own, which is no Exception and cannot be imported."""

    class Backend:
        def encode(self, *_: Any, **__: Any) -> None:
            raise PanicException("index out of bounds\nand more")

        def no_truncation(self) -> None:
            pass

        def id_to_token(self, _: int) -> str:
            return "x"

        def decode(self, *_: Any, **__: Any) -> None:
            raise PanicException("called `Option::unwrap()`")

    broken = load(REFERENCE / "gpt2.json")
    monkeypatch.setattr(broken, "_backend", Backend())
    with pytest.raises(
        DataError, match=r"cannot encode the text: its parts contradict each other$"
    ):
        broken.encode("x")
    with pytest.raises(
        DataError, match=r"cannot decode what the model predicts: its parts contradict"
    ):
        broken.decode([0])

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Backend, "encode", interrupt)
    with pytest.raises(KeyboardInterrupt):
        broken.encode("x")


def special_changed(change: dict[str, Any]) -> bytes:
    document = json.loads((REFERENCE / "bert.json").read_text())
    document["post_processor"]["special_tokens"] = change
    return json.dumps(document).encode()


CLS = {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}
SEP = {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}


def test_special_tokens_that_are_missing_are_refused_without_a_panic_on_the_screen(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert from_json(special_changed({"[CLS]": CLS, "[SEP]": SEP}), "x").encode("the").ids[0] == 2
    with pytest.raises(DataError, match="x describes no tokenizer that can be used"):
        from_json(special_changed({"[CLS]": CLS}), "x")
    assert capfd.readouterr().err == ""


def test_a_pattern_that_explodes_is_refused_without_a_panic_on_the_screen(
    capfd: pytest.CaptureFixture[str],
) -> None:
    document = json.loads((REFERENCE / "bert.json").read_text())
    explosive = {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""}
    known = from_json(json.dumps(document | {"normalizer": explosive}).encode(), "x")
    with pytest.raises(DataError, match="x cannot encode the text"):
        known.encode("a" * 40 + "!")
    assert capfd.readouterr().err == ""


def test_a_vocabulary_without_a_token_for_the_unknown_is_used_all_the_same() -> None:
    words = {"type": "WordLevel", "vocab": {"the": 0}, "unk_token": "[UNK]"}
    known = from_json(json.dumps({"version": "1.0", "model": words}).encode(), "x")
    assert known.encode("the").ids == (0,)
    with pytest.raises(DataError, match="x cannot encode the text"):
        known.encode("dog")


def test_special_tokens_without_an_id_are_refused() -> None:
    broken = from_json(special_changed({"[CLS]": CLS, "[SEP]": {**SEP, "ids": []}}), "x")
    with pytest.raises(DataError, match="special tokens without an id"):
        broken.encode("the")


PLAIN = {
    "another kind": ({"normalizer": {"type": "X"}}, "its `normalizer` is of no known kind"),
    "a cut of another kind": ({"pre_tokenizer": {"type": "X"}}, "its `pre_tokenizer` is of no"),
    "a decoder of another kind": ({"decoder": {"type": "X"}}, "its `decoder` is of no known"),
    "a list for a string": (
        {"version": []},
        "a list stands where a string belongs, at line 1 column",
    ),
    "a field": ({"padding": {}}, "the field `strategy` is missing at line 1 column"),
    "a pattern": (
        {"normalizer": {"type": "Replace", "pattern": {"Regex": "("}, "content": ""}},
        r"a pattern is wrong: .*parenthesis",
    ),
    "no special token": ({"added_tokens": 5}, "integer `5` stands where a list belongs"),
}
FOREIGN = ("Cannot instantiate", "untagged", "enum", "sequence", "map", "struct", "Untagged")


@pytest.mark.parametrize("case", PLAIN)
def test_what_the_package_says_is_said_in_plain_words(case: str) -> None:
    changes, said = PLAIN[case]
    document = json.loads((REFERENCE / "bert.json").read_text()) | changes
    with pytest.raises(DataError, match=said) as caught:
        from_json(json.dumps(document).encode(), "m/tokenizer.json")
    message = caught.value.message
    assert message.startswith("m/tokenizer.json describes no tokenizer that can be used: ")
    assert not any(word in message for word in FOREIGN)


def test_tokens_of_one_id_are_refused_where_they_are_used() -> None:
    words = {"type": "WordLevel", "vocab": {"a": 0, "cat": 7, "dog": 7}, "unk_token": "a"}
    document = {"version": "1.0", "model": words, "pre_tokenizer": {"type": "Whitespace"}}
    known = from_json(json.dumps(document).encode(), "x")
    assert known.encode("a a").ids == (0, 0)
    with pytest.raises(DataError, match=r"x: the tokens `(cat` and `dog|dog` and `cat)` have one"):
        known.encode("a cat dog")


@pytest.mark.parametrize("name", EXPECTED)
def test_no_token_of_a_real_tokenizer_is_refused(name: str) -> None:
    for text in (*NASTY, "☃ \U0001f600 ﷺ ½ <s> [MASK] </s> <|endoftext|>"):
        if text.strip():
            tokenizer(name).encode(text)


def test_combining_marks_survive() -> None:
    text = unicodedata.normalize("NFD", "é")
    assert tokenizer("gpt2").decode(tokenizer("gpt2").encode(text).ids) == text
