"""Safetensors: the names, shapes and numbers in a `.safetensors` file, or in the shards of one.

The file is mapped, not read: opening costs the header alone, and float32 is never copied. What
a tensor means is not known here.

Format: 8 bytes of header length (little-endian), a JSON object of that length, then the numbers.
Held to the rules of https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from attn_cli import memory
from attn_cli.checkpoints.mapped import MappedFile, opened, read_bounded
from attn_cli.checkpoints.tensors import Origin
from attn_cli.errors import DataError
from attn_cli.strict_json import parse, shown

if TYPE_CHECKING:
    from attn_cli.types import Floats, Integers

_MAX_HEADER = 25_000_000  # bytes; the format allows four times that
_MAX_TENSORS = 32_768  # of a model; one of these families has some two thousand at the most
_EACH = b'"dtype"'  # what a header has once for each tensor, and within no string
_MAX_INDEX = 25_000_000
_MAX_SHARDS = 1000  # no model has half of that
_MAX_DIMENSIONS = 32  # numpy 1.26's
_MOST = 2**63 - 1
_SHOWN = 200  # characters of a file's own text in a message

_BITS = {"BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16}
_BITS |= {"U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64, "C64": 64}
_BITS |= {"F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8}
_BITS |= {"F6_E2M3": 6, "F6_E3M2": 6, "F4": 4}

_DAMAGED = "The file is damaged or was fetched in part: fetch it again."


class Entry(NamedTuple):
    """Where one tensor lies: bytes [start, end) of its file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class SafetensorsFile:
    """One file, as far as its header goes; the numbers are read one tensor at a time.

    Raises:
        DataError: the header breaks a rule of the format, or the file is not as long as it says.
            The message names the file, the tensor and the numbers.
    """

    def __init__(self, path: Path) -> None:
        self._file = MappedFile(path)
        self.path, self.size = path, self._file.size
        self.header = _read_header(path, self.size)
        self.entries = _entries(self.header, path, self.size)

    def read(self, name: str, index: Integers | slice | None = None) -> Floats:
        """A tensor as float32: a read-only view of the map where it is stored so and aligned.

        Args:
            name: of the tensor.
            index: numbers of rows, along the first axis, which alone are converted; None: all.

        Raises:
            DataError: it is of a type that is not read, has no such row, or the file has shrunk.
            UsageError: it would not fit into memory.
        """
        from attn_cli.checkpoints.conversion import is_convertible, take_rows, to_float32

        dtype, shape, start, end = self.entries[name]
        what = f"{self.path}: tensor `{name}`"
        if not is_convertible(dtype):
            raise DataError(
                f"{what} is of type {dtype}, which is not read",
                "Convert the checkpoint to F32, F16 or BF16.",
            )
        data = self._file.view(start, end - start, f"tensor `{name}`")
        if index is not None:
            data, shape = take_rows(data, shape, index, what)
        if dtype != "F32" or start % 4:  # else it is a view
            memory.require(4 * math.prod(shape), what, "Use a smaller model.")
        return to_float32(data, dtype, what).reshape(shape)

    def release(self) -> None:
        """Let what was read leave memory; it can be read again."""
        self._file.release()


class Safetensors:
    """The tensors of one or more files as one collection; each name is in one of them.

    Raises:
        DataError: as `SafetensorsFile`, or two files have a tensor of the same name.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.files: list[SafetensorsFile] = []
        self._homes: dict[str, SafetensorsFile] = {}
        for path in paths:
            file = SafetensorsFile(path)
            self.files.append(file)
            if len(self._homes) + len(file.entries) > _MAX_TENSORS:
                raise _too_many(path.parent)
            for name in file.entries:
                if name in self._homes:
                    raise DataError(
                        f"tensor `{name}` is in two files: {self._homes[name].path} and {file.path}"
                    )
                self._homes[name] = file

    @property
    def dtype(self) -> str:
        """The type that most of the bytes have, in the format's own words."""
        sizes: Counter[str] = Counter()
        for file in self.files:
            for entry in file.entries.values():
                sizes[entry.dtype] += entry.end - entry.start
        return sizes.most_common(1)[0][0] if sizes else "F32"

    def names(self) -> Collection[str]:
        return self._homes.keys()

    def type_of(self, name: str) -> str:
        """How a tensor's numbers are stored, in the format's own words."""
        return self._home(name).entries[name].dtype

    @property
    def origin(self) -> Origin:
        """For complaints: the file, or the directory of several."""
        first = self.files[0].path
        return Origin(str(first if len(self.files) == 1 else first.parent))

    def shape(self, name: str) -> tuple[int, ...]:
        return self._home(name).entries[name].shape

    def read(self, name: str) -> Floats:
        """A tensor as float32; see `SafetensorsFile.read`."""
        return self._home(name).read(name)

    def rows(self, name: str, index: Integers | slice) -> Floats:
        """Some rows of a tensor, converting no others; `index` are their numbers, none negative."""
        return self._home(name).read(name, index)

    def release(self) -> None:
        """Let what was read leave memory; it can be read again."""
        for file in self.files:
            file.release()

    def _home(self, name: str) -> SafetensorsFile:
        if name not in self._homes:
            raise DataError(f"{self.files[0].path} has no tensor `{name}`")
        return self._homes[name]


def read_index(path: Path) -> dict[str, str]:
    """The file that holds each tensor, from a `model.safetensors.index.json`.

    Raises:
        DataError: it is no such index, names a file outside its own directory, or too many.
    """
    index = parse(read_bounded(path, _MAX_INDEX), str(path))
    homes = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(homes, dict) or not homes:
        raise DataError(f"{path} has no `weight_map` that names the shards")
    known: set[str] = set()  # most tensors are in the file of the one before
    for tensor, file in homes.items():
        if isinstance(file, str) and file in known:
            continue
        if not _is_beside(file):
            raise DataError(
                f"{path}: tensor `{tensor}` is said to be in {file!r}, which is no name of a "
                "safetensors file beside it"
            )
        known.add(file)
        if len(known) > _MAX_SHARDS:
            raise DataError(f"{path} names more than {_MAX_SHARDS:,} files")
    return homes


def _is_beside(file: object) -> bool:
    return isinstance(file, str) and file == Path(file).name and file.endswith(".safetensors")


def check_index(tensors: Safetensors, homes: Mapping[str, str], path: Path) -> None:
    """Raise DataError where a shard lacks a tensor that the index at `path` promises."""
    found = {name: file.path.name for file in tensors.files for name in file.entries}
    for name, file in homes.items():
        if found.get(name) != file:
            raise DataError(
                f"{path}: tensor `{name}` is said to be in {file}, which does not have it",
                "The index and the shards are not of one checkpoint: fetch them again.",
            )


def _read_header(path: Path, size: int) -> bytes:
    """The header's JSON text."""
    if size < 8:
        raise DataError(f"{path} is no safetensors file: {size} bytes, fewer than 8", _DAMAGED)
    with opened(path) as file:
        length = int.from_bytes(file.read(8), "little")
        if length > size - 8:
            raise DataError(
                f"{path}: the header should be {length:,} bytes, and {size - 8:,} are there",
                _DAMAGED,
            )
        if length > _MAX_HEADER:
            raise DataError(
                f"{path}: the header is {length:,} bytes, where {_MAX_HEADER:,} are the most"
            )
        header = file.read(length)
    if len(header) < length:
        raise DataError(f"{path} ends within its header", _DAMAGED)
    if not header.startswith(b"{"):
        raise DataError(f"{path} is no safetensors file: its header does not begin with {{")
    return header


def _entries(header: bytes, path: Path, size: int) -> dict[str, Entry]:
    """The tensors of a header, each checked by itself and against the others."""
    if header.count(_EACH) > _MAX_TENSORS:
        raise _too_many(path)
    listed = parse(header, f"{path}, header")
    _check_metadata(listed.pop("__metadata__", {}), path)
    first = 8 + len(header)
    entries = {
        name: _entry(about, first, f"{path}: tensor `{name[:_SHOWN]}`")
        for name, about in listed.items()
    }
    reached, before = first, "the header"
    # Without gaps. What holds no bytes comes before what begins at the same place.
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start != reached:
            how = "overlap" if entry.start < reached else "leave a gap"
            raise DataError(
                f"{path}: tensor `{name[:_SHOWN]}` begins at byte {entry.start:,}, and {before} "
                f"ends at {reached:,}: they {how}",
                _DAMAGED,
            )
        if entry.end > size:
            raise DataError(
                f"{path}: tensor `{name[:_SHOWN]}` ends at byte {entry.end:,}, "
                f"the file at {size:,}",
                _DAMAGED,
            )
        reached, before = entry.end, f"`{name[:_SHOWN]}`"
    if reached != size:
        raise DataError(
            f"{path}: the last tensor ends at byte {reached:,}, the file at {size:,}", _DAMAGED
        )
    return entries


def _too_many(path: Path) -> DataError:
    return DataError(f"{path} holds more than {_MAX_TENSORS:,} tensors")


def _check_metadata(metadata: Any, path: Path) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise DataError(f"{path}: `__metadata__` is not an object of strings")


def _entry(about: Any, first: int, what: str) -> Entry:
    if not isinstance(about, dict):
        raise DataError(f"{what} is described by no JSON object")
    dtype = about.get("dtype")
    shape, offsets = _sizes(about.get("shape")), _sizes(about.get("data_offsets"))
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise DataError(f"{what} has the unknown type {shown(dtype, _SHOWN)}")
    if shape is None or len(shape) > _MAX_DIMENSIONS:
        raise DataError(f"{what} has no usable shape: {shown(about.get('shape'), _SHOWN)}")
    if offsets is None or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise DataError(
            f"{what} has no usable `data_offsets`: {shown(about.get('data_offsets'), _SHOWN)}"
        )
    bits = _BITS[dtype]
    for size in shape:
        bits *= size or 1
        if bits > _MOST:
            raise DataError(f"{what}: its shape {_times(shape)} is beyond all memory")
    n_bytes, rest = divmod(bits if all(shape) else 0, 8)
    start, end = offsets
    if end - start != n_bytes or rest:
        raise DataError(
            f"{what}: {dtype} of shape {_times(shape)} takes {n_bytes:,} bytes, and its "
            f"`data_offsets` {start:,} to {end:,} hold {end - start:,}",
            _DAMAGED,
        )
    return Entry(dtype, shape, first + start, first + end)


def _sizes(value: Any) -> tuple[int, ...] | None:
    """A JSON list of sizes; None if it is something else."""
    if isinstance(value, list) and all(type(n) is int and 0 <= n <= _MOST for n in value):
        return tuple(value)
    return None


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "()"
