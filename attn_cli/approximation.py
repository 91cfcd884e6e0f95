"""Approximations: what efficient attention computes instead, beside the exact result.

It takes the query, key and value of an Inspection's layer and asks nothing of where they came
from. The cost that these forms save is not saved here: all of them are written out as weights, so
that they can be compared.

Dimensions: as in `attention`; rank is the number of features or projected keys.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from attn_cli import masks, memory
from attn_cli.attention import attend, repeated
from attn_cli.errors import UsageError, did_you_mean
from attn_cli.inspection import Inspection, Layer
from attn_cli.operations import softcap_logits, softmax
from attn_cli.torch_random import Generator

if TYPE_CHECKING:
    from attn_cli.types import Booleans, Doubles, Floats

KINDS = ("linear", "performer:R", "lowrank:R")
_MOST_FEATURES = 100_000


class Approximation(NamedTuple):
    """One layer by another way; where weights were not computed, those that amount to the same."""

    weights: Floats  # (n_head, n_query, n_key); of a low rank they may be negative
    context: Floats  # (n_head, n_query, d_value)
    allowed: Booleans | None = None  # (n_query, n_key), where the way is a mask


@np.errstate(over="ignore", invalid="ignore")
def approximate(inspection: Inspection, layer: Layer, way: str) -> Approximation:
    """A layer of an Inspection once more, by `linear`, `performer:R`, `lowrank:R` or a mask.

    Raises:
        UsageError: there is no such way, the layer does not hold query, key and value, the way
            does not allow the mask or the kind of scores that the layer has, or its arrays would
            not fit into memory.
    """
    query, key, value = layer.query, layer.key, layer.value
    if query is None or key is None or value is None:
        raise UsageError("an approximation needs query, key and value, which are not there")
    name, _, number = way.partition(":")
    if name not in ("linear", "performer", "lowrank"):
        return _sparse(inspection, layer, way)
    rank = 0 if way == "linear" else _rank(name, number, way)
    _require_products(inspection, layer, way)
    n_head, n_key = len(query), key.shape[1]
    memory.require(
        8 * rank * (n_head * (query.shape[1] + n_key) + n_key),
        f"`{way}` of {n_key} keys" + (f" in {n_head} heads" if n_head > 1 else ""),
        "Use a smaller R.",
    )
    key, value = repeated(key, n_head), repeated(value, n_head)
    scale = 1 / math.sqrt(query.shape[2]) if layer.scale is None else layer.scale
    allowed = inspection.mask.allowed
    generator = Generator(inspection.source.seed or 0)
    if name == "linear":
        found = _by_features(elu_features(query), elu_features(key), value, allowed)
    elif name == "performer":
        frequencies = generator.randn(rank, query.shape[2])
        root = math.sqrt(scale)
        found = _by_features(
            random_features(query * root, frequencies, axis=(2,)),
            random_features(key * root, frequencies, axis=(1, 2)),
            value,
            allowed,
        )
    else:
        found = low_rank(query, key, value, generator.randn(rank, n_key), scale)
    if layer.dropout is None:
        return found
    dropped: Floats = found.weights * layer.dropout
    return found._replace(context=dropped @ value)


def _sparse(inspection: Inspection, layer: Layer, way: str) -> Approximation:
    """The exact form under one mask more."""
    assert layer.query is not None and layer.key is not None and layer.value is not None
    allowed, pattern = inspection.mask.allowed, _pattern(way, inspection)
    both = pattern if allowed is None or pattern is None else pattern & allowed
    run = attend(
        layer.query,
        layer.key,
        layer.value,
        scale=layer.scale,
        softcap=layer.softcap,
        bias=_bias(layer),
        allowed=allowed if both is None else both,
        score_vector=layer.score_vector,
        normalize=_normalize(inspection),
        dropout=layer.dropout,
    )
    return Approximation(run.weights, run.context, both)


def _require_products(inspection: Inspection, layer: Layer, way: str) -> None:
    """Refuse what is more than softmax(q·k): features and projections have no place for it."""
    bias = _bias(layer)
    more = {
        "additive scores": layer.score_vector is not None,
        "a soft cap": layer.softcap is not None,
        "a bias of the places": bias is not None and bool(bias.any()),
        "division by the sum": _normalize(inspection) != "softmax",
    }
    for what, there in more.items():
        if there:
            raise UsageError(f"`{way}` approximates softmax(q·k) alone, and here is {what}")
    if inspection.mask.allowed is not None and way.startswith("lowrank"):
        raise UsageError(f"`{way}` mixes all keys, so it cannot be masked", "Use `--mask none`.")


def _normalize(inspection: Inspection) -> Literal["softmax", "sum"]:
    return "sum" if inspection.source.settings.get("normalize") == "sum" else "softmax"


def elu_features(x: Floats) -> Floats:
    """elu(x) + 1: above 0 throughout (Katharopoulos et al. 2020, equation 7)."""
    with np.errstate(over="ignore"):
        features: Floats = np.where(x > 0, x + np.float32(1), np.exp(np.minimum(x, 0)))
    return features


def random_features(x: Floats, frequencies: Floats, axis: tuple[int, ...]) -> Doubles:
    """exp(ω·x - |x|²/2) / √R, whose products are exp(q·k) on average over ω.

    Positive random features (Choromanski et al. 2021, lemma 1).

    Args:
        x: (n_head, n, d_head) float32, scaled by the root of the scores' scale.
        frequencies: (rank, d_head) float32 ω, standard normal.
        axis: over which the largest exponent is taken off, so that none overflows: a factor that
            no weight sees where it is one for each query, or one for all keys.

    Returns:
        (n_head, n, rank) float64: their products span more than float32 does.
    """
    wide = x.astype(np.float64)
    exponents = wide @ frequencies.T - np.square(wide).sum(axis=-1, keepdims=True) / 2
    exponents -= exponents.max(axis=axis, keepdims=True)
    features: Doubles = np.exp(exponents) / math.sqrt(len(frequencies))
    return features


def low_rank(
    query: Floats, key: Floats, value: Floats, projection: Floats, scale: float
) -> Approximation:
    """softmax(Q (E K)ᵀ · scale) E V (Wang et al. 2020, "Linformer", equation 7, one E for both).

    Args:
        projection: (rank, n_key) float32 standard normal numbers, to be E · √rank.
    """
    projection = projection / np.float32(math.sqrt(len(projection)))
    weights, _ = softmax(query @ (projection @ key).swapaxes(1, 2) * np.float32(scale))
    return Approximation(weights @ projection, weights @ (projection @ value))


def _by_features(
    query: Floats | Doubles, key: Floats | Doubles, value: Floats, allowed: Booleans | None
) -> Approximation:
    """φ(q)·φ(k), each row divided by its sum (Katharopoulos et al. 2020, equation 4)."""
    similarity = query @ key.swapaxes(1, 2)
    if allowed is not None:
        similarity = np.where(allowed, similarity, np.float32(0))
    total = similarity.sum(axis=-1, keepdims=True)
    weights = (similarity / np.where(total == 0, 1, total)).astype(np.float32)
    return Approximation(weights, weights @ value)


def _pattern(way: str, inspection: Inspection) -> Booleans | None:
    try:
        if inspection.kind == "cross":
            raise UsageError(f"the mask `{way}` compares places within one text, not across two")
        return masks.allowed(way, len(inspection.query_tokens))
    except UsageError as error:
        if error.message.startswith("there is no mask"):
            close = did_you_mean(way, [kind.partition(":")[0] for kind in KINDS])
            known = f"{close} Use: {', '.join(KINDS)}, or a mask as for `--mask`.".lstrip()
            raise UsageError(f"there is no approximation `{way}`", known) from None
        raise


def _bias(layer: Layer) -> Floats | None:
    """What the logits hold beside the scaled and capped scores: the bias of the places."""
    if layer.logits is None or layer.scores is None:
        return None
    plain = layer.scores * np.float32(1 if layer.scale is None else layer.scale)
    if layer.softcap is not None:
        plain = softcap_logits(plain, layer.softcap)
    bias: Floats = np.where(np.isfinite(layer.logits), layer.logits - plain, np.float32(0))
    return bias


def _rank(name: str, number: str, way: str) -> int:
    digits = number.lstrip("0") if number.isascii() and number.isdigit() else ""
    if name == "linear" or not digits or len(digits) > 6 or int(digits) > _MOST_FEATURES:
        written = "`linear`" if name == "linear" else f"`{name}:R`, R from 1 to {_MOST_FEATURES}"
        raise UsageError(f"`{way}` should be written {written}")
    return int(digits)
