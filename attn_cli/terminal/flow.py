"""Flow: the tokens of a text one after the other, with their ids, as many to a line as fit.

For what has more tokens than a table shows at a glance; it draws nothing of their attention.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from attn_cli.tables import token_labels
from attn_cli.terminal.clean import fit
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.styles import DIM, PLAIN, TITLE, Screen

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection, Token
    from attn_cli.types import Integers

_MOST_LINES = 6
_SPECIAL, _MARK, _GAP = Style(italic=True), "*", "  "


def flow_lines(inspection: Inspection, screen: Screen) -> Iterator[Line]:
    """The tokens, and in cross-attention the key tokens, each with its id where that is known.

    What does not fit into a few lines is counted, with how to see it.
    """
    yield from _flow("tokens", inspection.query_tokens, inspection.token_ids, screen)
    if inspection.kind == "cross":
        yield from _flow("key tokens", inspection.key_tokens, inspection.key_ids, screen)


def _flow(
    name: str, tokens: Sequence[Token], ids: Integers | None, screen: Screen
) -> Iterator[Line]:
    yield [Segment(screen.symbols(f"{name}  {len(tokens)}"), TITLE)]
    said = ["each with its id"] if ids is not None else []
    if any(token.special for token in tokens):
        said.append(f"{_MARK} is a special token")
    if said:
        yield from wrapped("; ".join(said), screen)
    line, room, n_line = list[Segment](), screen.width, 1
    for place, name in enumerate(token_labels(tokens)):
        shown = screen.symbols(screen.clean(name)) + _MARK * tokens[place].special
        number = "" if ids is None else f" {ids[place]}"
        width = min(cell_len(shown), screen.width - len(number))
        gap = _GAP if line else ""
        if width + len(number) + len(gap) > room:
            yield line
            if n_line == _MOST_LINES:
                hint = f"… and {len(tokens) - place} more: `--show tokens` has all"
                yield from wrapped(hint, screen)
                return
            line, room, gap, n_line = [], screen.width, "", n_line + 1
        style = _SPECIAL if tokens[place].special else PLAIN
        line += [Segment(gap + fit(shown, width), style), Segment(number, DIM)]
        room -= width + len(number) + len(gap)
    yield line
