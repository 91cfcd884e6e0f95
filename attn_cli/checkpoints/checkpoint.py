"""Checkpoint: one model on disk as one value, its parts read when they are asked for.

How it was found and in which format it is stored is not known here.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attn_cli.checkpoints.mapped import opened
from attn_cli.checkpoints.tensors import Tensors
from attn_cli.errors import DataError
from attn_cli.frozen import Frozen

if TYPE_CHECKING:
    from attn_cli.checkpoints.growth import Growth
    from attn_cli.checkpoints.tokenizer import Tokenizer

_SAMPLES, _SAMPLE = 64, 4096  # of each file, for its hash


@dataclass(init=False, eq=False, repr=False)
class Checkpoint(Frozen):
    """A model on disk: everything that a forward pass needs, read when it is asked for."""

    name: str  # as a person knows it: `org/name`, or the directory's or the file's name
    path: Path
    config: Mapping[str, Any]  # what `config.json` says; a GGUF's metadata in the same words
    tensors: Tensors
    dtype: str  # what most of the weights are stored as: float32, bfloat16, Q4_K ...
    files: tuple[Path, ...]  # of weights
    _tokenizer_json: Callable[[], tuple[bytes, str]]  # and its name

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that came with the model.

        Raises:
            UsageError: the package `tokenizers` is not installed.
            DataError: there is none, or it cannot be used.
        """
        from attn_cli.checkpoints.tokenizer import Tokenizer

        return Tokenizer(*self._backend)

    @cached_property
    def _backend(self) -> tuple[Any, str, Growth]:
        from attn_cli.checkpoints.backend import build

        data, name = self._tokenizer_json()
        backend, growth = build(data, name)
        return backend, name, growth

    @contextmanager
    def tokenizer_ahead(self) -> Iterator[None]:
        """Build the most of the tokenizer on another core while the block runs.

        The package lets other threads run meanwhile. What cannot be built complains when it is
        asked for, whatever the reason. Nothing should be written to standard error in the block:
        see `backend`.
        """

        def ahead() -> None:
            with suppress(Exception):
                _ = self._backend

        thread = threading.Thread(target=ahead, daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join()

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
        """The size of the weights on disk; DataError where a file is gone by now."""
        try:
            return sum(path.stat().st_size for path in self.files)
        except OSError as error:
            raise DataError(f"cannot read {error.filename}: it is gone") from None
