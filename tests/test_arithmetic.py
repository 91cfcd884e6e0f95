"""The arithmetic of a weight: by hand, by the article, and read back from what is printed."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_cli.arithmetic import STEPS, Explanation, explain
from attn_cli.arithmetic.equations import Block, Equation, Row, folded, slack
from attn_cli.errors import DataError, UsageError
from attn_cli.inspection import Inspection, Layer, Mask, Source, Token, Vectors
from attn_cli.terminal.arithmetic import lines
from attn_cli.terminal.render import render
from attn_cli.terminal.styles import Screen
from attn_cli.tutorial import inspect

ARTICLE = "Life is short, eat dessert first"
PUBLISHED = 5.1e-5  # half a unit of the last place in print, and the one that is printed wrongly


def step(found: Explanation, name: str) -> Any:
    return next(one for one in found.steps if one.name == name)


def blocks(found: Explanation, name: str) -> list[Block]:
    return [part for part in step(found, name).parts if isinstance(part, Block)]


def page(found: Explanation, width: int = 80, **how: Any) -> str:
    return render(lines(found, Screen(width=width), **how), "none")


def tokens(n: int) -> tuple[Token, ...]:
    return tuple(Token(f"t{i}") for i in range(n))


# By hand and by the article


def test_two_tokens_by_hand() -> None:
    """q = (1, 2), keys (3, 1) and (1, 0): scores 5 and 1, over √2; values 10 and 20."""
    scores = np.array([[[5.0, 1.0], [0.0, 0.0]]])
    logits = scores / math.sqrt(2)
    share = 1 / (1 + math.exp(-4 / math.sqrt(2)))
    made = Inspection(
        query_tokens=tokens(2),
        layers=(
            Layer(
                scale=1 / math.sqrt(2),
                query=np.array([[[1.0, 2], [0, 0]]]),
                key=np.array([[[3.0, 1], [1, 0]]]),
                value=np.array([[[10.0], [20]]]),
                logits=logits,
                weights=np.array([[[share, 1 - share], [0.5, 0.5]]]),
            ),
        ),
    )
    found = explain(made, 0, 1)
    assert [one.name for one in found.steps] == [
        "query", "key", "score", "logit", "softmax", "context",
    ]  # fmt: skip
    (score,) = blocks(found, "score")
    assert [line.operands for line in score.lines] == [(1, 1), (2, 0)]
    assert [line.result for line in score.lines] == [1, 0] and score.total == 1
    (logit,) = blocks(found, "logit")[0].lines
    assert logit.operation == "over root" and logit.operands == (1, 2)
    exponentials, quotients = blocks(found, "softmax")
    assert exponentials.total == pytest.approx(1 + math.exp(-4 / math.sqrt(2)), abs=1e-6)
    assert [line.result for line in quotients.lines] == pytest.approx([share, 1 - share], abs=1e-6)
    assert quotients.focus == "1" and found.weight == pytest.approx(1 - share, abs=1e-6)
    (context,) = blocks(found, "context")
    assert context.total == pytest.approx(10 * share + 20 * (1 - share), abs=1e-5)
    assert "it was made from" in step(found, "query").meaning


def test_the_article_in_its_own_numbers() -> None:
    run = inspect(ARTICLE)
    found = explain(run, 1, 1)
    assert tuple(one.name for one in found.steps) == tuple(s for s in STEPS if s != "rotation")
    assert [line.result for line in blocks(found, "softmax")[1].lines] == pytest.approx(
        [0.0386, 0.6870, 0.0204, 0.0840, 0.1470, 0.0229], abs=PUBLISHED
    )
    omega = [blocks(explain(run, 1, j), "score")[0].total for j in range(6)]
    assert omega == pytest.approx([-0.6004, 3.4707, -1.5023, 0.4991, 1.2903, -1.3374], abs=5.1e-5)
    totals = [block.total for block in blocks(found, "context")]
    assert totals == pytest.approx([0.5313, 1.3607, 0.7891, 1.3110], abs=PUBLISHED)
    (x,) = step(found, "embedding").parts  # one token, so one row
    assert x.name == "x" and np.array_equal(np.float32(x.values), run.embedding[1])


def test_what_one_step_prints_the_next_step_takes() -> None:
    found = page(explain(inspect(ARTICLE), 1, 3))
    assert "[1]  1.8269 × 0.2291 ≈ 0.4186" in found  # q[1] and k[1], as they were printed:
    assert re.search(r"= 0\.5667 +≈? ?= 1\.8269", found) and "≈  0.2291" in found
    assert "logit  0.4991 ÷ √2 = 0.3529" in found and "= 0.4991\n" in found
    assert "e^( 0.3529 − 2.4542) = 0.1223" in found
    assert "0.1223 ÷ 1.4556 = 0.0840" in found and "= 1.4556" in found


# Read back from the page: every number is what those that are printed before it give


class Interval(NamedTuple):
    """What a printed number may have been before it was rounded."""

    low: float
    high: float

    @staticmethod
    def around(*ends: float) -> Interval:
        return Interval(min(ends), max(ends))

    def __add__(self, other: Any) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __sub__(self, other: Any) -> Interval:
        return self + -other

    def __mul__(self, other: Any) -> Interval:
        return Interval.around(*(a * b for a in self for b in other))

    def __truediv__(self, other: Any) -> Interval:
        if other.low <= 0 <= other.high:
            return Interval(-math.inf, math.inf)
        return self * Interval.around(1 / other.low, 1 / other.high)


def rising(function: Any) -> Any:
    return lambda x: Interval(function(x.low), function(x.high))


def swinging(function: Any) -> Any:
    """Of a cosine or sine: never steeper than 1."""

    def apply(x: Interval) -> Interval:
        middle, half = (x.low + x.high) / 2, (x.high - x.low) / 2
        return Interval(function(middle) - half, function(middle) + half)

    return apply


WIDE = {
    "exp": rising(math.exp),
    "tanh": rising(math.tanh),
    "root": rising(math.sqrt),
    "cos": swinging(math.cos),
    "sin": swinging(math.sin),
}
POINT = {name: getattr(math, name) for name in ("exp", "tanh", "cos", "sin")} | {"root": math.sqrt}

NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?"
EXPRESSION = (
    rf"(?:e\^\( *{NUMBER} [+−] +{NUMBER}\)"
    rf"|{NUMBER} × tanh\( *{NUMBER} [+−÷] +{NUMBER}\)"
    rf"|(?:cos|sin) +{NUMBER}"
    rf"|{NUMBER}(?: [×÷+−] +√?{NUMBER})+)"
)
EQUATION = re.compile(rf"({EXPRESSION}) ([=≈]) +({NUMBER})(?![\d.])")


def last_place(number: str) -> float:
    mantissa, _, exponent = number.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def evaluated(expression: str, names: dict[str, Any], number: Any) -> Any:
    """What an expression as printed is, each number made by `number`."""
    text = expression.replace("e^(", "exp(").replace("×", "*").replace("÷", "/").replace("−", "-")
    text = re.sub(rf"√({NUMBER})", r"root(\1)", text)
    text = re.sub(rf"(cos|sin) +({NUMBER})", r"\1(\2)", text)
    parts = re.split(rf"((?<![\w.)]){NUMBER})", text)
    code = "".join(f"number('{part}')" if i % 2 else part for i, part in enumerate(parts))
    return eval(code, {**names, "number": number})


def check_page(text: str, precision: int) -> Counter[str]:
    """Recompute all that is printed; what was checked is counted."""
    done: Counter[str] = Counter()
    for expression, mark, result in EQUATION.findall(text):
        done["equations"] += 1
        check_equation(expression, mark, result, precision)
    printed = text.splitlines()
    for row, line in enumerate(printed):
        for rule in re.finditer("─+", line):
            done["sums"] += 1
            check_sum(printed, row, rule.start(), rule.end(), precision)
    return done


def check_equation(expression: str, mark: str, result: str, precision: int) -> None:
    def wide(number: str) -> Interval:
        # A number with other decimals than the rest is a constant, written in full.
        decimals = len(number.partition("e")[0].partition(".")[2])
        half = last_place(number) / 2 if decimals == precision else 0.0
        # What the arrays themselves are rounded to, in float32.
        half += abs(float(number)) * 2.0**-19
        return Interval(float(number) - half, float(number) + half)

    try:
        given_ = evaluated(expression, POINT, float)
    except (ZeroDivisionError, OverflowError):
        given_ = math.inf
    half = last_place(result) / 2
    assert (mark == "=") == (abs(given_ - float(result)) <= half), (expression, mark, result)
    low, high = evaluated(expression, WIDE, wide)
    allowance = half * (1 + 1e-6) + 2.0**-19 * max(1.0, abs(float(result)))
    assert low - allowance <= float(result) <= high + allowance, (expression, result)


def check_sum(printed: list[str], row: int, start: int, end: int, precision: int) -> None:
    """The column over a rule adds up to what stands under it."""
    mark, total = re.fullmatch(rf"([=≈]) +({NUMBER})", printed[row + 1][start:end]).groups()  # type: ignore[union-attr]
    terms = []
    for line in reversed(printed[:row]):
        term = re.search(rf"(?:[=≈] +|   +)({NUMBER})$", line[:end])
        if term is None or (len(line) > end and line[end] != " "):
            break
        terms.append(term[1])
    assert terms, printed[row - 1]
    given_ = math.fsum(map(float, terms))
    half = last_place(total) / 2
    assert (mark == "=") == (abs(given_ - float(total)) <= half), (terms, mark, total)
    spread = sum(last_place(term) / 2 for term in terms) + half * (1 + 1e-6)
    rounding = 2.0**-19 * sum(abs(float(term)) for term in terms)
    assert abs(given_ - float(total)) <= spread + rounding, (terms, total)


WORDS = "to be or not to be that is the question whether tis nobler in the mind".split()
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)


@st.composite
def recipes(draw: Any) -> dict[str, Any]:
    """Choices of a recipe that go together."""
    kv_heads = draw(st.sampled_from([1, 1, 2]))
    chosen: dict[str, Any] = {
        "seed": draw(st.integers(0, 2**32)),
        "d_model": draw(st.integers(1, 12)),
        "d_k": draw(st.integers(1, 6)) * 2,
        "d_v": draw(st.integers(1, 5)),
        "kv_heads": kv_heads,
        "heads": kv_heads * draw(st.integers(1, 2)),
        "init": draw(st.sampled_from(["rand", "randn", "linear"])),
        "score": draw(st.sampled_from(["dot", "scaled", "additive"])),
        "softcap": draw(st.sampled_from([None, 0.5, 5.0, 30.0])),
        "dropout": draw(st.sampled_from([0.0, 0.3])),
        "out_proj": draw(st.booleans()),
        "vocab_size": 40,
    }
    if draw(st.integers(0, 3)) == 0:
        across = st.sampled_from([{"cross": "my kingdom for a horse"}, {"cross_rand": 5}])
        chosen |= draw(across) | {"positions": draw(st.sampled_from(["none", "learned"]))}
        return chosen
    positions = ["none", "learned", "sinusoidal"]
    positions += ["rope", "alibi"] if chosen["score"] != "additive" else []
    masks = ["none", "causal", "window:2", "local:1", "causal&hide:0", "hide:0"]
    return chosen | {
        "positions": draw(st.sampled_from(positions)),
        "mask": draw(st.sampled_from(masks)),
    }


@given(TEXTS, recipes(), st.data())
@settings(max_examples=60, deadline=None)
def test_every_printed_number_recomputes_from_those_printed(
    text: str, chosen: dict[str, Any], data: st.DataObject
) -> None:
    run = inspect(text, **chosen)
    query = data.draw(st.integers(0, len(run.query_tokens) - 1))
    key = data.draw(st.one_of(st.none(), st.integers(0, len(run.key_tokens) - 1)))
    head = data.draw(st.integers(0, chosen["heads"] - 1))
    found = explain(run, query, key, head=head)
    precision = data.draw(st.sampled_from([1, 2, 4, 6, 9, 12]))
    terms = data.draw(st.sampled_from([1, 3, 8]))
    shown = page(found, 100, precision=precision, terms=terms)
    done = check_page(shown, precision)
    assert done["equations"] >= 3 and done["sums"] >= 1, shown
    assert shown.count(" = ") + shown.count(" ≈ ") >= done["equations"]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_page_recomputes_at_every_width(width: int) -> None:
    for chosen in ({}, {"positions": "sinusoidal"}, {"heads": 2, "mask": "causal", "softcap": 2.0}):
        shown = page(explain(inspect(ARTICLE, **chosen), 3, 1), width)
        done = check_page(shown, 4)
        assert done["sums"] == 2 + 2 + 1 + 1 + 4, shown
        assert done["equations"] > 30
        assert all(len(line) <= width for line in shown.splitlines())


def test_narrow_pages_have_the_same_numbers() -> None:
    found = explain(inspect(ARTICLE, positions="rope", softcap=3.0), 3, 1)
    numbers = [
        Counter(re.findall(r"(?<![\[\d.])\d+\.\d{4}", page(found, width))) for width in (20, 31, 80)
    ]
    assert numbers[0] == numbers[1] == numbers[2] and numbers[0].total() > 100
    assert all(len(line) <= 20 for line in page(found, 20).splitlines())


def test_the_checks_of_the_page_can_fail() -> None:
    shown = page(explain(inspect(ARTICLE), 1, 3))
    check_page(shown, 4)
    for true, false in (
        ("1.8269 × 0.2291 ≈ 0.4186", "1.8269 × 0.2291 ≈ 0.4189"),
        ("1.8269 × 0.2291 ≈ 0.4186", "1.8269 × 0.2291 = 0.4186"),
        ("0.4991 ÷ √2 = 0.3529", "0.4991 ÷ √3 = 0.3529"),
        ("= 1.4556\n", "= 1.4566\n"),
        ("≈  1.3607", "=  1.3607"),
    ):
        assert true in shown
        with pytest.raises(AssertionError):
            check_page(shown.replace(true, false), 4)


@given(
    st.sampled_from(
        [
            "product",
            "quotient",
            "exponential",
            "softcap",
            "additive",
            "difference of products",
            "sum of products",
            "distance bias",
            "cosine",
        ]
    ),
    st.lists(st.floats(0.1, 9), min_size=4, max_size=4),
    st.integers(1, 9),
)
@settings(deadline=None)
def test_slack_is_the_bound_that_it_is_said_to_be(
    operation: str, values: list[float], precision: int
) -> None:
    from attn_cli.arithmetic.equations import OPERATIONS, compute

    count = {"cosine": 1, "additive": 3, "distance bias": 3}.get(operation, 2)
    operands = values[: 4 if "products" in operation else count]
    constants = OPERATIONS[operation].constants
    rounded = [
        value if place in constants else round(value, precision)
        for place, value in enumerate(operands)
    ]
    half = 0.5 * 10.0**-precision
    moved = abs(compute(operation, operands) - compute(operation, rounded))
    second_order = 400 * half * half * max(1.0, compute(operation, operands))
    assert moved <= slack(operation, operands, half) + second_order + 1e-12


# Mechanisms


def test_a_masked_key_and_a_row_that_sees_nothing_are_said() -> None:
    masked = explain(inspect(ARTICLE, mask="causal"), 1, 4)
    assert masked.masked and masked.weight == 0
    (logit,) = blocks(masked, "logit")
    assert logit.lines[-1].operation == "masked" and logit.lines[-1].result == -math.inf
    shown = page(masked)
    assert "− ∞ =" in shown and "the mask `causal`" in shown and "4 keys are masked" in shown
    assert [line.name for line in blocks(masked, "softmax")[0].lines] == ["0", "1"]
    blind = explain(inspect("a b", mask="hide:0,1"), 0)
    assert blind.masked and not step(blind, "softmax").parts
    assert "no key at all" in page(blind)
    assert step(blind, "context").parts == (Row("context", (0.0,) * 4),)


def test_grouped_heads_share_a_key_head() -> None:
    run = inspect(ARTICLE, heads=4, kv_heads=2)
    found = explain(run, 0, 5, head=2)
    assert (found.head, found.kv_head) == (2, 1)
    layer = run.layers[0]
    k = [block.total for block in blocks(found, "key")]
    assert np.array_equal(np.float32(k), layer.key[1, 5])
    assert blocks(found, "context")[0].lines[3].operands[1] == layer.value[1, 3, 0]
    assert "Head 2 uses key/value head 1." in page(found)
    assert explain(run, 0, 5, head=-1).kv_head == 1


def test_rotation_turns_q_and_k_by_their_places() -> None:
    run = inspect(ARTICLE, positions="rope", d_k=4)
    found = explain(run, 2, 5)
    plain = inspect(ARTICLE, d_k=4)
    before = [block.total for block in blocks(found, "query")]
    assert before == pytest.approx(plain.layers[0].query[0, 2].tolist(), abs=1e-6)
    pairs = blocks(found, "rotation")
    assert [block.name for block in pairs] == ["q'", "q'", "k'", "k'"]
    assert [block.lines[0].operands[0] for block in pairs] == pytest.approx([2, 0.02, 5, 0.05])
    after = {line.name: line.result for block in pairs for line in block.lines[2:]}
    assert [after[f"q'[{c}]"] for c in range(4)] == run.layers[0].query[0, 2].tolist()
    assert "score = q' · k'" in page(found)


def test_position_rows_are_added_to_token_rows() -> None:
    found = explain(inspect(ARTICLE, positions="sinusoidal"), 1, 3)
    x_q, x_k = blocks(found, "embedding")
    assert [line.operands[1] for line in x_q.lines] == pytest.approx(
        [math.sin(1), math.cos(1), math.sin(1 / 10_000 ** (2 / 3))], abs=1e-6
    )
    token = [line.operands[0] for line in x_k.lines]
    assert token == pytest.approx(inspect(ARTICLE).embedding[3].tolist(), abs=1e-6)


def test_scale_cap_and_bias_come_in_their_order() -> None:
    run = inspect(ARTICLE, positions="alibi", softcap=4.0, heads=2)
    (logit,) = blocks(explain(run, 4, 1, head=1), "logit")
    assert [line.operation for line in logit.lines] == ["over root", "softcap", "distance bias"]
    assert logit.lines[2].operands[1:] == (2.0**-8, 3)
    unknown = replace(run, source=Source())  # nothing says that it is ALiBi
    (logit,) = blocks(explain(unknown, 4, 1, head=1), "logit")
    assert [line.operation for line in logit.lines] == ["over root", "softcap", "sum"]
    assert logit.lines[2].operands[1] == pytest.approx(-3 * 2.0**-8, abs=1e-6)
    (logit,) = blocks(explain(inspect(ARTICLE, score="dot", softcap=4.0), 4, 1), "logit")
    assert [line.operation for line in logit.lines] == ["softcap"]
    assert not blocks(explain(inspect(ARTICLE, score="dot"), 4, 1), "logit")


def test_additive_scores_dropout_and_division_by_the_sum() -> None:
    (score,) = blocks(explain(inspect(ARTICLE, score="additive"), 1, 3), "score")
    assert {line.operation for line in score.lines} == {"additive"}
    run = inspect(ARTICLE, dropout=0.5)
    dropped, first, *_ = blocks(explain(run, 1, 3), "context")
    assert {line.operands[1] for line in dropped.lines} == {0.0, 2.0}
    assert [line.operands[0] for line in first.lines] == [line.result for line in dropped.lines]
    assert first.total == pytest.approx(float(run.layers[0].context[0, 1, 0]))
    shares = explain(inspect(None, "book", init="none", score="dot", normalize="sum"), 1)
    logits, quotients = blocks(shares, "softmax")
    assert [line.operation for line in logits.lines] == ["given"] * 6
    assert [line.result for line in quotients.lines] == pytest.approx(
        [0.1455, 0.2278, 0.2249, 0.1285, 0.1077, 0.1656], abs=PUBLISHED
    )
    check_page(page(shares), 4)


def test_cross_attention_takes_keys_from_the_second_text() -> None:
    found = explain(inspect("a b c", cross="x y"), 2, 1)
    _, x_k = step(found, "embedding").parts
    run = inspect("a b c", cross="x y")
    assert np.float32(x_k.values).tolist() == run.key_embedding[1].tolist()
    assert '"a b c"\n"x y"\nc looks at y: ' in page(found)


def test_without_weights_query_and_key_are_the_rows_themselves() -> None:
    found = explain(inspect(None, "book", init="none"), 1, 3)
    assert step(found, "query").meaning == "q is x_q itself: there are no weights"
    assert step(found, "key").parts[0].values == step(found, "embedding").parts[1].values


# Long ones


def checkpoint_like(n: int = 200, d: int = 64) -> Inspection:
    """What a real model leaves: many heads, rotary places, a bias, no projection weights."""
    random = np.random.Generator(np.random.PCG64(7))
    query, key, value = (
        random.standard_normal((heads, n, d)).astype(np.float32) for heads in (6, 2, 2)
    )
    scores = query @ np.repeat(key, 3, axis=0).transpose(0, 2, 1)
    bias = random.standard_normal((6, n, n)).astype(np.float32)
    allowed = np.tri(n, dtype=bool)
    logits = np.where(allowed, scores * np.float32(0.1) + bias, -np.inf).astype(np.float32)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    angles = np.arange(n)[:, None] * 10_000.0 ** (-np.arange(16) / 16)
    layer = Layer(
        index=5,
        scale=0.1,
        query=query,
        key=key,
        value=value,
        logits=logits,
        weights=weights,
        rotation=angles.astype(np.float32),
    )
    return Inspection(
        kind="causal",
        query_tokens=tokens(n),
        mask=Mask(name="causal", allowed=allowed),
        layers=(layer,),
        source=Source(model="some/model"),
    )


def test_long_sums_are_folded_and_still_add_up() -> None:
    run = checkpoint_like()
    found = explain(run, 150, 20, layer=5, head=4)
    assert found.kv_head == 1
    (score,) = blocks(found, "score")
    assert len(score.lines) == 64  # the chain has them all
    shown = page(found)
    assert "… 56 more" in shown and "… 143 more" in shown and "… and 28 more" in shown
    assert "t20 " in shown  # what was asked for is never folded away
    assert len(shown.splitlines()) < 200
    done = check_page(shown, 4)
    assert done["sums"] == 1 + 1 + 4
    assert "The last 32 components stay as they are." in shown
    assert "plus the bias of the two places" in shown
    for precision in (1, 7):
        check_page(page(found, 120, precision=precision, terms=3), precision)
    assert "more" not in page(found, terms=1000).replace("more components", "")


def test_folding_keeps_the_largest_in_order_and_the_one_asked_for() -> None:
    made = [
        Equation(str(i), "given", (float(v),), float(v)) for i, v in enumerate([3, -9, 1, 5, 2])
    ]
    kept, rest = folded(made, 2)
    assert [line.name for line in kept] == ["1", "3"] and len(rest) == 3
    kept, rest = folded(made, 2, focus="2")
    assert [line.name for line in kept] == ["1", "2"]
    assert folded(made, 4) == (made, [])  # one line would only be replaced by another


# What cannot be explained


def test_missing_arrays_are_named_with_the_way_to_get_them() -> None:
    run = inspect(ARTICLE)
    for keeping, steps, named in (
        ({"weights"}, None, "`query` and `key`"),
        ({"query", "logits"}, None, "`key` of"),
        ({"query", "key"}, ["embedding"], "`embedding`"),
        ({"query", "key"}, ["context"], "`value`"),
        ({"value"}, ["softmax"], "`query` and `key`"),
    ):
        with pytest.raises(DataError) as refused:
            explain(run.keeping(keeping), 1, 1, steps=steps)
        assert named in refused.value.message and "--show all" in refused.value.hint
    without = run.keeping({"query", "key"})
    assert [one.name for one in explain(without, 1, 1).steps] == list(STEPS[1:3] + STEPS[4:7])
    only = explain(run.keeping({"logits"}), 1, 1, steps=["softmax"])
    assert [one.name for one in only.steps] == ["softmax"]


@pytest.mark.parametrize(
    "array", ["query", "key", "scores", "logits", "weights", "context", "dropped", "w_query"]
)
def test_arrays_that_contradict_each_other_are_refused(array: str) -> None:
    run = inspect(ARTICLE, dropout=0.2)
    layer = run.layers[0]
    wrong = np.array(getattr(layer, array))
    wrong[0, 1] = wrong[0, 1, ::-1] + (array != "weights") * np.float32(0.01)
    broken = replace(run, layers=(replace(layer, **{array: wrong}),))
    if array == "logits":  # anything between score and logit may be a bias; the weights tell
        broken = replace(broken, source=Source())
    with pytest.raises(DataError, match="contradict each other"):
        explain(broken, 1, 3)
        explain(broken, 3, 1)


def test_numbers_kept_with_few_decimals_are_no_contradiction() -> None:
    run = inspect(ARTICLE, heads=2, mask="causal", positions="rope")
    for precision in (2, 3, 5):
        layer = run.layers[0]
        rounded = {
            name: np.round(getattr(layer, name).astype(np.float64), precision)
            for name in ("query", "key", "value", "scores", "logits", "weights", "context",
                         "w_query", "w_key", "rotation")
        }  # fmt: skip
        kept = replace(
            run,
            embedding=np.round(run.embedding.astype(np.float64), precision),
            layers=(replace(layer, lse=None, **rounded),),
            source=replace(run.source, precision=precision),
        )
        found = explain(kept, 4, 2, head=1)
        assert not any("bias" in one.meaning for one in found.steps)
        shown = page(found)
        assert f"{found.weight:.{min(precision, 4)}f}" in shown.splitlines()[1]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"head": 1}, "no head 1: layer 0 has 1 head"),
        ({"head": -2}, "no head -2"),
        ({"layer": 1}, "no layer 1"),
        ({"layer": -2}, "no layer -2"),
        ({"query": 6}, "no query token 6"),
        ({"key": -7}, "no key token -7"),
        ({"steps": ["sofmax"]}, "no step `sofmax`"),
    ],
)
def test_what_is_not_there_is_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=re.escape(named)):
        explain(inspect(ARTICLE), **({"query": 0, "key": 0} | options))


def test_the_key_that_weighs_most_stands_in_for_none() -> None:
    run = inspect(ARTICLE)
    assert [explain(run, i).key for i in range(6)] == run.layers[0].weights[0].argmax(1).tolist()
    assert explain(run, -5, -5).weight == pytest.approx(0.6870, abs=PUBLISHED)


def walk(found: Explanation) -> Iterator[Equation]:
    for one in found.steps:
        for part in one.parts:
            if isinstance(part, Block):
                yield from part.lines


@given(st.lists(st.floats(-(2.0**60), 2.0**60, width=32), min_size=6, max_size=6))
@settings(max_examples=30, deadline=None)
def test_huge_and_tiny_numbers_neither_overflow_nor_lie(numbers: list[float]) -> None:
    rows = np.array(numbers, dtype=np.float32).reshape(3, 2)
    run = inspect("a b c", vectors=Vectors(rows), init="none", score="scaled")
    found = explain(run, 0)
    assert all(math.isfinite(line.result) for line in walk(found))
    for width in (20, 80):
        assert all(len(line) <= width or "e+" in line for line in page(found, width).splitlines())


def test_what_would_take_too_long_is_bounded_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = explain(inspect(ARTICLE, d_k=8, d_model=10, d_v=9), 1, 3)
    monkeypatch.setattr("attn_cli.arithmetic.steps._MOST_LINES", 30)
    found = explain(inspect(ARTICLE, d_k=8, d_model=10, d_v=9), 1, 3)
    for name, count in (("query", 3), ("key", 3), ("context", 5)):
        every, kept = blocks(whole, name), blocks(found, name)
        largest = sorted(every, key=lambda block: -(block.matters or 0))[:count]
        assert kept == [block for block in every if block in largest]
        assert step(found, name).remarks == (
            f"{len(every) - count} components that matter less are not written out.",
        )
    assert blocks(found, "score") == blocks(whole, "score")
