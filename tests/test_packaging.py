"""The wheel: what is in it, and that it comes out the same whenever and wherever it is built."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT


def built(home: Path, **changed: str) -> Path:
    """A wheel from a fresh clone in a directory of its own."""
    home.mkdir()
    subprocess.run(["git", "clone", "-q", str(ROOT), str(home / "attn")], check=True)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(home), "."]
    done = subprocess.run(
        command, cwd=home / "attn", env=os.environ | changed, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = home.glob("*.whl")
    return wheel


@pytest.mark.skipif(
    os.environ.get("ATTN_TEST_INSTALL") != "1",
    reason="builds with packages from the network; ATTN_TEST_INSTALL=1 asks for it",
)
def test_a_wheel_built_twice_is_the_same_to_the_byte(tmp_path: Path) -> None:
    first = built(tmp_path / "one")
    second = built(tmp_path / "two", TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as wheel:
        names = wheel.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"attn_cli"}
    assert {"attn_cli/py.typed", "attn_cli/files/attn-1.schema.json"} <= {*names}
    assert not [name for name in names if name.endswith((".pyc", ".orig", ".rej"))]
