"""Masks: which keys each layer of a model may look at, as its config.json says.

It makes boolean arrays; it applies none.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from attn_cli.checkpoints.settings import Setting, Settings, shown
from attn_cli.frozen import Frozen
from attn_cli.positions import (
    key_distances,
    spread_by_distance,
)

if TYPE_CHECKING:
    from attn_cli.types import Booleans

MaskKind = Literal["none", "causal", "is_decoder", "window", "layer_types"]


@dataclass(init=False, eq=False, repr=False)
class MaskPlan(Frozen):
    """Which keys a query may look at, whatever the length of the text."""

    causal: bool = False  # none that come later
    window: int | None = None  # none that are this far away or further
    local: bool = False  # the layer is of the sliding kind

    @property
    def name(self) -> str:
        if self.window is not None:
            return "sliding"
        return "causal" if self.causal else "none"

    @property
    def parameters(self) -> dict[str, int]:
        return {} if self.window is None else {"window": self.window}

    def allowed(self, n_query: int, n_key: int) -> Booleans | None:
        """(n_query, n_key), true where a query may look, a read-only view; None: everywhere.

        The queries are the last n_query of the n_key tokens.
        """
        if self.window is None and not self.causal:
            return None
        distances = key_distances(n_key)
        allowed = np.ones(len(distances), dtype=np.bool_)
        if self.causal:
            allowed &= distances <= 0
        if self.window is not None:
            allowed &= np.abs(distances) < self.window
        return spread_by_distance(allowed, n_query)


def widest(plans: Collection[MaskPlan]) -> MaskPlan:
    """The narrowest mask that allows all that any of these does."""
    windows = [plan.window for plan in plans]
    return MaskPlan(
        causal=all(plan.causal for plan in plans),
        window=None if None in windows else max(w for w in windows if w is not None),
    )


def layer_masks(settings: Settings, kind: MaskKind, n_layer: int) -> list[MaskPlan]:
    """The mask of each layer.

    Raises:
        DataError: the layers' types are not known, too few or too many, or slide without a window.
    """
    if kind == "is_decoder":
        kind = "causal" if settings.flag("is_decoder") else "none"
    # A decoder's checkpoint that was trained further to look both ways says so.
    causal = kind != "none" and _says_causal(settings)
    if settings.flag("looks_both_ways"):
        causal = False
    full = MaskPlan(causal=causal)
    if kind == "window" and settings.value("window") is not None:
        return [_sliding(settings, causal)] * n_layer
    if kind != "layer_types":
        return [full] * n_layer
    types = _layer_types(settings, n_layer)
    sliding = _sliding(settings, causal) if "sliding_attention" in types else full
    return [sliding if name == "sliding_attention" else full for name in types]


def _says_causal(settings: Settings) -> bool:
    """What a configuration of any family may say, and most do not."""
    own = Settings(settings.config, {"causal": Setting("is_causal", True, nullable=True)})
    return own.flag("causal", otherwise=True)


def _sliding(settings: Settings, causal: bool) -> MaskPlan:
    window = settings.size("window")
    if settings.flag("looks_both_ways"):  # Gemma 3's encoders: half to each side
        window = window // 2 + 1
    elif not causal:  # transformers takes the end of a two-sided window in
        window += 1
    return MaskPlan(causal=causal, window=window, local=True)


def _layer_types(settings: Settings, n_layer: int) -> list[str]:
    given = settings.config.get("layer_types")
    if given is None:
        return [_type_of(settings, index) for index in range(n_layer)]
    if not isinstance(given, list) or len(given) != n_layer:
        raise settings.error("layer_types", f"must name the types of {n_layer} layers")
    for name in given:
        if name not in ("full_attention", "sliding_attention", "attention"):
            raise settings.error("layer_types", f"has a type that is not known: {shown(name)}")
    if "sliding_attention" in given and not _slides(settings):
        raise settings.error("layer_types", "has sliding layers, but there is no sliding window")
    return given


def _slides(settings: Settings) -> bool:
    return settings.flag("slides", otherwise=True) and settings.value("window") is not None


def _type_of(settings: Settings, index: int) -> str:
    """The type of a layer where config.json lists none: by the family's pattern."""
    pattern = settings.optional_size("pattern")
    if pattern is not None:  # all but every so manieth
        sliding = bool((index + 1) % pattern)
    else:
        sliding = index >= _first_sliding(settings) and _slides(settings)
    return "sliding_attention" if sliding else "full_attention"


def _first_sliding(settings: Settings) -> int:
    value = settings.value("first_sliding")
    if type(value) is not int or value < 0:
        raise settings.error("first_sliding", f"must be a whole number, not: {shown(value)}")
    return value
