"""Weights: the tensors of one model, found by the ends of their names and held to their shapes.

It opens no file and computes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from attn_cli.checkpoints.tensors import Origin
from attn_cli.errors import DataError

if TYPE_CHECKING:
    from attn_cli.checkpoints.tensors import Tensors
    from attn_cli.types import Floats, Integers

# What is not run, and transformers does not miss either: rotary frequencies, the attention of a
# decoder alone to an encoder that is not there, and a bias in T5's first files.
_NOT_RUN = re.compile(
    r"\.(attn_rot_embd|rope_freqs|crossattention|ln_cross_attn)\."
    r"|\.EncDecAttention\.relative_attention_bias\."
)
_WHOLE = ("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64")


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
        self._type_of: Callable[[str], str] | None = getattr(tensors, "type_of", None)
        self.origin: Origin = getattr(tensors, "origin", Origin())
        self._names = frozenset(tensors.names())
        self._read: set[str] = set()
        self._of_layer: dict[str, list[str]] = {}
        ends = sorted(n for n in self._names if n == anchor or n.endswith(f".{anchor}"))
        if not ends:
            raise DataError(
                self.origin.begin(
                    f"the checkpoint has no tensor named `{self.origin.name(anchor)}`, "
                    "with or without a prefix"
                ),
                f"It may hold another model than its {self.origin.config} says.",
            )
        if len(ends) > 1:
            raise DataError(
                self.origin.begin(
                    f"the checkpoint holds several models: `{ends[0]}` and `{ends[1]}`"
                ),
                "Use a checkpoint of one of them.",
            )
        self.prefix = ends[0].removesuffix(anchor)
        parts = self.prefix.split(".")[:-1]
        shorter = ("".join(f"{part}." for part in parts[:n]) for n in range(len(parts), -1, -1))
        self._beside = dict.fromkeys(beside, tuple(shorter))

    def require_no_more_layers(self, layer: str, known: Collection[str], key: str) -> None:
        """Refuse a checkpoint with layers that would silently not be run.

        Which tensors belong to which layer is noted here for `require_all_read`.

        Args:
            layer: what the names of a layer's tensors begin with, `{}` for a number.
            known: the same of the layers that there should be, numbers filled in.
            key: of a config.json, which says how many these are.
        """
        fixed = [re.escape(part) for part in re.split(r"\{\w*\}", self.prefix + layer)]
        begin = re.compile("([0-9]+)".join(fixed))
        found = [(match, name) for name in self._names if (match := begin.match(name))]
        beyond = [
            (tuple(int(number[:18]) for number in match.groups()), name)
            for match, name in found
            if match[0].removeprefix(self.prefix) not in known
        ]
        for match, name in found:
            self._of_layer.setdefault(match[0].removeprefix(self.prefix), []).append(name)
        if beyond:
            raise DataError(
                self.origin.begin(
                    f"the tensor `{self.origin.name(min(beyond)[1])}` is of a layer that "
                    f"`{self.origin.key(key)}` in its {self.origin.config} does not count"
                ),
                "Without that layer it would be another model: one of the two is wrong.",
            )

    def require_none(self, names: Collection[str]) -> None:
        """Refuse a checkpoint with a tensor that only another model has.

        Raises:
            DataError: there is one.
        """
        full = self.find(*names)
        if full is not None:
            raise self._unread(full)

    def require_all_read(self, layer: str) -> None:
        """Refuse a layer that has weights which nothing asked for when it was run.

        Args:
            layer: what the names of its tensors begin with.

        Raises:
            DataError: there is one: the model is another than its configuration says.
        """
        for name in sorted(self._of_layer.pop(layer, ())):
            if name not in self._read and self._is_weight(name):
                raise self._unread(name)

    def _is_weight(self, name: str) -> bool:
        ends = (".weight", ".bias", ".gamma", ".beta")
        return (
            name.endswith(ends)
            and len(self._tensors.shape(name)) <= 2  # a mask has more
            and self._kind(name) not in _WHOLE
            and not _NOT_RUN.search(name)
        )

    def _kind(self, name: str) -> str:
        return self._type_of(name) if self._type_of else "F32"

    def _unread(self, name: str) -> DataError:
        return DataError(
            self.origin.begin(
                f"the model that its {self.origin.config} describes has no tensor "
                f"`{self.origin.name(name)}`"
            ),
            "Without it the numbers would be another model's: one of the two is wrong.",
        )

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
            DataError: there is none, or it has another shape or holds whole numbers.
        """
        full = self.find(*names)
        if full is None:
            wanted = self._beside.get(names[0], (self.prefix,))[-1] + names[0]
            raise DataError(
                self.origin.begin(f"the checkpoint has no tensor `{self.origin.name(wanted)}`"),
                f"It may be incomplete, or another model than its {self.origin.config} says.",
            )
        kind = self._kind(full)
        if kind in _WHOLE:
            raise DataError(
                self.origin.begin(
                    f"the tensor `{full}` is of type {kind}: whole numbers are no weights"
                ),
                "They may be packed: use a checkpoint of F32, F16 or BF16.",
            )
        found = tuple(self._tensors.shape(full))
        if found != shape:
            raise DataError(
                self.origin.begin(
                    f"the tensor `{self.origin.name(full)}` has the shape {_shown(found)}; "
                    f"the model's {self.origin.config} asks for {_shown(shape)}"
                )
            )
        self._read.add(full)
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
