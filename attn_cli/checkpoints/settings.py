"""Settings: the values of a config.json, each held to what it should be before it is used.

It knows no family and no network; a family says which settings it has and what they default to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from attn_cli.errors import DataError

MOST = 2**31 - 1  # any size, number of heads or layers


class Setting(NamedTuple):
    """Where a value stands, and what it is when it stands nowhere."""

    keys: str  # one or more names in config.json; the first that is there counts
    default: Any = None
    nullable: bool = False  # null is a value of its own: "none"


class Settings:
    """The values of one config.json, by the names that a family gives them.

    Args:
        config: the parsed file.
        declared: name -> Setting, or a value that the family fixes.
    """

    def __init__(self, config: Mapping[str, Any], declared: Mapping[str, Any]) -> None:
        self.config = config
        self._declared = declared

    def value(self, name: str) -> Any:
        """The value as it stands; None where neither file nor family says anything."""
        declared = self._declared.get(name)
        if not isinstance(declared, Setting):
            return declared
        found = [self.config[key] for key in declared.keys.split() if key in self.config]
        if not found:
            return declared.default
        given = next((value for value in found if value is not None), None)
        if given is None and not declared.nullable:
            raise self.error(name, "must not be null")
        return given

    def size(self, name: str, most: int = MOST) -> int:
        """A whole number from 1 up."""
        value = self.value(name)
        if type(value) is not int or not 1 <= value <= most:
            raise self.error(name, f"must be a whole number from 1 to {most}, not: {shown(value)}")
        return value

    def optional_size(self, name: str) -> int | None:
        return None if self.value(name) is None else self.size(name)

    def number(self, name: str) -> float:
        """A number above 0."""
        return positive(self.value(name), self.key(name))

    def optional_number(self, name: str) -> float | None:
        return None if self.value(name) is None else self.number(name)

    def flag(self, name: str, *, otherwise: bool = False) -> bool:
        """True or false; `otherwise` where neither file nor family says anything."""
        value = self.value(name)
        return otherwise if value is None else boolean(value, self.key(name))

    def token_ids(self, name: str, most: int = MOST) -> tuple[int, ...]:
        """The id of a token, or a list of ids, or null for none."""
        value = self.value(name)
        given = value if isinstance(value, list) else [] if value is None else [value]
        if len(given) > most or any(type(item) is not int for item in given):
            raise self.error(name, f"must be the id of a token, not: {shown(value)}")
        return tuple(given)

    def word(self, name: str) -> str:
        value = self.value(name)
        if not isinstance(value, str):
            raise self.error(name, f"must be a string, not: {shown(value)}")
        return value

    def key(self, name: str) -> str:
        """What config.json calls the setting."""
        declared = self._declared.get(name)
        if not isinstance(declared, Setting):
            return name
        keys = declared.keys.split()
        return next((key for key in keys if key in self.config), keys[0])

    def error(self, name: str, what: str) -> DataError:
        return DataError(f"config.json: `{self.key(name)}` {what}")


def boolean(value: Any, key: str) -> bool:
    """True or false, or a DataError that names its key."""
    if type(value) is not bool:
        raise DataError(f"config.json: `{key}` must be true or false, not: {shown(value)}")
    return value


def positive(value: Any, key: str) -> float:
    """A number above 0 that float32 can compute with, or a DataError that names its key."""
    if type(value) not in (int, float) or not 1e-15 <= value <= 1e15:
        raise DataError(
            f"config.json: `{key}` must be a number from 1e-15 to 1e15, not: {shown(value)}"
        )
    return float(value)


def shown(value: Any) -> str:
    """A value as JSON has it, cut to a line."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
