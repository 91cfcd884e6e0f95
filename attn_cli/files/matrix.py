"""Matrix files: what a student computed, with the number of decimals that they printed.

JSON, CSV, NPY, a document of attn's own, or what torch or numpy print of an array. It reads;
whether the numbers are right is `checking`'s.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from attn_cli import memory
from attn_cli.checking import MOST_DECIMALS, WHATS, Student
from attn_cli.checking.attempts import What
from attn_cli.errors import DataError, did_you_mean
from attn_cli.files import nested, npy
from attn_cli.files.beginning import is_document, is_safetensors, of_text, refuse_shut
from attn_cli.files.vectors import number, numbers, read_csv, refuse_first_rows
from attn_cli.files.whole import read_whole
from attn_cli.strict_json import parse, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.inspection import Inspection

_WHOLE = "Give the whole matrix, a row for each word."
_MOST_AXES = 4  # batch, head, query, key
_MOST_KEYS = 20  # to look for what one was meant to be
_MOST_LOOKED_AT = 10_000  # numbers, to tell how many decimals were kept
_LONGEST = 1 << 22  # bytes of a matrix in words: a thousand rows of as many figures of four digits
_LOOKED_AT = 1 << 16  # bytes, for a schema of ours, and for what no text has
# As torch, numpy, JAX and TensorFlow print arrays, after prompts or shapes, or in a program.
_PRINTED = re.compile(
    rb"\s*(?P<before>(?:(?:>>>|In \[\d+\]:|torch\.Size\()[^\n]*\n\s*)*(?:Out\[\d+\]:\s*)?)"
    rb"(?P<array>(?:Parameter containing:\s*|<tf\.(?:Tensor|Variable)\b[^\n]*numpy=\s*)?"
    rb"(?:\w+\s*[=:]\s*)?(?:(?:torch|np|numpy|jnp|tf)\.)?"
    rb"(?:tensor|array|asarray|Array|Tensor)\()?"
)
_LARGEST = 2**1000  # whole numbers are below it
_BRACKET = re.compile(rb"[\[\]]")
_SCALAR = re.compile(rb"np\.float\d+\(([^()]*)\)")  # in a list of numpy's numbers


class _Figure(str):
    """A number as it is written, and not as it is read."""

    __slots__ = ()


def load(source: str | os.PathLike[str] | BinaryIO, what: What | None = None) -> Student:
    """A matrix from a file or a binary stream.

    JSON: rows of numbers, or `{"weights": rows}`, or a document that attn wrote. CSV: a row a line,
    with or without headings and names. NPY: the array. Or text as torch, numpy and JAX print it,
    `tensor([[0.1772, 0.1326], …])`. NaN and infinities are let through: they are what some
    mistakes come to.

    Args:
        what: which matrix to take, where there are several.

    Raises:
        DataError: it cannot be read, is ragged or empty, or holds what is no number.
    """
    name, data = read_whole(source, of_text)
    if not data.strip():
        raise DataError(f"{name} is empty")
    if data.startswith(npy.MAGIC):
        return _from_array(npy.read(data, name), name)
    if data.startswith(b"PK\x03\x04") or is_safetensors(data):
        from attn_cli.files import decode

        return _from_inspection(next(decode(data, name)), what, name)
    data = data.removeprefix(b"\xef\xbb\xbf")
    if len(data) > _LONGEST and not is_document(data, _LOOKED_AT):
        raise DataError(
            f"{name} is {memory.readable(len(data))}; a matrix in words is "
            f"{memory.readable(_LONGEST)} at the most",
            "Save it with `np.save`.",
        )
    of_text(data[:_LOOKED_AT], name)
    printed = _printed(data, name)
    if printed is not None or data.lstrip()[:1] in (b"{", b"["):
        return _from_json(data if printed is None else printed, name, what)
    refuse_shut(data, name)
    refuse_first_rows(data, lambda part: _from_cells(part, name, is_whole=False))
    return _from_cells(data, name)


def _from_cells(data: bytes, name: str, *, is_whole: bool = True) -> Student:
    return _from_figures(read_csv(data, name, is_whole=is_whole)[1], name, str)


def _printed(data: bytes, name: str) -> bytes | None:
    """The brackets and numbers of an array that a program printed, as JSON; None if it is none.

    Raises:
        DataError: some of them are left out, or there are none.
    """
    match = _PRINTED.match(data)
    assert match is not None  # of nothing, if need be
    if match["array"] is None and data[match.end() : match.end() + 1] != b"[":
        return None
    body = _bracketed(data, match.end())
    if not body:
        raise DataError(f"{name} holds no matrix", _WHOLE)
    if b"..." in body:
        raise DataError(
            f"{name} is abbreviated: numbers are left out where `...` stands",
            "Print it whole: torch.set_printoptions(threshold=10**6), or the same of numpy.",
        )
    body = _SCALAR.sub(rb"\1", body)
    bare = match["array"] is None and not match["before"]
    return None if bare and b"," in body and b"np." not in data else _as_json(body)


def _bracketed(data: bytes, start: int) -> bytes:
    """From the first bracket to the one that closes it; nothing where there is none."""
    begin, depth = data.find(b"[", start), 0
    if begin < 0:
        return b""
    for bracket in _BRACKET.finditer(data, begin):
        depth += 1 if bracket[0] == b"[" else -1
        if not depth:
            return data[begin : bracket.end()]
    return data[begin:]


def _as_json(body: bytes) -> bytes:
    """Numbers in brackets, as torch or numpy print them, as JSON."""
    body = re.sub(rb"(?<=[\s\[,-])\.(?=\d)", rb"0.", body)
    body = re.sub(rb"(\d)\.(?=[\s,\]e])", rb"\1.0", body)
    body = re.sub(rb"\bnan\b", b"NaN", re.sub(rb"\binf\b", b"Infinity", body))
    if b"," not in body:
        body = re.sub(rb"(?<=[\w\]])\s+(?=[-\w\[])", b",", body)
    return body


def _from_json(data: bytes, name: str, what: What | None) -> Student:
    found = parse(data, name, floats=_Figure, constants=_Figure)
    kind: What | None = None
    if isinstance(found, dict):
        if "schema" in found:
            from attn_cli.files.document import from_document

            return _from_inspection(from_document(parse(data, name), name), what, name)
        kind = next((key for key in (what, *WHATS) if key in found), None)
        if kind is None:
            known = f"Use one of the keys: {', '.join(WHATS)}."
            near = (did_you_mean(key, WHATS) for key in islice(found, _MOST_KEYS))
            hint = next(filter(None, near), known)
            raise DataError(f"{name} names no matrix that is known here", hint)
        found = found[kind]
    return _from_figures(found, name)._replace(what=kind)


def _from_figures(found: Any, name: str, figure: type[str] = _Figure) -> Student:
    """Lists of numbers, within lists, as a matrix.

    Args:
        figure: the type of a number as it is written.

    Raises:
        DataError: a number is none, or lists differ in length; the message names the place.
    """
    if not isinstance(found, list):
        raise DataError(f"{name}: the document should hold rows of numbers")
    ndim = nested.depth(found)
    if ndim > _MOST_AXES:
        raise DataError(f"{name} has more than {_MOST_AXES} axes")
    rows, shape = nested.innermost(found, "", ndim, partial(_misplaced, name))
    if ndim == 1:
        raise DataError(f"{name} holds one row", _WHOLE)
    items = list(chain.from_iterable(rows))
    given = _all_numbers(items, figure)
    if None in given:
        index = given.index(None)
        place = nested.at(shape, index)
        raise DataError(f"{name}: `{place}` is not a number: {shown(items[index])}")
    values = np.array(given, dtype=np.float64).reshape(shape)
    return _checked(values, _decimals(item for item in items if type(item) is figure), name)


def _misplaced(name: str, place: str, what: str) -> DataError:
    return DataError(f"{name}: `{place}` {what}")


def _from_inspection(inspection: Inspection, what: What | None, name: str) -> Student:
    kind: What = what or "weights"
    layer = inspection.layers[0] if inspection.layers else None
    array = inspection.embedding if kind == "embedding" else getattr(layer, kind, None)
    if array is None:
        raise DataError(f"{name} holds no {kind}")
    kept = inspection.source.precision
    return Student(array.astype(np.float64), MOST_DECIMALS if kept is None else kept, kind)


def _from_array(array: NDArray[Any], name: str) -> Student:
    if array.dtype.kind not in "fiu":
        raise DataError(f"{name} should hold numbers, not {array.dtype}")
    if array.ndim == 1:
        raise DataError(f"{name} holds one row", _WHOLE)
    if array.ndim > _MOST_AXES:
        raise DataError(f"{name} has {array.ndim} axes; a matrix has two, or three with heads")
    decimals = 0
    if array.dtype.kind == "f":
        finite = array[np.isfinite(array)][:_MOST_LOOKED_AT]
        shortest = (np.format_float_positional(value, trim="-") for value in finite)
        decimals = min(_decimals(shortest), int(np.finfo(array.dtype).precision))
    return _checked(array.astype(np.float64), decimals, name)


def _all_numbers(items: list[Any], figure: type[str]) -> list[float | None]:
    """The number of each item, None where it has none."""
    kinds = set(map(type, items))
    if kinds == {figure} and (found := numbers(items)) is not None:
        return [*found]
    if kinds == {int} and max(map(abs, items)) < _LARGEST:
        return [*map(float, items)]
    return [_number(item, figure) for item in items]


def _number(item: Any, figure: type[str]) -> float | None:
    if item is None:  # a masked logit in a document of ours
        return -math.inf
    if type(item) is figure:
        found = number(item.strip())
        return found if isinstance(found, float) else None
    if type(item) is int:
        return float(item) if abs(item) < _LARGEST else None
    return None


def _decimals(figures: Iterable[str]) -> int:
    """The most decimals that any of the first numbers is written with.

    >>> _decimals(["0.5", "-0.6870", "1.5e-1", "nan"])
    4
    """
    return max(map(_decimals_of, islice(figures, _MOST_LOOKED_AT)), default=0)


def _decimals_of(figure: str) -> int:
    mantissa, _, exponent = figure.strip().lower().partition("e")
    digits = len(mantissa.partition(".")[2])
    sign, size = exponent[:1] == "-", exponent.lstrip("+-0")
    power = int(size) if size.isdigit() and len(size) < 6 else 0
    return max(digits + (power if sign else -power), 0)


def _checked(values: Any, decimals: int, name: str) -> Student:
    if not values.size:
        raise DataError(f"{name} holds no numbers")
    if np.isnan(values).all():
        raise DataError(f"{name} holds nothing but NaN")
    finite = values[np.isfinite(values)]
    if (finite == np.round(finite)).all():  # zeros and ones are not rounded, they are exact
        decimals = MOST_DECIMALS
    return Student(values, decimals)
