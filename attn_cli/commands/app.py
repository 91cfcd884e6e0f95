"""The application: finds the subcommand and runs it; its module is imported when it is called.

What happens then is turned into an exit code by `outcome`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from attn_cli.commands import outcome
from attn_cli.commands.options import narrowed
from attn_cli.commands.streams import held
from attn_cli.errors import ExitCode, UsageError, did_you_mean

COMMANDS = (
    "inspect",
    "vocab",
    "explain",
    "check",
    "show",
    "heads",
    "diff",
    "replay",
    "models",
    "schema",
)

_HELP_WIDTH = 120

# typer 0.25 has its exceptions from click, later ones its own; this base is in both.
_CommandLineError: Any = typer.BadParameter.__mro__[2]


class LazyGroup(TyperGroup):
    """The subcommands by name; only the one that is called is imported and built."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:
                return None
            hint = did_you_mean(cmd_name, COMMANDS, "Try `attn --help`.", prefix="attn ")
            raise UsageError(f"there is no command `{cmd_name}`", hint)
        return build(cmd_name)


def build(name: str, arguments: Sequence[str] = ("--help",)) -> Any:
    """A subcommand, ready to run; for given arguments it need not know its other options."""
    module = import_module(f"attn_cli.commands.{name}")
    function = narrowed(getattr(module, name), arguments)
    single = typer.Typer(add_completion=False, rich_markup_mode="rich")
    single.command(name, epilog=module.EPILOG)(function)
    return typer.main.get_command(single)


app = typer.Typer(cls=LazyGroup, rich_markup_mode="rich", no_args_is_help=False)

_VERSION_HELP = "Print the version and exit."


@app.callback(
    invoke_without_command=True,
    epilog='Begin with:  attn inspect "Life is short, eat dessert first"',
)
def attn(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", "-V", help=_VERSION_HELP)] = False,
) -> int:
    """The attention inspector for your terminal: the numbers, exactly."""
    if version:
        raise typer.Exit(outcome.version())
    if ctx.invoked_subcommand is None:
        sys.stdout.write(ctx.get_help())
    return ExitCode.DONE


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code; every complaint is already printed."""
    _tidy_environment()
    return outcome.settle(lambda: _dispatch(arguments))


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    printing_help = "--help" in arguments or not arguments
    if printing_help:  # lines longer than these are hard to read, however wide the screen
        width = min(shutil.get_terminal_size().columns, _HELP_WIDTH)
        os.environ.setdefault("TERMINAL_WIDTH", str(width))
    if name in COMMANDS:  # the group need not be built to find it
        arguments = arguments[1:]
        command, program = build(name, arguments), f"attn {name}"
    else:
        command, program = typer.main.get_command(app), "attn"
    try:
        with held() if printing_help else nullcontext():
            status = command.main(args=arguments, prog_name=program, standalone_mode=False)
        return int(status or ExitCode.DONE)
    except _CommandLineError as error:
        raise UsageError(*_usage_message(error, program)) from None
    except typer.Abort:
        raise KeyboardInterrupt from None


def _usage_message(error: Any, program: str) -> tuple[str, str]:
    """A complaint of the option parser as what is wrong, and what to do."""
    option = getattr(error, "option_name", None)
    known = getattr(error, "possibilities", None)
    if option and type(error).__name__ == "NoSuchOption":
        close = f"Did you mean `{known[0]}`? " if known else ""
        return f"there is no option `{option}`", f"{close}Try `{program} --help`."
    message = str(error.format_message()).rstrip(".")
    return message[:1].lower() + message[1:], f"Try `{program} --help`."


def _tidy_environment() -> None:
    """Drop terminal sizes that are no sizes: libraries underneath would fail on them."""
    for name in ("COLUMNS", "LINES", "TERMINAL_WIDTH"):
        value = os.environ.get(name)
        if value is None:
            continue
        if not (value.isascii() and value.isdigit() and 1 <= len(value.lstrip("0")) <= 4):
            del os.environ[name]
