"""Explanations: the arithmetic of a weight as one line of JSON, schema `attn-explanation/1`.

It is written, not read: the Inspection that it came from holds the same numbers.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from attn_cli.arithmetic import Explanation

SCHEMA = "attn-explanation/1"


def write(explanation: Explanation, precision: int | None = None) -> bytes:
    """One document: who looks at whom, then every step with its equations.

    A part of a step is a row (`name`, `values`) or a block (`name`, `lines`, and `total` where it
    is a sum). A line is an equation: `result` comes from the `operation` on the `operands`. Where a
    block has an `axis`, the `name` of a line is the place on it. Sums have all their lines, however
    many; floats are as short as reads back to the same float32, or float64 where they are no
    float32. `precision` rounds them to so many decimals.
    """
    values = asdict(explanation)
    for side in ("query", "key"):
        tokens = getattr(explanation, f"{side}_tokens")
        values[f"{side}_tokens"] = [token.text for token in tokens]
    values["precision"] = precision if values["precision"] is None else values["precision"]
    document = {"schema": SCHEMA} | values
    return json.dumps(_plain(document, precision), allow_nan=False).encode("ascii") + b"\n"


def _plain(value: Any, precision: int | None) -> Any:
    if isinstance(value, float):
        return _number(value, precision)
    if isinstance(value, dict):
        return {key: _plain(item, precision) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, precision) for item in value]
    return value


def _number(value: float, precision: int | None) -> float | None:
    if not math.isfinite(value):
        return None
    if precision is not None:
        return round(value, precision) + 0.0
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return float(str(single)) if float(single) == value else value
