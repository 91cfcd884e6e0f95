"""Every reader of strangers' bytes, and for each a small file that it reads: what fuzzing begins
with."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from attn_cli.files import decode, encode, matrix, vectors, vocabulary
from attn_cli.files.foreign.tokens import parse_list
from attn_cli.strict_json import parse
from attn_cli.tutorial import inspect

Reader = Callable[[bytes], object]
WEIGHTS = np.float32([[[1, 0], [0.5, 0.5]]])


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _own(name: str) -> bytes:
    run = inspect("a b", heads=2, kv_heads=1, mask="causal", positions="rope")
    return b"".join(encode([run], name))


def _of_a_stream(load: Callable[[Any], object]) -> Reader:
    return lambda data: load(io.BytesIO(data))


def tensors(data: bytes) -> object:
    return list(decode(data, "`it`"))


READERS: dict[str, tuple[Reader, bytes]] = {
    "json": (tensors, _own("json")),
    "jsonl": (tensors, _own("jsonl") * 2),
    "npz": (tensors, _own("npz")),
    "safetensors": (tensors, _own("safetensors")),
    "foreign json": (tensors, b'{"tokens": ["a", "b"], "weights": [[[1, 0], [0.5, 0.5]]]}'),
    "foreign npy": (tensors, _npy(WEIGHTS)),
    "foreign npz": (tensors, _npz(weights=WEIGHTS, tokens=np.array(["a", "b"]))),
    "vectors json": (_of_a_stream(vectors.load), b'{"a": [0.5, 1], "b": [-1e2, 0]}'),
    "vectors csv": (_of_a_stream(vectors.load), b'word,x,y\n"a",0.5,1\r\nb,-1e2,0\n'),
    "vectors npy": (_of_a_stream(vectors.load), _npy(np.float32([[0.5, 1], [2, 3]]))),
    "matrix torch": (_of_a_stream(matrix.load), b"tensor([[0.1, nan],\n        [-inf, 2.]])"),
    "matrix csv": (_of_a_stream(matrix.load), b"0.5 1e-3\n-2 nan\n"),
    "matrix json": (_of_a_stream(matrix.load), b'{"scores": [[0.5, NaN], [-1e-3, 2]]}'),
    "vocabulary json": (_of_a_stream(vocabulary.load), b'{"vocabulary": {"a": 0}, "counts": null}'),
    "vocabulary words": (_of_a_stream(vocabulary.load), b'["a", "\\u00e9"]'),
    "vocabulary text": (_of_a_stream(vocabulary.load), "a\r\né\n".encode()),
    "tokens": (lambda data: parse_list(data, "`it`"), b'["a", "b"]'),
    "strict json": (lambda data: parse(data, "`it`"), json.dumps([{"a": 1.5e3, "b": []}]).encode()),
}
