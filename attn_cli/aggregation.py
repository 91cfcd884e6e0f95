"""Aggregation: many heads and layers as one matrix, and weights weighed by what they let through.

An Inspection in, an Inspection out, so that every view and file format takes the result. Nothing
here is drawn; `NOTES` says of each result what it is and what it is not.

Dimensions: n_layer, n_head, n_kv_head, n_query, n_key, d_value, d_out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from attn_cli.errors import DataError, UsageError
from attn_cli.inspection import Inspection, Layer, Mask
from attn_cli.maximum_flow import Network

if TYPE_CHECKING:
    from attn_cli.types import Doubles, Floats

Aggregate = Literal["mean", "max", "rollout", "flow"]
Weigh = Literal["value-norm", "output-norm"]
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)
WEIGHS: tuple[Weigh, ...] = get_args(Weigh)

# A flow goes through all layers for every edge of every pair of tokens: some ten million of these
# steps a second.
MOST_FLOW_STEPS = 100_000_000

NOTES = {
    "mean": "the mean over all heads and layers: what they have in common; a head that differs is "
    "lost in it",
    "max": "the largest weight over all heads and layers, rows divided by their sums: where any "
    "head looks; one head is enough, so it is no measure of importance",
    "rollout": "attention rollout (Abnar & Zuidema 2020): the mean over heads, half residual, "
    "multiplied through the layers: how tokens would mix if attention were all there is; values, "
    "feed-forward parts and signs are left out",
    "flow": "attention flow (Abnar & Zuidema 2020): the most that could pass from a token through "
    "all layers if weights were capacities, rows divided by their sums; values, feed-forward parts "
    "and signs are left out",
    "value-norm": "weights times the lengths of the values, rows divided by their sums: what "
    "passes before the output projection (half of Kobayashi et al. 2020); directions are left out",
    "output-norm": "weights times the lengths of the values after the output projection, rows "
    "divided by their sums (Kobayashi et al. 2020): what each key adds to the head's output; "
    "directions are left out, so additions that cancel one another count",
}


def aggregate(inspection: Inspection, how: Aggregate) -> Inspection:
    """All layers and heads as one layer of one head, whose rows sum to 1.

    Raises:
        UsageError: `how` is unknown, or a flow would take too long.
        DataError: there is no layer, or queries and keys are not the same tokens.
    """
    if how not in AGGREGATES:
        raise UsageError(f"no such aggregate: `{how}`", f"Use one of: {', '.join(AGGREGATES)}.")
    if not inspection.layers:
        raise DataError("there are no layers to aggregate")
    matrix = {"mean": mean, "max": largest, "rollout": rollout, "flow": flow}[how](inspection)
    layer = Layer(weights=_shares(matrix[None]), index=inspection.layers[-1].index)
    n_head = sum(len(layer.weights) for layer in inspection.layers)
    counts = {"aggregated_layers": len(inspection.layers), "aggregated_heads": n_head}
    mask = _reached(inspection) if how in ("rollout", "flow") else inspection.mask
    return _derived(inspection, (layer,), {"aggregate": how, **counts}, mask)


def weigh(inspection: Inspection, how: Weigh) -> Inspection:
    """The same layers and heads, with weights by what passes through them; rows sum to 1.

    Raises:
        UsageError: `how` is unknown.
        DataError: a layer lacks the tensors that are needed.
    """
    if how not in WEIGHS:
        raise UsageError(f"no such weighing: `{how}`", f"Use one of: {', '.join(WEIGHS)}.")
    norms = {"value-norm": value_norms, "output-norm": output_norms}[how]
    layers = []
    for layer in inspection.layers:
        passed = norms(layer)
        empty = (passed.sum(axis=-1) == 0) & (layer.weights.sum(axis=-1) > 0)
        if empty.any():
            head, query = (int(axis[0]) for axis in np.nonzero(empty))
            raise DataError(
                f"layer {layer.index}, head {head}, query {query}: every value that it looks at "
                "is 0, so nothing passes"
            )
        kept = {"index": layer.index, "head_index": layer.head_index, "allowed": layer.allowed}
        layers.append(Layer(weights=_shares(passed), **kept))
    return _derived(inspection, tuple(layers), {"weigh": how}, inspection.mask)


def mean(inspection: Inspection) -> Doubles:
    """(n_query, n_key): the mean over layers of the mean over heads."""
    by_layer = (_over_heads(layer) for layer in inspection.layers)
    total: Doubles = reduce(np.add, by_layer)
    return total / len(inspection.layers)


def largest(inspection: Inspection) -> Doubles:
    """(n_query, n_key): the largest weight over layers and heads; rows sum to 1 or more."""
    by_layer = (layer.weights.max(axis=0) for layer in inspection.layers)
    found: Floats = reduce(np.maximum, by_layer)
    return found.astype(np.float64)


def rollout(inspection: Inspection) -> Doubles:
    """Attention rollout, (n_query, n_key): Â_L … Â_2 Â_1 with Â = (A + I) / 2.

    Abnar & Zuidema 2020, "Quantifying attention flow in transformers", equation 1, for the last
    layer; A is the mean over heads, and I stands for the residual connection.

    Raises:
        DataError: queries and keys are not the same tokens.
    """
    found: Doubles = reduce(lambda below, layer: layer @ below, _mixed(inspection))
    return found


def flow(inspection: Inspection) -> Doubles:
    """Attention flow, (n_query, n_key): the maximum flow from each last-layer token to each input.

    Abnar & Zuidema 2020, section 3: a token of a layer is a node, the entries of Â (see `rollout`)
    are the capacities of the edges to the layer below, and every pair of tokens is a flow of its
    own; so rows need not sum to 1.

    Raises:
        UsageError: it would take more than `MOST_FLOW_STEPS`: edges × layers × pairs of tokens.
        DataError: queries and keys are not the same tokens.
    """
    capacities = list(_mixed(inspection))
    n = len(capacities[0])
    reached = np.argwhere(rollout(inspection) > 0)
    n_edges = sum(int(np.count_nonzero(matrix)) for matrix in capacities)
    if n_edges * len(capacities) * len(reached) > MOST_FLOW_STEPS:
        raise UsageError(
            f"a flow over {n} tokens takes {n_edges} edges × {len(capacities)} layers × "
            f"{len(reached)} pairs of tokens; the most is {MOST_FLOW_STEPS:,} steps",
            "Use fewer tokens or layers, or `--aggregate rollout`, which is fast.",
        )
    network = Network(capacities)
    found = np.zeros((n, n))
    for query, key in reached.tolist():
        found[query, key] = network.flow(len(capacities) * n + query, key)
    return found


def value_norms(layer: Layer) -> Doubles:
    """(n_head, n_query, n_key): ‖α v‖, a weight times the length of the value at its key.

    The first half of Kobayashi et al. 2020, "Attention is not only a weight": before the output
    projection.

    Raises:
        DataError: the layer has no values.
    """
    if layer.value is None:
        raise _lacking(layer, "value", "values")
    lengths = np.linalg.norm(layer.value.astype(np.float64), axis=-1)
    return layer.weights * _per_head(lengths, layer)[:, None]


def output_norms(layer: Layer) -> Doubles:
    """(n_head, n_query, n_key): ‖α f(x)‖ with f(x) = v W_output, what a key adds to the output.

    Kobayashi et al. 2020, "Attention is not only a weight", equation 3: v holds the value's bias,
    and the output projection's own bias belongs to no key.

    Raises:
        DataError: the layer has no values or no output projection.
    """
    if layer.value is None or layer.w_output is None:
        name = "value" if layer.value is None else "w_output"
        raise _lacking(layer, name, "values and the output projection")
    value = _per_head(layer.value, layer).astype(np.float64)
    lengths = np.linalg.norm(value @ layer.w_output.astype(np.float64), axis=-1)
    projected: Doubles = layer.weights * lengths[:, None]
    return projected


def notes(inspection: Inspection) -> list[str]:
    """What the numbers of an aggregated or weighed Inspection are and are not, in its order."""
    settings = inspection.source.settings
    named = [settings.get("weigh"), settings.get("aggregate")]
    return [NOTES[name] for name in named if isinstance(name, str) and name in NOTES]


def _over_heads(layer: Layer) -> Doubles:
    over_heads: Doubles = layer.weights.mean(axis=0, dtype=np.float64)
    return over_heads


def _mixed(inspection: Inspection) -> Iterator[Doubles]:
    """(A + I) / 2 of each layer, from the first on, rows summing to 1."""
    n_query, n_key = len(inspection.query_tokens), len(inspection.key_tokens)
    if inspection.kind == "cross" or n_query != n_key:
        raise DataError(
            "rollout and flow go through layers whose queries and keys are the same tokens; "
            f"here {n_query} queries look at {n_key} keys of another text",
            "Use `--aggregate mean` or `max`.",
        )
    for layer in inspection.layers:
        mixed = _over_heads(layer) + np.eye(n_key)
        yield mixed / mixed.sum(axis=-1, keepdims=True)


def _reached(inspection: Inspection) -> Mask:
    """What can reach a token of the last layer: through several layers more than through one."""
    mask = inspection.mask
    if mask.allowed is None:
        return mask
    step = mask.allowed | np.eye(len(mask.allowed), dtype=bool)
    reached = reduce(lambda below, _: step @ below, inspection.layers[1:], step)
    return mask if np.array_equal(reached, mask.allowed) else Mask(name="reached", allowed=reached)


def _shares(matrices: Doubles) -> Floats:
    """Each row divided by its sum; a row of nothing stays so."""
    total = matrices.sum(axis=-1, keepdims=True)
    shares: Floats = (matrices / np.where(total > 0, total, 1)).astype(np.float32)
    return shares


def _per_head(array: Doubles | Floats, layer: Layer) -> Doubles:
    """A tensor of key/value heads for every query head that one serves."""
    repeated: Doubles = np.repeat(array, len(layer.weights) // len(array), axis=0)
    return repeated


def _lacking(layer: Layer, name: str, needed: str) -> DataError:
    return DataError(
        f"layer {layer.index} has no `{name}`; this weighing needs {needed}",
        "Keep them when the attention is saved, or use plain weights.",
    )


def _derived(
    inspection: Inspection, layers: tuple[Layer, ...], settings: Mapping[str, object], mask: Mask
) -> Inspection:
    """The Inspection with other weights, and a source that says how they came about."""
    source = inspection.source
    # Rows that are divided by their sums are float32 again, however the weights were rounded.
    source = replace(
        source, settings={**source.settings, **settings}, dtype="float32", precision=None
    )
    return replace(inspection, layers=layers, source=source, mask=mask)
