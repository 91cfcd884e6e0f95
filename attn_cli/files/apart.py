"""Apart: a document without its arrays, and the arrays by their places, for containers of arrays.

NPZ and safetensors share it. It knows neither archive nor header.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.errors import DataError
from attn_cli.files.document import declared, document, from_document
from attn_cli.inspection import Inspection, Layer, Mask

if TYPE_CHECKING:
    from numpy.typing import NDArray


def take_apart(
    inspection: Inspection, precision: int | None
) -> tuple[str, dict[str, NDArray[Any]]]:
    """The document as JSON, with `{"array": place}` for each array, and the arrays by place.

    Args:
        precision: decimals to keep of the arrays; None keeps the exact float32.
    """
    rest, found = document(inspection, precision), {}
    for prefix, owner, kind in _owners(rest):
        for name in declared(kind):
            if owner[name] is not None:
                found[f"{prefix}{name}"] = _rounded(owner[name], precision)
                owner[name] = {"array": f"{prefix}{name}"}
    return json.dumps(rest), found


def put_together(rest: Any, arrays: Mapping[str, NDArray[Any]], name: str) -> Inspection:
    """The Inspection that `take_apart` took apart.

    Raises:
        DataError: an array is missing, or the document is not an Inspection.
    """
    for _, owner, kind in _owners(rest):
        for field in declared(kind):
            place = owner.get(field)
            if isinstance(place, dict) and place.keys() == {"array"}:
                if str(place["array"]) not in arrays:
                    raise DataError(f"{name} has no member `{place['array']}`")
                owner[field] = arrays[str(place["array"])]
    return from_document(rest, name)


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


def _rounded(array: NDArray[Any], precision: int | None) -> NDArray[Any]:
    if precision is None or array.dtype.kind != "f":
        return array
    wide = array.astype(np.float64)  # float32 would overflow on the way
    return np.asarray(wide.round(precision), dtype=array.dtype)
