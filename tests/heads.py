"""Heads whose answer is known, for the tests of what measures and compares them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from attn_cli.inspection import Inspection, Layer, Mask, Source, Token

# "a b c d" twice, so that most tokens have an earlier copy and something that followed it.
REPEATED = ("a", "b", "c", "d", "a", "b", "c", "d")
PATTERNS = ("previous", "first", "self", "uniform", "duplicate", "induction")


def looking_at(targets: Sequence[int], n_key: int) -> NDArray[np.float64]:
    """A head of which query i gives all its weight to key targets[i]."""
    return np.eye(n_key)[list(targets)]


def known(pattern: str, words: Sequence[str]) -> NDArray[np.float64]:
    """A causal head that does one thing wherever it can, and else looks at the first token."""
    n = len(words)
    if pattern == "uniform":
        return np.tri(n) / np.arange(1, n + 1)[:, None]
    targets = [0] * n
    for i in range(n):
        copies = [j for j in range(i) if words[j] == words[i]]
        if pattern == "self":
            targets[i] = i
        elif pattern == "previous" and i:
            targets[i] = i - 1
        elif pattern == "duplicate" and copies:
            targets[i] = copies[-1]
        elif pattern == "induction" and copies and copies[-1] + 1 < i:
            targets[i] = copies[-1] + 1
    return looking_at(targets, n)


def inspection(
    layers: Sequence[Sequence[NDArray[np.float64]]],
    words: Sequence[str] = REPEATED,
    *,
    causal: bool = True,
    special: Sequence[str] = (),
    **more: object,
) -> Inspection:
    """An Inspection with these heads, layer by layer."""
    tokens = tuple(Token(word, special=word in special) for word in words)
    allowed = np.tri(len(words), dtype=bool) if causal else None
    return Inspection(
        text=" ".join(words),
        kind="causal" if causal else "self",
        query_tokens=tokens,
        key_tokens=tokens,
        mask=Mask(name="causal", allowed=allowed) if causal else Mask(),
        layers=tuple(
            Layer(index=index, weights=np.array(heads, dtype=np.float32), **more)  # type: ignore[arg-type]
            for index, heads in enumerate(layers)
        ),
        source=Source(model="by hand"),
    )


def random_heads(
    seed: int, n_head: int, n: int, *, causal: bool = True, peaked: float = 2.0
) -> list[NDArray[np.float64]]:
    """Heads of random softmax rows."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n_head, n, n)) * peaked
    weights = np.exp(logits) * (np.tri(n) if causal else 1)
    return list(weights / weights.sum(axis=-1, keepdims=True))
