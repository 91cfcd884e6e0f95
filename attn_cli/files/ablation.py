"""Ablations as one line of JSON; written, not read."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from attn_cli.files.document import token_values

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection

SCHEMA = "attn-ablation/1"


def write(
    inspection: Inspection, ablation: Any, likeliest: str, precision: int | None = None
) -> bytes:
    """What was taken away, and what each did.

    Args:
        ablation: an `attn_cli.checkpoints.ablation.Ablation`.
        likeliest: the next token that the whole model finds likeliest; empty for an encoder.
    """
    values = asdict(ablation)
    for effect in values["effects"]:
        effect["heads"] = [{"layer": layer, "head": head} for layer, head in effect["heads"]]
        if precision is not None:
            for name in ("weight", "moved", "divergence", "before", "after"):
                if effect[name] is not None:
                    effect[name] = round(effect[name], precision)
    next_token = None
    if ablation.likeliest is not None:
        next_token = {"id": values.pop("likeliest"), "text": likeliest}
    else:
        del values["likeliest"]
    document = {
        "schema": SCHEMA,
        "text": inspection.text,
        "model": inspection.source.model,
        "tokens": [token_values(token) for token in inspection.query_tokens],
        "next_token": next_token,
        **values,
    }
    return json.dumps(document, allow_nan=False).encode() + b"\n"
