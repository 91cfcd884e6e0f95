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
MOST_CHANCE = 0.01  # explanations to be expected by chance, beyond which numbers tell too little
N_PAIRS = 2_000  # or somewhat fewer
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

    def odds(self, student: Student) -> float:
        """The odds that other numbers of the same spread are equal to the student's by chance.

        Each number hits an interval of twice the tolerance out of what the student's numbers
        span; where rows sum to 1, the last of each follows from the others.
        """
        values, n_columns = student.values, student.values.shape[-1]
        finite = values[np.isfinite(values)]
        with np.errstate(over="ignore", invalid="ignore"):  # as far apart as float64 reaches
            span = float(np.ptp(finite)) if finite.size else 0.0
            off = np.abs(values.sum(axis=-1) - 1)
        sums_to_1 = bool((off < n_columns * self.tolerance).all())
        free = values.size // n_columns * (n_columns - sums_to_1)
        return float(min(2 * self.tolerance / span, 1.0) ** free) if span else 1.0

    def tells(self, student: Student) -> bool:
        """Whether the numbers are many and exact enough to try two mistakes on them."""
        return N_PAIRS * self.odds(student) < MOST_CHANCE

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
    def by_chance(self) -> float:
        """How many of the attempts that were tried would have fitted these numbers by chance."""
        return self.n_tried * self.fit.odds(self.student)

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
