"""Kept: tensors that stay in memory once they are converted, for who reads them again and again.

One pass over a text reads each weight once and is better off without it. It converts nothing
itself, and it drops nothing: what does not fit is read anew each time.
"""

from __future__ import annotations

from collections.abc import Collection
from math import prod
from typing import TYPE_CHECKING

from attn_cli import memory
from attn_cli.checkpoints.tensors import Origin, Tensors

if TYPE_CHECKING:
    from attn_cli.types import Floats, Integers


class Kept:
    """The same tensors; those that are no views of a file are held, up to `budget` bytes.

    Args:
        tensors: what is read.
        budget: bytes in all; None: a quarter of the memory that there is.
    """

    def __init__(self, tensors: Tensors, budget: int | None = None) -> None:
        self._tensors = tensors
        self._left = memory.available() // 4 if budget is None else budget
        self._held: dict[str, Floats] = {}

    def names(self) -> Collection[str]:
        return self._tensors.names()

    def type_of(self, name: str) -> str:
        inner = getattr(self._tensors, "type_of", None)
        return "F32" if inner is None else str(inner(name))

    @property
    def origin(self) -> Origin:
        return getattr(self._tensors, "origin", Origin())

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors.shape(name)

    def read(self, name: str) -> Floats:
        """A tensor as float32, read-only once it is held."""
        if name in self._held:
            return self._held[name]
        found = self._tensors.read(name)
        if found.flags.writeable and found.nbytes <= self._left:  # else it is a view, or too large
            found.flags.writeable = False
            self._left -= found.nbytes
            self._held[name] = found
        return found

    def rows(self, name: str, index: Integers | slice) -> Floats:
        """Some rows of a tensor; of one that is not held, converting no others if that is known.

        A block of rows is taken for a sweep over all of them, which is worth holding them.
        """
        some = getattr(self._tensors, "rows", None)
        if name in self._held or some is None or self._sweeps(name, index):
            return self.read(name)[index]
        found: Floats = some(name, index)
        return found

    def _sweeps(self, name: str, index: Integers | slice) -> bool:
        return isinstance(index, slice) and 4 * prod(self.shape(name)) <= self._left
