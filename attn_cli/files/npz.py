"""NPZ: an Inspection as numpy's own archive, each array under its place in the JSON document.

`numpy.load(file)["layers.0.weights"]` works without this program. Pickles are never opened.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli import memory
from attn_cli.errors import DataError, UsageError
from attn_cli.files import npy
from attn_cli.files.apart import put_together, take_apart
from attn_cli.strict_json import parse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.inspection import Inspection

# Zeros, a diagonal and equal rows pack a thousand times smaller, so that much may come of anything:
# the numbers, and a header each. A larger member of a larger archive that is unpacked to so many
# times its size is there to fill the memory.
_HARMLESS = (1 << 26) + (npy.MOST_ARRAYS << 7)
_LARGE, _THINNEST = 1 << 25, 100
_PIECE = 1 << 20  # bytes that are unpacked at once
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_HEADER = 30  # bytes before the name of a member and its data
_ENCRYPTED = 1  # a flag of a member
_LISTED = b"PK\x01\x02"  # before each member in an archive's own list
DOCUMENT = "document"  # the JSON document with its arrays taken out


def write(inspection: Inspection, precision: int | None = None) -> Iterator[bytes]:
    """The archive, uncompressed; `precision` rounds the arrays to so many decimals."""
    rest, found = take_apart(inspection, precision)
    file = BytesIO()
    np.savez(file, allow_pickle=False, **{DOCUMENT: np.array(rest)}, **found)
    yield file.getvalue()


def from_members(arrays: dict[str, NDArray[Any]], name: str) -> Inspection:
    """The Inspection in the members of an archive that `write` made.

    Raises:
        DataError: they are not those of such an archive.
    """
    if DOCUMENT not in arrays or arrays[DOCUMENT].dtype.kind != "U":
        raise DataError(f"{name} has no member `{DOCUMENT}`: it was not written by this program")
    text = str(arrays.pop(DOCUMENT)).encode(errors="replace")
    return put_together(parse(text, f"{name}, member `{DOCUMENT}`"), arrays, name)


def members(data: bytes, name: str) -> dict[str, NDArray[Any]]:
    """Every array of an archive, none of them larger than its member.

    Raises:
        DataError: it is no archive of arrays, is damaged, or claims more than it holds.
    """
    if data.count(_LISTED) > npy.MOST_ARRAYS:
        raise DataError(f"{name} holds more than {npy.MOST_ARRAYS:,} arrays")
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except MemoryError:
        raise
    # zipfile raises a dozen kinds of error over damaged bytes, and a file is to blame for every
    # one of them.
    except Exception:
        raise DataError(
            f"{name} is not an NPZ archive that can be read: its list of members is cut or damaged"
        ) from None
    try:
        with archive:
            listed = _checked(archive, len(data))
            return {
                key: npy.read(_unpacked(archive, member), f"`{key}`")
                for key, member in listed.items()
            }
    except DataError as error:
        raise DataError(f"{name}: {error.message}", error.hint) from None


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytearray:
    """The bytes of a member, never held twice.

    Raises:
        DataError: they are not those that were packed, or not as many as the archive says.
    """
    what, held = f"member `{member.filename}`", bytearray()
    try:
        with archive.open(member) as packed:
            while piece := packed.read(_PIECE):
                held += piece
    except MemoryError:
        raise
    except Exception:  # as above
        raise DataError(f"{what} is damaged: it is not what was packed") from None
    if len(held) != member.file_size:
        raise DataError(
            f"{what} should be {member.file_size:,} bytes when unpacked, and is {len(held):,}"
        )
    return held


def _checked(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """The members by the names of their arrays, if all may be unpacked.

    Args:
        size: bytes of the whole archive.

    Raises:
        DataError: two have one name, one is a pickle, lies beyond the archive or cannot be
            unpacked, or they would fill the memory.
    """
    listed = archive.infolist()
    unpacked = sum(member.file_size for member in listed)
    try:
        memory.require(unpacked, "the archive")
    except UsageError as error:
        raise DataError(error.message) from None
    found: dict[str, zipfile.ZipInfo] = {}
    for member in listed:
        if member.filename.endswith("/data.pkl"):
            raise DataError(
                "this is a PyTorch file, a pickle: reading it could run any program",
                "Save the arrays: `np.savez(file, *[a.numpy() for a in attentions])`.",
            )
        key = member.filename.removesuffix(".npy")
        if key in found:
            raise DataError(f"two arrays are called `{key}`")
        found[key] = member
        _require_whole(member, archive.start_dir)
        if unpacked > _HARMLESS:
            _require_thick(member.file_size, member.compress_size, f"`{member.filename}`")
    if unpacked > _HARMLESS:  # members may lie over one another, each thick enough by itself
        _require_thick(unpacked, size, "the archive")
    return found


def _require_whole(member: zipfile.ZipInfo, end: int) -> None:
    """Refuse a member that cannot be unpacked.

    Args:
        end: of the members, where the archive's list begins.
    """
    what = f"member `{member.filename}`"
    if member.flag_bits & _ENCRYPTED:
        raise DataError(f"{what} is encrypted", "Save it without a password.")
    if member.compress_type not in _METHODS:
        raise DataError(
            f"{what} is compressed in a way that is not read (method {member.compress_type})",
            "Save with `np.savez_compressed`.",
        )
    room = max(end - member.header_offset - _HEADER, 0)
    if member.compress_size > room:
        raise DataError(
            f"{what} should take {member.compress_size:,} bytes, and there is room for {room:,}"
        )


def _require_thick(unpacked: int, packed: int, what: str) -> None:
    if unpacked > max(_LARGE, _THINNEST * packed):
        raise DataError(
            f"{what} would be {memory.readable(unpacked)} from {memory.readable(packed)}: numbers "
            "are not as thin as that"
        )
