"""Embedding: the words of a text become vectors, drawn or given, with the code of their places.

It numbers words and draws tables; what is done with the vectors is `tutorial`'s.

Dimensions: n tokens, d_model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from attn_cli.errors import DataError, UsageError
from attn_cli.inspection import Token, Vectors
from attn_cli.recipes import JOURNEY, Recipe
from attn_cli.text import Split, split_text
from attn_cli.torch_random import Generator, embedding, skip_normals
from attn_cli.vocabulary import Vocabulary

if TYPE_CHECKING:
    from attn_cli.types import Floats, Integers

_Rows: TypeAlias = "Callable[[tuple[Token, ...]], tuple[Integers, Floats]]"


class Side(NamedTuple):
    """What looks, or what is looked at."""

    tokens: tuple[Token, ...]
    ids: Integers | None
    embedded: Floats  # (n, d_model), the code of the places added
    code: Floats | None  # (n, d_model)


class Embedded(NamedTuple):
    """Both texts as vectors; in self-attention they are the same object."""

    vocabulary: Vocabulary | None
    queries: Side
    keys: Side
    stream: Generator  # stands behind the embedding


def embed(
    made: Recipe,
    tokens: tuple[Token, ...],
    others: tuple[Token, ...],
    *,
    vectors: Vectors | None = None,
    vocabulary: Vocabulary | None = None,
    unknown: str | None = None,
) -> Embedded:
    """The tokens that look and those that are looked at, `others`, as `inspect` embeds them."""
    known, rows, stream = (
        _drawn(made, (*tokens, *others), vocabulary, unknown)
        if vectors is None
        else _given(made, vectors, len(tokens))
    )
    code = _position_code(made, max(len(tokens), len(others)), stream)
    query_side = key_side = _side(tokens, rows(tokens), code)
    if others is not tokens:
        key_side = _side(others, rows(others), code)
    return Embedded(known, query_side, key_side, stream)


def own_vectors(made: Recipe) -> Vectors | None:
    """The vectors that the book gives; the other sources draw theirs."""
    if made.name != "book":
        return None
    return Vectors(np.array(list(JOURNEY.values()), dtype=np.float32), list(JOURNEY))


def tokenize(
    text: str | None, vectors: Vectors | None, split: Split, lowercase: bool
) -> tuple[Token, ...]:
    if text is not None:
        words = split_text(text, split, lowercase=lowercase)
        return tuple(Token(w.text, (w.start, w.end), False, i) for i, w in enumerate(words))
    if vectors is None or vectors.names is None:
        raise DataError("the vectors have no names", "Give the text that they stand for, too.")
    return tuple(Token(name, None, False, i) for i, name in enumerate(vectors.names))


def _drawn(
    made: Recipe, tokens: tuple[Token, ...], vocabulary: Vocabulary | None, unknown: str | None
) -> tuple[Vocabulary, _Rows, Generator]:
    """The vocabulary, what gives tokens their ids and rows, and the stream behind the table."""
    names = [token.text for token in tokens]
    if vocabulary is None:
        vocabulary = (
            Vocabulary.of(names)
            if made.sort
            else Vocabulary({name: index for index, name in enumerate(dict.fromkeys(names))})
        )
    known = vocabulary if unknown is None else vocabulary.with_unknown(unknown)
    needed = max(known.values()) + 1 if known else 0
    n_rows = needed if made.vocab_size is None else made.vocab_size
    if needed > n_rows:
        raise UsageError(
            f"the vocabulary needs {needed} rows, the embedding has {n_rows}",
            f"Use `--vocab-size {needed}` or more.",
        )

    def rows(tokens: tuple[Token, ...]) -> tuple[Integers, Floats]:
        encoded = known.encode((token.text for token in tokens), unknown=unknown)
        ids = np.array(encoded, dtype=np.int64)
        return ids, embedding(Generator(made.seed), n_rows, made.d_model, ids)

    stream = Generator(made.seed)
    if made.positions == "learned" or not made.reseed:
        skip_normals(stream, n_rows * made.d_model)
    return known, rows, stream


def _given(
    made: Recipe, vectors: Vectors, n_tokens: int
) -> tuple[Vocabulary | None, _Rows, Generator]:
    """The same for vectors from elsewhere: a token's row is that of its name, or of its place."""
    names = vectors.names
    known = None
    if names is not None and len(set(names)) == len(names):
        known = Vocabulary({name: index for index, name in enumerate(names)})

    def rows(tokens: tuple[Token, ...]) -> tuple[Integers, Floats]:
        if known is not None:
            missing = next((token.text for token in tokens if token.text not in known), None)
            if missing is not None:
                raise DataError(
                    f"there is no vector for the word `{missing}`",
                    "Give the vectors of all words with `--embeddings FILE`.",
                )
            ids = np.array(known.encode(token.text for token in tokens), dtype=np.int64)
        elif len(tokens) == len(vectors.rows):
            ids = np.arange(len(tokens))
        else:
            raise DataError(f"the text has {n_tokens} words, the file {len(vectors.rows)} vectors")
        return ids, vectors.rows[ids]

    return known, rows, Generator(made.seed)


def _position_code(made: Recipe, n: int, stream: Generator) -> Floats | None:
    """What is added to the embedding for each of `n` places: (n, d_model), or nothing."""
    if made.positions == "sinusoidal":
        from attn_cli.positions import sinusoidal_code

        return sinusoidal_code(np.arange(n), made.d_model)
    if made.positions != "learned":
        return None
    if n > made.max_positions:
        raise UsageError(
            f"the text has {n} words, the position table {made.max_positions} rows",
            f"Use `--max-positions {n}` or more.",
        )
    # Of a table of any size only these rows are drawn; what is drawn next begins behind all of it.
    from copy import deepcopy

    start = deepcopy(stream)
    if not made.reseed:
        skip_normals(stream, made.max_positions * made.d_model)
    return embedding(start, made.max_positions, made.d_model, np.arange(n))


def _side(tokens: tuple[Token, ...], found: tuple[Integers, Floats], code: Floats | None) -> Side:
    ids, rows = found
    code = None if code is None else code[: len(tokens)]
    return Side(tokens, ids, rows if code is None else rows + code, code)
