"""Embedding: what enters the first layer, and what positions add to the logits.

It looks tables up; it attends to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from attn_cli.checkpoints.architecture import Architecture, Positions
from attn_cli.checkpoints.parts import Parts
from attn_cli.checkpoints.weights import Weights
from attn_cli.errors import DataError
from attn_cli.positions import (
    alibi_slopes,
    key_distances,
    relative_buckets,
    spread_by_distance,
)

if TYPE_CHECKING:
    from attn_cli.types import Floats, Integers


def embed(
    arch: Architecture, weights: Weights, token_ids: Integers, types: Integers | None, n_before: int
) -> Floats:
    """Words, types and positions, normed and projected as the family does: (n, d_model) float32.

    Args:
        token_ids: (n,) whole numbers.
        types: (n,) the type of each token, or None: all 0.
        n_before: the tokens before these.

    Raises:
        DataError: a token or type is not in its table, or there are more tokens than positions; or
            a tensor is missing or has another shape.
    """
    parts = Parts(arch, weights)
    _require_within(token_ids, arch.n_vocab, "token", weights)
    words = [f"{name}.weight" for name in arch.names["words"].split()]
    x = weights.rows(*words, shape=(arch.n_vocab, arch.d_embedding), index=token_ids)
    x = x * np.float32(arch.embedding_scale)
    if "word_projection" in arch.names and arch.projects_embedding:
        x = parts.linear(x, "word_projection", arch.d_model, bias=False)
    width = x.shape[1]
    if "types" in arch.names:
        types = np.zeros_like(token_ids) if types is None else types
        _require_within(types, arch.n_type, "token type", weights)
        x += _rows(arch, weights, "types", (arch.n_type, width), types)
    if arch.positions is not None:
        places = _places(arch.positions, token_ids, n_before)
        x += _rows(arch, weights, "positions", (arch.positions.n_rows, width), places)
    x = parts.norm(x, "embedding_norm")
    if "embedding_projection" in arch.names and arch.projects_embedding:
        x = parts.linear(x, "embedding_projection", arch.d_model, bias=True)
    return x


def position_bias(arch: Architecture, weights: Weights, n_query: int, n_key: int) -> Floats | None:
    """What the distance of query and key adds to the logits: (n_head, n_query, n_key), or None."""
    if arch.relative is None and not arch.family.alibi:
        return None
    distances = key_distances(n_key)
    if arch.relative is None:  # Press et al. 2022, section 3
        slopes = alibi_slopes(arch.n_head)[:, None]
        return spread_by_distance(slopes * distances.astype(np.float32), n_query)
    relative = arch.relative
    name = f"{arch.names['relative']}.weight"
    table = weights.read(name, shape=(relative.n_row, arch.n_head))
    buckets = relative_buckets(
        distances,
        n_bucket=relative.n_bucket,
        max_distance=relative.max_distance,
        both_sides=relative.both_sides,
    )
    return spread_by_distance(np.ascontiguousarray(table[buckets].T), n_query)


def _rows(
    arch: Architecture, weights: Weights, part: str, shape: tuple[int, int], index: Integers
) -> Floats:
    return weights.rows(f"{arch.names[part]}.weight", shape=shape, index=index)


def _places(positions: Positions, token_ids: Integers, n_before: int) -> Integers:
    """The row of each token in the table of positions."""
    if positions.padding is None:
        places = np.arange(n_before, n_before + len(token_ids)) + positions.offset
    else:
        real = (token_ids != positions.padding).astype(np.int64)
        places = (np.cumsum(real) + n_before) * real + positions.padding
    if places.max() >= positions.n_rows:
        most = positions.n_rows - positions.offset
        raise DataError(
            f"the text has {n_before + len(token_ids)} tokens; the model has {most} positions",
            "Use a shorter text.",
        )
    return places


def _require_within(ids: Integers, n: int, what: str, weights: Weights) -> None:
    wrong = (ids < 0) | (ids >= n)
    if wrong.any():
        message = f"{what} {ids[wrong][0]} is not in the model's table of {n}"
        raise DataError(
            weights.origin.begin(message), "The tokenizer and the weights are not of one model."
        )
