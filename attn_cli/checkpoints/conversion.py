"""Conversion: the plain number types of checkpoint files as float32.

Packed types, whose numbers share a scale, are in `quantised`. It opens no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from attn_cli.errors import DataError

if TYPE_CHECKING:
    from attn_cli.types import Floats, Integers

# By the names that safetensors gives them; all are little-endian on disk.
_STORED = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "BF16": "<u2",
    "F32": "<f4",
    "F64": "<f8",
}


def is_convertible(dtype: str) -> bool:
    """Whether `to_float32` knows a type."""
    return dtype in _STORED


def take_rows(
    data: memoryview, shape: tuple[int, ...], index: Integers | slice, what: str
) -> tuple[memoryview, tuple[int, ...]]:
    """Of a tensor's bytes those of some rows, and the shape that these have.

    Raises:
        DataError: the tensor has no rows, or not that many; the message names `what`.
    """
    n_rows = shape[0] if shape else 0
    places = np.arange(n_rows)[index] if isinstance(index, slice) else index
    wrong = places[(places < 0) | (places >= n_rows)]
    if len(wrong):
        raise DataError(f"{what} has {n_rows} rows: there is no row {wrong[0]}")
    if not len(places) or not len(data):
        return memoryview(b""), (len(places), *shape[1:])
    width = len(data) // n_rows
    if isinstance(index, slice) and index.step in (None, 1):
        return data[places[0] * width : (places[-1] + 1) * width], (len(places), *shape[1:])
    taken = np.frombuffer(data, np.uint8).reshape(n_rows, -1)[places]
    return taken.ravel().data, (len(places), *shape[1:])


def to_float32(data: memoryview, dtype: str, what: str) -> Floats:
    """Numbers stored as `dtype`, flat, as float32: aligned float32 as a view, all else converted.

    Integers beyond 2²⁴ are rounded to the nearest float32, as are float64 numbers.

    Raises:
        DataError: a number is beyond what float32 can hold; the message names `what`.
    """
    stored = np.frombuffer(data, _STORED[dtype])
    if dtype == "BF16":  # the upper half of a float32, and numpy has no such type
        wide = stored.astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    if dtype == "F32" and stored.flags.aligned:
        return stored.astype(np.float32, copy=False)
    try:
        with np.errstate(over="raise", invalid="ignore"):
            return stored.astype(np.float32)
    except FloatingPointError:
        raise DataError(f"{what} holds a number that is too large for float32") from None
