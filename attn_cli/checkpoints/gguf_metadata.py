"""GGUF metadata: the settings of one architecture, checked when they are asked for.

What they mean for a model is in `gguf_model`.
"""

from __future__ import annotations

import math
from array import array
from typing import Any

from attn_cli.checkpoints.gguf import GgufFile, told
from attn_cli.errors import DataError

MAX_LAYERS = 10_000  # ten times the most that any model has
# What would change the attention of any of these families, and what it is where it does not.
_UNCHANGED = {
    "attention.causal": (True,),
    "attention.scale": (0,),
    "attention.clamp_kqv": (0,),
    "attention.max_alibi_bias": (0,),
    "logit_scale": (0, 1),
    "residual_scale": (0, 1),
    "embedding_scale": (0, 1),
}


class Metadata:
    """The values of one architecture's keys, checked."""

    def __init__(self, file: GgufFile, architecture: str) -> None:
        self._file, self._architecture = file, architecture

    def number(self, key: str, default: Any = None) -> Any:
        """A number; of a list with one for each layer, the one that all share.

        Raises:
            DataError: it is missing without a default, no number, or differs between layers.
        """
        full = f"{self._architecture}.{key}"
        value = self._file.metadata.get(full, default)
        if isinstance(value, array):
            if len(value) > MAX_LAYERS or len(set(value)) != 1:
                raise DataError(f"{self._file.path}: `{full}` differs between layers")
            value = value[0]
        if value is None:
            raise DataError(f"{self._file.path} lacks the metadata `{full}`")
        if type(value) not in (int, float) or not math.isfinite(value):
            raise DataError(f"{self._file.path}: `{full}` is no number: {told(value)}")
        return value

    def count(self, key: str, default: int | None = None) -> int:
        """A whole number from 1 on."""
        value = self.number(key, default)
        if type(value) is not int or value < 1:
            raise DataError(f"{self._file.path}: `{self._architecture}.{key}` is {value}, no count")
        return value

    def optional(self, key: str) -> Any:
        """A number, or None if there is none."""
        return self.number(key) if f"{self._architecture}.{key}" in self._file.metadata else None

    def contradiction(self, key: str, value: object, what: str) -> DataError:
        """A value that cannot be, as something else in the file says."""
        full = f"{self._architecture}.{key}"
        return DataError(f"{self._file.path}: `{full}` is {told(value)}, and {what}")

    def require_unchanged(self) -> None:
        """Refuse settings that change attention in a way that is not known here.

        Raises:
            DataError: there is one.
        """
        for key, values in _UNCHANGED.items():
            value = self._file.metadata.get(f"{self._architecture}.{key}", values[0])
            if value not in values:
                what = f"what it does to a {self._architecture} is not known"
                raise self.contradiction(key, value, what)

    def text(self, key: str, default: str) -> str:
        """Words.

        Raises:
            DataError: it is something else.
        """
        full = f"{self._architecture}.{key}"
        value = self._file.metadata.get(full, default)
        if not isinstance(value, str):
            raise DataError(f"{self._file.path}: `{full}` is no text: {told(value)}")
        return value
