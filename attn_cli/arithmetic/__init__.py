"""Arithmetic: one weight of an Inspection, and the context row it is in, as a chain of steps.

Every number on the way is there, as a person would write it on paper. It takes any Inspection,
never asks what made it, and draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attn_cli.arithmetic.cell import Cell
from attn_cli.arithmetic.equations import Step
from attn_cli.arithmetic.steps import MAKERS
from attn_cli.errors import DataError, UsageError, did_you_mean
from attn_cli.inspection import Inspection, Layer, Token

STEPS = tuple(MAKERS)
_HOW_TO_GET = "Inspect with `--show all`, and `--json` or `-o FILE.npz`."

# The arrays that a step cannot do without; those of every other step are query and key.
_NEEDED = {"embedding": ("embedding",), "context": ("value",)}


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One weight, and every step to it and on to the context row."""

    text: str
    kind: str
    key_text: str | None
    query_tokens: tuple[Token, ...]
    key_tokens: tuple[Token, ...]
    query: int  # the place of the query token
    key: int
    layer: int  # the layer's own number
    head: int
    kv_head: int
    masked: bool
    weight: float
    precision: int | None  # decimals that the numbers still had; None: all
    steps: tuple[Step, ...]


def explain(
    inspection: Inspection,
    query: int,
    key: int | None = None,
    *,
    layer: int | None = None,
    head: int = 0,
    steps: Sequence[str] | None = None,
) -> Explanation:
    """The arithmetic of `weights[head, query, key]` of one layer.

    Where the Inspection holds a result (a query, a score, a weight), that is the result of the
    equation, and the equation is checked; what it does not hold is computed in double precision.

    Args:
        inspection: one with query and key; with `w_query`, `w_key` and the embedding the chain
            begins there, with `value` it goes on to the context row.
        query, key: places, from the end if below 0; without a key the one that weighs most.
        layer: the layer's own number, or a place from the end; by default the first.
        head: the query head, from the end if below 0.
        steps: some of STEPS; by default all that the Inspection has the arrays for.

    Raises:
        UsageError: there is no such layer, head, token or step.
        DataError: arrays are missing, or contradict each other: an equation does not hold.

    >>> from attn_cli.tutorial import inspect
    >>> found = explain(inspect("Life is short, eat dessert first"), 1, 1)
    >>> round(found.weight, 4), [step.name for step in found.steps]
    (0.687, ['embedding', 'query', 'key', 'score', 'logit', 'softmax', 'context'])
    """
    for name in steps or ():
        if name not in STEPS:
            known = did_you_mean(name, STEPS, f"Use: {', '.join(STEPS)}.")
            raise UsageError(f"there is no step `{name}`", known)
    chosen = _layer(inspection, layer)
    h = _place(head, chosen.weights.shape[0], f"layer {chosen.index}", "head")
    i = _place(query, len(inspection.query_tokens), "the text", "query token")
    j = int(chosen.weights[h, i].argmax()) if key is None else key
    j = _place(j, len(inspection.key_tokens), "the text", "key token")
    cell = Cell(inspection, chosen, h, i, j)
    _require(cell, steps)
    names = [name for name in STEPS if steps is None or name in steps]
    made = [MAKERS[name](cell) for name in names]
    if steps is not None and None in made:
        raise DataError(f"there is no step `{names[made.index(None)]}` in layer {chosen.index}")
    return Explanation(
        text=inspection.text,
        kind=inspection.kind,
        key_text=inspection.key_text,
        query_tokens=inspection.query_tokens,
        key_tokens=inspection.key_tokens,
        query=i,
        key=j,
        layer=chosen.index,
        head=h,
        kv_head=cell.kv_head,
        masked=not cell.seen[j],
        weight=float(chosen.weights[h, i, j]),
        precision=inspection.source.precision,
        steps=tuple(step for step in made if step is not None),
    )


def _layer(inspection: Inspection, wanted: int | None) -> Layer:
    layers = inspection.layers
    if not layers:
        raise DataError("there is no layer in it, so no weight to explain")
    if wanted is None:
        return layers[0]
    numbers = [layer.index for layer in layers]
    if wanted in numbers:
        return layers[numbers.index(wanted)]
    if -len(layers) <= wanted < 0:
        return layers[wanted]
    known = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    raise UsageError(f"there is no layer {wanted}", f"The layers are numbered {known}.")


def _place(wanted: int, size: int, where: str, what: str) -> int:
    if not -size <= wanted < size:
        plural = f"{size} {what}{'s' * (size != 1)}"
        raise UsageError(f"there is no {what} {wanted}: {where} has {plural}, from 0")
    return wanted % size


def _require(cell: Cell, steps: Sequence[str] | None) -> None:
    """Refuse to begin where arrays are missing that the steps cannot do without."""
    asked = ("query", "key", "score", "logit") if steps is None else steps
    missing: dict[str, None] = {}
    for step in asked:
        if step == "softmax" and cell.layer.logits is not None:
            continue
        for name in _NEEDED.get(step, ("query", "key")):
            owner = cell.inspection if name == "embedding" else cell.layer
            if getattr(owner, name) is None:
                missing[name] = None
    if missing:
        names = " and ".join(f"`{name}`" for name in missing)
        verb = "is" if len(missing) == 1 else "are"
        raise DataError(
            f"{names} of layer {cell.layer.index} {verb} missing: there is no way to show where "
            "the weights came from",
            _HOW_TO_GET,
        )
    needs_scale = {"logit"} if cell.layer.logits is not None else {"logit", "softmax"}
    if cell.layer.scale is None and needs_scale & set(asked):
        raise DataError(f"layer {cell.layer.index} does not say its `scale`", _HOW_TO_GET)
