"""Tensors: what a forward pass asks of a file of weights, whichever format that file has.

It reads nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from attn_cli.types import Floats, Integers


def _same(name: str) -> str:
    return name


class Origin(NamedTuple):
    """Where tensors are from, for complaints: in the words of the file that a person has."""

    place: str = ""  # a path
    config: str = "config.json"  # what says how many layers there are, and how large tensors
    name: Callable[[str], str] = _same  # what the file calls a tensor
    key: Callable[[str], str] = _same  # what it calls a key of a config.json

    def begin(self, what: str) -> str:
        """A complaint that begins with the place, where that is known."""
        return f"{self.place}: {what}" if self.place else what


class Tensors(Protocol):
    """Named weights, each read when it is asked for."""

    def names(self) -> Collection[str]:
        """Every tensor's name."""
        ...

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, without reading it."""
        ...

    def read(self, name: str) -> Floats:
        """A tensor as float32; it may be a read-only view of the file."""
        ...

    def rows(self, name: str, index: Integers | slice) -> Floats:
        """Some rows of a matrix, and no others converted: a table of embeddings is large."""
        ...
