"""Tensors: the named arrays and words in anybody's file, whatever the container.

What an array means is not known here. Pickles are never opened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from attn_cli.errors import DataError
from attn_cli.files import nested, safetensors
from attn_cli.files.document import Reader
from attn_cli.files.npy import MOST_ARRAYS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DEEPEST = 16  # levels of objects and arrays
_NUMBERS = {"dtype": np.dtype(np.float64), "infinite": True}
_BOOLEANS = {"dtype": np.dtype(bool), "infinite": False, "guessed": True}
_ALONE = ("scale", "causal")  # the numbers that mean something by themselves
_MOST_NAMES = 1 << 18  # in one document
_MOST_WORDS = 1 << 20  # of an array: a token for each row of a matrix of terabytes


class Tensors(NamedTuple):
    """What a file holds, by name; `""` names the only array of a file without names."""

    arrays: dict[str, NDArray[Any]]  # real numbers and booleans
    words: dict[str, Any]  # a string, or strings in lists
    dtypes: dict[str, str]  # the precision of an array where its own dtype does not tell
    is_json: bool = False  # there minus infinity is `null`


def from_arrays(found: Mapping[str, NDArray[Any]], name: str) -> Tensors:
    """The members of an NPZ archive, or the one array of an NPY file.

    Raises:
        DataError: an array is of a type that is neither numbers nor words.
    """
    tensors = Tensors({}, {}, {})
    for key, array in found.items():
        if array.dtype.kind in "US" and array.size > _MOST_WORDS:
            raise DataError(
                f"{name}: `{key}` holds {array.size:,} words; {_MOST_WORDS:,} are the most"
            )
        if array.dtype.kind == "U":
            tensors.words[key] = array.tolist()
        elif array.dtype.kind == "S":
            tensors.words[key] = np.char.decode(array, "utf-8", "replace").tolist()
        elif array.dtype.kind == "V" and array.dtype.itemsize == 2 and array.dtype.names is None:
            # numpy writes a bfloat16 array of JAX's as two bytes without a type.
            tensors.arrays[key] = safetensors.widen_bfloat16(array.view("<u2"))
            tensors.dtypes[key] = "bfloat16"
        elif array.dtype.kind in "fiub":
            tensors.arrays[key] = array
        else:
            what = f"`{key}`" if key else "the array"
            raise DataError(f"{name}: {what} holds {array.dtype}, which are no real numbers")
    return tensors


def from_safetensors(contents: safetensors.Contents) -> Tensors:
    """The tensors of a file, and its metadata: a text, or a JSON array of words."""
    words: dict[str, Any] = {}
    for key, value in contents.metadata.items():
        words[key] = value
        if value.lstrip().startswith("["):
            try:
                parsed = json.loads(value)
            except (ValueError, RecursionError):
                continue  # a text that begins with a bracket
            if _is_words(parsed):
                words[key] = parsed
    return Tensors(contents.arrays, words, dict.fromkeys(contents.widened, "bfloat16"))


def from_json(value: Any, name: str) -> Tensors:
    """The arrays in a parsed JSON document: nested arrays of numbers, or an object of them.

    Objects within objects, and objects in arrays, lengthen the names: `layers.0.weights`. A `null`
    among numbers is minus infinity, as in what attn writes: a masked logit. A number that is in no
    array is left out, unless it is a `scale` or says whether a mask is `causal`.

    Raises:
        DataError: an array is ragged or holds what is no number; the message names the place.
    """
    tensors = Tensors({}, {}, {}, is_json=True)
    reader, leaves = Reader(name), list(islice(_leaves(value, "", name, 0), _MOST_NAMES + 1))
    if len(leaves) > _MOST_NAMES:
        raise DataError(f"{name} holds more than {_MOST_NAMES:,} names")
    if sum(isinstance(item, list) for _, item in leaves) > MOST_ARRAYS:
        raise DataError(f"{name} holds more than {MOST_ARRAYS:,} arrays")
    for key, item in leaves:
        leaf = _first_leaf(item)
        if isinstance(leaf, str) and _is_words(item):
            tensors.words[key] = item
        elif type(item) in (int, float, bool):
            try:
                tensors.arrays[key] = np.array(item, bool if isinstance(item, bool) else np.float64)
            except OverflowError:
                raise reader.fail(key or "the document", "is a number beyond float64") from None
        elif isinstance(item, list):
            place, depth = key or "the array", nested.depth(item)
            if depth > _DEEPEST:
                raise DataError(f"{name}: `{place}` is nested deeper than {_DEEPEST} levels")
            declared = _BOOLEANS if isinstance(leaf, bool) else _NUMBERS
            tensors.arrays[key] = reader.array(item, place, depth, declared)
            tensors.dtypes[key] = "float32"
    return tensors


def _leaves(value: Any, name: str, file: str, level: int) -> Iterator[tuple[str, Any]]:
    if level > _DEEPEST:
        raise DataError(f"{file} is nested deeper than {_DEEPEST} levels")
    if isinstance(value, dict):
        items: Any = value.items()
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        items = enumerate(value)
    else:
        yield name, value
        return
    for key, item in items:
        if type(item) in (int, float, bool) and (name or key not in _ALONE):
            continue
        yield from _leaves(item, f"{name}.{key}" if name else str(key), file, level + 1)


def _first_leaf(value: Any) -> Any:
    while isinstance(value, list) and value:
        value = value[0]
    return value


def _is_words(value: Any, level: int = 0) -> bool:
    if isinstance(value, list) and level < _DEEPEST:
        return all(_is_words(item, level + 1) for item in value)
    return isinstance(value, str)
