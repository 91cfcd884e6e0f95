"""Checking: somebody's matrix against the recipe's, and which known mistakes explain it.

It tries them: an attempt is carried out for every mistake, and for every two, and compared. It
knows no files and says nothing; what a mistake is, is a row of `mistakes`.

Dimensions: n_head heads, n_query queries, n_key keys, d_value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.checking.attempts import Attempt, Drawn, Text, What, drawer, tensor
from attn_cli.checking.mistakes import mistakes
from attn_cli.checking.rows import Mistake
from attn_cli.checking.verdict import MOST_DECIMALS, WHATS, Fit, Student, Verdict
from attn_cli.embedding import own_vectors
from attn_cli.errors import DataError
from attn_cli.inspection import Inspection, Vectors
from attn_cli.recipes import Recipe, recipe
from attn_cli.text import Split
from attn_cli.tutorial import fitted, inspect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.types import Floats
    from attn_cli.vocabulary import Vocabulary

# What a matrix is taken for, by its shape; only where none of these fits, for one of the others.
__all__ = ["MOST_DECIMALS", "WHATS", "Fit", "Student", "Verdict", "check"]

_LIKELY: tuple[What, ...] = ("weights", "output", "context")
_OTHERS: tuple[What, ...] = ("embedding", "query", "key", "value")
_NOISE = 1e-6  # of float32 along the way, for numbers of size 1
_MOST_AMPLIFIED = 100.0
_MOST_FOR_PAIRS = 1 << 20  # numbers of an embedding, the others weighed by what they cost


def check(
    student: Student,
    text: str | None,
    source: str | Recipe = "article",
    *,
    what: What | None = None,
    split: Split = "words",
    lowercase: bool = False,
    vocabulary: Vocabulary | None = None,
    unknown: str | None = None,
    cross: str | None = None,
    vectors: Vectors | None = None,
    **choices: Any,
) -> Verdict:
    """Compare a student's matrix with the recipe's; where they differ, look for the mistake.

    Two numbers are equal when they differ by half a unit of the last decimal that the student
    printed, and what float32 arithmetic may add. Single mistakes come first; two at once are tried
    only where no single one explains the matrix, and where it is not too large.

    Args:
        student: the matrix.
        text, source, split, lowercase, vocabulary, unknown, cross, vectors, choices: as of
            `attn_cli.tutorial.inspect`.
        what: what the matrix is; by default what it says, or what its shape fits.

    Raises:
        DataError: its shape is that of nothing in the recipe.
        UsageError: as `inspect`.

    >>> right = inspect("Life is short, eat dessert first")
    >>> unscaled = np.exp(right.layers[0].scores[0])
    >>> unscaled /= unscaled.sum(axis=1, keepdims=True)
    >>> verdict = check(Student(unscaled.round(4), 4), right.text)
    >>> verdict.equal, [[m.name for m in found] for found in verdict.findings]
    (False, [['no-scale']])
    """
    right = inspect(
        text,
        source,
        split=split,
        lowercase=lowercase,
        vocabulary=vocabulary,
        unknown=unknown,
        cross=cross,
        vectors=vectors,
        **choices,
    )
    made = recipe(source, **choices)
    vectors = own_vectors(made) if vectors is None else vectors
    base = Attempt(
        recipe=fitted(made, vectors, None),
        split=split,
        lowercase=lowercase,
        numbers_words=vocabulary is None,
        draws_table=vectors is None,
        alone=right.kind != "cross",
        mask=made.mask,
        softmax="sum" if made.normalize == "sum" else "keys",
    )
    small = _is_small(right, base.recipe)
    draw = drawer(Text(text, cross, vectors, vocabulary, unknown), keep=256 if small else 2)
    student = student._replace(values=_without_batch(student.values))
    with np.errstate(all="ignore"):  # what a mistake makes infinite simply does not fit
        bases = _presumed(student, base, draw, what or student.what)
        fits = [(attempt.what, fit) for attempt, fit in bases]
        taken, fit = min(fits, key=lambda pair: pair[1].largest / pair[1].tolerance)
        found: tuple[tuple[Mistake, ...], ...] = ()
        tried, pairs = 0, False
        if not fit.is_equal:
            search = _Search(student, draw)
            attempts = [attempt for attempt, _ in bases]
            found = search.singles(attempts)
            if not found and small and fit.tells(student):
                found, pairs = search.pairs(attempts), True
            tried = search.n_tried
    return Verdict(
        inspection=right,
        recipe=base.recipe,
        student=student,
        what=taken,
        fit=fit,
        findings=found,
        n_tried=tried,
        tried_pairs=pairs,
    )


_Draw = Callable[[Attempt], "Drawn | None"]


def _is_small(right: Inspection, made: Recipe) -> bool:
    """Whether it can all be done a thousand times: weights of attention, weights, embedding."""
    numbers = (
        right.layers[0].weights.size * 64,
        made.d_model * made.heads * (2 * made.d_k + made.d_v) * 16,
        made.d_model * (made.vocab_size or 0),
    )
    return max(numbers) <= _MOST_FOR_PAIRS


def _without_batch(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A batch of one, and a single head, are no axes of their own."""
    while values.ndim > 2 and values.shape[0] == 1:
        values = values[0]
    return values


def _presumed(
    student: Student, base: Attempt, draw: _Draw, what: What | None
) -> list[tuple[Attempt, Fit]]:
    """What the matrix can be meant for, and how far it is from that."""
    groups = (_LIKELY, _OTHERS) if what is None else ((what,),)
    for group in groups:
        attempts = [replace(base, what=kind) for kind in group]
        fits = [(attempt, fit(student, attempt, draw)) for attempt in attempts]
        found = [(attempt, fitting) for attempt, fitting in fits if fitting is not None]
        if found:
            return found
        # A transposed one is still one of these.
        for attempt in attempts:
            turned = fit(student, replace(attempt, turned=True), draw)
            if turned is not None:
                return [(attempt, turned._replace(apart=True))]
    raise DataError(
        f"the matrix is {_size(student.values)}, and the recipe gives "
        + ", ".join(_shapes(base, draw, what)),
        "Give the text with `--text`, and the recipe's sizes if they are not the source's.",
    )


def _shapes(base: Attempt, draw: _Draw, what: What | None) -> Iterator[str]:
    for kind in (*_LIKELY, "embedding", "query") if what is None else (what,):
        array = _made(replace(base, what=kind), draw)
        if array is not None:
            yield f"{kind} {_size(array[0] if len(array) == 1 else array)}"
        elif what is not None:
            yield f"no {kind}"


def _size(array: NDArray[Any]) -> str:
    return " × ".join(map(str, array.shape))


def _made(attempt: Attempt, draw: _Draw) -> Floats | None:
    drawn = draw(attempt.drawing)
    return None if drawn is None else tensor(drawn, attempt)[0]


def fit(student: Student, attempt: Attempt, draw: _Draw) -> Fit | None:
    """Compare a matrix with what an attempt gives; None where the shapes differ."""
    drawn = draw(attempt.drawing)
    if drawn is None:
        return None
    made, peak = tensor(drawn, attempt)
    candidates = None if made is None else _shaped(student.values, made, attempt)
    if candidates is None:
        return None
    gaps = _gaps(student.values, candidates)
    nearest = int(gaps.reshape(len(gaps), -1).max(axis=1).argmin())
    ours = candidates[nearest]
    size = float(np.abs(ours[np.isfinite(ours)]).max(initial=0.0))
    tolerance = 0.5 * 10.0 ** -min(student.decimals, MOST_DECIMALS)
    # An error in a logit is one in the weight's logarithm; beyond the bound all is 0 or 1 anyway.
    tolerance += _NOISE * max(1.0, size) * min(max(1.0, peak), _MOST_AMPLIFIED)
    return Fit(gaps[nearest], tolerance, nearest if len(candidates) > 1 else None, ours)


def _shaped(values: NDArray[Any], made: Floats, attempt: Attempt) -> Floats | None:
    """What a matrix is compared with, (choices, *its own shape): every head where it is one."""
    if made.ndim == 3 and attempt.heads == "mean":
        made = made.mean(axis=0, dtype=np.float32)
    if attempt.turned:
        made = made.swapaxes(-1, -2)
    if made.ndim == values.ndim + 1:
        made_many = made
    elif made.ndim == values.ndim:
        made_many = made[None]
    else:
        return None
    if made_many.shape[1:] != values.shape:
        return None
    if attempt.heads == "permuted":
        if values.ndim != 3:
            return None
        made_many = _permuted(values, made)[None]
    if attempt.dropout == "inferred":
        return np.stack([_dropped_as(values, one) for one in made_many])
    return made_many


def _permuted(values: NDArray[Any], made: Floats) -> Floats:
    """The heads in the order in which they fit best, each of them once."""
    nearest = [int(_gaps(head, made).max(axis=(1, 2)).argmin()) for head in values]
    if sorted(nearest) != list(range(len(made))):
        return made
    permuted: Floats = made[nearest]
    return permuted


def _dropped_as(values: NDArray[Any], weights: Floats) -> Floats:
    """The weights after a dropout that is zero where the matrix is; itself, if none would do.

    Which weights were dropped is read off the matrix, since it hangs on how often the generator
    was used before; at least four must be left to tell that the others agree.
    """
    kept = (values != 0) & (weights > 0)
    if kept.all() or kept.sum() < 4:
        return weights
    ours = weights[kept].astype(np.float64)
    factor = float(ours @ values[kept] / (ours @ ours))
    p = round(1 - 1 / factor, 2) if factor > 1 else 0.0
    if not 0 < p < 1:
        return weights
    dropped: Floats = np.where(values == 0, np.float32(0), weights / np.float32(1 - p))
    return dropped


def _gaps(values: NDArray[Any], made: Floats) -> NDArray[np.float64]:
    """Absolute differences; none between equal infinities, nor between NaN and a masked row.

    A row in which all is masked is 0 here, and NaN in torch.
    """
    gaps: NDArray[np.float64] = np.abs(values - made)
    if not np.isfinite(gaps).all():
        blank = np.isnan(made) | (made == 0).all(axis=-1, keepdims=True)
        same = (values == made) | (np.isnan(values) & blank)
        gaps = np.where(same, 0.0, np.where(np.isnan(gaps), np.inf, gaps))
    return gaps


class _Search:
    """Mistakes tried on one matrix, none of them twice."""

    def __init__(self, student: Student, draw: _Draw) -> None:
        self._student, self._draw = student, draw
        self._seen: set[Attempt] = set()
        self.n_tried = 0

    def singles(self, bases: Sequence[Attempt]) -> tuple[tuple[Mistake, ...], ...]:
        """Every mistake that alone explains the matrix."""
        tried = [((m,), changed) for base in bases for m, changed in mistakes(base)]
        # Two mistakes that come to the same are both told: they differ for the student.
        return _distinct(found for found, changed in tried if self._explains(changed))

    def pairs(self, bases: Sequence[Attempt]) -> tuple[tuple[Mistake, ...], ...]:
        """Every two mistakes of different steps that together explain it."""
        return _distinct(
            found
            for base in bases
            for found, changed in _pairs(base)
            if changed not in self._seen and self._explains(changed)
        )

    def _explains(self, attempt: Attempt) -> bool:
        self._seen.add(attempt)
        self.n_tried += 1
        fitting = fit(self._student, attempt, self._draw)
        return fitting is not None and fitting.is_equal


def _pairs(base: Attempt) -> Iterator[tuple[tuple[Mistake, ...], Attempt]]:
    """Every two mistakes, the second made on top of the first, in the table's order."""
    for first, once in mistakes(base):
        for second, twice in mistakes(once, after=first):
            if second.step != first.step:
                yield (first, second), twice


def _distinct(found: Iterator[tuple[Mistake, ...]]) -> tuple[tuple[Mistake, ...], ...]:
    """Explanations in the order found; one that fits two readings of the matrix is told once."""
    return tuple({tuple(m.name for m in one): one for one in found}.values())
