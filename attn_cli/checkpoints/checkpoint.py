"""Checkpoint: one model on disk as one value, its parts read when they are asked for.

How it was found and in which format it is stored is not known here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attn_cli.checkpoints.mapped import opened
from attn_cli.checkpoints.tensors import Tensors

if TYPE_CHECKING:
    from attn_cli.checkpoints.tokenizer import Tokenizer

_SAMPLES, _SAMPLE = 64, 4096  # of each file, for its hash


@dataclass(frozen=True, eq=False, kw_only=True)
class Checkpoint:
    """A model on disk: everything that a forward pass needs, read when it is asked for."""

    name: str  # as a person knows it: `org/name`, or the directory's or the file's name
    path: Path
    config: Mapping[str, Any]  # what `config.json` says; a GGUF's metadata in the same words
    tensors: Tensors
    dtype: str  # what most of the weights are stored as: float32, bfloat16, Q4_K ...
    files: tuple[Path, ...]  # of weights
    _make_tokenizer: Callable[[], Tokenizer] = field(repr=False)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that came with the model.

        Raises:
            UsageError: the package `tokenizers` is not installed.
            DataError: there is none, or it cannot be used.
        """
        return self._make_tokenizer()

    @cached_property
    def file_hash(self) -> str:
        """What tells these weights from others without reading them all: `sampled-sha256:…`.

        SHA-256 over each file's size, its first 4 KiB, its last and 62 evenly spread between. Other
        weights of the same shapes give another hash; a change of a few numbers may not.
        """
        digest = hashlib.sha256()
        for path in self.files:
            with opened(path) as file:
                size = file.seek(0, 2)
                digest.update(size.to_bytes(8, "little"))
                for sample in range(_SAMPLES):
                    file.seek(max(size - _SAMPLE, 0) * sample // (_SAMPLES - 1))
                    digest.update(file.read(_SAMPLE))
        return f"sampled-sha256:{digest.hexdigest()}"

    @property
    def n_bytes(self) -> int:
        """The size of the weights on disk."""
        return sum(path.stat().st_size for path in self.files)
