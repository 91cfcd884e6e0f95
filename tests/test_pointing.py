"""Selection: words before places, both together, and what names no token."""

from __future__ import annotations

import pytest

from attn_cli.errors import UsageError
from attn_cli.inspection import Token
from attn_cli.pointing import choices, token_place


def placed(words: str, wanted: str) -> int:
    return token_place([Token(word) for word in words.split("|")], wanted)


def test_words_before_places_and_places_after_an_at() -> None:
    assert placed("7|a|b", "7") == 0 and placed("7|a|b", "1") == 1 and placed("7|a|b", "-1") == 2
    assert placed("a|b|a", "a@2") == placed("a|b|a", "a@-1") == placed("a|b|a", "@2") == 2
    assert placed("a@1|b", "a@1") == 0  # that very word
    assert placed("me@x.org|b", "me@x.org") == 0
    assert placed(" |\n|b", "␣") == 0 and placed(" |\n|b", "\\n") == 1  # as a table shows it
    assert placed("2|2|a", "@2") == 2


@pytest.mark.parametrize(
    ("words", "wanted", "named"),
    [
        ("a|b|a", "a", "a@0, a@2"),
        ("1|1|b", "1", "1@0, 1@1"),
        ("a|b", "a@1", "at 1 is `b`"),
        ("a|b", "c@1", "at 1 is `b`"),
        ("a|b", "2", "2 tokens"),
        ("a|b", "@-3", "2 tokens"),
        ("a|b", "", "there is no ``"),
        ("a|b", "@", "there is no `@`"),
        ("a|b", "9" * 400, "there is no"),
        ("a|b", "٣", "there is no"),
    ],
)
def test_what_means_no_token_is_refused(words: str, wanted: str, named: str) -> None:
    with pytest.raises(UsageError) as refusal:
        placed(words, wanted)
    assert named in f"{refusal.value}"


def test_many_tokens_are_not_all_listed() -> None:
    listed = choices([Token(f"w{i}") for i in range(500)])
    assert listed.startswith("w0, w1, ") and listed.endswith(" and 488 more")
