"""llama.cpp's packed numbers: bit for bit as the gguf package unpacks them, and by hand."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_cli.checkpoints.gguf import TYPES
from attn_cli.checkpoints.quantised import unpack

PACKED = {kind.name: kind for kind in TYPES.values() if kind.block > 1}

# Where a block has its float16 scales: random bytes there would be infinite or no number.
SCALES = {"Q6_K": [208], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q4_1": [0, 2], "Q5_1": [0, 2]}


def blocks(name: str, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 256, (count, PACKED[name].n_bytes), dtype=np.uint8)
    for place in SCALES.get(name, [0]):
        scale = rng.standard_normal((count, 1)).astype("<f2")
        data[:, place : place + 2] = scale.view(np.uint8)
    return data


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 40))
@pytest.mark.parametrize("name", PACKED)
def test_bits_are_those_of_the_gguf_package(name: str, seed: int, count: int) -> None:
    data = blocks(name, count, seed)
    theirs = gguf.dequantize(data, gguf.GGMLQuantizationType[name]).reshape(-1)
    ours = unpack(memoryview(data.tobytes()), name)
    assert ours.dtype == np.float32 and ours.size == count * PACKED[name].block
    np.testing.assert_array_equal(ours.view(np.uint32), theirs.view(np.uint32))


@pytest.mark.parametrize("name", PACKED)
def test_many_blocks_are_as_one_after_the_other(name: str) -> None:
    count = (1 << 18) // PACKED[name].block + 3  # more than are unpacked at a time
    data = blocks(name, count, 5)
    size = PACKED[name].block
    whole = unpack(memoryview(data.tobytes()), name)
    for index in (0, 1, count // 2, count - 4, count - 1):
        one = unpack(memoryview(data[index].tobytes()), name)
        np.testing.assert_array_equal(whole[index * size : (index + 1) * size], one)


def test_by_hand() -> None:
    two = np.array([2], "<f2").tobytes()  # the scale
    one = np.array([1], "<f2").tobytes()  # the minimum
    nibbles = bytes([0x10, 0x32, *[0] * 14])  # low halves 0, 2, 0 …; high halves 1, 3, 0 …
    q4_0 = unpack(memoryview(two + nibbles), "Q4_0")
    assert q4_0[[0, 1, 2, 16, 17, 18]].tolist() == [-16, -12, -16, -14, -10, -16]
    q4_1 = unpack(memoryview(two + one + nibbles), "Q4_1")
    assert q4_1[[0, 1, 2, 16, 17, 18]].tolist() == [1, 5, 1, 3, 7, 1]
    fifth = (1 << 1 | 1 << 16).to_bytes(4, "little")  # numbers 1 and 16 have their fifth bit set
    q5_0 = unpack(memoryview(two + fifth + nibbles), "Q5_0")
    assert q5_0[[0, 1, 16]].tolist() == [2 * (0 - 16), 2 * (18 - 16), 2 * (17 - 16)]
    q8_0 = unpack(memoryview(two + bytes([0, 1, 255, 128, *[0] * 28])), "Q8_0")
    assert q8_0[:4].tolist() == [0, 2, -2, -256]


@pytest.mark.parametrize("name", PACKED)
def test_a_damaged_scale_is_no_warning(name: str) -> None:
    for scale in (b"\xff\x7f", b"\x00\x7c"):  # no number, and infinity, which may meet a 0
        found = unpack(memoryview(scale * (PACKED[name].n_bytes // 2)), name)
        assert found.shape == (PACKED[name].block,) and not np.isfinite(found).all()


def test_sizes_are_those_of_the_gguf_package() -> None:
    for number, kind in TYPES.items():
        theirs = gguf.GGMLQuantizationType(number)
        assert theirs.name == kind.name
        assert gguf.GGML_QUANT_SIZES[theirs] == (kind.block, kind.n_bytes)
