"""NPZ: an Inspection as numpy's own archive, each array under its place in the JSON document.

`numpy.load(file)["layers.0.weights"]` works without this program. Pickles are never opened.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from attn_cli import memory
from attn_cli.errors import DataError, UsageError
from attn_cli.files.document import declared, document, from_document
from attn_cli.inspection import Inspection, Layer, Mask
from attn_cli.strict_json import parse

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DOCUMENT = "document"  # the JSON document with its arrays taken out


def write(inspection: Inspection, precision: int | None = None) -> Iterator[bytes]:
    """The archive, uncompressed; `precision` rounds the arrays to so many decimals."""
    rest, found = document(inspection, precision), {}
    for prefix, owner, kind in _owners(rest):
        for name in declared(kind):
            if owner[name] is not None:
                found[f"{prefix}{name}"] = _rounded(owner[name], precision)
                owner[name] = {"array": f"{prefix}{name}"}
    file = BytesIO()
    np.savez(file, allow_pickle=False, **{_DOCUMENT: np.array(json.dumps(rest))}, **found)
    yield file.getvalue()


def read(data: bytes, name: str) -> Iterator[Inspection]:
    """The Inspection in an archive that `write` made.

    Raises:
        DataError: it is no such archive, is damaged, or claims more than it holds.
    """
    try:
        arrays = _members(data)
    except DataError as error:
        raise DataError(f"{name}: {error.message}") from None
    # zipfile and numpy raise a dozen kinds of error over damaged bytes, and a file is to blame for
    # every one of them.
    except Exception as error:
        raise DataError(f"{name} is not an NPZ archive that can be read: {error}") from None
    if _DOCUMENT not in arrays or arrays[_DOCUMENT].dtype.kind != "U":
        raise DataError(f"{name} has no member `{_DOCUMENT}`: it was not written by this program")
    rest = parse(
        str(arrays.pop(_DOCUMENT)).encode(errors="replace"), f"{name}, member `{_DOCUMENT}`"
    )
    for _, owner, kind in _owners(rest):
        for field in declared(kind):
            place = owner.get(field)
            if isinstance(place, dict) and place.keys() == {"array"}:
                if str(place["array"]) not in arrays:
                    raise DataError(f"{name} has no member `{place['array']}`")
                owner[field] = arrays[str(place["array"])]
    yield from_document(rest, name)


def _owners(rest: Any) -> Iterator[tuple[str, dict[str, Any], type]]:
    """The parts of a document that hold arrays, with the prefix of their members' names."""
    if not isinstance(rest, dict):
        return
    yield "", rest, Inspection
    if isinstance(rest.get("mask"), dict):
        yield "mask.", rest["mask"], Mask
    layers = rest.get("layers")
    for index, layer in enumerate(layers if isinstance(layers, list) else []):
        if isinstance(layer, dict):
            yield f"layers.{index}.", layer, Layer


def _members(data: bytes) -> dict[str, NDArray[Any]]:
    """Every array of an archive, none of them larger than its member."""
    found = {}
    with zipfile.ZipFile(BytesIO(data)) as archive:
        try:
            claimed = sum(member.file_size for member in archive.infolist())
            memory.require(claimed, "the archive")
        except UsageError as error:
            raise DataError(error.message) from None
        for member in archive.infolist():
            with archive.open(member) as file:
                _check_header(file, member)
            with archive.open(member) as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
            found[member.filename.removesuffix(".npy")] = array
    return found


def _check_header(file: IO[bytes], member: zipfile.ZipInfo) -> None:
    major, _ = np.lib.format.read_magic(file)
    read_header = getattr(np.lib.format, f"read_array_header_{major}_0")
    shape, _, dtype = read_header(file)
    if math.prod(shape) * dtype.itemsize > member.file_size:
        raise DataError(f"`{member.filename}` claims more numbers than it holds: {shape}")


def _rounded(array: NDArray[Any], precision: int | None) -> NDArray[Any]:
    if precision is None or array.dtype.kind != "f":
        return array
    wide = array.astype(np.float64)  # float32 would overflow on the way
    return np.asarray(wide.round(precision), dtype=array.dtype)
