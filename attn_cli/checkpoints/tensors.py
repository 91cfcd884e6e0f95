"""Tensors: what a forward pass asks of a file of weights, whichever format that file has.

It reads nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from attn_cli.types import Floats, Integers


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
