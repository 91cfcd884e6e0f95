"""Rotary: from either dialect of config.json to how far a model turns query and key.

It reads settings and calls the formulas in `operations`; it turns nothing itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.checkpoints.settings import MOST, Settings, positive, shown
from attn_cli.errors import DataError
from attn_cli.frozen import Frozen
from attn_cli.positions import (
    llama3_frequencies,
    rotary_frequencies,
    yarn_frequencies,
    yarn_range,
)

if TYPE_CHECKING:
    from attn_cli.types import Floats


@dataclass(init=False, eq=False, repr=False)
class Rotary(Frozen):
    """The rotary code of some layers, whatever the length of the text."""

    d_rotary: int
    base: float
    kind: str = "default"
    factor: float = 1.0
    magnitude: float = 1.0  # what cosine and sine are multiplied with
    length: int = 1  # the tokens that the model was first trained on
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    ramp: tuple[float, float] = (0.0, 1.0)
    short_factors: tuple[float, ...] = ()
    long_factors: tuple[float, ...] = ()

    def frequencies(self, n: int) -> Floats:
        """Radians a position for each pair of components, for a text of n tokens."""
        if self.kind == "dynamic":
            # Dynamic NTK: the base grows with the text (bloc97 and emozilla 2023, as in
            # transformers' modeling_rope_utils).
            growth = self.factor * max(n, self.length) / self.length - (self.factor - 1)
            return rotary_frequencies(
                self.d_rotary, self.base * growth ** (self.d_rotary / (self.d_rotary - 2))
            )
        plain = rotary_frequencies(self.d_rotary, self.base)
        if self.kind == "linear":  # Chen et al. 2023, "Position Interpolation"
            slowed: Floats = plain / np.float32(self.factor)
            return slowed
        if self.kind == "llama3":
            return llama3_frequencies(
                plain,
                factor=self.factor,
                low_freq_factor=self.low_freq_factor,
                high_freq_factor=self.high_freq_factor,
                original_length=self.length,
            )
        if self.kind == "yarn":
            return yarn_frequencies(plain, factor=self.factor, low=self.ramp[0], high=self.ramp[1])
        if self.kind == "longrope":  # Ding et al. 2024: a factor for each pair, by the length
            factors = self.long_factors if n > self.length else self.short_factors
            stretched = np.array(factors, dtype=np.float32) * (np.float32(1) / plain)
            turned: Floats = np.float32(1) / stretched
            return turned
        return plain

    def follows_length(self, n: int, more: int) -> bool:
        """Whether a text of `more` tokens turns its first n otherwise than a text of n did."""
        if self.kind == "dynamic":
            return max(n, self.length) != max(more, self.length)
        return self.kind == "longrope" and n <= self.length < more


def rotary(settings: Settings, d_head: int, *, local: bool = False) -> Rotary:
    """The rotary code that a config.json asks for, in full or in `local` (sliding) layers.

    Two dialects: `rope_theta` beside `rope_scaling`, and `rope_parameters`, which Gemma 3 nests
    by the layer's type.

    Raises:
        DataError: an unknown kind, or a number that is missing or out of range.
    """
    rope = _Rope(settings, _parameters(settings, local), local)
    own = settings.value("rotary_part")
    fallback = settings.config.get("partial_rotary_factor") if own is None else own
    partial = rope.number("partial_rotary_factor", 1.0 if fallback is None else fallback)
    if own is None and partial != 1:
        raise DataError(
            f"config.json: `partial_rotary_factor` must be 1 in this family, not: {shown(partial)}"
        )
    d_rotary = int(d_head * partial)
    if not 1 <= d_rotary + d_rotary % 2 <= d_head:
        raise DataError(
            f"config.json: heads {d_head} wide, rotated in {shown(partial)} of their width, do not "
            "have pairs of components to rotate"
        )
    theta = settings.value("rope_local_theta" if local else "rope_theta")
    plain = Rotary(d_rotary=d_rotary, base=rope.number("rope_theta", theta))
    return _KINDS[rope.kind](rope, plain)


def _parameters(settings: Settings, local: bool) -> Mapping[str, Any]:
    """The object that describes the rotary code, or an empty one."""
    scaling = _object(settings.config, "rope_scaling")
    nested = _object(settings.config, "rope_parameters")
    if not settings.value("rope_local_theta"):
        return scaling or nested
    own = _object(nested, "sliding_attention" if local else "full_attention")
    return own if local else {**own, **scaling}  # which is of the full layers alone


def _object(given: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = given.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise DataError(f"config.json: `{key}` must be an object, not: {shown(value)}")
    return value or {}


class _Rope:
    """The parameters of one rotary code, each checked when it is asked for."""

    def __init__(self, settings: Settings, given: Mapping[str, Any], local: bool) -> None:
        self.given = given
        self.settings = settings
        self.kind = given.get("rope_type", given.get("type", "default"))
        renamed = settings.value("rope_kinds") or {}
        if isinstance(self.kind, str):
            self.kind = renamed.get(self.kind, self.kind)
        if not isinstance(self.kind, str) or self.kind not in _KINDS:
            raise DataError(
                f"config.json: the rotary code is of an unknown kind: {shown(self.kind)}",
                f"These are known: {', '.join(_KINDS)}.",
            )

    def number(self, key: str, default: float | None = None) -> float:
        value = self.given.get(key)
        return positive(default if value is None else value, f"rope_parameters.{key}")

    def length(self) -> int:
        """The length that the model was first trained on."""
        value = self.settings.value("original_length")
        if value is None:
            value = self.given.get("original_max_position_embeddings")
        if value is None:
            return self.settings.size("n_position")
        if type(value) is not int or not 1 <= value <= MOST:
            raise DataError(
                "config.json: `original_max_position_embeddings` must be a whole number from 1 up, "
                f"not: {shown(value)}"
            )
        return value

    def factor(self, length: int) -> float:
        """How much longer the context was made."""
        return self.number("factor", self.settings.size("n_position") / length)

    def factors(self, key: str, n: int) -> tuple[float, ...]:
        value = self.given.get(key)
        if not isinstance(value, list) or len(value) != n:
            raise DataError(f"config.json: `rope_parameters.{key}` must be {n} numbers")
        return tuple(positive(item, f"rope_parameters.{key}") for item in value)


def _default(rope: _Rope, plain: Rotary) -> Rotary:
    return plain


def _linear(rope: _Rope, plain: Rotary) -> Rotary:
    return replace(plain, kind="linear", factor=rope.number("factor"))


def _dynamic(rope: _Rope, plain: Rotary) -> Rotary:
    if plain.d_rotary <= 2:
        raise DataError("config.json: a dynamic rotary code needs more than 2 components")
    factor = rope.number("factor")
    return replace(plain, kind="dynamic", factor=factor, length=rope.settings.size("n_position"))


def _llama3(rope: _Rope, plain: Rotary) -> Rotary:
    low, high = rope.number("low_freq_factor"), rope.number("high_freq_factor")
    if low == high:
        raise DataError("config.json: `low_freq_factor` and `high_freq_factor` must differ")
    return replace(
        plain,
        kind="llama3",
        factor=rope.number("factor"),
        length=rope.length(),
        low_freq_factor=low,
        high_freq_factor=high,
    )


def _yarn(rope: _Rope, plain: Rotary) -> Rotary:
    length = rope.length()
    factor = rope.factor(length)
    if plain.base == 1:
        raise DataError("config.json: `rope_theta` must not be 1 with a YaRN rotary code")
    whole, parts = rope.given.get("mscale"), rope.given.get("mscale_all_dim")
    if rope.given.get("attention_factor") is not None:
        magnitude = rope.number("attention_factor")
    elif whole and parts:
        magnitude = _mscale(factor, rope.number("mscale")) / _mscale(
            factor, rope.number("mscale_all_dim")
        )
    else:
        magnitude = _mscale(factor, 1.0)
    ramp = yarn_range(
        plain.d_rotary,
        plain.base,
        length,
        beta_fast=rope.number("beta_fast", 32.0),
        beta_slow=rope.number("beta_slow", 1.0),
        truncate=rope.given.get("truncate", True) is not False,
    )
    return replace(plain, kind="yarn", factor=factor, magnitude=magnitude, length=length, ramp=ramp)


def _mscale(factor: float, scale: float) -> float:
    """Peng et al. 2023, equation 22."""
    return 1.0 if factor <= 1 else 0.1 * scale * math.log(factor) + 1.0


def _longrope(rope: _Rope, plain: Rotary) -> Rotary:
    length, n_pairs = rope.length(), (plain.d_rotary + 1) // 2
    factor = rope.factor(length)
    magnitude = math.sqrt(1 + math.log(factor) / math.log(length)) if factor > 1 < length else 1.0
    return replace(
        plain,
        kind="longrope",
        factor=factor,
        magnitude=rope.number("attention_factor", magnitude),
        length=length,
        short_factors=rope.factors("short_factor", n_pairs),
        long_factors=rope.factors("long_factor", n_pairs),
    )


_KINDS: dict[str, Callable[[_Rope, Rotary], Rotary]] = {
    "default": _default,
    "linear": _linear,
    "dynamic": _dynamic,
    "llama3": _llama3,
    "yarn": _yarn,
    "longrope": _longrope,
}
