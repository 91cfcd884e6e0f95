"""Runner: a case as a real process, with pipes or in a pseudo-terminal, and which laws it broke."""

from __future__ import annotations

import fcntl
import os
import pty
import resource
import select
import struct
import subprocess
import tempfile
import termios
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from conftest import ATTN, environment

from hostile.case import Case
from hostile.laws import Outcome, broken

PATIENCE = 60  # seconds of silence before a run is given up
ENDLESS: dict[bytes | str, bytes] = {
    "endless": b"word " * 1000,
    "brackets": b"[[1," * 1000,
    "zeros": bytes(1 << 16),
}


def failures(case: Case, *, terminal: bool) -> list[str]:
    """The laws that one run of a case broke, in a directory that is removed again."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as home:
        directory = Path(home, "work")
        directory.mkdir()
        for name, data in case.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if case.prepare is not None:
            case.prepare(directory)
        before = _snapshot(directory)
        try:
            got = _in_terminal(case, directory) if terminal else _with_pipes(case, directory)
        except TimeoutError as error:
            return [str(error)]
        found = broken(case, got, terminal=terminal)
        after = _snapshot(directory)
        left = sorted(after.keys() - before.keys() - set(case.makes))
        lost = sorted(
            name for name in before if name not in case.changes and after.get(name) != before[name]
        )
        if left:
            found.append(f"left over: {left[:3]}")
        if lost:
            found.append(f"changed or lost: {lost[:3]}")
        if case.check is not None and (complaint := case.check(directory)):
            found.append(complaint)
        return found


def _snapshot(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file():
            state = path.stat()
            small = state.st_size < 1 << 24
            try:
                found[name] = path.read_bytes() if small else (state.st_size, state.st_mtime_ns)
            except PermissionError:
                found[name] = state.st_mtime_ns
        else:
            found[name] = None
    return found


def _environment(case: Case) -> dict[str, str]:
    return environment(**case.env)


def _with_pipes(case: Case, directory: Path) -> Outcome:
    """A run whose streams are pipes, or what the case says instead."""
    with _streams(case) as (streams, stdin, stdout):
        process = subprocess.Popen(
            [ATTN, *case.args],
            cwd=directory,
            env=_environment(case),
            start_new_session=True,
            **streams,
        )
        out, err = bytearray(), bytearray()
        work = [
            threading.Thread(target=_drain, args=(stdout or process.stdout, out, case.stdout)),
            threading.Thread(target=_drain, args=(process.stderr, err, None)),
            threading.Thread(
                target=_feed, args=(stdin or process.stdin, case.stdin, case.feed), daemon=True
            ),
        ]
        for number in (streams["stdin"], streams["stdout"]):
            if isinstance(number, int) and number > 2:  # the child's own end of a pipe of ours
                os.close(number)
        for thread in work:
            thread.start()
        return _ended(
            process,
            work[:2],
            lambda: (
                bytes(out) if case.stdout in (None, "narrow") else None,
                bytes(err) if case.stderr is None else None,
            ),
        )


@contextmanager
def _streams(case: Case) -> Iterator[tuple[dict[str, Any], Any, Any]]:
    """The streams of the child, and our ends of those that are pipes made here."""
    opened: list[Any] = []
    kinds = (case.stdin, case.stdout, case.stderr)
    closed = [number for number, kind in enumerate(kinds) if kind == "closed"]

    def hands(kind: Any) -> Any:
        if kind in ("full", "write-only"):
            opened.append(Path("/dev/full" if kind == "full" else os.devnull).open("wb"))
        elif kind == "read-only":
            opened.append(Path(os.devnull).open("rb"))
        elif kind == "terminal":
            controller, line = pty.openpty()
            opened.extend((os.fdopen(controller, "rb"), os.fdopen(line, "rb")))
        else:
            return None if kind == "closed" else subprocess.PIPE
        return opened[-1]

    def prepare() -> None:  # in the child
        for number in closed:
            os.close(number)
        if case.largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (case.largest_file,) * 2)

    stdin, feeding = hands(case.stdin), None
    stdout, reading = hands(case.stdout), None
    if case.feed == "non-blocking":
        stdin, end = os.pipe()
        os.set_blocking(stdin, False)
        feeding = os.fdopen(end, "wb", buffering=0)
    if case.stdout == "narrow":
        end, stdout = os.pipe()
        fcntl.fcntl(stdout, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(stdout, False)
        reading = os.fdopen(end, "rb")
    try:
        yield (
            {
                "stdin": stdin,
                "stdout": stdout,
                "stderr": hands(case.stderr),
                "preexec_fn": prepare if closed or case.largest_file else None,
            },
            feeding,
            reading,
        )
    finally:
        for stream in opened:
            stream.close()


def _drain(stream: Any, into: bytearray, how: str | None) -> None:
    if stream is None:
        return
    with stream:
        if how == "reader-leaves":
            return
        while piece := stream.read1(1000 if how == "narrow" else 1 << 16):
            into += piece


def _feed(stream: Any, data: bytes | str, how: str | None = None) -> None:
    if stream is None:
        return
    with suppress(BrokenPipeError), stream:
        while data in ENDLESS:
            stream.write(ENDLESS[data])
        assert isinstance(data, bytes)
        if how is None:
            stream.write(data)
            return
        time.sleep(0.3)  # it finds nothing to read at first
        for start in range(0, len(data), step := max(len(data) // 20, 1)):
            stream.write(data[start : start + step])
            stream.flush()
            time.sleep(0.01)


def _ended(process: Any, readers: list[threading.Thread], streams: Any) -> Outcome:
    guard = threading.Timer(PATIENCE, process.kill)
    guard.start()
    try:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if not guard.is_alive():
            raise TimeoutError(f"it did not end within {PATIENCE} s")
        for reader in readers:
            reader.join(PATIENCE)
        # A child's peak begins with ours, out of which it was forked: below that nothing is known.
        ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak = used.ru_maxrss / 1024 if used.ru_maxrss > ours else 0.0
        return Outcome(process.returncode, *streams(), used.ru_utime + used.ru_stime, peak)
    finally:
        guard.cancel()


def _in_terminal(case: Case, directory: Path) -> Outcome:
    """A run with a pseudo-terminal for its output, and its input too where no bytes are given."""
    controller, line = pty.openpty()
    tty.setraw(line)  # what is printed arrives byte for byte
    fcntl.ioctl(line, termios.TIOCSWINSZ, struct.pack("HHHH", 24, case.columns, 0, 0))
    piped = isinstance(case.stdin, bytes) and bool(case.stdin)
    process = subprocess.Popen(
        [ATTN, *case.args],
        cwd=directory,
        env={"TERM": "xterm-256color"} | _environment(case),
        stdin=subprocess.PIPE if piped else line,
        stdout=line,
        stderr=line,
        start_new_session=True,
    )
    os.close(line)
    shown = bytearray()
    work = [threading.Thread(target=_read_terminal, args=(controller, shown))]
    if piped:
        feeder = threading.Thread(target=_feed, args=(process.stdin, case.stdin), daemon=True)
        feeder.start()
    work[0].start()
    try:
        return _ended(process, work, lambda: (bytes(shown), None))
    finally:
        os.close(controller)


def _read_terminal(controller: int, into: bytearray) -> None:
    while select.select([controller], [], [], PATIENCE)[0]:
        try:
            piece = os.read(controller, 1 << 16)
        except OSError:  # Linux's way to say that nobody holds the other end
            return
        if not piece:
            return
        into += piece
