"""Documents: an Inspection as one line of JSON, schema `attn/1`, and back.

Floats are written in the shortest form that reads back to the same float32, so nothing is lost.
Which arrays there are, and their axes, is read off the dataclasses in `inspection`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from attn_cli.errors import DataError
from attn_cli.files import nested
from attn_cli.files.nested import KINDS, kind_of
from attn_cli.inspection import Inspection, Layer, Mask, Source, Token
from attn_cli.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA = "attn/1"
_SOME = 4096  # numbers that are written at once
_DEEPEST = 64  # levels in a mask's parameters or a source's settings
T = TypeVar("T")


def write(inspection: Inspection, precision: int | None = None) -> Iterator[bytes]:
    """One document on one line, in pieces of a row or so."""
    yield from line(document(inspection, precision), precision)


def line(values: Mapping[str, Any], precision: int | None = None) -> Iterator[bytes]:
    """Plain values and arrays as one line of JSON, in pieces of a row or so."""
    for piece in _object(values, _number_writer(precision)):
        yield piece.encode("ascii")
    yield b"\n"


def parsed(data: bytes, name: str) -> Iterator[tuple[Any, str]]:
    """Every document in the bytes of a JSON or JSON Lines file as plain values, and its place.

    Raises:
        DataError: as `strict_json.parse`.
    """
    from attn_cli.strict_json import parse  # whoever only writes can do without

    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines()
    # A document of ours is one line; one that a formatter spread over many is a single document.
    starts = [line for line in lines if line.strip()]
    if len(starts) > 1 and all(line.lstrip().startswith(b"{") for line in starts):
        for number, line in enumerate(lines, start=1):
            if line.strip():
                place = f"{name}, line {number}"
                yield parse(line, place, is_line=True), place
        return
    if not starts:
        raise DataError(f"{name} is empty")
    yield parse(data, name), name


def document(inspection: Inspection, precision: int | None = None) -> dict[str, Any]:
    """An Inspection as plain values, but for the arrays, which stay arrays."""
    same = inspection.key_tokens is inspection.query_tokens
    source = _values(inspection.source)
    if precision is not None:  # what was rounded before cannot have more now
        kept = source["precision"]
        source["precision"] = precision if kept is None else min(precision, kept)
    return {
        "schema": SCHEMA,
        "text": inspection.text,
        "kind": inspection.kind,
        "dimensions": inspection.dimensions,
        "query_tokens": [token_values(token) for token in inspection.query_tokens],
        "key_tokens": None if same else [token_values(token) for token in inspection.key_tokens],
        "token_ids": inspection.token_ids,
        "key_text": inspection.key_text,
        "key_ids": inspection.key_ids,
        "vocabulary": None if inspection.vocabulary is None else dict(inspection.vocabulary),
        "embedding": inspection.embedding,
        "position_code": inspection.position_code,
        "key_embedding": inspection.key_embedding,
        "mask": _values(inspection.mask),
        "layers": [_values(layer) for layer in inspection.layers],
        "source": source,
    }


def token_values(token: Token) -> dict[str, Any]:
    """A token as plain values; the pieces only where it was folded from some."""
    values = token._asdict()
    if not token.pieces:
        del values["pieces"]
    return values


def declared(kind: type) -> list[str]:
    """The names of the arrays that a part can hold."""
    return [item.name for item in fields(kind) if "axes" in item.metadata]


def from_document(found: Any, name: str) -> Inspection:
    """An Inspection from the parsed values of a document.

    Raises:
        DataError: a part is missing, of the wrong type or shape, or contradicts another.
    """
    reader = Reader(name)
    top = reader.object(found, "")
    schema = top.get("schema")
    if schema != SCHEMA:
        from attn_cli.strict_json import shown

        what = "has no schema" if schema is None else f"has the schema {shown(schema)}"
        raise DataError(f"{name} {what}; this program reads {SCHEMA}")
    query_tokens = reader.tokens(top.get("query_tokens"), "query_tokens")
    key_tokens = top.get("key_tokens")
    vocabulary = reader.optional(top, "vocabulary", reader.object)
    key_text = reader.optional(
        top, "key_text", lambda value, place: reader.scalar(value, place, str)
    )
    arrays: dict[str, Any] = reader.arrays(Inspection, top, "")
    try:
        made = Inspection(
            text=reader.scalar(top.get("text"), "text", str),
            kind=reader.choice(top.get("kind"), "kind", ("self", "causal", "cross")),
            query_tokens=query_tokens,
            key_tokens=query_tokens
            if key_tokens is None
            else reader.tokens(key_tokens, "key_tokens"),
            vocabulary=None if vocabulary is None else reader.vocabulary(vocabulary),
            key_text=key_text,
            mask=reader.part(Mask, top.get("mask"), "mask"),
            layers=tuple(
                reader.part(Layer, layer, f"layers[{i}]")
                for i, layer in enumerate(reader.items(top.get("layers"), "layers"))
            ),
            source=reader.part(Source, top.get("source"), "source"),
            **arrays,
        )
    except DataError as error:
        if error.message.startswith(name):
            raise
        raise DataError(f"{name}: {error.message}", error.hint) from None
    _require_dimensions(top.get("dimensions"), made, reader)
    return made


def _require_dimensions(said: Any, made: Inspection, reader: Reader) -> None:
    """Refuse sizes that are not those of the arrays; a document need not say them."""
    if said is None:
        return
    sizes = made.dimensions
    for key, size in reader.object(said, "dimensions").items():
        place, true = f"dimensions.{key}", sizes.get(key)
        if reader.scalar(size, place, int) != true and true is not None:
            raise DataError(f"{reader.name}: `{place}` is {size}, and the arrays have {true}")


def _values(part: Any) -> dict[str, Any]:
    return {item.name: getattr(part, item.name) for item in fields(part)}


def _number_writer(precision: int | None) -> Callable[[Any], str]:
    if precision is None:
        return str  # of a numpy float32: the shortest digits that are still that number
    return lambda number: str(round(float(number), precision) + 0.0)


def _object(value: Any, number: Callable[[Any], str]) -> Iterator[str]:
    """JSON text in pieces; `json` writes all but the arrays."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            yield from _array(value, lambda item: number(item) if np.isfinite(item) else "null")
        else:
            yield from _array(value, number)
    elif not _holds_array(value):
        yield json.dumps(value, allow_nan=False)
    elif isinstance(value, Mapping):
        for index, (key, item) in enumerate(value.items()):
            yield f"{', ' if index else '{'}{json.dumps(key)}: "
            yield from _object(item, number)
        yield "}"
    else:
        for index, item in enumerate(value):
            yield ", " if index else "["
            yield from _object(item, number)
        yield "]"


def _holds_array(value: Any) -> bool:
    if not isinstance(value, (Mapping, list)):
        return False
    items = value.values() if isinstance(value, Mapping) else value
    return any(isinstance(item, np.ndarray) or _holds_array(item) for item in items)


def _array(array: NDArray[Any], number: Callable[[Any], str]) -> Iterator[str]:
    if array.ndim == 2 and array.size and array.dtype.kind == "f":
        yield from _matrix(array, number)
    elif array.ndim > 1:
        for index, part in enumerate(array):
            yield ", " if index else "["
            yield from _array(part, number)
        yield "]" if len(array) else "[]"
    elif array.dtype.kind != "f":
        yield json.dumps(array.tolist())
    else:
        yield f"[{', '.join(map(number, array))}]"


def _matrix(matrix: NDArray[Any], number: Callable[[Any], str]) -> Iterator[str]:
    """Some rows at a time: one by one is slow, and all at once takes ten times their memory."""
    n_column = matrix.shape[1]
    some = max(1, _SOME // n_column)
    for start in range(0, len(matrix), some):
        texts = list(map(number, matrix[start : start + some].ravel()))
        rows = (", ".join(texts[i : i + n_column]) for i in range(0, len(texts), n_column))
        yield f"{', ' if start else '['}[{'], ['.join(rows)}]"
    yield "]"


class Reader:
    """Checks each value against what it should be, and names the place where it is not."""

    def __init__(self, name: str) -> None:
        self.name = name

    def fail(self, place: str, what: str) -> DataError:
        return DataError(f"{self.name}: `{place or 'the document'}` {what}")

    def object(self, value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.fail(place, f"should be an object, not {kind_of(value)}")
        return value

    def items(self, value: Any, place: str) -> list[Any]:
        if not isinstance(value, list):
            raise self.fail(place, f"should be an array, not {kind_of(value)}")
        return value

    def scalar(self, value: Any, place: str, kind: type[T]) -> T:
        if type(value) is not kind:
            raise self.fail(place, f"should be {KINDS[kind]}, not {kind_of(value)}")
        return value

    def plain_json(self, value: Any, place: str) -> None:
        """Refuse what could not be written again: infinite numbers, bottomless nesting."""
        if not _is_within(value, _DEEPEST):
            raise self.fail(place, f"is nested deeper than {_DEEPEST} levels")
        try:
            json.dumps(value, allow_nan=False)
        except ValueError:
            raise self.fail(place, "holds a number that JSON cannot carry") from None

    def choice(self, value: Any, place: str, choices: tuple[str, ...]) -> Any:
        if value not in choices:
            raise self.fail(place, f"should be one of {', '.join(choices)}")
        return value

    def optional(self, owner: dict[str, Any], key: str, read: Callable[[Any, str], T]) -> T | None:
        value = owner.get(key)
        return None if value is None else read(value, key)

    def vocabulary(self, ids: dict[str, Any]) -> Vocabulary:
        for word, index in ids.items():
            self.scalar(index, f"vocabulary[{json.dumps(word)}]", int)
        return Vocabulary(ids)

    def tokens(self, value: Any, place: str) -> tuple[Token, ...]:
        return tuple(
            self.token(item, f"{place}[{i}]") for i, item in enumerate(self.items(value, place))
        )

    def token(self, value: Any, place: str) -> Token:
        item = self.object(value, place)
        span, word = item.get("span"), item.get("word")
        if span is not None:
            ends = [
                self.scalar(end, f"{place}.span", int) for end in self.items(span, f"{place}.span")
            ]
            if len(ends) != 2:
                raise self.fail(f"{place}.span", "should have two ends")
            span = (ends[0], ends[1])
        return Token(
            text=self.scalar(item.get("text"), f"{place}.text", str),
            span=span,
            special=self.scalar(item.get("special", False), f"{place}.special", bool),
            word=None if word is None else self.scalar(word, f"{place}.word", int),
            pieces=tuple(
                self.scalar(piece, f"{place}.pieces", str)
                for piece in self.items(item.get("pieces", []), f"{place}.pieces")
            ),
        )

    def part(self, kind: type[T], value: Any, place: str) -> T:
        """A Mask, Source or Layer: its arrays by declaration, its other fields by type."""
        item = self.object(value, place)
        plain: dict[str, Any] = {}
        for field in fields(kind):  # type: ignore[arg-type]
            given = item.get(field.name)
            if "axes" not in field.metadata and given is not None:
                wanted = _TYPES[str(field.type).removesuffix(" | None")]
                if wanted is float and type(given) is int and abs(given) < 2**63:
                    given = float(given)
                plain[field.name] = self.scalar(given, f"{place}.{field.name}", wanted)
                self.plain_json(given, f"{place}.{field.name}")
        return kind(**plain, **self.arrays(kind, item, f"{place}."))

    def arrays(self, kind: type, item: dict[str, Any], prefix: str) -> dict[str, NDArray[Any]]:
        found = {}
        for declared in fields(kind):
            given = item.get(declared.name)
            if "axes" in declared.metadata and given is not None:
                place = f"{prefix}{declared.name}"
                found[declared.name] = self.array(
                    given, place, len(declared.metadata["axes"]), declared.metadata
                )
        return found

    def array(self, value: Any, place: str, ndim: int, declared: Mapping[str, Any]) -> NDArray[Any]:
        if isinstance(value, np.ndarray):  # from an NPZ archive
            if value.dtype.kind != declared["dtype"].kind:
                raise self.fail(place, f"should hold {declared['dtype']}, not {value.dtype}")
            return value
        return nested.array(self.items(value, place), place, ndim, declared, self.fail)


_TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "Mapping[str, Any]": dict}


def _is_within(value: Any, levels: int) -> bool:
    """Whether objects and arrays are nested no deeper than `levels`."""
    if not isinstance(value, (dict, list)):
        return True
    items = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_within(item, levels - 1) for item in items)
