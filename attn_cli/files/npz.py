"""NPZ: an Inspection as numpy's own archive, each array under its place in the JSON document.

`numpy.load(file)["layers.0.weights"]` works without this program. Pickles are never opened.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from attn_cli import memory
from attn_cli.errors import DataError, UsageError
from attn_cli.files.apart import put_together, take_apart
from attn_cli.strict_json import parse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.inspection import Inspection

# A larger member that is unpacked to so many times its size is there to fill the memory.
_LARGE, _THINNEST = 1 << 25, 100
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
    try:
        return _members(data)
    except DataError as error:
        raise DataError(f"{name}: {error.message}", error.hint) from None
    # zipfile and numpy raise a dozen kinds of error over damaged bytes, and a file is to blame for
    # every one of them.
    except Exception as error:
        raise DataError(f"{name} is not an NPZ archive that can be read: {error}") from None


def single(data: bytes, name: str) -> NDArray[Any]:
    """The array in the bytes of a `.npy` file.

    Raises:
        DataError: it is damaged, holds Python objects, or claims more than it holds.
    """
    try:
        _check_header(BytesIO(data), "the array", len(data))
        return np.asarray(np.lib.format.read_array(BytesIO(data), allow_pickle=False))
    except DataError as error:
        raise DataError(f"{name}: {error.message}", error.hint) from None
    except Exception as error:  # as above
        raise DataError(f"{name} is not an NPY file that can be read: {error}") from None


def _members(data: bytes) -> dict[str, NDArray[Any]]:
    found = {}
    with zipfile.ZipFile(BytesIO(data)) as archive:
        listed = archive.infolist()
        try:
            memory.require(sum(member.file_size for member in listed), "the archive")
        except UsageError as error:
            raise DataError(error.message) from None
        if any(member.filename.endswith("/data.pkl") for member in listed):
            raise DataError(
                "this is a PyTorch file, a pickle: reading it could run any program",
                "Save the arrays: `np.savez(file, *[a.numpy() for a in attentions])`.",
            )
        for member in listed:
            if member.file_size > _LARGE and member.file_size > _THINNEST * member.compress_size:
                raise DataError(
                    f"`{member.filename}` would be {memory.readable(member.file_size)} from "
                    f"{memory.readable(member.compress_size)}: numbers are not as thin as that"
                )
            with archive.open(member) as file:
                _check_header(file, f"`{member.filename}`", member.file_size)
            with archive.open(member) as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
            found[member.filename.removesuffix(".npy")] = array
    return found


def _check_header(file: IO[bytes], what: str, size: int) -> None:
    """Refuse a header whose array is larger than `size`, or would have to be unpickled."""
    major, _ = np.lib.format.read_magic(file)
    read_header = getattr(np.lib.format, f"read_array_header_{major}_0")
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise DataError(
            f"{what} holds Python objects, a pickle, which is never opened "
            "(as numpy's allow_pickle=False)",
            "Save each array by itself, and tokens as `np.array(tokens)` of strings.",
        )
    if math.prod(shape) * dtype.itemsize > size:
        raise DataError(f"{what} claims more numbers than it holds: {shape}")
