"""Ending: what is half done is undone once, whether an error leaves or a signal comes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from attn_cli.ending import undoing


def test_an_error_undoes_and_success_does_not() -> None:
    undone: list[str] = []
    with undoing(lambda: undone.append("never")):
        pass
    with pytest.raises(ValueError), undoing(lambda: undone.append("once")):
        raise ValueError
    with undoing(lambda: undone.append("never")):
        pass
    assert undone == ["once"]


def test_a_signal_undoes_all_that_is_half_done_the_last_first() -> None:
    code = """
import os, signal
from attn_cli import ending
ending.watch()
def say(word):
    os.write(1, word)
def fail():
    raise OSError("cannot be undone")
with ending.undoing(lambda: say(b"done ")):
    pass
with ending.undoing(lambda: say(b"first")), ending.undoing(fail):
    with ending.undoing(lambda: say(b"last ")):
        os.kill(os.getpid(), signal.SIGTERM)
        say(b"never")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (143, b"last first", b"")
