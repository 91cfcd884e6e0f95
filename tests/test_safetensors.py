"""Our safetensors reader: equal to the library's own, and strict where a file breaks the rules."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pace import promptly

from attn_cli.checkpoints.safetensors import (
    Safetensors,
    SafetensorsFile,
    check_index,
    read_index,
)
from attn_cli.errors import AttnError, DataError, UsageError

Header = dict[str, Any]

IN_ONE_DIRECTORY = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def packed(header: Header | bytes, data: bytes = b"") -> bytes:
    """A file of this header and these numbers, right or wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype: str, shape: list[Any], start: Any, end: Any) -> Header:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def opened(data: bytes, directory: Path) -> SafetensorsFile:
    path = directory / "model.safetensors"
    path.write_bytes(data)
    return SafetensorsFile(path)


SMALL = packed(
    {
        "__metadata__": {"format": "pt"},
        "a": tensor("F32", [2, 3], 0, 24),
        "b.weight": tensor("BF16", [3], 24, 30),
        "empty": tensor("F32", [0, 7], 30, 30),
        "scalar": tensor("F16", [], 30, 32),
    },
    np.arange(6, dtype="<f4").tobytes() + b"\x80\x3f\x00\xc0\x49\x40" + b"\x00\x3c",
)


def test_a_file_made_by_hand_is_read(tmp_path: Path) -> None:
    file = opened(SMALL, tmp_path)
    assert file.read("a").tolist() == [[0, 1, 2], [3, 4, 5]]
    # bfloat16 by hand: 0x3f80 is 1, 0xc000 is -2, 0x4049 is 1.5703125 * 2 = 3.140625
    assert file.read("b.weight").tolist() == [1.0, -2.0, 3.140625]
    assert file.read("empty").shape == (0, 7)
    assert file.read("scalar").shape == () and file.read("scalar") == 1.0


@pytest.mark.parametrize(
    "dtype", ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]
)
def test_every_type_reads_as_the_library_does(dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    array = (rng.standard_normal((5, 7)) * 50).astype(dtype)
    path = tmp_path / "x.safetensors"
    safetensors.numpy.save_file({"x": array, "one": array[:1, :1].copy()}, path)
    ours = Safetensors([path])
    for name, theirs in safetensors.numpy.load_file(path).items():
        read = ours.read(name)
        assert read.dtype == np.float32 and read.shape == ours.shape(name)
        np.testing.assert_array_equal(read, theirs.astype(np.float32))
    assert set(ours.names()) == {"x", "one"}


def test_bfloat16_is_every_one_of_its_65536_numbers(tmp_path: Path) -> None:
    bits = np.arange(1 << 16, dtype="<u2")
    file = opened(packed({"x": tensor("BF16", [1 << 16], 0, 1 << 17)}, bits.tobytes()), tmp_path)
    expected = np.frombuffer((bits.astype("<u4") << 16).tobytes(), "<f4")
    np.testing.assert_array_equal(file.read("x").view(np.uint32), expected.view(np.uint32))


def test_aligned_float32_is_a_view_and_unaligned_is_not(tmp_path: Path) -> None:
    data = np.arange(4, dtype="<f4").tobytes()
    for padding in range(8):
        header = json.dumps({"x": tensor("F32", [4], 0, 16)}).encode()
        header += b" " * (-len(header) % 8 + padding)
        read = opened(packed(header, data), tmp_path).read("x")
        assert read.tolist() == [0, 1, 2, 3] and read.flags.aligned
        assert read.flags.writeable == (padding % 4 != 0)  # a view of the map is not


def test_rows_are_the_same_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    path = tmp_path / "x.safetensors"
    arrays = {
        "f": rng.standard_normal((9, 4)).astype("f4"),
        "h": rng.random((9, 2, 3)).astype("f2"),
    }
    safetensors.numpy.save_file(arrays, path)
    ours = Safetensors([path])
    for name in arrays:
        for rows in ([0], [8, 3, 3], []):
            index = np.array(rows, np.int64)
            np.testing.assert_array_equal(ours.rows(name, index), ours.read(name)[index])
        for some in (slice(0, 4), slice(7, 99), slice(None), slice(5, 5), slice(1, 8, 3)):
            np.testing.assert_array_equal(ours.rows(name, some), ours.read(name)[some])
        with pytest.raises(DataError) as caught:
            ours.rows(name, np.array([0, 9]))
        assert caught.value.message == f"{path}: tensor `{name}` has 9 rows: there is no row 9"
        with pytest.raises(DataError, match="no row -1"):
            ours.rows(name, np.array([-1]))


def test_most_of_the_bytes_name_the_type(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(SMALL)
    assert Safetensors([path]).dtype == "F32"


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "0 bytes"),
    "seven bytes": (b"\0" * 7, "7 bytes"),
    "header beyond the file": (struct.pack("<Q", 100) + b"{}", "should be 100 bytes, and 2"),
    "header a byte beyond the file": (packed(b"{}")[:-1], "should be 2 bytes, and 1"),
    "no header": (packed(b""), "does not begin with {"),
    "header of 2^64": (b"\xff" * 8 + b"{}", "18,446,744,073,709,551,615"),
    "no object": (packed(b"[]"), "begin with {"),
    "no JSON": (packed(b"{"), "not JSON"),
    "not UTF-8": (packed(b'{"\xff"'), "0xff"),
    "NaN": (packed(b'{"a": NaN}'), "NaN"),
    "deep": (packed(b'{"a":' + b"[" * 100_000), "header"),
    "huge number": (packed(b'{"a":' + b"9" * 10_000 + b"}"), "header"),
    "key twice": (
        packed(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":1}'),
        "`a` is given twice",
    ),
    "metadata is a list": (packed({"__metadata__": []}), "__metadata__"),
    "metadata of numbers": (packed({"__metadata__": {"a": 1}}), "__metadata__"),
    "tensor is a list": (packed({"a": []}), "`a` is described by no JSON object"),
    "no type": (packed({"a": {"shape": [0], "data_offsets": [0, 0]}}), "unknown type"),
    "unknown type": (packed({"a": tensor("F33", [1], 0, 1)}, b"x"), 'unknown type "F33"'),
    "shape of text": (packed({"a": tensor("U8", ["1"], 0, 1)}, b"x"), "shape"),
    "shape of floats": (packed({"a": tensor("U8", [1.0], 0, 1)}, b"x"), "shape"),
    "shape of booleans": (packed({"a": tensor("U8", [True], 0, 1)}, b"x"), "shape"),
    "negative shape": (packed({"a": tensor("U8", [-1], 0, 1)}, b"x"), "shape"),
    "33 dimensions": (packed({"a": tensor("U8", [1] * 33, 0, 1)}, b"x"), "shape"),
    "overflow": (packed({"a": tensor("F32", [2**32, 2**32], 0, 0)}), "beyond all memory"),
    "overflow hidden by 0": (packed({"a": tensor("F32", [0, 2**62, 2**62], 0, 0)}), "beyond all"),
    "one offset": (packed({"a": {"dtype": "U8", "shape": [0], "data_offsets": [0]}}), "offsets"),
    "negative offset": (packed({"a": tensor("U8", [1], -1, 0)}, b"x"), "offsets"),
    "offset of text": (packed({"a": tensor("U8", [1], "0", 1)}, b"x"), "offsets"),
    "offsets reversed": (packed({"a": tensor("U8", [1], 1, 0)}, b"x"), "offsets"),
    "offset of 2^70": (packed({"a": tensor("U8", [0], 2**70, 2**70)}), "offsets"),
    "shape says more": (packed({"a": tensor("F32", [2], 0, 4)}, b"xxxx"), "takes 8 bytes"),
    "shape says less": (packed({"a": tensor("F32", [1], 0, 8)}, b"x" * 8), "takes 4 bytes"),
    "half a byte": (packed({"a": tensor("F4", [3], 0, 1)}, b"x"), "F4"),
    "offsets say how much": (packed({"a": tensor("U8", [1], 1, 4)}, b"xxxx"), "1 to 4 hold 3"),
    "no shape, two bytes": (packed({"a": tensor("U8", [], 0, 2)}, b"xx"), "()"),
    "overlap": (
        packed({"a": tensor("U8", [2], 0, 2), "b": tensor("U8", [2], 1, 3)}, b"xxx"),
        "they overlap",
    ),
    "same place": (
        packed({"a": tensor("U8", [2], 0, 2), "b": tensor("U8", [2], 0, 2)}, b"xx"),
        "they overlap",
    ),
    "gap": (
        packed({"a": tensor("U8", [1], 0, 1), "b": tensor("U8", [1], 2, 3)}, b"xxx"),
        "leave a gap",
    ),
    "gap before": (packed({"a": tensor("U8", [1], 1, 2)}, b"xx"), "leave a gap"),
    "beyond the end": (packed({"a": tensor("U8", [4], 0, 4)}, b"xxx"), "`a` ends at byte"),
    "trailing bytes": (packed({"a": tensor("U8", [2], 0, 2)}, b"xxx"), "last tensor ends"),
    "trailing without tensors": (packed({}, b"x"), "last tensor ends"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_broken_file_is_refused_where_it_is_broken(case: str, tmp_path: Path) -> None:
    data, expected = HOSTILE[case]
    with promptly(), pytest.raises(DataError) as caught:
        opened(data, tmp_path)
    assert expected in caught.value.message
    assert str(tmp_path / "model.safetensors") in caught.value.message
    # Not stricter than the format: the library refuses each of these as well ...
    allowed = ("33 dimensions", "overflow hidden by 0", "key twice", "deep")
    if case not in allowed:
        with pytest.raises(Exception):  # noqa: B017 (its own class differs between versions)
            safetensors.safe_open(tmp_path / "model.safetensors", "np").__enter__()


def test_what_the_format_allows_is_read(tmp_path: Path) -> None:
    padded = packed(json.dumps({"a": tensor("U8", [1], 0, 1)}).encode() + b"   \n", b"\x05")
    assert opened(padded, tmp_path).read("a").tolist() == [5]
    later_first = {"b": tensor("U8", [1], 1, 2), "a": tensor("U8", [1], 0, 1)}
    assert opened(packed(later_first, b"\1\2"), tmp_path).read("b").tolist() == [2]
    assert opened(packed({}), tmp_path).entries == {}
    many = {"m": tensor("U8", [1] * 32, 0, 1), "z": tensor("F32", [0, 2**57], 1, 1)}
    file = opened(packed(many, b"\7"), tmp_path)
    assert file.read("m").shape == (1,) * 32 and file.read("z").shape == (0, 2**57)
    empties = {"b": tensor("U8", [1], 0, 1), "z": tensor("F32", [0], 0, 0)}
    assert opened(packed(empties, b"\1"), tmp_path).read("z").shape == (0,)


def test_a_type_that_is_not_read_is_refused_only_when_it_is_asked_for(tmp_path: Path) -> None:
    header = {"q": tensor("F8_E4M3", [2], 0, 2), "x": tensor("U8", [1], 2, 3)}
    file = opened(packed(header, b"\1\2\3"), tmp_path)
    assert file.read("x").tolist() == [3]
    with pytest.raises(DataError) as caught:
        file.read("q")
    path = tmp_path / "model.safetensors"
    assert caught.value.message == f"{path}: tensor `q` is of type F8_E4M3, which is not read"
    assert caught.value.hint == "Convert the checkpoint to F32, F16 or BF16."


def test_a_number_beyond_float32_is_refused(tmp_path: Path) -> None:
    file = opened(packed({"x": tensor("F64", [1], 0, 8)}, struct.pack("<d", 1e300)), tmp_path)
    with pytest.raises(DataError, match="`x` holds a number that is too large for float32"):
        file.read("x")


def test_memory_is_asked_for_before_it_is_taken(tmp_path: Path) -> None:
    size = 1 << 42  # a sparse file of 4 TiB
    path = tmp_path / "model.safetensors"

    def sparse(dtype: str, count: int, padding: int) -> SafetensorsFile:
        header = json.dumps({"x": tensor(dtype, [count], 0, size)}).encode()
        path.write_bytes(packed(header + b" " * (-len(header) % 8 + padding)))
        os.truncate(path, path.stat().st_size + size)
        return SafetensorsFile(path)

    assert sparse("F32", size // 4, 0).read("x").shape == (size // 4,)  # a view takes none
    with pytest.raises(UsageError, match=r"tensor `x` would take 4\.0 TiB"):
        sparse("F32", size // 4, 1).read("x")  # not aligned, it is copied
    with pytest.raises(UsageError, match=r"tensor `x` would take 8\.0 TiB") as caught:
        sparse("F16", size // 2, 0).read("x")
    assert caught.value.hint == "Use a smaller model."


def test_a_longer_header_than_the_format_allows_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", 25_000_001) + b"{")
    os.truncate(path, 1 << 26)
    with pytest.raises(DataError) as caught:
        SafetensorsFile(path)
    assert caught.value.message == (
        f"{path}: the header is 25,000,001 bytes, where 25,000,000 are the most"
    )


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    for length in range(len(SMALL)):
        with pytest.raises(DataError):
            opened(SMALL[:length], tmp_path)


def all_read(file: SafetensorsFile) -> dict[str, tuple[tuple[int, ...], bytes]]:
    found = {name: file.read(name) for name in file.entries}
    return {name: (array.shape, array.tobytes()) for name, array in found.items()}


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, len(SMALL) - 1), bit=st.integers(0, 7), more=st.binary(max_size=3))
def test_a_flipped_bit_is_refused_or_read_within_the_file(
    place: int, bit: int, more: bytes, tmp_path: Path
) -> None:
    """Whatever is accepted has tensors that tile the numbers exactly: nothing else is read."""
    data = bytearray(SMALL)
    data[place] ^= 1 << bit
    try:
        file = opened(bytes(data) + more, tmp_path)
        read = all_read(file)
    except AttnError:
        return
    assert not more
    entries = sorted((entry.start, entry.end) for entry in file.entries.values())
    assert sum(end - start for start, end in entries) == 32 and entries[-1][1] == len(data)
    assert read.keys() == file.entries.keys()


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=64))
def test_noise_is_refused(data: bytes, tmp_path: Path) -> None:
    header = struct.pack("<Q", len(data)) + data
    for noise in (data, header):
        try:
            opened(noise, tmp_path)
        except DataError:
            continue
        assert json.loads(data or b"{}") == {}


def test_a_file_that_shrinks_while_it_is_used_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(SMALL)
    mapped, unmapped = SafetensorsFile(path), SafetensorsFile(path)
    assert mapped.read("scalar") == 1.0
    os.truncate(path, len(SMALL) - 10)
    with pytest.raises(DataError) as caught:
        mapped.read("scalar")
    assert caught.value.message == (
        f"{path} has shrunk: tensor `scalar` ends at byte {len(SMALL):,}, the file at "
        f"{len(SMALL) - 10:,}"
    )
    with pytest.raises(DataError, match="has shrunk"):
        unmapped.read("a")


def test_a_file_that_is_replaced_keeps_what_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(SMALL)
    file = SafetensorsFile(path)
    before = file.read("a")
    other = tmp_path / "other"
    other.write_bytes(b"short")
    other.replace(path)
    assert before.tolist() == [[0, 1, 2], [3, 4, 5]] and file.read("scalar") == 1.0


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "not a regular file"),
        (lambda path: os.mkfifo(path), "not a regular file"),
        (lambda path: path.symlink_to(path), "cannot read"),
    ],
    ids=["missing", "directory", "pipe", "circle"],
)
def test_what_is_no_file_is_refused_at_once(
    make: Callable[[Path], None], expected: str, tmp_path: Path
) -> None:
    make(tmp_path / "model.safetensors")
    with pytest.raises(DataError, match=expected):
        SafetensorsFile(tmp_path / "model.safetensors")


# Shards


def sharded(directory: Path, homes: dict[str, str] | None = None) -> Path:
    for number, name in enumerate("ab", 1):
        data = packed({name: tensor("U8", [1], 0, 1)}, bytes([number]))
        (directory / f"{number}.safetensors").write_bytes(data)
    homes = {"a": "1.safetensors", "b": "2.safetensors"} if homes is None else homes
    index = directory / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": homes}))
    return index


def test_shards_are_one_collection(tmp_path: Path) -> None:
    index = sharded(tmp_path)
    homes = read_index(index)
    tensors = Safetensors([tmp_path / name for name in sorted(set(homes.values()))])
    check_index(tensors, homes, index)
    assert set(tensors.names()) == {"a", "b"}
    assert (tensors.read("a").tolist(), tensors.read("b").tolist()) == ([1], [2])
    with pytest.raises(DataError) as caught:
        tensors.read("c")
    assert caught.value.message == f"{tmp_path / '1.safetensors'} has no tensor `c`"


def test_a_model_has_only_so_many_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attn_cli.checkpoints.safetensors._MAX_TENSORS", 3)
    paths = [tmp_path / f"{n}.safetensors" for n in range(3)]
    for path, names in zip(paths, ("abc", "d", "efgh"), strict=True):
        safetensors.numpy.save_file({name: np.zeros(1, np.float32) for name in names}, path)
    assert len(Safetensors(paths[:1]).names()) == 3
    for which, said in ((paths[:2], tmp_path), (paths[2:], paths[2])):
        with pytest.raises(DataError) as caught:
            Safetensors(which)
        assert caught.value.message == f"{said} holds more than 3 tensors"


def test_a_tensor_in_two_shards_is_refused(tmp_path: Path) -> None:
    sharded(tmp_path)
    (tmp_path / "2.safetensors").write_bytes((tmp_path / "1.safetensors").read_bytes())
    with pytest.raises(DataError, match="`a` is in two files"):
        Safetensors([tmp_path / "1.safetensors", tmp_path / "2.safetensors"])


def test_an_index_that_promises_what_is_not_there_is_refused(tmp_path: Path) -> None:
    index = sharded(tmp_path, {"a": "1.safetensors", "b": "1.safetensors"})
    tensors = Safetensors([tmp_path / "1.safetensors"])
    with pytest.raises(DataError) as caught:
        check_index(tensors, read_index(index), index)
    assert caught.value.message == (
        f"{index}: tensor `b` is said to be in 1.safetensors, which does not have it"
    )
    assert caught.value.hint == (
        "The index and the shards are not of one checkpoint: fetch them again."
    )


@pytest.mark.parametrize(
    "home", ["../1.safetensors", "/etc/passwd", "a/1.safetensors", "", "..", "pytorch_model.bin", 1]
)
def test_an_index_names_files_beside_it_alone(home: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no name of a safetensors file beside it"):
        read_index(sharded(tmp_path, {"a": home}))


@pytest.mark.parametrize("text", ["[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', "{"])
def test_what_is_no_index_is_refused(text: str, tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(text)
    with pytest.raises(DataError, match=r"index\.json"):
        read_index(index)
