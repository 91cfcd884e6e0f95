"""Strict JSON: what RFC 8259 allows and no more, with the place of whatever else there is.

It knows nothing of Inspections; `document` and `vocabulary` give the values a meaning.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

from attn_cli.errors import DataError


def parse(
    data: bytes,
    name: str,
    *,
    floats: Callable[[str], Any] | None = None,
    constants: Callable[[str], Any] | None = None,
) -> Any:
    """A JSON document as Python values.

    Args:
        floats: what makes a value of a number with a point or an exponent; None: float.
        constants: what makes a value of NaN, Infinity and -Infinity; None refuses them.

    Raises:
        DataError: not UTF-8, not JSON, NaN or Infinity, a key given twice, a number beyond
            reason, or nested too deep; the message names `name` and, where known, the place.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is not UTF-8 text: byte 0x{data[error.start]:02x} at {error.start}"
        ) from None
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_float=floats,
            parse_constant=constants or _refuse_constant,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DataError(f"{name} is not JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise DataError(f"{name} is not usable JSON: it is nested too deep") from None
    except ValueError as error:
        reason = str(error) if isinstance(error, _Refused) else "a number has too many digits"
        raise DataError(f"{name} is not usable JSON: {reason}") from None


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
