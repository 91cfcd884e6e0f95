"""Rows: what a mistake is, and how one is written down in the tables.

It holds no mistake itself; `drawing` and `steps` do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from attn_cli.checking.attempts import Attempt
from attn_cli.recipes import Recipe


class Mistake(NamedTuple):
    """One way to go wrong. Two of the same step exclude each other."""

    name: str
    step: str
    what: str  # was done, as the student would say it
    fix: str  # what to write; {seed}, {init}, {rows} and {scale} stand for the recipe's own
    change: Callable[[Attempt], Attempt | None]  # None where it cannot be made

    def mend(self, made: Recipe) -> str:
        """The fix, with the recipe's own code in it."""
        rows = "one a word" if made.vocab_size is None else f"{made.vocab_size:_} rows"
        scale = {"scaled": "q @ k.T / d_k**0.5"}.get(made.score, "no scale")
        return self.fix.format(seed=made.seed, init=_CODE[made.init], rows=rows, scale=scale)


_CODE = {
    "rand": "torch.rand",
    "randn": "torch.randn",
    "linear": "nn.Linear(d_in, d_out, bias=False)",
    "none": "no weights",
}


Condition = Callable[[Attempt], bool]


def always(attempt: Attempt) -> bool:
    return True


def by_recipe(when: Condition = always, **choices: Any) -> Callable[[Attempt], Attempt | None]:
    """Change choices of the recipe, where `when` holds."""

    def change(attempt: Attempt) -> Attempt | None:
        if not when(attempt):
            return None
        return replace(attempt, recipe=attempt.recipe._replace(**choices))

    return change


def by_step(when: Condition = always, **fields: Any) -> Callable[[Attempt], Attempt | None]:
    """Change how a step is carried out, where `when` holds."""

    def change(attempt: Attempt) -> Attempt | None:
        return replace(attempt, **fields) if when(attempt) else None

    return change


def weighted(attempt: Attempt) -> bool:
    return attempt.recipe.init != "none"


def drawn_table(attempt: Attempt) -> bool:
    return attempt.draws_table


def own_numbers(attempt: Attempt) -> bool:
    return attempt.draws_table and attempt.numbers_words


def squares(attempt: Attempt) -> bool:
    """Whether queries and keys can change places."""
    made = attempt.recipe
    return attempt.alone and made.n_kv_head == made.heads and made.score != "additive"


def has_mask(attempt: Attempt) -> bool:
    return attempt.mask != "none"


def after_softmax(attempt: Attempt) -> bool:
    return attempt.what in ("weights", "dropped", "context", "output", "joined", "unprojected")


def mixes(attempt: Attempt) -> bool:
    return attempt.what in ("context", "output", "joined", "unprojected")


def many_heads(attempt: Attempt) -> bool:
    return attempt.recipe.heads > 1
