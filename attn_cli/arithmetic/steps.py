"""Steps: each step from two embedding rows to a weight and a context row, as equations.

It decides what is written down and in what order; the numbers are found in `cell`.

Dimensions: n_key keys; d_model, d_head (query and key), d_value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arithmetic.cell import Cell
from attn_cli.arithmetic.equations import Block, Equation, Part, Row, Step, compute
from attn_cli.positions import alibi_slopes

if TYPE_CHECKING:
    from attn_cli.arithmetic.cell import Doubles

_MOST_LINES = 1 << 18  # of one step: a second's work; 64 components of 4,096 products each


def _equation(name: str, operation: str, *operands: float) -> Equation:
    return Equation(name, operation, operands, compute(operation, operands))


def _row(name: str, values: Doubles, token: str | None = None) -> Row:
    return Row(name, tuple(values.tolist()), token)


def _is_one_row(cell: Cell) -> bool:
    return cell.i == cell.j and cell.inspection.kind != "cross"


def _rows(cell: Cell) -> tuple[Doubles | None, Doubles | None]:
    """What the query and what the key is made from: (d_model,) each, where it is there."""
    queries, keys = cell.inspection.embedding, cell.inspection.key_embedding
    if cell.inspection.kind != "cross":
        keys = queries
    return (
        None if queries is None else queries[cell.i].astype(np.float64),
        None if keys is None else keys[cell.j].astype(np.float64),
    )


def _names(cell: Cell) -> tuple[str, str]:
    return ("x", "x") if _is_one_row(cell) else ("x_q", "x_k")


def embedding(cell: Cell) -> Step | None:
    """The two rows that it begins with, and how token and position rows make them."""
    sides = list(zip(("query", "key"), _names(cell), _rows(cell), (cell.i, cell.j), strict=True))
    parts: list[Part] = []
    code = cell.inspection.position_code
    is_cross = cell.inspection.kind == "cross"
    for token, name, row, place in sides[: 1 if _is_one_row(cell) else 2]:
        if row is None:
            continue
        if code is None or (is_cross and token == "key"):
            parts.append(_row(name, row, token))
            continue
        added = code[place].astype(np.float64)
        lines = tuple(
            Equation(str(c), "sum", (total - part, part), total)
            for c, (total, part) in enumerate(zip(row.tolist(), added.tolist(), strict=True))
        )
        heading = f"{name} = token row + position row {place}"
        parts.append(Block(name, heading, lines, axis="d_model"))
    if not parts:
        return None
    what = "the row of the token" if _is_one_row(cell) else "the rows of the two tokens"
    return Step("embedding", f"{what}, which everything begins with", tuple(parts))


def query(cell: Cell) -> Step:
    """q = x · W_query."""
    vector = cell.before_turning(cell.q, cell.i)
    weight = cell.layer.w_query
    return _projected(
        cell,
        "query",
        _names(cell)[0],
        _rows(cell)[0],
        None if weight is None else weight[cell.head].astype(np.float64),
        vector,
    )


def key(cell: Cell) -> Step:
    """k = x · W_key, of the key/value head that serves this head."""
    vector = cell.before_turning(cell.k, cell.j)
    weight = cell.layer.w_key
    return _projected(
        cell,
        "key",
        _names(cell)[1],
        _rows(cell)[1],
        None if weight is None else weight[cell.kv_head].astype(np.float64),
        vector,
    )


def _projected(
    cell: Cell, name: str, x_name: str, x: Doubles | None, weight: Doubles | None, vector: Doubles
) -> Step:
    letter, remarks = name[0], []
    if name == "key" and cell.layer.key is not None and len(cell.layer.key) < cell.n_head:
        remarks.append(f"Head {cell.head} uses key/value head {cell.kv_head}.")
    if x is None or weight is None:
        if x is not None and np.array_equal(x, vector):
            meaning = f"{letter} is {x_name} itself: there are no weights"
        else:
            meaning = f"{letter}, as it is given: what it was made from is not there"
        return Step(name, meaning, (_row(letter, vector, name),), tuple(remarks))
    meaning = f"{letter} = {x_name} · W_{name}: the row meets each column"
    chosen = _affordable(cell.matters, len(x))
    remarks += _left_out(len(vector) - len(chosen))
    blocks = _columns(cell, f"W_{name}", x_name, x, weight, vector, chosen)
    return Step(name, meaning, tuple(blocks), tuple(remarks))


def _affordable(matters: Sequence[float], n_lines: int) -> list[int]:
    """The components that are written out, in order: those that matter most, if not all."""
    most = max(_MOST_LINES // n_lines, 1)
    return sorted(sorted(range(len(matters)), key=lambda c: -matters[c])[:most])


def _left_out(count: int) -> list[str]:
    return [f"{count} components that matter less are not written out."] if count else []


def _columns(
    cell: Cell,
    w_name: str,
    x_name: str,
    x: Doubles,
    weight: Doubles,
    vector: Doubles,
    chosen: Sequence[int],
) -> Iterator[Block]:
    """A column of products and its sum for each component of a query or key."""
    letter, matters, largest = w_name[2], cell.matters, float(np.abs(vector).max())
    for c in chosen:
        name, column, total = f"{letter}[{c}]", weight[:, c], float(vector[c])
        products = x * column
        size = float(np.abs(products).sum()) + largest
        # A number that was turned back carries the rounding of two.
        moved = cell.half * (2 + float(np.abs(x).sum() + np.abs(column).sum()))
        cell.require(name, float(products.sum()), total, size, moved)
        lines = tuple(
            Equation(str(row), "product", (a, b), product)
            for row, (a, b, product) in enumerate(
                zip(x.tolist(), column.tolist(), products.tolist(), strict=True)
            )
        )
        heading = f"{name} = {x_name} · {w_name}[:,{c}]"
        yield Block(name, heading, lines, total, "d_model", matters=matters[c])


def rotation(cell: Cell) -> Step | None:
    """Pairs of components, turned by an angle that grows with the place (Su et al. 2021)."""
    if cell.layer.rotation is None:
        return None
    parts: list[Part] = []
    for letter, vector, place in (("q", cell.q, cell.i), ("k", cell.k, cell.j)):
        before = cell.before_turning(vector, place).tolist()
        angles = cell.layer.rotation[place].astype(np.float64).tolist()
        for a, angle in enumerate(angles):
            b = a + len(angles)
            cosine, sine = math.cos(angle), math.sin(angle)
            x, y = before[a], before[b]
            after = vector.tolist()
            lines = (
                Equation("cos", "cosine", (angle,), cosine),
                Equation("sin", "sine", (angle,), sine),
                Equation(
                    f"{letter}'[{a}]", "difference of products", (x, cosine, y, sine), after[a]
                ),
                Equation(f"{letter}'[{b}]", "sum of products", (y, cosine, x, sine), after[b]),
            )
            heading = f"{letter}[{a}] and {letter}[{b}], turned as at place {place}"
            matters = cell.matters[a] + cell.matters[b]
            parts.append(Block(f"{letter}'", heading, lines, matters=matters))
    still = len(cell.q) - 2 * cell.layer.rotation.shape[1]
    remarks = (f"The last {still} components stay as they are.",) if still else ()
    meaning = "each pair of components, turned by the angle of its place"
    return Step("rotation", meaning, tuple(parts), remarks)


def score(cell: Cell) -> Step:
    """q · k, or v · tanh(q + k)."""
    vector, total = cell.layer.score_vector, float(cell.scores[cell.j])
    q, k = cell.q.tolist(), cell.k.tolist()
    if vector is None:
        turned = "'" if cell.layer.rotation is not None else ""
        heading, meaning = f"score = q{turned} · k{turned}", "how well query and key fit"
        lines = [
            _equation(str(c), "product", a, b) for c, (a, b) in enumerate(zip(q, k, strict=True))
        ]
        moved = cell.half * (1 + sum(abs(a) + abs(b) for a, b in zip(q, k, strict=True)))
    else:
        v = vector[cell.head].astype(np.float64).tolist()
        heading, meaning = "score = v · tanh(q + k)", "how well query and key fit: additive"
        lines = [
            _equation(str(c), "additive", w, a, b)
            for c, (w, a, b) in enumerate(zip(v, q, k, strict=True))
        ]
        moved = cell.half * (1 + sum(1 + 2 * abs(w) for w in v))
    size = sum(abs(line.result) for line in lines)
    cell.require("the score", math.fsum(line.result for line in lines), total, size, moved)
    return Step("score", meaning, (Block("score", heading, tuple(lines), total, "d_head"),))


def logit(cell: Cell) -> Step:
    """What the softmax sees: the score scaled, capped, biased by distance, or masked."""
    lines = list(_to_logit(cell))
    formula, remarks = _logit_formula(lines), []
    if not cell.seen[cell.j]:
        remarks.append(_masked(cell))
        before = lines[-1].result if lines else float(cell.scores[cell.j])
        lines.append(_equation("logit", "masked", before))
    elif not lines:
        remarks.append("There is no scale: the logit is the score itself.")
    else:
        last, scale = lines[-1], abs(cell.layer.scale or 0.0)
        found, result = last.result, float(cell.logits[cell.j])
        size = abs(found) + abs(result) + scale * sum(cell.matters)
        cell.require("the logit", found, result, size, cell.half * (2 + scale))
        lines[-1] = Equation("logit", last.operation, last.operands, result)
    parts = (Block("logit", "", tuple(lines)),) if lines else ()
    what = "what is divided by the sum" if cell.by_sum else "what the softmax sees"
    return Step("logit", f"{what}: {formula}", parts, tuple(remarks))


def _logit_formula(lines: Sequence[Equation]) -> str:
    """What is done to the score, in words and symbols."""
    written = {
        "over root": "score ÷ √d_k",
        "scaled": "score × scale",
        "softcap": "capped",
        "distance bias": "less slope · distance (ALiBi)",
        "sum": "plus the bias of the two places",
    }
    done = [written[line.operation] for line in lines]
    if not done or not done[0].startswith("score"):
        done.insert(0, "the score")
    return ", ".join(done)


def _to_logit(cell: Cell) -> Iterator[Equation]:
    """From the score on, one equation for each thing that is done to it."""
    value, scale, cap = float(cell.scores[cell.j]), cell.layer.scale or 0.0, cell.layer.softcap
    d_head = len(cell.q)
    if abs(scale * math.sqrt(d_head) - 1) < 1e-6 and d_head > 1:
        yield (line := _equation("scaled", "over root", value, d_head))
        value = line.result
    elif scale != 1:
        yield (line := _equation("scaled", "scaled", value, scale))
        value = line.result
    if cap is not None:
        yield (line := _equation("capped", "softcap", cap, value))
        value = line.result
    if cell.inspection.source.settings.get("positions") == "alibi":
        slope = float(alibi_slopes(cell.n_head)[cell.head])
        yield _equation("biased", "distance bias", value, slope, abs(cell.i - cell.j))
    elif cell.bias is not None and cell.seen[cell.j]:
        yield _equation("biased", "sum", value, float(cell.bias[cell.j]))


def _masked(cell: Cell) -> str:
    name = cell.inspection.mask.name
    why = f" (the mask `{name}`)" if name != "none" else ""
    return f"The query may not look at this key{why}: the logit becomes -∞, the weight 0."


def softmax(cell: Cell) -> Step:
    """The exponentials of the row, their sum, and each divided by it."""
    places = np.flatnonzero(cell.seen).tolist()
    if not places:
        return Step(
            "softmax",
            "logits to weights",
            remarks=("The query may look at no key at all: every weight of its row is 0.",),
        )
    logits, weights, focus = cell.logits.tolist(), cell.weights, cell.focus
    largest = max(logits)
    if cell.by_sum:
        meaning, heading = "each logit, divided by the sum of all", "logits of the row"
        shares = [_equation(str(j), "given", logits[j]) for j in places]
    else:
        meaning = "e^(logit − the row's largest), then each divided by the sum of all"
        heading = "exponentials of the row"
        shares = [_equation(str(j), "exponential", logits[j], largest) for j in places]
    total = math.fsum(share.result for share in shares)
    quotients = []
    for j, share in zip(places, shares, strict=True):
        weight = float(weights[j])
        found = share.result / total if total else 0.0
        size = found * (4 + abs(logits[j]) + abs(largest))
        cell.require(f"the weight on key {j}", found, weight, size, cell.half * (4 + len(places)))
        quotients.append(Equation(str(j), "quotient", (share.result, total), weight))
    parts = (
        Block("sum", heading, tuple(shares), total, "n_key", focus),
        Block("weights", "weights: each ÷ sum", tuple(quotients), axis="n_key", focus=focus),
    )
    n_masked = len(logits) - len(places)
    remarks = [f"{_keys(n_masked)} masked: e^-∞ = 0, and so is the weight."] if n_masked else []
    if cell.by_sum and n_masked:
        remarks = [f"{_keys(n_masked)} masked: the weight is 0."]
    return Step("softmax", meaning, parts, tuple(remarks))


def _keys(count: int) -> str:
    return "One key is" if count == 1 else f"{count} keys are"


def context(cell: Cell) -> Step | None:
    """The values, each times the weight on its key, added up."""
    if cell.layer.value is None:
        return None
    values = cell.layer.value[cell.kv_head].astype(np.float64)
    stored = cell.row(cell.layer.context)
    places = np.flatnonzero(cell.seen).tolist()
    meaning, remarks = "the values of the keys, mixed by the weights", []
    if not places:
        remarks = ["No key is looked at: the context row is 0."]
        return Step("context", meaning, (_row("context", 0 * values[0]),), tuple(remarks))
    if len(cell.layer.value) < cell.n_head:
        remarks.append(f"Head {cell.head} uses the values of key/value head {cell.kv_head}.")
    weights, mixing = cell.weights, "weight"
    parts: list[Part] = []
    if cell.layer.dropout is not None:
        dropped = _dropout(cell, places)
        parts, mixing = [dropped], "dropped"
        weights = weights.copy()
        weights[places] = [line.result for line in dropped.lines]
    mixed = weights[places] @ values[places] if stored is None else stored
    chosen = _affordable(np.abs(mixed).tolist(), len(places))
    remarks += _left_out(len(mixed) - len(chosen))
    for c in chosen:
        heading = f"context[{c}] = Σ {mixing} · value[:,{c}]"
        parts.append(_mixed(cell, c, heading, places, weights, values[:, c], float(mixed[c])))
    return Step("context", meaning, tuple(parts), tuple(remarks))


def _mixed(
    cell: Cell,
    c: int,
    heading: str,
    places: Sequence[int],
    weights: Doubles,
    values: Doubles,
    total: float,
) -> Block:
    """One component of the context row: weight times value for each key, and their sum."""
    lines = tuple(_equation(str(j), "product", float(weights[j]), float(values[j])) for j in places)
    size = math.fsum(abs(line.result) for line in lines)
    moved = cell.half * (1 + float(np.abs(weights[places]).sum() + np.abs(values[places]).sum()))
    cell.require(f"context[{c}]", math.fsum(line.result for line in lines), total, size, moved)
    return Block(f"context[{c}]", heading, lines, total, "n_key", cell.focus, matters=abs(total))


def _dropout(cell: Cell, places: Sequence[int]) -> Block:
    """What dropout leaves of the weights of the row (Srivastava et al. 2014)."""
    factors, stored = cell.row(cell.layer.dropout), cell.row(cell.layer.dropped)
    assert factors is not None
    lines = []
    for j in places:
        line = _equation(str(j), "product", float(cell.weights[j]), float(factors[j]))
        if stored is not None:
            moved = cell.half * (2 + float(factors[j]))
            result = float(stored[j])
            cell.require(f"the dropped weight on key {j}", line.result, result, result, moved)
            line = Equation(line.name, line.operation, line.operands, result)
        lines.append(line)
    heading = "dropout: weight · factor"
    return Block("dropped", heading, tuple(lines), axis="n_key", focus=cell.focus)


MAKERS: dict[str, Callable[[Cell], Step | None]] = {
    "embedding": embedding,
    "query": query,
    "key": key,
    "rotation": rotation,
    "score": score,
    "logit": logit,
    "softmax": softmax,
    "context": context,
}
