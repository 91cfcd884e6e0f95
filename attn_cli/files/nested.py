"""Nested: lists within lists, as JSON has them, become one array, or the first that does not fit
is named with its place.

No step in Python is taken for each row: a file of a few megabytes may have a million of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Fail = Callable[[str, str], DataError]  # of a place and what is wrong there

_TOGETHER = 1 << 16  # numbers that are read at once
_LEAVES: dict[str, set[type]] = {"b": {bool}, "i": {int}, "f": {int, float}}
_LEAF_NAMES = {"b": "true or false", "i": "a whole number", "f": "a number"}
KINDS: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
}


def kind_of(value: Any) -> str:
    """What a parsed value is, in words."""
    if value is None:
        return "null (or missing)"
    if isinstance(value, list):
        return "an array"
    return KINDS.get(type(value), "something else")


def array(
    value: list[Any], place: str, ndim: int, declared: Mapping[str, Any], fail: Fail
) -> NDArray[Any]:
    """Lists nested `ndim` deep as an array.

    Args:
        place: of the list, for messages.
        declared: `dtype`; whether a `null` may stand for minus infinity, `infinite`; and whether
            the dtype is only that of the first leaf, `guessed`.
        fail: makes the error that is raised.

    Raises:
        DataError: lists differ in length, or hold what they should not.
    """
    rows, shape = innermost(value, place, ndim, fail)
    found = np.empty((len(rows), shape[-1]), declared["dtype"])
    some = max(1, _TOGETHER // max(1, shape[-1]))
    for start in range(0, len(rows) if shape[-1] else 0, some):
        part = rows[start : start + some]
        try:
            found[start : start + some] = _numbers(part, declared)
        except DataError:
            for index, row in enumerate(part, start):
                _require(row, place + at(shape[:-1], index), declared, fail)
            raise
    return found.reshape(shape)


def innermost(
    value: list[Any], place: str, ndim: int, fail: Fail
) -> tuple[list[list[Any]], list[int]]:
    """The innermost of lists nested `ndim` deep, in order, and the shape of the whole.

    Raises:
        DataError: lists differ in length, or something else stands where a list should.
    """
    rows, shape = [value], [len(value)]
    for _ in range(1, ndim):
        rows = list(chain.from_iterable(rows))
        if set(map(type, rows)) - {list}:
            index = next(i for i, row in enumerate(rows) if type(row) is not list)
            what = f"should be an array, not {kind_of(rows[index])}"
            raise fail(place + at(shape, index), what)
        length = len(rows[0]) if rows else 0
        if set(map(len, rows)) - {length}:
            index = next(i for i, row in enumerate(rows) if len(row) != length)
            what = f"has {len(rows[index])} entries where others have {length}"
            raise fail(place + at(shape, index), what)
        shape.append(length)
    return rows, shape


def depth(value: Any) -> int:
    """How deep lists are nested, by the first of each."""
    found = 0
    while isinstance(value, list):
        found += 1
        value = value[0] if value else None
    return found


def at(shape: Sequence[int], index: int) -> str:
    """Where an item stands that has a number among all of its level.

    >>> at([2, 3], 4)
    '[1][1]'
    """
    found = np.unravel_index(index, shape) if shape else ()
    return "".join(f"[{int(i)}]" for i in found)


def _numbers(rows: list[list[Any]], declared: Mapping[str, Any]) -> NDArray[Any]:
    """Rows of one length as an array.

    Raises:
        DataError: they hold what they should not; `_require` says where.
    """
    dtype: np.dtype[Any] = declared["dtype"]
    items = list(chain.from_iterable(rows))
    kinds = set(map(type, items))
    if declared["infinite"] and type(None) in kinds:
        items = [-np.inf if item is None else item for item in items]
        kinds -= {type(None)}
    if kinds - _LEAVES[dtype.kind]:
        raise DataError(f"holds what is not {_LEAF_NAMES[dtype.kind]}")
    try:
        with np.errstate(over="raise"):
            wide = np.array(items, dtype=np.float64 if dtype.kind == "f" else dtype)
            return wide.astype(dtype, copy=False).reshape(len(rows), -1)
    except (OverflowError, FloatingPointError):
        raise DataError(f"holds a number beyond {dtype}") from None


def _require(row: list[Any], place: str, declared: Mapping[str, Any], fail: Fail) -> None:
    """Refuse a row that holds what it should not, with the place of that."""
    kind: str = declared["dtype"].kind
    wanted = _LEAVES[kind] | ({type(None)} if declared["infinite"] else set())
    for index, item in enumerate(row):
        if type(item) not in wanted:
            said = f"should be {_LEAF_NAMES[kind]}, not {kind_of(item)}"
            if declared.get("guessed") and type(item) in _LEAVES["f"]:
                said = f"is a number, and the array begins with {_LEAF_NAMES[kind]}"
            raise fail(f"{place}[{index}]", said)
    try:
        _numbers([row], declared)
    except DataError as error:
        raise fail(place, error.message) from None
