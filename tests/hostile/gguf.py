"""GGUF files to corrupt, put together byte by byte: anything in them can be wrong.

It makes no case.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_CODES = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?"}
_CODES |= {U64: "Q", I64: "q", F64: "d"}
D, FF, HEADS = 8, 16, 2


class Key(NamedTuple):
    """A key of the metadata; `value` is what `kind` says, or its bytes."""

    name: str | bytes
    kind: int
    value: Any


class Tensor(NamedTuple):
    """A tensor; `at` is its offset, None: after the one before."""

    name: str | bytes
    sizes: Sequence[int]  # innermost first, as the format has it
    data: bytes
    kind: int = 0
    at: int | None = None


def string(text: str | bytes) -> bytes:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def array(kind: int, values: Sequence[Any]) -> bytes:
    items = b"".join(_value(kind, value) for value in values)
    return struct.pack("<IQ", kind, len(values)) + items


def _value(kind: int, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return string(value) if kind == STRING else struct.pack(f"<{_CODES[kind]}", value)


def file(
    keys: Sequence[Key],
    tensors: Sequence[Tensor],
    *,
    magic: bytes = b"GGUF",
    version: bytes = struct.pack("<I", 3),
    n_tensors: int | None = None,
    n_keys: int | None = None,
    alignment: int = 32,
) -> bytes:
    head = magic + version
    head += struct.pack("<Q", len(tensors) if n_tensors is None else n_tensors)
    head += struct.pack("<Q", len(keys) if n_keys is None else n_keys)
    for key in keys:
        head += string(key.name) + struct.pack("<I", key.kind) + _value(key.kind, key.value)
    data = b""
    for tensor in tensors:
        data += bytes(-len(data) % alignment)
        place = len(data) if tensor.at is None else tensor.at
        head += string(tensor.name) + struct.pack("<I", len(tensor.sizes))
        head += b"".join(struct.pack("<Q", size % 2**64) for size in tensor.sizes)
        head += struct.pack("<IQ", tensor.kind, place % 2**64)
        data += tensor.data
    return head + bytes(-len(head) % alignment) + data


def byte_tokens() -> list[str]:
    """GPT-2's names of the 256 bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [*map(chr, printable), *(chr(0x100 + n) for n in range(256 - len(printable)))]


def keys(**changes: Any) -> list[Key]:
    """The metadata of a sound Llama; `changes` by the last part of a key: a Key, or None."""
    tokens = [*byte_tokens()[:255], "wb", "<s>", "</s>"]
    found = [
        Key("general.architecture", STRING, "llama"),
        Key("llama.block_count", U32, 1),
        Key("llama.context_length", U32, 64),
        Key("llama.embedding_length", U32, D),
        Key("llama.feed_forward_length", U32, FF),
        Key("llama.attention.head_count", U32, HEADS),
        Key("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        Key("tokenizer.ggml.model", STRING, "gpt2"),
        Key("tokenizer.ggml.pre", STRING, "gpt-2"),
        Key("tokenizer.ggml.tokens", ARRAY, array(STRING, tokens)),
        Key("tokenizer.ggml.token_type", ARRAY, array(I32, [1] * 256 + [3, 3])),
        Key("tokenizer.ggml.merges", ARRAY, array(STRING, ["w b"])),
        Key("tokenizer.ggml.bos_token_id", U32, 256),
        Key("tokenizer.ggml.eos_token_id", U32, 257),
        Key("tokenizer.ggml.add_bos_token", BOOL, True),
    ]
    for name, change in changes.items():
        place = next((i for i, key in enumerate(found) if str(key.name).endswith(name)), None)
        if place is not None:
            found.pop(place)
        if change is not None:
            found.insert(len(found) if place is None else place, change)
    return found


def tensors(**changes: Tensor | None) -> list[Tensor]:
    """The tensors of a sound Llama; `changes` by name, `blk_0_attn_q` for `blk.0.attn_q.weight`."""
    random = np.random.default_rng(1)
    shapes = {
        "token_embd": (258, D),
        "blk.0.attn_norm": (D,),
        "blk.0.attn_q": (D, D),
        "blk.0.attn_k": (D, D),
        "blk.0.attn_v": (D, D),
        "blk.0.attn_output": (D, D),
        "blk.0.ffn_norm": (D,),
        "blk.0.ffn_gate": (FF, D),
        "blk.0.ffn_up": (FF, D),
        "blk.0.ffn_down": (D, FF),
        "output_norm": (D,),
    }
    found = []
    for name, shape in shapes.items():
        numbers = random.standard_normal(shape, np.float32).tobytes()
        own = Tensor(f"{name}.weight", [*reversed(shape)], numbers)
        change = changes.get(name.replace(".", "_"), own)
        if change is not None:
            found.append(change)
    return found
