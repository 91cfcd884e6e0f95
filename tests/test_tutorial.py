"""The tutorial room: the article's printed numbers, every option, and what is refused.

`published.json` holds the tensors in print, with four decimals; the article's first ten are looked
up here by hand, and all of them in `test_replay`.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attn_cli
from attn_cli import Inspection, Vocabulary, inspect, memory
from attn_cli.errors import AttnError, DataError, UnknownWordError, UsageError
from attn_cli.inspection import Vectors
from attn_cli.torch_random import Generator, embedding

SENTENCE = "Life is short, eat dessert first"
PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text("utf-8"))
CLOSE = 5.1e-5  # one printed digit is not that of the rounded number

OURS: dict[str, Callable[[Inspection], Any]] = {
    "A sentence_int": lambda run: run.token_ids,
    "A embedded_sentence": lambda run: run.embedding,
    "A omega_24": lambda run: run.layers[0].scores[0, 1, 4],
    "A omega_2": lambda run: run.layers[0].scores[0, 1],
    "A attention_weights_2": lambda run: run.layers[0].weights[0, 1],
    "A context_vector_2": lambda run: run.layers[0].context[0, 1],
    "A SelfAttention(3,2,4)": lambda run: run.layers[0].context[0],
    "A single head d_v=1": lambda run: inspect(SENTENCE, d_v=1).layers[0].context[0],
    "A attn_scores 6x6": lambda run: run.layers[0].scores[0],
    "A attn_weights 6x6": lambda run: run.layers[0].weights[0],
}


@pytest.fixture(scope="module")
def run() -> Inspection:
    return inspect(SENTENCE)


def traced_peak(function: Callable[[], object]) -> int:
    """Bytes that a call allocates at the most (numpy's arrays are traced)."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", OURS)
def test_the_published_numbers(run: Inspection, name: str) -> None:
    expected = np.array(PUBLISHED[name])
    found = np.asarray(OURS[name](run))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < CLOSE


def test_the_words_and_their_places(run: Inspection) -> None:
    assert run.text == SENTENCE
    assert run.kind == "self"
    assert run.mask.allowed is None
    assert run.key_tokens is run.query_tokens
    assert [token.text for token in run.query_tokens] == SENTENCE.replace(",", "").split()
    for number, token in enumerate(run.query_tokens):
        start, end = token.span
        assert SENTENCE[start:end] == token.text
        assert (token.special, token.word) == (False, number)
    assert dict(run.vocabulary) == {
        "Life": 0,
        "dessert": 1,
        "eat": 2,
        "first": 3,
        "is": 4,
        "short": 5,
    }


def test_the_recipe_with_other_sizes_and_seed() -> None:
    run = inspect("a b a c", seed=-5, vocab_size=40, d_model=5, d_k=3, d_v=7)
    assert run.dimensions == {
        "n_layer": 1,
        "n_head": 1,
        "n_kv_head": 1,
        "n_query": 4,
        "n_key": 4,
        "d_model": 5,
        "d_head": 3,
        "d_value": 7,
        "n_vocab": 3,
    }
    assert run.token_ids.tolist() == [0, 1, 0, 2]
    table = Generator(-5).randn(40, 5)
    assert np.array_equal(run.embedding, table[[0, 1, 0, 2]])
    generator, layer = Generator(-5), run.layers[0]
    drawn = (generator.rand(5, 3), generator.rand(5, 3), generator.rand(5, 7))
    for found, w in zip((layer.query, layer.key, layer.value), drawn, strict=True):
        assert np.abs(found[0] - run.embedding @ w).max() < 1e-6
    assert layer.scale == pytest.approx(1 / np.sqrt(3))
    assert np.abs(layer.scores[0] - layer.query[0] @ layer.key[0].T).max() < 1e-5
    assert np.abs(layer.logits - layer.scores / np.sqrt(3)).max() < 1e-5
    assert np.abs(layer.weights - np.exp(layer.logits - layer.lse[..., None])).max() < 1e-6
    assert np.abs(layer.context - layer.weights @ layer.value).max() < 1e-6


def test_the_source_is_enough_to_run_it_again() -> None:
    settings = dict(seed=7, vocab_size=64, d_model=4, d_k=1, d_v=2, split="bytes", lowercase=True)
    run = inspect("Ab, é", **settings)
    assert run.source.seed == 7
    assert run.source.recipe == "article"
    assert run.source.version == attn_cli.__version__
    again = inspect(run.text, seed=run.source.seed, **run.source.settings)
    assert again == run
    assert again != inspect(run.text, seed=8, **run.source.settings)


@pytest.mark.parametrize("seed", [-(2**63), -1, 0, 2**32 + 123, 2**64 - 1])
def test_seeds_of_torch(seed: int) -> None:
    assert inspect("a b", seed=seed) == inspect("a b", seed=seed)
    # As in torch, only the low 32 bits of a seed count.
    assert np.array_equal(
        inspect("a b", seed=seed).embedding, inspect("a b", seed=seed & 0xFFFFFFFF).embedding
    )


@pytest.mark.parametrize("seed", [-(2**63) - 1, 2**64])
def test_seeds_that_torch_does_not_have(seed: int) -> None:
    with pytest.raises(UsageError, match=f"seed must be between .* not: {seed}"):
        inspect("a b", seed=seed)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["Eat", "the", "eat"]),
        ({"split": "words", "lowercase": True}, ["eat", "the", "eat"]),
        ({"split": "whitespace"}, ["Eat", "the,", "eat!"]),
        ({"split": "characters"}, list("Eat the, eat!")),
        ({"split": "bytes", "lowercase": True}, list("eat the, eat!")),
    ],
)
def test_split_and_lowercase(options: dict[str, Any], words: list[str]) -> None:
    run = inspect("Eat the, eat!", **options)
    assert [token.text for token in run.query_tokens] == words
    assert list(run.vocabulary) == sorted(set(words))
    assert run.vocabulary.decode(run.token_ids.tolist()) == words


def test_a_vocabulary_gives_the_ids() -> None:
    vocabulary = Vocabulary({"is": 3, "Life": 20, "short": 7})
    run = inspect("Life is", vocabulary=vocabulary, vocab_size=21)
    assert run.token_ids.tolist() == [20, 3]
    assert run.vocabulary == vocabulary
    assert np.array_equal(run.embedding, Generator(123).randn(21, 3)[[20, 3]])
    with pytest.raises(UnknownWordError, match="does not have the word `long`"):
        inspect("Life is long", vocabulary=vocabulary)


def test_unknown_words_read_as_one_entry() -> None:
    vocabulary = Vocabulary({"is": 0, "Life": 4})
    run = inspect("Life is long", vocabulary=vocabulary, unknown="?")
    assert dict(run.vocabulary) == {"is": 0, "Life": 4, "?": 5}
    assert run.token_ids.tolist() == [4, 0, 5]
    assert [token.text for token in run.query_tokens] == ["Life", "is", "long"]
    there = Vocabulary({"?": 0, "is": 1})
    assert inspect("Life is", vocabulary=there, unknown="?").token_ids.tolist() == [0, 1]
    served = Vocabulary({"<unk>": 0, "is": 1})
    assert inspect("Life is", vocabulary=served).token_ids.tolist() == [0, 1]


def test_a_repeated_word_has_one_row() -> None:
    run = inspect("to be or not to be")
    assert run.token_ids.tolist() == [3, 0, 2, 1, 3, 0]
    assert np.array_equal(run.embedding[:2], run.embedding[4:])


@pytest.mark.parametrize("vocab_size", [32, 33, 48, 50_000, 50_001, 1_000_003])
def test_rows_do_not_depend_on_the_size_of_the_table(vocab_size: int) -> None:
    """But for those in a last block that is not full: it is drawn afresh, as torch does it."""
    run = inspect(SENTENCE, vocab_size=vocab_size)
    assert np.array_equal(run.embedding, inspect(SENTENCE).embedding)
    ids = np.array([vocab_size - 1], dtype=np.int64)
    last = inspect("x", vocabulary=Vocabulary({"x": vocab_size - 1}), vocab_size=vocab_size)
    assert np.array_equal(last.embedding, embedding(Generator(123), vocab_size, 3, ids))


def test_rows_do_not_depend_on_the_other_words() -> None:
    vocabulary = Vocabulary.of(SENTENCE.replace(",", "").split())
    whole, part = inspect(SENTENCE), inspect("dessert is", vocabulary=vocabulary)
    assert np.array_equal(part.embedding, whole.embedding[[4, 1]])


@pytest.mark.parametrize("name", ["vocab_size", "d_model", "d_k", "d_v"])
@pytest.mark.parametrize("size", [0, -1, 2**31])
def test_sizes_out_of_range(name: str, size: int) -> None:
    with pytest.raises(UsageError) as caught:
        inspect("a b", **{name: size})
    option = name.replace("_", "-")
    assert caught.value.message == f"--{option} must be from 1 to 2147483647, not: {size}"


def test_a_vocabulary_larger_than_the_table() -> None:
    with pytest.raises(UsageError) as caught:
        inspect(SENTENCE, vocab_size=5)
    assert caught.value.message == "the vocabulary needs 6 rows, the embedding has 5"
    assert "--vocab-size 6" in caught.value.hint
    assert inspect(SENTENCE, vocab_size=6).dimensions["n_vocab"] == 6
    with pytest.raises(UsageError, match="needs 10 rows, the embedding has 9"):
        inspect("a", vocabulary=Vocabulary({"a": 9}), vocab_size=9)


@pytest.mark.parametrize(
    ("text", "options", "size"),
    [
        ("a b", {"d_model": 2**30}, "40.0 GiB"),  # 4 bytes × (2 + 2 + 2 + 4) × 2³⁰, and a little
        ("a b", {"d_k": 2**28}, "10.0 GiB"),  # 4 × (2·3 + 2·2) × 2²⁸
        ("a" * 40_000, {"split": "characters"}, "17.9 GiB"),  # 4 × 3 × 40,000² and a little
        ("a" * 40_000, {"split": "bytes"}, "17.9 GiB"),
        ("a " * 40_000, {}, "17.9 GiB"),
        ("- " * 40_000, {"split": "whitespace"}, "17.9 GiB"),
        ("a" * 20_000, {"split": "bytes", "heads": 8}, "35.8 GiB"),  # 4 × 8 × 3 × 20,000²
        ("a" * 40_000, {"split": "bytes", "mask": "bigbird:3,2,2"}, "17.9 GiB"),
        ("a" * 40_000, {"split": "bytes", "score": "additive"}, "17.9 GiB"),
        ("a b", {"heads": 2**30}, "240.0 GiB"),
        ("a b", {"cross_rand": 2**30}, "260.0 GiB"),  # (4 × (3 · 2 + 3 + 2 + 4) + 200) × 2³⁰
        ("a b", {"heads": 2**16, "d_v": 2, "out_proj": True}, "192.0 GiB"),
    ],
)
def test_memory_is_computed_before_it_is_taken(
    text: str, options: dict[str, Any], size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available", lambda: 8 << 30)

    def refused() -> None:
        with pytest.raises(UsageError) as caught:
            inspect(text, **options)
        assert size in caught.value.message
        assert "4.0 GiB can be used here" in caught.value.message
        assert caught.value.hint

    assert traced_peak(refused) < 1 << 20


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a b c " * 500, {}),
        ("a b", {"d_k": 300_000}),
        ("a b", {"d_model": 300_000}),
        ("a b c d " * 60, {"d_model": 2000}),
        ("a b c " * 200, {"mask": "strided:3"}),
        ("a b c " * 200, {"mask": "bigbird:3,1,2+global:0&causal"}),
        ("a b c " * 200, {"dropout": 0.5}),
        ("a b c " * 200, {"dropout": 0.5, "dropout_generator": "mkl"}),
        ("a b c " * 200, {"positions": "alibi", "heads": 3}),
        ("a b c " * 200, {"positions": "learned", "max_positions": 10_000_000}),
        ("a b c " * 30, {"positions": "sinusoidal", "d_model": 3000}),
        ("a b c " * 30, {"positions": "rope", "d_k": 3000}),
        ("a b c " * 200, {"score": "additive"}),
        ("a b c " * 30, {"heads": 8, "kv_heads": 1, "d_k": 500, "d_v": 500}),
        ("a b c " * 30, {"heads": 32, "d_v": 32, "out_proj": True}),
        ("a b c " * 30, {"heads": 32, "d_v": 32, "out_proj": True, "init": "linear"}),
    ],
)
def test_no_more_than_twice_what_was_asked_for(
    text: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`memory.require` leaves one half of the memory for copies, so they must fit into it."""
    claims: list[int] = []
    monkeypatch.setattr(memory, "require", lambda n_bytes, *_: claims.append(n_bytes))
    inspect("a b")  # whatever is imported or cached at first is there now
    claims.clear()
    peak = traced_peak(lambda: inspect(text, **options))
    assert claims[-1] > 1 << 20
    assert peak < 2.1 * claims[-1] + (1 << 18)


@pytest.mark.parametrize("text", ["", " \n\t", "-- !?"])
def test_texts_without_words(text: str) -> None:
    with pytest.raises(DataError):
        inspect(text)


def test_the_python_names_are_the_ones_documented() -> None:
    from attn_cli import files, inspection, tutorial, vocabulary

    assert attn_cli.inspect is tutorial.inspect
    assert (attn_cli.load, attn_cli.load_all) == (files.load, files.load_all)
    assert attn_cli.Inspection is inspection.Inspection
    assert attn_cli.Vocabulary is vocabulary.Vocabulary
    assert all(hasattr(attn_cli, name) for name in attn_cli.__all__)
    with pytest.raises(AttributeError, match="no attribute 'explain_everything'"):
        _ = attn_cli.explain_everything


def test_text_of_one_word_under_everything() -> None:
    for choices in (
        *({"mask": m} for m in ("causal", "window:1", "prefix:1", "strided:9", "bigbird:1,1,1")),
        *({"positions": p} for p in ("learned", "sinusoidal", "rope", "alibi")),
        {"score": "additive"}, {"softcap": 3.0}, {"heads": 4, "kv_heads": 1},
        {"init": "linear", "out_proj": True, "heads": 2},
    ):  # fmt: skip
        layer = inspect("one", **choices).layers[0]
        assert (layer.weights == 1).all(), choices
    assert not inspect("one", mask="hide:0").layers[0].weights.any()


def test_a_row_that_may_look_at_nothing_is_zero() -> None:
    run = inspect(SENTENCE, mask="causal&hide:0,1", heads=2, dropout=0.5, normalize="softmax")
    layer = run.layers[0]
    assert not layer.weights[:, :2].any() and not layer.context[:, :2].any()
    assert np.isneginf(layer.lse[:, :2]).all()
    assert np.abs(layer.weights[:, 2:].sum(axis=-1) - 1).max() < 1e-6


def given_rows(*rows: list[float]) -> Vectors:
    return Vectors(np.array(rows, dtype=np.float32), [f"w{i}" for i in range(len(rows))])


def test_scores_of_1e30_are_weights_all_the_same() -> None:
    for dot in (1e30, 1e38):
        size = float(np.sqrt(dot))
        run = inspect(None, vectors=given_rows([size, 0], [-size, 0], [0, 1]), init="none")
        assert run.layers[0].scores.max() > 0.99 * dot
        assert run.layers[0].weights[0].tolist()[:2] == [[1, 0, 0], [0, 1, 0]]
    with pytest.raises(DataError, match="scores are larger than float32 holds"):
        inspect(None, vectors=given_rows([1e20, 0], [0, 1]), init="none")
    with pytest.raises(DataError, match="scores are larger than float32 holds"):
        inspect(None, vectors=given_rows([3e38, 3e38], [0, 1]), init="randn")


def test_division_by_a_sum_of_large_or_no_scores() -> None:
    run = inspect(None, vectors=given_rows([1e19, 0], [1e19, 0]), init="none", score="dot",
                  normalize="sum")  # fmt: skip
    assert run.layers[0].weights[0].tolist() == [[0.5, 0.5], [0.5, 0.5]]
    with pytest.raises(UsageError, match="a row of scores sums to 0"):
        inspect(None, vectors=given_rows([1, 0], [0, 0]), init="none", normalize="sum")
    blind = inspect(None, "book", init="none", normalize="sum", mask="causal&hide:0")
    assert not blind.layers[0].weights[0, 0].any()


def test_given_vectors_go_by_name_or_by_place() -> None:
    rows = np.float32([[1, 2], [3, 4]])
    named = Vectors(rows, ["b", "a"])
    assert inspect("a b a", vectors=named).embedding.tolist() == [[3, 4], [1, 2], [3, 4]]
    assert inspect(None, vectors=named).text == "b a"
    twice = inspect(None, vectors=Vectors(rows, ["a", "a"]))
    assert twice.embedding.tolist() == rows.tolist() and twice.vocabulary is None
    assert inspect("x y", vectors=Vectors(rows)).embedding.tolist() == rows.tolist()
    with pytest.raises(DataError, match="no vector for the word `c`"):
        inspect("a c", vectors=named)
    with pytest.raises(DataError, match="the text has 3 words, the file 2 vectors"):
        inspect("x y z", vectors=Vectors(rows))
    with pytest.raises(DataError, match="the vectors have no names"):
        inspect(None, vectors=Vectors(rows))
    with pytest.raises(UsageError, match="the vectors are 2 wide, and --d-model is 3"):
        inspect("a b", vectors=named, d_model=3)
    with pytest.raises(UsageError, match="the vectors are given"):
        inspect("a b", vectors=named, vocabulary=Vocabulary({"a": 0, "b": 1}))
    with pytest.raises(UsageError, match="second text"):
        inspect("a b", vectors=named, cross="a")


def test_the_source_is_enough_to_run_every_recipe_again() -> None:
    for recipe, choices in (
        ("blog", {"heads": 2, "mask": "window:2"}),
        ("linear", {"out_proj": True, "heads": 2, "positions": "rope", "dropout": 0.5}),
        ("article", {"score": "additive", "positions": "learned", "max_positions": 9}),
        ("article", {"cross_rand": 3, "softcap": 2.0}),
    ):
        run = inspect(SENTENCE, recipe, **choices)
        again = inspect(run.text, run.source.recipe, seed=run.source.seed, **run.source.settings)
        assert again == run


def test_contradictions_are_refused() -> None:
    for choices, message in (
        ({"cross": "a", "cross_rand": 2}, "both --cross and --cross-rand"),
        ({"cross": "a", "mask": "causal"}, "within one text, not across two"),
        ({"cross_rand": 2, "positions": "alibi"}, "`alibi` compares places within one text"),
        ({"cross": "--"}, "of the second text: the text has no words"),
        ({"init": "none", "positions": "rope"}, "the vectors are 3 wide, an odd number"),
        ({"positions": "learned", "max_positions": 5}, "6 words, the position table 5 rows"),
    ):
        with pytest.raises(AttnError, match=message):
            inspect(SENTENCE, **choices)
