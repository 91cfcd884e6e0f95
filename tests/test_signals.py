"""Signals to real processes, at moments that can be told apart; `test_faults` has all others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ATTN, PATIENCE, environment, started

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OLD = "what was there"
TEXT = " ".join(f"w{number}" for number in range(300))


def wait_for(sign: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not sign():
        assert time.monotonic() < end, "what is waited for does not happen"
        time.sleep(0.002)


def maps(process: Any, name: str) -> Callable[[], bool]:
    """Whether a process has loaded a library: the middle of its start can be told by that."""
    return lambda: name in Path(f"/proc/{process.pid}/maps").read_text()


def all_is_read(process: Any) -> bool:
    """Whether what was written to the process's standard input was taken."""
    import fcntl
    import termios

    return not any(fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)))


needs_proc = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc")


@needs_proc
@pytest.mark.parametrize("number", ENDING)
def test_while_numpy_is_imported(number: int) -> None:
    with started("inspect", TEXT, "--json") as process:
        wait_for(maps(process, "numpy"))
        process.send_signal(number)
        out, err = process.communicate()
        assert (process.returncode, out, err) == (128 + number, b"", b"")


@pytest.mark.parametrize("number", ENDING)
def test_while_a_full_pipe_is_waited_for(number: int) -> None:
    with started("inspect", TEXT, "--json") as process:
        assert process.stdout is not None and process.stdout.read(1) == b"{"
        time.sleep(0.1)  # it waits for room in the pipe
        process.send_signal(number)
        process.send_signal(number)
        _, err = process.communicate()
        assert (process.returncode, err) == (128 + number, b"")


@pytest.mark.parametrize("number", [*ENDING, signal.SIGKILL])
@pytest.mark.parametrize("existing", [False, True])
def test_half_way_through_a_file_nothing_is_left_over(
    number: int, existing: bool, tmp_path: Path
) -> None:
    if existing:
        (tmp_path / "x.jsonl").write_text(OLD)
    with started("inspect", "-", "--lines", "-o", "x.jsonl", cwd=tmp_path) as process:
        assert process.stdin is not None
        process.stdin.write(b"one two\nthree four\nfive")
        process.stdin.flush()
        wait_for(lambda: all_is_read(process))
        process.send_signal(number)
        _, err = process.communicate()
        ended = -number if number == signal.SIGKILL else 128 + number
        assert (process.returncode, err) == (ended, b"")
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == ({"x.jsonl": OLD} if existing else {})


@pytest.mark.parametrize("number", ENDING)
def test_what_whoever_started_it_has_switched_off_stays_off(number: int) -> None:
    """As nohup does, and a shell for what it runs in the background."""
    switch_off = {"preexec_fn": lambda: signal.signal(number, signal.SIG_IGN)}
    with started("inspect", "-", "--json", **switch_off) as process:
        assert process.stdin is not None
        process.stdin.write(b"one ")
        process.stdin.flush()
        wait_for(lambda: all_is_read(process))
        process.send_signal(number)
        out, err = process.communicate(b"two")
        assert (process.returncode, err) == (0, b"") and b'"text": "one two"' in out


def test_a_bar_is_taken_away_and_the_cursor_comes_back(tmp_path: Path) -> None:
    import pty
    import select

    controller, line = pty.openpty()
    shown = bytearray()
    with started("vocab", "-", stderr=line) as process:
        os.close(line)
        assert process.stdin is not None
        end = time.monotonic() + PATIENCE
        while b"\x1b[?25l" not in shown:  # the cursor is hidden
            assert time.monotonic() < end
            process.stdin.write(b"word " * 1000)
            process.stdin.flush()
            while select.select([controller], [], [], 0)[0]:
                shown += os.read(controller, 1 << 16)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        while select.select([controller], [], [], 0)[0]:
            try:
                shown += os.read(controller, 1 << 16)
            except OSError:
                break
    os.close(controller)
    assert shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l")
    assert b"Traceback" not in shown


def test_many_writers_of_one_target_leave_one_whole_result(tmp_path: Path) -> None:
    """Eight runs, again and again; whoever reads meanwhile sees a whole one too."""
    texts = [f"text {number} " + "word " * (20 * number) for number in range(8)]
    candidates = set()
    for number, text in enumerate(texts):
        file = tmp_path / f"{number}.json"
        assert subprocess.run([ATTN, "inspect", text, "-o", file]).returncode == 0
        candidates.add(file.read_bytes())
        file.unlink()
    assert len(candidates) == len(texts)
    target = tmp_path / "x.json"
    for _ in range(2):
        writers = [
            subprocess.Popen([ATTN, "inspect", text, "-o", target], env=environment())
            for text in texts
        ]
        seen = set()
        while any(writer.poll() is None for writer in writers):
            if target.exists():
                seen.add(target.read_bytes())
            time.sleep(0.001)
        assert [writer.returncode for writer in writers] == [0] * len(texts)
        assert seen <= candidates
        assert target.read_bytes() in candidates
        assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert oct(target.stat().st_mode & 0o777) == oct(0o666 & ~umask())


def test_a_cache_that_is_written_meanwhile_is_listed_or_complained_of(tmp_path: Path) -> None:
    """The hub's cache: snapshots come and go while it is read."""
    import shutil

    from conftest import ROOT

    home = tmp_path / "hub" / "models--org--tiny"
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            snapshot = home / "snapshots" / "abc"
            shutil.copytree(ROOT / "sample_inputs" / "tiny-llama", snapshot)
            (home / "refs").mkdir()
            (home / "refs" / "main").write_text("abc")
            time.sleep(0.005)
            shutil.rmtree(home)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        env = environment(HF_HUB_CACHE=str(tmp_path / "hub"), HF_HUB_OFFLINE="1")
        for args in ((["models", "--json"], ["inspect", "a b", "-m", "org/tiny"])) * 3:
            done = subprocess.run([ATTN, *args], env=env, capture_output=True, timeout=PATIENCE)
            err = done.stderr.decode()
            assert done.returncode in (0, 2), err
            assert bool(err) == (done.returncode == 2) and "fault of attn" not in err, err
            assert len(err.splitlines()) <= 2
    finally:
        stop.set()
        thread.join()


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_process_that_is_done_is_not_interrupted_any_more() -> None:
    """Between the last byte and the end of the interpreter a signal changes nothing."""
    code = """
import os, signal, sys
from attn_cli import ending
ending.watch()
ending.done()
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    os.kill(os.getpid(), number)
sys.exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, b"")
