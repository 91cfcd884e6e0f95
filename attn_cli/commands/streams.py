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
    from typing import IO, Any


_LONGEST, _BEGINNING = 700, 400  # characters of a message, and of it before what is left out

_MOST_KEPT, _MORE = 50, "and more of this kind"  # remarks

_begun: set[int] = set()  # streams that have had their first text
_remarks: dict[str, None] = {}


class ReaderLeftError(Exception):
    """The pipe behind standard output was closed; not an OSError, which typer would act on."""


def write_text(text: str) -> None:
    """Write a text to standard output; what its encoding does not have becomes an escape."""
    write_bytes(_encoded(text, output_encoding(), sys.stdout))


def write_bytes(data: bytes) -> None:
    """Write to standard output until every byte is taken, and flush.

    Raises:
        ReaderLeftError: nobody reads any more.
        DataError: standard output is closed, or what is behind it refuses (a full disk).
    """
    stdout = getattr(sys.stdout, "real", sys.stdout)
    if stdout is None:
        raise DataError("standard output is closed: there is nowhere to write to")
    try:
        _deliver(stdout, data)
    except BrokenPipeError:
        raise ReaderLeftError from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot write to standard output: {reason}") from None


def _encoded(text: str, encoding: str, stream: object) -> bytes:
    """A text in a stream's encoding; a byte order mark stands before the first alone."""
    data, mark = text.encode(encoding, "backslashreplace"), "".encode(encoding)
    if mark and id(stream) in _begun:
        return data.removeprefix(mark)
    _begun.add(id(stream))
    return data


def _deliver(stream: Any, data: bytes) -> None:
    """All the bytes, past the layers that would lose a part of them.

    The raw stream takes what it can: a part from an unbuffered or a full pipe, and nothing (None)
    where it would block.
    """
    stream.flush()
    raw: IO[bytes] = getattr(stream.buffer, "raw", stream.buffer)
    rest = memoryview(data)
    while rest:
        taken = raw.write(rest)
        if taken is None:
            import select

            select.select([], [raw], [])
        rest = rest[taken or 0 :]
    raw.flush()


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
    say(f"attn: {_clipped(message)}", *([_clipped(hint)] if hint else []))


def remark(message: str) -> None:
    """A plain line on standard error about what is done all the same, once that is done.

    It is kept until `say_remarks`: where a complaint follows, the complaint is what counts. Of very
    many, as a stream without end may call for, the first are kept.
    """
    message = _clipped(message)
    _remarks[message if len(_remarks) < _MOST_KEPT or message in _remarks else _MORE] = None


def say_remarks() -> None:
    """Say what was kept, each once."""
    if _remarks:
        say(*(f"attn: {message}" for message in _remarks))
        _remarks.clear()


def say(*lines: str) -> None:
    """Plain lines on standard error, with what a terminal would obey made visible."""
    from attn_cli.text import visible

    warn("".join(f"{visible(line)}\n" for line in lines))


def warn(text: str) -> None:
    """A text on standard error as it is; if that is closed or full, it is lost."""
    if sys.stderr is None:
        return
    try:
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        _deliver(sys.stderr, _encoded(text, encoding, sys.stderr))
    except (OSError, ValueError):
        abandon(sys.stderr)


def _clipped(text: str) -> str:
    """A message that is no longer than half a screen: what and why are at its ends."""
    from attn_cli.text import visible

    text = visible(text)  # an escape is longer than what it stands for
    return text if len(text) <= _LONGEST else f"{text[:_BEGINNING]}…{text[_BEGINNING - _LONGEST :]}"


def abandon(stream: IO[str] | None) -> None:
    """Point a stream nowhere, so that the interpreter's last flush of it cannot fail."""
    if stream is not None:
        with suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def held() -> Iterator[None]:
    """Hold what a library prints to standard output, then deliver it as all else is delivered."""
    sys.stdout = held = Held(sys.stdout)
    try:
        yield
    finally:  # a library may end with an exit once it has printed
        sys.stdout = held.real
        if held.getvalue():
            write_text(held.getvalue())


class Held(StringIO):
    """Text in memory that a library takes for the real stream, where it will come to."""

    def __init__(self, real: IO[str]) -> None:
        super().__init__()
        self.real = real

    def isatty(self) -> bool:
        return self.real is not None and self.real.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self.real, "encoding", None) or "utf-8"
