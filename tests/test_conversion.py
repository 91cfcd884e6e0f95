"""Plain number types as float32, and rows of them: against numpy, and every refusal's words."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from attn_cli.checkpoints.conversion import is_convertible, take_rows, to_float32
from attn_cli.errors import DataError

TYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
    "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_is_float32(dtype: str) -> None:
    assert is_convertible(dtype)
    numbers = np.array([0, 1, 1, 100, 3]).astype(TYPES[dtype])
    found = to_float32(memoryview(numbers.tobytes()), dtype, "x")
    assert found.dtype == np.float32
    assert found.tolist() == numbers.astype(np.float64).tolist()


def test_packed_and_unknown_types_are_not_plain() -> None:
    assert is_convertible("BF16")
    assert not any(map(is_convertible, ("Q8_0", "F8_E4M3", "f32", "")))


def test_the_ends_of_float32() -> None:
    largest = float(np.finfo(np.float32).max)
    wide = [largest, -largest, np.inf, -np.inf, 1e-300]
    read = to_float32(memoryview(struct.pack("<5d", *wide)), "F64", "x")
    assert read.tolist() == [*wide[:4], 0]
    assert np.isnan(to_float32(memoryview(struct.pack("<d", np.nan)), "F64", "x")).all()
    for beyond in (3.5e38, -1e300):
        with pytest.raises(DataError) as caught:
            to_float32(memoryview(struct.pack("<2d", 1, beyond)), "F64", "the tensor")
        assert caught.value.message == "the tensor holds a number that is too large for float32"


def rows(index: Any, shape: tuple[int, ...] = (4, 3)) -> tuple[list[int], tuple[int, ...], Any]:
    """Rows of a tensor of bytes: their values, their shape, and what the bytes belong to."""
    data = memoryview(bytes(range(int(np.prod(shape)))))
    index = index if isinstance(index, slice) else np.array(index, np.int64)
    taken, found = take_rows(data, shape, index, "the tensor")
    return taken.tolist(), found, taken.obj is data.obj


def test_rows_one_by_one_are_copied_and_neighbours_are_not() -> None:
    assert rows(slice(1, 3)) == ([3, 4, 5, 6, 7, 8], (2, 3), True)
    assert rows(slice(1, 3, 1)) == ([3, 4, 5, 6, 7, 8], (2, 3), True)
    assert rows(slice(0, 4, 2)) == ([0, 1, 2, 6, 7, 8], (2, 3), False)
    assert rows(slice(None, None, -3)) == ([9, 10, 11, 0, 1, 2], (2, 3), False)
    assert rows([3, 0, 3]) == ([9, 10, 11, 0, 1, 2, 9, 10, 11], (3, 3), False)
    assert rows(slice(2, 2)) == ([], (0, 3), False)
    assert rows([]) == ([], (0, 3), False)
    assert rows([1, 1], (4, 0))[:2] == ([], (2, 0))
    assert rows([2], (3,)) == ([2], (1,), False)


@pytest.mark.parametrize(
    ("index", "shape", "message"),
    [
        ([0, 4], (4, 3), "the tensor has 4 rows: there is no row 4"),
        ([9, -1], (4, 3), "the tensor has 4 rows: there is no row 9"),
        ([-1], (4, 3), "the tensor has 4 rows: there is no row -1"),
        ([0], (0, 3), "the tensor has 0 rows: there is no row 0"),
        ([0], (), "the tensor has 0 rows: there is no row 0"),
    ],
)
def test_rows_that_are_not_there(index: list[int], shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(DataError) as caught:
        rows(index, shape)
    assert (caught.value.message, caught.value.hint) == (message, "")
