"""What tests share: `attn` runs the installed command, `terminal` runs it in a pseudo-terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, settings

# Speed lives in benchmarks/: a busy machine must not fail a property.
settings.register_profile("attn", deadline=None)
# A mutant is found or it is not: the same examples every time, and no search for the smallest.
settings.register_profile(
    "mutation",
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("attn")

ROOT = Path(__file__).parent.parent
ATTN = Path(sys.executable).with_name("attn")
PATIENCE = 60  # seconds: a guard against hanging, never a measurement


class Ran(NamedTuple):
    """What a command left: its exit code, standard output and standard error."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()


def environment(**more: str) -> dict[str, str]:
    """A clean, small environment; of the user's own only the path is kept."""
    path = f"{ATTN.parent}{os.pathsep}{os.environ['PATH']}"
    measured = {name: os.environ[name] for name in os.environ if name.startswith("COVERAGE_")}
    return {"PATH": path, "HOME": "/nonexistent", "LANG": "C.UTF-8", **measured, **more}


@contextmanager
def started(
    *args: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT, **streams: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A running `attn`, with pipes if nothing else is said; it is ended whatever the test does."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        [ATTN, *args], env=environment(**(env or {})), cwd=cwd, **(pipes | streams)
    )
    guard = threading.Timer(PATIENCE, process.kill)
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def run(
    *args: str | bytes,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    **more: Any,
) -> Ran:
    """Run `attn` as a real process; more environment comes on top of the clean one."""
    done = subprocess.run(
        [ATTN, *args],
        input=stdin,
        stdout=more.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        env=environment(**(env or {})),
        cwd=cwd,
        timeout=PATIENCE,
        **more,
    )
    return Ran(done.returncode, done.stdout or b"", done.stderr.decode(errors="replace"))


def shell(line: str, *, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Ran:
    """Run a line of bash, for redirections and pipes; any part that fails makes it fail."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(**(env or {})),
        cwd=cwd,
        timeout=PATIENCE,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def together(calls: Sequence[Callable[[], Ran]]) -> list[Ran]:
    """Several runs, as many at a time as there are processors; results in order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def run_in_terminal(
    *args: str,
    columns: int = 80,
    rows: int = 24,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    stdin: bytes | None = None,
    out: Path | None = None,
) -> Ran:
    """Run `attn` with a pseudo-terminal of this size for all streams; all it shows is `out`.

    With `stdin` the text comes through a pipe; with `out` standard output goes to that file, and
    what the terminal shows is standard error alone.
    """
    import fcntl
    import pty
    import struct
    import termios
    import tty

    controller, line = pty.openpty()
    tty.setraw(line)  # what is printed arrives byte for byte
    fcntl.ioctl(line, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    sink = line if out is None else os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    process = subprocess.Popen(
        [ATTN, *args],
        stdin=line if stdin is None else subprocess.PIPE,
        stdout=sink,
        stderr=line,
        env=environment(**({"TERM": "xterm-256color"} | dict(env or {}))),
        cwd=cwd,
        start_new_session=True,
    )
    if out is not None:
        os.close(sink)
    os.close(line)
    try:
        if process.stdin is not None:
            process.stdin.write(stdin or b"")
            process.stdin.close()
        shown = b"".join(_read_until_closed(controller))
        return Ran(process.wait(PATIENCE), shown, "")
    finally:
        process.kill()
        process.wait()
        os.close(controller)


def _read_until_closed(controller: int) -> list[bytes]:
    import select

    pieces = []
    while select.select([controller], [], [], PATIENCE)[0]:
        try:
            piece = os.read(controller, 1 << 16)
        except OSError:  # Linux's way to say that nobody holds the other end
            return pieces
        if not piece:
            return pieces
        pieces.append(piece)
    raise TimeoutError(f"attn was silent for {PATIENCE} s in a terminal")


def emulate(text: str, columns: int, rows: int | None = None) -> Any:
    """A terminal emulator's screen after `text` was printed to it."""
    import pyte

    screen = pyte.Screen(columns, rows or text.count("\n") + 2)
    stream = pyte.Stream(screen)
    stream.feed(text.replace("\r\n", "\n").replace("\n", "\r\n"))
    return screen


@pytest.fixture
def attn() -> Callable[..., Ran]:
    """Run the installed command: `attn("inspect", "a b", stdin=b"", env={}, cwd=...)`."""
    return run


@pytest.fixture
def terminal() -> Callable[..., Ran]:
    """Run the installed command in a pseudo-terminal of `columns` × `rows`."""
    return run_in_terminal
