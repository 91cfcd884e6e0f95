"""Options: what several subcommands share, declared once: names, help and panels.

A group of options is a dataclass whose fields are annotated for typer; `grouped` puts its fields
on a command, which then gets the whole group as one value. Groups are not frozen, compared or
printed: each of those is code generated at every start.
"""

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from attn_cli.errors import UsageError
from attn_cli.text import Split

INPUT, OUTPUT, LOOKS = "Input", "Output", "Looks"

ColorChoice = Literal["auto", "always", "never"]


def option(*names: str, panel: str, help: str, metavar: str | None = None) -> Any:
    """A typer option in one of the help's panels; a default of None is not worth showing."""
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel)


# Files are strings here: as a Path, an empty name would be the working directory.
FileOption = Annotated[
    str | None, option("--file", "-f", panel=INPUT, metavar="FILE", help="Read a file.")
]
JsonOption = Annotated[bool, option("--json", panel=OUTPUT, help="Print JSON.")]
ColorOption = Annotated[
    ColorChoice, option("--color", panel=LOOKS, help="Colour: auto is where a terminal reads it.")
]


@dataclass(kw_only=True, eq=False, repr=False)
class Words:
    """How a text is cut into words, and what stands for those that a vocabulary lacks."""

    split: Annotated[
        Split,
        option("--split", panel=INPUT, help="Where to cut. Words drop punctuation at their ends."),
    ] = "words"
    lowercase: Annotated[bool, option("--lowercase", panel=INPUT, help="Lower-case the words.")] = (
        False
    )
    unk: Annotated[
        str | None,
        option("--unk", panel=INPUT, metavar="WORD", help="Stands for words without an id."),
    ] = None


def grouped(command: Callable[..., int]) -> Callable[..., int]:
    """Spread a command's dataclass parameters into options, and gather their values again."""
    # Not typing.get_type_hints: Python 3.10's wraps what has a default of None once more.
    given = inspect.signature(command, eval_str=True).parameters.values()
    groups: dict[str, Any] = {p.name: p.annotation for p in given if is_dataclass(p.annotation)}
    parameters = [parameter for parameter in given if parameter.name not in groups]
    for group in groups.values():
        hints = inspect.get_annotations(group, eval_str=True)
        parameters += [
            inspect.Parameter(
                item.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=item.default,
                annotation=hints[item.name],
            )
            for item in fields(group)
        ]

    def run(**values: Any) -> int:
        for name, group in groups.items():
            values[name] = group(**{item.name: values.pop(item.name) for item in fields(group)})
        return command(**values)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def in_range(name: str, value: int | None, low: int, high: int) -> None:
    """Refuse a number that an option cannot be.

    Raises:
        UsageError: it is outside low … high.
    """
    if value is not None and not low <= value <= high:
        raise UsageError(f"{name} must be from {low} to {high}, not: {value}")


def require_other_file(out: str | None, *read: str | None) -> None:
    """Refuse to write over what is being read.

    Raises:
        UsageError: `out` is one of the files that are read.
    """
    if not out or not Path(out).is_file():
        return
    target = Path(out).stat()
    for path in read:
        try:
            other = os.fstat(0) if path == "-" else Path(path or "").stat()
        except (OSError, ValueError):
            continue  # whoever reads it will say so
        if path and os.path.samestat(target, other):
            raise UsageError(f"`{out}` is read and would be written over", "Name another file.")
