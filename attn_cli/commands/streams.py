"""Streams: bytes to standard output until all are delivered, words to standard error.

The only place that writes to either. It formats nothing.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from attn_cli.errors import DataError

TYPE_CHECKING = False  # `--version` comes through here, and typing would double its time
if TYPE_CHECKING:
    from typing import IO


class ReaderLeftError(Exception):
    """The pipe behind standard output was closed; not an OSError, which typer would act on."""


def write_text(text: str) -> None:
    """Write a text to standard output; what its encoding does not have becomes an escape."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    write_bytes(text.encode(encoding, "backslashreplace"))


def write_bytes(data: bytes) -> None:
    """Write to standard output until every byte is taken, and flush.

    Raises:
        ReaderLeftError: nobody reads any more.
        DataError: standard output is closed, or what is behind it refuses (a full disk).
    """
    if sys.stdout is None:
        raise DataError("standard output is closed: there is nowhere to write to")
    stream: IO[bytes] = sys.stdout.buffer
    rest = memoryview(data)
    try:
        while rest:
            # An unbuffered stream may take only a part; one that does not block, nothing.
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
        symbols.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def complain(message: str, hint: str = "") -> None:
    """One or two plain lines on standard error; if that is closed or full, nothing can be said."""
    from attn_cli.text import visible

    lines = [f"attn: {visible(message)}", *([visible(hint)] if hint else [])]
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            sys.stderr.write("\n".join(lines) + "\n")
            sys.stderr.flush()


def abandon_output() -> None:
    """Point standard output nowhere, so that the interpreter's last flush cannot fail."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
