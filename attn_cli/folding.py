"""Folding: an Inspection with fewer, larger tokens: words for pieces, one place for special ones.

Weights are sums over the keys that become one and means over the queries that become one, so every
row still sums to 1. Whatever else a layer held belongs to the tokens that are gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.errors import DataError
from attn_cli.inspection import FOLDED, Inspection, Layer, Token, folded_pieces

if TYPE_CHECKING:
    from attn_cli.types import Booleans, Floats

_Groups = list[list[int]]


def by_words(inspection: Inspection) -> Inspection:
    """One token a word: sums over its pieces as keys, means over them as queries.

    Each token lists the pieces that it is made of. A piece of no word, such as punctuation or a
    special token, stays as it is.
    """
    queries = _words(inspection.query_tokens)
    same = inspection.key_tokens is inspection.query_tokens
    keys = queries if same else _words(inspection.key_tokens)
    key_text = inspection.text if same else inspection.key_text or ""
    query_tokens = _joined(inspection.query_tokens, queries, inspection.text)
    return _folded(
        inspection,
        queries,
        keys,
        query_tokens,
        query_tokens if same else _joined(inspection.key_tokens, keys, key_text),
    )


def fold_special(inspection: Inspection) -> Inspection:
    """All special tokens as one key, `[special]`, after the others; as queries they are gone.

    In a text without special tokens its first token is taken, on which attention rests just so
    (Xiao et al. 2024, "attention sinks").

    Raises:
        DataError: there are no other tokens.
    """
    same = inspection.key_tokens is inspection.query_tokens
    queries = _ordinary(inspection.query_tokens)
    keys = queries if same else _ordinary(inspection.key_tokens)
    if not same and inspection.kind != "cross":  # the last tokens of a text, as it is generated
        everyone = range(len(inspection.query_tokens))
        queries = [i for i in everyone if not inspection.query_tokens[i].special] or [*everyone]
    if not queries or not keys:
        raise DataError("all tokens are special: nothing would be left")
    sinks = [place for place in range(len(inspection.key_tokens)) if place not in set(keys)]
    folded = Token(
        FOLDED, special=True, pieces=tuple(inspection.key_tokens[place].text for place in sinks)
    )
    return _folded(
        inspection,
        [[place] for place in queries],
        [*([place] for place in keys), sinks],
        tuple(inspection.query_tokens[place] for place in queries),
        (*(inspection.key_tokens[place] for place in keys), folded),
    )


def sink_mass(inspection: Inspection) -> tuple[str, Floats]:
    """What attention rests on without need, and how much of it does: (n_layer, n_head) float32.

    The mean weight, over the queries that are not special, of the special tokens, or of the first
    token where there are none.
    """
    keys = inspection.key_tokens
    if folded_pieces(keys):
        looking = (layer.weights[..., -1:] for layer in inspection.layers)
        return FOLDED, np.stack([weights.sum(axis=2).mean(axis=1) for weights in looking])
    sinks = [place for place in range(len(keys)) if place not in set(_ordinary(keys))]
    rows = _ordinary(inspection.query_tokens) or list(range(len(inspection.query_tokens)))
    name = " and ".join(dict.fromkeys(keys[place].text for place in sinks))
    looking = (layer.weights[:, rows][:, :, sinks] for layer in inspection.layers)
    return name, np.stack([weights.sum(axis=2).mean(axis=1) for weights in looking])


def _ordinary(tokens: Sequence[Token]) -> list[int]:
    """The places of the tokens that are not special; without special ones, of all but the first."""
    places = [place for place, token in enumerate(tokens) if not token.special]
    return places[1:] if len(places) == len(tokens) else places


def _words(tokens: Sequence[Token]) -> _Groups:
    """Neighbouring pieces of one word together, all others alone."""
    groups: _Groups = []
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else None
        if before is not None and token.word is not None and before.word == token.word:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def _joined(tokens: Sequence[Token], groups: _Groups, text: str) -> tuple[Token, ...]:
    joined = []
    for places in groups:
        pieces = [tokens[place] for place in places]
        if len(pieces) == 1:
            joined.append(pieces[0])
            continue
        spans = [piece.span for piece in pieces if piece.span is not None]
        span = (min(start for start, _ in spans), max(end for _, end in spans)) if spans else None
        shown = "".join(piece.text for piece in pieces)
        if span is not None and 0 <= span[0] < span[1] <= len(text):
            shown = text[span[0] : span[1]]
        names = tuple(piece.text for piece in pieces)
        joined.append(Token(shown, span, False, pieces[0].word, names))
    return tuple(joined)


def _folded(
    inspection: Inspection,
    queries: _Groups,
    keys: _Groups,
    query_tokens: tuple[Token, ...],
    key_tokens: tuple[Token, ...],
) -> Inspection:
    allowed = inspection.mask.allowed
    mask = inspection.mask
    if allowed is not None:
        mask = replace(mask, allowed=_any(allowed, queries, keys))
    return replace(
        inspection,
        query_tokens=query_tokens,
        key_tokens=key_tokens,
        token_ids=None,
        key_ids=None,
        embedding=None,
        position_code=None,
        key_embedding=None,
        mask=mask,
        layers=tuple(_folded_layer(layer, queries, keys) for layer in inspection.layers),
    )


def _folded_layer(layer: Layer, queries: _Groups, keys: _Groups) -> Layer:
    exact = layer.weights.astype(np.float64)  # sums of many float32 would lose mass
    sums = np.stack([exact[..., places].sum(axis=-1) for places in keys], axis=-1)
    means = np.stack([sums[:, places].mean(axis=1) for places in queries], axis=1)
    weights = means.astype(np.float32)
    allowed = None if layer.allowed is None else _any(layer.allowed, queries, keys)
    return Layer(index=layer.index, head_index=layer.head_index, weights=weights, allowed=allowed)


def _any(allowed: Booleans, queries: _Groups, keys: _Groups) -> Booleans:
    """Where some query of a group may look at some key of a group."""
    columns = np.stack([allowed[:, places].any(axis=1) for places in keys], axis=1)
    return np.stack([columns[places].any(axis=0) for places in queries])
