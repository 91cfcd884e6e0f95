"""Safetensors files: the format's own library reads what is written, and its files are read."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from attn_cli import Inspection, files, inspect, load
from attn_cli.errors import DataError
from attn_cli.files import safetensors
from attn_cli.inspection import arrays

RUN = inspect("Life is short, eat dessert first")


def written(run: Inspection = RUN) -> bytes:
    return b"".join(files.encode([run], "safetensors"))


def test_the_header_is_as_the_format_says() -> None:
    data = written()
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0 and data[8:9] == b"{"
    header = json.loads(data[8 : 8 + length])
    assert all(isinstance(value, str) for value in header["__metadata__"].values())
    tensors = {name: about for name, about in header.items() if name != "__metadata__"}
    weights = tensors["layers.0.weights"]
    assert (weights["dtype"], weights["shape"]) == ("F32", [1, 6, 6])
    start, end = weights["data_offsets"]
    stored = np.frombuffer(data[8 + length :][start:end], "<f4").reshape(1, 6, 6)
    assert np.array_equal(stored, RUN.layers[0].weights)
    spans = sorted(about["data_offsets"] for about in tensors.values())
    assert [span[0] for span in spans] == [0, *(span[1] for span in spans[:-1])]
    assert spans[-1][1] == len(data) - 8 - length


def test_their_library_reads_it_and_is_read(tmp_path: Path) -> None:
    theirs = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    found = theirs.load(written())
    for name, array, _ in arrays(RUN.layers[0]):
        assert np.array_equal(found[f"layers.0.{name}"], array)
    assert np.array_equal(found["token_ids"], RUN.token_ids)
    path = tmp_path / "x.safetensors"
    half = RUN.layers[0].weights.astype(np.float16)
    metadata = {"tokens": json.dumps(["a"] * 6)}
    theirs.save_file({"attentions": half, "ids": np.arange(6)}, path, metadata=metadata)
    again = load(path)
    assert np.array_equal(again.layers[0].weights, half.astype(np.float32))
    assert (again.source.dtype, again.query_tokens[0].text) == ("float16", "a")


@pytest.mark.parametrize("magic", [b"PK", b"\x80\x04", b"\x1f\x8b", b"[[", b'{"'])
def test_its_first_bytes_may_be_another_formats(magic: bytes) -> None:
    data = written()
    header = data[8 : 8 + int.from_bytes(data[:8], "little")]
    length = int.from_bytes(magic, "little")
    while length < len(header):
        length += 1 << 16
    padded = length.to_bytes(8, "little") + header.ljust(length) + data[8 + len(header) :]
    assert padded.startswith(magic) and load(io.BytesIO(padded)) == RUN


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("x.safetensors", b"\xff" * 8 + b"{}", "would be 18,446,744,073,709,551,615 bytes, and"),
        ("x.bin", (2**63).to_bytes(8, "little") + b"{}", "would be 9,223,372,036,854,775,808"),
        ("x.safetensors", b"\x08" + bytes(7) + b"      {}", "does not begin with `{` at byte 8"),
        ("x.safetensors", b"\x80\x00\x00", "does not begin with `{` at byte 8"),
    ],
)
def test_a_length_or_a_first_byte_that_is_wrong(
    tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match="looks like safetensors and is damaged: the header") as e:
        load(tmp_path / name)
    assert said in e.value.message


def test_its_suffix_decides_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"\xef\xbb\xbf \n[[1.0]]")
    assert load(tmp_path / "x.safetensors").layers[0].weights.tolist() == [[[1.0]]]


def test_bfloat16_is_the_upper_half_of_float32() -> None:
    values = np.array([1.0, -2.5, 3.140625, np.inf, 1e-40], dtype=np.float32)
    bits = (values.view(np.uint32) >> np.uint32(16)).astype(np.uint16)
    expected = (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    assert np.array_equal(safetensors.widen_bfloat16(bits), expected)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"I64"', b'"X64"', 'is of type "X64", which is not read'),
        (b'"shape": [6]', b'"shape": [7]', "of shape (7,) takes 56 bytes, and 48 bytes"),
        (b'"shape": [6]', b'"shape": "6"', "has no usable shape"),
        (b'"shape": [6]', b'"shape":[-6]', "has no usable shape"),
        (b"[0, 48]", b"[8, 56]", "leave a gap"),
        (b"[0, 48]", b"[48, 0]", "has no usable `data_offsets`"),
        (b'"format": "np"', b'"format": 1234', "`__metadata__` is not an object of strings"),
        (b'"array": "token_ids"', b'"array": "tokens_id"', "has no member `tokens_id`"),
        (b"attn/1", b"attn/2", "attn/2"),
    ],
)
def test_a_wrong_header_is_refused(old: bytes, new: bytes, said: str) -> None:
    data = written()
    old = old if old in data else old.replace(b'"', b'\\"')
    new = new if old in data and b"\\" not in old else new.replace(b'"', b'\\"')
    assert old in data and len(old) == len(new)
    with pytest.raises(DataError) as caught:
        load(io.BytesIO(data.replace(old, new, 1)))
    assert caught.value.message.startswith("standard input") and said in caught.value.message


def test_whichever_byte_is_damaged_it_is_refused_or_whole() -> None:
    data = written(inspect("a b", d_model=1, d_k=1, d_v=1, vocab_size=2))
    for place in range(0, len(data), 3):
        damaged = bytearray(data)
        damaged[place] ^= 0x55
        try:
            load(io.BytesIO(bytes(damaged)))
        except DataError:
            pass
    for end in range(0, len(data), 7):
        with pytest.raises(DataError):
            load(io.BytesIO(data[:end]))
