"""Reading: the bytes of a file, whatever is in them, as Inspections.

The first bytes decide who reads it: what attn wrote goes back as it was, all else to `foreign`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from attn_cli.errors import UsageError
from attn_cli.files.beginning import is_safetensors, refuse_shut
from attn_cli.files.foreign import Hints, Reading

if TYPE_CHECKING:
    from attn_cli.files.foreign.tensors import Tensors
    from attn_cli.inspection import Inspection


def read(data: bytes, name: str, hints: Hints | None = None) -> Iterator[Reading]:
    """Every Inspection in the bytes of a file.

    Raises:
        DataError: it cannot be read, or is not what it should be; the message says where.
        UsageError: a hint is given for what attn wrote, or does not fit.
    """
    hints = hints or Hints()
    # First: the length that it begins with may be any other format's first bytes.
    if is_safetensors(data):
        yield from _safetensors(data, name, hints)
        return
    refuse_shut(data, name)
    if data.startswith(b"PK"):
        yield from _npz(data, name, hints)
    elif data.startswith(b"\x93NUMPY"):
        npy, tensors = _module("npy"), _module("foreign.tensors")
        array = npy.read(data, name)
        yield from _foreign(tensors.from_arrays({"": array}, name), data, name, hints)
    else:
        document = _module("document")
        for value, place in document.parsed(data, name):
            if isinstance(value, dict) and "schema" in value:
                yield _own(document.from_document(value, place), name, hints)
            else:
                tensors = _module("foreign.tensors").from_json(value, place)
                yield from _foreign(tensors, data, place, hints)


def _npz(data: bytes, name: str, hints: Hints) -> Iterator[Reading]:
    npz = _module("npz")
    members = npz.members(data, name)
    if npz.DOCUMENT in members:
        yield _own(npz.from_members(members, name), name, hints)
    else:
        tensors = _module("foreign.tensors").from_arrays(members, name)
        yield from _foreign(tensors, data, name, hints)


def _safetensors(data: bytes, name: str, hints: Hints) -> Iterator[Reading]:
    safetensors = _module("safetensors")
    contents = safetensors.contents(data, name)
    if safetensors.DOCUMENT in contents.metadata:
        yield _own(safetensors.from_contents(contents, name), name, hints)
    else:
        tensors = _module("foreign.tensors").from_safetensors(contents)
        yield from _foreign(tensors, data, name, hints)


def _own(inspection: Inspection, name: str, hints: Hints) -> Reading:
    for hint, value in hints._asdict().items():
        if value is not None and value is not False:  # 0 is a batch
            raise UsageError(f"{name} was written by attn and needs no `--{hint}`")
    recorded = inspection.source.settings.get("doubts")  # when it was first read
    doubts = tuple(map(str, recorded)) if isinstance(recorded, list) else ()
    return Reading(inspection, doubts=doubts)


def _foreign(tensors: Tensors, data: bytes, name: str, hints: Hints) -> Iterator[Reading]:
    @cache
    def file_hash() -> str:
        import hashlib

        return f"sha256:{hashlib.sha256(data).hexdigest()}"

    yield from _module("foreign.layouts").read(tensors, name, hints, file_hash)


def _module(name: str) -> Any:
    return import_module(f"attn_cli.files.{name}")
