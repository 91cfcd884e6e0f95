"""Whole files: read at once with a bound, written beside the target and renamed over it.

It knows bytes, not what they mean.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from attn_cli import memory
from attn_cli.errors import DataError


def read_whole(source: str | os.PathLike[str] | BinaryIO) -> tuple[str, bytes]:
    """What to call a file in messages, and its bytes.

    Raises:
        DataError: it is missing, a directory, unreadable, or larger than half the memory.
    """
    if not isinstance(source, (str, os.PathLike)):
        return "standard input", read_bounded(source, "standard input")
    name = f"`{os.fspath(source)}`"
    try:
        with open_to_read(source) as file:
            return name, read_bounded(file, name)
    except OSError as error:
        raise unreadable(name, error) from None


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


def read_bounded(file: BinaryIO, name: str) -> bytes:
    """All the bytes of a stream.

    Raises:
        DataError: they are more than half of the memory.
    """
    limit = memory.available() // 2
    pieces, size = [], 0
    while piece := file.read(1 << 22):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise DataError(f"{name} is larger than {memory.readable(limit)}, too large to hold")
    return b"".join(pieces)


def unreadable(name: str, error: OSError) -> DataError:
    """An OSError of reading, as a sentence."""
    return DataError(f"cannot read {name}: {(error.strerror or str(error)).lower()}")


def write_whole(path: str | os.PathLike[str], pieces: Iterable[bytes]) -> None:
    """Write a file whole or not at all: a new one beside it is filled, then renamed over it.

    An existing file keeps its permissions, and a link keeps pointing. A device or a pipe is
    written to as it is.

    Raises:
        DataError: the file cannot be written; what was there before is still there.
    """
    if not os.fspath(path):
        raise DataError("the name of a file to write is empty")
    try:
        target, mode = _target(path)
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(21, "Is a directory")
        if mode is not None and not stat.S_ISREG(mode):
            with target.open("wb") as file:
                file.writelines(pieces)
            return
        _replace(target, pieces, _new_mode() if mode is None else stat.S_IMODE(mode))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot write `{os.fspath(path)}`: {reason}") from None


def _target(path: str | os.PathLike[str]) -> tuple[Path, int | None]:
    """The file that a path leads to, and its mode if it is there."""
    try:
        target = Path(path).resolve() if Path(path).is_symlink() else Path(path)
        return target, target.stat().st_mode
    except FileNotFoundError:
        return target, None
    except (ValueError, RuntimeError) as error:  # a NUL in the name, a loop of links
        raise OSError(str(error)) from None


def _replace(target: Path, pieces: Iterable[bytes], mode: int) -> None:
    import tempfile  # 3 ms, for writing alone

    handle, name = tempfile.mkstemp(prefix=".attn-", suffix=".part", dir=target.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(mode)
        part.replace(target)
    except BaseException:  # Ctrl-C too: nothing is left behind
        with suppress(OSError):
            part.unlink()
        raise


def _new_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
