"""Tokens: the words of the queries and of the keys, from a file, from a person, or their positions.

Tokens that do not match the axes are never put beside them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from attn_cli.errors import DataError
from attn_cli.files.foreign import Hints
from attn_cli.files.foreign.names import Stack, role_of, words
from attn_cli.files.foreign.tensors import Tensors
from attn_cli.inspection import Token
from attn_cli.strict_json import decoded, parse, shown

if TYPE_CHECKING:
    from attn_cli.types import Integers

_TOKENS = ("tokens", "token", "words", "labels", "strings")
_TEXTS = ("text", "sentence", "prompt")
_SIDES = {
    "query": ("query", "queries", "decoder", "target", "tgt", "dec"),
    "key": ("key", "keys", "encoder", "source", "src", "enc"),
}
# What tokenizers add around a text: [CLS], <s>, <|endoftext|>, <pad>.
_SPECIAL = re.compile(r"\[[A-Z]+\]|</?s>|<\|.+\|>|<(bos|eos|pad|unk|mask|cls|sep)>")


class Labels(NamedTuple):
    """What stands beside the rows and above the columns."""

    query: tuple[Token, ...]
    key: tuple[Token, ...]  # none where they are the queries
    ids: Integers | None
    text: str
    doubts: tuple[str, ...]


def parse_list(data: bytes, name: str) -> tuple[str, ...]:
    """The tokens in a file: a JSON array of strings, or one token a line.

    Raises:
        DataError: it is not UTF-8, holds no token, or is JSON of another kind.
    """
    found = _json_in(data, name)
    if found is None:
        lines = decoded(data, name).split("\n")
        if lines[-1] == "":
            lines.pop()
        found = [line.removesuffix("\r") for line in lines]
    elif not isinstance(found, list):
        raise DataError(f"{name} should hold an array of strings", "Or write a token a line.")
    if not found:
        raise DataError(f"{name} holds no tokens", "Write one token a line, or a JSON array.")
    wrong = next((i for i, token in enumerate(found) if not isinstance(token, str)), None)
    if wrong is not None:
        raise DataError(f"{name}: `[{wrong}]` is not a string: {shown(found[wrong])}")
    return tuple(found)


def _json_in(data: bytes, name: str) -> Any:
    """The JSON that a file is; None if it is lines, whose first may be `[CLS]`.

    Raises:
        DataError: it is JSON, and broken.
    """
    start = re.match(rb'(\xef\xbb\xbf)?\s*[\[{]\s*("?)', data)
    if start is None:
        return None
    try:
        return parse(data, name)
    except DataError as error:
        if start[2] or "is not usable JSON" in error.message:
            raise
        return None


def length(tensors: Tensors, hints: Hints) -> int | None:
    """How many tokens there are, where one list of them is known; before any axis is."""
    if hints.tokens is not None:
        return len(hints.tokens)
    found = _listed(tensors, hints, "", "")
    return len(found) if found is not None else None


def labels(
    tensors: Tensors, hints: Hints, stack: Stack, sizes: tuple[int, int], *, causal: bool
) -> Labels:
    """Tokens for so many queries and keys; positions where there are none that fit."""
    n_query, n_key = sizes
    same = n_query == n_key and stack != "cross"
    doubts: list[str] = []
    query_words = _side(tensors, hints, "query", stack)
    key_words = _side(tensors, hints, "key", stack)
    if causal and n_query < n_key and key_words is not None and len(key_words) == n_key:
        query_words = key_words[-n_query:]  # the last of them ask, as when a text is generated
    query = _fitting(query_words, n_query, "queries", doubts)
    key: tuple[Token, ...] = ()
    if not same:
        key = _fitting(key_words, n_key, "keys", doubts)
    return Labels(
        query or _positions(n_query, n_key - n_query if causal else 0),
        () if same else key or _positions(n_key),
        _ids(tensors, hints, n_query),
        _text(tensors, hints),
        tuple(doubts),
    )


def _positions(count: int, first: int = 0) -> tuple[Token, ...]:
    return tuple(Token(str(i)) for i in range(first, first + count))


def _fitting(
    found: Sequence[str] | None, size: int, axis: str, doubts: list[str]
) -> tuple[Token, ...]:
    if found is None:
        return ()
    if len(found) != size:
        doubts.append(
            f"there are {len(found)} tokens for {size} {axis}: they do not match; shown are "
            "positions"
        )
        return ()
    return tuple(Token(word, special=bool(_SPECIAL.fullmatch(word))) for word in found)


def _side(tensors: Tensors, hints: Hints, side: str, stack: Stack) -> Sequence[str] | None:
    """The words of the queries or of the keys: those named for that side, or those of the text."""
    if hints.tokens is not None:
        return hints.tokens
    for wanted in (side if stack in ("", "cross") else "", stack):
        found = _listed(tensors, hints, wanted, stack) if wanted else None
        if found is not None:
            return found
    return _listed(tensors, hints, "", stack)


def _listed(tensors: Tensors, hints: Hints, wanted: str, stack: Stack) -> Sequence[str] | None:
    """The list of words whose name says tokens and, with `wanted`, whose they are."""
    lists = {name: value for name, value in tensors.words.items() if isinstance(value, list)}
    named = {name: v for name, v in lists.items() if set(words(name)[-1:]) & set(_TOKENS)}
    marks = {mark for side in _SIDES.values() for mark in side}
    if wanted:
        own = set(_SIDES.get(wanted, ())) | {wanted}
        found = [value for name, value in named.items() if own & set(words(name))]
    else:
        plain = named or (lists if len(lists) == 1 else {})
        found = [value for name, value in plain.items() if not marks & set(words(name))]
    return _one_text(found[0], hints.batch) if len(found) == 1 else None


def _one_text(found: Any, batch: int | None) -> Sequence[str] | None:
    """A list of strings, or the one of a batch."""
    if found and isinstance(found[0], list):
        found = found[batch or 0] if (batch or 0) < len(found) else None
    good = isinstance(found, list) and all(isinstance(word, str) for word in found)
    return found if good else None


def _ids(tensors: Tensors, hints: Hints, n_query: int) -> Integers | None:
    """The ids of the query tokens, if an array so called has as many."""
    for name, array in tensors.arrays.items():
        if role_of(name) == "ids" and array.dtype.kind in "iuf" and array.ndim in (1, 2):
            row = array if array.ndim == 1 else array[hints.batch or 0 : (hints.batch or 0) + 1]
            row = row.reshape(-1).astype(np.float64)  # exact up to 2**53
            whole = (np.abs(row) < 2**53) & (row == np.floor(row))
            if row.shape == (n_query,) and whole.all():
                return row.astype(np.int64)
    return None


def _text(tensors: Tensors, hints: Hints) -> str:
    for name, value in tensors.words.items():
        if set(words(name)[-1:]) & set(_TEXTS):
            if isinstance(value, list) and len(value) > (hints.batch or 0):
                value = value[hints.batch or 0]
            if isinstance(value, str):
                return value
    return ""
