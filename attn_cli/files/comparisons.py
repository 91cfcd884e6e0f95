"""Comparisons: an Inspection beside an approximation of it, as one line of JSON.

It is written, not read: both come out of the Inspection again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from attn_cli.files.document import line, token_values
from attn_cli.inspection import Inspection

if TYPE_CHECKING:
    from attn_cli.approximation import Approximation

SCHEMA = "attn-approximation/1"


def write(
    inspection: Inspection, way: str, found: Sequence[Approximation], precision: int | None = None
) -> Iterator[bytes]:
    """For every layer the exact weights and context, those by `way`, and their differences."""
    layers = []
    for layer, other in zip(inspection.layers, found, strict=True):
        item: dict[str, object] = {"index": layer.index}
        for name, ours, theirs in (
            ("weights", layer.weights, other.weights),
            ("context", layer.context, other.context),
        ):
            item[name] = {
                "exact": ours,
                "approximation": theirs,
                "difference": None if ours is None else theirs - ours,
            }
        layers.append(item)
    yield from line(
        {
            "schema": SCHEMA,
            "text": inspection.text,
            "way": way,
            "query_tokens": [token_values(token) for token in inspection.query_tokens],
            "key_tokens": [token_values(token) for token in inspection.key_tokens],
            "layers": layers,
        },
        precision,
    )
