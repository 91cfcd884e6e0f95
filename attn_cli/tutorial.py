"""The tutorial: a sentence through seeded weights, step by step as the article prints them.

It draws weights and calls `attention`; it reads no files and draws no pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from attn_cli import __version__, memory
from attn_cli.attention import attend
from attn_cli.errors import UsageError
from attn_cli.inspection import Inspection, Layer, Source, Token
from attn_cli.text import Split, split_text
from attn_cli.torch_random import Generator, embedding
from attn_cli.vocabulary import Vocabulary

if TYPE_CHECKING:
    from attn_cli.types import Floats

SEED, VOCAB_SIZE, D_MODEL, D_K, D_V = 123, 50_000, 3, 2, 4


def inspect(
    text: str,
    *,
    seed: int = SEED,
    vocab_size: int = VOCAB_SIZE,
    d_model: int = D_MODEL,
    d_k: int = D_K,
    d_v: int = D_V,
    split: Split = "words",
    lowercase: bool = False,
    vocabulary: Vocabulary | None = None,
    unknown: str | None = None,
) -> Inspection:
    """Self-attention over a sentence, with the article's seeded weights.

    S. Raschka, "Understanding and Coding Self-Attention, Multi-Head Attention, Cross-Attention,
    and Causal-Attention in LLMs" (2024). The generator is seeded and Embedding(vocab_size,
    d_model) drawn; seeded again, and W_query (d_model, d_k), W_key (d_model, d_k) and W_value
    (d_model, d_v) drawn in that order, uniform in [0, 1), to be used as x @ W. Scores are scaled
    by 1/√d_k (Vaswani et al. 2017, equation 1).

    Args:
        text: one text, however many lines.
        seed: the generator's seed, -2**63 … 2**64 - 1.
        vocab_size: rows of the embedding table; at least as many as the vocabulary has words.
        d_model: width of an embedding.
        d_k: width of query and key.
        d_v: width of value and context.
        split: how the text is cut into words (see `attn_cli.text.split_text`).
        lowercase: lower-case the words first.
        vocabulary: word → id; by default the sorted distinct words of the text.
        unknown: the entry that stands for words which the vocabulary does not have; added to the
            vocabulary if it is not in it. Without it `<unk>` serves, if the vocabulary has one.

    Returns:
        An Inspection with one layer of one head: every tensor on the way, float32.

    Raises:
        DataError: the text is empty or has no words, or a word is not in the vocabulary.
        UsageError: a size is out of range, or the arrays would not fit into memory.

    >>> run = inspect("Life is short, eat dessert first")
    >>> run.token_ids.tolist()
    [0, 4, 5, 2, 1, 3]
    >>> run.layers[0].weights[0, 1].round(4).tolist()[:3]
    [0.03860000148415661, 0.6869999766349792, 0.020400000736117363]
    """
    sizes = {"vocab_size": vocab_size, "d_model": d_model, "d_k": d_k, "d_v": d_v}
    for name, size in sizes.items():
        if not 1 <= size < 2**31:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} must be from 1 to 2147483647, not: {size}")
    if split in ("characters", "bytes"):  # their number is known before they are made
        _require_memory(len(text), d_model, d_k, d_v)
    words = split_text(text, split, lowercase=lowercase)
    _require_memory(len(words), d_model, d_k, d_v)
    names = [word.text for word in words]
    if vocabulary is None:
        vocabulary = Vocabulary.of(names)
    if unknown is not None:
        vocabulary = vocabulary.with_unknown(unknown)
    n_rows = max(vocabulary.values()) + 1 if vocabulary else 0
    if n_rows > vocab_size:
        raise UsageError(
            f"the vocabulary needs {n_rows} rows, the embedding has {vocab_size}",
            f"Use `--vocab-size {n_rows}` or more.",
        )
    token_ids = np.array(vocabulary.encode(names, unknown=unknown), dtype=np.int64)
    embedded = embedding(Generator(seed), vocab_size, d_model, token_ids)
    tokens = tuple(Token(w.text, (w.start, w.end), False, i) for i, w in enumerate(words))
    settings = sizes | {"split": split, "lowercase": lowercase}
    return Inspection(
        text=text,
        query_tokens=tokens,
        key_tokens=tokens,
        token_ids=token_ids,
        vocabulary=vocabulary,
        embedding=embedded,
        layers=(_single_head(embedded, Generator(seed), d_k, d_v),),
        source=Source(recipe="article", seed=seed, settings=settings, version=__version__),
    )


def _single_head(embedded: Floats, generator: Generator, d_k: int, d_v: int) -> Layer:
    d_model = embedded.shape[1]
    w_query = generator.rand(d_model, d_k)
    w_key = generator.rand(d_model, d_k)
    w_value = generator.rand(d_model, d_v)
    query, key, value = ((embedded @ w)[None] for w in (w_query, w_key, w_value))
    run = attend(query, key, value)
    return Layer(scale=d_k**-0.5, query=query, key=key, value=value, **run._asdict())


def _require_memory(n: int, d_model: int, d_k: int, d_v: int) -> None:
    n_bytes = 4 * (3 * n * n + (n + 2 * d_k + d_v) * d_model + n * (2 * d_k + 2 * d_v))
    memory.require(
        n_bytes,
        f"attention over {n} tokens with d_model {d_model}, d_k {d_k}, d_v {d_v}",
        "Use a shorter text or smaller sizes.",
    )
