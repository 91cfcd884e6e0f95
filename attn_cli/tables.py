"""Tables: any Inspection as titled rows of plain values, and the one number formatter.

Every view (terminal, Markdown, notebook) draws these; nothing here knows colour or width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from attn_cli.inspection import Inspection, Layer, Token
from attn_cli.text import label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.types import Booleans

PRECISION = 4  # decimals, as the article prints them
SHOWABLE = (
    "tokens",
    "vocabulary",
    "embedding",
    "query",
    "key",
    "value",
    "scores",
    "logits",
    "weights",
    "context",
)
SHOWN = ("tokens", "embedding", "weights")
MASKED = "·"

# What a number's colour says: its place from 0 to 1, its place around zero, or nothing.
Scale = Literal["weight", "signed", "none"]

_QUERIES, _KEYS = "queries, which look", "keys, which are looked at"
_PER_HEAD: dict[str, tuple[Scale, str, str]] = {
    "query": ("signed", "query tokens", "d_head"),
    "key": ("signed", "key tokens", "d_head"),
    "value": ("signed", "key tokens", "d_value"),
    "scores": ("signed", _QUERIES, _KEYS),
    "logits": ("signed", _QUERIES, _KEYS),
    "weights": ("weight", _QUERIES, _KEYS),
    "context": ("signed", "query tokens", "d_value"),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """One matrix with its names: what a view needs to draw it, and nothing of how."""

    name: str
    where: str  # "layer 0, head 0", or nothing
    rows: str  # what the rows are
    columns: str
    row_labels: Sequence[str]
    column_labels: Sequence[str]
    values: NDArray[Any]  # (rows, columns), float32 or int64
    scale: Scale = "none"
    allowed: Booleans | None = None  # (rows, columns); None: everywhere
    numbered: bool = False  # the rows are numbered, so their labels need no position of their own
    end: float = 1.0  # of a weight's scale, which starts at 0

    @property
    def shape(self) -> str:
        return " × ".join(map(str, self.values.shape))

    @cached_property
    def largest(self) -> float:
        """The largest absolute value that is not masked: the end of a signed scale."""
        finite = self.values[np.isfinite(self.values)]
        return float(np.abs(finite).max()) if finite.size else 0.0

    def is_masked(self, row: int, column: int) -> bool:
        return self.allowed is not None and not self.allowed[row, column]


def tables(inspection: Inspection, names: Sequence[str] = SHOWN) -> Iterator[Table]:
    """The named tables of an Inspection, in the order in which the numbers come about.

    A name whose array the Inspection does not hold is passed over.
    """
    for name in (name for name in SHOWABLE[:3] if name in names):
        yield from _BEFORE_ATTENTION[name](inspection)
    for layer in inspection.layers:
        for name in (name for name in SHOWABLE[3:] if name in names):
            yield from _heads(inspection, layer, name)


_KINDS = {"self": "self-attention", "causal": "causal self-attention", "cross": "cross-attention"}


def facts(inspection: Inspection) -> list[str]:
    """What every view says of an Inspection below its title."""
    source, n = inspection.source, len(inspection.query_tokens)
    said = [f"{n} token{'s' * (n != 1)}", _KINDS[inspection.kind]]
    if inspection.text:  # otherwise it is the title
        said.append(source.model)
    if source.recipe:
        said.append(f"recipe {source.recipe}")
    if source.seed is not None:
        said.append(f"seed {source.seed}")
    return said


def doubts(inspection: Inspection) -> list[str]:
    """What was doubtful when an Inspection was read: what is drawn of it says so too."""
    found = inspection.source.settings.get("doubts")
    return [f"doubt: {doubt}" for doubt in found] if isinstance(found, list) else []


def plain_labels(tokens: Sequence[Token]) -> list[str]:
    """A readable label for each token, for rows that are numbered."""
    return [label(token.text) for token in tokens]


def token_labels(tokens: Sequence[Token]) -> list[str]:
    """The same, but a token that comes more than once carries its place, `the@4`."""
    labels = plain_labels(tokens)
    times = Counter(labels)
    return [f"{text}@{i}" if times[text] > 1 else text for i, text in enumerate(labels)]


def format_number(value: float, precision: int = PRECISION) -> str:
    """A number as every view prints it: fixed decimals, exponents from a million on.

    >>> format_number(0.68699998), format_number(-0.00001), format_number(1e30), format_number(7)
    ('0.6870', '0.0000', '1.0000e+30', '7')
    """
    if isinstance(value, (int, np.integer)):
        return str(value)
    text = f"{value:.{precision}f}" if abs(value) < 1e6 else f"{value:.{precision}e}"
    return text[1:] if text[0] == "-" and not text.strip("-0.") else text


def cell_text(table: Table, row: int, column: int, precision: int = PRECISION) -> str:
    """One cell as text; what is masked is a dot, which is not the same as 0."""
    if table.is_masked(row, column):
        return MASKED
    return format_number(table.values[row, column].item(), precision)


def widest(table: Table, precision: int = PRECISION) -> int:
    """The length of the longest number in a table: that of its least or its greatest."""
    finite = table.values[np.isfinite(table.values)]
    ends = (finite.min().item(), finite.max().item()) if finite.size else ()
    return max((len(format_number(end, precision)) for end in ends), default=1)


def _tokens(inspection: Inspection) -> Iterator[Table]:
    rows = {"position": np.arange(len(inspection.query_tokens))}
    if inspection.token_ids is not None:
        rows["id"] = inspection.token_ids
    yield Table(
        name="tokens",
        where="",
        rows=" and ".join(rows),
        columns="tokens",
        row_labels=tuple(rows),
        column_labels=token_labels(inspection.query_tokens),
        values=np.stack(tuple(rows.values())),
    )


def _vocabulary(inspection: Inspection) -> Iterator[Table]:
    if inspection.vocabulary is None:
        return
    yield Table(
        name="vocabulary",
        where="",
        rows="id",
        columns="words",
        row_labels=("id",),
        column_labels=[label(word) for word in inspection.vocabulary],
        values=np.array([list(inspection.vocabulary.values())]),
    )


def _embedding(inspection: Inspection) -> Iterator[Table]:
    if inspection.embedding is None:
        return
    yield Table(
        name="embedding",
        where="",
        rows="tokens",
        columns="d_model",
        row_labels=plain_labels(inspection.query_tokens),
        column_labels=[str(i) for i in range(inspection.embedding.shape[1])],
        values=inspection.embedding,
        scale="signed",
        numbered=True,
    )


_BEFORE_ATTENTION = {"tokens": _tokens, "vocabulary": _vocabulary, "embedding": _embedding}


def _heads(inspection: Inspection, layer: Layer, name: str) -> Iterator[Table]:
    stack = getattr(layer, name)
    if stack is None:
        return
    scale, rows, columns = _PER_HEAD[name]
    to_keys = columns == _KEYS
    row_tokens = inspection.key_tokens if rows == "key tokens" else inspection.query_tokens
    head_name = "key/value head" if rows == "key tokens" else "head"
    row_labels = plain_labels(row_tokens)
    are_positions = row_labels == list(map(str, range(len(row_labels))))
    for head, values in enumerate(stack):
        yield Table(
            name=name,
            where=f"layer {layer.index}, {head_name} {head}",
            rows=rows,
            columns=columns,
            row_labels=row_labels,
            column_labels=token_labels(inspection.key_tokens)
            if to_keys
            else [str(i) for i in range(values.shape[1])],
            values=values,
            scale=scale,
            allowed=inspection.mask.allowed if name in ("logits", "weights") else None,
            numbered=not are_positions,
        )
