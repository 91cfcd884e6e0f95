"""Strict JSON: what RFC 8259 allows and no more, with the place of whatever else there is.

It knows nothing of Inspections; `document` and `vocabulary` give the values a meaning.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from typing import Any, NoReturn

from attn_cli.errors import DataError

_LOOKED_AT = 1 << 16  # bytes of a beginning
_UNFINISHED = 16  # characters: the longest word or escape that a cut may go through


def parse(
    data: bytes,
    name: str,
    *,
    floats: Callable[[str], Any] | None = None,
    constants: Callable[[str], Any] | None = None,
    is_line: bool = False,
) -> Any:
    """A JSON document as Python values.

    Args:
        floats: what makes a value of a number with a point or an exponent; None: float.
        constants: what makes a value of NaN, Infinity and -Infinity; None refuses them.
        is_line: it is one line of a file, and `name` says which.

    Raises:
        DataError: not UTF-8, not JSON, NaN or Infinity, a key given twice, a number beyond
            reason, or nested too deep; the message names `name` and, where known, the place.
    """
    text = decoded(data, name)
    try:
        return _values(text, name, floats, constants)
    except json.JSONDecodeError as error:
        raise _misplaced(error, name, is_line) from None


def refuse_beginning(data: bytes, name: str) -> None:
    """Refuse what is no JSON however it goes on, before all of it is read.

    Raises:
        DataError: as `parse`, of what stands in the first 64 KiB. JSON Lines are let through.
    """
    text = decoded(data[:_LOOKED_AT], name, is_whole=False)
    try:
        _values(text, name)
    except json.JSONDecodeError as error:
        is_cut = error.pos >= len(text) - _UNFINISHED or error.msg.startswith("Unterminated string")
        is_next_line = error.msg == "Extra data" and text[error.pos] == "{"
        if not (is_cut or is_next_line):
            raise _misplaced(error, name) from None


def decoded(data: bytes, name: str, *, is_whole: bool = True) -> str:
    """UTF-8 as text, without a byte order mark; what is not whole may end within a character.

    Raises:
        DataError: it is not UTF-8; the message names the byte and its place.
    """
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(data, is_whole)
    except UnicodeDecodeError as error:
        place = error.start + len(data) - len(error.object)  # without the mark, it may have less
        raise DataError(
            f"{name} is not UTF-8 text: byte 0x{error.object[error.start]:02x} at {place}"
        ) from None


def shown(value: Any, most: int = 40) -> str:
    """A value as a message quotes it: cut, and without what arrays in it hold.

    >>> shown([1, "a", [[]]]), shown("a" * 9, 5)
    ('[1, "a", […]]', '"aaaa')
    """
    if isinstance(value, dict):
        return "{…}" if value else "{}"
    if isinstance(value, list):
        items = ("[…]" if isinstance(item, list) and item else shown(item) for item in value[:most])
        return f"[{', '.join(items)}]"[:most]
    return json.dumps(value[:most] if isinstance(value, str) else value)[:most]


def _values(
    text: str,
    name: str,
    floats: Callable[[str], Any] | None = None,
    constants: Callable[[str], Any] | None = None,
) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_float=floats,
            parse_constant=constants or _refuse_constant,
        )
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise DataError(f"{name} is not usable JSON: it is nested too deep") from None
    except ValueError as error:
        reason = str(error) if isinstance(error, _Refused) else "a number has too many digits"
        raise DataError(f"{name} is not usable JSON: {reason}") from None


def _misplaced(error: json.JSONDecodeError, name: str, is_line: bool = False) -> DataError:
    where = f"column {error.colno}" if is_line else f"line {error.lineno}, column {error.colno}"
    what = error.msg.removesuffix(" at")  # it ends so of a control character
    return DataError(f"{name} is not JSON: {what} at {where}")


class _Refused(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Refused(f"the key `{key}` is given twice")
            seen.add(key)
    return found


def _refuse_constant(constant: str) -> NoReturn:
    raise _Refused(f"{constant} is not a number that JSON has")
