"""Masks: which keys each query may look at, by the names that the literature has for the patterns.

A pattern is a function of places alone. It knows no words, and applying a mask is `attention`'s.

A specification is a name with its numbers, `window:4`; patterns joined by `+` allow what any of
them allows, by `&` what all of them allow, and `&` binds tighter: `causal&local:2+global:0`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attn_cli.errors import UsageError, did_you_mean
from attn_cli.recipes import NO_MASK
from attn_cli.torch_random import Generator

if TYPE_CHECKING:
    from attn_cli.types import Booleans, Integers

_LARGEST = 2**31 - 1


def _none(i: Integers, j: Integers) -> Booleans:
    """All keys."""
    return (i >= 0) & (j >= 0)


def _causal(i: Integers, j: Integers) -> Booleans:
    """Keys up to the query itself (Vaswani et al. 2017, section 3.2.3)."""
    return j <= i


def _window(i: Integers, j: Integers, width: int) -> Booleans:
    """The latest W keys, the query's own among them: i - W < j ≤ i (Jiang et al. 2023, 2.1)."""
    latest: Booleans = (j <= i) & (i - j < width)
    return latest


def _local(i: Integers, j: Integers, reach: int) -> Booleans:
    """Keys at most R away on either side (Beltagy et al. 2020, section 3.1)."""
    near: Booleans = np.abs(i - j) <= reach
    return near


def _prefix(i: Integers, j: Integers, length: int) -> Booleans:
    """The first P keys for everyone, beyond them causal (Raffel et al. 2020, section 3.2.1)."""
    seen: Booleans = (j <= i) | (j < length)
    return seen


def _strided(i: Integers, j: Integers, stride: int) -> Booleans:
    """The latest S keys, and every S-th before (Child et al. 2019, section 4.3)."""
    seen: Booleans = (j <= i) & ((i - j < stride) | ((i - j) % stride == 0))
    return seen


def _global(i: Integers, j: Integers, *tokens: int) -> Booleans:
    """Places that see all and are seen by all; the others see themselves (Beltagy et al. 2020)."""
    seen: Booleans = np.isin(i, tokens) | np.isin(j, tokens) | (i == j)
    return seen


def _bigbird(
    i: Integers, j: Integers, width: int, n_global: int, n_random: int, seed: int = 0
) -> Booleans:
    """A window of W around the query, G global places, R random keys (Zaheer et al. 2020, 2)."""
    n = i.size
    generator = Generator(seed)
    random = np.zeros((n, n), dtype=bool)
    for row in random:  # a row at a time: the numbers of all would take many times the mask
        row[generator.rand(n).argsort(kind="stable")[:n_random]] = True
    random |= (i < n_global) | (j < n_global)
    random |= np.abs(i - j) <= width // 2
    return random


def _hide(i: Integers, j: Integers, *tokens: int) -> Booleans:
    """All keys but these, as padding is hidden (Vaswani et al. 2017's reference code)."""
    hidden: Booleans = np.isin(j, tokens) & (i >= 0)
    return ~hidden


class Pattern(NamedTuple):
    """One kind of mask: how it is written, what it allows, and how many numbers it takes."""

    usage: str
    allows: Callable[..., Booleans]
    n_numbers: range
    least: int = 0  # what a number may be
    places: bool = False  # the numbers are places in the text

    @property
    def meaning(self) -> str:
        """One line: which keys, and who described it."""
        return (self.allows.__doc__ or "").rstrip(".")


_MANY = range(1, 1_000_000)
PATTERNS = {
    NO_MASK: Pattern(NO_MASK, _none, range(1)),
    "causal": Pattern("causal", _causal, range(1)),
    "window": Pattern("window:W", _window, range(1, 2), least=1),
    "local": Pattern("local:R", _local, range(1, 2)),
    "prefix": Pattern("prefix:P", _prefix, range(1, 2)),
    "strided": Pattern("strided:S", _strided, range(1, 2), least=1),
    "global": Pattern("global:I,J", _global, _MANY, places=True),
    "bigbird": Pattern("bigbird:W,G,R[,SEED]", _bigbird, range(3, 5)),
    "hide": Pattern("hide:I,J", _hide, _MANY, places=True),
}


def allowed(specification: str, n: int) -> Booleans | None:
    """The keys that each of `n` queries may look at: (n, n) bool, or None where all may.

    Raises:
        UsageError: there is no such pattern, or its numbers are not what it takes.

    >>> allowed("causal", 3).astype(int).tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    >>> allowed("local:0+global:0", 3).astype(int).tolist()
    [[1, 1, 1], [1, 1, 0], [1, 0, 1]]
    """
    if specification == NO_MASK:
        return None
    union = np.zeros((n, n), dtype=bool)
    for alternative in specification.split("+"):
        both = np.ones((n, n), dtype=bool)
        for part in alternative.split("&"):
            both &= _one(part.strip(), n)
        union |= both
    return union


def _one(part: str, n: int) -> Booleans:
    name, _, given = part.partition(":")
    if name not in PATTERNS:
        known = ", ".join(pattern.usage for pattern in PATTERNS.values())
        hint = did_you_mean(name, PATTERNS, f"Use: {known}.")
        raise UsageError(f"there is no mask `{part}`", hint)
    pattern = PATTERNS[name]
    numbers = _numbers(given, part, pattern, n)
    place = np.arange(n)
    return pattern.allows(place[:, None], place[None, :], *numbers)


def _numbers(given: str, part: str, pattern: Pattern, n: int) -> Sequence[int]:
    pieces = [piece.strip() for piece in given.split(",")] if given else []
    digits = (piece.removeprefix("-") for piece in pieces)
    if len(pieces) not in pattern.n_numbers or not all(d.isascii() and d.isdigit() for d in digits):
        raise UsageError(f"the mask `{part}` should be written `{pattern.usage}`")
    try:
        numbers = [int(piece) for piece in pieces]
    except ValueError:  # more digits than Python reads
        numbers = [_LARGEST + 1]
    if pattern.places:
        numbers = [number + n if -n <= number < 0 else number for number in numbers]
    high = n - 1 if pattern.places else _LARGEST
    for number, piece in zip(numbers, pieces, strict=True):
        if not pattern.least <= number <= high:
            low = -n if pattern.places else pattern.least
            what = f"places of {n} words" if pattern.places else "numbers"
            raise UsageError(
                f"the {what} in the mask `{pattern.usage}` go from {low} to {high}, not: {piece}"
            )
    return numbers
