"""Mapped: a file on disk as bytes by place, mapped into memory when they are first asked for.

It knows no format. A file that shrinks while it is in use is noticed before each view is made; of
one that shrinks under a view already handed out, the view has zeros, and `shrinking` remembers it.
Replacing a file by renaming another over it is safe: the map keeps the old one.
"""

from __future__ import annotations

import mmap
import os
import stat
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from attn_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


class MappedFile:
    """A regular file of a known size.

    Raises:
        DataError: there is no such file, it cannot be read, or it is none (a directory, a pipe).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with opened(path) as file:
            self.size = os.fstat(file.fileno()).st_size

    def view(self, start: int, length: int, what: str) -> memoryview:
        """The bytes [start, start + length), read-only, without a copy.

        Raises:
            DataError: the file no longer has them; the message names `what`.
        """
        if length == 0:
            return memoryview(b"")
        size = self._map.size()
        if start + length > size:
            raise DataError(
                f"{self.path} has shrunk: {what} ends at byte {start + length:,}, the file at "
                f"{size:,}",
                "Fetch the file again; something wrote over it while it was read.",
            )
        return memoryview(self._map)[start : start + length]

    def release(self) -> None:
        """Let the pages that were touched leave memory; views stay good, and touch them anew."""
        if "_map" in vars(self) and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    @cached_property
    def _map(self) -> mmap.mmap:
        with opened(self.path) as file:
            size = os.fstat(file.fileno()).st_size
            if size < self.size:
                raise DataError(
                    f"{self.path} has shrunk from {self.size:,} to {size:,} bytes",
                    "Fetch the file again; something wrote over it while it was read.",
                )
            found = mmap.mmap(file.fileno(), self.size, access=mmap.ACCESS_READ)
        from attn_cli.checkpoints.shrinking import watch  # it needs ctypes, which numpy has loaded

        watch(self.path, found)
        return found


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file, open for reading bytes; whatever fails while it is open names it.

    Raises:
        DataError: it cannot be opened or read, or is not a regular file.
    """
    try:
        # Opening a pipe would wait for its writer, so this is asked first.
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{path} is not a regular file")
        file = path.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a name with a character no name has
        raise _unreadable(path, error) from None
    with file:
        try:
            yield file
        except OSError as error:
            raise _unreadable(path, error) from None


def is_directory(path: Path) -> bool:
    """Whether there is a directory of this name that can be looked at."""
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long for a name, or in a directory that cannot be read
        return False


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return DataError(f"cannot read {path}: {reason}")


def read_bounded(path: Path, limit: int) -> bytes:
    """A small file's bytes.

    Raises:
        DataError: it cannot be read, or is larger than `limit` bytes.
    """
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise DataError(f"{path} is too large: {size:,} bytes, where {limit:,} are the most")
        return file.read(size)  # a larger number would be allocated first
