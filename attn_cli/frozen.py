"""Frozen: values that are set once, at no cost to the start.

It knows no values.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, fields
from typing import Any


class Frozen:
    """A dataclass whose fields are set once, when it is made.

    What `frozen=True` promises, and an `__init__` that takes the fields by name, without the code
    that would be generated for every class at every start: half of what this module costs.
    """

    def __init__(self, **values: Any) -> None:
        for item in fields(self):  # type: ignore[arg-type]
            value = values.pop(item.name, MISSING)
            if value is MISSING:
                value = item.default if item.default is not MISSING else item.default_factory()  # type: ignore[operator]
            self.__dict__[item.name] = value
        if values:
            raise TypeError(f"{type(self).__name__} has no field {next(iter(values))!r}")
        self.__post_init__()

    def __post_init__(self) -> None:
        """Check what was given."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")
