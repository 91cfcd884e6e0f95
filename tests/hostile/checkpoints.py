"""Checkpoints to corrupt: small good ones as bytes, and what puts wrong ones together.

It makes no case.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from checkpoint_files import safetensors_bytes, word_tokenizer

from hostile.case import Case

REFERENCE = Path(__file__).parent.parent / "reference"
TEXT = "w5 w6 w7"
AWKWARD = "\x1b[31m\u202e[bold]\n\ue000"  # text that must not be drawn as it stands


@cache
def _file(model: str, name: str) -> bytes:
    return (REFERENCE / model / name).read_bytes()


@cache
def weights(model: str = "llama") -> bytes:
    """In float32, which is mapped and not converted."""
    header, numbers = split(_file(model, "model.safetensors"))
    tensors = {}
    for name, about in header.items():
        if name != "__metadata__":
            stored = numbers[slice(*about["data_offsets"])]
            if about["dtype"] == "BF16":
                wide = np.frombuffer(stored, "<u2").astype("<u4") << 16
                array = wide.view("<f4")
            else:
                array = np.frombuffer(stored, "<f2").astype("<f4")
            tensors[name] = array.reshape(about["shape"])
    return safetensors_bytes(tensors)


@cache
def tokenizer() -> bytes:
    return word_tokenizer()


def config(model: str = "llama") -> dict[str, Any]:
    return json.loads(_file(model, "config.json"))


def good(model: str = "llama", **files: bytes | None) -> dict[str, bytes]:
    """A sound model in `model/`; named files (`config_json`) are others, or missing (None)."""
    found: dict[str, bytes | None] = {
        "config.json": _file(model, "config.json"),
        "model.safetensors": weights(model),
        "tokenizer.json": tokenizer(),
    }
    found |= {name.replace("_json", ".json").replace("_s", ".s"): d for name, d in files.items()}
    return {f"model/{name}": data for name, data in found.items() if data is not None}


def with_config(model: str = "llama", **changes: Any) -> dict[str, bytes]:
    return good(model, config_json=json.dumps(config(model) | changes).encode())


def inspecting(name: str, files: Mapping[str, bytes], *options: str, **more: Any) -> Case:
    """A case that asks a model in `model/` for the attention of a text."""
    return Case(name, ("inspect", TEXT, "--model", "model", *options), files=files, **more)


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, and its numbers."""
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def joined(header: Any, numbers: bytes) -> bytes:
    """A safetensors file of any header: an object, or the text itself."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def tensor(dtype: str, shape: list[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
