"""Our GGUF reader: what the gguf package writes is read back, and broken files are refused."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pace import promptly

from attn_cli.checkpoints.gguf import GgufFile
from attn_cli.errors import AttnError, DataError, UsageError

IN_ONE_DIRECTORY = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def string(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def pair(key: str | bytes, number: int, value: bytes) -> bytes:
    return string(key) + struct.pack("<I", number) + value


def listed(number: int, count: int, values: bytes = b"") -> bytes:
    return struct.pack("<IQ", number, count) + values


def info(name: str | bytes, sizes: Sequence[int], number: int, offset: int) -> bytes:
    dimensions = struct.pack(f"<I{len(sizes)}Q", len(sizes), *sizes)
    return string(name) + dimensions + struct.pack("<IQ", number, offset)


def begin(n_tensors: int, n_keys: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, n_tensors, n_keys)


def whole(header: bytes, data: bytes, alignment: int = 32) -> bytes:
    return header + bytes(-len(header) % alignment) + data


U8, STRING, ARRAY, F32, F16 = 0, 8, 9, 0, 1

SMALL = whole(
    begin(2, 4)
    + pair("general.architecture", STRING, string("llama"))
    + pair("list", ARRAY, listed(STRING, 2, string("a") + string("ä")))
    + pair("numbers", ARRAY, listed(5, 3, struct.pack("<3i", 1, -2, 3)))
    + pair("nested", ARRAY, listed(ARRAY, 1, listed(U8, 2, b"\1\2")))
    + info("a", [3, 2], F32, 0)
    + info("b", [4], F16, 32),
    np.arange(6, dtype="<f4").tobytes() + bytes(8) + np.arange(4, dtype="<f2").tobytes(),
)


def opened(data: bytes, directory: Path) -> GgufFile:
    path = directory / "model.gguf"
    path.write_bytes(data)
    return GgufFile(path)


def test_a_file_made_by_hand_is_read(tmp_path: Path) -> None:
    file = opened(SMALL, tmp_path)
    assert file.metadata["general.architecture"] == "llama"
    assert file.metadata["list"] == ["a", "ä"]
    assert list(file.metadata["numbers"]) == [1, -2, 3]
    assert [list(inner) for inner in file.metadata["nested"]] == [[1, 2]]
    assert file.read("a").tolist() == [[0, 1, 2], [3, 4, 5]]  # sizes are innermost first
    assert file.read("b").tolist() == [0, 1, 2, 3]
    assert file.read("a", np.array([1])).tolist() == [[3, 4, 5]]
    assert file.dtype == "F32"
    assert not file.read("a").flags.writeable  # a view of the map
    with pytest.raises(DataError, match="has no tensor `c`"):
        file.read("c")


@pytest.mark.parametrize("version", [2, 3])
def test_both_versions_are_read(version: int, tmp_path: Path) -> None:
    assert opened(begin(0, 0, version), tmp_path).entries == {}


def test_what_is_just_within_the_limits_is_read(tmp_path: Path) -> None:
    widest = metadata(pair("general.alignment", 4, struct.pack("<I", 1 << 20)))
    assert opened(widest, tmp_path).metadata["general.alignment"] == 1 << 20
    assert opened(metadata(pair("k" * 65_535, 0, b"\1")), tmp_path).metadata == {"k" * 65_535: 1}
    deepest = tensors(info("n" * 1024, [1, 1, 1, 2], F32, 0))
    assert opened(deepest, tmp_path).read("n" * 1024).shape == (2, 1, 1, 1)


def test_what_the_gguf_package_writes_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    values: dict[str, Any] = {}
    numbers = {
        gguf.GGUFValueType.UINT8: 200,
        gguf.GGUFValueType.INT8: -100,
        gguf.GGUFValueType.UINT16: 60_000,
        gguf.GGUFValueType.INT16: -30_000,
        gguf.GGUFValueType.UINT32: 2**32 - 1,
        gguf.GGUFValueType.INT32: -(2**31),
        gguf.GGUFValueType.UINT64: 2**64 - 1,
        gguf.GGUFValueType.INT64: -(2**63),
        gguf.GGUFValueType.FLOAT32: 0.5,
        gguf.GGUFValueType.FLOAT64: 0.1,
        gguf.GGUFValueType.BOOL: True,
        gguf.GGUFValueType.STRING: "naïve 日本語",
    }
    for kind, value in numbers.items():
        writer.add_key_value(kind.name, value, kind)
        values[kind.name] = value
    writer.add_array("strings", ["x", "", "🙂"])
    writer.add_array("floats", [0.5, -2.0])
    rng = np.random.default_rng(2)
    originals = {}
    for kind in ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"):
        array = rng.standard_normal((3, 64)).astype(np.float32)
        stored = gguf.quantize(array, gguf.GGMLQuantizationType[kind])
        writer.add_tensor(f"t.{kind}", stored, raw_dtype=gguf.GGMLQuantizationType[kind])
        originals[f"t.{kind}"] = gguf.dequantize(stored, gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    file = GgufFile(path)
    for name, value in values.items():
        assert file.metadata[name] == value and type(file.metadata[name]) is type(value)
    assert file.metadata["strings"] == ["x", "", "🙂"]
    assert list(file.metadata["floats"]) == [0.5, -2.0]
    assert set(file.entries) == set(originals)
    for name, expected in originals.items():
        assert file.entries[name].shape == (3, 64)
        np.testing.assert_array_equal(file.read(name), expected)
        np.testing.assert_array_equal(file.read(name, np.array([2, 0])), expected[[2, 0]])
        np.testing.assert_array_equal(file.read(name, slice(1, 9)), expected[1:])


def test_booleans_and_lists_of_lists(tmp_path: Path) -> None:
    pairs = (
        pair("booleans", ARRAY, listed(7, 3, b"\1\0\1")),
        pair("numbers", ARRAY, listed(3, 2, struct.pack("<2h", -2, 300))),
        pair("three deep", ARRAY, listed(ARRAY, 1) * 2 + listed(U8, 2, b"\1\2")),
        pair("nothing, to the end", ARRAY, listed(ARRAY, 1) + listed(U8, 0)),
    )
    found = opened(begin(0, len(pairs)) + b"".join(pairs), tmp_path).metadata
    assert list(found["booleans"]) == [1, 0, 1]
    assert list(found["numbers"]) == [-2, 300]
    assert [[list(inner) for inner in outer] for outer in found["three deep"]] == [[[1, 2]]]
    assert [list(inner) for inner in found["nothing, to the end"]] == [[]]


def test_memory_is_asked_for_before_it_is_taken(tmp_path: Path) -> None:
    count, size = 1 << 40, 1 << 42  # a sparse file of 4 TiB
    path = tmp_path / "model.gguf"

    def sparse(kind: int, alignment: int, offset: int) -> GgufFile:
        key = pair("general.alignment", 4, struct.pack("<I", alignment))
        header = begin(1, 1) + key + info("x", [count], kind, offset)
        path.write_bytes(whole(header, b"", alignment))
        os.truncate(path, path.stat().st_size + size + 32)
        return GgufFile(path)

    assert sparse(F32, 32, 0).read("x").shape == (count,)  # a view takes none
    size_of_header = sparse(F32, 1, 0).entries["x"].start
    for kind, alignment, offset in ((F16, 32, 0), (F32, 1, 5 - size_of_header % 4)):
        file = sparse(kind, alignment, offset)
        with pytest.raises(UsageError) as caught:
            file.read("x")  # unpacked, or copied since it is not aligned
        assert caught.value.message.startswith(f"{path}: tensor `x` would take 4.0 TiB; ")
        assert caught.value.hint == "Use a smaller model."


def test_rows_and_numbers_that_are_not_there_are_named(tmp_path: Path) -> None:
    number = struct.pack("<d", 1e300)
    file = opened(whole(begin(1, 0) + info("x", [1], 28, 0), number), tmp_path)
    with pytest.raises(DataError) as caught:
        file.read("x")
    beyond = f"{file.path}: tensor `x` holds a number that is too large for float32"
    assert caught.value.message == beyond
    with pytest.raises(DataError) as caught:
        file.read("x", np.array([1]))
    assert caught.value.message == f"{file.path}: tensor `x` has 1 rows: there is no row 1"
    assert file.dtype == "F64"


def tensors(*infos: bytes, data: int = 64) -> bytes:
    return whole(begin(len(infos), 0) + b"".join(infos), bytes(data))


def metadata(*pairs: bytes) -> bytes:
    return begin(0, len(pairs)) + b"".join(pairs)


HUGE = 2**64 - 1

HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no GGUF file"),
    "short": (b"GGUF", "ends at byte 4, within its first 24"),
    "another kind": (b"GGML" + bytes(40), "no GGUF file"),
    "version 1": (begin(0, 0, 1), "version 1, and 2 and 3 are read"),
    "version 4": (begin(0, 0, 4), "version 4"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "version 50331648"),
    "count of tensors": (begin(HUGE, 0), "claims 18,446,744,073,709,551,615 tensors"),
    "count of keys": (begin(0, HUGE), "keys of metadata"),
    "some more keys": (begin(0, 2) + pair("a", 0, b"\1"), "keys of metadata"),
    "key beyond": (metadata(struct.pack("<QI", HUGE, 0) + b"\0" * 8), "65,535 at most"),
    "key too long": (metadata(pair("a" * 70_000, 0, b"\1")), "65,535 at most"),
    "key not UTF-8": (metadata(pair(b"\xff\xfe", 0, b"\1")), "not UTF-8: byte 0xff at 32"),
    "value not UTF-8": (metadata(pair("a", STRING, string(b"ab\xff"))), "byte 0xff at 47"),
    "key twice": (metadata(pair("a", 0, b"\1"), pair("a", 0, b"\1")), "`a` twice"),
    "unknown type": (metadata(pair("a", 13, bytes(8))), "unknown type 13"),
    "unknown type in a list": (metadata(pair("a", ARRAY, listed(99, 1, b"\1"))), "type 99"),
    "string beyond": (metadata(pair("a", STRING, struct.pack("<Q", 1000) + b"abc")), "within"),
    "string of 2^63": (metadata(pair("a", STRING, struct.pack("<Q", 1 << 63))), "at most"),
    "list beyond": (metadata(pair("a", ARRAY, listed(6, 1 << 61))), "metadata `a`"),
    "list of 2^64": (metadata(pair("a", ARRAY, listed(U8, HUGE))), "metadata `a`"),
    "strings beyond": (metadata(pair("a", ARRAY, listed(STRING, HUGE))), "strings in"),
    "a string too few": (metadata(pair("a", ARRAY, listed(STRING, 2, string("abcdefgh")))), "`a`"),
    "a string of a list": (
        metadata(pair("a", ARRAY, listed(STRING, 1, struct.pack("<Q", HUGE)))),
        "at string 0",
    ),
    "a string of a list not UTF-8": (
        metadata(pair("a", ARRAY, listed(STRING, 1, string(b"\xff")))),
        "0xff",
    ),
    "lists of lists": (metadata(pair("a", ARRAY, listed(ARRAY, HUGE))), "arrays in"),
    "nested deep": (
        metadata(pair("a", ARRAY, listed(ARRAY, 1) * 1000 + listed(U8, 0))),
        "nested more than 3 deep",
    ),
    "nested a level too deep": (
        metadata(pair("a", ARRAY, listed(ARRAY, 1) * 3 + listed(U8, 0))),
        "nested more than 3 deep",
    ),
    "cut in a list of lists": (metadata(pair("a", ARRAY, listed(ARRAY, 1, bytes(12))[:-1])), "`a`"),
    "type in a list of lists": (
        metadata(pair("a", ARRAY, listed(ARRAY, 1) + listed(99, 0))),
        "unknown type 99",
    ),
    "a long key twice": (metadata(pair("k" * 99, 0, b"\1"), pair("k" * 99, 0, b"\1")), "twice"),
    "a long name twice": (tensors(info("n" * 99, [1], 0, 0), info("n" * 99, [1], 0, 32)), "twice"),
    "a long name of part of a block": (tensors(info("n" * 99, [33], 2, 0)), "rows of 33 numbers"),
    "a long name beyond all": (tensors(info("n" * 99, [1 << 62], 0, 0)), "beyond all memory"),
    "a long name beyond the end": (tensors(info("n" * 99, [17], 0, 0)), "ends at byte"),
    "long names that overlap": (
        tensors(info("m" * 99, [16], 0, 0), info("n" * 99, [1], 0, 32)),
        "they overlap",
    ),
    "alignment 0": (metadata(pair("general.alignment", 4, struct.pack("<I", 0))), "power of two"),
    "alignment 3": (metadata(pair("general.alignment", 4, struct.pack("<I", 3))), "power of two"),
    "alignment 2^31": (
        metadata(pair("general.alignment", 4, struct.pack("<I", 1 << 31))),
        "power of two",
    ),
    "alignment 2^21": (
        metadata(pair("general.alignment", 4, struct.pack("<I", 1 << 21))),
        "power of two",
    ),
    "alignment of text": (metadata(pair("general.alignment", STRING, string("8"))), "power of"),
    "tensor twice": (tensors(info("a", [1], 0, 0), info("a", [1], 0, 32)), "`a` twice"),
    "name too long": (tensors(info("a" * 2000, [1], 0, 0)), "1,024 at most"),
    "5 dimensions": (tensors(info("a", [1] * 5, 0, 0)), "5 dimensions"),
    "2^32 dimensions": (
        whole(begin(1, 0) + string("a") + b"\xff" * 20, bytes(64)),
        "4294967295 dimensions",
    ),
    "type not read": (tensors(info("a", [256], 10, 0)), "not read, number 10"),
    "unaligned": (tensors(info("a", [1], 0, 4)), "begins at 4, no multiple of 32"),
    "rows of part of a block": (tensors(info("a", [33], 2, 0)), "rows of 33 numbers, and Q4_0"),
    "no size and blocks": (tensors(info("a", [], 2, 0)), "rows of 1 numbers, and Q4_0"),
    "overflow": (tensors(info("a", [1 << 32, 1 << 32], 0, 0)), "beyond all memory"),
    "overflow hidden by 0": (tensors(info("a", [0, 1 << 62], 0, 0)), "beyond all memory"),
    "beyond the end": (tensors(info("a", [17], 0, 0)), "`a` ends at byte"),
    "offset beyond": (tensors(info("a", [1], 0, 1 << 40)), "`a` ends at byte"),
    "offset of 2^64": (tensors(info("a", [1], 0, (1 << 64) - 32)), "`a` ends at byte"),
    "overlap": (tensors(info("a", [16], 0, 0), info("b", [1], 0, 32)), "they overlap"),
    "same place": (tensors(info("a", [1], 0, 32), info("b", [1], 0, 32)), "they overlap"),
}


@pytest.mark.parametrize(
    ("version", "hint"),
    [
        (0, "current llama.cpp"),
        (3 << 24, "big-endian"),
        (2 << 24, "big-endian"),
        (1 << 24, "current"),
    ],
)
def test_only_a_version_that_is_turned_is_called_big_endian(
    version: int, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        opened(b"GGUF" + struct.pack("<I", version) + bytes(32), tmp_path)
    assert hint in caught.value.hint


@pytest.mark.parametrize("case", HOSTILE)
def test_a_broken_file_is_refused_where_it_is_broken(case: str, tmp_path: Path) -> None:
    data, expected = HOSTILE[case]
    with promptly(), pytest.raises(DataError) as caught:
        opened(data, tmp_path)
    assert expected in caught.value.message
    assert str(tmp_path / "model.gguf") in caught.value.message
    assert len(caught.value.message) < 500


def test_millions_of_strings_are_refused_before_they_are_made(tmp_path: Path) -> None:
    with promptly(), pytest.raises(DataError, match="too many strings"):
        opened(metadata(pair("a", ARRAY, listed(STRING, 5_000_000, bytes(40_000_000)))), tmp_path)


@pytest.mark.parametrize(("n_tensor", "n_key"), [(0, 70_000), (34_000, 0), (30_000, 10_000)])
def test_many_keys_and_tensors_are_refused_before_they_are_read(
    n_tensor: int, n_key: int, tmp_path: Path
) -> None:
    data = b"GGUF" + struct.pack("<IQQ", 3, n_tensor, n_key) + bytes(24 * 80_000)
    with promptly(), pytest.raises(DataError, match=r"has too many (tensors|keys of metadata): "):
        opened(data, tmp_path)


def test_many_strings_are_refused_in_many_lists_as_in_one(tmp_path: Path) -> None:
    lists = [pair(name, ARRAY, listed(STRING, 1_500_000, bytes(12_000_000))) for name in "abc"]
    with pytest.raises(DataError, match="too many strings"):
        opened(metadata(*lists), tmp_path)


def test_many_arrays_in_an_array_are_refused_before_they_are_made(tmp_path: Path) -> None:
    inner = listed(U8, 0, b"")
    with promptly(), pytest.raises(DataError, match="too many arrays"):
        opened(metadata(pair("a", ARRAY, listed(ARRAY, 500_000, inner * 500_000))), tmp_path)


def test_more_metadata_than_is_sensible_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(metadata(pair("a", ARRAY, listed(U8, 1 << 40))))
    with path.open("r+b") as file:
        file.truncate(1 << 41)  # sparse: the file does have what it claims
    with pytest.raises(DataError, match=r"more than 256\.0 MiB of metadata"):
        GgufFile(path)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    for length in range(len(SMALL)):
        with pytest.raises(DataError):
            opened(SMALL[:length], tmp_path)


@IN_ONE_DIRECTORY
@given(place=st.integers(0, len(SMALL) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_read_within_the_file(
    place: int, bit: int, tmp_path: Path
) -> None:
    data = bytearray(SMALL)
    data[place] ^= 1 << bit
    try:
        file = opened(bytes(data), tmp_path)
        read = {name: file.read(name) for name in file.entries}
    except AttnError:
        return
    for name, array in read.items():
        entry = file.entries[name]
        assert 0 < entry.start <= entry.end <= len(data)
        assert array.shape == entry.shape and array.dtype == np.float32


@IN_ONE_DIRECTORY
@given(noise=st.binary(max_size=80), keys=st.integers(0, 3), count=st.integers(0, 3))
def test_noise_is_refused_or_has_no_tensors(
    noise: bytes, keys: int, count: int, tmp_path: Path
) -> None:
    try:
        file = opened(begin(count, keys) + noise, tmp_path)
        for name in file.entries:
            file.read(name)
    except AttnError:
        return
    assert len(file.entries) == count and len(file.metadata) == keys


def test_a_file_that_shrinks_is_noticed(tmp_path: Path) -> None:
    file = opened(SMALL, tmp_path)
    assert file.read("b").tolist() == [0, 1, 2, 3]
    with (tmp_path / "model.gguf").open("r+b") as raw:
        raw.truncate(len(SMALL) - 1)
    with pytest.raises(DataError) as caught:
        file.read("b")
    assert caught.value.message == (
        f"{file.path} has shrunk: tensor `b` ends at byte {len(SMALL):,}, the file at "
        f"{len(SMALL) - 1:,}"
    )
