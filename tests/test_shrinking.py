"""Shrinking: a file that is cut while it is mapped ends in a complaint, never in the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from checkpoint_files import reference
from conftest import ATTN, environment

from attn_cli.checkpoints.mapped import MappedFile
from attn_cli.checkpoints.shrinking import require_whole
from attn_cli.errors import DataError

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="no such signal here")

# In a process of its own: where this fails, the signal ends it.
CUT = """
import hashlib, os, sys, threading
from pathlib import Path
import numpy as np
from attn_cli.checkpoints.mapped import MappedFile
from attn_cli.checkpoints.shrinking import require_whole
from attn_cli.errors import DataError

path, size = Path(sys.argv[1]), 1 << 22
path.write_bytes(b"\\1" * size)
view = MappedFile(path).view(0, size, "all")
numbers = np.frombuffer(view, np.uint8)
require_whole()
os.truncate(path, 5000)
sums = []
work = [threading.Thread(target=lambda: sums.append(int(numbers.sum()))) for _ in range(8)]
for thread in work:
    thread.start()
for thread in work:
    thread.join()
kept = hashlib.sha256(view).digest() == hashlib.sha256(b"\\1" * 5000 + bytes(size - 5000)).digest()
os.truncate(path, 0)
print(sums == [5000] * 8, kept, int(numbers.sum()))
try:
    require_whole()
except DataError as error:
    print(error.message)
"""

STRANGE = """
import mmap, os, sys
from pathlib import Path
from attn_cli.checkpoints.mapped import MappedFile

path = Path(sys.argv[1])
path.write_bytes(b"x")
file = MappedFile(path)
view = file.view(0, 1, "all")
with open(sys.argv[1] + "-another", "w+b") as other:
    other.truncate(1 << 16)
    mapped = mmap.mmap(other.fileno(), 1 << 16)
    other.truncate(0)
    mapped[1 << 15]
"""


def python(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_what_is_cut_under_its_readers_is_zeros_and_remembered(tmp_path: Path) -> None:
    ran = python(CUT, tmp_path / "file")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "True True 0",
        f"{tmp_path / 'file'} has shrunk from 4,194,304 to 0 bytes",
    ]


def test_a_signal_that_is_not_ours_ends_the_process_as_ever(tmp_path: Path) -> None:
    assert python(STRANGE, tmp_path / "file").returncode == -signal.SIGBUS


def test_a_cut_within_a_page_raises_no_signal_and_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\1" * 100)
    file = MappedFile(path)
    numbers = np.frombuffer(file.view(0, 100, "all"), np.uint8)
    os.truncate(path, 99)
    with pytest.raises(DataError, match="has shrunk from 100 to 99 bytes"):
        require_whole()
    assert numbers.sum() == 99
    del numbers, file
    require_whole()  # who no longer reads it has nothing to complain about


@pytest.mark.parametrize("size", [0, 5000, 36_000])
def test_a_model_that_is_cut_between_two_texts(tmp_path: Path, size: int) -> None:
    directory = reference(tmp_path / "model", "llama")
    process = subprocess.Popen(
        [ATTN, "inspect", "--lines", "-", "--model", directory, "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        bufsize=0,
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"w5 w6\n")
    assert b"".join(iter(partial(process.stdout.read, 1), b"\n")).startswith(b'{"schema"')
    os.truncate(directory / "model.safetensors", size)
    out, err = process.communicate(b"w7 w8\n", timeout=60)
    assert (process.returncode, out) == (2, b"")
    assert b"has shrunk" in err and err.count(b"\n") == 2
