"""Architecture: a config.json as one declarative value that the forward pass reads.

It reads no tensors and computes no attention; what sets the families apart is in `families`.

Dimensions: n_layer, n_head, n_kv_head, d_model, d_head, d_ff (inside the feed-forward), n_vocab,
d_embedding (a row of the word embedding), n_position (rows of a learned position table).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from attn_cli import memory
from attn_cli.checkpoints.families import find_family
from attn_cli.checkpoints.families.family import Family
from attn_cli.checkpoints.masks import MaskPlan, layer_masks
from attn_cli.checkpoints.rotary import Rotary, rotary
from attn_cli.checkpoints.settings import Settings
from attn_cli.errors import DataError
from attn_cli.frozen import Frozen
from attn_cli.operations import ACTIVATIONS

_MOST_LAYERS, _MOST_WORDS = 10_000, 1 << 24  # dozens of times what any model has


@dataclass(init=False, eq=False, repr=False)
class Positions(Frozen):
    """A learned table of position embeddings."""

    n_rows: int
    offset: int  # the row of the first token
    padding: int | None = None  # the token that has no position: it and only it has this row


@dataclass(init=False, eq=False, repr=False)
class Relative(Frozen):
    """A learned bias for each bucket of distances between query and key."""

    n_bucket: int
    max_distance: int
    both_sides: bool
    n_row: int  # of the table, which may have more than there are buckets


@dataclass(init=False, eq=False, repr=False)
class LayerPlan(Frozen):
    """What sets one layer apart from the others."""

    prefix: str  # of its tensors' names
    scale: float  # what its scores are multiplied with
    mask: MaskPlan
    rotary: Rotary | None = None


@dataclass(init=False, eq=False, repr=False)
class Architecture(Frozen):
    """One stack of layers, as the forward pass reads it; a decoder may have an `encoder` beside it.

    A part that a family does not have has no name in `names`: the six places for a norm, the
    projections of an embedding, a table of token types.
    """

    family: Family
    encoder: Architecture | None
    n_vocab: int
    d_embedding: int
    projects_embedding: bool
    d_model: int
    n_head: int
    n_kv_head: int
    d_head: int
    d_ff: int
    activation: str
    norm_eps: float
    has_norm_weights: bool
    layers: tuple[LayerPlan, ...]
    layers_key: str  # what config.json calls their number
    positions: Positions | None
    relative: Relative | None
    n_type: int
    embedding_scale: float
    softcap: float | None
    final_softcap: float | None
    final_scale: float
    parallel: bool
    residual_after_norm: bool
    has_qkv_bias: bool
    has_output_bias: bool
    has_feed_forward_bias: bool
    is_tied: bool
    start_token: int | None
    end_tokens: tuple[int, ...]

    @property
    def names(self) -> Mapping[str, str]:
        return self.family.names

    @property
    def kind(self) -> Literal["self", "causal"]:
        return "causal" if self.layers[0].mask.causal else "self"

    @property
    def masks(self) -> tuple[MaskPlan, ...]:
        """The different masks of the layers, in order of appearance."""
        return tuple(dict.fromkeys(layer.mask for layer in self.layers))

    def follows_length(self, n: int, more: int) -> bool:
        """Whether a text of `more` tokens rotates its first n otherwise than a text of n did."""
        turns = {layer.rotary for layer in self.layers}
        return any(turn is not None and turn.follows_length(n, more) for turn in turns)


def architecture(config: Mapping[str, Any]) -> Architecture:
    """The network that a parsed config.json describes.

    What the file leaves out is what transformers takes for that family.

    Raises:
        DataError: the family, an activation or a kind of rotary code is not known, or a value is
            missing, of the wrong type or out of range, or asks for what is not supported. The
            message names it.
        UsageError: one layer would not fit into memory.

    >>> network = architecture({"model_type": "gpt2", "n_layer": 2})
    >>> len(network.layers), network.d_model, network.kind
    (2, 768, 'causal')
    """
    family, own = find_family(config)
    encoder = None if family.encoder is None else _stack(family.encoder, own, None)
    return _stack(family, own, encoder)


def _stack(family: Family, config: Mapping[str, Any], encoder: Architecture | None) -> Architecture:
    settings = Settings(config, family.settings)
    _refuse_unsupported(settings)
    d_model, n_head = settings.size("d_model"), settings.size("n_head")
    n_kv_head = settings.optional_size("n_kv_head") or n_head
    if n_head % n_kv_head:
        raise settings.error("n_kv_head", f"must divide {n_head} heads, not: {n_kv_head}")
    d_head = settings.optional_size("d_head")
    if d_head is None:
        if d_model % n_head:
            raise settings.error("n_head", f"must divide {d_model}, not: {n_head}")
        d_head = d_model // n_head
    d_embedding = settings.optional_size("d_embedding") or d_model
    stack = Architecture(
        family=family,
        encoder=encoder,
        n_vocab=settings.size("n_vocab", _MOST_WORDS),
        d_embedding=d_embedding,
        projects_embedding=d_embedding != d_model or settings.flag("always_projects"),
        d_model=d_model,
        n_head=n_head,
        n_kv_head=n_kv_head,
        d_head=d_head,
        d_ff=settings.optional_size("d_ff") or 4 * d_model,
        activation=_activation(settings, family),
        norm_eps=settings.number("norm_eps"),
        has_norm_weights=settings.flag("has_norm_weights"),
        layers=_layers(settings, family, d_head),
        layers_key=settings.key("n_layer"),
        positions=_positions(settings),
        relative=_relative(settings),
        n_type=settings.size("n_type") if "types" in family.names else 0,
        embedding_scale=d_model**0.5 if settings.flag("scales_embedding") else 1.0,
        softcap=settings.optional_number("softcap"),
        final_softcap=settings.optional_number("final_softcap"),
        final_scale=d_model**-0.5 if settings.flag("scales_head") else 1.0,
        parallel=settings.flag("parallel"),
        residual_after_norm=settings.flag("residual_after_norm"),
        has_qkv_bias=settings.flag("qkv_bias"),
        has_output_bias=settings.flag("output_bias"),
        has_feed_forward_bias=settings.flag("feed_forward_bias"),
        is_tied=settings.flag("is_tied"),
        start_token=next(iter(settings.token_ids("start_token", most=1)), None),
        end_tokens=settings.token_ids("end_token"),
    )
    _require_memory(stack)
    return stack


def _layers(settings: Settings, family: Family, d_head: int) -> tuple[LayerPlan, ...]:
    n_layer, n_inner, n_group = (
        settings.optional_size(name) or 1 for name in ("n_layer", "n_inner", "n_group")
    )
    if n_layer * n_inner > _MOST_LAYERS:
        raise settings.error("n_layer", f"must be at most {_MOST_LAYERS}, not: {n_layer}")
    if n_group > n_layer:
        raise settings.error("n_group", f"must be at most {n_layer} layers, not: {n_group}")
    scale = 1.0
    if settings.flag("scales_scores"):
        scale = (settings.optional_number("query_scalar") or d_head) ** -0.5
    masks = layer_masks(settings, family.mask, n_layer)
    turned: dict[bool, Rotary | None] = {False: None, True: None}
    if family.rotary:
        settings.size("n_position")
        nested = settings.value("rope_local_theta") is not None
        turned[False] = rotary(settings, d_head)
        turned[True] = rotary(settings, d_head, local=True) if nested else turned[False]
    return tuple(
        LayerPlan(
            prefix=family.layer.format(i, group=int(i / (n_layer / n_group)), inner=inner),
            scale=scale / (i + 1) if settings.flag("scales_by_layer") else scale,
            mask=masks[i],
            rotary=turned[masks[i].local],
        )
        for i in range(n_layer)
        for inner in range(n_inner)
    )


def _positions(settings: Settings) -> Positions | None:
    offset = settings.value("position_offset")
    if offset is None:
        return None
    if offset != "padding":
        return Positions(n_rows=settings.size("n_position") + offset, offset=offset)
    padding = settings.value("padding")
    if type(padding) is not int or not 0 <= padding < settings.size("n_position"):
        raise settings.error("padding", f"must be a position, not: {padding}")
    return Positions(n_rows=settings.size("n_position"), offset=padding + 1, padding=padding)


def _relative(settings: Settings) -> Relative | None:
    if settings.value("n_bucket") is None:
        return None
    n_bucket, max_distance = settings.size("n_bucket"), settings.size("max_distance")
    both_sides = settings.flag("both_sides")
    exact = n_bucket // (4 if both_sides else 2)
    if not 1 <= exact < max_distance:
        raise settings.error("n_bucket", f"does not suit distances up to {max_distance}")
    n_row = settings.optional_size("n_bucket_row") or n_bucket
    if n_row < n_bucket:
        raise settings.error("n_bucket_row", f"must be at least {n_bucket}, not: {n_row}")
    return Relative(
        n_bucket=n_bucket, max_distance=max_distance, both_sides=both_sides, n_row=n_row
    )


def _activation(settings: Settings, family: Family) -> str:
    name = settings.word("activation")
    name = family.activations.get(name, name.removeprefix(family.gate))
    if name not in ACTIVATIONS:
        raise DataError(
            f"config.json: `{settings.key('activation')}` is an activation that is not known: "
            f"{name[:60]}",
            f"These are known: {', '.join(ACTIVATIONS)}.",
        )
    return name


def _refuse_unsupported(settings: Settings) -> None:
    """Refuse what would change the attention and is not computed here."""
    for key, plain in settings.value("only").items():
        given = settings.config.get(key, plain)
        if given != plain and given not in (None, [], {}):
            raise DataError(
                f"config.json: `{key}` is {given!r}, which is not supported",
                f"Only {plain!r} is.",
            )


def _require_memory(stack: Architecture) -> None:
    attention = (2 * stack.n_head + 2 * stack.n_kv_head) * stack.d_head
    n_matrix = 3 if stack.family.feed_forward != "plain" else 2
    memory.require(
        4 * stack.d_model * (attention + n_matrix * stack.d_ff),
        "one layer of the model in config.json",
        "Use a smaller model.",
    )
