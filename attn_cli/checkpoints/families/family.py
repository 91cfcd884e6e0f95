"""Family: what sets a family of models apart, as one declarative value.

It holds no family; the rows are in the modules beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from attn_cli.checkpoints.masks import MaskKind
from attn_cli.frozen import Frozen


@dataclass(init=False, eq=False, repr=False)
class Family(Frozen):
    """One family of models.

    `settings` say where config.json has a value and what transformers takes for it when it is left
    out; a plain value is fixed. `names` say what the family calls each part of the network, without
    `.weight` and `.bias`; of several, the first that is there counts. A part that a family does not
    have has no name: that is how a row says where norms are.
    """

    settings: Mapping[str, Any]
    layer: str  # the prefix of a layer's names
    names: Mapping[str, str]
    anchor: str  # a tensor that a checkpoint of the family has once
    mask: MaskKind
    norm: Literal["layer", "rms", "rms+1"] = "layer"  # the last multiplies with 1 + weight
    qkv: Literal["separate", "stacked", "interleaved"] = "separate"  # the last: head by head
    feed_forward: Literal["plain", "gated", "gated stacked"] = "plain"
    query_norm: Literal["none", "head", "full"] = "none"  # one norm a head, or over all of them
    has_input_first: bool = False  # matrices are (d_in, d_out): x @ W
    rotary: bool = False
    alibi: bool = False
    gate: str = ""  # what the name of a gated activation begins with
    activations: Mapping[str, str] = field(default_factory=dict)  # names that mean others
    encoder: Family | None = None
    absent: tuple[str, ...] = ()  # tensors of a sister, which only a wrong config.json leaves out


ALWAYS_BIASED = {"qkv_bias": True, "output_bias": True, "feed_forward_bias": True}
ALWAYS = {"has_norm_weights": True, "scales_scores": True}


def without(names: Mapping[str, Any], *parts: str) -> dict[str, Any]:
    """All but some entries."""
    return {part: name for part, name in names.items() if part not in parts}


def separate(prefix: str, query: str, key: str, value: str, output: str) -> dict[str, str]:
    """The names of four projections beside one another."""
    parts = {"query": query, "key": key, "value": value, "output": output}
    return {part: f"{prefix}{name}" for part, name in parts.items()}
