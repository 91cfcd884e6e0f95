"""Catalogue: what models are on this machine, each in a line, from their headers alone.

A model that is found and cannot be read is listed with the reason. No weight is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attn_cli.checkpoints import hub, locate
from attn_cli.errors import AttnError

# What families call the same thing.
_N_LAYER = ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers")
_N_HEAD = ("num_attention_heads", "n_head", "num_heads", "n_heads", "encoder_attention_heads")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One model; what its files do not say is None."""

    name: str
    path: str
    model_type: str | None = None
    n_layer: int | None = None
    n_head: int | None = None
    n_kv_head: int | None = None
    dtype: str | None = None
    n_bytes: int | None = None  # of weights on disk
    trouble: str | None = None  # why it cannot be read


def models(places: Iterable[str] = ()) -> Iterator[Listed]:
    """The models in some directories, or without any in the hub's local cache.

    Raises:
        DataError: a directory cannot be read, or the only place is a model that cannot.
    """
    given = [Path(place) for place in places]
    found: Iterable[tuple[str, Path]] = hub.repositories()
    if given:
        found = (model for place in given for model in locate.in_place(place))
    for name, path in found:
        try:
            yield _listed(name, path)
        except AttnError as error:
            if given == [path]:  # there is nothing else to list
                raise
            yield Listed(name=name, path=str(path), trouble=error.message)


def _listed(name: str, path: Path) -> Listed:
    checkpoint = locate.open_path(path, name)
    config: Mapping[str, Any] = checkpoint.config
    if isinstance(config.get("text_config"), dict):  # of a model for text and images
        config = {**config, **config["text_config"], "model_type": config.get("model_type")}
    family, n_head = config.get("model_type"), _first(config, _N_HEAD)
    return Listed(
        name=name,
        path=str(path),
        model_type=family if isinstance(family, str) else None,
        n_layer=_first(config, _N_LAYER),
        n_head=n_head,
        n_kv_head=_first(config, ("num_key_value_heads",)) or n_head,
        dtype=checkpoint.dtype,
        n_bytes=checkpoint.n_bytes,
    )


def _first(config: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    return next((config[key] for key in keys if type(config.get(key)) is int), None)
