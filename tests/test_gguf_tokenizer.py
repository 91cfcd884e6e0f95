"""Vocabularies in GGUF: what is made of them gives the ids of the tokenizer that they came from."""

from __future__ import annotations

import json
from array import array
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tokenizer import EXPECTED, NASTY, REFERENCE, tokenizer

from attn_cli.checkpoints.gguf_tokenizer import SPLITS, document
from attn_cli.checkpoints.tokenizer import Tokenizer, from_json
from attn_cli.errors import DataError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4


@cache
def source(name: str) -> dict[str, Any]:
    return dict(json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8")))


def vocabulary(name: str) -> tuple[list[str], list[int]]:
    """The tokens in the order of their ids, and their kinds as llama.cpp numbers them."""
    ids = source(name)["model"]["vocab"]
    tokens = sorted(ids, key=ids.get)
    special = {token["id"] for token in source(name)["added_tokens"]}
    return tokens, [CONTROL if index in special else NORMAL for index in range(len(tokens))]


def byte_pairs(name: str, pre: str, **more: Any) -> dict[str, Any]:
    """A byte-level tokenizer as the metadata of a GGUF."""
    tokens, kinds = vocabulary(name)
    merges = [" ".join(merge) for merge in source(name)["model"]["merges"]]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": merges,
        **{f"tokenizer.ggml.{key}": value for key, value in more.items()},
    }


def sentence_piece(name: str = "llama", **more: Any) -> dict[str, Any]:
    """A SentencePiece tokenizer as the metadata of a GGUF; earlier merges score better."""
    tokens, kinds = vocabulary(name)
    kinds[tokens.index("<unk>")] = UNKNOWN
    scores = dict.fromkeys(tokens, -1e6)
    for rank, merge in enumerate(source(name)["model"]["merges"]):
        scores["".join(merge)] = max(scores["".join(merge)], -float(rank))
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.scores": [scores[token] for token in tokens],
        "tokenizer.ggml.bos_token_id": tokens.index("<s>"),
        **{f"tokenizer.ggml.{key}": value for key, value in more.items()},
    }


def made(metadata: dict[str, Any]) -> Tokenizer:
    return from_json(json.dumps(document(metadata, "m.gguf")).encode(), "m.gguf")


@cache
def pairs_of(name: str) -> tuple[Tokenizer, Tokenizer]:
    """A tokenizer made from metadata, and its source."""
    metadata = {
        "gpt2": lambda: byte_pairs("gpt2", "gpt-2"),
        "llama3": lambda: byte_pairs("llama3", "llama-bpe", bos_token_id=0),
        "llama": sentence_piece,
    }[name]()
    return made(metadata), tokenizer(name)


KINDS = ("gpt2", "llama3", "llama")


@pytest.mark.parametrize("name", KINDS)
def test_texts_give_what_the_source_gives(name: str) -> None:
    ours, theirs = pairs_of(name)
    for text in [*(case["text"] for case in EXPECTED[name]), *NASTY]:
        assert ours.encode(text) == theirs.encode(text)
        ids = ours.encode(text).ids
        assert ours.decode(ids) == theirs.decode(ids)


@settings(deadline=None, max_examples=100)
@given(text=st.text(min_size=1, max_size=40))
@pytest.mark.parametrize("name", KINDS)
def test_any_text_gives_what_the_source_gives(name: str, text: str) -> None:
    ours, theirs = pairs_of(name)
    assert ours.encode(text) == theirs.encode(text)


@settings(deadline=None, max_examples=100)
@given(text=st.text("abcdehilnorstuw ▁T'", min_size=1, max_size=30))
def test_the_best_score_is_merged_first(text: str) -> None:
    """SentencePiece's own rule, spelled out: join the best-scoring neighbours until none joins."""
    metadata = sentence_piece()
    scores = dict(
        zip(metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.scores"], strict=True)
    )
    pieces = list("▁" + text.replace(" ", "▁"))
    while True:
        joined = [a + b for a, b in pairwise(pieces)]
        known = [(-scores[one], place) for place, one in enumerate(joined) if one in scores]
        if not known:
            break
        _, place = min(known)
        pieces[place : place + 2] = [joined[place]]
    assert list(pairs_of("llama")[0].encode(text, special=False).pieces) == pieces


def test_llama_3s_and_qwens_patterns_are_those_of_their_tokenizer_json() -> None:
    patterns = {name: split.pattern for split in SPLITS for name in split.names}
    cuts = source("llama3")["pre_tokenizer"]["pretokenizers"]
    assert patterns["llama-bpe"] == cuts[0]["pattern"]["Regex"]
    assert patterns["qwen2"] == cuts[0]["pattern"]["Regex"].replace("{1,3}", "")


CUT = "In 2024, HelloWorld's cost: $3.50\n\n  naïve 日本"

# By the patterns' definition; the vocabulary is of single bytes, so words show as merged nowhere.
WORDS = {
    "gpt-2": ["In", " 2024", ",", " HelloWorld", "'s", " cost", ":", " $", "3", ".", "50"],
    "smollm": ["In", " ", "2", "0", "2", "4", ",", " HelloWorld", "'s", " cost", ":", " $", "3"],
    "llama-bpe": ["In", " ", "202", "4", ",", " HelloWorld", "'s", " cost", ":", " $", "3", "."],
    "qwen2": ["In", " ", "2", "0", "2", "4", ",", " HelloWorld", "'s", " cost", ":", " $", "3"],
    "gpt-4o": ["In", " ", "202", "4", ",", " Hello", "World's", " cost", ":", " $", "3", "."],
    "tekken": ["In", " ", "2", "0", "2", "4", ",", " Hello", "World", "'s", " cost", ":", " $"],
}


@pytest.mark.parametrize("pre", WORDS)
def test_texts_are_cut_as_each_pattern_says(pre: str) -> None:
    backend = made(byte_pairs("gpt2", pre))._backend
    cut = [CUT[start:end] for _, (start, end) in backend.pre_tokenizer.pre_tokenize_str(CUT)]
    assert cut[: len(WORDS[pre])] == WORDS[pre]
    assert "".join(cut) == CUT


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: split.names[0])
def test_every_pattern_loses_nothing(split: Any) -> None:
    ours = made(byte_pairs("gpt2", split.names[0], add_bos_token=False))
    for text in NASTY:
        if split.normalizer is None:
            assert ours.decode(ours.encode(text).ids, special=True) == text


def test_special_tokens_are_put_where_the_file_says() -> None:
    def pieces(metadata: dict[str, Any], *texts: str) -> list[str]:
        return list(made(metadata).encode(*texts).pieces)

    ids = {"bos_token_id": 1, "eos_token_id": 2}
    llama = sentence_piece(**ids)
    assert pieces(llama, "The") == ["<s>", "▁The"]
    assert pieces(llama, "The", "The") == ["<s>", "▁The", "<s>", "▁The"]
    assert made(llama).encode("The", "The").types == (0, 0, 1, 1)
    assert pieces(sentence_piece(**ids, add_bos_token=False), "The") == ["▁The"]
    assert pieces(sentence_piece(**ids, add_eos_token=True), "The") == ["<s>", "▁The", "</s>"]
    bare = pieces(sentence_piece(**ids, add_space_prefix=False), "The")
    assert "".join(bare) == "<s>The"  # no `▁` before the first word
    assert pieces(byte_pairs("gpt2", "gpt-2", bos_token_id=0), "The") == ["The"]
    with_bos = byte_pairs("gpt2", "gpt-2", bos_token_id=0, add_bos_token=True)
    assert pieces(with_bos, "The")[1:] == ["The"] and len(pieces(with_bos, "The")) == 2


def test_special_tokens_that_the_file_does_not_name_are_those_of_llama_cpp() -> None:
    metadata = byte_pairs("gpt2", "gpt-2", add_bos_token=True)
    assert made(metadata).encode("The").ids[0] == 11
    metadata = sentence_piece(add_eos_token=True)
    del metadata["tokenizer.ggml.bos_token_id"]
    ids = made(metadata).encode("The").ids
    assert (ids[0], ids[-1]) == (1, 2)


@pytest.mark.parametrize("index", [10**6, -1, "<s>", 1.0, True, [0], None])
@pytest.mark.parametrize("which", ["bos", "eos"])
def test_a_special_token_that_cannot_be_had_is_refused_where_it_is_added(
    which: str, index: Any
) -> None:
    key = f"{which}_token_id"
    metadata = byte_pairs("gpt2", "gpt-2", **{f"add_{which}_token": True, key: index})
    with pytest.raises(DataError, match=rf"^m\.gguf: `tokenizer\.ggml\.{key}` is "):
        document(metadata, "m.gguf")
    metadata[f"tokenizer.ggml.add_{which}_token"] = False
    document(metadata, "m.gguf")


def test_a_special_token_that_is_beyond_by_itself_is_refused() -> None:
    metadata = byte_pairs("gpt2", "gpt-2", add_bos_token=True)
    for key, value in (("tokens", ["a", "b"]), ("token_type", [1, 1]), ("merges", [])):
        metadata[f"tokenizer.ggml.{key}"] = value
    with pytest.raises(DataError, match="bos_token_id` is missing, which means 11, and must be"):
        document(metadata, "m.gguf")


@pytest.mark.parametrize("said", ["no", 0, [], None])
def test_whether_a_special_token_is_added_must_be_said_plainly(said: Any) -> None:
    with pytest.raises(DataError, match=r"m\.gguf: `tokenizer\.ggml\.add_eos_token` is neither"):
        document(byte_pairs("gpt2", "gpt-2", add_eos_token=said), "m.gguf")


def test_a_user_defined_token_is_found_as_it_stands_and_is_not_special() -> None:
    metadata = byte_pairs("gpt2", "gpt-2")
    metadata["tokenizer.ggml.tokens"] = [*metadata["tokenizer.ggml.tokens"], "<think>"]
    metadata["tokenizer.ggml.token_type"] = [*metadata["tokenizer.ggml.token_type"], USER_DEFINED]
    ours = made(metadata)
    encoded = ours.encode("a<think>b")
    assert encoded.pieces == ("a", "<think>", "b")
    assert ours.decode(encoded.ids) == "a<think>b"  # not left out, as a special one would be


def broken(**changes: Any) -> dict[str, Any]:
    return byte_pairs("gpt2", "gpt-2") | {f"tokenizer.ggml.{k}": v for k, v in changes.items()}


BROKEN = {
    "another kind": (broken(model="bert"), "of the kind 'bert', which is not known"),
    "no kind": ({}, "of the kind None,"),
    "a kind that is a list": (broken(model=array("B", bytes(9_000_000))), "a list of 9,000,000,"),
    "a token of a book": (
        broken(model="llama", tokens=["a", "b" * 20_000], token_type=None, scores=[0.0, 0.0]),
        "too long: `bbbbbbbbbbbbbbbbbbbb…` has 20,000 characters",
    ),
    "no vocabulary": (broken(tokens=None), "has no vocabulary"),
    "a vocabulary of numbers": (broken(tokens=[1, 2]), "has no vocabulary"),
    "a token twice": (broken(tokens=["a", "b", "a"]), "the token `a` is twice"),
    "types for others": (broken(token_type=[1]), "`tokenizer.ggml.token_type` is no list of"),
    "types that are strings": (broken(token_type=["1"] * 400), "no list of"),
    "types that are one number": (broken(token_type=1), "no list of"),
    "a score": (broken(model="llama", scores=1.0), "no list of"),
    "a cut that is a list": (broken(pre=["gpt-2"]), "cut as a list of 1,"),
    "another cut": (broken(pre="chaos"), "cut as 'chaos', which is not known"),
    "no merges": (broken(merges=None), "no list `tokenizer.ggml.merges`"),
    "no scores": (broken(model="llama"), "no score for each of its"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_vocabulary_that_cannot_be_is_refused(case: str) -> None:
    metadata, expected = BROKEN[case]
    with pytest.raises(DataError) as caught:
        document(metadata, "m.gguf")
    assert expected in caught.value.message and caught.value.message.startswith("m.gguf")


@pytest.mark.parametrize("merge", ["nospace", " ", "x y", ""])
def test_a_merge_that_makes_no_token_is_refused(merge: str) -> None:
    with pytest.raises(DataError, match=r"m\.gguf describes no tokenizer that can be used"):
        made(broken(merges=[merge]))


def test_the_directory_of_references_explains_itself() -> None:
    names = {path.stem for path in Path(REFERENCE).glob("*.json")} - {"expected"}
    assert names == set(EXPECTED)
