"""Hostile files, by the thousand: whatever the bytes, a reader reads them or says what is wrong."""

from __future__ import annotations

import copy
import io
import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pace import promptly
from readers import READERS, tensors

from attn_cli import memory
from attn_cli.errors import AttnError, DataError, UsageError
from attn_cli.files import beginning, npy
from attn_cli.strict_json import refuse_beginning, shown
from attn_cli.torch_random import Generator, skip_normals
from attn_cli.vocabulary import count_words, whole_words


def outcome(name: str, data: bytes) -> str:
    """What a reader says; anything but an AttnError is raised."""
    read, _ = READERS[name]
    with promptly(), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read(data)
            said = ""
        except AttnError as error:
            said = error.message
    return said


@pytest.mark.parametrize("name", READERS)
def test_what_is_whole_is_read(name: str) -> None:
    assert outcome(name, READERS[name][1]) == ""


@pytest.mark.parametrize("name", READERS)
def test_what_is_cut_anywhere_is_read_or_refused(name: str) -> None:
    whole = READERS[name][1]
    for end in range(0, len(whole), 1 + len(whole) // 500):
        outcome(name, whole[:end])


CHANGES = st.lists(
    st.tuples(
        st.floats(0, 1),  # where
        st.integers(0, 9),  # how many bytes go
        st.one_of(
            st.binary(max_size=9),
            st.sampled_from([b"1e999", b"NaN", b"null", b"-", b"[" * 2000, b"\0" * 8, b"\xff" * 8]),
            st.sampled_from([b'"', b"{}", b"[]", b",", b"9" * 5000, b"\x7f" + b"\xff" * 7, b"\n"]),
        ),
    ),
    min_size=1,
    max_size=5,
)


@given(st.sampled_from(sorted(READERS)), CHANGES)
@settings(max_examples=500)
def test_what_is_changed_is_read_or_refused(
    name: str, changes: list[tuple[float, int, bytes]]
) -> None:
    data = READERS[name][1]
    for where, gone, new in changes:
        place = int(where * len(data))
        data = data[:place] + new + data[place + gone :]
    outcome(name, data)


VALUES = (
    None, True, 0, -1, 10**400, 2**63, 0.5, 1e308, float("inf"), float("nan"), "", "\ud800", "\0",
    [], [[]], {}, [None], {"a": 1},
)  # fmt: skip


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every node of a document; of an array only to the first."""
    yield place
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*place, key))
    elif isinstance(value, list):
        yield from places(value[0], (*place, 0)) if value else ()


def test_whatever_stands_in_a_document_is_read_or_refused_with_its_place() -> None:
    document = json.loads(READERS["json"][1])
    for place in places(document):
        for value in VALUES:
            changed = owner = copy.deepcopy([document])
            for key in (0, *place)[:-1]:
                owner = owner[key]
            owner[(0, *place)[-1]] = value
            said = outcome("json", json.dumps(changed[0]).encode())
            assert said.startswith("`it`") or not said, (place, value)


@pytest.mark.parametrize("name", READERS)
def test_nesting_that_is_nearly_too_deep(name: str) -> None:
    """Between what is read and what is refused as too deep lies nothing else."""
    for depth in (*range(60, 70), *range(880, 1000, 3)):
        for start, end in ((b"[", b"]"), (b'{"a":', b"}")):
            for data in (b"%s1%s", b"[[%s1%s]]", b'{"a": [%s1%s]}', b'{"schema": %s1%s}'):
                outcome(name, data % (start * depth, end * depth))


# Beginnings of what is large or endless --------------------------------------------------------

MORE = 100_000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"y\n" * MORE, "is not JSON: Expecting value at line 1, column 1"),
        (b"[" * MORE, "nested too deep"),
        (b"[1]\n" * MORE, "Extra data at line 2"),
        (b"[1, " + bytes(MORE), "Expecting value at line 1, column 5"),
        (b'[{"a": 1, "a": 2},' + b" " * MORE, "`a` is given twice"),
        (b"\x1f\x8b" + bytes(MORE), "compressed"),
        (b"\x80\x04" + bytes(MORE), "pickle"),
        (b"\xff" * MORE, "byte 0xff at 0"),
    ],
)
def test_a_beginning_that_can_become_nothing(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=f"`it`.*{message}"):
        beginning.of_tensors(data, "`it`")


def test_a_schema_is_looked_for_as_far_as_is_said() -> None:
    data = b'\n{"x": 1, "schema": "attn/1"}'
    assert beginning.is_document(data)
    assert beginning.is_document(data, len(data)) and not beginning.is_document(data, 20)
    far = b"{" + b" " * (1 << 16) + data.lstrip()[1:]
    assert beginning.is_document(far)
    assert beginning.of_text(data, "`it`") == beginning.LARGEST_DATA
    assert beginning.of_text(far, "`it`") == beginning.LARGEST_TEXT


def test_a_header_has_a_length_that_the_format_allows() -> None:
    for length, is_one in ((10**8, True), (10**8 + 1, False)):
        data = length.to_bytes(8, "little") + b"{"
        assert beginning.is_safetensors(data) == is_one
    with pytest.raises(DataError, match="at byte 8"):
        beginning.refuse_shut((10**8).to_bytes(8, "little") + b"[", "`x.safetensors`")
    beginning.refuse_shut(b'{"a": "abc{\0"}', "`x.safetensors`")


@pytest.mark.parametrize(
    "whole",
    [
        b'{"a": "%s"}' % (b"x" * MORE),
        b"[%s 1]" % (b"1.5e-3, " * MORE),
        b"[%s null]" % (b"null, true, false, -0.0, " * MORE),
        b'["%s"]' % (b"\\u00e9\\n" * MORE),
        '["{}"]'.format("é€😀" * MORE).encode(),
        b'{"a": 1}\n' * MORE,
        b"[%s]" % (b" " * MORE),
    ],
)
def test_a_beginning_that_may_become_something(whole: bytes) -> None:
    for end in range((1 << 16) - 40, (1 << 16) + 1):
        refuse_beginning(whole[:end], "`it`")


def test_words_begin_as_text() -> None:
    for data, message in ((b"a\0", "byte 0x00 at 1"), (b"a\n\xff", "byte 0xff at 2")):
        with pytest.raises(DataError, match=message):
            beginning.of_text(data, "`it`")
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    with pytest.raises(DataError, match="no NPY array of version"):
        beginning.of_text(b"\x93NUMPY" + bytes(100), "`it`")
    for data in (b"PK\3\4\0", array.getvalue(), "[0.1 0.2]\né".encode()[:-1]):
        beginning.of_text(data, "`it`")


# What has no end, and what has no size ----------------------------------------------------------


def test_a_text_may_not_be_as_long_as_arrays_or_what_attn_wrote() -> None:
    own = READERS["json"][1]
    for data in (
        own,
        b"\xef\xbb\xbf \n" + own,
        own[:100],
        READERS["npz"][1],
        READERS["vectors npy"][1],
    ):
        assert beginning.of_text(data, "`it`") == beginning.LARGEST_DATA == 1 << 30
    for text in (b"a b", b"[[1,", b'{"a": 1}', b'word {"schema": "attn/1"', b"PK", b""):
        assert beginning.of_text(text, "`it`") == beginning.LARGEST_TEXT == 1 << 26
    with pytest.raises(DataError, match=r"^`it` is not JSON: .* line 1, column 22$"):
        beginning.of_text(b'{"schema": "attn/1", 1' + b" " * 20, "`it`")
    for data, said in ((b"a\0b\0", "no text: byte 0x00 at 1"), (b"a\xff ", "not UTF-8 text: byte")):
        with pytest.raises(DataError, match=f"^`it` is {said}"):
            beginning.of_text(data, "`it`")


def test_a_word_without_end_is_refused() -> None:
    endless = iter(lambda: "\0" * (1 << 20), "")
    with pytest.raises(DataError, match="a word of more than 4,194,304 characters"):
        list(whole_words(endless))


def test_words_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attn_cli.vocabulary._MOST_WORDS", 1000)
    endless = (f"{i} " for i in range(10**9))
    with pytest.raises(DataError, match="more than 1,000 distinct words"):
        count_words(endless)


def test_numbers_that_would_take_minutes_to_pass_over_are_refused() -> None:
    with pytest.raises(UsageError, match="numbers would have to be drawn"):
        skip_normals(Generator(1), 2**40)


def test_any_size_is_readable() -> None:
    assert memory.readable(2**63) == "8.0 EiB"
    assert memory.readable((2**63) ** 32) == "more than 1,048,576 EiB"


def test_what_is_shown_of_a_value_is_short_and_shallow() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert [shown(deep), shown([1, deep]), shown({"a": deep})] == ["[[…]]", "[1, […]]", "{…}"]
    assert [shown("x" * 10**6), shown([]), shown({})] == ['"' + "x" * 39, "[]", "{}"]


@given(st.data())
@settings(max_examples=200)
def test_arrays_are_read_as_numpy_reads_them(data: Any) -> None:
    kind = data.draw(
        st.sampled_from(["<f4", ">f4", "<f2", "<f8", "|u1", "<i8", "|b1", "<U3", "|S2"])
    )
    shape = data.draw(st.lists(st.integers(0, 4), max_size=4))
    order = data.draw(st.sampled_from("CF"))
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(kind, order=order)
    file = io.BytesIO()
    np.save(file, array)
    read = npy.read(file.getvalue(), "it")
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    assert np.array_equal(read, array)


def test_tensors_are_never_run() -> None:
    """The reader of all formats, on what a pickle begins with."""
    for protocol in range(2, 6):
        with pytest.raises(DataError, match="pickle"):
            tensors(b"\x80" + bytes([protocol]) + b"cos\nsystem\n.")
