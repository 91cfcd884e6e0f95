"""Inputs: texts from the command line, a file or a pipe, by the same rules for every subcommand."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader, FileIO
from typing import Any, BinaryIO

import typer

from attn_cli.errors import DataError, UsageError
from attn_cli.files.whole import open_to_read, unreadable
from attn_cli.text import decode_chunks, recovered

_LONGEST = 1 << 22  # characters of one text: attention over more fits no memory
STDIN = "standard input"


@contextmanager
def opened(file: str | None) -> Iterator[tuple[str, BinaryIO]]:
    """A file's (or, for None and `-`, standard input's) name for messages, and its bytes.

    Raises:
        DataError: it cannot be opened.
    """
    if file is None or file == "-":
        if sys.stdin is None:
            raise DataError("standard input is closed: there is no text to read")
        yield STDIN, BufferedReader(_Patient(sys.stdin.buffer.fileno(), closefd=False))
        return
    name = f"`{file}`"
    try:
        stream = open_to_read(file)
    except OSError as error:
        raise unreadable(name, error) from None
    with stream:
        yield name, stream


class _Patient(FileIO):
    """A stream that waits where another program has set it not to block: no data is not the end."""

    def readinto(self, buffer: Any) -> int:
        while (count := super().readinto(buffer)) is None:
            import select

            select.select([self], [], [])
        return count


@contextmanager
def placed(place: str) -> Iterator[None]:
    """Say in an error's message which of many texts it is about."""
    try:
        yield
    except DataError as error:
        if place:
            raise DataError(f"{place}: {error.message}", error.hint) from None
        raise


def texts(text: str | None, file: str | None, *, by_lines: bool) -> Iterator[tuple[str, str]]:
    """The texts to work on: one, or with `by_lines` every line that is not blank.

    Each comes with its place, for messages; the only text of all has none.

    Raises:
        DataError: a source cannot be read, is not UTF-8, or is too long.
    """
    if text not in (None, "-"):
        assert text is not None
        text = recovered(text)
        yield from _non_blank(text.split("\n"), "the text") if by_lines else [("", text)]
        return
    with opened(file) as (name, stream):
        if by_lines:
            yield from _non_blank(_lines(decode_chunks(stream, name), name), name)
        else:
            yield "", whole_text(stream, name)


def whole_text(stream: BinaryIO, name: str) -> str:
    """All of a stream as one text, without the line end that a file closes with.

    Raises:
        DataError: it cannot be read, is not UTF-8, or is too long.
    """
    whole = "".join(_bounded(decode_chunks(stream, name), name))
    return whole.removesuffix("\n").removesuffix("\r")


def require_one_source(
    ctx: typer.Context, given: object, file: str | None, what: str = "text"
) -> None:
    """Refuse a text beside a file, and nothing at all where there is only a terminal to wait for.

    Args:
        what: what is wanted, for the message.

    Raises:
        UsageError: both are given, or nothing is.
    """
    if given not in (None, []) and file is not None:
        raise UsageError(f"both a {what} and --file are given", "Give one of them.")
    if given in (None, []) and file is None and sys.stdin is not None and sys.stdin.isatty():
        command = f"attn {ctx.command.name}"
        raise UsageError(
            f"there is no {what}",
            f"Usage: {command} {what.upper()}, or `-` to type it here; `{command} --help` has all.",
        )


def _bounded(chunks: Iterator[str], name: str) -> Iterator[str]:
    length = 0
    for chunk in chunks:
        length += len(chunk)
        if length > _LONGEST:
            raise DataError(
                f"{name} has more than {_LONGEST} characters, too many for one text",
                "Cut it up: with `attn inspect --lines` each line is a text of its own.",
            )
        yield chunk


def _lines(chunks: Iterator[str], name: str) -> Iterator[str]:
    rest = ""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split("\n")
        yield from whole
        if len(rest) > _LONGEST:
            raise DataError(f"{name} has a line of more than {_LONGEST} characters")
    yield rest


def _non_blank(lines: Iterable[str], name: str) -> Iterator[tuple[str, str]]:
    found = False
    for number, line in enumerate(lines, start=1):
        if line.strip():
            found = True
            yield f"line {number} of {name}", line.removesuffix("\r")
    if not found:
        raise DataError(f"{name} has no line with a text", "Give at least one word.")
