"""Mistakes: what students are known to do otherwise, in the order in which it can be done.

The whole table. It declares; carrying an attempt out is `attempts`' part.
"""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.checking.attempts import Attempt
from attn_cli.checking.drawing import DRAWING
from attn_cli.checking.rows import Mistake
from attn_cli.checking.steps import STEPS

MISTAKES = (*DRAWING, *STEPS)


def mistakes(attempt: Attempt, after: Mistake | None = None) -> Iterator[tuple[Mistake, Attempt]]:
    """Every mistake that can be made in an attempt, and the attempt with it.

    Args:
        after: only those that stand after this one in the table.

    >>> [m.name for m, _ in mistakes(Attempt()) if m.step == "scale"]
    ['no-scale', 'scale-d-model', 'scale-d-k', 'scale-times', 'scale-d-v']
    """
    start = 0 if after is None else MISTAKES.index(after) + 1
    for mistake in MISTAKES[start:]:
        changed = mistake.change(attempt)
        if changed is not None and changed != attempt:
            yield mistake, changed
