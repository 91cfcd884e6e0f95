"""The fuzzing harness works, where atheris is installed; `python tests/fuzzing.py` runs it long."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

needs_atheris = pytest.mark.skipif(
    find_spec("atheris") is None, reason="atheris is not installed: pip install atheris"
)


@needs_atheris
def test_a_second_of_fuzzing_finds_nothing(tmp_path: Path) -> None:
    script = Path(__file__).with_name("fuzzing.py")
    done = subprocess.run(
        [sys.executable, script, "1", "foreign npy"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "foreign npy: Done" in done.stdout
