"""Errors: what went wrong, in words for the person at the terminal.

This room holds no handling; only `commands` catches an `AttnError`, once.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it; `--version` comes through here
if TYPE_CHECKING:
    from collections.abc import Iterable


_LONGEST = 100  # characters of a word for which a similar one is looked for
_NAMES_LOOKED_AT = 10_000  # in a directory


class ExitCode:
    """Exit statuses, as diff(1) and grep(1) have them."""

    DONE = 0
    NO = 1
    TROUBLE = 2
    INTERRUPTED = 130


class AttnError(Exception):
    """Something a user can mend: `message` says what and where, `hint` what to do.

    Both are plain sentences without control characters of their own; what they quote from users
    is made visible where it is drawn.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(AttnError):
    """An option or argument is wrong or out of range."""


class DataError(AttnError):
    """A text, file or tensor cannot be what it claims to be."""


class UnknownWordError(DataError):
    """A text holds words that its vocabulary does not."""


def did_you_mean(given: str, known: Iterable[str], otherwise: str = "", prefix: str = "") -> str:
    """A hint that names the known word nearest to the one given, or another where none is near.

    Args:
        prefix: what to write before the known word.

    >>> did_you_mean("casual", ["causal", "window"]), did_you_mean("JS", ["csv", "json"])
    ('Did you mean `causal`?', 'Did you mean `json`?')
    """
    from difflib import get_close_matches  # a millisecond that only a mistake need cost

    names = {name.lower(): name for name in known}
    wanted = given.lower()[:_LONGEST]
    begun = [name for name in names if wanted.strip("-") and name.startswith(wanted)]
    close = sorted(begun, key=len) or get_close_matches(wanted, names, n=1)
    return f"Did you mean `{prefix}{names[close[0]]}`?" if close else otherwise


def did_you_mean_file(given: str, otherwise: str = "") -> str:
    """A hint that names the file nearest to one that is missing, or the missing directory."""
    import os

    directory, name = os.path.split(given)
    try:
        with os.scandir(directory or os.curdir) as entries:
            names = [entry.name for entry, _ in zip(entries, range(_NAMES_LOOKED_AT), strict=False)]
    except (OSError, ValueError):
        return otherwise or f"There is no directory `{directory}`."
    return did_you_mean(
        name, names, otherwise, f"{directory.rstrip(os.sep)}{os.sep}" * bool(directory)
    )
