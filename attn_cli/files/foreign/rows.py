"""Rows: whether numbers can be weights of attention, and what to say where they cannot.

A row of weights belongs to a query, has nothing below 0 and sums to 1. What breaks this is refused
with its place, or mended in a way that is said; it is never drawn as if nothing were wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from attn_cli.errors import DataError
from attn_cli.files.foreign import Rows
from attn_cli.inspection import row_tolerance
from attn_cli.operations import lower_triangle, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.types import Booleans, Floats

# Decimals of rounded numbers: from the seventh on rounding hides in float32's own; and how much of
# a row it may have taken or added before the row is no longer shown as one.
_FEWEST_DECIMALS, _MOST_DECIMALS, _MOST_ROUNDED_AWAY = 2, 6, 0.02
_TOGETHER = 1 << 20  # numbers that are looked at at once


class Judged(NamedTuple):
    """Weights that are weights."""

    layers: list[Floats]  # each (n_head, n_query, n_key)
    logits: list[Floats] | None  # where the weights were computed from them
    allowed: Booleans | None  # (n_query, n_key)
    causal: bool
    dtype: str  # the precision that the numbers have
    decimals: int | None  # to which they are rounded
    notes: tuple[str, ...]
    doubts: tuple[str, ...]


class Stack(NamedTuple):
    """The layers of one attention as they came, and what they are called in messages."""

    what: str
    layers: list[Floats]  # each (n_head, n_query, n_key)
    indices: Sequence[int]
    dtype: str
    is_ordered: bool = False  # a person said which axis is what
    given: Sequence[NDArray[Any]] = ()  # the same before they became float32
    is_json: bool = False  # there minus infinity is `null`


def judge(stack: Stack, *, are_logits: bool, causal: bool, rows: Rows | None) -> Judged:
    """Numbers as weights.

    Args:
        are_logits: their name says that the softmax has yet to be taken.
        causal: something says that no query looks at a later key.
        rows: what a person wants done to rows that are no weights.

    Raises:
        DataError: they are no weights; the message says what they look like and where.
    """
    if rows == "softmax":
        return _from_logits(stack, causal)
    if are_logits:
        if not all(map(_sum_to_one, stack.layers)):
            judged = _from_logits(stack, causal)
            doubt = f"{stack.what}: logits or scores are given for weights; shown is their softmax"
            return judged._replace(doubts=(doubt, *judged.doubts))
        judged = _from_weights(stack, causal, rows)
        doubt = f"{stack.what}: called logits or scores, but every row sums to 1: taken for weights"
        return judged._replace(doubts=(doubt, *judged.doubts))
    return _from_weights(stack, causal, rows)


def _from_logits(stack: Stack, causal: bool) -> Judged:
    notes: tuple[str, ...] = ()
    for place, layer in enumerate(stack.layers):
        _refuse(stack, place, np.isnan(layer) | np.isposinf(layer), "{}, which is no logit")
    allowed = ~np.logical_and.reduce([np.isneginf(layer).all(axis=0) for layer in stack.layers])
    n_query, n_key = allowed.shape
    if causal and n_query <= n_key:
        earlier = lower_triangle(n_query, n_key)
        if (allowed & ~earlier).any():
            notes = ("what lies above the diagonal is masked, as causal attention is",)
        allowed &= earlier
    logits = [np.where(allowed, layer, np.float32(-np.inf)) for layer in stack.layers]
    weights = [softmax(layer)[0] for layer in logits]
    if not allowed.any():
        raise DataError(f"{stack.what}: everything is masked")
    for place, layer in enumerate(weights):  # masked in one head alone is not the mask's doing
        empty = ~layer.any(axis=-1) & allowed.any(axis=-1)
        _refuse(stack, place, empty, "a row that is masked here and not in other heads")
    is_causal = bool(np.array_equal(allowed, lower_triangle(n_query, n_key))) and n_query > 1
    mask = None if allowed.all() else allowed
    return Judged(weights, logits, mask, is_causal, stack.dtype, None, notes, ())


def _from_weights(stack: Stack, causal: bool, rows: Rows | None) -> Judged:
    stack, empty = _without_empty_rows(stack)
    notes, doubts = [], []
    if empty.any():
        listed = ", ".join(map(str, np.flatnonzero(empty)[:8])) + ", …" * bool(empty.sum() > 8)
        doubts.append(f"{stack.what}: queries {listed} have no weights in any head; shown masked")
    for place, layer in enumerate(stack.layers):
        if layer.min() >= 0 and layer.max() < np.inf:  # false for what is not a number
            continue
        _refuse(stack, place, ~np.isfinite(layer), "{}")
        _refuse(stack, place, layer < 0, "{}, a negative number", _LOGITS)
    if rows == "normalize":
        stack = _normalized(stack, empty)
        notes.append(f"{stack.what}: every row is divided by its sum")
    dtype, decimals = stack.dtype, None
    if not all(_sum_to_one(layer, empty, dtype) for layer in stack.layers):
        coarse = _coarse(stack, empty)
        if coarse is None and _columns_sum_to_one(stack):
            stack = _turned(stack)
            doubts.append(f"{stack.what}: {_SWAPPED}; shown turned round (`--axes` can say it)")
            empty = np.zeros(stack.layers[0].shape[1], dtype=bool)
        elif coarse is None:
            raise _no_weights(stack, empty)
        else:
            dtype, decimals, note = coarse
            notes.append(f"{stack.what}: {note}")
    is_causal, doubt = _causal(stack, causal)
    doubts += [doubt] if doubt else []
    n_query, n_key = stack.layers[0].shape[1:]
    allowed = lower_triangle(n_query, n_key) if is_causal else np.ones((n_query, n_key), dtype=bool)
    allowed[empty] = False
    return Judged(
        stack.layers,
        None,
        None if allowed.all() else allowed,
        is_causal,
        dtype,
        decimals,
        tuple(notes),
        tuple(doubts),
    )


def _sum_to_one(
    layer: Floats, empty: Booleans | None = None, dtype: str = "float32", extra: float = 0
) -> bool:
    """Whether each row does, but for those that are empty, as nearly as a precision allows."""
    wrong = np.abs(layer.sum(axis=-1, dtype=np.float64) - 1)
    if empty is not None:
        wrong[..., empty] = 0
    return bool((wrong <= row_tolerance(dtype) + extra).all())


def _without_empty_rows(stack: Stack) -> tuple[Stack, Booleans]:
    """Rows that are 0 or not a number throughout every head of every layer become 0.

    A query that may look at nothing (padding) has such a row: 0 / 0 in many a program.
    """
    empty = np.ones(stack.layers[0].shape[1], dtype=bool)
    some = max(1, _TOGETHER // stack.layers[0].shape[2])
    for head in (head for layer in stack.layers for head in layer):
        rows = np.flatnonzero(empty)
        if not rows.size:
            return stack, empty
        for start in range(0, rows.size, some):
            part = rows[start : start + some]
            numbers = head[part]
            empty[part] = ((numbers == 0) | np.isnan(numbers)).all(axis=1)
    if empty.all():
        raise DataError(f"{stack.what} holds nothing but zeros or what is not a number")
    if not empty.any():
        return stack, empty
    layers = [np.where(empty[:, None], np.float32(0), layer) for layer in stack.layers]
    return stack._replace(layers=layers), empty


def _normalized(stack: Stack, empty: Booleans) -> Stack:
    layers = []
    for place, layer in enumerate(stack.layers):
        sums = layer.sum(axis=-1, keepdims=True, dtype=np.float64)
        _refuse(stack, place, (sums[..., 0] == 0) & ~empty, "a row that sums to 0")
        layers.append((layer / np.where(sums == 0, 1, sums)).astype(np.float32))
    return stack._replace(layers=layers)


_SWAPPED = "the rows do not sum to 1 and the columns do: keys and queries look swapped"


def _columns_sum_to_one(stack: Stack) -> bool:
    return all(_sum_to_one(layer.swapaxes(1, 2), None, stack.dtype) for layer in stack.layers)


def _turned(stack: Stack) -> Stack:
    """Queries and keys exchanged.

    Raises:
        DataError: a person said otherwise, or the first axis may as well be the queries, and the
            last the heads.
    """
    if stack.is_ordered:
        raise DataError(f"{stack.what}: {_SWAPPED}", "Exchange `q` and `k` in `--axes`.")
    n_head, n_row, n_column = stack.layers[0].shape
    if n_head == n_row > 1 or n_row != n_column:
        raise DataError(
            f"{stack.what}: {_SWAPPED}, or the last axis is the heads",
            "Say the order with `--axes`, for instance `hkq` or `qkh`.",
        )
    return stack._replace(layers=[layer.swapaxes(1, 2) for layer in stack.layers])


def _coarse(stack: Stack, empty: Booleans) -> tuple[str, int | None, str] | None:
    """The coarser precision that all numbers have and that explains the sums, if there is one."""
    for dtype, has in (("float16", _is_float16), ("bfloat16", _is_bfloat16)):
        if all(has(layer) and _sum_to_one(layer, empty, dtype) for layer in stack.layers):
            return dtype, None, f"the numbers have the precision of {dtype}, and so have the sums"
    for decimals in range(_FEWEST_DECIMALS, _MOST_DECIMALS + 1):
        extra = min(0.5 * 10.0**-decimals * stack.layers[0].shape[-1], _MOST_ROUNDED_AWAY)
        if all(
            _is_rounded(layer, decimals) and _sum_to_one(layer, empty, extra=extra)
            for layer in stack.layers
        ):
            return stack.dtype, decimals, f"the numbers are rounded to {decimals} decimals"
    return None


def _is_bfloat16(layer: Floats) -> bool:
    return not (np.ascontiguousarray(layer).view(np.uint32) & np.uint32(0xFFFF)).any()


def _is_float16(layer: Floats) -> bool:
    with np.errstate(over="ignore"):
        return bool((layer.astype(np.float16) == layer).all())


def _is_rounded(layer: Floats, decimals: int) -> bool:
    scaled = layer.astype(np.float64) * 10.0**decimals
    slack = 10.0**decimals * 2.0**-24 + 1e-9  # float32's own rounding of a weight
    return bool((np.abs(scaled - scaled.round()) <= slack).all())


def _causal(stack: Stack, claimed: bool) -> tuple[bool, str]:
    """Whether no weight lies above the diagonal, and a doubt where that was claimed and is not."""
    _, n_query, n_key = stack.layers[0].shape
    if n_query > n_key or n_key == 1:
        return False, f"{stack.what}: called causal, with more queries than keys" * claimed
    later = ~lower_triangle(n_query, n_key)
    for layer, index in zip(stack.layers, stack.indices, strict=True):
        if any(np.logical_and(head, later).any() for head in layer):
            if not claimed:
                return False, ""
            mass = layer.sum(axis=(1, 2), dtype=np.float64, where=later)
            head, share = int(mass.argmax()), mass.max() / n_query
            return False, (
                f"{stack.what}: called causal, but in layer {index}, head {head} a mean of "
                f"{share:.4g} of each row lies above the diagonal; shown without a mask"
            )
    return claimed or n_query > 1, ""


_LOGITS = "If these are logits, `--rows softmax` makes weights of them."


def _refuse(stack: Stack, place: int, bad: Booleans, problem: str, hint: str = "") -> None:
    """Raise DataError at the first bad number of a layer, or at its first bad row."""
    if not bad.any():
        return
    at = np.unravel_index(int(bad.argmax()), bad.shape)
    names = ("head", "query", "key")[: len(at)]
    where = ", ".join(f"{name} {int(i)}" for name, i in zip(names, at, strict=True))
    value = _said(stack, place, at) if len(at) == 3 else ""
    raise DataError(
        f"{stack.what}: layer {stack.indices[place]}, {where} is {problem.format(value)}", hint
    )


def _said(stack: Stack, place: int, at: tuple[Any, ...]) -> str:
    """A number of a layer as the file has it, where float32 has it otherwise."""
    value = stack.layers[place][at]
    given = stack.given[place][at] if stack.given else value
    if np.isfinite(given) and not np.isfinite(value):
        return f"{given:g}, beyond float32"
    if stack.is_json and np.isinf(value):
        return "minus infinity (null in JSON)" if value < 0 else "beyond float64"
    return str(value)


def _no_weights(stack: Stack, empty: Booleans) -> DataError:
    """What rows that do not sum to 1 look like."""
    for layer, index in zip(stack.layers, stack.indices, strict=True):
        sums = layer.sum(axis=-1, dtype=np.float64)
        wrong = np.where(empty, 0, np.abs(sums - 1))
        if wrong.max() <= row_tolerance(stack.dtype):
            continue
        head, query = np.unravel_index(int(wrong.argmax()), wrong.shape)
        said = (
            f"{stack.what}: the rows do not sum to 1 (layer {index}, head {head}, query {query}: "
            f"{sums[head, query]:.6g})"
        )
        if all(_sum_to_one(np.moveaxis(one, 0, -1)) for one in stack.layers):
            return DataError(
                f"{said}, and over the axis taken for heads they do",
                "That axis looks like the keys: say the order with `--axes`.",
            )
        break
    largest = max(float(layer.max()) for layer in stack.layers)
    if largest > 1:
        hint = f"{_LOGITS} After dropout, save them in evaluation mode."
    else:
        hint = "If they are parts of rows, `--rows normalize` divides each by its sum."
    return DataError(f"{said}, nor do the columns", hint)
