"""Quantised: llama.cpp's packed number types as float32, many blocks at a time.

It opens no file. A block holds 32 or 256 numbers as small integers and the scales that they share.
The layouts are those of ggml-common.h; the arithmetic is in float32 and in the order of ggml's own
dequantize_row functions, so that results are equal bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.types import Floats

    Blocks = NDArray[Any]  # of a structured type, one entry a block
    Bytes = NDArray[np.uint8]

_AT_A_TIME = 1 << 18  # numbers: what is on the way stays in the processor's cache


def unpack(data: memoryview, name: str) -> Floats:
    """Packed numbers, flat, as float32.

    Args:
        data: whole blocks.
        name: the type, as ggml calls it: `Q4_0`, `Q4_1`, `Q5_0`, `Q5_1`, `Q8_0`, `Q4_K`, `Q5_K` or
            `Q6_K`.
    """
    layout, block, unpacked = _TYPES[name]
    blocks = np.frombuffer(data, layout)
    found = np.empty((len(blocks), block), np.float32)
    step = _AT_A_TIME // block
    with np.errstate(invalid="ignore"):  # a scale may be infinite; who reads will see
        for start in range(0, len(blocks), step):
            part = slice(start, start + step)
            found[part] = unpacked(blocks[part])
    return found.ravel()


def _q8_0(blocks: Blocks) -> Floats:
    """x = d·q, q signed."""
    return _scale(blocks, "d") * _floats(blocks["qs"])


def _q4_0(blocks: Blocks) -> Floats:
    """x = d·(q − 8)."""
    return _scale(blocks, "d") * _centred(_nibbles(blocks["qs"]), 8)


def _q4_1(blocks: Blocks) -> Floats:
    """x = d·q + m."""
    return _scale(blocks, "d") * _floats(_nibbles(blocks["qs"])) + _scale(blocks, "m")


def _q5_0(blocks: Blocks) -> Floats:
    """x = d·(q − 16); the fifth bits are apart."""
    return _scale(blocks, "d") * _centred(_five_bits(blocks), 16)


def _q5_1(blocks: Blocks) -> Floats:
    """x = d·q + m; the fifth bits are apart."""
    return _scale(blocks, "d") * _floats(_five_bits(blocks)) + _scale(blocks, "m")


def _q4_k(blocks: Blocks) -> Floats:
    """x = (d·s)·q − (dmin·m): eight groups of 32, each with a scale s and a minimum m of 6 bits."""
    scales, minima = _group_scales(blocks)
    quants = _nibbles(blocks["qs"].reshape(-1, 32)).reshape(len(blocks), 8, 32)
    return (scales * _floats(quants) - minima).reshape(len(blocks), 256)


def _q5_k(blocks: Blocks) -> Floats:
    """As Q4_K; bit g of byte i of qh is the fifth bit of number i of group g."""
    scales, minima = _group_scales(blocks)
    low = _nibbles(blocks["qs"].reshape(-1, 32)).reshape(len(blocks), 8, 32)
    shifts = np.arange(8, dtype=np.uint8)[:, None]
    high: Bytes = (blocks["qh"][:, None, :] >> shifts & np.uint8(1)) << np.uint8(4)
    return (scales * _floats(low | high) - minima).reshape(len(blocks), 256)


def _q6_k(blocks: Blocks) -> Floats:
    """x = (d·s)·(q − 32): sixteen groups of 16, each with a signed scale s.

    The four low bits lie as two halves of 64 bytes, whose nibbles are numbers 0 to 63 and 64 to
    127 of a half; the two high bits of number i of quarter k are bits 2k and 2k + 1 of byte i.
    """
    low = _nibbles(blocks["ql"].reshape(-1, 64)).reshape(len(blocks), 2, 4, 32)
    shifts = np.arange(0, 8, 2, dtype=np.uint8)[:, None]
    high: Bytes = blocks["qh"].reshape(len(blocks), 2, 1, 32) >> shifts & np.uint8(3)
    quants = _centred(low | high << np.uint8(4), 32)
    scales = _scale(blocks, "d") * _floats(blocks["scales"])
    found: Floats = scales[:, :, None] * quants.reshape(len(blocks), 16, 16)
    return found.reshape(len(blocks), 256)


def _scale(blocks: Blocks, name: str) -> Floats:
    """A float16 that a block's numbers share, (blocks, 1)."""
    return _floats(blocks[name])[:, None]


def _floats(numbers: NDArray[Any]) -> Floats:
    return numbers.astype(np.float32)


def _centred(quants: Bytes, middle: int) -> Floats:
    """Numbers around 0, of numbers from 0 on around `middle`."""
    found: Floats = _floats(quants) - np.float32(middle)
    return found


def _nibbles(packed: Bytes) -> Bytes:
    """(rows, n) bytes as (rows, 2n) numbers of four bits: all the low halves, then all the high."""
    return np.concatenate([packed & np.uint8(15), packed >> np.uint8(4)], axis=1)


def _five_bits(blocks: Blocks) -> Bytes:
    high: Bytes = np.unpackbits(blocks["qh"], axis=1, bitorder="little")
    five: Bytes = _nibbles(blocks["qs"]) | high << np.uint8(4)
    return five


def _group_scales(blocks: Blocks) -> tuple[Floats, Floats]:
    """d·s and dmin·m, each (blocks, 8, 1), from twelve bytes of six-bit numbers.

    Bytes 0 to 3 hold s₀…₃ and bytes 4 to 7 m₀…₃ in their low six bits; bytes 8 to 11 the low four
    bits of s₄…₇ (low half) and m₄…₇ (high half), whose high two are the top bits of bytes 0 to 7.
    """
    first, second, third = np.split(blocks["scales"], 3, axis=1)
    top, six, four = np.uint8(0x30), np.uint8(0x3F), np.uint8(0x0F)
    s = np.concatenate([first & six, third & four | first >> np.uint8(2) & top], axis=1)
    m = np.concatenate([second & six, third >> np.uint8(4) | second >> np.uint8(2) & top], axis=1)
    return (
        (_scale(blocks, "d") * _floats(s))[:, :, None],
        (_scale(blocks, "dmin") * _floats(m))[:, :, None],
    )


_D, _M, _DMIN = ("d", "<f2"), ("m", "<f2"), ("dmin", "<f2")
_SCALES = ("scales", "u1", 12)

# By name: how a block lies in the file, how many numbers it has, what unpacks it.
_TYPES: dict[str, tuple[np.dtype[Any], int, Callable[[Blocks], Floats]]] = {
    "Q8_0": (np.dtype([_D, ("qs", "i1", 32)]), 32, _q8_0),
    "Q4_0": (np.dtype([_D, ("qs", "u1", 16)]), 32, _q4_0),
    "Q4_1": (np.dtype([_D, _M, ("qs", "u1", 16)]), 32, _q4_1),
    "Q5_0": (np.dtype([_D, ("qh", "u1", 4), ("qs", "u1", 16)]), 32, _q5_0),
    "Q5_1": (np.dtype([_D, _M, ("qh", "u1", 4), ("qs", "u1", 16)]), 32, _q5_1),
    "Q4_K": (np.dtype([_D, _DMIN, _SCALES, ("qs", "u1", 128)]), 256, _q4_k),
    "Q5_K": (np.dtype([_D, _DMIN, _SCALES, ("qh", "u1", 32), ("qs", "u1", 128)]), 256, _q5_k),
    "Q6_K": (
        np.dtype([("ql", "u1", 128), ("qh", "u1", 64), ("scales", "i1", 16), _D]),
        256,
        _q6_k,
    ),
}
