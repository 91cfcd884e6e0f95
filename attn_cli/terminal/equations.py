"""Equations in the terminal: lines lined up under one another, a rule, a sum.

It rounds, and says so: a result stands after `=` where the numbers as printed give it as printed,
and after `≈` where they give it but for their rounding. With p decimals the two are then no further
apart than `slack(operation, operands, ½·10⁻ᵖ) + ½·10⁻ᵖ`, for a sum of n lines (n + 1)·½·10⁻ᵖ, and
the rounding of the arrays themselves: every number is carried on as it is, not as it is printed.
It lays out one block; what stands beside what is decided in `arithmetic`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from attn_cli import palette
from attn_cli.arithmetic.equations import OPERATIONS, Block, Equation, compute, folded
from attn_cli.tables import format_number
from attn_cli.terminal.clean import fit
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.styles import DIM, PLAIN, TITLE, Screen, cell_style, side_style

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
    "masked": ("{0}", "− ∞"),
    "exponential": ("e^({0}", "− {1})"),
}
_PLACEHOLDER = re.compile(r"\{(\d)\}")
_OPPOSITE = {"+ ": "− ", "− ": "+ "}

# Whose each operand and the result is, by step and operation; elsewhere nobody's.
_SIDES: dict[tuple[str, str], tuple[str, ...]] = {
    ("query", "product"): ("query", "", "query"),
    ("key", "product"): ("key", "", "key"),
    ("score", "product"): ("query", "key", ""),
    ("score", "additive"): ("", "query", "key", ""),
    ("softmax", "quotient"): ("", "", "weight"),
    ("context", "product"): ("weight", "", ""),
}
_LABEL_WIDTH = 12
_MINUS_INFINITY = "-∞"


@dataclass(frozen=True)
class Pen:
    """What equations are written with."""

    screen: Screen  # as wide as there is room
    precision: int
    terms: int  # the most lines of a sum
    labels: Sequence[str]  # of the key tokens

    def number(self, value: float) -> str:
        """A number as every view prints it, or -∞."""
        if value == -math.inf:
            return self.screen.symbols(_MINUS_INFINITY)
        return format_number(value, self.precision)

    def style(self, side: str, value: float) -> Style:
        """How a number looks that is the query's, the key's, a weight or nobody's."""
        if side == "weight":
            return cell_style("weight", palette.step(value), self.screen.colors)
        return side_style(side, self.screen.colors) if side else PLAIN


class _Figures(NamedTuple):
    """An equation in figures: its pieces, between which it may be broken, and its result."""

    label: str
    pieces: list[Line]
    mark: str
    result: str
    style: Style
    bold: bool = False

    @property
    def width(self) -> int:
        """Cells of the pieces on one line."""
        return sum(map(Segment.get_line_length, self.pieces)) + max(len(self.pieces) - 1, 0)


def draw(step: str, block: Block, pen: Pen) -> Iterator[Line]:
    """A block: its heading, its lines, and beneath a rule their sum if it has one."""
    kept, rest = folded(block.lines, pen.terms, block.focus)
    widths = _operand_widths(kept, pen)
    written = [_written(step, line, block, pen, widths[line.operation]) for line in kept]
    if rest:
        written.append(_folded(rest, block, pen))
    if block.heading:
        yield from wrapped(block.heading, pen.screen)
    total = "" if block.total is None else pen.number(block.total)
    label_width = max(cell_len(line.label) for line in written)
    result_width = max(len(total), *(len(line.result) for line in written))
    body_width = max(line.width for line in written)
    fits = label_width + 2 + body_width + 3 + result_width <= pen.screen.width
    for line in written:
        if fits:
            yield _in_line(line, label_width, body_width, result_width)
        else:
            yield from _broken(line, label_width, pen.screen.width)
    if block.total is not None:
        space = Segment(" " * (label_width + 2 + body_width + 1 if fits else 0))
        given = math.fsum(float(line.result) for line in written)
        mark = pen.screen.symbols(_mark(given, total))
        style = pen.style(step if step in ("query", "key") else "", block.total)
        yield [space, Segment(pen.screen.symbols("─" * (result_width + 2)), DIM)]
        yield [
            space,
            Segment(f"{mark} ", DIM),
            Segment(f"{total:>{result_width}}", style + TITLE),
        ]


def _operand_widths(lines: Sequence[Equation], pen: Pen) -> dict[str, list[int]]:
    """For each operation, how wide each of its operands is at most."""
    widths: dict[str, list[int]] = {}
    for line in lines:
        found = [len(text) for _, text in _signed(line, pen)]
        known = widths.get(line.operation, found)
        widths[line.operation] = [max(pair) for pair in zip(known, found, strict=True)]
    return widths


def _written(step: str, line: Equation, block: Block, pen: Pen, widths: Sequence[int]) -> _Figures:
    """An equation in figures, each operand as wide as those above and below it."""
    texts, sides = _signed(line, pen), _sides(step, line, block)
    pieces = []
    for template in _WRITTEN[line.operation]:
        before, *rest = _PLACEHOLDER.split(template)
        piece: Line = [] if rest else [Segment(pen.screen.symbols(before), DIM)]
        for place, after in zip(map(int, rest[::2]), rest[1::2], strict=True):
            negative, text = texts[place]
            sign = _OPPOSITE[before] if negative else before
            style = pen.style(sides[place], line.operands[place])
            piece += [
                Segment(pen.screen.symbols(sign), DIM),
                Segment(f"{text:>{widths[place]}}", style),
                Segment(pen.screen.symbols(after), DIM),
            ]
        pieces.append([segment for segment in piece if segment.text])
    result = pen.number(line.result)
    return _Figures(
        label=_label(line, block, pen),
        pieces=pieces,
        mark=pen.screen.symbols(_mark_of(line, pen, result)) if pieces else "",
        result=result,
        style=pen.style(sides[-1], line.result),
        bold=line.name == block.focus,
    )


def _folded(rest: Sequence[Equation], block: Block, pen: Pen) -> _Figures:
    """The lines that are not shown, as one: with their sum, where there is a sum to make."""
    more = [Segment(pen.screen.symbols(f"… {len(rest)} more"), DIM)]
    if block.total is None:
        return _Figures("", [more], "", "", PLAIN)
    left = math.fsum(line.result for line in rest)
    return _Figures("", [more], "=", pen.number(left), PLAIN)


def _label(line: Equation, block: Block, pen: Pen) -> str:
    if block.axis == "n_key":
        label = pen.labels[int(line.name)]
        return fit(label, min(cell_len(label), _LABEL_WIDTH))
    return line.name if block.axis is None else f"[{line.name}]"


def _sides(step: str, line: Equation, block: Block) -> tuple[str, ...]:
    nobody = ("",) * (len(line.operands) + 1)
    if block.name == "dropped":
        return ("weight", "", "weight")
    if step == "rotation" and len(line.operands) == 4:
        side = "query" if block.name.startswith("q") else "key"
        return (side, "", side, "", side)
    return _SIDES.get((step, line.operation), nobody)


def _figures(line: Equation, pen: Pen) -> list[str]:
    """The operands as printed; constants of the model in full."""
    constants = OPERATIONS[line.operation].constants
    return [
        f"{operand:.9g}" if place in constants else pen.number(operand)
        for place, operand in enumerate(line.operands)
    ]


def _signed(line: Equation, pen: Pen) -> list[tuple[bool, str]]:
    """The operands, with the sign of those that are added or taken off drawn into that: a - b."""
    found = []
    pieces = _WRITTEN[line.operation]
    for place, text in enumerate(_figures(line, pen)):
        added = any(piece.startswith((f"+ {{{place}}}", f"− {{{place}}}")) for piece in pieces)
        negative = added and text.startswith("-")
        found.append((negative, text[1:] if negative else text))
    return found


def _mark_of(line: Equation, pen: Pen, result: str) -> str:
    if line.operation == "masked":
        return "="
    try:
        given = compute(line.operation, [float(text) for text in _figures(line, pen)])
    except (ZeroDivisionError, OverflowError):
        return "≈"
    return _mark(given, result)


def _mark(given: float, result: str) -> str:
    """`=` where what the printed numbers give is within half of the last place printed."""
    mantissa, _, exponent = result.partition("e")
    last_place = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return "=" if abs(given - float(result)) <= last_place / 2 else "≈"


def _in_line(line: _Figures, label_width: int, body_width: int, result_width: int) -> Line:
    """An equation in one line, its sign of equality under that of the line above."""
    padding = Segment(" " * (body_width - line.width))
    joined: Line = []
    for place, piece in enumerate(line.pieces):
        joined += [Segment(" "), *piece] if place else piece
    return [
        Segment(fit(line.label, label_width) + "  ", TITLE if line.bold else DIM),
        *([padding, *joined] if line.label else [*joined, padding]),
        Segment(f" {line.mark:1} ", DIM),
        Segment(f"{line.result:>{result_width}}", line.style),
    ]


def _broken(line: _Figures, label_width: int, width: int) -> Iterator[Line]:
    """An equation in as many lines as it needs, broken between its pieces; two products apart."""
    pieces = list(line.pieces)
    second = pieces[2] if len(pieces) == 4 else None
    if line.result:
        mark = [Segment(f"{line.mark} ", DIM)] if line.mark else []
        pieces.append([*mark, Segment(line.result, line.style)])
    longest = max(map(Segment.get_line_length, pieces))
    label_width = min(label_width, max(width - longest - 1, 3))
    label = fit(line.label, min(cell_len(line.label), label_width))
    out: Line = [Segment(fit(label, label_width) + " ", TITLE if line.bold else DIM)]
    start = len(out)
    for piece in pieces:
        used = Segment.get_line_length(out)
        full = used + 1 + Segment.get_line_length(piece) > width
        if len(out) > start and (full or piece is second):
            yield out
            out = [Segment(" " * (label_width + 1))]
            start = len(out)
        out += [*([Segment(" ")] if len(out) > start else []), *piece]
    yield out
