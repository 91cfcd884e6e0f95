"""The tutorial against torch itself, written as its authors and their readers write it.

Every test draws with `torch.manual_seed`, computes with torch, and compares with ours at 1e-6 (of
the largest number, where numbers are larger than 1).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from attn_cli import inspect
from attn_cli.inspection import Inspection, Vectors

torch = pytest.importorskip("torch")
F = torch.nn.functional

SENTENCES = ["Life is short, eat dessert first", "to be or not to be", "one"]
CLOSE = 1e-6


def words_of(sentence: str) -> list[str]:
    return sentence.replace(",", "").split()


def embed(sentence: str, seed: int, rows: int | None, d: int, also: str = "") -> Any:
    """`Embedding(rows, d)` from the seed, looked up by the sorted vocabulary of both texts."""
    known = sorted({*words_of(sentence), *words_of(also)})
    torch.manual_seed(seed)
    table = torch.nn.Embedding(rows or len(known), d)
    return table(torch.tensor([known.index(w) for w in words_of(sentence)])).detach()


def same(ours: np.ndarray | None, theirs: Any) -> None:
    assert ours is not None
    expected = theirs.detach().numpy()
    assert ours.shape == expected.shape
    masked = np.isneginf(expected)
    assert np.array_equal(np.isneginf(ours), masked)
    apart = np.abs(np.where(masked, 0, ours) - np.where(masked, 0, expected))
    assert apart.max() <= CLOSE * max(1, np.abs(expected[~masked]).max()), apart.max()


class Head(torch.nn.Module):
    """One head of the article's SelfAttention, with its steps kept."""

    def __init__(self, d_in: int, d_k: int, d_v: int) -> None:
        super().__init__()
        self.W_query = torch.nn.Parameter(torch.rand(d_in, d_k))
        self.W_key = torch.nn.Parameter(torch.rand(d_in, d_k))
        self.W_value = torch.nn.Parameter(torch.rand(d_in, d_v))

    def forward(self, x: Any, mask: Any = None, other: Any = None) -> tuple[Any, ...]:
        other = x if other is None else other
        queries, keys, values = x @ self.W_query, other @ self.W_key, other @ self.W_value
        scores = queries @ keys.T
        logits = scores / keys.shape[-1] ** 0.5
        if mask is not None:
            logits = logits.masked_fill(mask, -torch.inf)
        weights = torch.softmax(logits, dim=-1)
        return scores, logits, weights, weights @ values


def all_the_same(run: Inspection, heads: list[tuple[Any, ...]]) -> None:
    layer = run.layers[0]
    for name, steps in zip(("scores", "logits", "weights", "context"), zip(*heads, strict=True),
                           strict=True):  # fmt: skip
        same(getattr(layer, name), torch.stack(steps))


@pytest.mark.parametrize("seed", [0, 1, 123, 2**31 - 1, 2**63 + 5, -9])
@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize(("heads", "sizes"), [(1, (3, 2, 4)), (4, (3, 2, 1)), (3, (17, 5, 9))])
def test_heads_one_after_the_other(
    seed: int, sentence: str, heads: int, sizes: tuple[int, int, int]
) -> None:
    x = embed(sentence, seed, 500, sizes[0])
    torch.manual_seed(seed)
    stack = [Head(*sizes) for _ in range(heads)]
    for mask in ("none", "causal"):
        hidden = torch.triu(torch.ones(len(x), len(x)), diagonal=1).bool()
        theirs = [head(x, hidden if mask == "causal" else None) for head in stack]
        run = inspect(
            sentence, seed=seed, vocab_size=500, d_model=sizes[0], d_k=sizes[1], d_v=sizes[2],
            heads=heads, mask=mask,
        )  # fmt: skip
        same(run.embedding, x)
        all_the_same(run, theirs)
        joined = torch.cat([steps[-1] for steps in theirs], dim=-1)
        if heads > 1:
            same(run.layers[0].output, joined)


@pytest.mark.parametrize("seed", [2, 123])
@pytest.mark.parametrize("d_v", [4, 5])
def test_cross_attention_to_a_text_and_to_random_vectors(seed: int, d_v: int) -> None:
    sentence, other = SENTENCES[:2]
    x, y = embed(sentence, seed, 50_000, 3, other), embed(other, seed, 50_000, 3, sentence)
    torch.manual_seed(seed)
    head = Head(3, 2, d_v)
    run = inspect(sentence, cross=other, seed=seed, d_v=d_v)
    assert run.kind == "cross" and len(run.key_tokens) == 6
    same(run.key_embedding, y)
    all_the_same(run, [head(x, other=y)])
    x = embed(sentence, seed, 50_000, 3)
    torch.manual_seed(seed)
    head, second = Head(3, 2, d_v), torch.rand(8, 3)
    run = inspect(sentence, cross_rand=8, seed=seed, d_v=d_v)
    same(run.key_embedding, second)
    all_the_same(run, [head(x, other=second)])


@pytest.mark.parametrize("seed", [3, 123])
def test_the_blog_draws_the_other_way_round(seed: int) -> None:
    for sentence in SENTENCES:
        x = embed(sentence, seed, None, 16)
        torch.manual_seed(seed)
        w_query, w_key, w_value = (torch.rand(n, 16) for n in (24, 24, 28))
        query, key, value = ((w @ x.T).T for w in (w_query, w_key, w_value))
        weights = F.softmax(query @ key.T / 24**0.5, dim=-1)
        run = inspect(sentence, "blog", seed=seed)
        same(run.embedding, x)
        same(run.layers[0].scores[0], query @ key.T)
        same(run.layers[0].weights[0], weights)
        same(run.layers[0].context[0], weights @ value)


@pytest.mark.parametrize("seed", [4, 789])
@pytest.mark.parametrize("heads", [1, 2])
def test_linear_layers(seed: int, heads: int) -> None:
    x = embed(SENTENCES[0], seed, 50_000, 3)
    torch.manual_seed(seed)
    outputs, weights = [], []
    for _ in range(heads):
        w_query, w_key, w_value = (torch.nn.Linear(3, n, bias=False) for n in (2, 2, 4))
        weights.append(torch.softmax(w_query(x) @ w_key(x).T / 2**0.5, dim=-1))
        outputs.append(weights[-1] @ w_value(x))
    run = inspect(SENTENCES[0], "linear", seed=seed, heads=heads)
    same(run.layers[0].weights, torch.stack(weights))
    same(run.layers[0].context, torch.stack(outputs))


def test_normal_weights() -> None:
    x = embed(SENTENCES[0], 11, 50_000, 3)
    torch.manual_seed(11)
    w_query, w_key, w_value = torch.randn(3, 2), torch.randn(3, 2), torch.randn(3, 7)
    run = inspect(SENTENCES[0], seed=11, d_v=7, init="randn").layers[0]
    same(run.scores[0], (x @ w_query) @ (x @ w_key).T)
    same(run.value[0], x @ w_value)


class MultiHeadAttention(torch.nn.Module):
    """The book's class: fused layers, split into heads, causal, dropout, and a projection."""

    def __init__(self, d_in: int, d_out: int, heads: int, kv_heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.d = heads, kv_heads, d_out // heads
        self.W_query = torch.nn.Linear(d_in, d_out, bias=False)
        self.W_key = torch.nn.Linear(d_in, kv_heads * self.d, bias=False)
        self.W_value = torch.nn.Linear(d_in, kv_heads * self.d, bias=False)
        self.out_proj = torch.nn.Linear(d_out, d_out)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, x: Any, seed: int) -> Any:
        b, n, _ = x.shape
        queries = self.W_query(x).view(b, n, self.heads, self.d).transpose(1, 2)
        keys = self.W_key(x).view(b, n, self.kv_heads, self.d).transpose(1, 2)
        values = self.W_value(x).view(b, n, self.kv_heads, self.d).transpose(1, 2)
        shared = self.heads // self.kv_heads
        keys = keys.repeat_interleave(shared, dim=1)
        values = values.repeat_interleave(shared, dim=1)
        scores = queries @ keys.transpose(2, 3)
        scores.masked_fill_(torch.triu(torch.ones(n, n), diagonal=1).bool(), -torch.inf)
        weights = torch.softmax(scores / self.d**0.5, dim=-1)
        torch.manual_seed(seed)
        weights = self.dropout(weights)
        return self.out_proj((weights @ values).transpose(1, 2).contiguous().view(b, n, -1))


@pytest.mark.parametrize("seed", [5, 123])
@pytest.mark.parametrize(("heads", "kv_heads"), [(1, 1), (2, 2), (4, 2), (4, 1), (6, 3)])
@pytest.mark.parametrize("p", [0.0, 0.3])
def test_the_books_multi_head_attention(seed: int, heads: int, kv_heads: int, p: float) -> None:
    vectors = np.random.default_rng(seed).random((7, 5), dtype=np.float32)
    torch.manual_seed(seed)
    attention = MultiHeadAttention(5, 2 * heads, heads, kv_heads, p)
    theirs = attention(torch.tensor(vectors)[None], seed)[0]
    run = inspect(
        "a b c d e f g", "book", vectors=Vectors(vectors), init="linear", seed=seed, heads=heads,
        kv_heads=kv_heads, d_k=2, d_v=2, mask="causal", out_proj=True, dropout=p,
    )  # fmt: skip
    same(run.layers[0].output, theirs)


@pytest.mark.parametrize("seed", [0, 6, 123])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_after_manual_seed(seed: int, p: float) -> None:
    text = " ".join(f"w{i}" for i in range(11))
    run = inspect(text, heads=2, dropout=p, seed=123, dropout_seed=seed).layers[0]
    torch.manual_seed(seed)
    same(run.dropout, F.dropout(torch.ones(2, 11, 11), p))
    torch.manual_seed(seed)
    theirs = F.dropout(torch.tensor(run.weights), p)
    same(run.dropped, theirs)
    same(run.context, theirs @ torch.tensor(run.value))


@pytest.mark.parametrize(
    ("rows", "d", "most"), [(50, 3, 20), (1, 3, 4), (2, 3, 2), (5, 3, 40), (7, 16, 1024), (1, 1, 9)]
)
@pytest.mark.parametrize("seed", [0, 123])
def test_learned_positions_follow_the_token_embedding(
    seed: int, rows: int, d: int, most: int
) -> None:
    text = "one" if rows == 1 else "to be"
    known = sorted(words_of(text))
    ids = torch.tensor([known.index(w) for w in words_of(text)])
    torch.manual_seed(seed)
    tokens, places = torch.nn.Embedding(rows, d), torch.nn.Embedding(most, d)
    x = (tokens(ids) + places(torch.arange(len(ids)))).detach()
    torch.manual_seed(seed)
    head = Head(d, 2, 4)
    run = inspect(
        text, seed=seed, vocab_size=rows, d_model=d, positions="learned", max_positions=most
    )
    same(run.position_code, places(torch.arange(len(ids))))
    same(run.embedding, x)
    all_the_same(run, [head(x)])


def test_without_seeding_again_the_weights_follow_the_tables() -> None:
    from attn_cli.recipes import recipe

    for positions in ("none", "learned"):
        torch.manual_seed(123)
        tokens = torch.nn.Embedding(40, 3)
        places = torch.nn.Embedding(30, 3) if positions == "learned" else None
        head = Head(3, 2, 4)
        x = tokens(torch.arange(3)).detach()
        if places is not None:
            x = x + places(torch.arange(3)).detach()
        made = recipe(vocab_size=40, positions=positions, max_positions=30, reseed=False)
        all_the_same(inspect("a b c", made), [head(x)])


@pytest.mark.parametrize("d", [2, 7, 8])
def test_sinusoidal_positions(d: int) -> None:
    x = embed(SENTENCES[0], 123, 50_000, d)
    code = torch.zeros(6, d + d % 2)
    place = torch.arange(6, dtype=torch.float).unsqueeze(1)
    rates = torch.exp(torch.arange(0, d, 2).float() * (-math.log(10000.0) / d))
    code[:, 0::2], code[:, 1::2] = torch.sin(place * rates), torch.cos(place * rates)
    run = inspect(SENTENCES[0], d_model=d, positions="sinusoidal")
    same(run.position_code, code[:, :d])
    same(run.embedding, x + code[:, :d])


@pytest.mark.parametrize("base", [10_000, 500])
def test_rotary_positions_are_complex_turns(base: int) -> None:
    x, d = embed(SENTENCES[0], 123, 50_000, 3), 6
    torch.manual_seed(123)
    w_query, w_key = torch.rand(3, d), torch.rand(3, d)
    rates = 1.0 / base ** (torch.arange(0, d, 2).float() / d)
    turns = torch.polar(torch.ones(6, d // 2), torch.outer(torch.arange(6).float(), rates))

    def turned(rows: Any) -> Any:
        pairs = torch.complex(rows[:, : d // 2], rows[:, d // 2 :]) * turns
        return torch.cat([pairs.real, pairs.imag], dim=-1)

    query, key = turned(x @ w_query), turned(x @ w_key)
    run = inspect(SENTENCES[0], d_k=d, positions=f"rope:{base}").layers[0]
    same(run.query[0], query)
    same(run.key[0], key)
    same(run.logits[0], query @ key.T / d**0.5)


@pytest.mark.parametrize(
    ("heads", "slopes"),
    [
        (1, [2**-8]),
        (2, [2**-4, 2**-8]),
        (3, [2**-4, 2**-8, 2**-2]),
        (6, [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3]),
    ],
)
@pytest.mark.parametrize("mask", ["none", "causal"])
def test_alibi_draws_near_keys(heads: int, slopes: list[float], mask: str) -> None:
    x = embed(SENTENCES[0], 123, 50_000, 3)
    torch.manual_seed(123)
    stack = [Head(3, 2, 4) for _ in range(heads)]
    apart = (torch.arange(6)[:, None] - torch.arange(6)[None, :]).abs()
    hidden = torch.triu(torch.ones(6, 6), diagonal=1).bool()
    logits = torch.stack([head(x)[1] - m * apart for head, m in zip(stack, slopes, strict=True)])
    if mask == "causal":
        logits = logits.masked_fill(hidden, -torch.inf)
    run = inspect(SENTENCES[0], heads=heads, positions="alibi", mask=mask).layers[0]
    same(run.logits, logits)
    same(run.weights, torch.softmax(logits, dim=-1))


@pytest.mark.parametrize("seed", [8, 123])
@pytest.mark.parametrize("mask", ["none", "causal"])
def test_additive_scores(seed: int, mask: str) -> None:
    x = embed(SENTENCES[0], seed, 50_000, 3)
    torch.manual_seed(seed)
    scores, contexts = [], []
    for _ in range(2):
        w_query, w_key, w_value = torch.rand(3, 2), torch.rand(3, 2), torch.rand(3, 4)
        v = torch.rand(2, 1)
        sums = (x @ w_query)[:, None, :] + (x @ w_key)[None, :, :]
        scores.append((torch.tanh(sums) @ v).squeeze(-1))
        hidden = torch.triu(torch.ones(6, 6), diagonal=1).bool() & (mask == "causal")
        weights = torch.softmax(scores[-1].masked_fill(hidden, -torch.inf), dim=-1)
        contexts.append(weights @ (x @ w_value))
    run = inspect(SENTENCES[0], seed=seed, heads=2, score="additive", mask=mask).layers[0]
    same(run.scores, torch.stack(scores))
    same(run.context, torch.stack(contexts))


def test_softcap_and_dot_products() -> None:
    x = embed(SENTENCES[0], 123, 50_000, 3)
    torch.manual_seed(123)
    scores = Head(3, 2, 4)(x)[0]
    same(inspect(SENTENCES[0], score="dot").layers[0].weights[0], torch.softmax(scores, -1))
    for cap in (0.5, 30.0):
        capped = cap * torch.tanh(scores / 2**0.5 / cap)
        same(inspect(SENTENCES[0], softcap=cap).layers[0].logits[0], capped)


@pytest.mark.parametrize("mask", ["window:2", "local:1+global:0", "prefix:3", "causal&strided:2"])
def test_torchs_own_attention_under_masks(mask: str) -> None:
    run = inspect(SENTENCES[0], mask=mask, heads=4, kv_heads=2, d_k=8, d_v=8)
    layer = run.layers[0]
    query, key, value = (torch.tensor(t)[None] for t in (layer.query, layer.key, layer.value))
    theirs = F.scaled_dot_product_attention(
        query, key, value, attn_mask=torch.tensor(run.mask.allowed), enable_gqa=True
    )
    same(layer.context, theirs[0])
