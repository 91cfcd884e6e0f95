"""The tutorial: a sentence through seeded weights, step by step as the sources print them.

It carries out a recipe: draws weights and calls `attention`. It reads no files and draws no
pictures.

Dimensions: n_query words look at n_key words (the same ones, or those of a second text) through
n_head heads, whose keys and values are n_kv_head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from attn_cli import __version__, memory
from attn_cli.attention import attend
from attn_cli.draws import Weights, draw_weights, dropout_factors
from attn_cli.embedding import Side, embed, own_vectors, tokenize
from attn_cli.errors import DataError, UsageError
from attn_cli.inspection import Inspection, Kind, Layer, Mask, Source, Token, Vectors
from attn_cli.recipes import NO_MASK, Recipe, recipe
from attn_cli.text import Split, count_fewest
from attn_cli.torch_random import Generator
from attn_cli.vocabulary import Vocabulary

if TYPE_CHECKING:
    from attn_cli.types import Booleans, Floats


_TOKEN_BYTES = 200  # what Python takes for a Token


def inspect(
    text: str | None,
    source: str | Recipe = "article",
    *,
    split: Split = "words",
    lowercase: bool = False,
    vocabulary: Vocabulary | None = None,
    unknown: str | None = None,
    cross: str | None = None,
    vectors: Vectors | None = None,
    **choices: Any,
) -> Inspection:
    """Attention over a sentence with a source's seeded weights.

    The generator is seeded and Embedding(vocab_size, d_model) drawn; seeded again, and for each
    head W_query (d_model, d_k), W_key (d_model, d_k) and W_value (d_model, d_v) drawn in that
    order, to be used as x @ W. Scores are scaled by 1/√d_k (Vaswani et al. 2017, equation 1).

    Args:
        text: one text, however many lines; None where named `vectors` are the tokens.
        source: whose recipe: `article`, `blog`, `linear`, `book`; or a Recipe.
        split: how the text is cut into words (see `attn_cli.text.split_text`).
        lowercase: lower-case the words first.
        vocabulary: word → id; by default the sorted distinct words of the text.
        unknown: the entry that stands for words which the vocabulary does not have; added to the
            vocabulary if it is not in it. Without it `<unk>` serves, if the vocabulary has one.
        cross: a second text, from whose words keys and values are made.
        vectors: the embedding itself, instead of one that is drawn; for the book's recipe those
            that it gives, if no others are given.
        choices: other choices than the source's, by the names in `attn_cli.recipes.Recipe`:
            seed, d_model, d_k, d_v, heads, mask, positions and so on.

    Returns:
        An Inspection with one layer: every tensor on the way, float32.

    Raises:
        DataError: the text is empty or has no words, or a word is not in the vocabulary.
        UsageError: a choice is out of range or contradicts another, or the arrays would not fit
            into memory.

    >>> run = inspect("Life is short, eat dessert first")
    >>> run.token_ids.tolist()
    [0, 4, 5, 2, 1, 3]
    >>> run.layers[0].weights[0, 1].round(4).tolist()[:3]
    [0.03860000148415661, 0.6869999766349792, 0.020400000736117363]
    """
    made = recipe(source, **choices)
    vectors = own_vectors(made) if vectors is None else vectors
    made = fitted(made, vectors, choices.get("d_model"))
    _require_sense(made, cross, vectors, vocabulary, unknown)
    if text is not None:  # what is far too long need not be cut to be refused
        fewest = count_fewest(text, split)
        n_key = made.cross_rand or (fewest if cross is None else count_fewest(cross, split))
        _require_memory(made, fewest, n_key)
    tokens = tokenize(text, vectors, split, lowercase)
    others = tokens if cross is None else _other_tokens(cross, split, lowercase)
    _require_memory(made, len(tokens), made.cross_rand or len(others))
    known, query_side, key_side, stream = embed(
        made, tokens, others, vectors=vectors, vocabulary=vocabulary, unknown=unknown
    )
    weights, random = draw(made, Generator(made.seed) if made.reseed else stream)
    if random is not None:
        key_side = Side(tuple(Token(f"x{i}") for i in range(len(random))), None, random, None)
    allowed = _allowed(made, len(tokens))
    is_cross = key_side is not query_side
    return Inspection(
        text=" ".join(token.text for token in tokens) if text is None else text,
        kind="cross" if is_cross else _kind(allowed),
        query_tokens=query_side.tokens,
        key_tokens=key_side.tokens,
        token_ids=query_side.ids,
        vocabulary=known,
        embedding=query_side.embedded,
        position_code=query_side.code,
        key_text=cross,
        key_ids=key_side.ids if is_cross else None,
        key_embedding=key_side.embedded if is_cross else None,
        mask=Mask(name=made.mask, allowed=allowed),
        layers=(_layer(made, query_side.embedded, key_side.embedded, weights, allowed),),
        source=_source(made, split, lowercase),
    )


def draw(made: Recipe, generator: Generator) -> tuple[Weights | None, Floats | None]:
    """The weights, and the random vectors (cross_rand, d_model) that may follow them."""
    weights = None if made.init == "none" else draw_weights(made, generator)
    random = None if made.cross_rand is None else generator.rand(made.cross_rand, made.d_model)
    return weights, random


def fitted(made: Recipe, vectors: Vectors | None, d_model: int | None) -> Recipe:
    """The recipe with the widths that given vectors, or the lack of weights, leave it."""
    if vectors is not None:
        width = vectors.rows.shape[1]
        if d_model not in (None, width):
            raise UsageError(f"the vectors are {width} wide, and --d-model is {d_model}")
        made = made._replace(d_model=width)
    if made.init != "none":
        return made
    if made.rope_base is not None and made.d_model % 2:
        raise UsageError(
            f"rotary positions turn pairs: the vectors are {made.d_model} wide, an odd number"
        )
    return made._replace(d_k=made.d_model, d_v=made.d_model)


def _require_sense(
    made: Recipe,
    cross: str | None,
    vectors: Vectors | None,
    vocabulary: Vocabulary | None,
    unknown: str | None,
) -> None:
    if vectors is not None and (vocabulary is not None or unknown is not None):
        raise UsageError(
            "the vectors are given, so a vocabulary (--vocab, --unk) has no rows to choose",
            "Give the vectors (--embeddings, --recipe book) or the vocabulary.",
        )
    if made.cross_rand is None and cross is None:
        return
    if made.cross_rand is not None and cross is not None:
        raise UsageError("both --cross and --cross-rand are given", "Give one of them.")
    if cross is not None and vectors is not None:
        raise UsageError(
            "the vectors are given, and those for a second text (--cross) are not",
            "Use drawn vectors: no --embeddings, and not --recipe book.",
        )
    if made.mask != NO_MASK:
        raise UsageError(f"the mask `{made.mask}` compares places within one text, not across two")
    if made.positions.partition(":")[0] in ("rope", "alibi"):
        raise UsageError(f"`{made.positions}` compares places within one text, not across two")


def _require_memory(made: Recipe, n_query: int, n_key: int) -> None:
    squares = made.heads * (3 + (made.dropout > 0) + (made.positions == "alibi"))
    keys_and_values = made.n_kv_head * (made.d_k + made.d_v)
    coded = made.positions in ("learned", "sinusoidal")  # the code, and its sum with the embedding
    n_bytes = 4 * (
        squares * n_query * n_key
        + max(n_query, n_key) * made.d_model * (1 + 2 * coded)
        + n_query * made.heads * (made.d_k + made.d_v)
        + n_key * keys_and_values
        + made.d_model * (made.heads * made.d_k + keys_and_values)
        + (made.heads * made.d_v) ** 2 * made.out_proj * 3  # drawing takes two more
        + n_key * made.d_k * 2 * (made.rope_base is not None)
    )
    n_bytes += _TOKEN_BYTES * (made.cross_rand or 0)
    others = "" if n_key == n_query else f" to {n_key}"
    memory.require(
        n_bytes,
        f"attention over {n_query} tokens{others} with d_model {made.d_model}, d_k {made.d_k}, "
        f"d_v {made.d_v}" + (f", {made.heads} heads" if made.heads > 1 else ""),
        "Use a shorter text or smaller sizes.",
    )


def _other_tokens(cross: str, split: Split, lowercase: bool) -> tuple[Token, ...]:
    try:
        return tokenize(cross, None, split, lowercase)
    except DataError as error:
        raise DataError(f"of the second text: {error.message}", error.hint) from None


class Projected(NamedTuple):
    """What attention is computed from, float32."""

    query: Floats  # (n_head, n_query, d_head)
    key: Floats  # (n_kv_head, n_key, d_head)
    value: Floats  # (n_kv_head, n_key, d_value)
    rotation: Floats | None  # (n_key, d_head / 2) radians, which are in query and key


def project(made: Recipe, queries: Floats, keys: Floats, weights: Weights | None) -> Projected:
    """Query, key and value of embedded `queries` (n_query, d_model) and `keys` (n_key, d_model)."""
    query, key, value = (queries[None], keys[None], keys[None])
    if weights is not None:
        query, key = queries @ weights.w_query, keys @ weights.w_key
        value = keys @ weights.w_value
    if made.rope_base is None:
        return Projected(query, key, value, None)
    from attn_cli.positions import rotary_angles, rotary_frequencies, rotate

    frequencies = rotary_frequencies(query.shape[2], made.rope_base)
    rotation = rotary_angles(np.arange(len(keys)), frequencies)
    turn = np.cos(rotation), np.sin(rotation)
    return Projected(rotate(query, *turn), rotate(key, *turn), value, rotation)


def scale_of(made: Recipe, d_head: int) -> float:
    """What the scores are multiplied with."""
    return d_head**-0.5 if made.score == "scaled" else 1.0


@np.errstate(over="ignore", invalid="ignore")  # what is too large is refused, with its name
def _layer(
    made: Recipe,
    queries: Floats,
    keys: Floats,
    weights: Weights | None,
    allowed: Booleans | None,
) -> Layer:
    """Attention from embedded `queries` (n_query, d_model) to embedded `keys` (n_key, d_model)."""
    query, key, value, rotation = project(made, queries, keys, weights)
    dropout = None
    if made.dropout:
        dropout = dropout_factors(made, (made.heads, len(queries), len(keys)))
    scale = scale_of(made, query.shape[2])
    run = attend(
        query,
        key,
        value,
        scale=scale,
        softcap=made.softcap,
        bias=position_bias(made, len(keys)),
        allowed=allowed,
        score_vector=None if weights is None else weights.score_vector,
        normalize=made.normalize,
        dropout=dropout,
    )
    if not np.isfinite(run.scores).all():
        raise DataError("the scores are larger than float32 holds", "Use smaller vectors.")
    return Layer(
        scale=scale,
        softcap=made.softcap,
        query=query,
        key=key,
        value=value,
        rotation=rotation,
        dropout=dropout,
        output=joined(run.context, weights),
        **run._asdict(),
        **({} if weights is None else weights._asdict()),
    )


def position_bias(made: Recipe, n: int) -> Floats | None:
    """What alibi adds to the scaled scores of `n` tokens: (n_head, n, n); None without alibi."""
    if made.positions != "alibi":
        return None
    from attn_cli.positions import alibi_slopes

    place = np.arange(n, dtype=np.float32)
    bias: Floats = -alibi_slopes(made.heads)[:, None, None] * np.abs(place[:, None] - place)
    return bias


def joined(context: Floats, weights: Weights | None) -> Floats | None:
    """The heads' contexts side by side, projected where there is a projection: (n_query, d_out)."""
    n_head, n_query, d_value = context.shape
    side_by_side = context.swapaxes(0, 1).reshape(n_query, n_head * d_value)
    if weights is not None and weights.w_output is not None:
        projected: Floats = side_by_side @ weights.w_output.reshape(n_head * d_value, -1)
        return projected if weights.b_output is None else projected + weights.b_output
    return side_by_side if n_head > 1 else None


def _allowed(made: Recipe, n: int) -> Booleans | None:
    if made.mask == NO_MASK:
        return None
    from attn_cli.masks import allowed

    return allowed(made.mask, n)


def _kind(allowed: Booleans | None) -> Kind:
    looks_ahead = allowed is None or bool(np.triu(allowed, 1).any())
    return "self" if looks_ahead else "causal"


def _source(made: Recipe, split: Split, lowercase: bool) -> Source:
    settings: dict[str, Any] = {k: v for k, v in made._asdict().items() if v is not None}
    del settings["name"], settings["seed"]
    return Source(
        recipe=made.name,
        seed=made.seed,
        settings=settings | {"split": split, "lowercase": lowercase},
        version=__version__,
    )
