"""Cell: one weight's place, and the rows that it is made from, in double precision.

It finds and computes; the equations are made in `steps`.

Dimensions: n_head query heads share n_kv_head key/value heads; n_query queries, n_key keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from attn_cli.errors import DataError
from attn_cli.inspection import Inspection, Layer
from attn_cli.positions import rotate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.types import Booleans

    Doubles: TypeAlias = NDArray[np.float64]

# What a result may be off for the size of its terms: some last places of its format, since sums
# round at every term.
_ROUNDING = {"float64": 2.0**-20, "float32": 2.0**-20, "float16": 2.0**-8, "bfloat16": 2.0**-5}
_SMALLEST = 1e-30  # about where float32 begins to lose digits


@dataclass(frozen=True)
class Cell:
    """The weight of query token i on key token j in one head of one layer."""

    inspection: Inspection
    layer: Layer
    head: int
    i: int
    j: int

    @property
    def n_head(self) -> int:
        return len(self.layer.weights)

    @property
    def kv_head(self) -> int:
        """The key/value head that serves this head (Ainslie et al. 2023)."""
        stacks = (self.layer.key, self.layer.value)
        n_kv_head = next((len(stack) for stack in stacks if stack is not None), self.n_head)
        return self.head // (self.n_head // n_kv_head)

    def row(self, stack: NDArray[Any] | None) -> Doubles | None:
        """This head's and this query's row of an array (n_head, n_query, ...)."""
        return None if stack is None else np.asarray(stack[self.head, self.i], dtype=np.float64)

    @cached_property
    def seen(self) -> Booleans:
        """(n_key,) bool: the keys that this query may look at."""
        allowed = self.inspection.allowed(self.layer)
        seen: Booleans = (
            np.ones(self.layer.weights.shape[2], dtype=bool) if allowed is None else allowed[self.i]
        )
        logits = self.layer.logits
        return seen if logits is None else seen & ~np.isneginf(logits[self.head, self.i])

    @property
    def focus(self) -> str | None:
        """The key's line among those of all keys; None where it is masked and has none."""
        return str(self.j) if self.seen[self.j] else None

    @cached_property
    def weights(self) -> Doubles:
        """(n_key,): the whole row that the weight is in."""
        return np.asarray(self.layer.weights[self.head, self.i], dtype=np.float64)

    @cached_property
    def q(self) -> Doubles:
        """(d_head,): the query, turned by its place where places turn it."""
        assert self.layer.query is not None  # as `explain` has required
        return np.asarray(self.layer.query[self.head, self.i], dtype=np.float64)

    @cached_property
    def keys(self) -> Doubles:
        """(n_key, d_head): the keys, likewise."""
        assert self.layer.key is not None
        return np.asarray(self.layer.key[self.kv_head], dtype=np.float64)

    @property
    def k(self) -> Doubles:
        """(d_head,): the key."""
        key: Doubles = self.keys[self.j]
        return key

    def before_turning(self, vector: Doubles, place: int) -> Doubles:
        """A query or key (d_head,) as it was before its place turned it."""
        if self.layer.rotation is None:
            return vector
        if place >= len(self.layer.rotation):
            raise DataError(
                f"`rotation` of layer {self.layer.index} has {len(self.layer.rotation)} places, "
                f"and the token is at {place}"
            )
        angles = self.layer.rotation[place].astype(np.float64)
        turned: Any = rotate(vector, np.cos(angles), -np.sin(angles))  # type: ignore[arg-type]
        return np.asarray(turned)

    @property
    def matters(self) -> list[float]:
        """(d_head,): the size of what each component adds to the score."""
        vector = self.layer.score_vector
        if vector is None:
            return [abs(float(part)) for part in self.q * self.k]
        return [abs(float(part)) for part in vector[self.head] * np.tanh(self.q + self.k)]

    @cached_property
    def scores(self) -> Doubles:
        """(n_key,): as the layer has them, or from query and keys."""
        stored = self.row(self.layer.scores)
        if stored is not None:
            return stored
        vector = self.layer.score_vector
        if vector is None:
            return np.asarray(self.keys @ self.q)
        v = np.asarray(vector[self.head], dtype=np.float64)
        return np.asarray(np.tanh(self.q + self.keys) @ v)

    @cached_property
    def capped(self) -> Doubles:
        """(n_key,): the scores, scaled and capped."""
        scaled = self.scores * (self.layer.scale or 0.0)
        cap = self.layer.softcap
        return scaled if cap is None else np.asarray(cap * np.tanh(scaled / cap))

    @cached_property
    def logits(self) -> Doubles:
        """(n_key,): as the layer has them, or without any bias; -∞ where masked."""
        stored = self.row(self.layer.logits)
        found = self.capped if stored is None else stored
        return np.where(self.seen, found, -np.inf)

    @cached_property
    def bias(self) -> Doubles | None:
        """(n_key,): what the logits hold beside the capped scores; None where that is nothing.

        Rounding is nothing. Where a key is masked it is unknown, and 0.
        """
        if self.layer.logits is None:
            return None
        rest = np.where(self.seen, self.logits, self.capped) - self.capped
        scale, vector = abs(self.layer.scale or 0.0), self.layer.score_vector
        terms = np.abs(self.keys) @ np.abs(self.q) if vector is None else np.abs(vector).sum()
        size = scale * terms + np.abs(self.capped)
        return rest if (np.abs(rest) > self.eps * size + self.half * (1 + scale)).any() else None

    @property
    def by_sum(self) -> bool:
        """Whether logits were divided by their sum, without exponentials."""
        return self.inspection.source.settings.get("normalize") == "sum"

    @property
    def eps(self) -> float:
        """What a stored number may be off, as a part of the terms that it was summed from."""
        return _ROUNDING.get(self.inspection.source.dtype, 2.0**-20)

    @property
    def half(self) -> float:
        """What a stored number may be off since it was written with few decimals."""
        kept = self.inspection.source.precision
        return 0.0 if kept is None else 0.51 * 10.0**-kept

    def require(self, name: str, found: float, result: float, size: float, moved: float) -> None:
        """Refuse an equation that does not hold.

        Args:
            found: what the operands give.
            size: the absolute values that went into it, added up.
            moved: how far numbers written with few decimals may have moved it.

        Raises:
            DataError: `result` is further off than rounding explains.
        """
        if not abs(found - result) <= self.eps * size + moved + _SMALLEST:
            raise DataError(
                f"layer {self.layer.index}, head {self.head}: {name} is {result:.6g}, and what it "
                f"comes from gives {found:.6g}: the arrays contradict each other"
            )
