"""Foreign: tensors that another program saved become Inspections, with what had to be guessed and
what is doubtful about them said.

`tensors` opens containers, `names` and `axes` say what is what, `rows` judges the numbers, `tokens`
finds the words, `layouts` puts it together. Nothing of what attn itself wrote comes here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection

Rows = Literal["softmax", "normalize"]


class Hints(NamedTuple):
    """What a person says about a file that the file does not say itself."""

    axes: str | None = None  # a letter for each axis: b l h q k d
    tokens: tuple[str, ...] | None = None
    batch: int | None = None  # which of several texts
    causal: bool = False  # no query looks at a later key
    rows: Rows | None = None  # make weights of rows that are none


class Reading(NamedTuple):
    """An Inspection, and what a person should know about how it was read."""

    inspection: Inspection
    notes: tuple[str, ...] = ()  # what was guessed
    doubts: tuple[str, ...] = ()  # what may be wrong; also in `inspection.source.settings`
