"""Verdict: what a check is given and what it comes to.

It holds values; the comparing and the search are `checking`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from attn_cli.checking.attempts import What
from attn_cli.checking.rows import Mistake
from attn_cli.inspection import Inspection
from attn_cli.recipes import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.types import Floats

WHATS: tuple[What, ...] = get_args(What)
MOST_DECIMALS = 6  # torch's own numbers agree with ours to about 1e-6


class Student(NamedTuple):
    """A matrix that somebody computed."""

    values: NDArray[np.float64]  # (rows, columns) or (n_head, rows, columns)
    decimals: int  # to which it is printed
    what: What | None = None  # what it says it is


class Cell(NamedTuple):
    """One number, ours and the student's."""

    head: int
    row: int
    column: int
    ours: float
    theirs: float


class Fit(NamedTuple):
    """How far a matrix is from what an attempt gives."""

    gap: NDArray[np.float64]  # as the student's: absolute differences
    tolerance: float
    head: int | None  # the one that a matrix of two axes is nearest to, where there are several
    ours: Floats  # as the student's
    apart: bool = False  # the student's shape is that of the transpose: never equal

    @property
    def largest(self) -> float:
        return float(self.gap.max())

    @property
    def is_equal(self) -> bool:
        return not self.apart and self.largest <= self.tolerance


@dataclass(frozen=True, eq=False, kw_only=True)
class Verdict:
    """What became of a check."""

    inspection: Inspection  # the right one
    recipe: Recipe
    student: Student
    what: What  # that the matrix was compared with
    fit: Fit
    findings: tuple[tuple[Mistake, ...], ...]  # every explanation: one mistake or two
    n_tried: int
    tried_pairs: bool

    @property
    def equal(self) -> bool:
        return self.fit.is_equal

    @property
    def decimals(self) -> int:
        """To which the two were compared."""
        return min(self.student.decimals, MOST_DECIMALS)

    @property
    def worst(self) -> Cell:
        """The cell that differs most."""
        place = np.unravel_index(int(self.fit.gap.argmax()), self.fit.gap.shape)
        *heads, row, column = map(int, place)
        ours, theirs = float(self.fit.ours[place]), float(self.student.values[place])
        if self.fit.apart:
            row, column = column, row
        head = heads[0] if heads else self.fit.head or 0
        return Cell(head, row, column, ours, theirs)
