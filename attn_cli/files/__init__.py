"""Files: an Inspection becomes bytes and bytes an Inspection, one module a format.

The one table from a suffix to its format is here; modules (and numpy) are loaded when used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from attn_cli.errors import DataError, UsageError
from attn_cli.files.whole import read_whole, write_whole

if TYPE_CHECKING:
    from attn_cli.files.foreign import Hints, Reading
    from attn_cli.inspection import Inspection

SCHEMA_FILE = Path(__file__).with_name("attn-1.schema.json")


class Format(NamedTuple):
    """What a suffix stands for; the module's `write` takes an Inspection and the decimals."""

    module: str
    lossless: bool = False  # it can be read back to an equal Inspection
    many: bool = False  # one file can hold several
    drawn: bool = False  # it shows tables: `write` also takes their names
    binary: bool = False  # a terminal would show noise
    between: bytes = b""  # what parts two


# The modules that draw lie in rooms above this one, and are only named here.
FORMATS = {
    "json": Format("attn_cli.files.document", lossless=True),
    "jsonl": Format("attn_cli.files.document", lossless=True, many=True),
    "npz": Format("attn_cli.files.npz", lossless=True, binary=True),
    "safetensors": Format("attn_cli.files.safetensors", lossless=True, binary=True),
    "csv": Format("attn_cli.files.longform"),
    "md": Format("attn_cli.files.markdown", many=True, drawn=True),
    "txt": Format("attn_cli.terminal.plain", many=True, drawn=True, between=b"\n"),
    "svg": Format("attn_cli.report.svg", drawn=True),
    "html": Format("attn_cli.report.page", drawn=True),
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
    inspections: Iterable[Inspection],
    name: str,
    *,
    precision: int | None = None,
    names: Sequence[str] | None = None,
) -> Iterator[bytes]:
    """Inspections as the bytes of a format, piece by piece; each is whole before the next begins.

    Args:
        inspections: one, or several where the format can hold them.
        name: a key of FORMATS.
        precision: decimals to keep; None keeps the exact float32.
        names: the tables to draw (`attn_cli.tables.SHOWABLE`), or the arrays that a lossless
            format keeps; None: those that the format usually has.
    """
    write: Callable[..., Iterator[bytes]] = import_module(FORMATS[name].module).write
    if names is not None and FORMATS[name].drawn:
        write = partial(write, names=names)
    for number, inspection in enumerate(inspections):
        if number and not FORMATS[name].many:
            raise UsageError(
                f"a .{name} file holds one text, and here are more", "Use `.jsonl` for many."
            )
        if number and FORMATS[name].between:
            yield FORMATS[name].between
        if names is not None and FORMATS[name].lossless:
            inspection = inspection.keeping(set(names))
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


def readings(
    source: str | os.PathLike[str] | BinaryIO, hints: Hints | None = None
) -> Iterator[Reading]:
    """Every Inspection in a file or a binary stream, with what was guessed and what is doubtful.

    What attn wrote is read as it was; tensors of any other origin as `foreign.layouts` has it. The
    first bytes decide what a file is, never its name.

    Raises:
        DataError: it cannot be read, or is not what it should be; the message says where.
        UsageError: a hint is given that does not fit.
    """
    from attn_cli.files.beginning import of_tensors

    name, data = read_whole(source, of_tensors)
    yield from import_module("attn_cli.files.reading").read(data, name, hints)


def load_tensors(
    source: str | os.PathLike[str] | BinaryIO, **hints: Any
) -> tuple[list[Inspection], list[str]]:
    """The Inspections in a file of any origin, and what is doubtful about them.

    Args:
        hints: the fields of `attn_cli.files.foreign.Hints`: axes, tokens, batch, causal, rows.

    Raises:
        DataError, UsageError: as `readings`.
    """
    found = list(readings(source, _hints(hints)))
    doubts = [doubt for reading in found for doubt in reading.doubts]
    return [reading.inspection for reading in found], doubts


def load_all(source: str | os.PathLike[str] | BinaryIO, **hints: Any) -> Iterator[Inspection]:
    """Every Inspection in a file or a binary stream of any origin; each doubt is a warning.

    Args:
        hints: as in `load_tensors`.

    Raises:
        DataError: it cannot be read, or is not what it should be; the message says where.
    """
    for reading in readings(source, _hints(hints)):
        if reading.doubts:
            import warnings

            for doubt in reading.doubts:
                warnings.warn(doubt, stacklevel=2)
        yield reading.inspection


def decode(data: bytes, name: str) -> Iterator[Inspection]:
    """The Inspections in the bytes of a file of any origin, which messages call `name`."""
    for reading in import_module("attn_cli.files.reading").read(data, name):
        yield reading.inspection


def holds_inspection(data: bytes) -> bool:
    """Whether bytes look like an Inspection that `attn` wrote, not like a text.

    That is an archive or safetensors, or a JSON object with a schema of ours.
    """
    from attn_cli.files.beginning import is_document, is_safetensors

    is_archive = data.startswith(b"PK\x03\x04")  # a text may begin with `PK`
    return is_archive or is_safetensors(data) or is_document(data)


def load(source: str | os.PathLike[str] | BinaryIO, **hints: Any) -> Inspection:
    """The one Inspection in a file or a binary stream; `load_all` reads several.

    Raises:
        DataError: as `load_all`, or the file holds none or more than one.
    """
    found = load_all(source, **hints)
    first = next(found, None)
    if first is None:
        raise DataError(f"{source} holds no Inspection")
    if next(found, None) is not None:
        raise DataError(f"{source} holds more than one Inspection", "Use `load_all`.")
    return first


def _hints(given: dict[str, Any]) -> Hints:
    from attn_cli.files.foreign import Hints

    unknown = next((name for name in given if name not in Hints._fields), None)
    if unknown is not None:
        raise UsageError(f"there is no hint `{unknown}`", f"Use: {', '.join(Hints._fields)}.")
    if given.get("tokens") is not None:
        given = given | {"tokens": tuple(given["tokens"])}
    return Hints(**given)
