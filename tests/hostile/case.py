"""Case: one hostile run of `attn`: what it is given, and what may come of it.

It runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

Stdin = Literal["terminal", "closed", "endless", "brackets", "zeros", "write-only"]
Stdout = Literal["closed", "full", "reader-leaves", "read-only", "narrow"]
Stderr = Literal["closed", "full"]


class Case(NamedTuple):
    """What is run in an empty directory of its own, and what is allowed beside the laws of all."""

    name: str  # class/what: "json/duplicate-key"
    args: tuple[str | bytes, ...]
    files: Mapping[str, bytes] = {}
    prepare: Callable[[Path], None] | None = None  # what `files` cannot say: links, sparse files
    stdin: bytes | Stdin = b""
    feed: Literal["slow", "non-blocking"] | None = None  # how the bytes for stdin come
    stdout: Stdout | None = None  # None: read to its end, as is what takes 4 KiB at a time
    stderr: Stderr | None = None
    env: Mapping[str, str] = {}
    columns: int = 80  # of the pseudo-terminal
    codes: tuple[int, ...] = (0, 2)  # the exit codes that are right
    says: str = ""  # a regular expression that standard error must match, where it can be read
    shows: str = ""  # ... that standard output must match, where it can be read
    makes: tuple[str, ...] = ()  # files that may be new afterwards; all others are left over
    changes: tuple[str, ...] = ()  # files of `files` that may be others afterwards
    largest_file: int | None = None  # bytes: a disk that is full then
    cpu: float = 2.5  # seconds of processor time, the start included
    memory: int = 250  # MiB at the most
    in_terminal: bool = True  # whether it makes sense under a pseudo-terminal too
    check: Callable[[Path], str | None] | None = None  # of the directory afterwards: a complaint
