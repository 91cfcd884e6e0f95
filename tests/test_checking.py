"""Checking: a student's numbers, computed here by hand as a student would, and what is found.

Of the code under test only the seeded generator is used to make them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_cli import Vocabulary, inspect
from attn_cli.checking import Student, Verdict, check
from attn_cli.checking.attempts import Attempt, Text, drawer, tensor
from attn_cli.checking.mistakes import MISTAKES, mistakes
from attn_cli.errors import DataError, UsageError
from attn_cli.inspection import Vectors
from attn_cli.recipes import JOURNEY, RECIPES, Recipe
from attn_cli.torch_random import Generator

SENTENCE = "Life is short, eat dessert first"
TWICE = "To be, or not to Be, eat to be"  # repeated words, capitals, and punctuation inside
ROOT = np.sqrt


@cache
def table(seed: int, rows: int, d: int) -> Any:
    """torch.manual_seed(seed); torch.nn.Embedding(rows, d).weight"""
    return Generator(seed).randn(rows, d)


def numbered(words: list[str]) -> dict[str, int]:
    return {word: i for i, word in enumerate(sorted(set(words)))}


def embedded(
    text: str = SENTENCE,
    numbers: Callable[[list[str]], dict[str, int]] = numbered,
    clean: Callable[[str], str] = lambda text: text.replace(",", ""),
    seed: int = 123,
    rows: int = 50_000,
    d: int = 3,
) -> Any:
    words = clean(text).split()
    ids = numbers(words)
    return table(seed, rows, d)[[ids[word] for word in words]]


def rand(generator: Generator, d_in: int, d_out: int) -> Any:
    return generator.rand(d_in, d_out)


def linear(generator: Generator, d_in: int, d_out: int) -> Any:
    """nn.Linear(d_in, d_out, bias=False).weight.T"""
    return ((generator.rand(d_out, d_in) * 2 - 1) / ROOT(d_in)).T


def drawn(
    generator: Generator, order: str = "qkv", draw: Any = rand, d: int = 3, dk: int = 2, dv: int = 4
) -> tuple[Any, Any, Any]:
    found = {name: draw(generator, d, dv if name == "v" else dk) for name in order}
    return found["q"], found["k"], found["v"]


def soft(logits: Any, axis: int | tuple[int, int] = -1) -> Any:
    exponentials = np.exp(logits.astype(np.float64))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def projected(x: Any = None, weights: Any = None) -> tuple[Any, Any, Any]:
    x = embedded() if x is None else x
    return tuple(x @ w for w in (weights or drawn(Generator(123))))  # type: ignore[return-value]


def weights_of(x: Any = None, weights: Any = None) -> Any:
    q, k, _ = projected(x, weights)
    return soft(q @ k.T / ROOT(2))


def biased(x: Any) -> tuple[Any, Any, Any]:
    generator, parts = Generator(123), []
    for width in (2, 2, 4):
        w = (generator.rand(width, 3) * 2 - 1) / ROOT(3)
        parts.append(x @ w.T + (generator.rand(width) * 2 - 1) / ROOT(3))
    return tuple(parts)  # type: ignore[return-value]


def scores(order: str = "qkv") -> Any:
    q, k, _ = projected(weights=drawn(Generator(123), order))
    return q @ k.T


def not_reseeded() -> Any:
    generator = Generator(123)
    x = generator.randn(50_000, 3)[[0, 4, 5, 2, 1, 3]]
    return weights_of(x, drawn(generator))


def two_heads(axis: int = -1, scale: float = ROOT(2)) -> tuple[Any, Any]:
    """Weights (2, 6, 6), and the contexts side by side (6, 8)."""
    generator, x = Generator(123), embedded()
    parts = [projected(x, drawn(generator)) for _ in range(2)]
    weights = soft(np.stack([q @ k.T for q, k, _ in parts]) / scale, axis)
    return weights, np.hstack([w @ v for w, (_, _, v) in zip(weights, parts, strict=True)])


def fused() -> tuple[Any, Any, Any]:
    """One draw for two heads, then split: weights, contexts side by side, projected."""
    generator, x = Generator(123), embedded()
    q, k, v = (x @ w for w in drawn(generator, dk=4, dv=8))
    w_out = generator.rand(8, 8)
    weights = np.stack([soft(q[:, s] @ k[:, s].T / ROOT(2)) for s in (slice(2), slice(2, 4))])
    joined = np.hstack([weights[0] @ v[:, :4], weights[1] @ v[:, 4:]])
    return weights, joined, joined @ w_out


TRIANGLE = np.tri(6, dtype=bool)


def masked(allowed: Any, fill: float = -np.inf) -> Any:
    with np.errstate(invalid="ignore"):
        return soft(np.where(allowed, scores() / ROOT(2), fill))


def near(i: Any, width: int) -> Any:
    return (i[:, None] - i <= width - 1) & (i[:, None] >= i)


def blog(scale: float = ROOT(24), flipped: bool = False) -> Any:
    generator, x = Generator(123), embedded(rows=6, d=16)
    draws = [generator.rand(16, 24) if flipped else generator.rand(24, 16).T for _ in range(2)]
    return soft((x @ draws[0]) @ (x @ draws[1]).T / scale)


def dropped(p: float = 0.3, seed: int = 9) -> Any:
    """nn.Dropout(p) with whatever the generator was at."""
    keep = np.random.default_rng(seed).random((6, 6)) > p
    return weights_of() * keep / (1 - p)


def torch_dropped(p: float) -> Any:
    """The weights after dropout, the seed set just before."""
    words = Generator(123).words(72).astype(np.uint64).reshape(36, 2)
    uniform = ((words[:, 0] << np.uint64(32) | words[:, 1]) & np.uint64(2**53 - 1)) * 2.0**-53
    return weights_of() * (uniform.reshape(6, 6) < 1 - p) / (1 - p)


CAUSAL, TWO, OUT = {"mask": "causal"}, {"heads": 2}, {"heads": 2, "out_proj": True}
V = projected()[2]
CONTEXT = weights_of() @ V

# By the name of the mistake: the text, how the check is asked, and the student's matrix.
Case = tuple[str, dict[str, Any], Callable[[], Any]]
CASES: dict[str, Case] = {
    "lowercase": (TWICE, {}, lambda: weights_of(embedded(TWICE.lower()))),
    "not-lowercase": (TWICE, {"lowercase": True}, lambda: weights_of(embedded(TWICE))),
    "punctuation": (TWICE, {}, lambda: weights_of(embedded(TWICE, clean=str))),
    "unsorted": (
        SENTENCE,
        {},
        lambda: weights_of(embedded(numbers=lambda w: {x: i for i, x in enumerate(w)})),
    ),
    "gaps": (
        TWICE,
        {},
        lambda: weights_of(embedded(TWICE, lambda w: {x: i for i, x in enumerate(sorted(w))})),
    ),
    "caseless": (
        SENTENCE,
        {},
        lambda: weights_of(
            embedded(numbers=lambda w: {x: i for i, x in enumerate(sorted(w, key=str.lower))})
        ),
    ),
    "from-one": (
        SENTENCE,
        {},
        lambda: weights_of(embedded(numbers=lambda w: {x: i + 1 for x, i in numbered(w).items()})),
    ),
    "table-words": (SENTENCE, {}, lambda: weights_of(embedded(rows=6))),
    "table-6": (SENTENCE, {}, lambda: weights_of(embedded(rows=6))),
    **{
        f"table-{rows}": (
            SENTENCE,
            {"vocab_size": 6},
            lambda rows=rows: weights_of(embedded(rows=rows)),
        )
        for rows in (10_000, 50_000, 50_257)
    },
    **{
        f"seed-{seed}": (
            SENTENCE,
            {"seed": 7},
            lambda seed=seed: weights_of(embedded(seed=seed), drawn(Generator(seed))),
        )
        for seed in (0, 1, 42, 123, 789, 1234, 1337, 2024)
    },
    "not-reseeded": (SENTENCE, {}, not_reseeded),
    "reseeded-each": (
        SENTENCE,
        {},
        lambda: weights_of(weights=[Generator(123).rand(3, width) for width in (2, 2, 4)]),
    ),
    **{
        f"order-{order}": (
            SENTENCE,
            {},
            lambda order=order: weights_of(weights=drawn(Generator(123), order)),
        )
        for order in ("qvk", "kqv", "kvq", "vqk", "vkq")
    },
    "transposed": (
        SENTENCE,
        {},
        lambda: weights_of(
            weights=drawn(Generator(123), draw=lambda g, d_in, d_out: g.rand(d_out, d_in).T)
        ),
    ),
    "not-transposed": (SENTENCE, {"source": "blog"}, lambda: blog(flipped=True)),
    "rand": (SENTENCE, {"source": "linear"}, weights_of),
    "randn": (
        SENTENCE,
        {},
        lambda: weights_of(weights=drawn(Generator(123), draw=lambda g, a, b: g.randn(a, b))),
    ),
    "linear": (SENTENCE, {}, lambda: weights_of(weights=drawn(Generator(123), draw=linear))),
    "bias": (
        SENTENCE,
        {"source": "linear"},
        lambda: soft(biased(embedded())[0] @ biased(embedded())[1].T / ROOT(2)),
    ),
    "no-weights": (SENTENCE, {}, lambda: soft(embedded() @ embedded().T / ROOT(3))),
    "fused": (SENTENCE, TWO, lambda: fused()[0]),
    "separate": (SENTENCE, OUT, lambda: two_heads()[1]),
    "roles-swapped": (SENTENCE, {}, lambda: soft(scores().T / ROOT(2))),
    "query-query": (SENTENCE, {}, lambda: soft(projected()[0] @ projected()[0].T / ROOT(2))),
    "key-key": (SENTENCE, {}, lambda: soft(projected()[1] @ projected()[1].T / ROOT(2))),
    "no-scale": (SENTENCE, {}, lambda: soft(scores())),
    "scaled": (SENTENCE, {"score": "dot"}, lambda: soft(scores() / ROOT(2))),
    "scale-d-model": (SENTENCE, {}, lambda: soft(scores() / ROOT(3))),
    "scale-d-k": (SENTENCE, {}, lambda: soft(scores() / 2)),
    "scale-times": (SENTENCE, {}, lambda: soft(scores() * ROOT(2))),
    "scale-heads": (SENTENCE, TWO, lambda: two_heads(scale=ROOT(4))[0]),
    "scale-d-v": (SENTENCE, {"source": "blog"}, lambda: blog(scale=ROOT(28))),
    "mask-missing": (SENTENCE, CAUSAL, weights_of),
    "causal": (SENTENCE, {}, lambda: masked(TRIANGLE)),
    "causal-ahead": (SENTENCE, CAUSAL, lambda: masked(np.tri(6, k=1, dtype=bool))),
    "causal-behind": (SENTENCE, CAUSAL, lambda: masked(np.tri(6, k=-1, dtype=bool))),
    "causal-reversed": (SENTENCE, CAUSAL, lambda: masked(TRIANGLE.T)),
    "mask-wider": (SENTENCE, {"mask": "window:2"}, lambda: masked(near(np.arange(6), 3))),
    "mask-narrower": (SENTENCE, {"mask": "window:3"}, lambda: masked(near(np.arange(6), 2))),
    "mask-after": (SENTENCE, CAUSAL, lambda: weights_of() * TRIANGLE),
    "mask-zero": (SENTENCE, CAUSAL, lambda: masked(TRIANGLE, fill=0.0)),
    "softmax-queries": (SENTENCE, {}, lambda: soft(scores() / ROOT(2), axis=0)),
    "softmax-heads": (SENTENCE, TWO, lambda: two_heads(axis=0)[0]),
    "softmax-all": (SENTENCE, {}, lambda: soft(scores() / ROOT(2), axis=(0, 1))),
    "no-softmax": (SENTENCE, {}, lambda: (scores() / ROOT(2)) @ V),
    "by-sum": (SENTENCE, {}, lambda: scores() / scores().sum(axis=1, keepdims=True)),
    "softmax": (
        SENTENCE,
        {"vectors": Vectors(np.eye(6, 3, dtype=np.float32) + 1), "normalize": "sum"},
        lambda: weights_of(np.eye(6, 3, dtype=np.float32) + 1),
    ),
    "dropout-missing": (SENTENCE, {"dropout": 0.5}, lambda: CONTEXT),
    "dropout": (SENTENCE, {}, dropped),
    **{f"dropout-{p}": (SENTENCE, {}, lambda p=p: torch_dropped(p) @ V) for p in (0.1, 0.2, 0.5)},
    "columns-mix": (SENTENCE, {}, lambda: weights_of().T @ V),
    "is-embedding": (SENTENCE, {"d_v": 3}, embedded),
    "is-query": (SENTENCE, {"d_v": 2}, lambda: projected()[0]),
    "is-key": (SENTENCE, {"d_v": 2}, lambda: projected()[1]),
    "is-value": (SENTENCE, {}, lambda: V),
    "is-scores": (SENTENCE, {}, scores),
    "is-logits": (SENTENCE, {}, lambda: scores() / ROOT(2)),
    "is-weights": (SENTENCE, {"d_v": 6, "what": "context"}, weights_of),
    "is-dropped": (SENTENCE, {"dropout": 0.5}, lambda: torch_dropped(0.5)),
    "is-context": (
        SENTENCE,
        {"d_v": 6, "what": "weights"},
        lambda: weights_of() @ projected(weights=drawn(Generator(123), dv=6))[2],
    ),
    "is-joined": (SENTENCE, OUT, lambda: fused()[1]),
    "is-unprojected": (SENTENCE, {"d_v": 3}, lambda: weights_of() @ embedded()),
    "turned": (SENTENCE, {}, lambda: weights_of().T),
    "mean-heads": (SENTENCE, TWO, lambda: two_heads()[0].mean(axis=0)),
    "permuted-heads": (SENTENCE, TWO, lambda: two_heads()[0][::-1]),
}


def ask(matrix: Any, text: str | None = SENTENCE, *, decimals: int = 4, **asked: Any) -> Verdict:
    rounded = np.round(np.asarray(matrix, dtype=np.float64), decimals)
    return check(Student(rounded, decimals), text, asked.pop("source", "article"), **asked)


def names(verdict: Verdict) -> list[tuple[str, ...]]:
    return [tuple(mistake.name for mistake in found) for found in verdict.findings]


def test_every_mistake_has_a_case() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES)
    assert CASES.keys() == {mistake.name for mistake in MISTAKES}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_found(name: str) -> None:
    text, asked, matrix = CASES[name]
    verdict = ask(matrix(), text, **asked)
    assert not verdict.equal
    assert (name,) in names(verdict)
    assert all(len(found) == 1 for found in names(verdict))
    assert not verdict.tried_pairs


# Mistakes that come to the same numbers, which nobody could tell apart.
SAME = {
    "scale-d-k": {"scale-d-k", "scale-d-v"},  # d_k = 2 = √4
    "roles-swapped": {"roles-swapped", "order-kqv"},
    "table-6": {"table-6", "table-words"},
    "no-scale": {"no-scale"},
    "mask-after": {"mask-after"},
    "softmax-queries": {"softmax-queries"},
    "turned": {"turned"},
}


@pytest.mark.parametrize("name", SAME)
def test_all_that_explain_it_are_told_and_no_others(name: str) -> None:
    text, asked, matrix = CASES[name]
    assert {found for (found,) in names(ask(matrix(), text, **asked))} == SAME[name]


PAIRS: dict[tuple[str, str], Case] = {
    ("no-scale", "causal"): (
        SENTENCE,
        {},
        lambda: soft(np.where(TRIANGLE, scores(), -np.inf)),
    ),
    ("order-vkq", "scale-d-model"): (SENTENCE, {}, lambda: soft(scores("vkq") / ROOT(3))),
    ("seed-42", "no-scale"): (
        SENTENCE,
        {},
        lambda: soft(np.log(weights_of(embedded(seed=42), drawn(Generator(42)))) * ROOT(2)),
    ),
    ("unsorted", "randn"): (
        SENTENCE,
        {},
        lambda: weights_of(
            embedded(numbers=lambda w: {x: i for i, x in enumerate(w)}),
            drawn(Generator(123), draw=lambda g, a, b: g.randn(a, b)),
        ),
    ),
    ("causal-ahead", "mask-after"): (
        SENTENCE,
        CAUSAL,
        lambda: weights_of() * np.tri(6, k=1),
    ),
    ("no-scale", "softmax-queries"): (SENTENCE, {}, lambda: soft(scores(), axis=0)),
    ("transposed", "columns-mix"): (
        SENTENCE,
        {},
        lambda: (lambda q, k, v: soft(q @ k.T / ROOT(2)).T @ v)(
            *projected(weights=drawn(Generator(123), draw=lambda g, a, b: g.rand(b, a).T))
        ),
    ),
    ("order-qvk", "is-logits"): (SENTENCE, {}, lambda: scores("qvk") / ROOT(2)),
    ("no-scale", "dropout"): (
        SENTENCE,
        {},
        lambda: soft(scores()) * (dropped() > 0) / 0.7,
    ),
    ("scale-d-k", "turned"): (SENTENCE, {}, lambda: CONTEXT.T * 0 + (soft(scores() / 2) @ V).T),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_two_mistakes_are_found(pair: tuple[str, str]) -> None:
    text, asked, matrix = PAIRS[pair]
    verdict = ask(matrix(), text, **asked)
    assert not verdict.equal and verdict.tried_pairs
    assert pair in [tuple(sorted(p, key=pair.index)) for p in names(verdict) if set(p) == set(pair)]
    assert all(len(found) == 2 for found in names(verdict))


@pytest.mark.parametrize("what", ["weights", "context"])
@pytest.mark.parametrize("start", range(4))
def test_pairs_from_all_over_the_table(what: str, start: int) -> None:
    """The truth is among what is found, or fewer mistakes explain it as well."""
    base = Attempt(recipe=Recipe(), what=what)  # type: ignore[arg-type]
    draw = drawer(Text(SENTENCE))
    pairs = [
        ((first.name, second.name), twice)
        for first, once in mistakes(base)
        for second, twice in mistakes(once, after=first)
        if second.step != first.step and second.name != "dropout"
    ]
    assert len(pairs) > 1000
    shape = (6, 6) if what == "weights" else (6, 4)
    for pair, twice in pairs[start * 257 :: 13]:
        drawing = draw(twice.drawing)
        with np.errstate(all="ignore"):
            made = None if drawing is None else tensor(drawing, twice)[0]
        if made is not None and made.shape[-2:] == shape and not twice.turned:
            truth = pair
            break
    else:
        pytest.fail("no pair that can be made")
    verdict = ask(made[0] if made.ndim == 3 else made, what=what)
    found = names(verdict)
    assert verdict.equal or truth in found or len(found[0]) == 1, (truth, found)


@pytest.mark.parametrize("decimals", [2, 3, 4, 6])
@pytest.mark.parametrize("matrix", ["weights", "context", "embedding", "query"])
def test_what_is_right_is_equal(matrix: str, decimals: int) -> None:
    by_hand = {
        "weights": weights_of,
        "context": lambda: CONTEXT,
        "embedding": embedded,
        "query": lambda: projected()[0],
    }
    verdict = ask(by_hand[matrix](), decimals=decimals)
    assert (verdict.equal, verdict.what, verdict.findings) == (True, matrix, ())
    assert verdict.fit.tolerance < 0.5 * 10.0**-decimals + 1e-5


@settings(max_examples=60, deadline=None)
@given(
    source=st.sampled_from(list(RECIPES)),
    seed=st.integers(0, 2**32),
    heads=st.sampled_from([(1, None), (2, None), (4, 2), (3, 1)]),
    mask=st.sampled_from(["none", "causal", "window:2", "hide:0", "global:1"]),
    positions=st.sampled_from(["none", "rope", "alibi", "sinusoidal"]),
    init=st.sampled_from(["rand", "randn", "linear"]),
    out_proj=st.booleans(),
    score=st.sampled_from(["scaled", "dot"]),
    what=st.sampled_from(["weights", "context", "output", "logits", "scores"]),
    decimals=st.integers(3, 6),
)
def test_whatever_the_recipe_its_own_numbers_are_equal(
    source: str, heads: tuple[int, int | None], what: Any, decimals: int, **choices: Any
) -> None:
    choices |= {"heads": heads[0], "kv_heads": heads[1]}
    text = None if source == "book" else SENTENCE
    run = inspect(text, source, **choices)
    array = getattr(run.layers[0], what)
    if array is not None:
        student = Student(np.round(array.astype(np.float64), decimals), decimals)
        verdict = check(student, text, source, what=what, **choices)
        assert verdict.equal, (verdict.fit.largest, verdict.fit.tolerance)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(6, 6), (6, 4)]), st.booleans())
def test_random_numbers_are_explained_by_nothing(seed: int, shape: Any, normal: bool) -> None:
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=shape) if normal else generator.dirichlet(np.ones(shape[1]), 6)
    verdict = ask(matrix)
    assert not verdict.equal and verdict.findings == () and verdict.tried_pairs


@pytest.mark.parametrize("name", ["no-scale", "order-kvq", "softmax-queries", "mask-after"])
def test_one_wrong_cell_is_enough_for_nothing_to_match(name: str) -> None:
    text, asked, matrix = CASES[name]
    wrong = np.round(matrix(), 4)
    wrong[3, 2] += 2e-4
    verdict = ask(wrong, text, **asked)
    assert verdict.findings == () and not verdict.equal


def test_one_wrong_cell_of_the_right_matrix_is_named() -> None:
    wrong = np.round(weights_of(), 4)
    wrong[1, 3] += 2e-4
    verdict = ask(wrong)
    assert not verdict.equal and verdict.findings == ()
    assert verdict.worst[:3] == (0, 1, 3)
    assert verdict.worst.ours == pytest.approx(0.0840, abs=5e-5)
    assert verdict.worst.theirs == pytest.approx(0.0842)


def test_half_a_unit_of_the_last_decimal_is_the_tolerance() -> None:
    right = weights_of()
    for off, equal in ((4.9e-5, True), (6e-5, False)):
        wrong = np.array(right)
        wrong[0, 0] += off
        assert check(Student(wrong, 4), SENTENCE).equal is equal


def test_numbers_that_tell_too_little_are_not_explained_by_two() -> None:
    few = check(Student(np.array([[0.62, 0.38], [0.51, 0.49]]), 2), "a b")
    assert not few.equal and not few.tried_pairs and few.findings == ()
    assert few.by_chance > 0.01
    alike = ask(np.full((6, 6), 0.1666))
    assert not alike.tried_pairs and alike.by_chance > 1
    one_column = ask(-CONTEXT[:, :1], d_v=1)  # six numbers with four decimals are enough
    assert one_column.tried_pairs and one_column.by_chance < 1e-6


@pytest.mark.parametrize("scale", [1e8, 1e19])
def test_huge_scores_do_not_make_everything_equal(scale: float) -> None:
    vectors = Vectors(np.float32(scale) * np.eye(6, 3, dtype=np.float32), list("abcdef"))
    assert not ask(np.full((6, 6), 1 / 6), None, vectors=vectors).equal


def test_rows_of_nan_are_rows_that_are_wholly_masked() -> None:
    with np.errstate(invalid="ignore"):
        matrix = masked(np.tri(6, k=-1, dtype=bool))
    assert np.isnan(matrix[0]).all()
    assert names(ask(matrix, **CAUSAL)) == [("causal-behind",)]
    hidden = np.where(np.arange(6) == 0, np.nan, 1.0)[:, None] * masked(TRIANGLE)
    assert not ask(hidden, **CAUSAL).equal


def test_a_matrix_of_one_head_is_compared_with_every_head() -> None:
    verdict = ask(two_heads()[0][1], **TWO)
    assert verdict.equal and verdict.fit.head == 1
    assert ask(two_heads()[0], **TWO).fit.head is None
    assert ask(two_heads()[0][None], **TWO).equal  # a batch of one
    assert ask(weights_of()[None, None]).equal


def test_the_shape_tells_what_it_is_unless_two_have_it() -> None:
    six = projected(weights=drawn(Generator(123), dv=6))[2]
    assert ask(weights_of() @ six, d_v=6).what == "context"
    assert ask(weights_of(), d_v=6).what == "weights"
    turned = ask(CONTEXT.T)
    assert (turned.equal, turned.fit.apart, names(turned)) == (False, True, [("turned",)])


def test_the_book_and_given_vectors() -> None:
    x = np.array(list(JOURNEY.values()), dtype=np.float32)
    generator = Generator(789)
    q, k = (x @ linear(generator, 3, 2) for _ in range(2))
    asked = {"source": "book", "init": "linear", "seed": 789}
    assert ask(soft(q @ k.T / ROOT(2)), None, **asked).equal
    assert names(ask(soft(q @ k.T), None, **asked)) == [("no-scale",)]
    plain = soft(x @ x.T)
    assert ask(plain, None, source="book", init="none", score="dot").equal
    assert ("no-weights", "no-scale") in names(ask(plain, None, source="book"))


def test_cross_attention_and_a_vocabulary_from_elsewhere() -> None:
    run = inspect("eat first", cross="Life is short")
    assert ask(run.layers[0].weights[0], "eat first", cross="Life is short").equal
    unscaled = soft(run.layers[0].scores[0])
    assert names(ask(unscaled, "eat first", cross="Life is short")) == [("no-scale",)]
    vocabulary = Vocabulary({"eat": 7, "first": 9, "now": 2})
    x = table(123, 50_000, 3)[[7, 9, 2]]
    assert ask(weights_of(x), "eat first now", vocabulary=vocabulary).equal
    layers = drawn(Generator(123), draw=linear)
    verdict = ask(weights_of(x, layers), "eat first now", vocabulary=vocabulary)
    assert names(verdict) == [("linear",)]


def test_large_matrices_are_tried_with_one_mistake_alone() -> None:
    text = " ".join(f"w{i}" for i in range(130))
    verdict = ask(np.full((130, 130), 1 / 130), text)
    assert not verdict.equal and not verdict.tried_pairs
    assert names(ask(soft(inspect(text).layers[0].scores[0]), text)) == [("no-scale",)]


@pytest.mark.parametrize(
    ("shape", "asked", "said"),
    [
        ((5, 5), {}, "the matrix is 5 × 5, and the recipe gives weights 6 × 6, context 6 × 4"),
        ((6, 6), {"what": "query"}, "the recipe gives query 6 × 2"),
        ((6, 6), {"what": "output"}, "the recipe gives no output"),
        ((3, 6, 6), TWO, "the matrix is 3 × 6 × 6, and the recipe gives weights 2 × 6 × 6"),
    ],
)
def test_a_shape_that_nothing_has_is_refused(shape: Any, asked: Any, said: str) -> None:
    with pytest.raises(DataError) as caught:
        ask(np.zeros(shape), **asked)
    assert said in caught.value.message and "--text" in caught.value.hint


def test_a_wrong_choice_is_the_users() -> None:
    with pytest.raises(UsageError):
        ask(np.zeros((6, 6)), heads=0)
