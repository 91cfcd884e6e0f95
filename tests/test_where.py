"""Conditions on heads: what they mean, and that nothing but a condition is taken for one."""

from __future__ import annotations

import pytest
from heads import PATTERNS, REPEATED, inspection, known
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_cli.errors import UsageError
from attn_cli.profile import profile
from attn_cli.where import matching

LONG = REPEATED * 3
HEADS = [known(pattern, LONG) for pattern in PATTERNS]  # P F S U D I
MEASURED = profile(inspection([HEADS[:3], HEADS[3:]], LONG))


@pytest.mark.parametrize(
    ("condition", "letters"),
    [
        ("induction>0.5", "I"),
        ("induction > .5 or previous >= 1", "PI"),
        ("previous = 1", "P"),
        ("previous != 1", "FSUDI"),
        ("layer = 1 and entropy < 1e-3", "DI"),
        ("not layer = 1", "PFS"),
        ("layer==0 and head<=1 or head>=2 and layer>0", "PFI"),  # `and` before `or`
        ("layer==0 and (head<=1 or head>=2) and layer>0", ""),
        ("not (first > 0.5 or self > 0.5) and layer < 1", "P"),
        ("pattern = uniform", "U"),
        ("pattern != uniform and layer = 1", "DI"),
        ("next >= 0", ""),  # causal heads have none, which is not 0
        ("next != 5", ""),
        ("not next >= 0", "PFSUDI"),
        ("distance > -1", "PFSUDI"),
    ],
)
def test_a_condition_holds_where_it_says(condition: str, letters: str) -> None:
    held = matching(MEASURED, condition)
    assert "".join(x for x, yes in zip(MEASURED.letters, held, strict=True) if yes) == letters


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [
        ("", "ends where a name"),
        ("inducton > 1", "there is no `inducton`"),
        ("induction", "ends where a comparison"),
        ("induction >", "ends where a value"),
        ("induction 0.5", "a comparison was expected"),
        ("induction > x", "a number was expected"),
        ("induction > nan", "a number was expected"),
        ("induction > 0.5 and", "ends where a name"),
        ("induction > 0.5 self > 1", "was not expected"),
        ("(induction > 0.5", "not closed"),
        ("induction > 0.5)", "was not expected"),
        ("pattern > first", "equal or not"),
        ("pattern = frist", "no pattern `frist`"),
        ("__import__('os').system('x')", "there is no `__import__`"),
        ("first > 1 # x", "was not expected"),
        ("(" * 30 + "first>1" + ")" * 30, "nested deeper"),
        ("not " * 30 + "first>1", "nested deeper"),
        ("first>1 or " * 200, "more than 1000 characters"),
        ("! first", "no part of a condition"),
    ],
)
def test_what_is_no_condition_is_refused_by_name(condition: str, complaint: str) -> None:
    with pytest.raises(UsageError) as raised:
        matching(MEASURED, condition)
    assert complaint in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize(
    ("condition", "meant"),
    [("SELF > 0", "self"), ("self > 0 nad layer > 1", "and"), ("pattern = Frist", "first")],
)
def test_what_is_nearly_right_is_meant(condition: str, meant: str) -> None:
    with pytest.raises(UsageError) as raised:
        matching(MEASURED, condition)
    assert raised.value.hint == f"Did you mean `{meant}`?"


@given(st.text(alphabet="()<>=! .05andortfirself", max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_condition_or_refused(condition: str) -> None:
    try:
        held = matching(MEASURED, condition)
    except UsageError:
        return
    assert held.shape == (6,) and held.dtype == bool
