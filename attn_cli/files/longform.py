"""CSV, long form: one line a weight, for spreadsheets and data frames.

It is written, not read: a table of weights is not the whole Inspection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attn_cli.inspection import Inspection
from attn_cli.text import reversible

HEADER = ("layer", "head", "query", "key", "query_token", "key_token", "weight")
# What a spreadsheet begins a formula with, also in the width of East Asian letters.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠")


def write(inspection: Inspection, precision: int | None = None) -> Iterator[bytes]:
    """A header, then every weight; the weight of a masked pair is left empty."""
    queries = [_inert(token.text) for token in inspection.query_tokens]
    keys = [_inert(token.text) for token in inspection.key_tokens]
    allowed = inspection.mask.allowed
    yield lines([HEADER])
    for layer in inspection.layers:
        for head, rows in enumerate(layer.weights):
            for i, row in enumerate(rows):
                texts = [
                    str(weight) if precision is None else str(round(float(weight), precision))
                    for weight in row
                ]
                yield lines(
                    (
                        layer.index,
                        head,
                        i,
                        j,
                        queries[i],
                        keys[j],
                        text if allowed is None or allowed[i, j] else "",
                    )
                    for j, text in enumerate(texts)
                )


def lines(rows: Iterable[Iterable[object]]) -> bytes:
    """Rows of cells as lines of CSV."""
    return "".join(f"{','.join(map(_cell, row))}\n" for row in rows).encode()


def _cell(value: object) -> str:
    """RFC 4180; the csv module leaves a lone carriage return unquoted where lines end in `\\n`."""
    text = str(value)
    if any(character in text for character in ',"\r\n'):
        quoted = text.replace('"', '""')
        return f'"{quoted}"'
    return text


def _inert(text: str) -> str:
    """A cell that no spreadsheet takes for a formula and no terminal obeys.

    Where it could be a formula an apostrophe goes before it, and also where it begins with one;
    taking the first one off, and then the escapes of `reversible`, is exact.
    """
    shown = reversible(text)
    return f"'{shown}" if text.startswith(_FORMULA) else shown
