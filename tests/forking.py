"""Forking: many runs of `attn`, each forked from one process that has imported everything.

A job is {"args", "cwd"} and perhaps "stdin", "named" (no file without a name can be had) and a
"fault", which is what happens at the N-th chance:

    ["refuse", N, errno]   the N-th call of the system fails, as on a full or broken disk
    ["refuse on", N, errno]  it and all after it but the removal of files
    ["memory", N]          the N-th call of a function of ours finds no memory
    ["signal", N, number]  a signal arrives at the N-th call of a function of ours, and once more

A result is {"code", "out", "err", "chances"}; of fewer chances than N nothing happened.
"""

from __future__ import annotations

import errno as errnos
import io
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

from conftest import PATIENCE, environment

HERE = Path(__file__).resolve()
SYSTEM = ("open", "fstat", "stat", "lstat", "scandir", "listdir", "fsync", "link", "replace",
          "rename", "unlink", "fchmod", "readlink")  # fmt: skip


class Forks:
    """Two processes that have imported everything, and share the jobs that they are given."""

    def __init__(self) -> None:
        env = environment(OPENBLAS_NUM_THREADS="1")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._servers = [
            subprocess.Popen([sys.executable, HERE], env=env, **pipes) for _ in range(2)
        ]

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *error: object) -> None:
        for server in self._servers:
            server.communicate(timeout=PATIENCE)

    def run(self, jobs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The results of jobs, in their order."""
        with ThreadPoolExecutor(2) as pool:
            halves = list(pool.map(_served, self._servers, (jobs[::2], jobs[1::2])))
        return [halves[index % 2][index // 2] for index in range(len(jobs))]


def _served(server: Any, jobs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    server.stdin.write(json.dumps(jobs).encode() + b"\n")
    server.stdin.flush()
    return list(json.loads(server.stdout.readline()))


def main() -> None:
    _import_everything()
    answers = os.fdopen(os.dup(1), "w")
    for line in iter(sys.stdin.readline, ""):
        answers.write(json.dumps([_forked(job) for job in json.loads(line)]) + "\n")
        answers.flush()


def _import_everything() -> None:
    import attn_cli

    for module in pkgutil.walk_packages(attn_cli.__path__, "attn_cli."):
        if not module.name.endswith("__main__"):
            import_module(module.name)


def _forked(job: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        files = [Path(home, name) for name in ("in", "out", "err", "chances")]
        files[0].write_bytes(job.get("stdin", "").encode())
        if not (child := os.fork()):
            _as_child(job, *files)
        _, status = os.waitpid(child, 0)
        out, err, chances = (f.read_bytes() if f.exists() else b"" for f in files[1:])
    return {
        "code": os.waitstatus_to_exitcode(status),
        "out": out.decode(errors="replace"),
        "err": err.decode(errors="replace"),
        "chances": int(chances or 0),
    }


def _as_child(job: dict[str, Any], stdin: Path, out: Path, err: Path, chances: Path) -> None:
    code = 99
    try:
        from attn_cli.__main__ import main

        for number, (path, flags) in enumerate(
            ((stdin, os.O_RDONLY), (out, os.O_WRONLY | os.O_CREAT), (err, os.O_WRONLY | os.O_CREAT))
        ):
            os.dup2(os.open(path, flags, 0o600), number)
        note = os.open(chances, os.O_WRONLY | os.O_CREAT, 0o600)
        os.chdir(job["cwd"])
        sys.argv = ["attn", *job["args"]]
        if job.get("named"):
            del os.O_TMPFILE
        chance = _Chance(note, job.get("fault"))
        opener = io.FileIO
        if chance.kind.startswith("refuse"):
            opener = _refusing(chance)
        elif chance.kind:
            sys.setprofile(chance.called)
        sys.stdin = io.TextIOWrapper(io.BufferedReader(opener(0)))
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(opener(1, "w")), write_through=True)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w"), "utf-8", "backslashreplace",
                                      write_through=True)  # fmt: skip
        main()
    except SystemExit as done:
        code = int(done.code or 0)
    except BaseException:
        import traceback

        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


class _Chance:
    """Counts the chances of a fault, and makes it happen at the one that is asked for."""

    def __init__(self, note: int, fault: Sequence[Any] | None) -> None:
        self.kind, self.at, *rest = fault or ("", 0)
        self.rest, self.count, self._note = rest, 0, note
        self._write = os.pwrite

    def passed(self, removing: bool = False) -> bool:
        self.count += 1
        self._write(self._note, str(self.count).encode(), 0)
        later = self.kind == "refuse on" and self.count > self.at and not removing
        return self.count == self.at or later

    def called(self, frame: Any, event: str, _: object) -> None:
        """A profiler's function: within `settle`, which is there for faults."""
        code = frame.f_code
        if event == "return" and code.co_name == "settle":
            sys.setprofile(None)
        inside = self.count or code.co_name == "settle"
        if event != "call" or "attn_cli" not in code.co_filename or not inside:
            return
        if not self.passed() or self.count == 1:
            return
        sys.setprofile(None)
        if self.kind == "memory":
            raise MemoryError
        os.kill(os.getpid(), self.rest[0])
        os.kill(os.getpid(), self.rest[0])


def _refusing(chance: _Chance) -> type[io.FileIO]:
    """The system's calls, each with a chance to fail; the class of files whose own calls do."""

    def refuse(name: str = "", *, removing: bool = False) -> None:
        if chance.passed(removing):
            code = chance.rest[0]
            raise OSError(code, os.strerror(code), *([name] if name else []))

    class Refusing(io.FileIO):
        def readinto(self, buffer: Any) -> Any:
            refuse()
            return super().readinto(buffer)

        def readall(self) -> Any:
            refuse()
            return super().readall()

        def write(self, data: Any) -> Any:
            refuse()
            if chance.rest[0] == errnos.EINTR:
                return super().write(data[: max(len(data) // 2, 1)])
            return super().write(data)

    def patched(call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **options: Any) -> Any:
            refuse(str(args[0]) if args else "", removing=call is unlink)
            return call(*args, **options)

        return instead

    unlink = os.unlink
    for name in SYSTEM:
        setattr(os, name, patched(getattr(os, name)))
    usual = io.open

    def opened(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        if "b" not in mode:
            refuse(str(file))
            return usual(file, mode, *args, **options)
        raw = Refusing(file, mode.replace("b", ""), closefd=options.get("closefd", True))
        return io.BufferedWriter(raw) if "r" not in mode else io.BufferedReader(raw)

    io.open = opened  # type: ignore[assignment]
    return Refusing


if __name__ == "__main__":
    main()
