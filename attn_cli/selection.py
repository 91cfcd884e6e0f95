"""Selection: some layers and heads of an Inspection, by numbers, ranges and negative indices.

It takes away; it computes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from attn_cli.errors import UsageError
from attn_cli.inspection import Inspection, Layer, arrays


def numbers(
    specification: str, count: int, name: str, malformed: UsageError | None = None
) -> list[int]:
    """The numbers that a specification names, each once, in its order.

    Args:
        specification: `3`, `0-3`, `-1` (the last), `-3--1`, `0,5,-2`, or `all`.
        count: how many there are; a number is from 0 to count - 1, or from -count to -1.
        name: what is counted, for messages: `layer` or `head`.
        malformed: what is raised where it is written otherwise, if it is not what an option of that
            name was given.

    Raises:
        UsageError: it is written otherwise, or names what there is not.

    >>> numbers("0-2,-1", 6, "layer")
    [0, 1, 2, 5]
    """
    if specification.strip() == "all":
        return list(range(count))
    malformed = malformed or UsageError(
        f"--{name} cannot be `{specification}`", "Use numbers and ranges, such as: 0,3-5,-1."
    )
    found: list[int] = []
    for part in specification.split(","):
        first, dash, last = part.strip()[1:].partition("-")  # a sign may stand before the first
        ends = (part.strip()[:1] + first, last) if dash else (part, part)
        low, high = (_number(end.strip(), count, name, malformed) for end in ends)
        if low > high:
            raise UsageError(f"--{name} {specification}: {low} comes after {high}")
        found += range(low, high + 1)
    return list(dict.fromkeys(found))


def _number(text: str, count: int, name: str, malformed: UsageError) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise malformed
    index = int(text) if len(digits) < 10 else count
    if not -count <= index < count:
        raise UsageError(
            f"there is no {name} {text}: there {'are' if count > 1 else 'is'} {count}, "
            f"0 to {count - 1}"
        )
    return index % count


def select_heads(inspection: Inspection, specification: str) -> Inspection:
    """The same Inspection with only some heads in every layer; they keep their numbers.

    Raises:
        UsageError: a layer has no such head.
    """
    layers = tuple(with_heads(layer, specification) for layer in inspection.layers)
    return replace(inspection, layers=layers)


def with_heads(layer: Layer, specification: str) -> Layer:
    """A layer with only some heads; they keep their numbers, and each takes its key/value head.

    Raises:
        UsageError: the layer has no such head.
    """
    n_head = len(layer.weights)
    chosen = numbers(specification, n_head, "head")
    if chosen == list(range(n_head)):
        return layer
    changed: dict[str, Any] = {}
    for name, array, declared in arrays(layer):
        if declared["axes"][0] == "n_head":
            changed[name] = array[chosen]
        elif declared["axes"][0] == "n_kv_head":  # each chosen head takes its own along
            changed[name] = array[[head * len(array) // n_head for head in chosen]]
    named = layer.head_index
    changed["head_index"] = np.array(chosen) if named is None else named[chosen]
    return replace(layer, output=None, **changed)


def select_layers(inspection: Inspection, chosen: Sequence[int]) -> Inspection:
    """The same Inspection with only the layers of these places."""
    return replace(inspection, layers=tuple(inspection.layers[place] for place in chosen))
