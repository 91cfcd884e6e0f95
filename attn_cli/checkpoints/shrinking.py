"""Shrinking: a mapped file that is cut, or fails, under its reader gives zeros, and is remembered.

To touch a page that a file no longer has raises SIGBUS, which ends the process. The handler here
lays zeros over that part of the map, so that whatever touched it goes on; who computes with the
numbers asks `require_whole` before they are believed. X servers and libwayland do the same for
memory that their clients share. It reads no file, and does nothing where there is no SIGBUS.

Such a signal comes while numpy or a digest reads the map, never from within the interpreter itself:
so the handler can be Python. ctypes takes the interpreter's lock for it.
"""

from __future__ import annotations

import ctypes
import mmap
import signal
import weakref
from functools import cache
from pathlib import Path
from typing import Any

from attn_cli.errors import DataError

_MAP_FIXED = 0x10  # of Linux, macOS and the BSDs alike; `mmap` has no name for it
_PATIENCE = 64  # signals in vain, as threads that touch a page together raise; then all is given up


class _Watched:
    """A map, where it lies, and how many of its bytes are still the file's."""

    def __init__(self, path: Path, mapped: mmap.mmap) -> None:
        self.path, self.size, self.left = path, len(mapped), len(mapped)
        self.map = weakref.ref(mapped, lambda _: _all.remove(self))
        self.address = _address(mapped)

    @property
    def in_file(self) -> int:
        """How many of the map's bytes the file has by now."""
        mapped = self.map()
        try:
            return self.size if mapped is None else min(self.size, mapped.size())
        except OSError:
            return 0

    def lay_zeros(self, start: int) -> bool:
        """Zeros from the first whole page after `start` on; whether there was anything to do."""
        start = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        if start >= self.left or self.map() is None:
            return False
        flags = _MAP_FIXED | mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        laid = _libc().mmap(self.address + start, self.size - start, mmap.PROT_READ, flags, -1, 0)
        self.left = start
        return bool(laid == self.address + start)


_all: list[_Watched] = []
_in_vain = 0


def watch(path: Path, mapped: mmap.mmap) -> None:
    """From now on, let this map outlive its file."""
    if hasattr(signal, "SIGBUS"):
        _all.append(_Watched(path, mapped))
        _install()


def require_whole() -> None:
    """Raise DataError where a file that is mapped has lost what its map shows."""
    for watched in _all:
        if min(watched.left, watched.in_file) < watched.size:
            raise DataError(
                f"{watched.path} has shrunk from {watched.size:,} to {watched.in_file:,} bytes"
                if watched.in_file < watched.size
                else f"{watched.path} cannot be read to its end",
                "Fetch the file again; something wrote over it while it was read.",
            )


def _repair(_: int) -> None:
    """What is called at a SIGBUS: when it returns, the same byte is read again."""
    global _in_vain
    if any([watched.lay_zeros(watched.in_file) for watched in _all]):
        return
    _in_vain += 1
    # The files are as long as ever: a disk that fails. Or it is no file of ours.
    if _in_vain > _PATIENCE and not any([watched.lay_zeros(0) for watched in _all]):
        _libc().signal(signal.SIGBUS, None)  # as if there were no handler


_handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(_repair)


@cache
def _install() -> None:
    _libc().signal(signal.SIGBUS, _handler)


@cache
def _libc() -> Any:
    libc: Any = ctypes.CDLL(None)
    size, number = ctypes.c_size_t, ctypes.c_int
    libc.mmap.argtypes = (size, size, number, number, number, ctypes.c_long)
    libc.mmap.restype = size
    libc.signal.argtypes = (number, ctypes.c_void_p)
    libc.signal.restype = ctypes.c_void_p
    return libc


def _address(mapped: mmap.mmap) -> int:
    """Where a map begins: the first field of the buffer that it exports."""
    view = (ctypes.c_void_p * 16)()  # more than a Py_buffer has
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(mapped), view, 0)
    try:
        return int(view[0] or 0)
    finally:
        ctypes.pythonapi.PyBuffer_Release(view)
