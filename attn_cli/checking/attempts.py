"""Attempts: a recipe carried out with mistakes in it, from text to any matrix on the way.

The right steps are `tutorial`'s and `attention`'s; here are only those that somebody gets wrong.

Dimensions: n_head query heads, n_kv_head key/value heads, n_query, n_key, d_head, d_value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from attn_cli import masks
from attn_cli.attention import Attention, attend
from attn_cli.draws import Weights, draw_weights, dropout_factors
from attn_cli.embedding import Embedded, embed, tokenize
from attn_cli.errors import AttnError
from attn_cli.inspection import Vectors
from attn_cli.operations import softmax
from attn_cli.recipes import Recipe
from attn_cli.text import Split
from attn_cli.torch_random import Generator, linear
from attn_cli.tutorial import draw, fitted, joined, position_bias, project, scale_of
from attn_cli.vocabulary import Vocabulary

if TYPE_CHECKING:
    from attn_cli.types import Booleans, Floats

_MOST_SKIPPED = 1 << 26  # numbers of an embedding that are drawn only to be passed over


# What a matrix can be. `joined` is the heads' contexts side by side before an output projection,
# `unprojected` the embedding mixed by the weights.
What = Literal[
    "embedding",
    "query",
    "key",
    "value",
    "scores",
    "logits",
    "weights",
    "dropped",
    "context",
    "output",
    "joined",
    "unprojected",
]
Numbering = Literal["recipe", "gaps", "caseless", "from-one"]
Scale = Literal["recipe", "1", "√d_k", "√d_model", "d_k", "×√d_k", "√(heads·d_k)", "√d_v"]
Softmax = Literal["keys", "queries", "heads", "all", "sum", "none"]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Everything that decides the numbers: the recipe, and how its steps are carried out."""

    recipe: Recipe = field(default_factory=Recipe)
    what: What = "weights"
    # From text to embedding and weights
    split: Split = "words"
    lowercase: bool = False
    numbering: Numbering = "recipe"
    numbers_words: bool = True  # ids come from the words, not from a file
    draws_table: bool = True  # the embedding is drawn, not given
    alone: bool = True  # the text looks at itself
    reseeds_each: bool = False  # the seed is set before each of W_query, W_key, W_value
    bias: bool = False  # Linear layers with their bias
    # From query, key and value to a matrix
    roles: str = "qk"  # the two whose products are the scores
    scale: Scale = "recipe"
    softmax: Softmax = "keys"
    mask: str = "none"  # of `attn_cli.masks`, or `ahead`, `behind`, `later`
    mask_place: Literal["before", "after", "zero"] = "before"  # … the softmax
    dropout: float | Literal["recipe", "inferred"] = "recipe"
    mixing: Literal["rows", "columns"] = "rows"  # of the weights mix the values
    heads: Literal["each", "mean", "permuted"] = "each"
    turned: bool = False  # the matrix is handed in transposed

    @property
    def drawing(self) -> Attempt:
        """The attempt as far as query, key and value depend on it."""
        return Attempt(
            recipe=self.recipe,
            split=self.split,
            lowercase=self.lowercase,
            numbering=self.numbering,
            reseeds_each=self.reseeds_each,
            bias=self.bias,
        )


class Text(NamedTuple):
    """What is attended to, however it is done."""

    text: str | None
    cross: str | None = None
    vectors: Vectors | None = None
    vocabulary: Vocabulary | None = None
    unknown: str | None = None


class Drawn(NamedTuple):
    """What an attempt has before attention begins; float32."""

    queries: Floats  # (n_query, d_model), embedded
    keys: Floats  # (n_key, d_model)
    weights: Weights | None
    query: Floats  # (n_head, n_query, d_head)
    key: Floats  # (n_kv_head, n_key, d_head)
    value: Floats  # (n_kv_head, n_key, d_value)


def drawer(given: Text, keep: int = 256) -> Callable[[Attempt], Drawn | None]:
    """What draws embedding and weights of an attempt; None where it could not even be run.

    Most mistakes leave one of the two as it is, so as many as `keep` of each are remembered.
    """
    embedded = lru_cache(maxsize=keep)(partial(_embedded, given))
    weighted = lru_cache(maxsize=keep)(_weighted)

    def drawn(attempt: Attempt) -> Drawn | None:
        made = fitted(attempt.recipe, given.vectors, None)
        try:
            if made.reseed:
                unweighted = made._replace(**_NO_WEIGHTS)
                both = embedded(replace(attempt, recipe=unweighted, bias=False, reseeds_each=False))
                # The seed alone ties the weights to the embedding.
                weights, biases, random = weighted(
                    made._replace(vocab_size=None, sort=True), attempt.bias, attempt.reseeds_each
                )
            else:
                if (made.vocab_size or 0) * made.d_model > _MOST_SKIPPED:
                    return None
                both = _embedded(given, replace(attempt, recipe=made))
                (weights, random), biases = draw(made, both.stream), None
        except AttnError:  # a mistake that cannot be made: no student's numbers come from it
            return None
        queries, keys = both.queries.embedded, both.keys.embedded
        keys = keys if random is None else random
        query, key, value, _ = project(made, queries, keys, weights)
        if biases is not None:
            query, key, value = (
                part + bias for part, bias in zip((query, key, value), biases, strict=True)
            )
        return Drawn(queries, keys, weights, query, key, value)

    return lru_cache(maxsize=keep)(drawn)


# What of a recipe is of no concern to the embedding, all set to one value.
_NO_WEIGHTS: dict[str, Any] = {
    "order": "qkv",
    "init": "rand",
    "transposed": False,
    "out_proj": False,
}


def _embedded(given: Text, attempt: Attempt) -> Embedded:
    split, lowercase = attempt.split, attempt.lowercase
    tokens = tokenize(given.text, given.vectors, split, lowercase)
    others = tokens if given.cross is None else tokenize(given.cross, None, split, lowercase)
    vocabulary = given.vocabulary
    if attempt.numbering != "recipe":
        both = (*tokens, *(others if others is not tokens else ()))
        vocabulary = _numbered([token.text for token in both], attempt.numbering)
    return embed(
        attempt.recipe,
        tokens,
        others,
        vectors=given.vectors,
        vocabulary=vocabulary,
        unknown=given.unknown,
    )


def _numbered(words: list[str], numbering: str) -> Vocabulary:
    if numbering == "gaps":  # of equal words the last one's number stays
        return Vocabulary({word: index for index, word in enumerate(sorted(words))})
    key = str.lower if numbering == "caseless" else None
    distinct = sorted(dict.fromkeys(words), key=key)
    return Vocabulary({w: i for i, w in enumerate(distinct, start=numbering == "from-one")})


def _weighted(
    made: Recipe, with_bias: bool, reseeds_each: bool
) -> tuple[Weights | None, tuple[Floats, ...] | None, Floats | None]:
    """Weights, the biases of query, key and value (n_head, 1, d) if any, and random keys if any."""
    generator = Generator(made.seed)
    if with_bias:
        return *_with_bias(made, generator), None
    weights, random = draw(made, generator)
    if reseeds_each and weights is not None:
        key, value = (
            draw_weights(made._replace(order=order), Generator(made.seed))
            for order in ("kqv", "vqk")
        )
        weights = weights._replace(w_key=key.w_key, w_value=value.w_value)
    return weights, None, random


def _with_bias(made: Recipe, generator: Generator) -> tuple[Weights, tuple[Floats, ...]]:
    """Heads of three Linear layers each, with the bias that torch gives them by default."""
    parts: dict[str, list[Floats]] = {"q": [], "k": [], "v": []}
    biases: dict[str, list[Floats]] = {"q": [], "k": [], "v": []}
    for _ in range(made.heads):
        for name in made.order:
            weight, bias = linear(generator, made.d_model, made.d_v if name == "v" else made.d_k)
            assert bias is not None
            parts[name].append(weight.T)
            biases[name].append(bias[None])
    weights = Weights(*(np.stack(parts[name]) for name in "qkv"))
    return weights, tuple(np.stack(biases[name]) for name in "qkv")


def tensor(drawn: Drawn, attempt: Attempt) -> tuple[Floats | None, float]:
    """The matrix that an attempt hands in, and the largest logit on the way to it (else 1).

    Returns:
        (rows, columns) or (n_head, rows, columns) float32; None where the attempt has none.
    """
    what = attempt.what
    if what == "embedding":
        return drawn.queries, 1.0
    if what in ("query", "key", "value"):
        part: Floats = getattr(drawn, what)
        return part, 1.0
    allowed = _allowed(attempt, drawn.key.shape[1])
    run = _attended(drawn, attempt, allowed)
    if what == "scores":
        return run.scores, 1.0
    if what == "logits":
        return run.logits, 1.0
    finite = run.logits[np.isfinite(run.logits)]
    weights = _weights(run, attempt, allowed)
    return _mixed(drawn, attempt, weights), float(np.abs(finite).max(initial=0.0))


def _allowed(attempt: Attempt, n: int) -> Booleans | None:
    """The mask, (n, n): a right one by its name, or one of the triangles that are not."""
    offset = {"ahead": 1, "behind": -1}.get(attempt.mask)
    if offset is not None:
        seen: Booleans = np.tri(n, k=offset, dtype=bool)
        return seen
    if attempt.mask == "later":
        later: Booleans = np.tri(n, dtype=bool).T
        return later
    return masks.allowed(attempt.mask, n)


def _attended(drawn: Drawn, attempt: Attempt, allowed: Booleans | None) -> Attention:
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
        score_vector=None if drawn.weights is None else drawn.weights.score_vector,
    )
    if allowed is None or attempt.mask_place != "zero":
        return run
    logits = np.where(allowed, run.logits, np.float32(0))
    return run._replace(logits=logits, weights=softmax(logits)[0])


def _scale(drawn: Drawn, attempt: Attempt) -> float:
    """What the scores are multiplied with."""
    if attempt.scale == "recipe":
        return scale_of(attempt.recipe, drawn.query.shape[2])
    d_k, d_v = float(drawn.query.shape[2]), float(drawn.value.shape[2])
    scales: dict[str, float] = {
        "1": 1.0,
        "√d_k": d_k**-0.5,
        "√d_model": drawn.queries.shape[1] ** -0.5,
        "d_k": 1 / d_k,
        "×√d_k": d_k**0.5,
        "√(heads·d_k)": (attempt.recipe.heads * d_k) ** -0.5,
        "√d_v": d_v**-0.5,
    }
    return scales[attempt.scale]


def _weights(run: Attention, attempt: Attempt, allowed: Booleans | None) -> Floats:
    """Logits made weights, over the right axis or another: (n_head, n_query, n_key)."""
    kind, logits = attempt.softmax, run.logits
    if kind == "keys":
        weights = run.weights
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
    what, made = attempt.what, attempt.recipe
    if what == "weights":
        return weights
    if isinstance(attempt.dropout, float):
        made = made._replace(dropout=attempt.dropout)
    if what == "dropped" and not made.dropout:
        return None
    mixing = weights
    if made.dropout:
        mixing = weights * dropout_factors(made, weights.shape)
    if what == "dropped":
        return mixing
    if attempt.mixing == "columns":
        mixing = mixing.swapaxes(1, 2)
    if what == "unprojected":
        unprojected: Floats = mixing @ drawn.keys
        return unprojected
    value: Floats = np.repeat(drawn.value, len(weights) // len(drawn.value), axis=0)
    context: Floats = mixing @ value
    if what == "context":
        return context
    return joined(context, drawn.weights if what == "output" else None)
