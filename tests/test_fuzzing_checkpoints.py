"""Fuzzing: a model's files with some bytes changed work, or are refused in our own words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fuzzing_checkpoints import PARTS, feed, sound
from hypothesis import given, settings
from hypothesis import strategies as st

PIECES = [
    *(bytes([byte]) for byte in b'\x00\x01\x7f\x80\xff{}[]",:-0'),
    *(b"\xff" * 8, bytes(8), b"\xff" * 7 + b"\x7f", b"\x00\x00\x00\x80", b"9" * 20),
    *(b"null", b"true", b"1e999", b"NaN", b'"a":', b"\xed\xa0\x80"),
]


@st.composite
def changed(draw: st.DrawFn, part: str) -> bytes:
    """Sound bytes with some overwritten, put in, taken out or cut off, mostly early."""
    data = bytearray(sound(part))
    for _ in range(draw(st.integers(1, 3))):
        most = draw(st.sampled_from([40, 400, 4000, len(data)]))
        place = draw(st.integers(0, max(min(most, len(data) - 1), 0)))
        piece = draw(st.sampled_from(PIECES) | st.binary(min_size=1, max_size=9))
        how = draw(st.sampled_from(["over", "in", "out", "cut"]))
        end = {"over": place + len(piece), "in": place, "out": place + len(piece)}.get(how)
        data[place:end] = piece if how in ("over", "in") else b""
    return bytes(data)


@pytest.mark.parametrize("part", PARTS)
def test_changed_bytes_end_in_an_error_of_ours_or_work(part: str) -> None:
    feed(part, sound(part))

    @settings(max_examples=60, database=None)
    @given(changed(part))
    def check(data: bytes) -> None:
        feed(part, data)

    check()


@pytest.mark.parametrize("part", ["safetensors", "gguf"])
def test_atheris_finds_nothing(part: str, tmp_path: Path) -> None:
    pytest.importorskip(
        "atheris", reason="atheris is not installed: fuzzing by coverage is left out"
    )
    script = Path(__file__).with_name("fuzzing_checkpoints.py")
    command = [
        sys.executable,
        script,
        part,
        "-runs=300",
        "-seed=1",
        f"-artifact_prefix={tmp_path}/",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
