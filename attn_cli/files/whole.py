"""Whole files: read at once with a bound, written beside the target and renamed over it.

It knows bytes, not what they mean.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias

from attn_cli import memory
from attn_cli.ending import undoing
from attn_cli.errors import DataError, did_you_mean_file

Judge: TypeAlias = "Callable[[bytes, str], int]"
_PIECE = 1 << 22  # bytes
_FILES = "/proc/self/fd"


def read_whole(source: str | os.PathLike[str] | BinaryIO, judge: Judge) -> tuple[str, bytes]:
    """What to call a file in messages, and its bytes.

    Args:
        judge: see `read_bounded`.

    Raises:
        DataError: it is missing, a directory, unreadable, or larger than half the memory.
    """
    if not isinstance(source, (str, os.PathLike)):
        return "standard input", read_bounded(source, "standard input", judge)
    name = f"`{os.fspath(source)}`"
    try:
        file = open_to_read(source)
    except OSError as error:
        raise unreadable(name, error) from None
    with file:
        return name, read_bounded(file, name, judge)


def open_to_read(path: str | os.PathLike[str]) -> BinaryIO:
    """A file, open for reading its bytes.

    Raises:
        DataError: its name is empty or cannot be one.
        OSError: it cannot be opened.
    """
    if not os.fspath(path):
        raise DataError("the name of a file is empty")
    try:
        return Path(path).open("rb")
    except ValueError as error:  # a NUL in the name
        raise DataError(f"cannot read `{os.fspath(path)}`: {error}") from None


def read_bounded(file: BinaryIO, name: str, judge: Judge) -> bytes:
    """All the bytes of a stream.

    Args:
        judge: called with the first bytes, and `name`, where more are to come; raises DataError
            where these are nothing that could be wanted, however they go on, or says how many
            bytes may come of a pipe or a device, which does not say it itself.

    Raises:
        DataError: they cannot be read, are more than half of the memory, or more than `judge`
            lets through.
    """
    limit, size = memory.available() // 2, 0
    pieces: list[bytes] = []
    try:
        given = _size(file)
        while max(size, given or 0) <= limit:
            piece = file.read(_PIECE)
            if not piece:
                return b"".join(pieces)
            if len(piece) < _PIECE and _is_terminal(file):  # one Ctrl-D is enough
                return b"".join([*pieces, piece])
            if not pieces and len(piece) == _PIECE:
                most = judge(piece, name)
                if given is None:
                    limit = min(limit, most)
                else:  # at once, or all would be held twice where it is joined
                    file.seek(-len(piece), os.SEEK_CUR)
                    piece = file.read(max(given, _PIECE))
            pieces.append(piece)
            size += len(piece)
    except OSError as error:
        raise unreadable(name, error) from None
    raise DataError(f"{name} is larger than {memory.readable(limit)}, too large to hold")


def _size(file: BinaryIO) -> int | None:
    """The bytes of a regular file; None of a stream, and of what has no descriptor."""
    try:
        state = os.fstat(file.fileno())
    except (OSError, AttributeError):
        return None
    return state.st_size if stat.S_ISREG(state.st_mode) else None


def _is_terminal(file: BinaryIO) -> bool:
    try:
        return file.isatty()
    except AttributeError:  # no more than something with a `read`
        return False


def unreadable(name: str, error: OSError) -> DataError:
    """An OSError of reading, as a sentence."""
    missing = isinstance(error, FileNotFoundError) and error.filename
    hint = did_you_mean_file(os.fsdecode(error.filename)) if missing else ""
    return DataError(f"cannot read {name}: {_reason(error)}", hint)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def write_whole(path: str | os.PathLike[str], pieces: Iterable[bytes]) -> None:
    """Write a file whole or not at all: a new one beside it is filled, then renamed over it.

    An existing file keeps its permissions and its owner, and a link keeps pointing. A device or a
    pipe is written to as it is. Where the system can make files without a name (Linux), even a
    process that is killed leaves nothing behind.

    Raises:
        DataError: the file cannot be written; what was there before is still there.
    """
    if not os.fspath(path):
        raise DataError("the name of a file to write is empty")
    try:
        old = _state(path)
        only_directories = os.fsdecode(path).endswith(("/", os.sep))  # a Path would drop it
        if only_directories or (old is not None and stat.S_ISDIR(old.st_mode)):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if old is not None and not stat.S_ISREG(old.st_mode):
            with Path(path).open("wb") as file:
                file.writelines(pieces)
            return
        target = Path(os.path.realpath(path))
        if old is not None and not os.access(target, os.W_OK):  # renaming would not ask
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        _replace(target, pieces, old)
    except OSError as error:
        parent = Path(path).parent
        missing = isinstance(error, FileNotFoundError) and not parent.exists()
        hint = f"There is no directory `{parent}`." if missing else ""
        raise DataError(f"cannot write `{os.fspath(path)}`: {_reason(error)}", hint) from None


def _state(path: str | os.PathLike[str]) -> os.stat_result | None:
    """What is at a path, links followed; None for nothing."""
    try:
        return Path(path).stat()
    except FileNotFoundError:
        return None
    except ValueError as error:  # a NUL in the name
        raise OSError(str(error)) from None


def _replace(target: Path, pieces: Iterable[bytes], old: os.stat_result | None) -> None:
    part = target.with_name(f".attn-{os.urandom(8).hex()}.part")
    with undoing(partial(_remove, part)):
        handle, named = _new(part)
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
            file.flush()
            if old is not None:
                _keep(handle, old)
            os.fsync(handle)
            if not named:
                # Any `src_dir_fd` makes Python follow the link, and is not looked at otherwise.
                os.link(f"{_FILES}/{handle}", part, src_dir_fd=handle)
        part.replace(target)


def _new(part: Path) -> tuple[int, bool]:
    """A new file to write to, with or without its name; the system applies the umask."""
    flags = os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    if hasattr(os, "O_TMPFILE") and Path(_FILES).is_dir():
        with suppress(OSError):  # not every file system has it
            return os.open(part.parent, flags | os.O_TMPFILE, 0o666), False
    return os.open(part, flags | os.O_CREAT | os.O_EXCL, 0o666), True


def _keep(handle: int, old: os.stat_result) -> None:
    """Give a new file the owner and the permissions of the one that it replaces."""
    if not hasattr(os, "fchown"):
        return
    now = os.fstat(handle)
    if now.st_gid != old.st_gid:
        with suppress(PermissionError):  # to a group that one is in
            os.fchown(handle, -1, old.st_gid)
    if now.st_uid != old.st_uid:
        with suppress(PermissionError):  # only root may give files away
            os.fchown(handle, old.st_uid, -1)
    os.fchmod(handle, old.st_mode & 0o777)


def _remove(part: Path) -> None:
    with suppress(OSError):
        part.unlink()
