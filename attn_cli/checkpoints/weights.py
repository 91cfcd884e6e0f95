"""Weights: the tensors of one model, found by the ends of their names and held to their shapes.

It opens no file and computes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from attn_cli.errors import DataError

if TYPE_CHECKING:
    from attn_cli.checkpoints.tensors import Tensors
    from attn_cli.types import Floats, Integers


class Weights:
    """The tensors of one model: found behind any prefix, and held to the shapes they should have.

    Args:
        tensors: the checkpoint's.
        anchor: the name, without prefix, of a tensor that the model has once.
        beside: names of what may stand beside the model, as heads do: with a shorter prefix.

    Raises:
        DataError: no tensor's name ends with the anchor, or several do.
    """

    def __init__(self, tensors: Tensors, anchor: str, beside: Collection[str] = ()) -> None:
        self._tensors = tensors
        self._names = frozenset(tensors.names())
        ends = sorted(n for n in self._names if n == anchor or n.endswith(f".{anchor}"))
        if not ends:
            raise DataError(
                f"the checkpoint has no tensor named `{anchor}`, with or without a prefix",
                "It may hold another model than its config.json says.",
            )
        if len(ends) > 1:
            raise DataError(
                f"the checkpoint holds several models: `{ends[0]}` and `{ends[1]}`",
                "Use a checkpoint of one of them.",
            )
        self.prefix = ends[0].removesuffix(anchor)
        parts = self.prefix.split(".")[:-1]
        shorter = ("".join(f"{part}." for part in parts[:n]) for n in range(len(parts), -1, -1))
        self._beside = dict.fromkeys(beside, tuple(shorter))

    def find(self, *names: str) -> str | None:
        """The full name of the first of these tensors that there is, or None."""
        for name in names:
            for spelling in (name, _old_spelling(name)):
                for prefix in self._beside.get(name, (self.prefix,)):
                    if prefix + spelling in self._names:
                        return prefix + spelling
        return None

    def require(self, *names: str, shape: tuple[int, ...]) -> str:
        """The full name of the first of these tensors that there is, once its shape is checked.

        Raises:
            DataError: there is none, or it has another shape.
        """
        full = self.find(*names)
        if full is None:
            raise DataError(
                f"the checkpoint has no tensor `{self.prefix}{names[0]}`",
                "It may be incomplete, or another model than its config.json says.",
            )
        found = tuple(self._tensors.shape(full))
        if found != shape:
            raise DataError(
                f"the tensor `{full}` has the shape {_shown(found)}; "
                f"the model's config.json asks for {_shown(shape)}"
            )
        return full

    def read(self, *names: str, shape: tuple[int, ...]) -> Floats:
        """The first of these tensors that there is. Raises as `require` and `Tensors.read`."""
        return self._tensors.read(self.require(*names, shape=shape))

    def rows(self, *names: str, shape: tuple[int, int], index: Integers | slice) -> Floats:
        """Some rows of the first of these matrices that there is. Raises as `read`.

        No others are converted: a table of embeddings may be most of a checkpoint.
        """
        return self._tensors.rows(self.require(*names, shape=shape), index)

    def release(self) -> None:
        """Let what was read leave memory, where the reader can do that; it can be read again."""
        release = getattr(self._tensors, "release", None)
        if release is not None:
            release()


def _old_spelling(name: str) -> str:
    """What BERT's first files call a tensor of a norm."""
    for now, then in ((".weight", ".gamma"), (".bias", ".beta")):
        if name.endswith(now):
            return name.removesuffix(now) + then
    return name


def _shown(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"
