"""NPY: one array in numpy's own format, from bytes; what the members of NPZ archives are.

The header is matched against what such headers are, never evaluated, and no pickle is opened. What
an array means is not known here.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from attn_cli import memory
from attn_cli.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"\x93NUMPY"
MOST_ARRAYS = 4096  # in one file, whatever its kind: a hundred layers with forty each
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}  # of the length of a header, by the format's version
_LONGEST_HEADER = 10_000  # bytes; numpy's own limit
_MOST_AXES = 32  # numpy 1.26's
_SHOWN = 80  # bytes of a header in a message

# A dictionary of three entries in any order, as numpy and others write it. A type is one letter
# with a width: those of fields are no numbers, and need not be understood to be refused.
_HEADER = re.compile(
    rb"""\{\s* (?: (?P<q>['"]) (?:
        descr (?P=q) \s*:\s* (?P<d>['"]) (?P<type>[^'"]{1,20}) (?P=d)
      | fortran_order (?P=q) \s*:\s* (?P<order>True|False)
      | shape (?P=q) \s*:\s* \( (?P<shape> (?:\s*[0-9]{1,19}L?\s*,)* (?:\s*[0-9]{1,19}L?)? ) \s*\)
    ) \s* (?:,\s*|(?=\})) )+ \} \s*""",
    re.VERBOSE,
)
_TYPE = re.compile(r"[<>|=]?[biufcSUVMmO?][0-9]{0,10}(\[[0-9A-Za-z]{1,9}\])?")


class _Header(NamedTuple):
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: Any  # "C" or "F", as numpy calls them
    end: int  # where the numbers begin


def read(data: bytes | bytearray, what: str) -> NDArray[Any]:
    """The array in bytes, as a read-only view of them.

    Args:
        what: to call it in messages.

    Raises:
        DataError: it is damaged, holds Python objects, or not as many numbers as it claims.
    """
    header = _read_header(data, what)
    n_bytes = math.prod(header.shape) * header.dtype.itemsize
    rest = len(data) - header.end
    if n_bytes > rest:
        raise DataError(
            f"{what} claims more numbers than it holds: {header.shape} takes "
            f"{memory.readable(n_bytes)}, and {memory.readable(rest)} are there"
        )
    if n_bytes < rest:
        raise DataError(f"{what} holds {rest - n_bytes:,} bytes after its numbers {header.shape}")
    try:
        array: NDArray[Any] = np.ndarray(
            header.shape, header.dtype, data, header.end, order=header.order
        )
        array.flags.writeable = False
    except ValueError as error:  # a shape with a 0 in it, and beyond all memory without
        raise DataError(f"{what} has no usable shape: {error}") from None
    require_booleans(array, what)
    if array.dtype.kind == "U":
        codes = np.ndarray(n_bytes // 4, f"{array.dtype.str[0]}u4", data, header.end)
        if codes.max(initial=0) > sys.maxunicode:
            raise DataError(f"{what} holds text with characters that are none")
    return array


def require_header(data: bytes, what: str) -> None:
    """Refuse the beginning of an array whose header says nothing.

    Raises:
        DataError: as `read`.
    """
    _read_header(data, what)


def require_booleans(array: NDArray[Any], what: str) -> None:
    """Refuse an array of booleans that are neither true nor false.

    Raises:
        DataError: a byte is neither 0 nor 1.
    """
    if array.dtype.kind == "b" and array.view(np.uint8).max(initial=0) > 1:
        raise DataError(f"{what} is boolean, and holds bytes that are neither 0 nor 1")


def _read_header(data: bytes | bytearray, what: str) -> _Header:
    version = data[len(MAGIC)] if data.startswith(MAGIC) and len(data) > 8 else 0
    if version not in _LENGTH_BYTES:
        raise DataError(f"{what} is no NPY array of version 1, 2 or 3")
    start = len(MAGIC) + 2 + _LENGTH_BYTES[version]
    length = int.from_bytes(data[len(MAGIC) + 2 : start], "little")
    if length > min(len(data) - start, _LONGEST_HEADER):
        raise DataError(f"{what} should have a header of {length:,} bytes, which is not there")
    found = _HEADER.fullmatch(data, start, start + length)
    if found is None or None in (found["type"], found["order"], found["shape"]):
        shown = data[start : start + min(length, _SHOWN)].decode("latin-1").rstrip()
        raise DataError(f"{what} has a header that is not read: {shown}")
    shape = tuple(int(size.rstrip(b" L")) for size in found["shape"].split(b",") if size.strip())
    if len(shape) > _MOST_AXES:
        raise DataError(f"{what} has {len(shape)} axes, where {_MOST_AXES} are the most")
    dtype = _dtype(found["type"].decode("latin-1"), what)
    return _Header(dtype, shape, "F" if found["order"] == b"True" else "C", start + length)


def _dtype(name: str, what: str) -> np.dtype[Any]:
    """The type that a header names."""
    if name.lstrip("|<>=").startswith("O"):
        raise DataError(
            f"{what} holds Python objects, a pickle, which is never opened "
            "(as numpy's allow_pickle=False)",
            "Save each array by itself, and tokens as `np.array(tokens)` of strings.",
        )
    try:
        dtype = np.dtype(name) if _TYPE.fullmatch(name) else None
    except (TypeError, ValueError):  # letters and widths that do not go together
        dtype = None
    if dtype is None or not dtype.itemsize:
        raise DataError(f"{what} holds numbers of a type that is not read: {name}")
    return dtype
