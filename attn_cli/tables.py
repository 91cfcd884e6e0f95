"""Tables: any Inspection as titled rows of plain values, and the one number formatter.

Every view (terminal, Markdown, notebook) draws these; nothing here knows colour or width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from attn_cli.inspection import Inspection, Layer, Token
from attn_cli.text import label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.types import Booleans

PRECISION = 4  # decimals, as the article prints them
SHOWN = ("tokens", "embedding", "weights")
MASKED = "·"

# What a number's colour says: its place from 0 to 1, its place around zero, or nothing.
Scale = Literal["weight", "signed", "none"]

_QUERIES, _KEYS = "queries, which look", "keys, which are looked at"


class _Kind(NamedTuple):
    """What the rows and columns of a layer's table are, and what its colours say."""

    scale: Scale
    rows: str
    columns: str
    shared: bool = False  # a table for each key/value head, which several heads may share


# In the order in which the numbers come about.
_OF_LAYER: dict[str, _Kind] = {
    "w_query": _Kind("signed", "d_model", "d_head"),
    "w_key": _Kind("signed", "d_model", "d_head", shared=True),
    "w_value": _Kind("signed", "d_model", "d_value", shared=True),
    "query": _Kind("signed", "query tokens", "d_head"),
    "key": _Kind("signed", "key tokens", "d_head", shared=True),
    "value": _Kind("signed", "key tokens", "d_value", shared=True),
    "scores": _Kind("signed", _QUERIES, _KEYS),
    "logits": _Kind("signed", _QUERIES, _KEYS),
    "weights": _Kind("weight", _QUERIES, _KEYS),
    "dropout": _Kind("signed", _QUERIES, _KEYS),
    "dropped": _Kind("signed", _QUERIES, _KEYS),
    "context": _Kind("signed", "query tokens", "d_value"),
    "w_output": _Kind("signed", "d_value", "d_out"),
    "output": _Kind("signed", "query tokens", "d_out"),
}
_OF_TEXT = ("tokens", "vocabulary", "position_code", "embedding")
SHOWABLE = (*_OF_TEXT, *_OF_LAYER)


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
    bare: frozenset[int] = frozenset()  # columns that are not on the scale

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
    for name in (name for name in _OF_TEXT if name in names):
        yield from _BEFORE_ATTENTION[name](inspection)
    for layer in inspection.layers:
        for name in (name for name in _OF_LAYER if name in names):
            yield from _of_layer(inspection, layer, name)


_KINDS = {"self": "self-attention", "causal": "causal self-attention", "cross": "cross-attention"}


def facts(inspection: Inspection) -> list[str]:
    """What every view says of an Inspection below its title."""
    source, n = inspection.source, len(inspection.query_tokens)
    said = [f"{n} token{'s' * (n != 1)}", _KINDS[inspection.kind]]
    if inspection.text:  # otherwise it is the title
        kind = [source.architecture, source.settings.get("stored")]
        known = ", ".join(str(part) for part in kind if part) if kind[1] else ""
        said.append(f"{source.model} ({known})" if known else source.model)
    if source.recipe:
        said.append(f"recipe {source.recipe}")
    if source.seed is not None:
        said.append(f"seed {source.seed}")
    return [*said, *_choices(inspection)]


def _choices(inspection: Inspection) -> Iterator[str]:
    """What is not as in the plainest attention: heads, mask, positions, scores."""
    sizes, settings = inspection.dimensions, inspection.source.settings
    if type(n := settings.get("n_uncut")) is int:
        yield f"cut from {n} tokens"
    whole = {} if "aggregate" in settings else settings  # of what is joined, nothing is left out
    if counted := _count(sizes["n_layer"], whole.get("n_layer"), "layer"):
        yield counted
    if counted := _count(sizes.get("n_head", 1), whole.get("n_head"), "head"):
        shared = inspection.n_head // inspection.n_kv_head > 1
        on = f" on {inspection.n_kv_head} key/value head" + "s" * (inspection.n_kv_head > 1)
        yield counted + on * shared
    if inspection.mask.name not in ("none", inspection.kind):
        yield f"mask {inspection.mask.name}"
    for name, plain in (("positions", "none"), ("score", "scaled"), ("dropout", 0)):
        if settings.get(name, plain) != plain:
            yield f"{name} {settings[name]}"


def _count(n: int, total: object, noun: str) -> str:
    """How many there are, and of how many where they were chosen; nothing where it is the one."""
    if type(total) is int and total > n:
        return f"{n} of {total} {noun}s"
    return f"{n} {noun}s" if n > 1 else ""


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
    yield _token_table("tokens", inspection.query_tokens, inspection.token_ids)
    if inspection.kind == "cross":
        yield _token_table("key tokens", inspection.key_tokens, inspection.key_ids)


def _token_table(name: str, tokens: Sequence[Token], ids: NDArray[Any] | None) -> Table:
    rows = {"position": np.arange(len(tokens))}
    if ids is not None:
        rows["id"] = ids
    return Table(
        name=name,
        where="",
        rows=" and ".join(rows),
        columns="tokens",
        row_labels=tuple(rows),
        column_labels=token_labels(tokens),
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
    queries, keys = inspection.query_tokens, inspection.key_tokens
    yield from _rows_of("embedding", inspection.embedding, queries)
    yield from _rows_of("key embedding", inspection.key_embedding, keys)


def _position_code(inspection: Inspection) -> Iterator[Table]:
    yield from _rows_of("position code", inspection.position_code, inspection.query_tokens)


def _rows_of(name: str, rows: NDArray[Any] | None, tokens: Sequence[Token]) -> Iterator[Table]:
    if rows is not None:
        yield Table(
            name=name,
            where="",
            rows="tokens",
            columns="d_model",
            row_labels=plain_labels(tokens),
            column_labels=_numbers(rows.shape[1]),
            values=rows,
            scale="signed",
            numbered=True,
        )


_BEFORE_ATTENTION = {
    "tokens": _tokens,
    "vocabulary": _vocabulary,
    "position_code": _position_code,
    "embedding": _embedding,
}


def _of_layer(inspection: Inspection, layer: Layer, name: str) -> Iterator[Table]:
    """A table for each head, or one where the heads are already joined."""
    stack = getattr(layer, name)
    if stack is None:
        return
    kind = _OF_LAYER[name]
    row_labels = {
        "d_model": lambda: _numbers(stack.shape[-2]),
        "d_value": lambda: _numbers(stack.shape[-2]),
        "key tokens": lambda: plain_labels(inspection.key_tokens),
    }.get(kind.rows, lambda: plain_labels(inspection.query_tokens))()
    are_positions = row_labels == _numbers(len(row_labels))
    to_keys = kind.columns == _KEYS
    columns = token_labels(inspection.key_tokens) if to_keys else _numbers(stack.shape[-1])
    masked = to_keys and name not in ("scores", "dropout")
    for head, values in enumerate(stack if stack.ndim == 3 else [stack]):
        where = f"layer {layer.index}"
        yield Table(
            name=name,
            where=where if stack.ndim == 2 else f"{where}, {_head(inspection, layer, kind, head)}",
            rows=kind.rows,
            columns=kind.columns,
            row_labels=row_labels,
            column_labels=columns,
            values=values,
            scale=kind.scale,
            allowed=inspection.allowed(layer) if masked else None,
            numbered=kind.rows not in ("d_model", "d_value") and not are_positions,
        )


def _head(inspection: Inspection, layer: Layer, kind: _Kind, place: int) -> str:
    """What a head is called, with the key/value head that it shares with others."""
    named, group = layer.head_index, inspection.n_head // inspection.n_kv_head
    if kind.shared and named is None:
        return f"key/value head {place}"
    head = place if named is None else int(named[place])
    if kind.shared:  # chosen heads each took their own along
        return f"key/value head {head // group}, as head {head} has it"
    return f"head {head}" + (f" (key/value head {head // group})" if group > 1 else "")


def _numbers(count: int) -> list[str]:
    return [str(index) for index in range(count)]


def cell_labels(inspection: Inspection, what: str, row: int, column: int) -> tuple[str, str]:
    """What a row and a column of one of an Inspection's matrices are called: words, or numbers."""
    queries, keys = (token_labels(t) for t in (inspection.query_tokens, inspection.key_tokens))
    rows = keys if what in ("key", "value") else queries
    to_keys = what in ("scores", "logits", "weights", "dropped")
    return rows[row], keys[column] if to_keys else str(column)
