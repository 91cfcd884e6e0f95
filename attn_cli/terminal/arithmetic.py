"""Arithmetic in the terminal: a chain of steps as a person would write it on paper.

It rounds, lines up and breaks; the numbers and their order come from `attn_cli.arithmetic`.

A result stands after `=` where the numbers as printed give it as printed, and after `≈` where they
give it but for their rounding: with p decimals the two are no further apart than
`equations.slack(operation, operands, ½·10⁻ᵖ) + ½·10⁻ᵖ`, since rounding is for the eye alone and
every number is carried on as it is. For a sum of n lines that is (n + 1) · ½·10⁻ᵖ.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from attn_cli import palette
from attn_cli.arithmetic.equations import (
    OPERATIONS,
    Block,
    Equation,
    Part,
    Row,
    Step,
    compute,
    folded,
)
from attn_cli.tables import PRECISION, format_number, token_labels
from attn_cli.terminal.clean import fit
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.styles import DIM, PLAIN, TITLE, Screen, cell_style, side_style

if TYPE_CHECKING:
    from attn_cli.arithmetic import Explanation

TERMS = 8  # of a sum, unless told otherwise

# How an operation is written, in the pieces between which a line may be broken.
_WRITTEN: dict[str, tuple[str, ...]] = {
    "given": (),
    "sum": ("{0}", "+ {1}"),
    "product": ("{0}", "× {1}"),
    "quotient": ("{0}", "÷ {1}"),
    "over root": ("{0}", "÷ √{1}"),
    "scaled": ("{0}", "× {1}"),
    "cosine": ("cos {0}",),
    "sine": ("sin {0}",),
    "difference of products": ("{0}", "× {1}", "− {2}", "× {3}"),
    "sum of products": ("{0}", "× {1}", "+ {2}", "× {3}"),
    "additive": ("{0}", "× tanh({1}", "+ {2})"),
    "softcap": ("{0}", "× tanh({1}", "÷ {0})"),
    "distance bias": ("{0}", "− {1}", "× {2}"),
    "exponential": ("e^({0}", "− {1})"),
}
_PLACEHOLDER = re.compile(r"\{(\d)\}")

# Whose a number is, by step and operation: of each operand, then of the result.
_SIDES: dict[tuple[str, str], tuple[str, ...]] = {
    ("query", "product"): ("query", "", "query"),
    ("key", "product"): ("key", "", "key"),
    ("score", "product"): ("query", "key", ""),
    ("score", "additive"): ("", "query", "key", ""),
    ("softmax", "quotient"): ("", "", "weight"),
    ("context", "product"): ("weight", "", ""),
}
_LABEL_WIDTH = 12
_GAP = 4
_KINDS = {"self": "self-attention", "causal": "causal self-attention", "cross": "cross-attention"}
_BULKY = 60  # from this width on the steps are indented


def lines(
    explanation: Explanation,
    screen: Screen,
    *,
    precision: int | None = None,
    terms: int = TERMS,
) -> Iterator[Line]:
    """A weight's whole arithmetic, as lines of Segments no wider than the screen.

    Args:
        precision: decimals; None takes 4, or those that the numbers were kept with if fewer.
        terms: the most lines of one sum; the smallest beyond are folded into one. Of blocks that
            stand beside one another (components of q, say), half as many are shown.
    """
    if precision is None:
        kept = explanation.precision
        precision = PRECISION if kept is None else min(PRECISION, kept)
    pen = _Pen(screen, precision, terms, explanation)
    yield from _heading(explanation, pen)
    for number, step in enumerate(explanation.steps, start=1):
        yield []
        yield from _step(step, number, pen)
    yield []
    yield from wrapped(
        "Where = stands, the numbers as printed give the result as printed; where ≈ stands, they "
        "give it but for their rounding. Nothing is rounded on the way.",
        screen,
    )


@dataclass(frozen=True)
class _Pen:
    """What everything is written with."""

    screen: Screen
    precision: int
    terms: int
    explanation: Explanation
    labels: tuple[str, ...] = field(init=False)  # of the keys, in what the screen can show

    def __post_init__(self) -> None:
        labels = map(self.screen.clean, token_labels(self.explanation.key_tokens))
        object.__setattr__(self, "labels", tuple(self.screen.symbols(label) for label in labels))

    @property
    def query_label(self) -> str:
        label = token_labels(self.explanation.query_tokens)[self.explanation.query]
        return self.screen.symbols(self.screen.clean(label))

    @property
    def key_label(self) -> str:
        return self.labels[self.explanation.key]

    @property
    def indent(self) -> int:
        return 3 if self.screen.width >= _BULKY else 0

    @property
    def room(self) -> int:
        return self.screen.width - self.indent

    def number(self, value: float) -> str:
        return format_number(value, self.precision)

    def style(self, side: str, value: float) -> Style:
        if side == "weight":
            return cell_style("weight", palette.step(value), self.screen.colors)
        return side_style(side, self.screen.colors) if side else PLAIN


def _heading(explanation: Explanation, pen: _Pen) -> Iterator[Line]:
    screen = pen.screen
    for text in (explanation.text, explanation.key_text):
        if text is not None:
            quoted = fit(shown := screen.clean(text), min(screen.width - 2, cell_len(shown)))
            yield [Segment(screen.symbols(f'"{quoted}"'), TITLE)]
    weight = pen.number(explanation.weight)
    style = pen.style("weight", explanation.weight)
    room = screen.width - len(weight) - len("  looks at  : ")
    names = [pen.query_label, pen.key_label]
    longest = max(room // 2, 1)
    query, key = (fit(name, min(cell_len(name), longest)) for name in names)
    yield [
        Segment(query, side_style("query", screen.colors)),
        Segment(" looks at ", PLAIN),
        Segment(key, side_style("key", screen.colors)),
        Segment(": ", PLAIN),
        Segment(f" {weight} " if screen.colors != "none" else weight, style),
    ]
    facts = [
        f"query {explanation.query}",
        f"key {explanation.key}",
        f"layer {explanation.layer}",
        f"head {explanation.head}",
        _KINDS[explanation.kind],
    ]
    yield from wrapped(" · ".join(facts), screen)


def _step(step: Step, number: int, pen: _Pen) -> Iterator[Line]:
    title = f"{number}  {step.name}"
    meaning = pen.screen.symbols(step.meaning)
    if len(title) + 2 + cell_len(meaning) <= pen.screen.width:
        yield [Segment(title, TITLE), Segment(f"  {meaning}", DIM)]
    else:
        yield [Segment(title, TITLE)]
        yield from wrapped(step.meaning, pen.screen)
    margin = [Segment(" " * pen.indent)] if pen.indent else []
    for text in step.remarks:
        for line in wrapped(text, _narrower(pen)):
            yield margin + line
    for line in _flow(_tiles(step, pen), pen):
        yield margin + line if line else []
    hidden = _hidden(step, pen)
    if hidden:
        for line in wrapped(hidden, _narrower(pen)):
            yield margin + line


def _narrower(pen: _Pen) -> Screen:
    from dataclasses import replace

    return replace(pen.screen, width=pen.room)


def _shown_blocks(step: Step, pen: _Pen) -> list[Block]:
    """The blocks that have room: those that matter most, in their order."""
    blocks = [part for part in step.parts if isinstance(part, Block)]
    ranked = [block for block in blocks if block.matters]
    most = max(pen.terms // 2, 1)
    largest = sorted(ranked, key=lambda block: -block.matters)[:most]
    chosen = {id(block) for block in largest} | {id(b) for b in blocks if not b.matters}
    if len(ranked) <= most:
        return blocks
    return [block for block in blocks if id(block) in chosen]


def _hidden(step: Step, pen: _Pen) -> str:
    blocks = [part for part in step.parts if isinstance(part, Block)]
    left = len(blocks) - len(_shown_blocks(step, pen))
    if not left:
        return ""
    return f"… and {left} more like {'this' if left == len(blocks) - 1 else 'these'}, which count less"


def _tiles(step: Step, pen: _Pen) -> Iterator[list[Line]]:
    rows = [part for part in step.parts if isinstance(part, Row)]
    if rows:
        yield list(_vectors(rows, pen))
    for block in _shown_blocks(step, pen):
        yield list(_block(step.name, block, pen))


def _flow(tiles: Iterator[list[Line]], pen: _Pen) -> Iterator[Line]:
    """Tiles beside one another, as many as there is room for."""
    made = list(tiles)
    if not made:
        return
    width = max(Segment.get_line_length(line) for tile in made for line in tile)
    beside = max((pen.room + _GAP) // (width + _GAP), 1)
    for first in range(0, len(made), beside):
        group = made[first : first + beside]
        if first:
            yield []
        for place in range(max(map(len, group))):
            whole: Line = []
            for tile in group:
                line = tile[place] if place < len(tile) else []
                whole += [*line, Segment(" " * (width - Segment.get_line_length(line) + _GAP))]
            yield _trimmed(whole)


def _trimmed(line: Line) -> Line:
    """A line without the blank segments at its end."""
    while line and not line[-1].text.strip() and line[-1].style is None:
        line = line[:-1]
    return line


def _vectors(rows: Sequence[Row], pen: _Pen) -> Iterator[Line]:
    """Given vectors beneath one another, their components numbered, in blocks of columns."""
    tokens = {"query": pen.query_label, "key": pen.key_label, None: ""}
    names = [f"{row.name} {tokens[row.token]}".strip() for row in rows]
    label = min(max(map(cell_len, names)), max(pen.room - 12, 4), 24)
    count = max(len(row.values) for row in rows)
    shown = count if count <= pen.terms + 1 else pen.terms
    texts = [[pen.number(value) for value in row.values[:shown]] for row in rows]
    width = max(len(text) for row in texts for text in row)
    beside = max((pen.room - label) // (width + 2), 1)
    for first in range(0, shown, beside):
        columns = range(first, min(first + beside, shown))
        if first:
            yield []
        yield [
            Segment(" " * label),
            Segment("".join(f"  {column:>{width}}" for column in columns), DIM),
        ]
        for name, row, cells in zip(names, rows, texts, strict=True):
            style = side_style(row.token, pen.screen.colors) if row.token else PLAIN
            cut = "".join(f"  {cells[column]:>{width}}" for column in columns)
            yield [Segment(fit(name, label), DIM), Segment(cut, style)]
    if shown < count:
        yield from wrapped(f"… and {count - shown} more components", _narrower(pen))


@dataclass(frozen=True)
class _Written:
    """An equation in figures: its pieces, between which it may be broken, mark and result."""

    label: str
    pieces: list[Line]
    mark: str
    result: str
    style: Style
    bold: bool = False


def _block(step: str, block: Block, pen: _Pen) -> Iterator[Line]:
    keep, rest = folded(block.lines, pen.terms, block.focus)
    written = [_written(step, line, block, pen, keep) for line in keep]
    if rest:
        more = Segment(pen.screen.symbols(f"… {len(rest)} more"), DIM)
        left = math.fsum(line.result for line in rest)
        has_sum = block.total is not None
        result = pen.number(left) if has_sum else ""
        written.append(_Written("", [[more]], "=" if has_sum else "", result, PLAIN))
    if block.heading:
        yield from wrapped(block.heading, _narrower(pen))
    label = max(cell_len(line.label) for line in written)
    result = max(len(line.result) for line in written)
    if block.total is not None:
        result = max(result, len(pen.number(block.total)))
    body = max(sum(map(Segment.get_line_length, w.pieces)) + len(w.pieces) - 1 for w in written)
    fits = label + 1 + body + 3 + result <= pen.room
    for line in written:
        yield from _in_line(line, label, body, result) if fits else _broken(line, label, pen)
    if block.total is not None:
        texts = [line.result for line in written]
        total = pen.number(block.total)
        given = math.fsum(map(float, texts))
        mark = pen.screen.symbols(_mark(given, total))
        space = label + 1 + body + 1 if fits else 0
        side = {"query": "query", "key": "key"}.get(step, "")
        yield [Segment(" " * space), Segment(pen.screen.symbols("─" * (result + 2)), DIM)]
        yield [
            Segment(" " * space),
            Segment(f"{mark} ", DIM),
            Segment(f"{total:>{result}}", pen.style(side, block.total) + Style(bold=True)),
        ]


def _in_line(line: _Written, label: int, body: int, result: int) -> Iterator[Line]:
    """An equation in one line, its sign of equality above that of the next."""
    used = sum(map(Segment.get_line_length, line.pieces)) + max(len(line.pieces) - 1, 0)
    out = [Segment(fit(line.label, label) + " ", TITLE if line.bold else DIM)]
    if line.pieces and line.mark == "" or line.label == "":
        out += [*_joined(line.pieces), Segment(" " * (body - used))]
    else:
        out += [Segment(" " * (body - used)), *_joined(line.pieces)]
    out.append(Segment(f" {line.mark:1} ", DIM))
    out.append(Segment(f"{line.result:>{result}}", line.style))
    yield out


def _broken(line: _Written, label: int, pen: _Pen) -> Iterator[Line]:
    """An equation in as many lines as it needs, broken between its pieces."""
    pieces = list(line.pieces)
    if line.result:
        pieces.append([Segment(f"{line.mark} " if line.mark else "", DIM),
                       Segment(line.result, line.style)])
    label = min(label, max(pen.room // 3, 1))
    out: Line = [Segment(fit(line.label, label), TITLE if line.bold else DIM)]
    empty = True
    for piece in pieces:
        size = Segment.get_line_length(piece)
        if not empty and Segment.get_line_length(out) + 1 + size > pen.room:
            yield out
            out = [Segment(" " * min(label, max(pen.room - size - 1, 0)))]
        out += [Segment(" "), *piece]
        empty = False
    yield out


def _joined(pieces: Sequence[Line]) -> Line:
    joined: Line = []
    for place, piece in enumerate(pieces):
        joined += [Segment(" "), *piece] if place else piece
    return joined


def _written(
    step: str, line: Equation, block: Block, pen: _Pen, others: Sequence[Equation]
) -> _Written:
    """An equation in figures, each operand as wide as those of its neighbours."""
    texts = _figures(line, pen)
    alike = [_figures(other, pen) for other in others if other.operation == line.operation]
    widths = [max(len(figures[place]) for figures in alike) for place in range(len(texts))]
    sides = _SIDES.get((step, line.operation), ("",) * (len(texts) + 1))
    if step == "rotation":
        side = "query" if block.name[0] == "q" else "key"
        sides = (side, "", side, "", side) if len(texts) == 4 else ("", "")
    if block.name == "dropped":
        sides = ("weight", "", "weight")
    pieces = []
    for template in _WRITTEN[line.operation]:
        piece: Line = []
        for place, part in enumerate(_PLACEHOLDER.split(template)):
            if place % 2:
                operand = int(part)
                text = f"{texts[operand]:>{widths[operand]}}"
                piece.append(Segment(text, pen.style(sides[operand], line.operands[operand])))
            elif part:
                piece.append(Segment(pen.screen.symbols(part), DIM))
        pieces.append(piece)
    result = pen.number(line.result)
    label = pen.labels[int(line.name)] if block.axis == "n_key" else line.name
    return _Written(
        label=fit(label, min(cell_len(label), _LABEL_WIDTH)),
        pieces=pieces,
        mark=pen.screen.symbols(_mark_of(line, texts, result)) if pieces else "",
        result=result,
        style=pen.style(sides[-1], line.result),
        bold=line.name == block.focus,
    )


def _figures(line: Equation, pen: _Pen) -> list[str]:
    """The operands as printed; constants of the model in full."""
    constants = OPERATIONS[line.operation].constants
    return [
        f"{operand:.9g}" if place in constants else pen.number(operand)
        for place, operand in enumerate(line.operands)
    ]


def _mark_of(line: Equation, texts: Sequence[str], result: str) -> str:
    try:
        return _mark(compute(line.operation, [float(text) for text in texts]), result)
    except (ZeroDivisionError, OverflowError):
        return "≈"


def _mark(given: float, result: str) -> str:
    """`=` where what the printed numbers give is printed as the result is, else `≈`."""
    mantissa, _, exponent = result.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return "=" if abs(given - float(result)) <= unit / 2 else "≈"
