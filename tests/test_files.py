"""The room of files: what is written reads back equal, hostile files are refused with the place
named, a spreadsheet or a Markdown page obeys no token, and a file is written whole or not at all.
"""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from cells import token_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as numpy_arrays
from markdown_it import MarkdownIt  # rich needs it, so it is always there
from rich.console import Console
from test_text import ANY_TEXT, HOSTILE

from attn_cli import Inspection, Vocabulary, files, inspect, load, load_all, memory
from attn_cli.errors import AttnError, DataError, UsageError
from attn_cli.files import markdown
from attn_cli.files import vocabulary as vocabulary_files
from attn_cli.inspection import Layer, Mask, Source, Token, arrays
from attn_cli.operations import softmax
from attn_cli.tables import SHOWABLE
from attn_cli.text import label, visible

EXAMPLES = settings(max_examples=30, deadline=None, database=None)
LOSSLESS = [name for name, format in files.FORMATS.items() if format.lossless]


def encoded(run: Inspection, name: str, precision: int | None = None) -> bytes:
    return b"".join(files.encode([run], name, precision=precision))


def read(data: bytes) -> Inspection:
    return load(io.BytesIO(data))


def refusal(data: bytes, reader: Callable[[bytes], object] = read) -> str:
    """The message with which a file is refused; it begins with what the file is called."""
    with pytest.raises(DataError) as caught:
        reader(data)
    assert caught.value.message.startswith("standard input")
    return caught.value.message


# Any Inspection ---------------------------------------------------------------------------------

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT
PLAIN = PLAIN.filter(lambda value: value not in (np.inf, -np.inf))
SETTINGS = st.dictionaries(ANY_TEXT, PLAIN | st.lists(PLAIN, max_size=3), max_size=3)
SPANS = st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9))
TOKENS = st.builds(Token, ANY_TEXT, SPANS, st.booleans(), st.none() | st.integers(0, 9))
INT64 = st.integers(-(2**63), 2**63 - 1)


def floats(*shape: int, masked: bool = False) -> st.SearchStrategy[np.ndarray]:
    elements = FINITE | st.just(-np.inf) if masked else FINITE
    return numpy_arrays(np.float32, shape, elements=elements)


@st.composite
def layers(draw: st.DrawFn, index: int, n_query: int, n_key: int, allowed: Any) -> Layer:
    n_kv_head, group = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    n_head, d_head, d_value = n_kv_head * group, draw(st.integers(1, 3)), draw(st.integers(1, 3))
    logits = draw(
        numpy_arrays(np.float32, (n_head, n_query, n_key), elements=st.floats(-9, 9, width=32))
    )
    weights, _ = softmax(logits if allowed is None else np.where(allowed, logits, -np.inf))
    optional = {
        "query": floats(n_head, n_query, d_head),
        "key": floats(n_kv_head, n_key, d_head),
        "value": floats(n_kv_head, n_key, d_value),
        "scores": floats(n_head, n_query, n_key),
        "logits": floats(n_head, n_query, n_key, masked=True),
        "context": floats(n_head, n_query, d_value),
        "lse": floats(n_head, n_query, masked=True),
        "output": floats(n_query, 3),
        "dropout": floats(n_head, n_query, n_key),
        "dropped": floats(n_head, n_query, n_key),
        "rotation": floats(n_key, 2),
        "w_query": floats(n_head, 2, d_head),
        "w_key": floats(n_kv_head, 2, d_head),
        "w_value": floats(n_kv_head, 2, d_value),
        "score_vector": floats(n_head, d_head),
        "w_output": floats(n_head, d_value, 3),
        "b_output": floats(3),
        "head_index": numpy_arrays(np.int64, (n_head,), elements=st.integers(0, 99)),
        "allowed": st.just(allowed),
    }
    declared = {f.name for f in fields(Layer) if "axes" in f.metadata}
    assert optional.keys() == declared - {"weights"}  # a new array is to be tried here
    given = {name: draw(st.none() | strategy) for name, strategy in optional.items()}
    scale = draw(st.none() | FINITE)
    softcap = draw(st.none() | st.floats(1e-30, 1e30, exclude_min=True, exclude_max=True))
    return Layer(index=index, scale=scale, softcap=softcap, weights=weights, **given)


@st.composite
def inspections(draw: st.DrawFn) -> Inspection:
    """Masks, absent arrays, grouped heads, hostile texts, the whole range of float32."""
    kind = draw(st.sampled_from(["self", "causal", "cross"]))
    query_tokens = tuple(draw(st.lists(TOKENS, min_size=1, max_size=3)))
    key_tokens = query_tokens
    if kind == "cross":
        key_tokens = tuple(draw(st.lists(TOKENS, min_size=1, max_size=4)))
    n_query, n_key = len(query_tokens), len(key_tokens)
    allowed = draw(st.none() | numpy_arrays(np.bool_, (n_query, n_key)))
    if kind == "causal" and allowed is None:  # which says that no key is later than its query
        allowed = np.tri(n_query, dtype=bool)
    words = draw(st.none() | st.dictionaries(ANY_TEXT, st.none(), max_size=3))
    ids = draw(st.permutations(range(5)))
    return Inspection(
        text=draw(ANY_TEXT),
        kind=kind,
        query_tokens=query_tokens,
        key_tokens=key_tokens,
        token_ids=draw(st.none() | numpy_arrays(np.int64, n_query, elements=INT64)),
        vocabulary=None if words is None else Vocabulary(dict(zip(words, ids, strict=False))),
        embedding=draw(st.none() | floats(n_query, 2)),
        position_code=draw(st.none() | floats(n_query, 2)),
        key_text=draw(st.none() | ANY_TEXT),
        key_ids=draw(st.none() | numpy_arrays(np.int64, n_key, elements=INT64)),
        key_embedding=draw(st.none() | floats(n_key, 2)),
        mask=Mask(name=draw(ANY_TEXT), parameters=draw(SETTINGS), allowed=allowed),
        layers=tuple(
            draw(layers(index, n_query, n_key, allowed)) for index in range(draw(st.integers(0, 2)))
        ),
        source=Source(
            model=draw(ANY_TEXT),
            seed=draw(st.none() | st.integers()),
            settings=draw(SETTINGS),
            file_hash=draw(st.none() | ANY_TEXT),
        ),
    )


def assert_same(one: Inspection, other: Inspection) -> None:
    """Equal, and every array to the last bit."""
    assert one == other
    assert (one.key_tokens is one.query_tokens) == (other.key_tokens is other.query_tokens)
    pairs = zip((one, one.mask, *one.layers), (other, other.mask, *other.layers), strict=True)
    for mine, yours in pairs:
        bits = [{n: (a.dtype, a.tobytes()) for n, a, _ in arrays(part)} for part in (mine, yours)]
        assert bits[0] == bits[1]


@pytest.mark.parametrize("name", LOSSLESS)
@given(run=inspections())
@EXAMPLES
def test_what_is_written_reads_back_equal(name: str, run: Inspection) -> None:
    assert_same(read(encoded(run, name)), run)


MECHANISMS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "heads and groups": ("a b c", {"heads": 4, "kv_heads": 2, "mask": "causal"}),
    "cross": ("a b c", {"cross": "é d"}),
    "cross, random": ("a b c", {"cross_rand": 2}),
    "learned": ("a b c", {"positions": "learned", "max_positions": 5}),
    "sinusoidal": ("a b c", {"positions": "sinusoidal"}),
    "rope": ("a b c", {"positions": "rope:500", "d_k": 4}),
    "alibi": ("a b c", {"positions": "alibi", "heads": 3}),
    "additive": ("a b c", {"score": "additive", "heads": 2}),
    "softcap": ("a b c", {"softcap": 0.1}),
    "dropout": ("a b c", {"dropout": 0.5, "dropout_seed": 2, "heads": 2}),
    "projection": ("a b c", {"init": "linear", "out_proj": True, "heads": 2, "d_v": 3}),
    "nothing drawn": (None, {"source": "book", "init": "none", "score": "dot"}),
    "by sum": (None, {"source": "book", "init": "none", "normalize": "sum"}),
    "blind row": ("a b c", {"mask": "causal&hide:0", "dropout": 0.5}),
    "blog": ("a b c", {"source": "blog"}),
}


@pytest.mark.parametrize("precision", [None, 3])
@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("case", MECHANISMS)
def test_every_mechanism_reads_back_equal(case: str, name: str, precision: int | None) -> None:
    text, choices = MECHANISMS[case]
    run = inspect(text, **choices)
    again = read(encoded(run, name, precision))
    if precision is None:
        assert_same(again, run)
    show_everywhere(again)
    kept = run.keeping({"weights", "embedding", "query", "w_output"})
    assert_same(read(encoded(kept, name)), kept)


def test_the_mechanisms_fill_every_array() -> None:
    made = [inspect(text, **choices) for text, choices in MECHANISMS.values()]
    filled = {name for run in made for part in (run, run.mask, *run.layers)
              for name, _, _ in arrays(part)}  # fmt: skip
    declared = {f.name for kind in (Inspection, Mask, Layer) for f in fields(kind)
                if "axes" in f.metadata}  # fmt: skip
    assert filled == declared - {"head_index"}  # numbers that only chosen heads carry


@given(inspections())
@EXAMPLES
def test_a_document_is_one_line_of_ascii(run: Inspection) -> None:
    data = encoded(run, "json")
    assert data.isascii()
    assert data.count(b"\n") == 1
    assert data.endswith(b"}\n")
    assert data == encoded(run, "jsonl")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(data, parse_constant=refuse)
    assert found["schema"] == "attn/1"
    assert found["dimensions"] == run.dimensions
    for layer, written in zip(run.layers, found["layers"], strict=True):
        for name, array, _ in arrays(layer):
            holes = np.isneginf(array)  # a masked logit is null
            assert np.array_equal(np.array(written[name], dtype=object) == None, holes)  # noqa: E711


@given(FINITE)
@example(np.float32(0.1).item())
@example(np.float32(1e-45).item())
@example(np.finfo(np.float32).max.item())
@example(16777216.0)
@settings(EXAMPLES, max_examples=300)
def test_floats_are_as_short_as_they_can_be(value: float) -> None:
    run = Inspection(query_tokens=(Token("a"),), embedding=np.array([[value]], dtype=np.float32))
    text = json.loads(encoded(run, "json"), parse_float=str, parse_int=str)["embedding"][0][0]
    assert np.float32(text) == np.float32(value)
    digits = text.lower().split("e")[0].strip("-0").replace(".", "").strip("0")
    with np.errstate(over="ignore"):  # fewer digits of the largest round up, out of its range
        for fewer in range(1, len(digits)):
            assert np.float32(f"{value:.{fewer - 1}e}") != np.float32(value)


@pytest.mark.parametrize("precision", [0, 2, 4])
@pytest.mark.parametrize("name", LOSSLESS)
def test_precision(name: str, precision: int) -> None:
    run = inspect("Life is short, eat dessert first", seed=5)
    rounded = read(encoded(run, name, precision))
    assert rounded.source.precision == precision
    assert replace(rounded.source, precision=None).version == run.source.version
    pairs = [(run.embedding, rounded.embedding)]
    pairs += [(array, getattr(rounded.layers[0], n)) for n, array, _ in arrays(run.layers[0])]
    for exact, kept in pairs:
        assert np.abs(kept - exact).max() <= 0.5 * 10.0**-precision + 1e-6
        assert np.array_equal(kept, np.round(kept.astype(np.float64), precision).astype("f4"))
    assert np.array_equal(rounded.token_ids, run.token_ids)
    if name == "json":
        numbers = str(json.loads(encoded(run, name, precision), parse_float=str)["embedding"])
        assert all(len(n.split(".")[1]) <= max(precision, 1) for n in numbers.split("'")[1::2])


@pytest.mark.parametrize("name", LOSSLESS)
def test_rounding_twice(name: str) -> None:
    """What was lost the first time stays lost: the file says so, or it could not be read."""
    run = inspect("a b c d e f g h i j k l m n o p", d_k=8)
    once = read(encoded(run, name, 2))
    twice = read(encoded(once, name, 6))
    assert twice.source.precision == 2
    assert np.array_equal(twice.layers[0].weights, once.layers[0].weights)


@pytest.mark.parametrize("name", LOSSLESS)
def test_precision_of_huge_numbers(name: str) -> None:
    huge = np.array([[3e38, -1e36, 0.123456]], dtype=np.float32)
    run = Inspection(query_tokens=(Token("a"),), embedding=huge)
    kept = read(encoded(run, name, 4)).embedding
    assert np.allclose(kept, [[3e38, -1e36, 0.1235]], rtol=1e-6, atol=0)


# Files and streams ------------------------------------------------------------------------------


def runs(count: int) -> list[Inspection]:
    return [inspect(f"word number {number}", seed=number) for number in range(count)]


@pytest.mark.parametrize("name", LOSSLESS)
def test_save_and_load(tmp_path: Path, name: str) -> None:
    (run,) = runs(1)
    path = tmp_path / f"run.{name.upper()}"
    files.save(run, path, precision=None)
    assert load(path) == load(str(path)) == run
    with path.open("rb") as stream:
        assert load(stream) == run
    assert list(load_all(path)) == [run]


def test_many_in_their_order(tmp_path: Path) -> None:
    several, path = runs(4), tmp_path / "runs.jsonl"
    files.save(iter(several), path)
    assert path.read_bytes().count(b"\n") == 4
    assert list(load_all(path)) == several
    spaced = b"\n \n" + path.read_bytes().replace(b"\n", b"\r\n\n")
    assert list(load_all(io.BytesIO(b"\xef\xbb\xbf" + spaced))) == several
    with pytest.raises(DataError, match="holds more than one Inspection"):
        load(path)


@pytest.mark.parametrize("name", [n for n, format in files.FORMATS.items() if not format.many])
def test_formats_that_hold_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"run.{name}"
    path.write_bytes(b"before")
    with pytest.raises(UsageError) as caught:
        files.save(runs(2), path)
    assert caught.value.message == f"a .{name} file holds one text, and here are more"
    assert path.read_bytes() == b"before"
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_documents_that_a_formatter_has_touched() -> None:
    (run,) = runs(1)
    found = json.loads(encoded(run, "json"))
    for indent in (None, 0, 2):
        assert read(json.dumps(found, indent=indent).encode()) == run
    unordered = dict(reversed(found.items())) | {"a key of their own": [1, {"x": None}]}
    assert read(b"\xef\xbb\xbf" + json.dumps(unordered).encode()) == run


def test_formats_go_by_suffix(tmp_path: Path) -> None:
    assert files.format_of("a/b.tar.JSON") == "json"
    assert files.format_of(tmp_path / "x.md") == "md"
    for path in ("x.yaml", "x", ".json", tmp_path / "x.json.gz"):
        with pytest.raises(UsageError, match="no format is known for `"):
            files.format_of(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none", "no such file"), (tmp_path, "is a directory")):
        with pytest.raises(DataError) as caught:
            load(path)
        assert caught.value.message.startswith(f"cannot read `{path}`: {reason}")
    for name in ("", "a\0b"):
        with pytest.raises(DataError):
            load(name)


def test_a_file_larger_than_memory_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 16 << 20)

    class Endless(io.RawIOBase):
        def read(self, size: int = -1, /) -> bytes:
            return b" " * (1 << 20)

    with pytest.raises(DataError, match=r"larger than 8\.0 MiB, too large to hold"):
        load(Endless())  # type: ignore[arg-type]


# Hostile JSON -----------------------------------------------------------------------------------

DOCUMENT: dict[str, Any] = json.loads(
    encoded(inspect("a b", d_model=2, d_k=1, d_v=1, vocab_size=2), "json")
)


def spoilt(place: str, text: str) -> bytes:
    """A good document with the value at `layers.0.scale` or the like replaced by JSON text."""
    found = deepcopy(DOCUMENT)
    *owners, last = [int(key) if key.isdigit() else key for key in place.split(".")]
    part: Any = found
    for key in owners:
        part = part[key]
    part[last] = "here it goes"
    return json.dumps(found).replace('"here it goes"', text).encode()


REFUSED: list[tuple[str, str, str]] = [
    # place, what stands there, what the message says
    ("embedding.0.1", "NaN", "NaN is not a number that JSON has"),
    ("layers.0.weights.0.0.0", "Infinity", "Infinity is not a number that JSON has"),
    ("layers.0.logits.0.0.0", "-Infinity", "-Infinity is not a number that JSON has"),
    ("embedding.0.1", "1e999", "`embedding[0][1]` is not a finite number"),
    ("embedding.0.1", "1e39", "`embedding[0]` holds a number beyond float32"),
    ("embedding.1.0", "1" + "0" * 400, "`embedding[1]` holds a number beyond float32"),
    ("embedding.1.0", "1" + "0" * 5000, "too many digits"),
    ("token_ids.0", "1" + "0" * 30, "`token_ids` holds a number beyond int64"),
    ("embedding.0.1", '"1.5"', "`embedding[0][1]` should be a number, not a string"),
    ("embedding.0.1", "null", "`embedding[0][1]` should be a number, not null"),
    ("embedding.0.1", "true", "`embedding[0][1]` should be a number, not true or false"),
    ("embedding.0.1", "{}", "`embedding[0][1]` should be a number, not an object"),
    ("embedding.0.1", "[1.0]", "`embedding[0][1]` should be a number, not an array"),
    ("embedding.0", "1.0", "`embedding[0]` should be an array, not a number"),
    ("embedding.0", "[1.0]", "`embedding[1]` has 2 entries where others have 1"),
    ("embedding", "[[1.0, 2.0]]", "`embedding` has 1 on axis n_query; it should have 2"),
    ("embedding", "[[1], []]", "`embedding[1]` has 0 entries where others have 1"),
    ("token_ids.1", "1.5", "`token_ids[1]` should be a whole number, not a number"),
    ("token_ids.1", "true", "`token_ids[1]` should be a whole number, not true or false"),
    ("mask.allowed", "[[true, 1], [true, true]]", "`mask.allowed[0][1]` should be true or false"),
    ("layers.0.weights.0.1.0", '"0.5"', "`layers[0].weights[0][1][0]` should be a number"),
    ("layers.0.weights.0.1.0", "null", "`layers[0].weights[0][1][0]` should be a number"),
    ("layers.0.weights.0.1", "[0.5, 0.25]", "`layers[0].weights[0][1]` sums to 0.75, not to 1"),
    ("layers.0.weights", "null", "`layers[0].weights` is missing"),
    ("layers.0.query", "[[[1], [2]], [[1], [2]]]", "`layers[0].query` has 2 on axis n_head"),
    ("layers.0.index", '"0"', "`layers[0].index` should be a whole number, not a string"),
    ("layers.0.scale", '"1"', "`layers[0].scale` should be a number, not a string"),
    ("layers.0", "[]", "`layers[0]` should be an object, not an array"),
    ("layers", "{}", "`layers` should be an array, not an object"),
    ("schema", '"attn/2"', 'has the schema "attn/2"; this program reads attn/1'),
    ("schema", "null", "has no schema; this program reads attn/1"),
    ("schema", "{}", "has the schema {}; this program reads attn/1"),
    ("text", "null", "`text` should be a string, not null (or missing)"),
    ("kind", '"both"', "`kind` should be one of self, causal, cross"),
    ("kind", "[]", "`kind` should be one of self, causal, cross"),
    ("query_tokens", "null", "`query_tokens` should be an array, not null (or missing)"),
    ("dimensions", "[]", "`dimensions` should be an object, not an array"),
    ("dimensions.n_query", "3", "`dimensions.n_query` is 3, and the arrays have 2"),
    ("dimensions.n_query", '"2"', "`dimensions.n_query` should be a whole number, not a string"),
    ("source.settings", '{"a": [1e999]}', "`source.settings` holds a number that JSON cannot"),
    ("key_text", "7", "`key_text` should be a string, not a whole number"),
    ("query_tokens.1.pieces", '"b"', "`query_tokens[1].pieces` should be an array, not a string"),
    ("query_tokens.1.pieces", "[7]", "`query_tokens[1].pieces` should be a string"),
    ("query_tokens.1.span", "7", "`query_tokens[1].span` should be an array, not a whole"),
    ("query_tokens.1", '"b"', "`query_tokens[1]` should be an object, not a string"),
    ("query_tokens.1.text", "7", "`query_tokens[1].text` should be a string, not a whole number"),
    ("query_tokens.1.span", "[1]", "`query_tokens[1].span` should have two ends"),
    ("query_tokens.1.span", "[1, 1.5]", "`query_tokens[1].span` should be a whole number"),
    ("query_tokens.1.special", "0", "`query_tokens[1].special` should be true or false"),
    ("query_tokens.1.word", "true", "`query_tokens[1].word` should be a whole number"),
    ("key_tokens", "[{}]", "`key_tokens[0].text` should be a string, not null (or missing)"),
    ("vocabulary", "[]", "`vocabulary` should be an object, not an array"),
    ("vocabulary.b", "0.5", '`vocabulary["b"]` should be a whole number, not a number'),
    ("vocabulary.b", "0", "two words have the id 0"),
    ("vocabulary.b", "-1", "the id of `b` is negative"),
    ("mask", "null", "`mask` should be an object, not null (or missing)"),
    ("mask.parameters", "[]", "`mask.parameters` should be an object, not an array"),
    ("source", "[]", "`source` should be an object, not an array"),
    ("source.model", "7", "`source.model` should be a string, not a whole number"),
    ("source.seed", "1.5", "`source.seed` should be a whole number, not a number"),
]


@pytest.mark.parametrize(
    ("place", "text", "message"),
    REFUSED,
    ids=[f"{place}={text[:20]}" for place, text, _ in REFUSED],
)
def test_a_wrong_value_is_refused_with_its_place(place: str, text: str, message: str) -> None:
    assert message in refusal(spoilt(place, text))


def test_what_may_be_missing_and_what_may_be_more() -> None:
    found = deepcopy(DOCUMENT)
    found["dimensions"] = {"n_query": 2, "n_of_tomorrow": 7}
    found["layers"][0]["scale"] = 2  # as many programs write 2.0
    del found["query_tokens"][0]["special"]
    again = load(io.BytesIO(json.dumps(found).encode()))
    assert again.dimensions["n_query"] == 2 and not again.query_tokens[0].special
    assert again.layers[0].scale == 2.0 and type(again.layers[0].scale) is float
    del found["dimensions"]
    assert load(io.BytesIO(json.dumps(found).encode())) == again


def test_a_matrix_of_many_rows_is_written_as_one() -> None:
    run = inspect(" ".join(map(str, range(90))))
    written = json.loads(encoded(run, "json"))["layers"][0]["weights"]
    assert np.array_equal(np.array(written, dtype=np.float32), run.layers[0].weights)


GOOD = json.dumps(DOCUMENT).encode()


NO_DOCUMENTS: list[tuple[bytes, str]] = [
    (b"", "is empty"),
    (b" \n\n", "is empty"),
    (b"\xef\xbb\xbf", "is empty"),
    (b"[]", "the array has 1 axes (0,)"),
    (b"null", "no array that could be attention"),
    (b"{}", "has no schema of attn's (this program reads attn/1)"),
    (b"{'schema': 1}", "is not JSON"),
    (b"\x89PNG\r\n\x1a\n", "is not UTF-8 text: byte 0x89 at 0"),
    (GOOD.decode().encode("utf-16"), "is not UTF-8 text: byte 0xff at 0"),
    (GOOD.decode().encode("utf-16-le"), "is not JSON"),
    (GOOD[:90] + b"\xe9" + GOOD[90:], "is not UTF-8 text: byte 0xe9 at 90"),
    (GOOD + b" {}", f"Extra data at line 1, column {len(GOOD) + 2}"),
    (GOOD + b"]", f"Extra data at line 1, column {len(GOOD) + 1}"),
    (GOOD + b"\ngarbage", "Extra data at line 2, column 1"),
    (GOOD + b"\n{}", "line 2 has no schema"),
    (GOOD + b"\n\n{", "line 3 is not JSON"),
    (b'{"schema": "attn/1", ' + GOOD[1:], "the key `schema` is given twice"),
    (spoilt("vocabulary", '{"a": 0, "b": 1, "a": 2}'), "the key `a` is given twice"),
    (spoilt("mask.parameters", '{"x":' * 100_000 + "1" + "}" * 100_000), "nested too deep"),
    (b"[" * 100_000, "nested too deep"),
]


@pytest.mark.parametrize(
    ("data", "message"),
    NO_DOCUMENTS,
    ids=range(len(NO_DOCUMENTS)),
)
def test_what_is_no_document_is_refused(data: bytes, message: str) -> None:
    assert message in refusal(data, lambda data: list(load_all(io.BytesIO(data))))


def test_a_document_that_was_cut_off_is_refused() -> None:
    assert read(GOOD) == read(GOOD + b"\n")
    for end in range(len(GOOD)):
        refusal(GOOD[:end])


def show_everywhere(run: Inspection) -> None:
    """Every format, every table, the notebook and the console; lossless ones read back equal."""
    for name, format in files.FORMATS.items():
        data = encoded(run, name)
        if format.lossless:
            assert_same(read(data), run)
        encoded(run, name, 3)
    b"".join(markdown.write(run, None, SHOWABLE))
    run._repr_html_()
    Console(file=io.StringIO(), width=80).print(run)
    repr(run)


def places(part: Any, above: tuple[str, ...] = ()) -> Iterator[str]:
    """Every place in a document, the whole of it left out."""
    items = part.items() if isinstance(part, dict) else enumerate(part)
    for key, value in items:
        yield ".".join((*above, str(key)))
        if isinstance(value, (dict, list)):
            yield from places(value, (*above, str(key)))


@pytest.mark.parametrize(
    "text",
    [
        *("null", "true", "0", "-1", "-400", "1.5", "1e999", "-1e39", '""', '"x"', "[]", "{}"),
        *("[[]]", "[[[]]]", "[null]", '{"array": "embedding"}', '"\\ud800"'),
        *('{"x": ' + "[" * 700 + "]" * 700 + "}", '{"x": [1e999]}'),
        *("1" + "0" * 40, "1" + "0" * 400),
    ],
    ids=lambda text: text[:24],
)
def test_any_value_anywhere_is_refused_or_shown(text: str) -> None:
    """Whatever a file holds, it is a DataError or an Inspection that every view can draw."""
    trouble = []
    for place in places(DOCUMENT):
        try:
            run = read(spoilt(place, text))
        except DataError:
            continue
        except Exception as error:
            trouble.append((place, "read", repr(error)[:80]))
            continue
        try:
            show_everywhere(run)
        except Exception as error:
            trouble.append((place, "shown", repr(error)[:80]))
    assert not trouble, "\n".join(map(str, trouble))


def test_nesting_as_deep_as_python_goes() -> None:
    """What is not too deep to be read is not too deep to be written."""
    for depth in (*range(60, 68), *range(900, 1000, 9), 100_000):
        try:
            run = read(spoilt("mask.parameters", '{"x": ' + "[" * depth + "]" * depth + "}"))
        except DataError as error:
            assert depth > 60 and "nested" in error.message
            continue
        assert depth < 64
        show_everywhere(run)


@pytest.mark.parametrize(
    "change",
    [
        {"query_tokens": [], "token_ids": [], "embedding": [], "layers": []},
        {"layers": [{"index": 0, "weights": [], "key": []}]},
        {
            "query_tokens": [],
            "token_ids": None,
            "embedding": None,
            "layers": [{"index": 0, "weights": [], "key": []}],
        },
        {"layers": DOCUMENT["layers"] * 2},
    ],
)
def test_documents_of_nothing_are_refused_or_shown(change: dict[str, Any]) -> None:
    try:
        run = read(json.dumps(DOCUMENT | change).encode())
    except DataError:
        return
    show_everywhere(run)


# Hostile NPZ ------------------------------------------------------------------------------------


def members(run: Inspection | None = None) -> dict[str, bytes]:
    """The parts of a good archive."""
    with zipfile.ZipFile(io.BytesIO(encoded(run or runs(1)[0], "npz"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return file.getvalue()


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def with_document(**changes: Any) -> dict[str, bytes]:
    """A good archive with something else in its document."""
    parts = members()
    found = json.loads(str(np.load(io.BytesIO(parts["document.npy"])))) | changes
    return parts | {"document.npy": npy(np.array(json.dumps(found)))}


def claiming(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + bytes(64)


class Trap:
    """Unpickled, it would make a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_an_archive_is_numpys_own() -> None:
    (run,) = runs(1)
    assert zipped(members(run)) != encoded(run, "csv")
    with np.load(io.BytesIO(encoded(run, "npz"))) as archive:
        assert np.array_equal(archive["layers.0.weights"], run.layers[0].weights)
        assert archive["layers.0.weights"].dtype == np.float32
        assert np.array_equal(archive["token_ids"], run.token_ids)
        names = {f"layers.0.{name}" for name, _, _ in arrays(run.layers[0])}
        assert set(archive.files) == names | {"document", "embedding", "token_ids"}
    assert read(zipped(members(run), zipfile.ZIP_DEFLATED)) == run
    reordered = dict(reversed(members(run).items())) | {"another.npy": npy(np.arange(3))}
    assert read(zipped(reordered)) == run
    fortran = members(run) | {"embedding.npy": npy(np.asfortranarray(run.embedding))}
    assert read(zipped(fortran)) == run


def test_settings_that_look_like_an_array() -> None:
    source = Source(settings={"array": "embedding"})
    run = replace(runs(1)[0], source=source, mask=Mask(parameters={"array": "elsewhere"}))
    assert read(encoded(run, "npz")) == run


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    array = np.array([[Trap(sprung)]], dtype=object)
    message = refusal(zipped(members() | {"embedding.npy": npy(array, allow_pickle=True)}))
    assert "allow_pickle=False" in message
    refusal(zipped({"document.npy": npy(array, allow_pickle=True)}))
    assert not sprung.exists()


WRONG_MEMBERS: list[tuple[dict[str, bytes], str]] = [
    ({"embedding.npy": claiming((1 << 42, 3))}, ""),
    ({"embedding.npy": claiming((1 << 62, 1 << 62))}, ""),
    ({"embedding.npy": claiming((-3, 3))}, ""),
    ({"embedding.npy": claiming((1 << 10, 3))}, ""),
    ({"embedding.npy": b"no header"}, ""),
    ({"embedding.npy": b""}, ""),
    ({"embedding.npy": npy(np.zeros((3, 4)))[:-9]}, ""),
    ({"embedding.npy": npy(np.zeros((4, 3), "f4"))}, "`embedding` has 4 on axis n_query"),
    ({"embedding.npy": npy(np.zeros(3, "f4"))}, "`embedding` has 1 axes; it should have 2"),
    ({"embedding.npy": npy(np.float32(3))}, "`embedding` has 0 axes; it should have 2"),
    ({"embedding.npy": npy(np.zeros((3, 3), "i8"))}, "`embedding` should hold float32"),
    ({"embedding.npy": npy(np.zeros((3, 3), "c8"))}, "`embedding` should hold float32"),
    ({"embedding.npy": npy(np.zeros((3, 3), "U2"))}, "`embedding` should hold float32"),
    ({"embedding.npy": npy(np.full((3, 3), np.nan, "f4"))}, "is not a finite number: nan"),
    ({"embedding.npy": npy(np.full((3, 3), 1e39))}, "is not a finite number"),
    ({"token_ids.npy": npy(np.zeros(3))}, "`token_ids` should hold int64, not float64"),
    ({"token_ids.npy": npy(np.zeros(3, bool))}, "`token_ids` should hold int64, not bool"),
    ({"document.npy": npy(np.zeros(3))}, "has no member `document`"),
    ({"document.npy": npy(np.array("{"))}, "member `document` is not JSON"),
    ({"document.npy": npy(np.array("[]"))}, "should be an object, not an array"),
    ({"document.npy": npy(np.array("{}"))}, "has no schema"),
    ({"document.npy": npy(np.array('{"a": NaN}'))}, "NaN is not a number that JSON has"),
]


@pytest.mark.parametrize(
    ("parts", "message"),
    WRONG_MEMBERS,
)
def test_an_archive_with_a_wrong_member_is_refused(parts: dict[str, bytes], message: str) -> None:
    assert message in refusal(zipped(members() | parts))


REFERENCE = {"array": "embedding"}


MISPLACED: list[tuple[dict[str, Any], str]] = [
    ({"embedding": {"array": "elsewhere"}}, "has no member `elsewhere`"),
    ({"embedding": [REFERENCE]}, "`embedding"),
    ({"embedding": [{"array": "token_ids"}, REFERENCE]}, "embedding"),
    ({"embedding": [[REFERENCE, 1.0]]}, "`embedding[0][0]` should be a number"),
    ({"schema": REFERENCE}, "schema"),
    ({"kind": REFERENCE}, "`kind` should be one of self, causal, cross"),
    ({"text": REFERENCE}, "`text` should be a string"),
    ({"query_tokens": REFERENCE}, "`query_tokens` should be an array"),
    ({"layers": REFERENCE}, "`layers` should be an array"),
    ({"vocabulary": {"a": REFERENCE}}, '`vocabulary["a"]` should be a whole number'),
    ({"token_ids": None, "embedding": None, "layers": None}, "`layers` should be an array"),
]


@pytest.mark.parametrize(
    ("changes", "message"),
    MISPLACED,
)
def test_arrays_in_the_wrong_place_are_refused(changes: dict[str, Any], message: str) -> None:
    assert message in refusal(zipped(with_document(**changes)))


def test_archives_that_are_none() -> None:
    good = encoded(runs(1)[0], "npz")
    assert "is not an NPZ archive" in refusal(b"PK\x03\x04")
    assert "is not an NPZ archive" in refusal(b"PK" + bytes(200))
    assert "`a` has 1 axes (3,)" in refusal(zipped({"a.npy": npy(np.zeros(3))}))
    assert "no array that could be attention" in refusal(zipped({}))
    for name in members():
        parts = members()
        del parts[name]
        if name == "document.npy":  # then its arrays are anybody's
            assert read(zipped(parts)).source.model == "standard input"
            continue
        place = name.removesuffix(".npy")
        assert f"has no member `{place}`" in refusal(zipped(parts))
    for end in range(0, len(good), 61):
        if end:
            refusal(good[:end])


def test_an_archive_that_is_locked_is_refused() -> None:
    data = bytearray(zipped(members()))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # bit 0 of the flags
        place = data.find(mark)
        while place >= 0:
            data[place + offset] |= 1
            place = data.find(mark, place + 4)
    refusal(bytes(data))


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA]
)
def test_a_damaged_archive_is_refused_or_whole(compression: int) -> None:
    """Whichever byte is changed: never anything but a DataError or an Inspection."""
    data = zipped(members(), compression)
    trouble = set()
    for place in range(0, len(data), 5):
        damaged = bytearray(data)
        damaged[place] ^= 0x55
        try:
            read(bytes(damaged))
        except DataError:
            pass
        except Exception as error:
            trouble.add(repr(error)[:80])
    assert trouble == set()


def test_an_archive_that_claims_terabytes_is_refused() -> None:
    """As little as it is compressed, so much would it be: the directory says so beforehand."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members().items():
            archive.writestr(name, data)
        archive.getinfo("embedding.npy").file_size = 1 << 44
    with pytest.raises(DataError, match=r"would take 16\.0 TiB"):
        read(file.getvalue())


# CSV --------------------------------------------------------------------------------------------


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_csv_has_one_line_a_weight() -> None:
    allowed = np.array([[1, 0], [1, 1], [0, 0]], dtype=bool)
    logits = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    weights, _ = softmax(np.where(allowed, logits, np.float32(-np.inf)))
    run = Inspection(
        kind="cross",
        query_tokens=(Token("one"), Token("two"), Token("three")),
        key_tokens=(Token("un"), Token("deux")),
        mask=Mask(name="given", allowed=allowed),
        layers=(Layer(index=3, weights=weights), Layer(index=4, weights=weights[::-1])),
    )
    data = encoded(run, "csv")
    assert data.splitlines()[0] == b"layer,head,query,key,query_token,key_token,weight"
    rows = rows_of(data)
    assert len(rows) == 2 * 2 * 3 * 2
    order = [(row["layer"], row["head"], row["query"], row["key"]) for row in rows]
    assert order == [(l, h, q, k) for l in "34" for h in "01" for q in "012" for k in "01"]  # noqa: E741
    for row in rows:
        layer, head, query, key = (int(row[n]) for n in ("layer", "head", "query", "key"))
        assert row["query_token"] == run.query_tokens[query].text
        assert row["key_token"] == run.key_tokens[key].text
        if allowed[query, key]:
            assert np.float32(row["weight"]) == run.layers[layer - 3].weights[head, query, key]
        else:
            assert row["weight"] == ""  # masked is absent, not 0
    for row, exact in zip(rows_of(encoded(run, "csv", 2)), rows, strict=True):
        assert len(row["weight"]) <= 4
        if exact["weight"]:
            assert abs(float(row["weight"]) - float(exact["weight"])) <= 0.005 + 1e-9


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "'quoted'", "''", "=cmd|'/c'!A"]
OBEYED = ["\t=1", "\r=1", "\n=1", "a\x1b[31mb", "a\rb", "\u202e", "\\n", "\\x1b", "\\frac", "\\\n"]


def saved_tokens(texts: list[str]) -> list[str]:
    tokens = tuple(Token(text) for text in texts)
    weights = np.full((1, len(texts), len(texts)), 1 / len(texts), dtype=np.float32)
    run = Inspection(query_tokens=tokens, layers=(Layer(weights=weights),))
    rows = rows_of(encoded(run, "csv"))
    assert len(rows) == len(texts) ** 2
    assert [row["key_token"] for row in rows[: len(texts)]] == [
        row["query_token"] for row in rows[:: len(texts)]
    ]
    return [row["query_token"] for row in rows[:: len(texts)]]


def test_no_cell_of_a_csv_file_is_a_formula_or_obeyed() -> None:
    for text, cell in zip(FORMULAS, saved_tokens(FORMULAS), strict=True):
        assert cell == f"'{text}"
    for text, cell in zip(OBEYED, saved_tokens(OBEYED), strict=True):
        assert cell.isprintable() and cell[0] not in "=+-@", cell
        assert token_of(cell) == text
    assert saved_tokens(["-0.5x", "C:\\dir"]) == ["'-0.5x", "C:\\dir"]


@given(st.lists(ANY_TEXT | st.text("a,\"\r\n'=\t", max_size=6), min_size=1, max_size=4))
@example(["a\rb"])
@example(['"', ",", "\r\n", ""])
@EXAMPLES
def test_the_tokens_of_a_csv_file_are_exact(texts: list[str]) -> None:
    assert list(map(token_of, saved_tokens(texts))) == texts


# Markdown ---------------------------------------------------------------------------------------

MARKUP = [
    *("a|b", "*a*", "__a__", "`a`", "[a](b)", "![a](b)", "<b>a</b>", "<!-- a", "&amp;", "\\|"),
    *("# a", "- a", "1. a", "~~a~~", "http://a.b", "| a |", "a\nb", "---", "&#124;", "<script>"),
    *("\x1b[31ma", "\u202ea", ":-:", "{a}", "a\\", "$a$"),
]


def rendered(run: Inspection, names: tuple[str, ...] = ("tokens", "weights")) -> str:
    page = b"".join(markdown.write(run, None, names)).decode()
    return str(MarkdownIt("commonmark").enable("table").enable("strikethrough").render(page))


def inner(html: str, tag: str) -> list[str]:
    """The texts of an element, which must hold no other."""
    from html import unescape

    pieces = html.split(f"<{tag}")[1:]
    texts = [piece.split(">", 1)[1].split(f"</{tag}>")[0] for piece in pieces]
    assert not any("<" in text for text in texts)
    return [unescape(text) for text in texts]


@given(st.lists(HOSTILE | st.text("|*_`[]()<>&#\\~!-+.:a ", max_size=8), min_size=1, max_size=4))
@example(MARKUP)
@EXAMPLES
def test_markdown_shows_tokens_as_they_are(texts: list[str]) -> None:
    tokens = tuple(Token(text) for text in texts)
    weights = np.full((1, len(texts), len(texts)), 1 / len(texts), dtype=np.float32)
    run = Inspection(text="".join(texts), query_tokens=tokens, layers=(Layer(weights=weights),))
    html = rendered(run)
    (heading,) = inner(html, "h2")
    assert heading.strip() == visible(run.text or run.source.model).strip()
    assert html.count("<table>") == 2
    cells = inner(html.split("<table>")[2], "td")
    names = [label(text).strip() for text in texts]
    assert [cell.strip() for cell in cells[:: len(texts) + 1]] == names


def test_markdown_has_every_table_with_its_shape() -> None:
    run = inspect("Life is short, eat dessert first")
    page = encoded(run, "md").decode()
    assert page.startswith("## Life is short, eat dessert first\n")
    for name, shape in (("tokens", "2 × 6"), ("embedding", "6 × 3"), ("weights", "6 × 6")):
        assert f"**{name}** {shape}" in page
    assert "| 0.6870 |" in page
    assert "| 0.69 |" in encoded(run, "md", 2).decode()
    html = rendered(run, ("tokens", "embedding", "weights"))
    assert html.count("<table>") == 3
    assert len(inner(html, "td")) == 2 * 7 + 6 * 4 + 6 * 7


# Written whole or not at all --------------------------------------------------------------------


def pieces_then(error: BaseException) -> Iterator[bytes]:
    yield b"half of "
    raise error


@pytest.mark.parametrize(
    "error",
    [DataError("no"), OSError(28, "No space left"), KeyboardInterrupt(), ValueError("a bug")],
)
def test_a_failure_midway_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file.json"
    expected = DataError if isinstance(error, OSError) else type(error)
    for before in (None, b"what was there"):
        if before is not None:
            path.write_bytes(before)
        with pytest.raises(expected):
            files.write_whole(path, pieces_then(error))
        assert (path.read_bytes() if path.exists() else None) == before
        assert [item.name for item in tmp_path.iterdir()] == ([path.name] if before else [])


def test_permissions_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    mask = os.umask(0o027)
    try:
        files.write_whole(path, [b"a", b"b"])
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640  # as any program here makes a file
    path.chmod(0o604)
    files.write_whole(path, [b"c"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    assert path.read_bytes() == b"c"
    assert [item.name for item in tmp_path.iterdir()] == ["file.json"]


def test_a_link_keeps_pointing(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "file.json", tmp_path / "link.json"
    link.symlink_to(Path("real") / "file.json")
    for content in (b"made through the link", b"and replaced"):
        files.write_whole(link, [content])
        assert link.is_symlink()
        assert target.read_bytes() == content
    assert [item.name for item in target.parent.iterdir()] == ["file.json"]


@pytest.mark.parametrize(
    "name", [".", "none/file.json", "loop.json/file.json", "x" * 300, "loop.json", "a\0b"]
)
def test_places_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    path = tmp_path / name
    with pytest.raises(DataError) as caught:
        files.write_whole(path, [b"x"])
    assert caught.value.message.startswith(f"cannot write `{path}`: ")
    assert list(tmp_path.iterdir()) == [loop]


def test_a_file_without_a_name() -> None:
    with pytest.raises(DataError, match="name of a file to write is empty"):
        files.write_whole("", [b"x"])


def test_any_name_that_the_system_takes(tmp_path: Path) -> None:
    for name in ("x" * 250 + ".json", "\U0001f642" * 60 + ".json"):  # 255 and 245 bytes
        (tmp_path / name).write_bytes(b"before")
        files.write_whole(tmp_path / name, [b"after"])
        assert (tmp_path / name).read_bytes() == b"after"


def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    files.write_whole(pipe, [b"through ", b"the pipe"])
    reader.join(30)
    assert got == [b"through the pipe"]
    assert pipe.is_fifo()
    files.write_whole("/dev/null", [b"x"])


# Vocabularies -----------------------------------------------------------------------------------


def read_words(data: bytes) -> Vocabulary:
    return vocabulary_files.load(io.BytesIO(data))


WORDS = st.lists(ANY_TEXT.filter(bool), min_size=1, max_size=6, unique=True)


@given(WORDS, st.booleans())
@EXAMPLES
def test_a_vocabulary_reads_back_equal(words: list[str], counted: bool) -> None:
    counts = {word: number for number, word in enumerate(words)} if counted else None
    vocabulary = Vocabulary({word: number for number, word in enumerate(words)}, counts)
    data = vocabulary_files.to_json(vocabulary)
    assert data.isascii()
    assert data.count(b"\n") == 1
    found = json.loads(data)
    assert (found["schema"], found["n_vocab"]) == ("attn-vocabulary/1", len(words))
    again = read_words(data)
    assert list(again.items()) == list(vocabulary.items())
    assert again.counts == vocabulary.counts


@given(WORDS)
@example(["\ufeffa"])
@example(["[PAD]", "{"])
@example(["a b ", " "])
@EXAMPLES
def test_a_vocabulary_as_text_reads_back_equal_or_is_refused(words: list[str]) -> None:
    vocabulary = Vocabulary({word: number for number, word in enumerate(words)})
    with TemporaryDirectory() as folder:
        path = Path(folder) / "words.txt"
        try:
            path.write_bytes(vocabulary_files.encode(vocabulary, path))
        except UsageError:
            assert any("\n" in w or w[-1] == "\r" or w[0] == "\ufeff" for w in words)
            return
        assert list(vocabulary_files.load(path).items()) == list(vocabulary.items())


@pytest.mark.parametrize("suffix", [".json", ".txt", ".JSON", ".TXT"])
def test_a_vocabulary_file_goes_by_its_suffix(tmp_path: Path, suffix: str) -> None:
    vocabulary, path = Vocabulary({"[PAD]": 0, "b": 1, "a": 2}), tmp_path / f"words{suffix}"
    path.write_bytes(vocabulary_files.encode(vocabulary, path))
    assert vocabulary_files.load(path) == vocabulary
    assert (path.read_bytes() == b"[PAD]\nb\na\n") == (suffix.lower() == ".txt")
    with pytest.raises(UsageError) as caught:
        vocabulary_files.encode(vocabulary, "words.yaml")
    assert caught.value.message == "no vocabulary format is known for `words.yaml`"
    assert caught.value.hint == "Use one of: .json, .txt."


@pytest.mark.parametrize("word", ["", "a\nb", "a\r", "\ufeffa"])
def test_a_word_that_a_line_cannot_hold_is_not_written_as_one(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        vocabulary_files.to_text(Vocabulary({"b": 0, word: 1}))
    assert f"the word `{word}` holds a line break" in caught.value.message
    assert caught.value.hint == "Write the vocabulary as `.json`."
    assert (
        vocabulary_files.to_text(Vocabulary({"a\rb": 0, "b\ufeff": 1}))
        == "a\rb\nb\ufeff\n".encode()
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"b": 1, "a": 0}', {"a": 0, "b": 1}),
        (b'{"vocabulary": 0, "counts": 1}', {"vocabulary": 0, "counts": 1}),  # ordinary words
        (b'["b", "a", "{"]', {"b": 0, "a": 1, "{": 2}),
        (b"b\na\n", {"b": 0, "a": 1}),
        (b"b\na", {"b": 0, "a": 1}),
        (b"b\r\na c\r\n", {"b": 0, "a c": 1}),
        (b"\xef\xbb\xbfb\na\n", {"b": 0, "a": 1}),
        (b'\xef\xbb\xbf {"a": 0}', {"a": 0}),
        (" \n\u3000\n\u0085\n".encode(), {" ": 0, "\u3000": 1, "\u0085": 2}),
        (b"null\n5\n", {"null": 0, "5": 1}),
        (encoded(inspect("Life is short"), "json"), {"Life": 0, "is": 1, "short": 2}),
    ],
)
def test_the_vocabulary_files_of_others(data: bytes, expected: dict[str, int]) -> None:
    assert dict(read_words(data)) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"a\nb\nc",
        b"a\nb\nc\nd\n",
        b'["a", "b", "c"]',
        b'{"a": 0, "b": 1, "c": 2}',
        b'{"vocabulary": {"a": 0, "b": 1, "c": 2}, "counts": {"a": 1, "b": 1, "c": 1}}',
    ],
)
def test_a_vocabulary_has_a_limit(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(vocabulary_files.load(io.BytesIO(data))) in (3, 4)
    monkeypatch.setattr(vocabulary_files, "MOST_WORDS", 2)
    for others in (1 << 16, 0):  # seen after it is read, and before
        monkeypatch.setattr(vocabulary_files, "_OTHERS", others)
        with pytest.raises(DataError, match=r"^standard input holds more than 2 words$"):
            vocabulary_files.load(io.BytesIO(data))


@pytest.mark.parametrize(
    "data",
    [
        b'["a", "b", "c"]',
        b'{"a": 0, "b": 1, "c": 2}',
        b'{"vocabulary": {"a": 0, "b": 1}, "counts": {"a": 1, "b": 1}}',
    ],
)
def test_too_many_words_are_seen_before_they_are_read(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabulary_files, "MOST_WORDS", 3)
    monkeypatch.setattr(vocabulary_files, "_OTHERS", 0)
    assert len(vocabulary_files.load(io.BytesIO(data))) in (2, 3)

    def parse(data: bytes, name: str) -> Any:
        raise AssertionError(f"{name} was read")

    monkeypatch.setattr(vocabulary_files, "parse", parse)
    with pytest.raises(AssertionError, match="was read"):
        vocabulary_files.load(io.BytesIO(data))
    monkeypatch.setattr(vocabulary_files, "MOST_WORDS", 2)
    with pytest.raises(DataError, match="more than 2 words"):
        vocabulary_files.load(io.BytesIO(data))


def test_a_txt_is_json_only_from_end_to_end(tmp_path: Path) -> None:
    for number, (text, words) in enumerate(
        (
            ('{"a": 0, "b": 1}', ["a", "b"]),
            ('\ufeff \n["a", "b"]\r\n', ["a", "b"]),
            ("[PAD]\n[UNK]\na\n", ["[PAD]", "[UNK]", "a"]),
            ("[PAD]\n[UNK]\n", ["[PAD]", "[UNK]"]),
            ('["a"]\nb', ['["a"]', "b"]),
            ("a,1\nb,2\nc,3\n", ["a,1", "b,2", "c,3"]),
        )
    ):
        file = tmp_path / f"{number}.TXT"
        file.write_bytes(text.encode())
        assert list(vocabulary_files.load(file)) == words, text


def test_words_that_would_be_read_as_json_are_not_written_as_text() -> None:
    with pytest.raises(UsageError) as caught:
        vocabulary_files.encode(Vocabulary.of(['["a"]']), "v.txt")
    assert str(caught.value) == (
        "these words, a line each, are JSON\nWrite the vocabulary as `.json`."
    )
    assert vocabulary_files.encode(Vocabulary.of(["[a]", "]"]), "v.txt") == b"[a]\n]\n"


def test_numbers_beside_the_first_hundred_words_tell(tmp_path: Path) -> None:
    numbered = [f"w{i},{i}" for i in range(1, 101)]
    for lines, is_refused in (
        (["word", *numbered], True),
        (["word", *numbered, "end"], True),
        (["word", *numbered[:-1], "end"], False),
        (["word", "begin", *numbered[1:]], False),
    ):
        data = io.BytesIO("\n".join(lines).encode())
        if is_refused:
            with pytest.raises(DataError) as caught:
                vocabulary_files.load(data)
            assert caught.value.hint == 'Leave out the numbers, or write JSON: {"word": id}.'
        else:
            assert list(vocabulary_files.load(data)) == lines


def test_quotes_in_words_are_not_taken_for_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary_files, "MOST_WORDS", 4)
    monkeypatch.setattr(vocabulary_files, "_OTHERS", 0)
    words = ['"' * 9, "\\" * 9, '\\"' * 9, "a"]
    for value in (words, {word: index for index, word in enumerate(words)}):
        assert list(vocabulary_files.load(io.BytesIO(json.dumps(value).encode()))) == words


def test_what_no_file_could_hold_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary_files, "MOST_WORDS", 2)
    for path in ("v.json", "v.txt"):
        assert vocabulary_files.encode(Vocabulary.of(["a", "b"]), path)
        with pytest.raises(UsageError, match="has 3 words; 2 are the most in a file") as caught:
            vocabulary_files.encode(Vocabulary.of(["a", "b", "c"]), path)
        assert "--min-count" in caught.value.hint


NO_VOCABULARIES: list[tuple[bytes, str]] = [
    (b"", "holds no words"),
    (b"{}", "holds no words"),
    (b"[]", "holds no words"),
    (b"a\nb\na\n", "`a` stands twice, at line 1 and line 3"),
    (b'["a", "b", "b"]', "`b` stands twice, at entry 1 and entry 2"),
    (b'["a", 5]', "entry 1 is not a word"),
    (b"a\n\nb\n", "line 2 is empty"),
    (b'["a", ""]', "entry 1 is empty"),
    (b'["a", "b", 5]', "entry 2 is not a word"),
    (b"word,id\nthe,0\ncat,1\n", "a word and a number a line; a vocabulary has a word a line"),
    (b"the\t-2.5\ncat\t-3\n", "a word and a number a line"),
    (b'{"": 0}', "the word with the id 0 is empty"),
    (b'{"a": 0, "b": 2}', "no word has the id 1, but 2 words are given"),
    (b'{"a": 1}', "no word has the id 0, but 1 words are given"),
    (b'{"a": 0, "b": 0}', "two words have the id 0"),
    (b'{"a": -1}', "the id of `a` is negative"),
    (b'{"a": 0, "a": 1}', "the key `a` is given twice"),
    (b'{"a": "0"}', "the id of `a` is not a whole number"),
    (b'{"a": true}', "the id of `a` is not a whole number"),
    (b'{"a": 0.0}', "the id of `a` is not a whole number"),
    (b'{"a": NaN}', "NaN is not a number that JSON has"),
    (b'{"vocabulary": {"a": 0}, "counts": {"a": "many"}}', "`counts` should give a whole"),
    (b'{"vocabulary": {"a": 0}, "counts": [1]}', "`counts` should give a whole"),
    (b'{"vocabulary": {"a": 0}, "counts": {"a": -5}}', "the count of `a` is negative: -5"),
    (b'{"vocabulary": {"a": 0}, "counts": {"z": 5}}', "`counts` has `z`, which has no id"),
    (b'{"vocabulary": {"a": 0}, "n_vocab": 9}', "`n_vocab` is 9, and 1 words are given"),
    (b'{"vocabulary": {"a": 0}, "schema": "attn-vocabulary/9"}', "the schema attn-vocabulary/9"),
    (b"the 0\ncat 1\ndog 2\n", "a word and a number a line"),
    (b'{"a": 0', "is not JSON"),
    (b"a\n\xff\n", "is not UTF-8 text: byte 0xff at 2"),
    ("a\nb".encode("utf-16"), "is not UTF-8 text: byte 0xff at 0"),
    (b"[" * 100_000, "nested too deep"),
]


@pytest.mark.parametrize(
    ("data", "message"),
    NO_VOCABULARIES,
)
def test_vocabulary_files_that_are_refused(data: bytes, message: str) -> None:
    assert message in refusal(data, read_words)


def test_a_json_file_is_json(tmp_path: Path) -> None:
    file = tmp_path / "v.JSON"
    for data, message in (
        (b"the 0\ncat 1\n", "is not JSON"),
        (b"5", "should hold an object, word to id, or an array of words"),
        (b"", "holds no words"),
    ):
        file.write_bytes(data)
        with pytest.raises(DataError, match=f"v.JSON`:? {message}"):
            vocabulary_files.load(file)


def test_half_characters_in_a_vocabulary_file() -> None:
    with pytest.raises(AttnError, match=r"of the word with the id 1, .*U\+D800"):
        read_words(b'{"a": 0, "\\ud800": 1}')
