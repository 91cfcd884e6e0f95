"""Check in the terminal: whether a matrix is right, which mistake explains it, and one cell of it.

It draws a Verdict; the comparing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment

from attn_cli.checking.rows import Mistake
from attn_cli.checking.verdict import MOST_CHANCE, Verdict
from attn_cli.tables import cell_labels, format_number
from attn_cli.terminal.clean import fit
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.styles import PLAIN, TITLE, Screen

if TYPE_CHECKING:
    from attn_cli.types import Floats

_MOST_SHOWN = 6  # explanations
_MOST_TERMS = 4  # of a sum
_TOO_LITTLE = (
    "these numbers are so few or so much alike that others would fit. Print more decimals."
)


def lines(verdict: Verdict, screen: Screen, explain: str = "") -> Iterator[Line]:
    """The verdict, the mistakes in plain words, and the cell that differs most.

    Args:
        explain: a command line that shows the whole arithmetic of that cell.
    """
    text = screen.clean(verdict.inspection.text)
    quoted = fit(text, min(screen.width - 2, cell_len(text)))
    yield [Segment(screen.symbols(f'"{quoted}"'), TITLE)]
    size = " × ".join(map(str, verdict.student.values.shape))
    yield from wrapped(
        f"{verdict.what} {size} · recipe {verdict.recipe.name} · seed {verdict.recipe.seed}"
        + ("" if verdict.fit.head is None else f" · nearest to head {verdict.fit.head}"),
        screen,
    )
    yield []
    yield from wrapped(_verdict(verdict), screen, TITLE)
    if verdict.equal:
        return
    yield []
    yield from _explanations(verdict, screen)
    yield []
    yield from _cell(verdict, screen)
    if explain:
        yield from wrapped(f"every step: {screen.clean(explain)}", screen, indent="  ")


def _verdict(verdict: Verdict) -> str:
    decimals = f"{verdict.decimals} decimal{'s' * (verdict.decimals != 1)}"
    if verdict.fit.apart:
        return "Not equal: the shape is that of the transposed matrix."
    largest, allowed = verdict.fit.largest, f"where rounding allows {verdict.fit.tolerance:.2g}"
    gap = f"{largest:.2g}" if np.isfinite(largest) else "what is not a number"
    if verdict.equal:
        return f"Equal to {decimals}: off by {gap} at the most, {allowed}."
    return f"Not equal to {decimals}: off by up to {gap}, {allowed}."


def _explanations(verdict: Verdict, screen: Screen) -> Iterator[Line]:
    found = verdict.findings
    if not found:
        how = "made alone or two together" if verdict.tried_pairs else "each made alone"
        yield from wrapped(
            f"No known mistake explains these numbers: {verdict.n_tried} were compared, {how}.",
            screen,
            PLAIN,
        )
        if not verdict.tried_pairs:
            yield from wrapped(_why_not_pairs(verdict), screen)
        return
    yield from wrapped(_heading(found), screen, PLAIN)
    for number, mistakes in enumerate(found[:_MOST_SHOWN], start=1):
        mark = f"{number}. " if len(found) > 1 else "- "
        for place, mistake in enumerate(mistakes):
            first = mark if place == 0 else " " * (len(mark) - 2) + "+ "
            yield from _mistake(mistake, verdict, screen, first)
    if len(found) > _MOST_SHOWN:
        rest = len(found) - _MOST_SHOWN
        yield from wrapped(f"and {rest} more, which `--json` lists", screen)
    if verdict.by_chance > MOST_CHANCE:
        yield from wrapped(f"This may be chance: {_TOO_LITTLE}", screen)


def _why_not_pairs(verdict: Verdict) -> str:
    why = "the sizes are too large." if verdict.fit.tells(verdict.student) else _TOO_LITTLE
    return f"Two together were not tried: {why}"


def _heading(found: Sequence[Sequence[Mistake]]) -> str:
    alone = len(found[0]) == 1
    if len(found) == 1:
        which = "This mistake explains" if alone else "These two mistakes together explain"
        return f"{which} every number:"
    which = "mistakes, each alone," if alone else "pairs of mistakes"
    return f"{len(found)} {which} give these same numbers, which cannot tell them apart:"


def _mistake(mistake: Mistake, verdict: Verdict, screen: Screen, first: str) -> Iterator[Line]:
    indent = " " * len(first)
    yield from wrapped(mistake.what, screen, TITLE, first=first, indent=indent)
    fix = f"instead: {mistake.mend(verdict.recipe)}"
    yield from wrapped(fix, screen, first=indent, indent=indent + "  ")


def _cell(verdict: Verdict, screen: Screen) -> Iterator[Line]:
    cell, what = verdict.worst, verdict.what
    row, column = cell_labels(verdict.inspection, what, cell.row, cell.column)
    places = max(verdict.decimals, 4)
    ours, theirs = (_figure(number, places) for number in (cell.ours, cell.theirs))
    where = f"head {cell.head}, " if len(verdict.inspection.layers[0].weights) > 1 else ""
    yield from wrapped(
        f"Furthest off: {what}, {where}row `{screen.clean(row)}`, column `{screen.clean(column)}`: "
        f"{ours} here, {theirs} yours",
        screen,
        PLAIN,
        indent="  ",
    )
    for name, sum_ in arithmetic(verdict, places):
        yield from wrapped(f"{name:<8} {sum_}", screen, first="  ", indent=" " * 11)


def arithmetic(verdict: Verdict, places: int) -> Iterator[tuple[str, str]]:
    """How the right number of the worst cell comes about: each step's name, and its sum."""
    layer, (head, row, column, *_) = verdict.inspection.layers[0], verdict.worst

    def shown(number: float) -> str:
        return _figure(number, places)

    if verdict.what in ("weights", "scores", "logits", "dropped"):
        assert layer.scores is not None and layer.logits is not None
        score, logit = (float(a[head, row, column]) for a in (layer.scores, layer.logits))
        yield "score", _score(verdict, shown) + shown(score)
        if verdict.what == "scores":
            return
        if np.isneginf(logit):
            yield "logit", "masked, so -∞, and its weight is 0"
            return
        only_scaled = verdict.recipe.softcap is None and verdict.recipe.positions != "alibi"
        product = f"{shown(score)} × {shown(layer.scale or 1)} = " if only_scaled else ""
        yield "logit", product + shown(logit)
        if layer.lse is not None and verdict.what != "logits":
            total = float(layer.lse[head, row])
            weight = float(layer.weights[head, row, column])
            yield "weight", f"e^{shown(logit)} / e^{shown(total)} = {shown(weight)}"
    elif verdict.what == "context" and layer.value is not None:
        group = len(layer.weights) // len(layer.value)
        mixing = layer.weights if layer.dropped is None else layer.dropped
        allowed = verdict.inspection.mask.allowed
        seen = slice(None) if allowed is None else allowed[row]
        pairs = mixing[head, row][seen], layer.value[head // group][seen, column]
        yield "context", _products(*pairs, shown) + shown(verdict.worst.ours)


def _score(verdict: Verdict, shown: Callable[[float], str]) -> str:
    """query · key, product by product; nothing where scores are no products."""
    layer, (head, row, column, *_) = verdict.inspection.layers[0], verdict.worst
    if layer.query is None or layer.key is None or verdict.recipe.score == "additive":
        return ""
    key = layer.key[head * len(layer.key) // len(layer.query), column]
    return _products(layer.query[head, row], key, shown)


def _products(one: Floats, other: Floats, shown: Callable[[float], str]) -> str:
    pairs = zip(one.tolist(), other.tolist(), strict=True)
    terms = [f"{shown(a)}·{shown(b)}" for a, b in pairs]
    dots = [f"… ({len(terms)} products)"] if len(terms) > _MOST_TERMS else []
    return " + ".join([*terms[:_MOST_TERMS], *dots]) + " = "


def _figure(number: float, places: int) -> str:
    if np.isnan(number):
        return "NaN"
    return format_number(number, places) if np.isfinite(number) else f"{number:+}"[:1] + "∞"
