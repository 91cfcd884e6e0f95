"""Results: profiles of heads and comparisons as JSON and CSV, for other programs.

They are written, not read. What a statistic has no number for is null, or empty in CSV.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from attn_cli.comparison import Comparison
from attn_cli.files.longform import lines
from attn_cli.profile import Profile
from attn_cli.statistics import STATISTICS, TARGETS
from attn_cli.summaries import unmatched

HEADS_SCHEMA, DIFF_SCHEMA = "attn-heads/1", "attn-diff/1"
HEADER = (
    "layer",
    "head",
    "pattern",
    "statistic",
    "mean",
    "std",
    "shuffled",
    "uniform",
    "texts",
)


def heads_json(profile: Profile, indices: Sequence[int], precision: int | None = None) -> bytes:
    """Some heads of a profile as one document on one line, schema `attn-heads/1`."""
    return _line(
        {
            "schema": HEADS_SCHEMA,
            "n_texts": profile.n_texts,
            "n_heads": len(profile.heads),
            "statistics": {
                name: {
                    "unit": statistic.unit,
                    "uniform": profile.chance(name),
                    "texts": int(profile.texts[row]),
                }
                for row, (name, statistic) in enumerate(STATISTICS.items())
            },
            "heads": [_head(profile, index) for index in indices],
        },
        precision,
    )


def heads_csv(
    profile: Profile, indices: Sequence[int], precision: int | None = None
) -> Iterator[bytes]:
    """Some heads of a profile in long form: a header, then one line a head and statistic."""
    yield lines([HEADER])
    for index in indices:
        head = profile.heads[index]
        yield lines(
            (
                head.layer,
                head.head,
                profile.patterns[index],
                name,
                *(_text(value, precision) for value in _numbers(profile, row, index)),
                _text(profile.chance(name), precision),
                int(profile.texts[row]),
            )
            for row, name in enumerate(STATISTICS)
        )


def diff_json(comparison: Comparison, tolerance: float, precision: int | None = None) -> bytes:
    """A comparison as one document on one line, schema `attn-diff/1`; heads by change."""
    only_a, only_b = unmatched(comparison)
    keys = comparison.keys
    heads = []
    for change in comparison.by_change():
        item = change._asdict()
        item["query"] = list(comparison.matched[change.query])
        item["key"] = list(keys[change.key])
        heads.append(item)
    return _line(
        {
            "schema": DIFF_SCHEMA,
            "tolerance": tolerance,
            "within": comparison.within(tolerance),
            "largest": comparison.largest,
            "n_queries": len(comparison.matched),
            "only_a": {"tokens": only_a, "layers": list(comparison.only_a)},
            "only_b": {"tokens": only_b, "layers": list(comparison.only_b)},
            "heads": heads,
        },
        precision,
    )


def _head(profile: Profile, index: int) -> dict[str, Any]:
    head, pattern = profile.heads[index], profile.patterns[index]
    lift = profile.lift[TARGETS.index(pattern), index] if pattern in TARGETS else None
    return {
        "layer": head.layer,
        "head": head.head,
        "pattern": pattern,
        "letter": profile.letters[index],
        "lift": None if lift is None else float(lift),
        "statistics": {
            name: dict(zip(("mean", "std", "shuffled"), _numbers(profile, row, index), strict=True))
            for row, name in enumerate(STATISTICS)
        },
    }


def _numbers(profile: Profile, row: int, index: int) -> tuple[float, float, float]:
    parts = (profile.mean, profile.std, profile.shuffled)
    mean, std, shuffled = (float(part[row, index]) for part in parts)
    return mean, std, shuffled


def _line(document: dict[str, Any], precision: int | None) -> bytes:
    return json.dumps(_plain(document, precision), allow_nan=False).encode("ascii") + b"\n"


def _plain(value: Any, precision: int | None) -> Any:
    """The same value with null for what is not a number, and rounded if asked for."""
    if isinstance(value, dict):
        return {key: _plain(item, precision) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, precision) for item in value]
    if not isinstance(value, float):
        return value
    if math.isnan(value):
        return None
    return value if precision is None else round(value, precision) + 0.0


def _text(value: float, precision: int | None) -> str:
    plain = _plain(value, precision)
    return "" if plain is None else repr(plain)
