"""Files: an Inspection becomes bytes and bytes an Inspection, one module a format.

The one table from a suffix to its format is here; modules (and numpy) are loaded when used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from attn_cli.errors import DataError, UsageError
from attn_cli.files.whole import read_whole, write_whole

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection

SCHEMA_FILE = Path(__file__).with_name("attn-1.schema.json")

_Writer = Callable[["Inspection", int | None], Iterator[bytes]]


class Format(NamedTuple):
    """What a suffix stands for."""

    module: str
    lossless: bool  # it can be read back to an equal Inspection
    many: bool  # one file can hold several


FORMATS = {
    "json": Format("attn_cli.files.document", lossless=True, many=False),
    "jsonl": Format("attn_cli.files.document", lossless=True, many=True),
    "npz": Format("attn_cli.files.npz", lossless=True, many=False),
    "csv": Format("attn_cli.files.longform", lossless=False, many=False),
    "md": Format("attn_cli.files.markdown", lossless=False, many=True),
}


def format_of(path: str | os.PathLike[str]) -> str:
    """The format that a file's suffix names.

    Raises:
        UsageError: there is no such format.
    """
    suffix = Path(path).suffix.lstrip(".").lower()
    if suffix not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise UsageError(f"no format is known for `{os.fspath(path)}`", f"Use one of: {known}.")
    return suffix


def encode(
    inspections: Iterable[Inspection], name: str, *, precision: int | None = None
) -> Iterator[bytes]:
    """Inspections as the bytes of a format, piece by piece; each is whole before the next begins.

    Args:
        inspections: one, or several where the format can hold them.
        name: a key of FORMATS.
        precision: decimals to keep; None keeps the exact float32.
    """
    write: _Writer = import_module(FORMATS[name].module).write
    for number, inspection in enumerate(inspections):
        if number and not FORMATS[name].many:
            raise UsageError(
                f"a .{name} file holds one text, and here are more", "Use `.jsonl` for many."
            )
        yield from write(inspection, precision)


def save(
    inspections: Inspection | Iterable[Inspection],
    path: str | os.PathLike[str],
    *,
    precision: int | None = None,
) -> None:
    """Write a file in the format of its suffix, whole or not at all.

    Raises:
        UsageError: the suffix is unknown, or the format holds one Inspection and more were given.
        DataError: the file cannot be written.
    """
    from attn_cli.inspection import Inspection

    several = [inspections] if isinstance(inspections, Inspection) else inspections
    write_whole(path, encode(several, format_of(path), precision=precision))


def load_all(source: str | os.PathLike[str] | BinaryIO) -> Iterator[Inspection]:
    """Every Inspection in a file or a binary stream that `attn` wrote (JSON, JSON Lines, NPZ).

    Raises:
        DataError: it cannot be read, or is not what it should be; the message says where.
    """
    name, data = read_whole(source)
    yield from decode(data, name)


def decode(data: bytes, name: str) -> Iterator[Inspection]:
    """The same of the bytes themselves, which messages call `name`."""
    module = "npz" if data.startswith(b"PK") else "document"
    read: Callable[[bytes, str], Iterator[Inspection]]
    read = import_module(f"attn_cli.files.{module}").read
    yield from read(data, name)


def holds_inspection(data: bytes) -> bool:
    """Whether bytes look like an Inspection that `attn` wrote, not like a text.

    That is an archive, or a JSON object with a schema of ours, however it is laid out.
    """
    if data.startswith(b"PK\x03\x04"):  # a text may begin with the two letters
        return True
    is_object = data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    return is_object and re.search(rb'"schema"\s*:\s*"attn/', data) is not None


def load(source: str | os.PathLike[str] | BinaryIO) -> Inspection:
    """The one Inspection in a file or a binary stream; `load_all` reads several.

    Raises:
        DataError: as `load_all`, or the file holds none or more than one.
    """
    found = load_all(source)
    first = next(found, None)
    if first is None:
        raise DataError(f"{source} holds no Inspection")
    if next(found, None) is not None:
        raise DataError(f"{source} holds more than one Inspection", "Use `load_all`.")
    return first
