"""Attempts: a recipe carried out with mistakes in it, from text to any matrix on the way.

The right steps are `tutorial`'s and `attention`'s; here are only those that somebody gets wrong.

Dimensions: n_head query heads, n_kv_head key/value heads, n_query, n_key, d_head, d_value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from attn_cli import masks
from attn_cli.attention import attend
from attn_cli.draws import dropout_factors
from attn_cli.errors import AttnError
from attn_cli.inspection import Inspection
from attn_cli.mistakes import Attempt
from attn_cli.operations import softmax
from attn_cli.recipes import Recipe
from attn_cli.text import split_text
from attn_cli.torch_random import Generator, linear
from attn_cli.tutorial import inspect, joined, position_bias
from attn_cli.vocabulary import Vocabulary

if TYPE_CHECKING:
    from attn_cli.types import Booleans, Floats

_MOST_SKIPPED = 1 << 26  # numbers of an embedding that are drawn only to be passed over


class Drawn(NamedTuple):
    """What an attempt has before attention begins; float32."""

    inspection: Inspection
    query: Floats  # (n_head, n_query, d_head)
    key: Floats  # (n_kv_head, n_key, d_head)
    value: Floats  # (n_kv_head, n_key, d_value)


def drawer(
    text: str | None, cross: str | None, vocabulary: Vocabulary | None, given: Mapping[str, Any]
) -> Callable[[Attempt], Drawn | None]:
    """What turns an attempt into query, key and value; None where it could not even be run."""

    def run(attempt: Attempt, made: Recipe) -> Inspection:
        numbers = vocabulary
        if attempt.numbering != "recipe":
            words = [
                word.text
                for one in (text, cross)
                if one is not None
                for word in split_text(one, attempt.split, lowercase=attempt.lowercase)
            ]
            numbers = _numbered(words, attempt.numbering)
        return inspect(
            text,
            made,
            split=attempt.split,
            lowercase=attempt.lowercase,
            vocabulary=numbers,
            **given,
        )

    def draw(attempt: Attempt) -> Drawn | None:
        made = attempt.recipe
        if not made.reseed and (made.vocab_size or 0) * made.d_model > _MOST_SKIPPED:
            return None
        try:
            found = run(attempt, made)
            if attempt.bias:
                return _with_bias(found, made)
            if attempt.reseeds_each:
                first = {name: run(attempt, replace(made, order=order)) for name, order in _FIRST}
                return Drawn(found, *(_layer_array(first[name], name) for name in _PARTS))
        except AttnError:  # no student can have come from here either
            return None
        return Drawn(found, *(_layer_array(found, name) for name in _PARTS))

    return draw


_PARTS = ("query", "key", "value")
_FIRST = (("query", "qkv"), ("key", "kqv"), ("value", "vqk"))


def _layer_array(inspection: Inspection, name: str) -> Floats:
    array: Floats = getattr(inspection.layers[0], name)
    return array


def _numbered(words: list[str], numbering: str) -> Vocabulary:
    distinct = sorted(set(words), key=str.lower) if numbering == "caseless" else sorted(set(words))
    if numbering == "gaps":  # a later one of equal words has the last word
        return Vocabulary({word: index for index, word in enumerate(sorted(words))})
    return Vocabulary({w: i for i, w in enumerate(distinct, start=numbering == "from-one")})


def _with_bias(inspection: Inspection, made: Recipe) -> Drawn | None:
    """Heads of three Linear layers each, with the bias that torch gives them by default."""
    if not made.reseed:
        return None
    queries, keys = inspection.embedding, inspection.key_embedding
    assert queries is not None
    keys = queries if keys is None else keys
    generator = Generator(made.seed)
    parts: dict[str, list[Floats]] = {"q": [], "k": [], "v": []}
    for _ in range(made.heads):
        for name in made.order:
            width = made.d_v if name == "v" else made.d_k
            weight, bias = linear(generator, made.d_model, width)
            parts[name].append((queries if name == "q" else keys) @ weight.T + bias)
    return Drawn(inspection, *(np.stack(parts[name]) for name in "qkv"))


def tensor(drawn: Drawn, attempt: Attempt) -> tuple[Floats | None, float]:
    """The matrix that an attempt hands in, and the largest logit on the way to it (else 1).

    Returns:
        (rows, columns) or (n_head, rows, columns) float32; None where the attempt has none.
    """
    what = attempt.what
    if what == "embedding":
        return drawn.inspection.embedding, 1.0
    if what in _PARTS:
        part: Floats = getattr(drawn, what)
        return part, 1.0
    allowed = _allowed(attempt, drawn.key.shape[1])
    scores, logits = _scores(drawn, attempt, allowed)
    if what == "scores":
        return scores, 1.0
    if what == "logits":
        return logits, 1.0
    finite = np.abs(logits, where=np.isfinite(logits), out=np.zeros_like(logits))
    weights = _weights(logits, attempt, allowed)
    return _mixed(drawn, attempt, weights), float(finite.max())


def _allowed(attempt: Attempt, n: int) -> Booleans | None:
    """The mask, (n, n): a right one by its name, or one of the triangles that are not."""
    offset = {"ahead": 1, "behind": -1}.get(attempt.mask)
    if offset is not None:
        return np.tri(n, k=offset, dtype=bool)
    if attempt.mask == "later":
        return np.tri(n, dtype=bool).T
    return masks.allowed(attempt.mask, n)


def _scores(
    drawn: Drawn, attempt: Attempt, allowed: Booleans | None
) -> tuple[Floats, Floats]:
    """Scores and logits, both (n_head, n_query, n_key)."""
    parts = {"q": drawn.query, "k": drawn.key}
    query, key = (parts[role] for role in attempt.roles)
    run = attend(
        query,
        key,
        drawn.value,
        scale=_scale(drawn, attempt),
        softcap=attempt.recipe.softcap,
        bias=position_bias(attempt.recipe, key.shape[1]),
        allowed=allowed if attempt.mask_place == "before" else None,
        score_vector=drawn.inspection.layers[0].score_vector,
    )
    if allowed is not None and attempt.mask_place == "zero":
        return run.scores, np.where(allowed, run.logits, np.float32(0))
    return run.scores, run.logits


def _scale(drawn: Drawn, attempt: Attempt) -> float:
    """What the scores are multiplied with."""
    if attempt.scale == "recipe":
        return drawn.inspection.layers[0].scale or 1.0
    d_k, d_v = float(drawn.query.shape[2]), float(drawn.value.shape[2])
    scales = {
        "1": 1.0,
        "√d_k": d_k**-0.5,
        "√d_model": attempt.recipe.d_model**-0.5,
        "d_k": 1 / d_k,
        "×√d_k": d_k**0.5,
        "√(heads·d_k)": (attempt.recipe.heads * d_k) ** -0.5,
        "√d_v": d_v**-0.5,
    }
    return scales[attempt.scale]


def _weights(logits: Floats, attempt: Attempt, allowed: Booleans | None) -> Floats:
    """Logits made weights, over the right axis or another: (n_head, n_query, n_key)."""
    kind = attempt.softmax
    if kind == "keys":
        weights = softmax(logits)[0]
    elif kind == "queries":
        weights = softmax(logits.swapaxes(1, 2))[0].swapaxes(1, 2)
    elif kind == "heads":
        weights = np.moveaxis(softmax(np.moveaxis(logits, 0, 2))[0], 2, 0)
    elif kind == "all":
        weights = softmax(logits.reshape(len(logits), -1))[0].reshape(logits.shape)
    elif kind == "sum":
        shares = np.where(np.isneginf(logits), np.float32(0), logits)
        weights = shares / shares.sum(axis=2, keepdims=True)
    else:
        weights = logits
    if allowed is not None and attempt.mask_place == "after":
        weights = weights * allowed
    return weights


def _mixed(drawn: Drawn, attempt: Attempt, weights: Floats) -> Floats | None:
    """The weights themselves, or what they make of the values."""
    what, layer = attempt.what, drawn.inspection.layers[0]
    if what == "weights":
        return weights
    factors = layer.dropout if attempt.dropout == "recipe" else None
    if isinstance(attempt.dropout, float) and attempt.dropout:
        factors = dropout_factors(replace(attempt.recipe, dropout=attempt.dropout), weights.shape)
    if what == "dropped":
        return None if factors is None else weights * factors
    mixing = weights if factors is None else weights * factors
    if attempt.mixing == "columns":
        mixing = mixing.swapaxes(1, 2)
    if what == "unprojected":
        inspection = drawn.inspection
        mixed: Floats | None = inspection.key_embedding
        return mixing @ (inspection.embedding if mixed is None else mixed)
    value = np.repeat(drawn.value, len(weights) // len(drawn.value), axis=0)
    context: Floats = mixing @ value
    if what == "context":
        return context
    return joined(context, layer if what == "output" else None)
