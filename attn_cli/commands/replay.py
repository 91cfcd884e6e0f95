"""`attn replay`: what is in print beside what comes out here."""

from __future__ import annotations

import json as json_module
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attn_cli.commands.options import ColorOption, JsonOption
from attn_cli.commands.output import screen
from attn_cli.commands.streams import write_bytes, write_text
from attn_cli.errors import ExitCode

if TYPE_CHECKING:
    from attn_cli.replay import Published, Replayed

EPILOG = """Examples:

attn replay

attn replay "A causal weights"

attn replay 37
"""


def replay(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Which: a number, a name or a part of one."),
    ] = None,
    json: JsonOption = False,
    color: ColorOption = "auto",
) -> int:
    """List the tensors that the tutorial's authors printed, or show one beside ours.

    Exits with 1 where one is further off than its printed decimals allow; --json gives each a line.
    """
    from attn_cli import replay as replaying

    items = replaying.published() if name is None else (replaying.find(name),)
    found = [replaying.replay(item) for item in items]
    if json:
        for item, replayed in zip(items, found, strict=True):
            write_bytes(json_module.dumps(_plain(item, replayed)).encode() + b"\n")
    else:
        from attn_cli.terminal import replay as view
        from attn_cli.terminal.render import render

        on = screen(color)
        lines = (
            view.overview(items, found, on) if name is None else view.one(items[0], found[0], on)
        )
        write_text(render(lines, on.colors))
    return ExitCode.DONE if all(one.agrees for one in found) else ExitCode.NO


def _plain(item: Published, replayed: Replayed) -> dict[str, object]:
    return {
        "schema": "attn-replay/1",
        "name": item.name,
        "source": item.source,
        "command": item.command,
        "published": item.values,
        "ours": _or_null(replayed.ours),
        "difference": _or_null(replayed.difference),
        "agrees": replayed.agrees,
        "note": item.note or None,
    }


def _or_null(numbers: Any) -> Any:
    """Nested lists of numbers; JSON has no infinity, so that is null."""
    plain = numbers.tolist() if hasattr(numbers, "tolist") else numbers
    if isinstance(plain, list):
        return [_or_null(item) for item in plain]
    return plain if isfinite(plain) else None
