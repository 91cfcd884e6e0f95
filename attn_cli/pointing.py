"""Pointing: which token a person means by a word, a place, or both.

It looks at tokens alone, and reads no options.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from attn_cli.errors import UsageError, did_you_mean
from attn_cli.tables import token_labels
from attn_cli.text import label

if TYPE_CHECKING:
    from attn_cli.inspection import Token

_PLACE = re.compile(r"(?s)(?P<word>.*)@(?P<place>-?[0-9]{1,9})")
_NUMBER = re.compile(r"-?[0-9]{1,9}")
_MOST_NAMED = 12  # tokens that a message lists


def token_place(tokens: Sequence[Token], wanted: str, option: str = "") -> int:
    """The place of the token that `wanted` names: a word, a place (from the end if below 0), or
    a word at a place, `the@4`; `@4` is a place and nothing else.

    A number that is itself a word of the text means the word: the place can be written `@4`.

    Args:
        option: which option it was given by, for messages.

    Raises:
        UsageError: there is no such token, or the word comes more than once and no place is given.
    """
    asked = f"{option} {wanted}".strip()
    same = _places(tokens, wanted)
    if len(same) == 1:
        return same[0]
    if same:
        ways = [f"{wanted}@{place}" for place in same]
        raise UsageError(
            f"`{wanted}` comes {len(same)} times, so `{asked}` may mean any of them",
            f"Say which: {_listed(ways)}.",
        )
    match = _PLACE.fullmatch(wanted)
    if match is None and not _NUMBER.fullmatch(wanted):
        raise UsageError(f"`{asked}` names no token: there is no `{wanted}`", _hint(tokens, wanted))
    word, number = (match["word"], match["place"]) if match else ("", wanted)
    place = int(number)
    if not -len(tokens) <= place < len(tokens):
        count = f"{len(tokens)} token{'s' * (len(tokens) != 1)}"
        raise UsageError(f"`{asked}` names no token: there are {count}, numbered from 0")
    place %= len(tokens)
    if word and place not in _places(tokens, word):
        found = label(tokens[place].text)
        raise UsageError(f"`{asked}` names no token: at {place} is `{found}`", _hint(tokens, word))
    return place


def choices(tokens: Sequence[Token]) -> str:
    """The tokens as `token_place` takes them, for a message."""
    return _listed(token_labels(tokens))


def _places(tokens: Sequence[Token], word: str) -> list[int]:
    """Where a word stands, as it is in the text or as a table shows it; else beside spaces."""
    exact = [place for place, token in enumerate(tokens) if word in (token.text, label(token.text))]
    return exact or [place for place, token in enumerate(tokens) if word == token.text.strip(" ")]


def _hint(tokens: Sequence[Token], word: str) -> str:
    labels = token_labels(tokens)
    return did_you_mean(word, reversed(labels), f"Use: {_listed(labels)}.")  # the first of a name


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
