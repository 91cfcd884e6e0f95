"""Outcome: whatever happens in a command becomes an exit code and at most two lines on stderr.

The only place that catches an AttnError. It imports nothing heavy: `--version` comes through here.
"""

from __future__ import annotations

import os
import sys

from attn_cli.commands.streams import ReaderLeftError, abandon, complain, write_text
from attn_cli.errors import AttnError, ExitCode

TYPE_CHECKING = False  # as type checkers know it
if TYPE_CHECKING:
    from collections.abc import Callable


def settle(action: Callable[[], int]) -> int:
    """Run an action and return its exit code, or that of what stopped it."""
    try:
        return action()
    except AttnError as error:
        complain(error.message, error.hint)
    except ReaderLeftError:
        pass  # the reader has all that it wanted, and we could not deliver the rest
    except KeyboardInterrupt:
        abandon(sys.stdout)
        return ExitCode.INTERRUPTED
    except MemoryError:
        complain("there is not enough memory for this", "Use a shorter text or smaller sizes.")
    except Exception as error:
        if "ATTN_DEBUG" in os.environ:
            raise
        complain(
            f"a fault of attn itself: {type(error).__name__}: {error}",
            "Set ATTN_DEBUG=1 for the traceback, and report it with the command that you ran.",
        )
    abandon(sys.stdout)
    return ExitCode.TROUBLE


def version() -> int:
    """Print the version."""
    from attn_cli import __version__

    write_text(f"attn {__version__}\n")
    return ExitCode.DONE
