"""Inputs: texts from the command line, a file or a pipe, by the same rules for every subcommand."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import BinaryIO

import typer

from attn_cli.errors import DataError, ExitCode, UsageError
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
        yield STDIN, sys.stdin.buffer
        return
    name = f"`{file}`"
    try:
        stream = open_to_read(file)
    except OSError as error:
        raise unreadable(name, error) from None
    with stream:
        yield name, stream


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


def require_one_source(ctx: typer.Context, text: object, file: str | None) -> None:
    """Refuse a text beside a file; show the help where there is only a terminal to wait for.

    Raises:
        UsageError: both are given.
        typer.Exit: nothing is given, and standard input is a terminal.
    """
    if text not in (None, []) and file is not None:
        raise UsageError("both a text and --file are given", "Give one of them.")
    if text in (None, []) and file is None and sys.stdin is not None and sys.stdin.isatty():
        with redirect_stdout(sys.stderr):
            print(_help(ctx))
        raise typer.Exit(ExitCode.TROUBLE)


def _help(ctx: typer.Context) -> str:
    """A command's help with all its options: this run knows only those that it was given."""
    from attn_cli.commands.app import build

    command = build(str(ctx.command.name))
    with command.make_context(ctx.info_name, [], resilient_parsing=True) as whole:
        return str(command.get_help(whole))


def _bounded(chunks: Iterator[str], name: str) -> Iterator[str]:
    length = 0
    for chunk in chunks:
        length += len(chunk)
        if length > _LONGEST:
            raise DataError(
                f"{name} has more than {_LONGEST} characters, too many for one text",
                "With `--lines` each line is a text of its own.",
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
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield f"line {number} of {name}", line.removesuffix("\r")
