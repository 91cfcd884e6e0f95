"""GGUF: the metadata and the tensors of a `.gguf` file, as llama.cpp writes them.

The file is mapped; opening it reads the metadata alone. What the names mean for a model is in
`gguf_model`, how packed numbers become float32 in `quantised`.

Format, versions 2 and 3: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. All numbers are
little-endian. A count or a length is believed only as far as the file goes on.
"""

from __future__ import annotations

import math
import os
import struct
from array import array
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from attn_cli import memory
from attn_cli.checkpoints.mapped import MappedFile, opened
from attn_cli.errors import DataError

if TYPE_CHECKING:
    from attn_cli.types import Floats, Integers

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MAX_HEADER = 1 << 28  # bytes of metadata; large vocabularies take a tenth of it
_MAX_ITEMS = 4_000_000  # strings in all, or what is as much work: a second's
_MAX_NESTING = 3  # arrays in arrays; nothing in use has any
_MAX_NAME, _MAX_KEY = 1024, 65_535  # bytes; llama.cpp stops at 64 for the first
_MAX_DIMENSIONS = 4
_MOST = 2**63 - 1

_BOOL, _STRING, _ARRAY = 7, 8, 9
# By number: code for `struct` and `array`, and bytes.
_SCALARS = {0: ("B", 1), 1: ("b", 1), 2: ("H", 2), 3: ("h", 2), 4: ("I", 4), 5: ("i", 4)}
_SCALARS |= {6: ("f", 4), 7: ("?", 1), 10: ("Q", 8), 11: ("q", 8), 12: ("d", 8)}

_DAMAGED = "The file is damaged or was fetched in part: fetch it again."


class TensorType(NamedTuple):
    """How numbers are stored: so many together in a block of so many bytes."""

    name: str
    block: int
    n_bytes: int


TYPES = {
    0: TensorType("F32", 1, 4),
    1: TensorType("F16", 1, 2),
    2: TensorType("Q4_0", 32, 18),
    3: TensorType("Q4_1", 32, 20),
    6: TensorType("Q5_0", 32, 22),
    7: TensorType("Q5_1", 32, 24),
    8: TensorType("Q8_0", 32, 34),
    12: TensorType("Q4_K", 256, 144),
    13: TensorType("Q5_K", 256, 176),
    14: TensorType("Q6_K", 256, 210),
    28: TensorType("F64", 1, 8),
    30: TensorType("BF16", 1, 2),
}


class Entry(NamedTuple):
    """Where one tensor lies: bytes [start, end) of the file. The shape is row-major, as numpy's."""

    type: TensorType
    shape: tuple[int, ...]
    start: int
    end: int


class GgufFile:
    """One file: its metadata by key, and its tensors, each read when it is asked for.

    Metadata values are int, float, bool, str, list (of strings or lists) and `array.array` (of
    numbers).

    Raises:
        DataError: the file breaks a rule of the format, is not as long as it says, or holds tensors
            of a type that is not read. The message names the file, the place and the numbers.
    """

    def __init__(self, path: Path) -> None:
        self._file = MappedFile(path)
        self.path, self.size = path, self._file.size
        with opened(path) as file:
            header = _Header(file, path)
            n_tensors, n_keys = header.begin()
            self.metadata: dict[str, Any] = header.metadata(n_keys)
            alignment = _alignment(self.metadata, path)
            self.entries = header.tensors(n_tensors, alignment)
        _check_places(self.entries, path, self.size)

    @property
    def dtype(self) -> str:
        """The type that most of the bytes have, in the format's own words."""
        sizes: Counter[str] = Counter()
        for entry in self.entries.values():
            sizes[entry.type.name] += entry.end - entry.start
        return sizes.most_common(1)[0][0] if sizes else "F32"

    def read(self, name: str, index: Integers | slice | None = None) -> Floats:
        """A tensor as float32: a read-only view of the map where it is stored so, else unpacked.

        Args:
            name: of the tensor.
            index: numbers of rows, along the first axis, which alone are unpacked; None: all.

        Raises:
            DataError: there is no such tensor or row, or the file has shrunk.
            UsageError: it would not fit into memory.
        """
        from attn_cli.checkpoints.conversion import is_convertible, take_rows, to_float32
        from attn_cli.checkpoints.quantised import unpack

        data, what = self.bytes_of(name), f"{self.path}: tensor `{name}`"
        kind, shape, start, _ = self.entries[name]
        if index is not None:
            data, shape = take_rows(data, shape, index, what)
        if kind.name != "F32" or start % 4:  # else it is a view
            memory.require(4 * math.prod(shape), what, "Use a smaller model.")
        if is_convertible(kind.name):
            return to_float32(data, kind.name, what).reshape(shape)
        return unpack(data, kind.name).reshape(shape)

    def bytes_of(self, name: str) -> memoryview:
        """A tensor as it is stored.

        Raises:
            DataError: there is no such tensor, or the file has shrunk.
        """
        if name not in self.entries:
            raise DataError(f"{self.path} has no tensor `{name}`")
        entry = self.entries[name]
        what = f"tensor `{name}`"
        return self._file.view(entry.start, entry.end - entry.start, what)

    def release(self) -> None:
        """Let what was read leave memory; it can be read again."""
        self._file.release()


class _Header:
    """What comes before the numbers, read from its beginning to its end."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._size = os.fstat(file.fileno()).st_size
        self._place, self._items = 0, 0

    def begin(self) -> tuple[int, int]:
        """The counts of tensors and of metadata keys."""
        beginning = self._take(min(4, self._size), "its first four bytes")
        if not beginning or not _MAGIC.startswith(beginning):
            raise DataError(f"{self._path} is no GGUF file: it does not begin with `GGUF`")
        if self._size < 24:
            raise DataError(
                f"{self._path} ends at byte {self._size}, within its first 24, which every GGUF "
                "file has",
                _DAMAGED,
            )
        version = self._number(4, "the version")
        if version not in _VERSIONS:
            big_endian = int.from_bytes(version.to_bytes(4, "big"), "little") in _VERSIONS
            raise DataError(
                f"{self._path} is of GGUF version {version}, and 2 and 3 are read",
                "It is big-endian: convert it with gguf-convert-endian."
                if big_endian
                else "Convert it anew with a current llama.cpp.",
            )
        n_tensors = self._number(8, "the count of tensors")
        n_keys = self._number(8, "the count of metadata")
        self._require_items(n_keys, 13, "keys of metadata", cost=60)
        self._require_items(n_tensors, 24, "tensors", cost=120)
        return n_tensors, n_keys

    def metadata(self, count: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(count):
            key = self._string("a key of the metadata", _MAX_KEY)
            if key in found:
                raise DataError(f"{self._path}: the metadata has `{key[:80]}` twice")
            what = f"metadata `{key[:80]}`"
            found[key] = self._value(self._number(4, what), what)
        return found

    def tensors(self, count: int, alignment: int) -> dict[str, Entry]:
        listed: dict[str, tuple[TensorType, tuple[int, ...], int]] = {}
        for _ in range(count):
            name = self._string("the name of a tensor", _MAX_NAME)
            if name in listed:
                raise DataError(f"{self._path} has the tensor `{name[:80]}` twice")
            what = f"tensor `{name[:80]}`"
            n_dimensions = self._number(4, what)
            if n_dimensions > _MAX_DIMENSIONS:
                raise DataError(f"{self._path}: {what} has {n_dimensions} dimensions, 4 at most")
            sizes = [self._number(8, what) for _ in range(n_dimensions)]
            number, offset = self._number(4, what), self._number(8, what)
            if number not in TYPES:
                known = ", ".join(kind.name for kind in TYPES.values())
                raise DataError(
                    f"{self._path}: {what} is of a type that is not read, number {number}",
                    f"Quantise the model to one of: {known}.",
                )
            if offset % alignment:
                raise DataError(
                    f"{self._path}: {what} begins at {offset:,}, no multiple of {alignment}"
                )
            listed[name] = (TYPES[number], tuple(reversed(sizes)), offset)
        first = -(-self._place // alignment) * alignment
        return {
            name: Entry(kind, shape, start, start + self._n_bytes(kind, shape, name))
            for name, (kind, shape, offset) in listed.items()
            for start in [first + offset]
        }

    def _n_bytes(self, kind: TensorType, shape: tuple[int, ...], name: str) -> int:
        row = shape[-1] if shape else 1
        if row % kind.block:
            raise DataError(
                f"{self._path}: tensor `{name[:80]}` has rows of {row} numbers, and {kind.name} "
                f"packs {kind.block} together"
            )
        n_numbers = 1
        for size in shape:
            n_numbers *= size
            if n_numbers > _MOST // 8 or size > _MOST // 8:
                raise DataError(f"{self._path}: tensor `{name[:80]}` is beyond all memory: {shape}")
        return n_numbers // kind.block * kind.n_bytes

    def _value(self, number: int, what: str) -> Any:
        if number == _STRING:
            return self._string(what, _MAX_HEADER)
        if number == _ARRAY:
            return self._array(what, 1)
        code, size = self._scalar(number, what)
        (value,) = struct.unpack(f"<{code}", self._take(size, what))
        return value

    def _array(self, what: str, depth: int) -> Any:
        if depth > _MAX_NESTING:
            raise DataError(f"{self._path}: {what} is nested more than {_MAX_NESTING} deep")
        number, count = self._number(4, what), self._number(8, what)
        if number == _STRING:
            self._require_items(count, 8, f"strings in {what}")
            return self._strings(count, what)
        if number == _ARRAY:
            self._require_items(count, 12, f"arrays in {what}", cost=32)
            return [self._array(what, depth + 1) for _ in range(count)]
        code, size = self._scalar(number, what)
        values = array("B" if code == "?" else code, self._take(size * count, what))
        if size > 1 and struct.pack("=H", 1) != b"\1\0":
            values.byteswap()
        return values

    def _scalar(self, number: int, what: str) -> tuple[str, int]:
        if number not in _SCALARS:
            raise DataError(f"{self._path}: {what} is of the unknown type {number}", _DAMAGED)
        return _SCALARS[number]

    def _string(self, what: str, limit: int) -> str:
        length = self._number(8, what)
        if length > limit:
            raise DataError(f"{self._path}: {what} is {length:,} bytes long, {limit:,} at most")
        data = self._take(length, what)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self._path}: {what} is not UTF-8: byte 0x{data[error.start]:02x} at "
                f"{self._place - length + error.start:,}",
                _DAMAGED,
            ) from None

    def _strings(self, count: int, what: str) -> list[str]:
        """Many strings, as `_string` reads one; a vocabulary has hundreds of thousands."""
        read, number, end = self._file.read, int.from_bytes, min(self._size, _MAX_HEADER)
        found, place = [], self._place
        for _ in range(count):
            length = number(read(8), "little")
            place += 8 + length
            if place > end:
                break
            found.append(read(length))
        reached = self._file.tell()
        if place != reached:
            raise DataError(f"{self._path} ends within {what}: at string {len(found):,}", _DAMAGED)
        self._place = place
        try:
            return [data.decode() for data in found]
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self._path}: {what} is not UTF-8: byte 0x{error.object[error.start]:02x}",
                _DAMAGED,
            ) from None

    def _number(self, size: int, what: str) -> int:
        return int.from_bytes(self._take(size, what), "little")

    def _take(self, length: int, what: str) -> bytes:
        """The next bytes, after checking that the file has them."""
        end = self._place + length
        if end > self._size:
            raise DataError(
                f"{self._path} ends at byte {self._size:,}, within {what}, which ends at {end:,}",
                _DAMAGED,
            )
        if end > _MAX_HEADER:
            most = memory.readable(_MAX_HEADER)
            raise DataError(f"{self._path} has more than {most} of metadata")
        data = self._file.read(length)
        if len(data) != length:
            raise DataError(f"{self._path} has shrunk while it was read: {what} is cut", _DAMAGED)
        self._place = end
        return data

    def _require_items(self, count: int, size: int, what: str, cost: int = 1) -> None:
        """Refuse a count of things of at least `size` bytes that the file cannot hold."""
        rest = self._size - self._place
        if count * size > rest:
            raise DataError(
                f"{self._path} claims {count:,} {what}, and {rest:,} bytes are left for them",
                _DAMAGED,
            )
        self._items += count * cost
        if self._items > _MAX_ITEMS:
            raise DataError(f"{self._path} has too many {what}: {count:,}")


def told(value: Any) -> str:
    """A value of the metadata as a message has it; a list may be longer than a message can be."""
    if isinstance(value, (list, array)):
        return f"a list of {len(value):,}"
    return repr(value[:80] if isinstance(value, str) else value)


def _alignment(metadata: dict[str, Any], path: Path) -> int:
    value = metadata.get("general.alignment", 32)
    if type(value) is not int or not 1 <= value <= 1 << 20 or value & (value - 1):
        raise DataError(f"{path}: `general.alignment` is {told(value)}, no power of two")
    return value


def _check_places(entries: dict[str, Entry], path: Path, size: int) -> None:
    """Every tensor lies in the file, and no two overlap."""
    reached, before = 0, ""
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.end > size:
            raise DataError(
                f"{path}: tensor `{name[:80]}` ends at byte {entry.end:,}, the file at {size:,}",
                _DAMAGED,
            )
        if entry.start < reached:
            raise DataError(
                f"{path}: tensor `{name[:80]}` begins at byte {entry.start:,}, and "
                f"`{before[:80]}` ends at {reached:,}: they overlap",
                _DAMAGED,
            )
        reached, before = entry.end, name
