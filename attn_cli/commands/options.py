"""Options: what several subcommands share, declared once: names, help and panels.

A group of options is a class whose attributes are annotated for typer; `grouped` puts them on a
command, which then gets the whole group as one value.
"""

import inspect
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.models import OptionInfo

from attn_cli.commands.outcome import DEBUG
from attn_cli.errors import UsageError
from attn_cli.text import Split, recovered

INPUT, OUTPUT, LOOKS = "Input", "Output", "Looks"

ColorChoice = Literal["auto", "always", "never"]


def option(*names: str, panel: str, help: str, metavar: str | None = None) -> Any:
    """A typer option in one of the help's panels; a default of None is not worth showing."""
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel)


# Files are strings here: as a Path, an empty name would be the working directory.
FileOption = Annotated[
    str | None, option("--file", "-f", panel=INPUT, metavar="FILE", help="Read a file.")
]
LinesOption = Annotated[
    bool, option("--lines", panel=INPUT, help="Each line is a text of its own.")
]
JsonOption = Annotated[bool, option("--json", panel=OUTPUT, help="Print JSON.")]
ColorOption = Annotated[
    ColorChoice, option("--color", panel=LOOKS, help="Colour: auto is where a terminal reads it.")
]

DEBUG_HELP = "Show the traceback of what goes wrong."
DebugOption = Annotated[bool, option(DEBUG, panel="Options", help=DEBUG_HELP)]


class Group:
    """Options that belong together; a dataclass would be code generated at every start."""

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)


class Words(Group):
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

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.unk = self.unk and recovered(self.unk)


def grouped(command: Callable[..., int]) -> Callable[..., int]:
    """Spread a command's groups into options, and gather their values again."""
    # Not typing.get_type_hints: Python 3.10's wraps what has a default of None once more.
    given = inspect.signature(command, eval_str=True).parameters.values()
    groups = {
        p.name: p.annotation
        for p in given
        if isinstance(p.annotation, type) and issubclass(p.annotation, Group)
    }
    parameters = [parameter for parameter in given if parameter.name not in groups]
    names: dict[str, list[str]] = {}
    for name, group in groups.items():
        hints = inspect.get_annotations(group, eval_str=True)
        names[name] = list(hints)
        parameters += [
            inspect.Parameter(
                option_name,
                inspect.Parameter.KEYWORD_ONLY,
                default=getattr(group, option_name),
                annotation=hint,
            )
            for option_name, hint in hints.items()
        ]

    def run(**values: Any) -> int:
        for name, group in groups.items():
            given = [option for option in names[name] if option in values]
            values[name] = group(**{option: values.pop(option) for option in given})
        return command(**values)

    return _declared(run, command, parameters)


def debuggable(command: Callable[..., int]) -> Callable[..., int]:
    """A command that also knows --debug; `outcome` acts on it, so that it is dropped here."""
    given = inspect.signature(command, eval_str=True).parameters.values()
    kind = inspect.Parameter.KEYWORD_ONLY
    more = inspect.Parameter("debug", kind, default=False, annotation=DebugOption)

    def run(debug: bool = False, **values: Any) -> int:
        return command(**values)

    return _declared(run, command, [*given, more])


def narrowed(command: Callable[..., int], arguments: Sequence[str]) -> Callable[..., int]:
    """A command with only the options that stand on its command line; others keep their default.

    typer takes a sixth of a millisecond for every option that it is told of. Where help is asked
    for, or something is no option of this command (a typo, short ones in one word), all stay.
    """
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    names = {parameter.name: _option_names(parameter) for parameter in parameters}
    given = {word.partition("=")[0] for word in arguments if word.startswith("-")} - {"-", "--"}
    if not given <= set().union(*names.values()):
        return command
    needed = [p for p in parameters if not names[p.name] or given & names[p.name]]
    return _declared(lambda **values: command(**values), command, needed)


def _option_names(parameter: inspect.Parameter) -> set[str]:
    """The names of an option; none of an argument. In an annotation typer's default is a name."""
    found = getattr(parameter.annotation, "__metadata__", ())
    options = [item for item in found if isinstance(item, OptionInfo)]
    return {str(name) for item in options for name in (item.default, *(item.param_decls or ()))}


def _declared(
    run: Callable[..., int], command: Callable[..., int], parameters: Sequence[inspect.Parameter]
) -> Callable[..., int]:
    """`run` as typer is to see it: with the name and help of `command`, and these parameters."""
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def in_range(name: str, value: int | None, low: int, high: int) -> None:
    """Refuse a number that an option cannot be.

    Raises:
        UsageError: it is outside low … high.
    """
    if value is not None and not low <= value <= high:
        raise UsageError(f"{name} must be from {low} to {high}, not: {value}")


def require_other_file(
    out: str | None, *read: str | None, models: Sequence[str | None] = ()
) -> None:
    """Refuse to write over what is being read, and a name that no file has.

    Args:
        models: what `--model` names; none of its files is written over.

    Raises:
        UsageError: `out` is one of the files that are read, empty, or `-`.
    """
    if out == "":
        raise UsageError("the name of the file to write is empty", "Name one after -o.")
    if out == "-":
        hint = "Leave -o away; --format or --json say what is printed."
        raise UsageError("-o names a file, and `-` is none: results go to standard output", hint)
    try:
        target = None if out is None else Path(out).stat()
    except (OSError, ValueError):
        return  # there is no such file yet, or whoever writes it will say what is wrong
    if target is None or not stat.S_ISREG(target.st_mode):
        return
    for path in (*read, *(file for model in models for file in _files_of(model))):
        try:
            other = os.fstat(0) if path == "-" else Path(path or "").stat()
        except (OSError, ValueError):
            continue  # whoever reads it will say so
        if path and os.path.samestat(target, other):
            raise UsageError(f"`{out}` is read and would be written over", "Name another file.")


def _files_of(model: str | None) -> Iterator[str]:
    """The files of a model on this machine: its directory's, or itself."""
    if model is None:
        return
    from attn_cli.checkpoints import hub

    with suppress(OSError, ValueError):
        place = Path(model) if Path(model).exists() else hub.find(model)
        if place is not None:
            yield from map(str, place.iterdir() if place.is_dir() else [place])
