"""Axes: what each axis of an array is, by its shape or by a person's word, and their usual order.

The letters: b batch, l layer, h head, q query, k key, d width of a head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attn_cli.errors import DataError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LETTERS = {
    "b": "batch",
    "l": "layers",
    "h": "heads",
    "q": "queries",
    "k": "keys",
    "d": "width",
}
_MOST_AXES = 5
_WEIGHTS = "For instance `--axes lhqk`: layers, heads, queries, keys (and b, a batch)."
_VECTORS = "For instance `--axes hqd` (heads, queries, width) or `--axes qhd` for query and key."


def checked(axes: str, *, vectors: bool) -> str:
    """The letters of `--axes`, each once, with those that every such array has.

    Args:
        vectors: they are for query, key and value; q then stands for keys too.

    Raises:
        UsageError: a letter is unknown, comes twice or is missing.
    """
    allowed, needed = ("blhqd", "qd") if vectors else ("blhqk", "qk")
    wrong = next((letter for letter in axes if letter not in allowed), None)
    hint = _VECTORS if vectors else _WEIGHTS
    if wrong is not None:
        what = "query, key and value" if vectors else "weights"
        raise UsageError(f"`--axes {axes}`: no axis of {what} is called `{wrong}`", hint)
    if len(set(axes)) < len(axes):
        raise UsageError(f"`--axes {axes}` names an axis twice", hint)
    if not set(needed) <= set(axes):
        missing = next(letter for letter in needed if letter not in axes)
        raise UsageError(f"`--axes {axes}` does not say which axis is the {LETTERS[missing]}", hint)
    return axes


def of_weights(shape: tuple[int, ...], what: str, *, numbered: bool) -> str:
    """The axes of weights or logits by their number, layers before heads before queries and keys.

    A leading axis of 1 more than there should be is a batch; so is the axis before the heads of
    one layer's array.

    Args:
        numbered: the array is one layer of several.

    Raises:
        DataError: there are too few or too many.
    """
    n_axes = len(shape)
    if n_axes in (2, 3):
        return "hqk"[3 - n_axes :]
    if n_axes == 4:
        return "bhqk" if numbered or shape[0] == 1 else "lhqk"
    if n_axes == _MOST_AXES and not (numbered and 1 not in shape[:2]):
        return "blhqk" if shape[0] == 1 and shape[1] != 1 else "lbhqk"
    raise DataError(
        f"{what} has {n_axes} axes {shape}, and which are queries and keys is not said", _WEIGHTS
    )


def of_vectors(
    shape: tuple[int, ...], what: str, *, numbered: bool, hooked: bool, n_tokens: int | None
) -> str:
    """The axes of queries, keys or values.

    Heads stand before the tokens (as in torch) or after them (as in JAX and TransformerLens): where
    the name does not tell, the axis that is as long as the text does.

    Raises:
        DataError: neither tells. A wrong guess would be attention among heads.
    """
    n_axes, lead = len(shape), ""
    if n_axes == 2:
        return "qd"
    if n_axes == 4:
        if not (numbered or hooked or shape[0] == 1):
            raise DataError(
                f"{what} {shape} has a first axis that may be layers or a batch", _VECTORS
            )
        lead = "b"
    if n_axes not in (3, 4):
        raise DataError(f"{what} has {n_axes} axes {shape}; 2 to 4 are read", _VECTORS)
    before, after = shape[-3] == n_tokens, shape[-2] == n_tokens
    if hooked or (before and not after):
        return f"{lead}qhd"
    if (after and not before) or shape[-3] == 1:
        return f"{lead}hqd"
    raise DataError(
        f"{what} {shape} may have its heads before or after its tokens", f"{_VECTORS} Tokens help."
    )


def arrange(array: NDArray[Any], axes: str, order: str, what: str, batch: int) -> NDArray[Any]:
    """The array with its axes in another order: a batch gives one text, missing axes are 1 long.

    Args:
        order: for instance `lhqk`.

    Raises:
        DataError: it has another number of axes than `axes` has letters.
        UsageError: there is no such text in the batch.
    """
    if array.ndim != len(axes):
        raise DataError(
            f"{what} has {array.ndim} axes {array.shape}, and `--axes {axes}` names {len(axes)}"
        )
    if "b" in axes:
        place = axes.index("b")
        if batch >= array.shape[place]:
            raise UsageError(f"`--batch {batch}`: {what} has {array.shape[place]} texts, from 0 on")
        array, axes = array.take(batch, axis=place), axes.replace("b", "")
    elif batch:
        raise UsageError(f"`--batch {batch}`: {what} {array.shape} has no axis that is a batch")
    array = array.transpose([axes.index(letter) for letter in order if letter in axes])
    for place, letter in enumerate(order):
        if letter not in axes:
            array = array[(slice(None),) * place + (None,)]
    return array


def spelled(axes: str) -> str:
    """Axes in words: `layers, heads, queries, keys`."""
    return ", ".join(LETTERS[letter] for letter in axes)
