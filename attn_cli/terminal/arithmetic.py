"""Arithmetic in the terminal: the way to one weight, as a person would write it on paper.

It lays the steps out on the screen; `equations` writes each block, and the numbers and their order
come from `attn_cli.arithmetic`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment

from attn_cli.arithmetic.equations import Block, Row, Step
from attn_cli.tables import PRECISION, token_labels
from attn_cli.terminal import equations
from attn_cli.terminal.clean import fit
from attn_cli.terminal.equations import Pen
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.styles import DIM, PLAIN, TITLE, Screen, side_style

if TYPE_CHECKING:
    from attn_cli.arithmetic import Explanation

TERMS = 8  # lines of a sum
_GAP = 4  # between blocks beside one another
_KINDS = {"self": "self-attention", "causal": "causal self-attention", "cross": "cross-attention"}
_ROOMY = 60  # from this width on the steps are indented
_LEGEND = (
    "Nothing is rounded on the way. Where = stands, the numbers as printed give the result as "
    "printed; where ≈ stands, they give it but for their rounding."
)


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
        terms: the most lines of one sum; the smallest beyond are folded into one. Of blocks like
            one another (the components of q, say) half as many are shown.
    """
    if precision is None:
        kept = explanation.precision
        precision = PRECISION if kept is None else min(PRECISION, kept)
    queries, keys = (
        [screen.symbols(screen.clean(label)) for label in token_labels(tokens)]
        for tokens in (explanation.query_tokens, explanation.key_tokens)
    )
    names = {"query": queries[explanation.query], "key": keys[explanation.key]}
    indent = 3 if screen.width >= _ROOMY else 0
    inner = replace(screen, width=screen.width - indent)
    pen = Pen(inner, precision, terms, keys)
    yield from _heading(explanation, names, screen, pen)
    for number, step in enumerate(explanation.steps, start=1):
        yield []
        yield from _step_title(step, number, screen, indent)
        for line in _step(step, names, pen):
            yield [Segment(" " * indent), *line] if line else []
    yield []
    yield from wrapped(_LEGEND, screen)


def _heading(
    explanation: Explanation, names: dict[str, str], screen: Screen, pen: Pen
) -> Iterator[Line]:
    for text in (explanation.text, explanation.key_text):
        if text is not None:
            shown = screen.clean(text)
            quoted = fit(shown, min(screen.width - 2, cell_len(shown)))
            yield [Segment(screen.symbols(f'"{quoted}"'), TITLE)]
    weight = pen.number(explanation.weight)
    style = pen.style("weight", explanation.weight)
    shown = weight if screen.colors == "none" else f" {weight} "
    one_line = cell_len(f"{names['query']} looks at {names['key']}: {shown}") <= screen.width
    room = screen.width - (0 if one_line else max(len(" looks at"), len(shown) + 2))
    query, key = (
        Segment(fit(name, min(cell_len(name), room)), side_style(side, screen.colors))
        for side, name in names.items()
    )
    result = [Segment(": "), Segment(shown, style)]
    if one_line:
        yield [query, Segment(" looks at "), key, *result]
    else:
        yield [query, Segment(" looks at")]
        yield [key, *result]
    facts = [
        f"query {explanation.query}",
        f"key {explanation.key}",
        f"layer {explanation.layer}",
        f"head {explanation.head}",
        _KINDS[explanation.kind],
    ]
    if explanation.masked:
        facts.append("masked")
    yield from wrapped(" · ".join(facts), screen)


def _step_title(step: Step, number: int, screen: Screen, indent: int) -> Iterator[Line]:
    title = f"{number}  {step.name}"
    meaning = f"  {screen.symbols(step.meaning)}"
    if cell_len(title + meaning) <= screen.width:
        yield [Segment(title, TITLE), Segment(meaning, DIM)]
    else:
        yield [Segment(title, TITLE)]
        for line in wrapped(step.meaning, replace(screen, width=screen.width - indent)):
            yield [Segment(" " * indent), *line]


def _step(step: Step, names: dict[str, str], pen: Pen) -> Iterator[Line]:
    for remark in step.remarks:
        yield from wrapped(remark, pen.screen)
    blocks = [part for part in step.parts if isinstance(part, Block)]
    shown = _most_important(blocks, pen.terms)
    tiles = [list(equations.draw(step.name, block, pen)) for block in shown]
    rows = [part for part in step.parts if isinstance(part, Row)]
    if rows:
        tiles.insert(0, list(_rows(rows, names, pen)))
    yield from _beside(tiles, pen.screen.width)
    hidden = len(blocks) - len(shown)
    if hidden:
        yield from wrapped(f"… and {hidden} more, which count less", pen.screen)


def _most_important(blocks: Sequence[Block], terms: int) -> list[Block]:
    """The blocks there is room for, in their order; those without a rank always stay."""
    ranks = {i: block.matters for i, block in enumerate(blocks) if block.matters is not None}
    most = max(terms // 2, 1)
    if len(ranks) <= most + 1:
        return list(blocks)
    largest = sorted(ranks, key=lambda i: -ranks[i])[:most]
    return [block for i, block in enumerate(blocks) if i in largest or i not in ranks]


def _rows(rows: Sequence[Row], names: dict[str, str], pen: Pen) -> Iterator[Line]:
    """Vectors beneath one another, their components numbered, in blocks of columns."""
    labels = [f"{row.name}  {names[row.token]}" if row.token else row.name for row in rows]
    label_width = min(max(map(cell_len, labels)), max(pen.screen.width // 3, 4))
    count = max(len(row.values) for row in rows)
    shown = count if count <= pen.terms + 1 else pen.terms
    texts = [[pen.number(value) for value in row.values[:shown]] for row in rows]
    width = max(len(text) for row in texts for text in row)
    per_block = max((pen.screen.width - label_width) // (width + 2), 1)
    for first in range(0, shown, per_block):
        columns = range(first, min(first + per_block, shown))
        if first:
            yield []
        numbers = "".join(f"  {f'[{column}]':>{width}}" for column in columns)
        yield [Segment(" " * label_width), Segment(numbers, DIM)]
        for label, row, cells in zip(labels, rows, texts, strict=True):
            style = side_style(row.token, pen.screen.colors) if row.token else PLAIN
            values = "".join(f"  {cells[column]:>{width}}" for column in columns)
            yield [
                Segment(pen.screen.symbols(fit(label, label_width)), DIM),
                Segment(values, style),
            ]
    if shown < count:
        yield from wrapped(f"… and {count - shown} more components", pen.screen)


def _beside(tiles: Sequence[list[Line]], width: int) -> Iterator[Line]:
    """Blocks beside one another, as many as there is room for, a blank line between the rows."""
    if not tiles:
        return
    widths = [max(map(Segment.get_line_length, tile)) for tile in tiles]
    if sum(widths) + _GAP * (len(widths) - 1) > width:  # not all: then in even columns
        widths = [max(widths)] * len(widths)
    per_row = max((width + _GAP) // (max(widths) + _GAP), 1)
    if sum(widths) + _GAP * (len(widths) - 1) <= width:
        per_row = len(tiles)
    for first in range(0, len(tiles), per_row):
        if first:
            yield []
        row = tiles[first : first + per_row]
        for place in range(max(map(len, row))):
            whole: Line = []
            space = 0
            for tile, tile_width in zip(row, widths[first:], strict=False):
                line = tile[place] if place < len(tile) else []
                if line:
                    whole += [Segment(" " * space), *line]
                    space = 0
                space += tile_width - Segment.get_line_length(line) + _GAP
            yield whole
