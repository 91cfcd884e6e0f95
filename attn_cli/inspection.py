"""Inspection: the one value between whatever makes attention and whatever shows it.

Frozen dataclasses of names and arrays that check themselves. It computes nothing, and nothing in
it says how to draw. What each array means is declared once, on its field: the checks here, the
JSON Schema and the readers and writers of files all go by that declaration.

Dimensions: n_layer, n_head, n_kv_head (key/value heads, each shared by n_head / n_kv_head query
heads), n_query, n_key, d_model, d_head (query and key), d_value, n_vocab.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import numpy as np

from attn_cli.errors import DataError
from attn_cli.frozen import Frozen
from attn_cli.operations import lower_triangle
from attn_cli.text import require_unicode
from attn_cli.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment

    from attn_cli.types import Booleans, Floats, Integers

Kind = Literal["self", "causal", "cross"]
Part = TypeVar("Part")

MOST_HEADS = 1 << 14  # of all layers; the largest model in print has 16,128
_LARGEST = float(np.finfo(np.float32).max)
# How far a row of weights may be from 1: the rounding of its own dtype, over a long row.
_ROW_TOLERANCE = {"float64": 1e-5, "float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}


def row_tolerance(dtype: str) -> float:
    """How far a row of weights of a dtype may be from summing to 1."""
    return _ROW_TOLERANCE.get(dtype, 1e-5)


def tensor(axes: str, meaning: str, *, infinite: bool = False, dtype: Any = np.float32) -> Any:
    """Declare an array field: its axes by name, what it holds, and whether -∞ may stand in it."""
    metadata = {"axes": tuple(axes.split()), "meaning": meaning, "infinite": infinite}
    return field(default=None, metadata=metadata | {"dtype": np.dtype(dtype)})


class Token(NamedTuple):
    """One token, as a person reads it."""

    text: str
    span: tuple[int, int] | None = None  # half-open, in characters of the Inspection's text
    special: bool = False  # added by a tokenizer, not in the text
    word: int | None = None  # the number of the word that it is, or is a piece of
    pieces: tuple[str, ...] = ()  # the tokens that were folded into this one


FOLDED = "[special]"  # the key that special tokens were folded into


def folded_pieces(tokens: Sequence[Token]) -> tuple[str, ...]:
    """The tokens that were folded into the last one; none where it is an ordinary token."""
    last = tokens[-1]
    return last.pieces if last.text == FOLDED and last.special else ()


class Vectors(NamedTuple):
    """Embedding rows from elsewhere: (n, d_model) float32, and the token of each where known."""

    rows: Floats
    names: Sequence[str] | None = None


@dataclass(init=False, eq=False, repr=False)
class Mask(Frozen):
    """Which keys each query may look at. Masked is absent, not small."""

    name: str = "none"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    allowed: Booleans | None = tensor(
        "n_query n_key", "true where the query may look at the key; null: everywhere", dtype=bool
    )


@dataclass(init=False, eq=False, repr=False)
class Source(Frozen):
    """Where an Inspection came from: enough to run it again."""

    model: str = "tutorial"
    architecture: str | None = None
    recipe: str | None = None
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "float32"
    file_hash: str | None = None
    version: str | None = None
    precision: int | None = None  # decimals that were kept when it was written; None: all


@dataclass(init=False, eq=False, repr=False)
class Layer(Frozen):
    """The attention of one layer: rows (queries) look, columns (keys) are looked at."""

    index: int = 0
    scale: float | None = None
    softcap: float | None = None
    head_index: Integers | None = tensor(
        "n_head", "the number of each head in the model; null: 0, 1, 2, …", dtype=np.int64
    )
    allowed: Booleans | None = tensor(
        "n_query n_key", "this layer's own mask; null: that of the Inspection", dtype=bool
    )
    weights: Floats = tensor("n_head n_query n_key", "softmax of the logits over the keys")
    query: Floats | None = tensor("n_head n_query d_head", "what each query looks for")
    key: Floats | None = tensor("n_kv_head n_key d_head", "what each key offers to be found by")
    value: Floats | None = tensor("n_kv_head n_key d_value", "what each key gives when found")
    scores: Floats | None = tensor(
        "n_head n_query n_key", "query · key (or additive scores), before anything"
    )
    logits: Floats | None = tensor(
        "n_head n_query n_key", "what the softmax sees; null where masked", infinite=True
    )
    context: Floats | None = tensor("n_head n_query d_value", "values mixed by the weights")
    output: Floats | None = tensor(
        "n_query d_out", "the contexts of all heads side by side, through the output projection"
    )
    dropout: Floats | None = tensor(
        "n_head n_query n_key", "what dropout multiplies each weight with before values are mixed"
    )
    dropped: Floats | None = tensor("n_head n_query n_key", "the weights after dropout")
    rotation: Floats | None = tensor(
        "n_key n_rotary", "radians by which pair (i, i + n_rotary) of query and key is turned"
    )
    w_query: Floats | None = tensor("n_head d_model d_head", "the query is embedding @ w_query")
    w_key: Floats | None = tensor("n_kv_head d_model d_head", "the key is embedding @ w_key")
    w_value: Floats | None = tensor("n_kv_head d_model d_value", "the value is embedding @ w_value")
    score_vector: Floats | None = tensor(
        "n_head d_head", "v of additive scores, v · tanh(query + key)"
    )
    w_output: Floats | None = tensor("n_head d_value d_out", "the output projection, head by head")
    b_output: Floats | None = tensor("d_out", "the output projection's bias")
    lse: Floats | None = tensor(
        "n_head n_query", "log-sum-exp of each row of logits; null if wholly masked", infinite=True
    )


@dataclass(init=False, eq=False, repr=False)
class Inspection(Frozen):
    """One text through one model, and the attention in it.

    Arrays are read-only. There is no batch axis: an Inspection is one text.

    Raises:
        DataError: the parts contradict each other (shapes against tokens or against one another),
            a number is not finite, or a row of weights does not sum to 1. The message names the
            array, the axis and both numbers.
    """

    text: str = ""
    kind: Kind = "self"
    query_tokens: tuple[Token, ...] = ()
    key_tokens: tuple[Token, ...] = ()  # the same object as query_tokens in self-attention
    token_ids: Integers | None = tensor("n_query", "the id of each query token", dtype=np.int64)
    vocabulary: Vocabulary | None = None
    embedding: Floats | None = tensor("n_query d_model", "what enters the first layer")
    position_code: Floats | None = tensor(
        "n_query d_model", "what the embedding holds for the places of the tokens"
    )
    key_text: str | None = None  # what is looked at in cross-attention
    key_ids: Integers | None = tensor("n_key", "the id of each key token", dtype=np.int64)
    key_embedding: Floats | None = tensor(
        "n_key d_model", "what keys and values are made from in cross-attention"
    )
    mask: Mask = field(default_factory=Mask)
    layers: tuple[Layer, ...] = ()
    source: Source = field(default_factory=Source)

    def __post_init__(self) -> None:
        if not self.key_tokens and self.kind != "cross":
            object.__setattr__(self, "key_tokens", self.query_tokens)
        sizes = {"n_query": len(self.query_tokens), "n_key": len(self.key_tokens)}
        for axis, size in sizes.items():
            if not size:
                raise DataError(f"there are no tokens on axis {axis}")
        require_unicode(self.text)
        require_unicode("".join(token.text for token in (*self.query_tokens, *self.key_tokens)))
        precision = self.source.precision
        if precision is not None and not 0 <= precision <= 17:
            raise DataError(f"`source.precision` must be from 0 to 17, not: {precision}")
        _check_arrays(self, "", dict(sizes))
        _check_arrays(self.mask, "mask.", dict(sizes))
        places: dict[int, int] = {}
        n_heads = 0
        for place, layer in enumerate(self.layers):
            if layer.index < 0:
                raise DataError(f"`layers[{place}].index` is negative: {layer.index}")
            if places.setdefault(layer.index, place) != place:
                first = places[layer.index]
                raise DataError(
                    f"`layers[{place}].index` is {layer.index}, as `layers[{first}].index` is"
                )
            bound = dict(sizes)
            _check_arrays(layer, f"layers[{place}].", bound)
            self._check_weights(layer, f"layers[{place}].weights")
            n_heads += bound["n_head"]
            if n_heads > MOST_HEADS:
                raise DataError(
                    f"`layers[{place}].weights` brings the heads to {n_heads:,}; {MOST_HEADS:,} "
                    "are the most"
                )
            if bound["n_head"] % bound.get("n_kv_head", 1):
                raise DataError(
                    f"`layers[{place}].key` has {bound['n_kv_head']} heads, which do not divide "
                    f"the {bound['n_head']} heads of `weights`"
                )

    def _check_weights(self, layer: Layer, name: str) -> None:
        if layer.weights is None:
            raise DataError(f"`{name}` is missing")
        if layer.scale is not None and not abs(layer.scale) <= _LARGEST:
            raise DataError(f"the scale of `{name}` is not a finite number: {layer.scale}")
        if layer.softcap is not None and not 1e-30 < layer.softcap < 1e30:  # as --softcap
            raise DataError(f"the softcap of `{name}` is not from 1e-30 to 1e+30: {layer.softcap}")
        if layer.weights.size and layer.weights.min() < 0:
            raise DataError(f"`{name}` holds a negative number: {layer.weights.min()}")
        tolerance = row_tolerance(self.source.dtype)
        if self.source.precision is not None:
            tolerance += 0.5 * 10.0**-self.source.precision * layer.weights.shape[-1]
        sums = layer.weights.sum(axis=-1, dtype=np.float64)
        wrong = np.abs(sums - 1) > tolerance
        if (allowed := self.allowed(layer)) is not None:
            wrong &= ~((sums == 0) & ~allowed.any(axis=-1))
        if wrong.any():
            head, query = (int(axis[0]) for axis in np.nonzero(wrong))
            raise DataError(f"`{name}[{head}][{query}]` sums to {sums[head, query]:.6g}, not to 1")
        why = "the mask does not allow that key"
        if allowed is None and self.kind == "causal":
            allowed = lower_triangle(*layer.weights.shape[1:])
            why = "in causal attention no key is later than its query"
        if allowed is not None and layer.weights.max(initial=0, where=~allowed) > 0:
            head, query, key = (int(i[0]) for i in np.nonzero((layer.weights != 0) & ~allowed))
            raise DataError(
                f"`{name}[{head}][{query}][{key}]` is {layer.weights[head, query, key]:.6g}, and "
                f"{why}"
            )

    def allowed(self, layer: Layer) -> Booleans | None:
        """Which keys each query of a layer may look at: (n_query, n_key); None: all."""
        return self.mask.allowed if layer.allowed is None else layer.allowed

    @property
    def n_head(self) -> int:
        """The heads of a layer in the model, of which an Inspection may hold some."""
        said = self.source.settings.get("n_head")
        return said if type(said) is int and said > 0 else self.dimensions.get("n_head", 1)

    @property
    def n_kv_head(self) -> int:
        """The key/value heads of a layer in the model, each for as many of the heads."""
        said = self.source.settings.get("n_kv_head")
        if type(said) is not int:
            key = self.layers[0].key if self.layers else None
            said = None if key is None else len(key)
        n_head = self.n_head
        return said if said and n_head % said == 0 else n_head

    @property
    def dimensions(self) -> dict[str, int]:
        """The size of every named dimension that this Inspection has."""
        bound = {"n_query": len(self.query_tokens), "n_key": len(self.key_tokens)}
        for owner in (self, *self.layers[:1]):
            for _, array, declared in arrays(owner):
                bound.update(zip(declared["axes"], array.shape, strict=True))
        bound["n_layer"] = len(self.layers)
        if self.vocabulary is not None:
            bound["n_vocab"] = len(self.vocabulary)
        return bound

    def keeping(self, names: set[str]) -> Inspection:
        """The same Inspection with only the named arrays, and those that belong to them.

        Weights and ids always stay.
        """
        kept = names | {"weights", "allowed", "head_index", "token_ids", "key_ids"}
        kept |= {name for name, owner in _BELONGS_TO.items() if owner in kept}
        kept_vocabulary = self.vocabulary if "vocabulary" in kept else None
        layers = tuple(_without(layer, kept) for layer in self.layers)
        return _without(replace(self, layers=layers, vocabulary=kept_vocabulary), kept)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Inspection) and _same(self, other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}={size}" for name, size in self.dimensions.items())
        return f"<Inspection of {self.text!r}: {self.kind}, {sizes}>"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        from attn_cli.terminal.show import console_view

        yield from console_view(self, console, options)

    def _repr_html_(self) -> str:
        from attn_cli.report.notebook import notebook_html

        return notebook_html(self)


# Arrays that are of no use without another, and go where it goes.
_BELONGS_TO = {
    "key_embedding": "embedding",
    "rotation": "query",
    "score_vector": "w_query",
    "b_output": "w_output",
}


def _without(owner: Part, kept: set[str]) -> Part:
    """A part with only the arrays that are kept."""
    gone: dict[str, Any] = {name: None for name, _, _ in arrays(owner) if name not in kept}
    return replace(owner, **gone)  # type: ignore[type-var]


def arrays(owner: object) -> Iterator[tuple[str, NDArray[Any], Mapping[str, Any]]]:
    """The array fields of a part that are there: name, array, declaration."""
    for item in fields(owner):  # type: ignore[arg-type]
        if "axes" in item.metadata and (array := getattr(owner, item.name)) is not None:
            yield item.name, array, item.metadata


def _check_arrays(owner: object, prefix: str, bound: dict[str, int]) -> None:
    """Make the arrays of `owner` read-only and of their dtype; hold every axis to one size."""
    for name, given, declared in arrays(owner):
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused below, by name
            array = np.asarray(given, dtype=declared["dtype"]).view()
        array.flags.writeable = False
        object.__setattr__(owner, name, array)
        axes = declared["axes"]
        if array.ndim != len(axes):
            raise DataError(
                f"`{prefix}{name}` has {array.ndim} axes; it should have {len(axes)}: "
                f"({', '.join(axes)})"
            )
        for axis, size in zip(axes, array.shape, strict=True):
            if not size:
                raise DataError(f"`{prefix}{name}` has nothing on axis {axis}")
            if bound.setdefault(axis, size) != size:
                raise DataError(
                    f"`{prefix}{name}` has {size} on axis {axis}; it should have {bound[axis]}"
                )
        if array.dtype.kind == "f":
            _check_finite(array, f"{prefix}{name}", declared["infinite"])


def _check_finite(array: Floats, name: str, infinite: bool) -> None:
    bad = ~np.isfinite(array)
    if infinite:
        bad &= ~np.isneginf(array)
    if bad.any():
        place = "".join(f"[{int(axis[0])}]" for axis in np.nonzero(bad))
        raise DataError(f"`{name}{place}` is not a finite number: {array[bad][0]}")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if type(one) is type(other) and hasattr(one, "__dataclass_fields__"):
        return all(_same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, tuple) and isinstance(other, tuple) and not isinstance(one, Token):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
