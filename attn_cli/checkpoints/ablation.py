"""Ablation: what a model's output would be without a head, or without one weight of it.

A large weight is not importance: this runs the model again and measures. It knows no tokens' names
and draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from attn_cli.checkpoints.transformer import Edit, Run, Transformer
from attn_cli.errors import UsageError
from attn_cli.selection import numbers

if TYPE_CHECKING:
    from attn_cli.checkpoints.architecture import Architecture
    from attn_cli.types import Floats, Integers

Replacement = Literal["zero", "mean"]
MOST_EDGES = 8  # weights of a head that are taken away one by one: each is a run of the model


class Head(NamedTuple):
    """A head by its numbers."""

    layer: int
    head: int


class Outcome(NamedTuple):
    """What a model makes of a text."""

    hidden: Floats  # (n, d_model) the last layer's representation
    next: Floats | None  # (n_vocab,) probabilities of the next token, of a decoder


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What taking something away did."""

    heads: tuple[Head, ...]
    edge: tuple[int, int] | None = None  # query and key, where one weight alone was taken away
    weight: float | None = None  # of that edge
    moved: float  # how far the last representations moved: mean of |h' - h| / |h| over the tokens
    divergence: float | None  # of the next token's probabilities, in bits: KL(p || p')
    before: float | None  # the probability of the token that was likeliest
    after: float | None


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """A text through a model whole, and again without some heads and weights of theirs."""

    replacement: Replacement
    likeliest: int | None  # the next token that a decoder finds likeliest
    effects: tuple[Effect, ...]


def parse(specification: str, arch: Architecture) -> tuple[Head, ...]:
    """The heads that `3.5`, `2.0-3` or `3.5,2.1` name: layer, a point, head.

    Raises:
        UsageError: it is written otherwise, or there is no such layer or head.
    """
    malformed = UsageError(
        f"--ablate cannot be `{specification}`", "Write layer.head, such as: 3.5 or 2.0-3."
    )
    found: list[Head] = []
    for part in specification.split(","):
        layers, _, heads = part.partition(".")
        found += [
            Head(layer, head)
            for layer in numbers(layers, len(arch.layers), "layer", malformed)
            for head in numbers(heads, arch.n_head, "head", malformed)
        ]
    return tuple(dict.fromkeys(found))


def ablate(
    model: Transformer,
    token_ids: Integers,
    types: Integers | None,
    heads: Sequence[Head],
    replacement: Replacement = "zero",
) -> Ablation:
    """Run a text whole, without all the heads at once, without each, and without single weights.

    Args:
        model: an encoder or a decoder, with nothing beside it.
        token_ids: (n,) of the text.
        types: (n,) token types, where the model has them.
        heads: which; of each the largest weights are also taken away one by one.
        replacement: what stands for a head's context: zeros, or its mean over the text.

    Raises:
        DataError: as `Run`.
    """
    whole = _outcome(model, token_ids, types, None)
    likeliest = None if whole.next is None else int(np.argmax(whole.next))

    def effect(edit: Edit, gone: Sequence[Head], **edge: object) -> Effect:
        without = _outcome(model, token_ids, types, edit)
        size = np.linalg.norm(whole.hidden, axis=-1)
        apart = np.linalg.norm(without.hidden - whole.hidden, axis=-1)
        divergence = before = after = None
        if whole.next is not None and without.next is not None and likeliest is not None:
            divergence = _divergence(whole.next, without.next)
            before, after = float(whole.next[likeliest]), float(without.next[likeliest])
        return Effect(
            heads=tuple(gone),
            moved=float(np.mean(apart / np.where(size == 0, np.float32(1), size))),
            divergence=divergence,
            before=before,
            after=after,
            **edge,  # type: ignore[arg-type]
        )

    effects = [effect(_without_heads(heads, replacement), heads)] if len(heads) > 1 else []
    for head in heads:
        effects.append(effect(_without_heads([head], replacement), [head]))
        for query, key, weight, part in _edges(model, token_ids, types, head):
            edit = _without_part(head, query, part)
            effects.append(effect(edit, [head], edge=(query, key), weight=weight))
    return Ablation(replacement=replacement, likeliest=likeliest, effects=tuple(effects))


def _outcome(
    model: Transformer, token_ids: Integers, types: Integers | None, edit: Edit | None
) -> Outcome:
    hidden = Run(model, token_ids, types=types, edit=edit).finish()
    if model.architecture.kind != "causal" or not model.has_head:
        return Outcome(hidden, None)
    logits = model.next_logits(hidden[-1:])[0].astype(np.float64)
    powers = np.exp(logits - logits.max())
    return Outcome(hidden, (powers / powers.sum()).astype(np.float32))


def _divergence(p: Floats, q: Floats) -> float:
    """KL(p || q) in bits (Kullback & Leibler 1951), with what float32 rounds to 0 counted as 0."""
    wide, other = p.astype(np.float64), np.maximum(q.astype(np.float64), 1e-45)
    there = wide > 0
    return float(max((wide[there] * np.log2(wide[there] / other[there])).sum(), 0.0))


def _without_heads(heads: Iterable[Head], replacement: Replacement) -> Edit:
    by_layer: dict[int, list[int]] = {}
    for layer, head in heads:
        by_layer.setdefault(layer, []).append(head)

    def edit(layer: int, context: Floats) -> Floats:
        if layer not in by_layer:
            return context
        changed: Floats = context.copy()
        gone = by_layer[layer]
        # The mean is over the tokens of the text: what the head says whatever the token.
        changed[gone] = context[gone].mean(axis=1, keepdims=True) if replacement == "mean" else 0
        return changed

    return edit


def _without_part(head: Head, query: int, part: Floats) -> Edit:
    def edit(layer: int, context: Floats) -> Floats:
        if layer != head.layer:
            return context
        changed: Floats = context.copy()
        changed[head.head, query] -= part
        return changed

    return edit


def _edges(
    model: Transformer, token_ids: Integers, types: Integers | None, head: Head
) -> list[tuple[int, int, float, Floats]]:
    """A head's largest weights: query, key, weight, and what it adds to the query's context.

    A query that may look at one key alone has no choice, and is passed over.
    """
    run = Run(model, token_ids, types=types)
    layer = next(iter(run.layers([head.layer], ("weights", "value")))).own
    assert layer.value is not None
    weights = layer.weights[head.head]
    value = layer.value[head.head * len(layer.value) // len(layer.weights)]
    free = np.where((weights > 0).sum(axis=1, keepdims=True) > 1, weights, np.float32(-1))
    order = np.argsort(-free, axis=None, kind="stable")[:MOST_EDGES]
    places = [divmod(int(place), weights.shape[1]) for place in order]
    return [
        (query, key, float(weights[query, key]), weights[query, key] * value[key])
        for query, key in places
        if free[query, key] > 0
    ]
