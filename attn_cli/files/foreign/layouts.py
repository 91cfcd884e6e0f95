"""Layouts: the arrays of a file, whichever way they lie in it, as Inspections.

The layouts that are known: weights or logits as (layers, heads, queries, keys), (heads, queries,
keys) or (queries, keys), with a batch in front of or behind the layers; one such array a layer
(`arr_0` …, `layer.0` …, `attentions.0` …, `blocks.0.attn.hook_pattern` …); query, key and perhaps
value, from which the weights are computed. Numbers are judged in `rows`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from attn_cli import memory
from attn_cli.attention import attend
from attn_cli.errors import DataError, UsageError
from attn_cli.files.foreign import Hints, Reading, axes, names, rows, tokens
from attn_cli.files.foreign.names import Found, Group
from attn_cli.files.foreign.tensors import Tensors
from attn_cli.inspection import MOST_HEADS, Inspection, Kind, Layer, Mask, Source
from attn_cli.operations import lower_triangle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.types import Floats


class _Part(NamedTuple):
    """The layers of an attention, their mask, and what is to be said of them."""

    layers: list[Layer]
    allowed: NDArray[np.bool_] | None
    causal: bool
    dtype: str
    decimals: int | None
    notes: tuple[str, ...]
    doubts: tuple[str, ...]


class _Laid(NamedTuple):
    """The layers of a group with their axes in order."""

    layers: list[Floats]
    given: list[NDArray[Any]]  # the same before they became float32
    indices: list[int]
    notes: tuple[str, ...]
    doubts: tuple[str, ...]


def read(
    tensors: Tensors, name: str, hints: Hints, file_hash: Callable[[], str] | None = None
) -> list[Reading]:
    """The Inspections in the tensors of a file: one, or an encoder's, a decoder's and the cross's.

    Args:
        name: of the file, for messages.
        hints: what a person says about it.
        file_hash: called where there is something to read: it takes a while for a large file.

    Raises:
        DataError: they are no attention, or it cannot be told which array is what.
        UsageError: a hint does not fit.
    """
    listed = [key for key, a in tensors.arrays.items() if a.dtype.kind in "fiu" and a.ndim]
    try:
        groups = names.group(listed)
        return [
            _reading(found, groups, tensors, name, hints, file_hash)
            for found in names.choose(groups, name)
        ]
    except (DataError, UsageError) as error:
        if error.message.startswith((name, "`--")):
            raise
        raise type(error)(f"{name}: {error.message}", error.hint) from None


def _reading(
    found: Found,
    groups: list[Group],
    tensors: Tensors,
    name: str,
    hints: Hints,
    file_hash: Callable[[], str] | None,
) -> Reading:
    main = found.weights or found.logits or found.query
    assert main is not None
    causal = hints.causal or _is_called_causal(tensors, main)
    part = _computed(found, tensors, hints, causal=causal) if found.query else None
    part = part or _given(found, tensors, hints, causal=causal)
    n_query, n_key = part.layers[0].weights.shape[1:]
    words = tokens.labels(tensors, hints, main.stack, (n_query, n_key), causal=part.causal)
    kind: Kind = "causal" if part.causal else "self" if not words.key else "cross"
    doubts = (*part.doubts, *words.doubts)
    used = {one.template for one in found if one is not None}
    unused = [one for one in groups if one.template not in used and one.role != "ids"]
    notes = part.notes
    if unused and main.stack == "":
        listed = ", ".join(one.shown for one in unused[:4]) + (", …" if len(unused) > 4 else "")
        notes = (*notes, f"not used: {listed}")
    settings: dict[str, Any] = {"arrays": main.template, "doubts": list(doubts)}
    inspection = Inspection(
        text=words.text,
        kind=kind,
        query_tokens=words.query,
        key_tokens=words.key,
        token_ids=words.ids,
        mask=Mask(
            name="none" if part.allowed is None else "causal" if part.causal else "given",
            allowed=part.allowed,
        ),
        layers=tuple(part.layers),
        source=Source(
            model=_model(tensors, name, main),
            settings=settings,
            dtype=part.dtype,
            file_hash=None if file_hash is None else file_hash(),
            precision=part.decimals,
        ),
    )
    return Reading(inspection, notes, doubts)


def _is_called_causal(tensors: Tensors, group: Group) -> bool:
    """Whether a name, a `kind` or a `causal` in the file says so."""
    if group.stack == "decoder" or "causal" in names.words(group.template):
        return True
    flag = tensors.arrays.get("causal")
    return tensors.words.get("kind") == "causal" or (
        flag is not None and flag.shape == () and bool(flag)
    )


def _model(tensors: Tensors, name: str, group: Group) -> str:
    """What to call where it came from: the model, if the file names it, or the file."""
    model = tensors.words.get("model")
    text = (
        model if isinstance(model, str) else name.replace("`", "").replace("\\", "/").split("/")[-1]
    )
    return f"{text} ({group.stack})" if group.stack else text


# Weights and logits -----------------------------------------------------------------------------


def _given(found: Found, tensors: Tensors, hints: Hints, *, causal: bool) -> _Part:
    group = found.weights or found.logits
    assert group is not None
    laid = _lay(group, tensors, hints, "lhqk", axes.of_weights)
    sizes = sorted({layer.shape[1:] for layer in laid.layers})
    if len(sizes) > 1:
        listed = " and ".join(f"{q} × {k}" for q, k in sizes[:2])
        raise DataError(f"{group.shown} differ in queries and keys: {listed}")
    dtype, is_ordered = _dtype(group, tensors), hints.axes is not None
    stack = rows.Stack(
        group.shown, laid.layers, laid.indices, dtype, is_ordered, laid.given, tensors.is_json
    )
    judged = rows.judge(stack, are_logits=found.weights is None, causal=causal, rows=hints.rows)
    n_head, n_query, n_key = judged.layers[0].shape
    doubts = judged.doubts
    if n_head == n_key != n_query and not judged.causal and group.stack != "cross":
        doubts += (
            f"{group.shown}: as many heads as keys, {n_key}, and {n_query} queries: the axes of "
            "heads and queries may be exchanged (`--axes`)",
        )
    logits: Sequence[Floats | None] = judged.logits or [None] * len(judged.layers)
    layers = [
        Layer(index=index, weights=weights, logits=given)
        for index, weights, given in zip(laid.indices, judged.layers, logits, strict=True)
    ]
    return _Part(
        layers,
        judged.allowed,
        judged.causal,
        judged.dtype,
        judged.decimals,
        laid.notes + judged.notes,
        laid.doubts + doubts,
    )


def _lay(
    group: Group, tensors: Tensors, hints: Hints, order: str, guess: Callable[..., str]
) -> _Laid:
    """Every layer of a group as float32 with its axes in order.

    Args:
        order: `lhqk` for weights, `lhqd` for vectors; the layers are taken apart.
        guess: the axes by a shape, where no hint says them.
    """
    layers: list[Floats] = []
    given: list[NDArray[Any]] = []
    indices: list[int] = []
    notes: list[str] = []
    doubts: list[str] = []
    n_heads = 0
    for number, key in group.members:
        array, what = tensors.arrays[key], f"`{key}`" if key else "the array"
        if hints.axes is not None:
            found = axes.checked(hints.axes, vectors=order == "lhqd")
        else:
            found = guess(array.shape, what, numbered=group.is_numbered)
        if not layers:
            notes += [] if hints.axes else [_axes_note(group, array.shape, found)]
            doubts += _batch_doubt(what, array, found, hints)
        arranged = axes.arrange(array, found, order, what, hints.batch or 0)
        if not arranged.size:
            raise DataError(f"{what} holds no numbers: {array.shape}")
        n_heads += arranged.shape[0] * arranged.shape[1]
        if n_heads > MOST_HEADS:
            raise DataError(f"{group.shown}: {n_heads:,} heads in all; {MOST_HEADS:,} are the most")
        for layer in _float32(arranged, what):
            indices.append(number if group.is_numbered and number is not None else len(layers))
            layers.append(layer)
        given += list(arranged)
    if len(set(indices)) < len(indices):  # an array a layer, and layers in each
        indices = list(range(len(layers)))
    return _Laid(layers, given, indices, tuple(notes), tuple(doubts))


def _axes_note(group: Group, shape: tuple[int, ...], order: str) -> str:
    n = len(group.members)
    layers = f"{n} layers of " if n > 1 else ""
    which = f"{group.shown}, each {shape}, are" if n > 1 else f"{group.shown} {shape} is"
    note = f"{which} read as {layers}({axes.spelled(order)}), as `--axes {order}` says"
    return f"{note}; if the first is a batch, `--axes bhqk`" if order == "lhqk" else note


def _batch_doubt(what: str, array: NDArray[Any], order: str, hints: Hints) -> list[str]:
    if "b" not in order or array.ndim != len(order) or hints.batch is not None:
        return []
    size = array.shape[order.index("b")]
    shown = f"{what} holds a batch of {size} texts; shown is the first (`--batch` picks another)"
    return [shown] if size > 1 else []


def _float32(array: NDArray[Any], what: str) -> Floats:
    memory.require(4 * array.size if array.dtype != np.float32 else 0, what)
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def _dtype(group: Group, tensors: Tensors) -> str:
    key = group.members[0][1]
    given = tensors.dtypes.get(key, tensors.arrays[key].dtype.name)
    return given if given in ("float16", "bfloat16", "float64") else "float32"


# Queries and keys -------------------------------------------------------------------------------


def _computed(found: Found, tensors: Tensors, hints: Hints, *, causal: bool) -> _Part:
    """Weights from queries and keys: softmax(query · keyᵀ / √d_head)."""
    assert found.query is not None and found.key is not None
    if hints.rows is not None:
        raise UsageError(f"`--rows {hints.rows}`: the weights are computed from query and key")
    query, key = (_lay_vectors(one, tensors, hints) for one in (found.query, found.key))
    value = _lay_vectors(found.value, tensors, hints) if found.value else None
    for group, laid in ((found.key, key), (found.value, value)):
        if group and laid and laid.indices != query.indices:
            raise DataError(f"{found.query.shown} and {group.shown} are not of the same layers")
    scale = _scale(tensors)
    layers = [
        _attended(index, q, k, v, scale, causal=causal)
        for index, q, k, v in zip(
            query.indices,
            query.layers,
            key.layers,
            value.layers if value else repeat(None),
            strict=False,
        )
    ]
    if len({layer.weights.shape[1:] for layer in layers}) > 1:
        raise DataError(f"{found.query.shown} differ in their number of tokens")
    how = "1/√d_head" if scale is None else f"{scale:g}, as the file says"
    mask = "a causal mask" if causal else "no mask (`--causal` sets one)"
    note = f"the weights are computed: softmax(query · key × {how}), with {mask}"
    allowed = lower_triangle(*layers[0].weights.shape[1:]) if causal else None
    notes = (*query.notes, *key.notes, note)
    return _Part(layers, allowed, causal, "float32", None, notes, query.doubts)


def _attended(
    index: int, q: Floats, k: Floats, v: Floats | None, scale: float | None, *, causal: bool
) -> Layer:
    """One layer, every tensor on the way kept."""
    _check_vectors(q, k, v, f"layer {index}")
    n_query, n_key = q.shape[1], k.shape[1]
    memory.require(12 * q.shape[0] * n_query * n_key, f"the weights of layer {index}")
    if causal and n_query > n_key:
        raise DataError(f"layer {index}: called causal, with {n_query} queries for {n_key} keys")
    allowed = lower_triangle(n_query, n_key) if causal else None
    with np.errstate(all="ignore"):  # what float32 cannot hold is refused
        done = attend(q, k, k if v is None else v, scale=scale, allowed=allowed)
    if not np.isfinite(done.scores).all():
        raise DataError(f"layer {index}: query · key is beyond what float32 holds")
    seen = slice(None) if allowed is None else allowed
    if scale is not None and not np.isfinite(done.logits[:, seen]).all():
        raise DataError(f"layer {index}: query · key × `scale` {scale:g} is beyond float32")
    return Layer(
        index=index,
        scale=1 / math.sqrt(q.shape[2]) if scale is None else scale,
        query=q,
        key=k,
        value=v,
        scores=done.scores,
        logits=done.logits,
        weights=done.weights,
        lse=done.lse,
        context=None if v is None else done.context,
    )


def _lay_vectors(group: Group, tensors: Tensors, hints: Hints) -> _Laid:
    """Every layer of a group as (n_head, n_tokens, width)."""
    hooked, count = "hook" in names.words(group.template), tokens.length(tensors, hints)
    guess = partial(axes.of_vectors, hooked=hooked, n_tokens=count)
    laid = _lay(group, tensors, hints, "lhqd", guess)
    if not all(np.isfinite(layer).all() for layer in laid.layers):
        raise DataError(f"{group.shown} holds what is not a finite number")
    return laid


def _scale(tensors: Tensors) -> float | None:
    scale = tensors.arrays.get("scale")
    if scale is None or scale.size != 1:
        return None
    if not np.isfinite(scale).all():
        raise DataError(f"`scale` is not a finite number: {float(scale.item())}")
    if abs(float(scale.item())) > float(np.finfo(np.float32).max):
        raise DataError(f"`scale` is beyond float32: {float(scale.item()):g}")
    return float(scale.item())


def _check_vectors(query: Floats, key: Floats, value: Floats | None, what: str) -> None:
    if query.shape[2] != key.shape[2]:
        raise DataError(
            f"{what}: query is {query.shape[2]} wide and key {key.shape[2]} (heads, tokens, width: "
            f"{query.shape} and {key.shape})",
            "If the axes are in another order, say it with `--axes`.",
        )
    if query.shape[0] % key.shape[0]:
        raise DataError(
            f"{what}: {key.shape[0]} key heads do not divide {query.shape[0]} query heads"
        )
    if value is not None and value.shape[:2] != key.shape[:2]:
        raise DataError(f"{what}: value {value.shape} and key {key.shape} differ in heads or keys")
