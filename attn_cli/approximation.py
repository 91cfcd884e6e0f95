"""Approximations: what efficient attention computes instead, beside the exact result.

It takes the query, key and value of an Inspection's layer and asks nothing of where they came
from. The cost that these forms save is not saved here: all of them are written out as weights, so
that they can be compared.

Dimensions: as in `attention`; rank is the number of features or projected keys.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attn_cli import masks
from attn_cli.attention import attend, repeated
from attn_cli.errors import UsageError
from attn_cli.inspection import Inspection, Layer
from attn_cli.operations import softcap_logits, softmax
from attn_cli.torch_random import Generator

if TYPE_CHECKING:
    from attn_cli.types import Booleans, Floats

KINDS = ("linear", "performer:R", "lowrank:R")


class Approximation(NamedTuple):
    """One layer by another way; where weights were not computed, those that amount to the same."""

    weights: Floats  # (n_head, n_query, n_key); of a low rank they may be negative
    context: Floats  # (n_head, n_query, d_value)
    allowed: Booleans | None = None  # (n_query, n_key), where the way is a mask


def approximate(inspection: Inspection, layer: Layer, way: str) -> Approximation:
    """A layer of an Inspection once more, by `linear`, `performer:R`, `lowrank:R` or a mask.

    Raises:
        UsageError: there is no such way, the layer does not hold query, key and value, or the way
            does not allow the mask or the kind of scores that the layer has.
    """
    query, key, value = layer.query, layer.key, layer.value
    if query is None or key is None or value is None:
        raise UsageError("an approximation needs query, key and value, which are not there")
    name, _, number = way.partition(":")
    allowed = inspection.mask.allowed
    if name not in ("linear", "performer", "lowrank"):
        pattern = _pattern(way, inspection)
        both = pattern if allowed is None or pattern is None else pattern & allowed
        run = attend(
            query,
            key,
            value,
            scale=layer.scale,
            softcap=layer.softcap,
            bias=_bias(layer),
            allowed=both,
            score_vector=layer.score_vector,
        )
        return Approximation(run.weights, run.context, both)
    if layer.score_vector is not None:
        raise UsageError(f"`{way}` approximates products, and the scores are additive")
    key, value = repeated(key, len(query)), repeated(value, len(query))
    if name == "linear" and not number:
        return _by_features(elu_features(query), elu_features(key), value, allowed)
    rank = _rank(way, number)
    generator = Generator(inspection.source.seed or 0)
    scale = 1 / math.sqrt(query.shape[2]) if layer.scale is None else layer.scale
    if name == "performer":
        frequencies = generator.randn(rank, query.shape[2])
        root = np.float32(math.sqrt(scale))
        query = random_features(query * root, frequencies, axis=(2,))
        key = random_features(key * root, frequencies, axis=(1, 2))
        return _by_features(query, key, value, allowed)
    if allowed is not None:
        raise UsageError(f"`{way}` mixes all keys, so it cannot be masked", "Use `--mask none`.")
    return low_rank(query, key, value, generator.randn(rank, key.shape[1]), scale)


def elu_features(x: Floats) -> Floats:
    """elu(x) + 1: above 0 throughout (Katharopoulos et al. 2020, equation 7)."""
    with np.errstate(over="ignore"):
        features: Floats = np.where(x > 0, x + np.float32(1), np.exp(np.minimum(x, 0)))
    return features


def random_features(x: Floats, frequencies: Floats, axis: tuple[int, ...]) -> Floats:
    """exp(ω·x - |x|²/2) / √R, whose products are exp(q·k) on average over ω.

    Positive random features (Choromanski et al. 2021, lemma 1).

    Args:
        x: (n_head, n, d_head) float32, scaled by the root of the scores' scale.
        frequencies: (rank, d_head) float32 ω, standard normal.
        axis: over which the largest exponent is taken off, so that none overflows: a factor that
            no weight sees where it is one for each query, or one for all keys.

    Returns:
        (n_head, n, rank) float32.
    """
    exponents = x @ frequencies.T - np.square(x).sum(axis=-1, keepdims=True) / np.float32(2)
    exponents -= exponents.max(axis=axis, keepdims=True)
    features: Floats = np.exp(exponents) / np.float32(math.sqrt(len(frequencies)))
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
    query: Floats, key: Floats, value: Floats, allowed: Booleans | None
) -> Approximation:
    """φ(q)·φ(k), each row divided by its sum (Katharopoulos et al. 2020, equation 4)."""
    similarity = query @ key.swapaxes(1, 2)
    if allowed is not None:
        similarity = np.where(allowed, similarity, np.float32(0))
    total = similarity.sum(axis=-1, keepdims=True)
    weights = similarity / np.where(total == 0, np.float32(1), total)
    return Approximation(weights, weights @ value)


def _pattern(way: str, inspection: Inspection) -> Booleans | None:
    try:
        if inspection.kind == "cross":
            raise UsageError(f"the mask `{way}` compares places within one text, not across two")
        return masks.allowed(way, len(inspection.query_tokens))
    except UsageError as error:
        if error.message.startswith("there is no mask"):
            known = f"Use: {', '.join(KINDS)}, or a mask as for `--mask`."
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


def _rank(way: str, number: str) -> int:
    if not (number.isascii() and number.isdigit() and 1 <= int(number[:6]) <= 100_000):
        name = way.partition(":")[0]
        written = name if name == "linear" else f"{name}:R"
        raise UsageError(f"`{way}` should be written `{written}`, with R from 1 to 100000")
    return int(number[:6])
