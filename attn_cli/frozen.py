"""Frozen: values that are set once, at no cost to the start.

It knows no values.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError


class Frozen:
    """A dataclass whose fields are set once, when it is made.

    What `frozen=True` promises, without the code that it generates for every class at every start:
    a third of what importing `inspection` costs.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")
