"""Equations: what arithmetic on paper is made of: a line, a column with its sum, a row, a step.

Plain values with every number in them. It knows no attention and draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias


class Operation(NamedTuple):
    """How a result comes from its operands, and which of these are constants of the model.

    A constant is written in full, however few decimals the others have.
    """

    compute: Callable[..., float]
    constants: tuple[int, ...] = ()


OPERATIONS = {
    "given": Operation(float),
    "sum": Operation(lambda a, b: a + b),
    "product": Operation(lambda a, b: a * b),
    "quotient": Operation(lambda a, b: a / b),
    "over root": Operation(lambda a, b: a / math.sqrt(b), (1,)),
    "scaled": Operation(lambda a, b: a * b, (1,)),
    "cosine": Operation(math.cos),
    "sine": Operation(math.sin),
    "difference of products": Operation(lambda a, b, c, d: a * b - c * d),
    "sum of products": Operation(lambda a, b, c, d: a * b + c * d),
    "additive": Operation(lambda v, q, k: v * math.tanh(q + k)),
    "softcap": Operation(lambda c, x: c * math.tanh(x / c), (0,)),
    "distance bias": Operation(lambda x, slope, distance: x - slope * distance, (1, 2)),
    "masked": Operation(lambda a: -math.inf),
    "exponential": Operation(lambda a, b: math.exp(a - b)),
}


@dataclass(frozen=True, slots=True)
class Equation:
    """One line: the result of an operation of OPERATIONS."""

    name: str  # what results; in a Block along an axis, the place on that axis
    operation: str
    operands: tuple[float, ...]
    result: float


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together; with a total, a column of terms and their sum."""

    name: str
    heading: str  # in symbols
    lines: tuple[Equation, ...]
    total: float | None = None
    axis: str | None = None  # d_model, d_head or n_key: what the names of the lines count
    focus: str | None = None  # the line that was asked for
    # How much of what comes later depends on it, beside blocks of its kind: where there is no room
    # views show the largest. None: it stands alone, and is always shown.
    matters: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Numbers that are given: a vector."""

    name: str
    values: tuple[float, ...]
    token: str | None = None  # whose it is: query or key


Part: TypeAlias = Row | Block


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way, of `attn_cli.arithmetic.STEPS`: what happens in it, and the numbers."""

    name: str
    meaning: str
    parts: tuple[Part, ...] = ()
    remarks: tuple[str, ...] = ()


def compute(operation: str, operands: Sequence[float]) -> float:
    """The result of an operation on these operands.

    >>> compute("over root", (3.0, 4.0))
    1.5
    """
    return OPERATIONS[operation].compute(*operands)


def slack(operation: str, operands: Sequence[float], error: float) -> float:
    """How far a result may move when no operand is further off than `error`; constants are not.

    Where one operand is off this is exact for every operation here, since each goes up or down
    with it; for several it is the sum, which is right to first order. It is |b|·error + |a|·error
    for a · b, error for a cosine, and so on. A result printed with p decimals recomputes from its
    printed operands within slack(..., ½·10⁻ᵖ) + ½·10⁻ᵖ.

    >>> round(slack("product", (3.0, 4.0), 0.5), 12)
    3.5
    """
    chosen = OPERATIONS[operation]
    if operation in ("cosine", "sine"):  # these go up and down, and never steeper than 1
        return error
    result, moved = chosen.compute(*operands), 0.0
    for place, operand in enumerate(operands):
        if place in chosen.constants:
            continue
        ends = []
        for off in (operand - error, operand + error):
            changed = (*operands[:place], off, *operands[place + 1 :])
            try:
                ends.append(abs(chosen.compute(*changed) - result))
            except (ZeroDivisionError, OverflowError):
                return math.inf
        moved += max(ends)
    return moved


def folded(
    lines: Sequence[Equation], most: int, focus: str | None = None
) -> tuple[list[Equation], list[Equation]]:
    """The `most` largest lines, in their order, and the rest; what was asked for always stays.

    Fewer than two are never folded: the line that says so takes as much room.
    """
    if len(lines) <= most + 1:
        return list(lines), []
    sizes = {
        place: math.inf if line.name == focus else abs(line.result)
        for place, line in enumerate(lines)
    }
    kept = set(sorted(sizes, key=lambda place: -sizes[place])[:most])
    return (
        [line for place, line in enumerate(lines) if place in kept],
        [line for place, line in enumerate(lines) if place not in kept],
    )
