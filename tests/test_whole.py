"""Whole files: bounds on what is read; what is written is whole or was not written."""

from __future__ import annotations

import io
import os
import stat
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from attn_cli import memory
from attn_cli.errors import DataError
from attn_cli.files import whole
from attn_cli.files.beginning import of_text


@pytest.fixture(params=["nameless", "named"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to make a new file: where the system has files without a name, and elsewhere."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    return str(request.param)


def test_nothing_stands_there_while_it_is_written(way: str, tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    target.write_bytes(b"old")
    seen = []

    def pieces() -> object:
        for _ in range(3):
            seen.append(sorted(path.name for path in tmp_path.iterdir()))
            assert target.read_bytes() == b"old"
            yield b"new"

    whole.write_whole(target, pieces())  # type: ignore[arg-type]
    assert target.read_bytes() == b"newnewnew"
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    if way == "nameless" and hasattr(os, "O_TMPFILE"):
        assert seen == [["x.json"]] * 3
    else:
        assert all(len(names) == 2 for names in seen)


def test_an_error_on_the_way_leaves_what_was_there(way: str, tmp_path: Path) -> None:
    def pieces() -> object:
        yield b"new"
        raise KeyError

    with pytest.raises(KeyError):
        whole.write_whole(tmp_path / "x", pieces())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_permissions_are_those_of_the_old_file_or_of_the_umask(way: str, tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        whole.write_whole(tmp_path / "new", [b"x"])
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o602)
    whole.write_whole(tmp_path / "new", [b"y"])
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o602


@contextmanager
def no_root() -> Iterator[None]:
    """Root may write everywhere: for as long as this lasts, be somebody who may not."""
    if os.geteuid():
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_a_file_that_is_not_to_be_written_is_not() -> None:
    with TemporaryDirectory() as folder:  # pytest's own are closed to others
        Path(folder).chmod(0o777)
        target = Path(folder, "x")
        target.write_bytes(b"old")
        target.chmod(0o444)
        with no_root(), pytest.raises(DataError, match="permission denied"):
            whole.write_whole(target, [b"new"])
        assert target.read_bytes() == b"old"
        assert [path.name for path in Path(folder).iterdir()] == ["x"]


def test_a_file_that_may_not_be_written_is_told_by_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(DataError, match="permission denied"):
        whole.write_whole(tmp_path / "x", [b"new"])
    assert (tmp_path / "x").read_bytes() == b"old"


def test_a_name_that_ends_as_a_directory_is_none_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a directory"):
        whole.write_whole(f"{tmp_path}/x.json/", [b"x"])
    assert list(tmp_path.iterdir()) == []


class Endless(io.RawIOBase):
    """A stream without an end, and how much was taken of it."""

    def __init__(self, first: bytes) -> None:
        self._first, self.taken = first, 0

    def read(self, size: int = -1) -> bytes:
        piece = self._first + b"x" * (size - len(self._first))
        self._first, self.taken = b"", self.taken + size
        return piece


@pytest.mark.parametrize("first", [b"word ", b"[[1,", b'{"schema": ', b"PK"])
def test_an_endless_stream_is_refused_early_where_it_is_no_data(first: bytes) -> None:
    text = Endless(first)
    with pytest.raises(DataError, match="standard input is larger than 64"):
        whole.read_whole(text, of_text)  # type: ignore[arg-type]
    assert text.taken < 1 << 27


def test_a_file_that_is_too_large_is_not_even_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(bytes(1000))
    monkeypatch.setattr(memory, "available", lambda: 1000)
    monkeypatch.setattr(whole, "_PIECE", 1)
    with pytest.raises(DataError, match="too large"):
        whole.read_whole(tmp_path / "x", of_text)


def test_a_file_is_held_once_while_it_is_read(tmp_path: Path) -> None:
    size = 40 << 20
    with (tmp_path / "x").open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    try:
        data = whole.read_whole(tmp_path / "x", lambda data, name: size)[1]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(data) == size and peak < 1.2 * size


def test_an_error_of_reading_is_a_sentence_for_streams_too() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(DataError, match="cannot read standard input: input/output error"):
        whole.read_whole(Broken(), of_text)  # type: ignore[arg-type]


def test_a_terminal_is_asked_for_its_end_once() -> None:
    class Terminal(io.BytesIO):
        ends = 0

        def isatty(self) -> bool:
            return True

        def read(self, size: int | None = -1) -> bytes:
            found = super().read(size)
            self.ends += len(found) < (size or 0)  # as a buffered reader: short once it has ended
            return found

    terminal = Terminal(b"[[1]]\n")
    assert whole.read_whole(terminal, of_text) == ("standard input", b"[[1]]\n")
    assert terminal.ends == 1
    assert whole.read_whole(Terminal(), of_text) == ("standard input", b"")


@pytest.mark.skipif(not hasattr(os, "fchown"), reason="the system has no owners of files")
def test_the_group_stays_where_the_owner_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fchown(handle: int, owner: int, group: int) -> None:
        asked.append((owner, group))
        if owner != -1:
            raise PermissionError

    old = os.stat_result((stat.S_IFREG | 0o660, 0, 0, 1, 1234, 4321, 0, 0, 0, 0))
    monkeypatch.setattr(os, "fchown", fchown)
    with (tmp_path / "x").open("wb") as file:
        whole._keep(file.fileno(), old)
    assert asked == [(-1, 4321), (1234, -1)]
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o660
