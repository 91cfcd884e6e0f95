"""Transformer: one text through the network that an Architecture describes, a layer at a time.

It reads weights as it needs them and keeps none; it knows no family by name and no file.

Dimensions: as in `architecture`; n tokens that are queries, m that are keys: n and those before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from attn_cli import memory
from attn_cli.checkpoints.architecture import Architecture
from attn_cli.checkpoints.embedding import embed, position_bias
from attn_cli.checkpoints.heads import attend_heads
from attn_cli.checkpoints.parts import Parts, quiet
from attn_cli.checkpoints.shrinking import require_whole
from attn_cli.checkpoints.weights import Weights
from attn_cli.errors import DataError
from attn_cli.inspection import Layer
from attn_cli.operations import softcap_logits
from attn_cli.positions import (
    rotary_angles,
    rotate,
)

if TYPE_CHECKING:
    from attn_cli.checkpoints.rotary import Rotary
    from attn_cli.checkpoints.tensors import Tensors
    from attn_cli.types import Floats, Integers

ARRAYS = ("query", "key", "value", "scores", "logits", "weights", "lse", "context")

# Layer and the context (n_head, n, d_head) of its heads -> the context that is projected.
Edit = Callable[[int, "Floats"], "Floats"]

_VOCABULARY_BLOCK = 8192  # rows of a head that are converted at a time


class Step(NamedTuple):
    """The attentions of one layer: among its own tokens, and to the encoder's if it has that."""

    own: Layer
    cross: Layer | None


@dataclass
class Cache:
    """Keys and values of the tokens that were run before, layer by layer."""

    n: int = 0
    own: dict[int, tuple[Floats, Floats]] = field(default_factory=dict)
    cross: dict[int, tuple[Floats, Floats]] = field(default_factory=dict)


class Transformer:
    """One stack of layers, an encoder or a decoder, with its weights.

    Raises:
        DataError: the checkpoint holds no such model, or one with more layers.
    """

    def __init__(self, architecture: Architecture, tensors: Tensors) -> None:
        self.architecture = architecture
        names = architecture.names
        heads = [f"{name}.weight" for name in names.get("head", "").split()]
        beside = [*heads, names.get("head_bias", "")]
        self.weights = Weights(tensors, architecture.family.anchor, beside)
        layers = {layer.prefix for layer in architecture.layers}
        self.weights.require_no_more_layers(
            architecture.family.layer, layers, architecture.layers_key
        )
        self.weights.require_none(architecture.family.absent)

    def parts(self, prefix: str = "") -> Parts:
        return Parts(self.architecture, self.weights, prefix)

    def output_projection(self, layer: int) -> Floats:
        """How each head's context enters the residual stream: (n_head, d_head, d_model).

        What attention adds is the sum over heads of context[h] @ projection[h], and a bias.
        """
        arch = self.architecture
        parts = self.parts(arch.layers[layer].prefix)
        matrix = parts.matrix("output", arch.n_head * arch.d_head, arch.d_model)
        own: Floats = matrix.copy()  # no view of a file
        return own.reshape(arch.n_head, arch.d_head, arch.d_model)

    @property
    def has_head(self) -> bool:
        """Whether the checkpoint can say what token comes next; a bare model cannot."""
        return self.weights.find(*self._head_names()) is not None

    def _head_names(self) -> list[str]:
        arch = self.architecture
        if "head" not in arch.names:
            return []
        tied = f" {arch.names['words']}" if arch.is_tied else ""
        return [f"{name}.weight" for name in f"{arch.names['head']}{tied}".split()]

    def next_logits(self, hidden: Floats) -> Floats:
        """What the head of a language model says about the token after each.

        Args:
            hidden: (n, d) as `Run.finish` returns it, or some rows of it.

        Returns:
            (n, n_vocab) float32.

        Raises:
            DataError: the family or the checkpoint has no such head.
        """
        arch = self.architecture
        names = self._head_names()
        if not names:
            raise DataError("this family of models has no head that predicts the next token")
        scaled, shape = hidden * np.float32(arch.final_scale), (arch.n_vocab, arch.d_embedding)
        memory.require(4 * len(hidden) * arch.n_vocab, f"what {len(hidden)} tokens predict")
        logits = np.empty((len(hidden), arch.n_vocab), dtype=np.float32)
        for start in range(0, arch.n_vocab, _VOCABULARY_BLOCK):
            block = slice(start, start + _VOCABULARY_BLOCK)
            with quiet():
                logits[:, block] = scaled @ self.weights.rows(*names, shape=shape, index=block).T
            self.weights.release()
        require_whole()
        if (bias := arch.names.get("head_bias")) and self.weights.find(bias):
            logits += self.weights.read(bias, shape=(1, arch.n_vocab))
        return logits if arch.final_softcap is None else softcap_logits(logits, arch.final_softcap)


class Run:
    """One text on its way through a stack.

    Args:
        model: the stack.
        token_ids: (n,) whole numbers.
        types: (n,) the type of each token, where the family has types; None: all 0.
        encoded: (m, d_model) what the encoder made of its own text, for a decoder.
        cache: the tokens before these, of a decoder; these are added when the run is finished.
        edit: what becomes of the context of a layer's heads before it is projected, so that heads
            can be silenced; it returns a new array. What a Layer holds is the edited context.

    Attributes:
        embedding: (n, d_model) what enters the first layer.

    Raises:
        DataError: there are no tokens, a token or type is not in its table, or there are more
            tokens than positions; or a tensor is missing or has another shape.
        UsageError: the run would not fit into memory.
    """

    def __init__(
        self,
        model: Transformer,
        token_ids: Integers,
        *,
        types: Integers | None = None,
        encoded: Floats | None = None,
        cache: Cache | None = None,
        edit: Edit | None = None,
    ) -> None:
        self._model, self._arch = model, model.architecture
        self._encoded, self._cache, self._edit = encoded, cache, edit
        self._new: dict[int, tuple[Floats, Floats]] = {}
        n_before = 0 if cache is None else cache.n
        self.n_query, self.n_key = len(token_ids), n_before + len(token_ids)
        self._require_fit()
        with quiet():
            self.embedding = embed(self._arch, model.weights, token_ids, types, n_before)
        self._bias = position_bias(self._arch, model.weights, self.n_query, self.n_key)
        self._turns: dict[Rotary, tuple[Floats, Floats]] = {}
        self._hidden, self._next = self.embedding, 0

    def layers(
        self, wanted: Collection[int] | None = None, keep: Collection[str] = ARRAYS
    ) -> Iterator[Step]:
        """The attentions of the wanted layers, one at a time; nothing is run after the last.

        Args:
            wanted: numbers of layers, from 0; None: all.
            keep: which arrays of a Layer to hold on to.
        """
        last = len(self._arch.layers) if wanted is None else max(wanted, default=-1) + 1
        while self._next < last:
            if wanted is None or self._next in wanted:
                yield self._checked(keep)  # and it is not held on to here
            else:
                self._checked(())

    def finish(self) -> Floats:
        """Run the layers that are left; the last hidden state (n, d_model), normed."""
        while self._next < len(self._arch.layers):
            self._checked(())
        outside = self._model.parts()
        with quiet():
            hidden = outside.norm(self._hidden, "final_norm")
        self._require_finite(hidden, "the last norm of the model")
        if "final_projection" in self._arch.names and self._arch.projects_embedding:
            hidden = outside.linear(hidden, "final_projection", self._arch.d_embedding, bias=False)
        if self._cache is not None:
            self._cache.own.update(self._new)
            self._cache.n = self.n_key
        return hidden

    def _checked(self, keep: Collection[str]) -> Step:
        """Run the next layer, whose numbers must be finite."""
        prefix = self._arch.layers[self._next].prefix
        with quiet():
            step = self._step(keep)
        self._model.weights.release()
        require_whole()
        self._model.weights.require_all_read(prefix)
        self._require_finite(self._hidden, f"layer {step.own.index} of the model")
        return step

    def _require_finite(self, hidden: Floats, what: str) -> None:
        if not np.isfinite(hidden).all():
            raise DataError(
                self._model.weights.origin.begin(f"{what} gives numbers that are not finite"),
                "The checkpoint may be damaged.",
            )

    def _step(self, keep: Collection[str]) -> Step:
        index, x, cross = self._next, self._hidden, None
        parts = self._model.parts(self._arch.layers[index].prefix)
        inner = parts.before("attention", x)
        own, output = self._attend(index, parts, inner, keep)
        if self._arch.parallel:
            output += parts.feed_forward(parts.before("feed_forward", x))
            output += x
            x = output
        else:
            x = parts.after("attention", x, inner, output)
            if self._encoded is not None and "cross_query" in self._arch.names:
                inner = parts.before("cross", x)
                cross, output = self._attend_encoded(index, parts, inner, self._encoded, keep)
                x = parts.after("cross", x, inner, output)
            inner = parts.before("feed_forward", x)
            x = parts.after("feed_forward", x, inner, parts.feed_forward(inner))
        self._hidden, self._next = x, index + 1
        return Step(own, cross)

    def _attend(
        self, index: int, parts: Parts, inner: Floats, keep: Collection[str]
    ) -> tuple[Layer, Floats]:
        """Attention among the stack's own tokens, and what it adds to the residual stream."""
        plan = self._arch.layers[index]
        query, key, value = parts.heads(inner)
        if plan.rotary is not None:
            turn = self._turn(plan.rotary)
            query, key = rotate(query, *turn), rotate(key, *turn)
        if self._cache is not None:
            if index in self._cache.own:
                key_before, value_before = self._cache.own[index]
                key = np.concatenate((key_before, key), axis=1)
                value = np.concatenate((value_before, value), axis=1)
            self._new[index] = key, value
        found = attend_heads(
            query,
            key,
            value,
            keep=keep,
            scale=plan.scale,
            softcap=self._arch.softcap,
            bias=self._bias,
            allowed=plan.mask.allowed(self.n_query, self.n_key),
        )
        if self._edit is not None:
            found["context"] = self._edit(index, found["context"])
        output = parts.output(found["context"])
        found |= {"query": query, "key": key, "value": value}
        turns = plan.rotary is not None and plan.rotary.magnitude == 1  # and does nothing else
        if plan.rotary is not None and turns and not {"query", "rotation"}.isdisjoint(keep):
            found["rotation"] = self._angles(plan.rotary, 0)
            keep = {*keep, "rotation"}
        if "w_output" in keep:
            found["w_output"] = self._model.output_projection(index)
        layer = _layer(index, plan.scale, found, keep)
        return replace(layer, softcap=self._arch.softcap), output

    def _attend_encoded(
        self, index: int, parts: Parts, inner: Floats, encoded: Floats, keep: Collection[str]
    ) -> tuple[Layer, Floats]:
        """Attention to what the encoder made: nothing is masked, and places do not count."""
        scale, query = self._arch.layers[index].scale, parts.cross_query(inner)
        if self._cache is None:
            key, value = parts.cross_key_value(encoded)
        else:
            if index not in self._cache.cross:
                self._cache.cross[index] = parts.cross_key_value(encoded)
            key, value = self._cache.cross[index]
        found = attend_heads(query, key, value, keep=keep, scale=scale)
        output = parts.output(found["context"], "cross_output")
        found |= {"query": query, "key": key, "value": value}
        return _layer(index, scale, found, keep), output

    def _turn(self, rotary: Rotary) -> tuple[Floats, Floats]:
        """Cosines and sines for the queries' positions, each (n, n_pairs)."""
        if rotary not in self._turns:
            angles = self._angles(rotary, self.n_key - self.n_query)
            magnitude = np.float32(rotary.magnitude)
            self._turns[rotary] = np.cos(angles) * magnitude, np.sin(angles) * magnitude
        return self._turns[rotary]

    def _angles(self, rotary: Rotary, first: int) -> Floats:
        """Radians for the positions from `first` to the last: (n, n_pairs)."""
        return rotary_angles(np.arange(first, self.n_key), rotary.frequencies(self.n_key))

    def _require_fit(self) -> None:
        """Refuse a run that cannot be, before anything is computed."""
        arch, n, m = self._arch, self.n_query, self.n_key
        if not n:
            raise DataError("there are no tokens")
        if n < m and arch.follows_length(m - n, m):
            raise DataError("a longer text is rotated otherwise: what was kept does not hold")
        if self._encoded is None and arch.encoder is not None:
            raise DataError("the decoder needs what the encoder made of its text")
        if self._encoded is not None:
            if self._encoded.shape[1:] != (arch.d_model,):
                raise DataError(f"what the encoder made is not {arch.d_model} wide")
            m = max(m, len(self._encoded))
        inside = 3 * arch.d_ff + 6 * arch.d_model + 4 * arch.n_head * arch.d_head
        memory.require(
            4 * n * (4 * arch.n_head * m + inside),
            f"attention of {arch.n_head} heads over {m} tokens",
            "Use a shorter text.",
        )


def _layer(index: int, scale: float, found: dict[str, Floats], keep: Collection[str]) -> Layer:
    kept: dict[str, Any] = {name: array for name, array in found.items() if name in keep}
    return Layer(index=index, scale=scale, **kept)
