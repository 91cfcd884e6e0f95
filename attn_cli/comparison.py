"""Comparison: two Inspections, their tokens aligned and their weights subtracted head by head.

It measures differences and orders heads by them; it does not draw, and does not ask where an
Inspection came from.

Where texts differ, rows are compared for the queries that both have, over the keys of either: a
key that one text lacks has a weight of 0 there, since nothing looks at what is not there.

Dimensions: n_query (matched queries), n_key (keys of either), n_head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attn_cli.errors import DataError
from attn_cli.inspection import Inspection, Layer, Token

if TYPE_CHECKING:
    from attn_cli.types import Booleans, Doubles, Floats, Integers

# One pair of aligned tokens, by position; None where the other text has no such token.
Pair = tuple[int | None, int | None]
_MOST_TOKENS = 4096  # difflib takes the square of this, or more


class HeadChange(NamedTuple):
    """How far one head's rows in B are from those in A."""

    layer: int
    head: int
    largest: float  # of all |B - A|
    query: int  # where that is: a row and a column of the alignment
    key: int
    mean: float  # of |B - A| over all that either may look at
    js_mean: float  # Jensen-Shannon distance of a row, 0 to 1: the mean over rows
    js_max: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """Two Inspections side by side."""

    a: Inspection
    b: Inspection
    queries: tuple[Pair, ...]  # the alignment of all query tokens
    keys: tuple[Pair, ...]
    only_a: tuple[int, ...]  # layers by index
    only_b: tuple[int, ...]
    heads: tuple[HeadChange, ...]  # by layer and head

    @cached_property
    def largest(self) -> float:
        """The largest difference of all weights."""
        return max(change.largest for change in self.heads)

    @cached_property
    def matched(self) -> tuple[tuple[int, int], ...]:
        """The queries that both texts have, by position: the rows that are compared."""
        return tuple((i, j) for i, j in self.queries if i is not None and j is not None)

    @property
    def same_parts(self) -> bool:
        """Whether both have the same tokens and layers, so that all weights are compared."""
        pairs = (*self.queries, *self.keys)
        return not (self.only_a or self.only_b) and all(None not in pair for pair in pairs)

    def within(self, tolerance: float) -> bool:
        """Whether both have the same parts and no weight differs by more than the tolerance."""
        return self.same_parts and self.largest <= tolerance

    def by_change(self) -> list[HeadChange]:
        """The heads, those that changed most first: by mean Jensen-Shannon distance."""
        return sorted(self.heads, key=lambda c: (-c.js_mean, -c.largest, c.layer, c.head))

    def difference(self, layer: int, head: int) -> tuple[Doubles, Booleans]:
        """B - A of one head, (n_query, n_key), and which of it either may look at."""
        one, other = (_layer(inspection, layer) for inspection in (self.a, self.b))
        grid = _Grid(self.a, self.b, self.queries, self.keys)
        return grid.rows_b(other.weights[head]) - grid.rows_a(one.weights[head]), grid.allowed


def compare(a: Inspection, b: Inspection) -> Comparison:
    """Align two Inspections and measure how every head differs.

    Layers are matched by index, heads by number; a layer that only one has is named and not
    compared.

    Raises:
        DataError: they have no layer or no query token in common, or a layer's heads differ in
            number, so that nothing says which head is which.
    """
    if (a.kind == "cross") != (b.kind == "cross"):
        raise DataError(f"{a.kind} and {b.kind} attention have no rows to compare")
    indices = [{layer.index: layer for layer in run.layers} for run in (a, b)]
    common = [index for index in indices[0] if index in indices[1]]
    if not common:
        raise DataError(
            f"no layer is in both: A has {_numbers(indices[0])}, B has {_numbers(indices[1])}"
        )
    queries = align(a.query_tokens, b.query_tokens)
    same = a.key_tokens is a.query_tokens and b.key_tokens is b.query_tokens
    keys = queries if same else align(a.key_tokens, b.key_tokens)
    if all(None in pair for pair in queries):
        raise DataError("no query token is in both, so there are no rows to compare")
    grid = _Grid(a, b, queries, keys)
    heads: list[HeadChange] = []
    for index in common:
        heads += _changes(indices[0][index], indices[1][index], grid)
    return Comparison(
        a=a,
        b=b,
        queries=queries,
        keys=keys,
        only_a=tuple(index for index in indices[0] if index not in indices[1]),
        only_b=tuple(index for index in indices[1] if index not in indices[0]),
        heads=tuple(heads),
    )


def align(a: Sequence[Token], b: Sequence[Token]) -> tuple[Pair, ...]:
    """Which token of A is which of B, in order: longest runs of the same texts first.

    Ratcliff & Metzener 1988, as Python's difflib has it. Tokens in between stand alone, first
    those of A, then those of B.

    Raises:
        DataError: the texts are too long to be aligned.
    """
    before, after = ([token.text for token in tokens] for tokens in (a, b))
    if before == after:
        return tuple((i, i) for i in range(len(a)))
    if max(len(a), len(b)) > _MOST_TOKENS:
        raise DataError(
            f"the texts differ and have {len(a)} and {len(b)} tokens; the most that are aligned is "
            f"{_MOST_TOKENS}"
        )
    pairs: list[Pair] = []
    for tag, a1, a2, b1, b2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            pairs += zip(range(a1, a2), range(b1, b2), strict=True)
        else:
            pairs += [(i, None) for i in range(a1, a2)]
            pairs += [(None, j) for j in range(b1, b2)]
    return tuple(pairs)


def js_distance(p: Doubles, q: Doubles) -> Doubles:
    """The Jensen-Shannon distance of rows that sum to 1: 0 the same, 1 nothing in common.

    √(½ Σ p log₂ (p / m) + ½ Σ q log₂ (q / m)) with m = (p + q) / 2: the divergence of Lin 1991,
    whose root is a metric (Endres & Schindelin 2003). A row of 0, which looks at nothing, is at
    distance 1 from one that looks at something, and at 0 from another of its kind.

    Args:
        p, q: (..., n_key) float64.

    Returns:
        (...) float64.

    >>> js_distance(np.array([1.0, 0.0]), np.array([0.5, 0.5])).round(6).item()
    0.557923
    """
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    lonely = (p.sum(axis=-1) == 0) != (q.sum(axis=-1) == 0)
    distance: Doubles = np.where(lonely, 1.0, np.sqrt(np.clip(divergence, 0.0, 1.0)))
    return distance


def _relative_entropy(p: Doubles, q: Doubles) -> Doubles:
    """Σ p log₂ (p / q) over the last axis, in bits; q is 0 only where p is."""
    there = p > 0
    ratio = np.where(there, p, 1) / np.where(there, q, 1)
    total: Doubles = (p * np.log2(ratio)).sum(axis=-1)
    return total


class _Grid:
    """The common rows and columns of two Inspections."""

    def __init__(
        self, a: Inspection, b: Inspection, queries: Sequence[Pair], keys: Sequence[Pair]
    ) -> None:
        rows = [(i, j) for i, j in queries if i is not None and j is not None]
        self.rows = [np.array(side, dtype=np.int64) for side in zip(*rows, strict=True)]
        self.to: list[Integers] = []  # of each side: the column of each key
        for side in range(2):
            columns = {pair[side]: column for column, pair in enumerate(keys)}
            columns.pop(None, None)
            self.to.append(np.array([columns[key] for key in range(len(columns))], dtype=np.int64))
        self.shape = (len(rows), len(keys))
        self.allowed_a, self.allowed_b = (self._mask(run, i) for i, run in enumerate((a, b)))
        self.allowed: Booleans = self.allowed_a | self.allowed_b

    def rows_a(self, weights: Floats) -> Doubles:
        return self._placed(weights, 0)

    def rows_b(self, weights: Floats) -> Doubles:
        return self._placed(weights, 1)

    def _placed(self, weights: Floats, side: int) -> Doubles:
        placed = np.zeros(self.shape)
        placed[:, self.to[side]] = weights[self.rows[side]]
        return placed

    def _mask(self, inspection: Inspection, side: int) -> Booleans:
        allowed = np.zeros(self.shape, dtype=bool)
        mask = inspection.mask.allowed
        allowed[:, self.to[side]] = True if mask is None else mask[self.rows[side]]
        return allowed


def _changes(one: Layer, other: Layer, grid: _Grid) -> list[HeadChange]:
    if len(one.weights) != len(other.weights):
        raise DataError(
            f"layer {one.index} has {len(one.weights)} heads in A and {len(other.weights)} in B: "
            "nothing says which is which"
        )
    # A row that neither may look from is no evidence that they agree.
    looking = grid.allowed.any(axis=-1)
    n_cells = max(int(grid.allowed.sum()), 1)
    changes = []
    for head, (before, after) in enumerate(zip(one.weights, other.weights, strict=True)):
        p, q = grid.rows_a(before), grid.rows_b(after)
        size = np.abs(q - p)
        query, key = divmod(int(size.argmax()), size.shape[1])
        distance = js_distance(p, q)[looking]
        changes.append(
            HeadChange(
                layer=one.index,
                head=head,
                largest=float(size[query, key]),
                query=query,
                key=key,
                mean=float(size.sum() / n_cells),
                js_mean=float(distance.mean()) if distance.size else 0.0,
                js_max=float(distance.max(initial=0.0)),
            )
        )
    return changes


def _layer(inspection: Inspection, index: int) -> Layer:
    return next(layer for layer in inspection.layers if layer.index == index)


def _numbers(layers: dict[int, Layer]) -> str:
    return ", ".join(map(str, layers)) or "none"
