"""The application: finds the subcommand and runs it; its module is imported when it is called.

What happens then is turned into an exit code by `outcome`.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stderr
from importlib import import_module
from io import StringIO
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from attn_cli.commands import outcome
from attn_cli.commands.options import DEBUG_HELP, debuggable, narrowed
from attn_cli.commands.outcome import DEBUG
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

# Lines longer than these are hard to read, however wide the screen; in narrower panels typer cuts
# the names of options.
_HELP_WIDTH, _PANEL_WIDTH = 120, 70
_MOST_COLUMNS = "10000"
_SHELLS = "bash, zsh, fish and PowerShell"
_COMPLETION = re.compile(r"(complete|source)_(bash|zsh|fish|powershell|pwsh)")

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


class Command(TyperCommand):
    """A subcommand; of an option that takes one value, a second would be lost without a word."""

    def make_parser(self, ctx: Any) -> Any:
        parser: Any = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_once(args: list[str]) -> Any:
            options, rest, order = parse(args)
            valued = [p for p in order if p.param_type_name == "option" and not p.is_flag]
            for number, option in enumerate(valued):
                if option in valued[:number] and not option.multiple:
                    raise UsageError(f"{option.opts[0]} is given twice", "Give it once.")
            return options, rest, order

        parser.parse_args = parse_once
        return parser


def build(name: str, arguments: Sequence[str] = ("--help",)) -> Any:
    """A subcommand, ready to run; for given arguments it need not know its other options."""
    module = import_module(f"attn_cli.commands.{name}")
    function = narrowed(debuggable(getattr(module, name)), arguments)
    single = typer.Typer(add_completion=False, rich_markup_mode="rich")
    single.command(name, cls=Command, epilog=module.EPILOG)(function)
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
    debug: Annotated[bool, typer.Option(DEBUG, help=DEBUG_HELP)] = False,
) -> int:
    """The attention inspector for your terminal: the numbers, exactly."""
    if version:
        raise typer.Exit(outcome.version())
    if ctx.invoked_subcommand is None:
        sys.stdout.write(ctx.get_help())
    return ExitCode.DONE


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code.

    Raises:
        AttnError: something the user can mend; whatever else, `outcome.settle` has words for.
    """
    _tidy_environment()
    while arguments[:1] == [DEBUG]:  # it may stand before a command as well as after it
        arguments = arguments[1:]
    name = arguments[0] if arguments else ""
    printing_help = "--help" in arguments or not arguments
    completing = name == "--show-completion"
    if name in COMMANDS:  # the group need not be built to find it
        arguments = arguments[1:]
        command, program = build(name, arguments), f"attn {name}"
    else:
        command, program = typer.main.get_command(app), "attn"
        # typer would write a shell's start-up file anew, and lose it on a full disk.
        command.params = [p for p in command.params if p.name != "install_completion"]
    if printing_help:
        dress_help(command)
    try:
        with (
            held() if printing_help or completing else nullcontext(),
            redirect_stderr(StringIO()) if completing else nullcontext(),
        ):
            status = command.main(args=arguments, prog_name=program, standalone_mode=False)
        if completing and status:
            raise UsageError(f"completion is for {_SHELLS}", "Start attn from one of them.")
        return int(status or ExitCode.DONE)
    except _CommandLineError as error:
        raise UsageError(*_usage_message(error, program)) from error
    except typer.Abort as error:  # what typer makes of an EOFError
        raise error.__cause__ or error from None


def dress_help(command: Any) -> None:
    """Have typer draw a command's help as wide as it is read, without colour where none is wanted.

    It would go by the terminal alone; of NO_COLOR it takes no heed in what is bold or dim.
    """
    from typer import rich_utils

    from attn_cli.commands.output import color_depth

    width = int(os.environ.get("TERMINAL_WIDTH") or shutil.get_terminal_size().columns)
    if width < _PANEL_WIDTH:
        command.rich_markup_mode = None
        return
    depth = color_depth("auto")
    rich_utils.MAX_WIDTH = min(width, _HELP_WIDTH)
    rich_utils.COLOR_SYSTEM = {"none": None, "16": "standard"}.get(depth, depth)
    rich_utils.FORCE_TERMINAL = depth != "none"
    os.environ.setdefault("LINES", "25")  # without it rich takes a dumb terminal for 80 columns


def _usage_message(error: Any, program: str) -> tuple[str, str]:
    """A complaint of the option parser as what is wrong, and what to do."""
    see = f"Try `{program} --help`."
    option = getattr(error, "option_name", None)
    if option and type(error).__name__ == "NoSuchOption":
        known = [name for parameter in error.ctx.command.params for name in parameter.opts]
        dashes = f"{see} A text that begins with `-` goes after `--`."
        return f"there is no option `{option}`", _meant(option, ["--help", *known], see, dashes)
    message = str(error.format_message()).rstrip(".")
    choices = getattr(getattr(getattr(error, "param", None), "type", None), "choices", ())
    if refused := re.search(r"'([^']*)' is not one of ", message):
        see = _meant(refused[1], choices, see)
    return message[:1].lower() + message[1:], see


def _meant(given: str, known: Sequence[str], see: str, otherwise: str | None = None) -> str:
    """Whichever is nearest to what was given, and where to read on."""
    close = did_you_mean(given, known)
    return f"{close} {see}" if close else otherwise or see


def _tidy_environment() -> None:
    """Drop or mend what is no size of a terminal, and what no shell asks: libraries would fail."""
    for name in ("COLUMNS", "LINES", "TERMINAL_WIDTH"):
        value = os.environ.get(name, "")
        if not (value.isascii() and value.isdigit() and value.strip("0")):
            os.environ.pop(name, None)
        elif len(value.lstrip("0")) > 4:
            os.environ[name] = _MOST_COLUMNS
    if not _COMPLETION.fullmatch(os.environ.get("_ATTN_COMPLETE", "")):
        os.environ.pop("_ATTN_COMPLETE", None)
    elif not re.fullmatch("[0-9]{1,4}", os.environ.get("COMP_CWORD", "")):
        os.environ["COMP_CWORD"] = "1"
    os.environ.setdefault("COMP_WORDS", "attn")
