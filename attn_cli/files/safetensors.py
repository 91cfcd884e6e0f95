"""Safetensors: an Inspection as named tensors, its JSON document in the file's `__metadata__`.

Also anybody's tensors, read whole from bytes. No library is needed; no tensor has a meaning here.

Format: 8 bytes of header length (little-endian), a JSON object of that length, then the numbers.
Held to the rules of https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from attn_cli import memory
from attn_cli.errors import DataError, UsageError
from attn_cli.files.apart import put_together, take_apart
from attn_cli.files.npy import MOST_ARRAYS, require_booleans
from attn_cli.strict_json import parse, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.inspection import Inspection
    from attn_cli.types import Floats

DOCUMENT = "attn"  # the key in `__metadata__` that holds the document without its arrays
_LONGEST_HEADER = 25_000_000  # bytes
_EACH = b'"dtype"'  # what a header has once for each tensor, and within no string

_DTYPES = {"BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4"}
_DTYPES |= {"I32": "<i4", "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8"}
_DTYPES |= {"BF16": "<u2"}  # numpy has none; widened when read
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items() if name != "BF16"}


class Contents(NamedTuple):
    """Everything in a file."""

    arrays: dict[str, NDArray[Any]]  # BF16 widened to float32, all else as it is
    metadata: dict[str, str]
    widened: frozenset[str]  # the names of what was BF16


def write(inspection: Inspection, precision: int | None = None) -> Iterator[bytes]:
    """Header and tensors; `precision` rounds the arrays to so many decimals."""
    rest, found = take_apart(inspection, precision)
    # As the format's own library does: the widest numbers first, so that all are aligned.
    names = sorted(found, key=lambda name: (-found[name].itemsize, name))
    header: dict[str, Any] = {"__metadata__": {"format": "np", DOCUMENT: rest}}
    end = 0
    for name in names:
        start, end = end, end + found[name].nbytes
        shape = list(found[name].shape)
        dtype = _NAMES[found[name].dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode("ascii")
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for name in names:
        array = found[name]
        yield array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def from_contents(contents: Contents, name: str) -> Inspection:
    """The Inspection in a file that `write` made.

    Raises:
        DataError: it is not such a file, or not whole.
    """
    place = f"{name}, metadata `{DOCUMENT}`"
    rest = parse(contents.metadata[DOCUMENT].encode(errors="replace"), place)
    return put_together(rest, contents.arrays, name)


def contents(data: bytes, name: str) -> Contents:
    """Every tensor in the bytes of a file.

    Raises:
        DataError: a rule of the format is broken; the message names the tensor and the numbers.
    """
    length = int.from_bytes(data[:8], "little")
    if length > min(len(data) - 8, _LONGEST_HEADER):
        raise DataError(
            f"{name}: the header should be {length:,} bytes, and {len(data) - 8:,} are there; "
            f"{_LONGEST_HEADER:,} are the most"
        )
    if data.count(_EACH, 8, 8 + length) > MOST_ARRAYS:
        raise DataError(f"{name} holds more than {MOST_ARRAYS:,} tensors")
    header = parse(data[8 : 8 + length], f"{name}, header")
    if not isinstance(header, dict):
        raise DataError(f"{name}: the header is not an object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise DataError(f"{name}: `__metadata__` is not an object of strings")
    arrays, widened, reached, spans = {}, set(), 0, []
    for key, about in header.items():
        entry = _entry(about, f"{name}: tensor `{key}`")
        spans.append((entry.start, entry.end, key))
        if entry.end > len(data) - 8 - length:
            raise DataError(f"{name}: tensor `{key}` ends beyond the file")
        arrays[key] = _array(data, 8 + length, entry, f"{name}: tensor `{key}`")
        if entry.dtype == "BF16":
            widened.add(key)
    for start, end, key in sorted(spans):
        if start != reached:
            how = "overlap" if start < reached else "leave a gap"
            raise DataError(f"{name}: tensor `{key}` and the one before it {how}")
        reached = end
    if reached != len(data) - 8 - length:
        raise DataError(f"{name}: {len(data) - 8 - length - reached:,} bytes belong to no tensor")
    return Contents(arrays, metadata, frozenset(widened))


def widen_bfloat16(bits: NDArray[Any]) -> Floats:
    """bfloat16, as the 16-bit words it is stored in, to float32: the upper half of its bits."""
    wide = bits.astype(np.uint32)
    wide <<= np.uint32(16)
    return wide.view(np.float32)


class _Entry(NamedTuple):
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def _entry(about: Any, what: str) -> _Entry:
    """What a header says of one tensor, if it can be true."""
    if not isinstance(about, dict):
        raise DataError(f"{what} is described by no object")
    dtype: Any = about.get("dtype")
    shape: Any = about.get("shape")
    offsets: Any = about.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise DataError(
            f"{what} is of type {shown(dtype)}, which is not read",
            f"Types that are: {', '.join(_DTYPES)}.",
        )
    if not _are_sizes(shape) or len(shape) > 32:
        raise DataError(f"{what} has no usable shape: {shown(shape, 80)}")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise DataError(f"{what} has no usable `data_offsets`: {shown(offsets, 80)}")
    n_bytes = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
    if n_bytes != offsets[1] - offsets[0]:
        raise DataError(
            f"{what} of shape {tuple(shape)} takes {memory.readable(n_bytes)}, "
            f"and {memory.readable(offsets[1] - offsets[0])} are set aside"
        )
    return _Entry(dtype, tuple(shape), *offsets)


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)


def _array(data: bytes, base: int, entry: _Entry, what: str) -> NDArray[Any]:
    count = math.prod(entry.shape)
    stored = np.frombuffer(data, np.dtype(_DTYPES[entry.dtype]), count, base + entry.start)
    require_booleans(stored, what)
    if entry.dtype == "BF16":
        try:
            memory.require(4 * count, what)
        except UsageError as error:
            raise DataError(error.message) from None
        stored = widen_bfloat16(stored)
    return stored.reshape(entry.shape)
