"""Ending: a process that is told to end undoes what is half done, and ends at once.

Nothing is raised: an exception out of a signal can be lost in a callback, can be shown by the
interpreter, and can be overtaken by a second one while it cleans up. It knows no commands.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `--version` comes through here
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# By number, as `signal` has them: its names are an enum, which costs as much as all of `--version`.
_HANGUP, _INTERRUPT, _TERMINATE = 1, 2, 15

_half_done: list[Callable[[], None]] = []


class undoing:
    """While this is entered, `undo` is called if the process is told to end, or an error leaves.

    It must bear being called twice.
    """

    def __init__(self, undo: Callable[[], None]) -> None:
        self._undo = undo

    def __enter__(self) -> None:
        _half_done.append(self._undo)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            self._undo()
        _half_done.remove(self._undo)


def watch() -> None:
    """From now on Ctrl-C, a request to end and a lost terminal end this process as they should.

    The exit code is what a shell reports for the signal: 130, 143, 129. A signal that whoever
    started us has switched off (nohup) stays off.
    """
    _handle(_end)


def done() -> None:
    """The work is done and delivered: a signal that comes now changes nothing any more."""
    import _signal

    _handle(_signal.SIG_IGN)


def _handle(how: Any) -> None:
    import _signal

    for number in (_INTERRUPT,) if os.name == "nt" else (_INTERRUPT, _TERMINATE, _HANGUP):
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, how)


def _end(number: int, frame: object) -> None:
    while _half_done:
        try:
            _half_done.pop()()
        except Exception:  # one that cannot be undone must not keep the others
            continue
    os._exit(128 + number)
