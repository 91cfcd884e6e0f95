"""Summaries: profiles and comparisons as tables, for every view.

Like `tables`, it knows neither colour nor width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.comparison import Comparison, HeadChange
from attn_cli.inspection import Token
from attn_cli.profile import MIXED, Head, Profile
from attn_cli.statistics import STATISTICS
from attn_cli.tables import Scale, Table, plain_labels
from attn_cli.text import label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attn_cli.types import Doubles

_UNITS = {"bits": "bits", "keys": "keys", "tokens": "tokens", "share": "from 0 to 1"}
_COLUMN = 8  # cells of a column of statistics


def head_tables(profile: Profile, indices: Sequence[int]) -> Iterator[Table]:
    """Some heads with all their statistics, below what chance has; then their spread over texts.

    A statistic that no text has anything for is left out.
    """
    listed = list(indices)
    names = [name for name in STATISTICS if not np.isnan(profile.values(name)).all()]
    rows = [list(STATISTICS).index(name) for name in names]
    heads = [head_label(profile, index) for index in listed]
    chance = np.stack([profile.uniform[rows], _mean(profile.shuffled[rows][:, listed])])
    means = np.vstack([chance, profile.mean[rows][:, listed].T])
    yield _statistics("means", ["uniform", "shuffled", *heads], names, means, "weight")
    if profile.n_texts > 1:
        yield _statistics("spread", heads, names, profile.std[rows][:, listed].T, "none")


def head_label(profile: Profile, index: int) -> str:
    """A head by its number, and its pattern if it has one: `3.6 induction`."""
    pattern = profile.patterns[index]
    return str(profile.heads[index]) + ("" if pattern == MIXED else f" {pattern}")


def _mean(values: Doubles) -> Doubles:
    """The mean over the last axis of what there is."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: Doubles = np.where(there, values, 0).sum(axis=-1) / there.sum(axis=-1)
    return mean


def _statistics(
    name: str, rows: Sequence[str], names: Sequence[str], values: Doubles, scale: Scale
) -> Table:
    return Table(
        name=name,
        where="",
        rows="heads, layer.head",
        columns="statistics",
        row_labels=rows,
        column_labels=[_short(name) for name in names],
        values=values,
        scale=scale,
        allowed=~np.isnan(values),
        bare=frozenset(i for i, name in enumerate(names) if STATISTICS[name].unit != "share"),
    )


def _short(name: str) -> str:
    """A name as the head of a narrow column; the shortest of these are still told apart."""
    return name if len(name) <= _COLUMN else name[: _COLUMN - 1] + "…"


def grid_table(
    name: str, values: Mapping[Head, float], scale: Scale = "weight", end: float = 1.0
) -> Table:
    """One number of every head, layers × heads; what a layer has no head for is masked."""
    layers = sorted({head.layer for head in values})
    width = max(head.head for head in values) + 1
    grid = np.full((len(layers), width), np.nan)
    rows = {layer: row for row, layer in enumerate(layers)}
    for head, value in values.items():
        grid[rows[head.layer], head.head] = value
    return Table(
        name=name,
        where="",
        rows="layers",
        columns="heads",
        row_labels=[str(layer) for layer in layers],
        column_labels=[str(head) for head in range(width)],
        values=grid,
        scale=scale,
        allowed=~np.isnan(grid),
        end=end,
    )


def statistic_grid(profile: Profile, name: str) -> Table:
    """One statistic of every head; a share's scale is from 0 to 1, another's to its largest."""
    values = dict(zip(profile.heads, profile.values(name).tolist(), strict=True))
    share = STATISTICS[name].unit == "share"
    end = 1.0 if share else max((v for v in values.values() if v == v), default=1.0)
    return grid_table(name, values, end=end)


def unit(name: str) -> str:
    """What the numbers of a statistic are."""
    return _UNITS[STATISTICS[name].unit]


def change_grid(comparison: Comparison) -> Table:
    """The mean Jensen-Shannon distance of every head."""
    values = {Head(change.layer, change.head): change.js_mean for change in comparison.heads}
    return grid_table("change", values, end=max(values.values()))


def change_table(changes: Sequence[HeadChange]) -> Table:
    """Some heads and how much each changed."""
    return Table(
        name="changes",
        where="",
        rows="heads, layer.head",
        columns="|B - A| of weights, Jensen-Shannon distance of rows",
        row_labels=[f"{change.layer}.{change.head}" for change in changes],
        column_labels=["largest", "mean", "JS mean", "JS max"],
        values=np.array([(c.largest, c.mean, c.js_mean, c.js_max) for c in changes]),
    )


def difference_table(comparison: Comparison, layer: int, head: int) -> Table:
    """B - A of one head, over the queries of both and the keys of either."""
    values, allowed = comparison.difference(layer, head)
    a, b = comparison.a, comparison.b
    signs = ["-" if j is None else "+" if i is None else "" for i, j in comparison.keys]
    keys = [
        (i, a.key_tokens[i]) if i is not None else (j or 0, b.key_tokens[j or 0])
        for i, j in comparison.keys
    ]
    apart = ", numbered as in A; - in A alone, + in B alone" if any(signs) else ""
    return Table(
        name="B − A",
        where=f"layer {layer}, head {head}",
        rows="queries of both, which look",
        columns=f"keys, which are looked at{apart}",
        row_labels=plain_labels([a.query_tokens[i] for i, _ in comparison.matched]),
        column_labels=[f"{sign}{text}" for sign, text in zip(signs, _labels(keys), strict=True)],
        values=values,
        scale="signed",
        allowed=allowed,
        numbered=True,
    )


def largest_change(comparison: Comparison) -> str:
    """Where the largest difference is: the head, the query and the key."""
    change = max(comparison.heads, key=lambda change: change.largest)
    (query,) = _placed(comparison.a.query_tokens, [comparison.matched[change.query][0]])
    i, j = comparison.keys[change.key]
    side = comparison.b if i is None else comparison.a
    (key,) = _placed(side.key_tokens, [i if i is not None else j or 0])
    return f"layer {change.layer}, head {change.head}, from {query} to {key}"


def _labels(tokens: Sequence[tuple[int, Token]]) -> list[str]:
    """A label for each token; one that comes more than once carries the position given."""
    labels = plain_labels([token for _, token in tokens])
    times = Counter(labels)
    return [
        f"{text}@{position}" if times[text] > 1 else text
        for text, (position, _) in zip(labels, tokens, strict=True)
    ]


def unmatched(comparison: Comparison) -> tuple[list[str], list[str]]:
    """The query tokens that A alone has and those that B alone has, each with its position."""
    only_a = [i for i, j in comparison.queries if i is not None and j is None]
    only_b = [j for i, j in comparison.queries if j is not None and i is None]
    return _placed(comparison.a.query_tokens, only_a), _placed(comparison.b.query_tokens, only_b)


def _placed(tokens: Sequence[Token], positions: Sequence[int]) -> list[str]:
    return [f"{label(tokens[position].text)}@{position}" for position in positions]
