"""Parts: what a layer is put together from, each reading its own weights when it is used.

Linear maps, norms, the feed-forward, and the split into heads; no order of layers, no masks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.checkpoints.architecture import Architecture
from attn_cli.checkpoints.weights import Weights
from attn_cli.operations import ACTIVATIONS, identity, layer_norm, rms_norm
from attn_cli.threads import each

if TYPE_CHECKING:
    from attn_cli.types import Floats


_LARGE = 1 << 24  # multiplications, from which on threads gain more than they cost
_BLOCK = 128  # tokens, one piece of work
_FEW = 24  # tokens, up to which a turned product is faster


def quiet() -> np.errstate:
    """Without numpy's warnings: damaged weights overflow, and what comes out is looked at.

    numpy forgets such a wish in every new thread.
    """
    return np.errstate(over="ignore", invalid="ignore")


class Parts:
    """The parts whose tensors begin with one prefix: a layer's, or what is outside layers."""

    def __init__(self, architecture: Architecture, weights: Weights, prefix: str = "") -> None:
        self.architecture = architecture
        self._weights = weights
        self._prefix = prefix

    def matrix(self, part: str, d_in: int, d_out: int) -> Floats:
        """(d_in, d_out): a view of what is read, however it is stored."""
        name = self._name(part, "weight")
        if self.architecture.family.has_input_first:
            return self._weights.read(name, shape=(d_in, d_out))
        turned: Floats = self._weights.read(name, shape=(d_out, d_in)).T
        return turned

    def linear(
        self,
        x: Floats,
        part: str,
        d_out: int,
        *,
        bias: bool,
        activation: Callable[[Floats], Floats] = identity,
    ) -> Floats:
        """activation(x @ W + b): (n, d_in) to (n, d_out)."""
        matrix = self.matrix(part, x.shape[1], d_out)
        shift = self._weights.read(self._name(part, "bias"), shape=(d_out,)) if bias else None

        def mapped(rows: Floats) -> Floats:
            with quiet():
                # As Wᵀ xᵀ: for a dozen tokens OpenBLAS takes half the time of x W.
                few = len(rows) <= _FEW
                out: Floats = np.ascontiguousarray((matrix.T @ rows.T).T) if few else rows @ matrix
                if shift is not None:
                    out += shift
                return activation(out)

        # The blocks do not depend on the number of cores, so the last bits do not either.
        if x.size * d_out < _LARGE:
            return mapped(x)
        result = np.empty((len(x), d_out), dtype=np.float32)

        def work(start: int) -> None:
            block = slice(start, start + _BLOCK)
            result[block] = mapped(x[block])

        each(work, range(0, len(x), _BLOCK))
        return result

    def norm(self, x: Floats, part: str) -> Floats:
        """x normed over its last axis, or x itself where the family has no norm in this place."""
        arch = self.architecture
        if part not in arch.names:
            return x
        if not arch.has_norm_weights:
            return layer_norm(x, eps=arch.norm_eps)
        shape = x.shape[-1:]
        weight = self._weights.read(self._name(part, "weight"), shape=shape)
        if arch.family.norm == "layer":
            bias = self._weights.read(self._name(part, "bias"), shape=shape)
            return layer_norm(x, weight, bias, arch.norm_eps)
        if arch.family.norm == "rms+1":
            weight = weight + np.float32(1)
        return rms_norm(x, weight, arch.norm_eps)

    def before(self, place: str, x: Floats) -> Floats:
        """What a sub-layer is given of the residual stream."""
        return self.norm(x, f"before_{place}")

    def after(self, place: str, x: Floats, inner: Floats, out: Floats) -> Floats:
        """The residual stream once a sub-layer, given `inner`, has put `out` into it."""
        out = self.norm(out, f"after_{place}")
        out += inner if self.architecture.residual_after_norm else x
        return self.norm(out, f"after_{place}_sum")

    def feed_forward(self, x: Floats) -> Floats:
        """(n, d_model) to (n, d_model), each token by itself."""
        arch = self.architecture
        bias, act = arch.has_feed_forward_bias, ACTIVATIONS[arch.activation]
        if arch.family.feed_forward == "gated stacked":
            both = self.linear(x, "gate_up", 2 * arch.d_ff, bias=bias)
            inside = act(both[:, : arch.d_ff])
            inside *= both[:, arch.d_ff :]
        elif arch.family.feed_forward == "gated":
            inside = self.linear(x, "gate", arch.d_ff, bias=bias, activation=act)
            inside *= self.linear(x, "up", arch.d_ff, bias=bias)
        else:
            inside = self.linear(x, "up", arch.d_ff, bias=bias, activation=act)
        return self.linear(inside, "down", arch.d_model, bias=bias)

    def heads(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Query (n_head, n, d_head), key and value (n_kv_head, n, d_head) of the same tokens."""
        arch = self.architecture
        n_query, n_key = arch.n_head * arch.d_head, arch.n_kv_head * arch.d_head
        bias = arch.has_qkv_bias
        if arch.family.qkv == "interleaved":
            fused = self.linear(x, "qkv", 3 * n_query, bias=bias)
            parts = fused.reshape(len(x), arch.n_head, 3, arch.d_head).transpose(2, 1, 0, 3)
            return parts[0], parts[1], parts[2]
        if arch.family.qkv == "stacked":
            fused = self.linear(x, "qkv", n_query + 2 * n_key, bias=bias)
            query, key = fused[:, :n_query], fused[:, n_query : n_query + n_key]
            value = fused[:, n_query + n_key :]
        else:
            query = self.linear(x, "query", n_query, bias=bias)
            key = self.linear(x, "key", n_key, bias=bias)
            value = self.linear(x, "value", n_key, bias=bias)
        if arch.family.query_norm == "full":
            query, key = self.norm(query, "query_norm"), self.norm(key, "key_norm")
        query, key, value = (self.split(heads) for heads in (query, key, value))
        if arch.family.query_norm == "head":
            query, key = self.norm(query, "query_norm"), self.norm(key, "key_norm")
        return query, key, value

    def cross_query(self, x: Floats) -> Floats:
        """(n_head, n, d_head), to look at what an encoder made."""
        arch = self.architecture
        width = arch.n_head * arch.d_head
        return self.split(self.linear(x, "cross_query", width, bias=arch.has_qkv_bias))

    def cross_key_value(self, encoded: Floats) -> tuple[Floats, Floats]:
        """Key and value (n_head, m, d_head) of what an encoder made (m, d_model)."""
        arch = self.architecture
        width, bias = arch.n_head * arch.d_head, arch.has_qkv_bias
        key, value = (
            self.split(self.linear(encoded, part, width, bias=bias))
            for part in ("cross_key", "cross_value")
        )
        return key, value

    def output(self, context: Floats, part: str = "output") -> Floats:
        """The heads' contexts (n_head, n, d_head) side by side, projected: (n, d_model)."""
        arch = self.architecture
        merged = context.transpose(1, 0, 2).reshape(context.shape[1], arch.n_head * arch.d_head)
        return self.linear(merged, part, arch.d_model, bias=arch.has_output_bias)

    def split(self, x: Floats) -> Floats:
        """(n, heads · d_head) as (heads, n, d_head): a view."""
        heads: Floats = x.reshape(len(x), -1, self.architecture.d_head).transpose(1, 0, 2)
        return heads

    def _name(self, part: str, tensor: str) -> str:
        return f"{self._prefix}{self.architecture.names[part]}.{tensor}"
