"""Strict JSON: what is read, and for everything else the message, word for word."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli.errors import DataError
from attn_cli.strict_json import decoded, parse, refuse_beginning, shown

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_python_writes_is_read_back(value: Any) -> None:
    data = json.dumps(value).encode()
    assert parse(data, "x") == parse(b"\xef\xbb\xbf" + data, "x") == value


def test_numbers_are_made_as_asked() -> None:
    read = parse(b"[1.50, 2, NaN, -Infinity]", "x", floats=Decimal, constants=str.lower)
    assert [str(value) for value in read] == ["1.50", "2", "nan", "-infinity"]


REFUSED = {
    "byte": (b'{"a": 1}\xff', "x.json is not UTF-8 text: byte 0xff at 8"),
    "UTF-16": ('"a"'.encode("utf-16"), "x.json is not UTF-8 text: byte 0xff at 0"),
    "noise": (b"\r\n\n  ?", "x.json is not JSON: Expecting value at line 3, column 3"),
    "nothing": (b"", "x.json is not JSON: Expecting value at line 1, column 1"),
    "more": (b"1 2", "x.json is not JSON: Extra data at line 1, column 3"),
    "control": (b'"\t"', "x.json is not JSON: Invalid control character at line 1, column 2"),
    "twice": (
        b'{"a": {"b": 1, "c": 2, "b": 3}}',
        "x.json is not usable JSON: the key `b` is given twice",
    ),
    "the first to come again": (
        b'{"a": 0, "b": 0, "b": 0, "a": 0}',
        "x.json is not usable JSON: the key `b` is given twice",
    ),
    "NaN": (b"NaN", "x.json is not usable JSON: NaN is not a number that JSON has"),
    "infinity": (
        b"[-Infinity]",
        "x.json is not usable JSON: -Infinity is not a number that JSON has",
    ),
    "digits": (b"9" * 5_000, "x.json is not usable JSON: a number has too many digits"),
    "lists": (b"[" * 200_000, "x.json is not usable JSON: it is nested too deep"),
    "objects": (b'{"a":' * 200_000, "x.json is not usable JSON: it is nested too deep"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_strict_is_refused(case: str) -> None:
    data, message = REFUSED[case]
    with pytest.raises(DataError) as caught:
        parse(data, "x.json")
    assert (caught.value.message, caught.value.hint) == (message, "")


WHOLE = b'{"a": [1, 2.5, "text\\u00e9 \xc3\xa9"], "b": {"c": [true, null, -1e-9]}}\n{"a": []}'


def test_every_beginning_of_json_is_let_through() -> None:
    for end in range(1, len(WHOLE)):
        refuse_beginning(WHOLE[:end], "x")


BEGINNINGS = {
    "another byte": (b'{"a": "\xff"', "x is not UTF-8 text: byte 0xff at 7"),
    "no JSON": (
        b"words and many more of them",
        "x is not JSON: Expecting value at line 1, column 1",
    ),
    "no comma": (
        b"[1,\n2 3, 4, 5, 6, 7, 8, 9, 10]",
        "x is not JSON: Expecting ',' delimiter at line 2, column 3",
    ),
    "more": (b"[1] [2] [3] [4] [5] [6]", "x is not JSON: Extra data at line 1, column 5"),
    "twice": (
        b'{"a": {"b": 1, "b": 2}, "c": 3',
        "x is not usable JSON: the key `b` is given twice",
    ),
    "NaN": (b"[[NaN], 1", "x is not usable JSON: NaN is not a number that JSON has"),
    "deep": (b"[" * 65_000, "x is not usable JSON: it is nested too deep"),
}


@pytest.mark.parametrize("case", BEGINNINGS)
def test_what_no_json_begins_with_is_refused(case: str) -> None:
    data, message = BEGINNINGS[case]
    with pytest.raises(DataError) as caught:
        refuse_beginning(data, "x")
    assert (caught.value.message, caught.value.hint) == (message, "")


def test_a_beginning_is_no_longer_than_is_looked_at() -> None:
    """What is wrong before byte 65,536 is seen, except for the last 16; what comes after is not."""
    good = b"[" + b"1," * 40_000
    refuse_beginning(good[: 1 << 16] + b"x" * 1000, "x")
    for place, is_seen in ((65_519, True), (65_521, False), (65_535, False)):
        data = bytearray(good)
        data[place] = ord("x")
        if is_seen:
            with pytest.raises(DataError, match=f"column {place + 1}$"):
                refuse_beginning(bytes(data), "x")
        else:
            refuse_beginning(bytes(data), "x")


def test_bytes_are_text_or_named_with_their_place() -> None:
    assert decoded(b"\xef\xbb\xbfa\xc3\xa9", "x") == decoded(b"a\xc3\xa9", "x") == "a\u00e9"
    assert decoded(b"a\xc3", "x", is_whole=False) == "a"
    for data, message in {
        b"a\xc3": "x is not UTF-8 text: byte 0xc3 at 1",
        b"ab\xffc": "x is not UTF-8 text: byte 0xff at 2",
        b"\xef\xbb\xbfab\xffc": "x is not UTF-8 text: byte 0xff at 5",
    }.items():
        with pytest.raises(DataError) as caught:
            decoded(data, "x")
        assert caught.value.message == message


def test_values_are_shown_short() -> None:
    assert shown({"a": 1}) == "{…}"
    assert shown([1, "a", [[2]], {"b": 3}]) == '[1, "a", […], {…}]'
    assert shown("é\n") == r'"\u00e9\n"'
    assert shown(None) == "null"
    assert shown("a" * 100) == '"' + "a" * 39
    assert shown("abcdef", 4) == '"abc'
    assert shown(list(range(100)), 9) == "[0, 1, 2,"
    assert shown([], 1) == "["
