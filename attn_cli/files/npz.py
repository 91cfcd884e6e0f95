"""NPZ: an Inspection as numpy's own archive, each array under its place in the JSON document.

`numpy.load(file)["layers.0.weights"]` works without this program. Pickles are never opened.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli import memory
from attn_cli.errors import DataError
from attn_cli.files.document import document, from_document
from attn_cli.files.strict_json import parse
from attn_cli.inspection import Inspection

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DOCUMENT = "document"  # the JSON document with its arrays taken out


def write(inspection: Inspection, precision: int | None = None) -> Iterator[bytes]:
    """The archive, uncompressed; `precision` rounds the arrays to so many decimals."""
    found: dict[str, NDArray[Any]] = {}
    rest = _take_out(document(inspection, precision), "", found)
    if precision is not None:
        found = {
            place: array.round(precision) if array.dtype.kind == "f" else array
            for place, array in found.items()
        }
    file = BytesIO()
    np.savez(file, allow_pickle=False, **{_DOCUMENT: np.array(json.dumps(rest))}, **found)
    yield file.getvalue()


def read(data: bytes, name: str) -> Iterator[Inspection]:
    """The Inspection in an archive that `write` made.

    Raises:
        DataError: it is no such archive, is damaged, or claims more than memory holds.
    """
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            claimed = sum(member.file_size for member in archive.infolist())
            memory.require(claimed, f"the archive {name}")
            arrays = {
                member.removesuffix(".npy"): np.lib.format.read_array(
                    archive.open(member), allow_pickle=False
                )
                for member in archive.namelist()
            }
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(f"{name} is not an NPZ archive that can be read: {error}") from None
    if _DOCUMENT not in arrays or arrays[_DOCUMENT].dtype.kind != "U":
        raise DataError(f"{name} has no member `{_DOCUMENT}`: it was not written by this program")
    rest = parse(str(arrays.pop(_DOCUMENT)).encode(), f"{name}, member `{_DOCUMENT}`")
    yield from_document(_put_back(rest, arrays, name), name)


def _take_out(value: Any, place: str, found: dict[str, NDArray[Any]]) -> Any:
    if isinstance(value, np.ndarray):
        found[place] = value
        return {"array": place}
    if isinstance(value, dict):
        return {
            key: _take_out(item, f"{place}.{key}".lstrip("."), found) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_take_out(item, f"{place}.{i}", found) for i, item in enumerate(value)]
    return value


def _put_back(value: Any, arrays: dict[str, NDArray[Any]], name: str) -> Any:
    if isinstance(value, list):
        return [_put_back(item, arrays, name) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"array"} and isinstance(value["array"], str):
        if value["array"] not in arrays:
            raise DataError(f"{name} has no member `{value['array']}`")
        return arrays[value["array"]]
    return {key: _put_back(item, arrays, name) for key, item in value.items()}
