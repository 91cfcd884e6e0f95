"""`attn models`: the models on this machine that `--model` can name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.checkpoints import catalogue, hub
from attn_cli.commands.options import ColorOption, JsonOption
from attn_cli.commands.streams import write_bytes, write_text
from attn_cli.errors import UsageError
from attn_cli.memory import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = """Examples:

attn models

attn models . --json
"""

_HEADINGS = ("name", "family", "layers × heads", "stored as", "size")
_UNKNOWN = "?"


def models(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DIR...",
            help="Directories to look in, or .gguf files; without any, the hub's local cache.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
    color: ColorOption = "auto",
) -> int:
    """List the models on this machine: name, family, layers and heads, number type and size."""
    if "" in (places or ()):
        raise UsageError("the name of a directory is empty", "Name one, or none for the cache.")
    found = list(catalogue.models(places or ()))
    where = ", ".join(places) if places else str(hub.cache_directory())
    if json:
        _print_json(found, where)
    else:
        _draw(found, where, color)
    return 0


def _print_json(found: Sequence[catalogue.Listed], where: str) -> None:
    import json as json_module
    from dataclasses import asdict

    document = {"schema": "attn-models/1", "where": where, "models": [asdict(m) for m in found]}
    write_bytes(json_module.dumps(document, ensure_ascii=True).encode() + b"\n")


def _draw(found: Sequence[catalogue.Listed], where: str, color: str) -> None:
    from attn_cli.commands.output import screen
    from attn_cli.terminal import listing
    from attn_cli.terminal.render import render, wrapped

    def write_wrapped(text: str) -> None:
        write_text(render(wrapped(text, on), on.colors))

    on = screen(color)  # type: ignore[arg-type]
    rows = [_row(model) for model in found if model.trouble is None]
    if rows:
        title = on.clean(f"models  {len(rows)} in {where}")
        write_text(render(listing.draw(title, _HEADINGS, rows, on), on.colors))
    for model in found:
        if model.trouble is not None:
            write_wrapped(f"{model.name} cannot be read: {model.trouble}")
    if not found:
        write_wrapped(f"models  0 in {where}")
        write_wrapped("`--model` also takes a model's directory or .gguf file.")


def _row(model: catalogue.Listed) -> tuple[str, ...]:
    heads = f"{model.n_head or _UNKNOWN}"
    if model.n_kv_head not in (None, model.n_head):
        heads += f" ({model.n_kv_head} kv)"
    return (
        model.name,
        model.model_type or _UNKNOWN,
        f"{model.n_layer or _UNKNOWN} × {heads}",
        model.dtype or _UNKNOWN,
        readable(model.n_bytes or 0),
    )
