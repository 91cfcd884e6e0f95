"""Streams: bytes to standard output until all are delivered, words to standard error.

The only place that writes to either. It formats nothing.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from io import StringIO

from attn_cli.errors import DataError

TYPE_CHECKING = False  # `--version` comes through here, and typing would double its time
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO


class ReaderLeftError(Exception):
    """The pipe behind standard output was closed; not an OSError, which typer would act on."""


def write_text(text: str) -> None:
    """Write a text to standard output; what its encoding does not have becomes an escape."""
    write_bytes(text.encode(output_encoding(), "backslashreplace"))


def write_bytes(data: bytes) -> None:
    """Write to standard output until every byte is taken, and flush.

    Raises:
        ReaderLeftError: nobody reads any more.
        DataError: standard output is closed, or what is behind it refuses (a full disk).
    """
    stdout = getattr(sys.stdout, "real", sys.stdout)
    if stdout is None:
        raise DataError("standard output is closed: there is nowhere to write to")
    # The raw stream takes what it can: a part of it from an unbuffered or a full pipe, and nothing
    # (None) where it would block.
    stream: IO[bytes] = getattr(stdout.buffer, "raw", stdout.buffer)
    rest = memoryview(data)
    try:
        stdout.flush()
        while rest:
            taken = stream.write(rest)
            if taken is None:
                import select

                select.select([], [stream], [])
            rest = rest[taken or 0 :]
        stream.flush()
    except BrokenPipeError:
        raise ReaderLeftError from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot write to standard output: {reason}") from None


def encoding_has(symbols: str) -> bool:
    """Whether standard output can carry these characters."""
    try:
        symbols.encode(output_encoding())
    except UnicodeEncodeError:
        return False
    return True


def output_encoding() -> str:
    """The encoding of standard output."""
    encoding: str = getattr(sys.stdout, "encoding", None) or "utf-8"
    return encoding.lower()


def complain(message: str, hint: str = "") -> None:
    """One or two plain lines on standard error; if that is closed or full, nothing can be said."""
    _say(f"attn: {message}", *([hint] if hint else []))


def remark(message: str) -> None:
    """A plain line on standard error about what is done all the same."""
    _say(f"attn: {message}")


def _say(*lines: str) -> None:
    from attn_cli.text import visible

    lines = tuple(map(visible, lines))
    if sys.stderr is None:
        return
    try:
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        abandon(sys.stderr)


def abandon(stream: IO[str] | None) -> None:
    """Point a stream nowhere, so that the interpreter's last flush of it cannot fail."""
    if stream is not None:
        with suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def held() -> Iterator[None]:
    """Hold what a library prints to standard output, then deliver it as all else is delivered."""
    sys.stdout = held = _Held(sys.stdout)
    try:
        yield
    finally:
        sys.stdout = held.real
    if held.getvalue():
        write_text(held.getvalue())


class _Held(StringIO):
    """Text in memory that a library takes for the stream it will come to."""

    def __init__(self, real: IO[str]) -> None:
        super().__init__()
        self.real = real

    def isatty(self) -> bool:
        return self.real is not None and self.real.isatty()
