"""Replay: what the tutorial's authors printed, beside what the same recipe gives here.

The printed tensors are facts in `published.json`, each with its recipe and its place in the
Inspection. It runs `tutorial`; it draws nothing.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from attn_cli.errors import UsageError, did_you_mean
from attn_cli.tutorial import inspect

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Printed with four decimals, and one digit of the source does not round as it is printed.
TOLERANCE = 5.1e-5
_FILE = Path(__file__).with_name("published.json")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


class Published(NamedTuple):
    """One tensor as its authors printed it, and how to come to it."""

    name: str
    source: str
    recipe: str
    choices: Mapping[str, Any]
    at: str  # its place in an Inspection, as jq writes it
    values: Any  # nested lists of numbers; None is minus infinity
    text: str | None = None
    note: str = ""

    @property
    def command(self) -> str:
        """The command line that gives it."""
        words = ["attn", "inspect", *([self.text] if self.text else [])]
        if self.recipe != "article":
            words += ["--recipe", self.recipe]
        for name, value in self.choices.items():
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        return f"{shlex.join(words)} --json | jq {shlex.quote(self.at)}"


class Replayed(NamedTuple):
    """Ours beside theirs, both float64 of one shape, and how far apart they are at most."""

    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]
    difference: float  # infinite where one is masked and the other is not, or shapes differ

    @property
    def agrees(self) -> bool:
        return self.difference < TOLERANCE


@cache
def published() -> tuple[Published, ...]:
    """All of them, in the order of their sources."""
    return tuple(Published(**item) for item in json.loads(_FILE.read_text("utf-8")))


def find(name: str) -> Published:
    """One by its number from 1, its name, or a part of its name that no other has.

    Raises:
        UsageError: there is none, or there are several.
    """
    every = published()
    if name.isascii() and name.isdigit() and 1 <= int(name[:9]) <= len(every):
        return every[int(name[:9]) - 1]
    wanted = name.casefold().strip()
    exact = [item for item in every if item.name.casefold() == wanted]
    found = exact or [item for item in every if wanted and wanted in item.name.casefold()]
    if len(found) == 1:
        return found[0]
    if found:
        some = ", ".join(f"`{item.name}`" for item in found[:4])
        raise UsageError(f"`{name}` is a part of {len(found)} names", f"Say which: {some}.")
    hint = did_you_mean(name, [item.name for item in every], "`attn replay` lists them.")
    raise UsageError(f"nothing printed has the name `{name}`", hint)


def replay(item: Published) -> Replayed:
    """Run the recipe of a printed tensor and lay the two side by side."""
    found: Any = inspect(item.text, item.recipe, **item.choices)
    for name, index in _STEP.findall(item.at):
        found = getattr(found, name) if name else found[int(index)]
    ours = np.asarray(found, dtype=np.float64)
    theirs = np.array(item.values, dtype=np.float64)
    theirs = np.where(np.isnan(theirs), -np.inf, theirs)
    masked = np.isneginf(ours)
    if ours.shape != theirs.shape or not np.array_equal(masked, np.isneginf(theirs)):
        return Replayed(ours, theirs, float("inf"))
    apart = np.abs(np.where(masked, 0, ours) - np.where(masked, 0, theirs))
    return Replayed(ours, theirs, float(apart.max()))
