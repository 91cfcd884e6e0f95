"""Where: conditions on heads such as `induction > 0.5 and layer >= 3`, read and never evaluated.

A small grammar of its own: no part of a condition reaches Python's compiler.

    condition  = all-of { "or" all-of }
    all-of     = one { "and" one }
    one        = "not" one | "(" condition ")" | comparison
    comparison = name operator number | "pattern" ( "=" | "!=" ) name
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.errors import UsageError, did_you_mean
from attn_cli.profile import LETTERS, Profile
from attn_cli.statistics import STATISTICS

if TYPE_CHECKING:
    from attn_cli.types import Booleans

_LONGEST, _DEEPEST = 1000, 20
_EXAMPLE = "Write for instance: induction > 0.5 and layer >= 3."
_TOKEN = re.compile(r"\s*([<>]=?|[=!]?=|[()]|[^\s<>=!()]+)")
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}
NAMES = (*STATISTICS, "layer", "head", "pattern")


def matching(profile: Profile, condition: str) -> Booleans:
    """(n_head,): which heads a condition holds for. What a head has no number for never holds.

    Raises:
        UsageError: the condition is not one, or names what there is not; the message says where.
    """
    if len(condition) > _LONGEST:
        raise UsageError(f"--where has more than {_LONGEST} characters", _EXAMPLE)
    return _Reader(profile, condition).read()


class _Reader:
    """Reads from left to right, one token ahead; every method returns the heads that match."""

    def __init__(self, profile: Profile, condition: str) -> None:
        self.profile, self.condition = profile, condition
        self.tokens: list[str] = []
        self.depth = 0
        place = 0
        while place < len(condition.rstrip()):
            match = _TOKEN.match(condition, place)
            if match is None:
                raise self._error(f"`{condition[place:].strip()[:20]}` is no part of a condition")
            self.tokens.append(match[1])
            place = match.end()

    def read(self) -> Booleans:
        found = self._any_of()
        if self.tokens:
            raise self._error(
                f"`{self.tokens[0]}` was not expected after a whole condition",
                did_you_mean(self.tokens[0], ("and", "or")),
            )
        return found

    def _any_of(self) -> Booleans:
        found = self._all_of()
        while self._taken("or"):
            found = found | self._all_of()
        return found

    def _all_of(self) -> Booleans:
        found = self._one()
        while self._taken("and"):
            found = found & self._one()
        return found

    def _one(self) -> Booleans:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._error(f"it is nested deeper than {_DEEPEST} levels")
        if self._taken("not"):
            found = ~self._one()
        elif self._taken("("):
            found = self._any_of()
            if not self._taken(")"):
                raise self._error("a `(` is not closed")
        else:
            found = self._comparison()
        self.depth -= 1
        return found

    def _comparison(self) -> Booleans:
        name, symbol = self._next("a name"), self._next("a comparison")
        if name not in NAMES:
            raise self._error(f"there is no `{name}`", _meant(name, NAMES))
        if symbol not in _OPERATORS:
            raise self._error(f"after `{name}` a comparison was expected, not: {symbol}")
        text, compare = self._next("a value"), _OPERATORS[symbol]
        if name == "pattern":
            if text not in LETTERS:
                raise self._error(f"there is no pattern `{text}`", _meant(text, LETTERS))
            if compare not in (operator.eq, operator.ne):
                raise self._error("a pattern is equal or not, neither more nor less")
            return np.array([compare(found, text) for found in self.profile.patterns])
        values = self._values(name)
        with np.errstate(invalid="ignore"):
            held: Booleans = compare(values, self._number(text)) & ~np.isnan(values)
        return held

    def _values(self, name: str) -> Any:
        if name in STATISTICS:
            return self.profile.values(name)
        return np.array([getattr(head, name) for head in self.profile.heads], dtype=np.float64)

    def _number(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if math.isnan(number):
            raise self._error(f"a number was expected, not: {text}")
        return number

    def _taken(self, token: str) -> bool:
        if self.tokens and self.tokens[0] == token:
            del self.tokens[0]
            return True
        return False

    def _next(self, wanted: str) -> str:
        if not self.tokens:
            raise self._error(f"it ends where {wanted} was expected")
        return self.tokens.pop(0)

    def _error(self, what: str, hint: str = "") -> UsageError:
        return UsageError(
            f"--where `{self.condition[:60]}`: {what}",
            hint or _EXAMPLE,
        )


def _meant(given: str, known: Iterable[str]) -> str:
    return did_you_mean(given, known, f"Use: {', '.join(known)}.")
