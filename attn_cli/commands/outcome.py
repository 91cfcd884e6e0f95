"""Outcome: whatever happens in a command becomes an exit code and at most two lines on stderr.

The only place that catches an AttnError. It imports nothing heavy: `--version` comes through here.
"""

from __future__ import annotations

import os
import sys

from attn_cli.commands.streams import (
    ReaderLeftError,
    abandon,
    complain,
    say,
    say_remarks,
    write_text,
)
from attn_cli.errors import AttnError, ExitCode

TYPE_CHECKING = False  # as type checkers know it
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEBUG = "--debug"
_OFF = ("", "0")


def settle(action: Callable[[], int], *, debug: bool = False) -> int:
    """Run an action and return its exit code, or that of what stopped it.

    Args:
        debug: print the traceback of what stopped it, before the complaint.
    """
    try:
        status = action()
        say_remarks()
        return status
    except ReaderLeftError:
        pass  # the reader has all that it wanted, and we could not deliver the rest
    except Exception as error:
        if debug:
            _trace(error)
        complain(*_complaint(error))
    abandon(sys.stdout)
    return ExitCode.TROUBLE


def wants_debug(arguments: Sequence[str]) -> bool:
    """Whether tracebacks are asked for: by the option, or by ATTN_DEBUG in the environment."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return DEBUG in options or os.environ.get("ATTN_DEBUG", "") not in _OFF


def version() -> int:
    """Print the version."""
    from attn_cli import __version__

    write_text(f"attn {__version__}\n")
    return ExitCode.DONE


def _complaint(error: Exception) -> tuple[str, str]:
    """What is wrong and what to do about it, for the person at the terminal."""
    if isinstance(error, AttnError):
        return error.message, error.hint
    if isinstance(error, MemoryError):
        return "there is not enough memory for this", "Use a shorter text or smaller sizes."
    if isinstance(error, OSError) and error.strerror:
        named = f": `{error.filename}`" if error.filename else ""
        return f"the system refused: {error.strerror.lower()}{named}", ""
    if isinstance(error, ImportError) and not (error.name or "").startswith("attn_cli"):
        missing = f"`{error.name or str(error)}`"
        return (
            f"{missing} cannot be loaded",
            "Install again: pip install --force-reinstall attn-cli",
        )
    return (
        f"this is a fault of attn, not yours (in {_place(error)}): report it with the command that "
        f"you ran and what it says with {DEBUG}",
        "",
    )


def _place(error: BaseException) -> str:
    """The innermost line of ours that an error passed through."""
    place, trace = "attn_cli", error.__traceback__
    while trace is not None:
        _, ours, within = trace.tb_frame.f_code.co_filename.rpartition("attn_cli")
        if ours:
            place = f"{within.lstrip(os.sep)}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _trace(error: BaseException) -> None:
    """The whole traceback on standard error, also of what was behind the error."""
    import traceback

    behind: BaseException | None = error
    while behind is not None:
        behind.__suppress_context__ = False
        behind = behind.__cause__ or behind.__context__
    say(*(line for part in traceback.format_exception(error) for line in part.splitlines()))
