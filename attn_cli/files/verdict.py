"""Verdicts as JSON: what `attn check --json` prints, schema `attn-check/1`.

It is written, not read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from attn_cli.checking import Verdict
from attn_cli.tables import cell_labels

SCHEMA = "attn-check/1"


def write(verdict: Verdict) -> Iterator[bytes]:
    """One line: whether the matrix is right, where it is furthest off, and every explanation."""
    cell = verdict.worst
    row, column = cell_labels(verdict.inspection, verdict.what, cell.row, cell.column)
    document = {
        "schema": SCHEMA,
        "text": verdict.inspection.text,
        "recipe": verdict.recipe.name,
        "seed": verdict.recipe.seed,
        "what": verdict.what,
        "shape": verdict.student.values.shape,
        "equal": verdict.equal,
        "transposed": verdict.fit.apart,
        "decimals": verdict.decimals,
        "tolerance": verdict.fit.tolerance,
        "difference": _finite(verdict.fit.largest),
        "cell": {
            "head": cell.head,
            "row": cell.row,
            "column": cell.column,
            "row_label": row,
            "column_label": column,
            "ours": _finite(cell.ours),
            "theirs": _finite(cell.theirs),
        },
        "explanations": [
            [
                {
                    "name": mistake.name,
                    "step": mistake.step,
                    "what": mistake.what,
                    "fix": mistake.mend(verdict.recipe),
                }
                for mistake in found
            ]
            for found in verdict.findings
        ],
        "tried": verdict.n_tried,
        "pairs_tried": verdict.tried_pairs,
        "by_chance": verdict.by_chance,
    }
    yield json.dumps(document).encode("ascii") + b"\n"


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
