"""The hostile corpus: a share of it here, all of it by `python tests/hostile`; and its laws."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hostile.case import Case
from hostile.corpus import cases, classes
from hostile.laws import Outcome, broken
from hostile.runner import failures

SHARE = 60  # one case of so many, of each class


@pytest.mark.parametrize("name", classes())
def test_a_share_of_each_class_has_no_failure(name: str) -> None:
    own = [*cases((name.removesuffix("_cases") + "/",))]
    assert own, "a class's cases begin with its module's name"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda case: (case.name, failures(case, terminal=False)), own[::SHARE])
    assert {name: complaints for name, complaints in found if complaints} == {}


def outcome(code: int = 0, out: bytes = b"x\n", err: bytes = b"", cpu: float = 0.1) -> Outcome:
    return Outcome(code, out, err, cpu, 50.0)


@pytest.mark.parametrize(
    ("got", "law"),
    [
        (outcome(code=1), "exit 1"),
        (outcome(code=-11), "exit -11"),
        (outcome(out=b""), "nothing on standard output"),
        (outcome(out=b"a\x1b[31mb\n"), r"U\+001B"),
        (outcome(out="a\u202eb\n".encode()), r"U\+202E"),
        (outcome(out=b"a\xff\n"), r"U\+DCFF"),
        (outcome(code=2, out=b"", err=b"Traceback (most recent call last):\n"), "Traceback"),
        (outcome(code=2, out=b"", err=b"attn: a fault: KeyError: 'x'\n"), "KeyError"),
        (outcome(code=2, out=b"", err=b""), "0 lines"),
        (
            outcome(code=2, out=b"", err=b"attn: this is a fault of attn, not yours (in x)\n"),
            "fault",
        ),
        (outcome(code=2, out=b"", err=b"attn: a\nb\nc\n"), "3 lines"),
        (outcome(cpu=60.0), "processor time"),
    ],
)
def test_a_broken_law_is_seen(got: Outcome, law: str) -> None:
    found = broken(Case("x/x", ("inspect", "x")), got)
    assert len(found) >= 1
    assert any(re.search(law, complaint) for complaint in found)


@pytest.mark.parametrize("out", [b"{\n", b'{"a": NaN}\n', '{"a": "é"}\n'.encode()])
def test_json_that_is_none_is_seen(out: bytes) -> None:
    assert broken(Case("x/x", ("inspect", "x", "--json")), outcome(out=out))


def test_a_good_run_breaks_none() -> None:
    assert broken(Case("x/x", ("inspect", "x", "--json")), outcome(out=b'{"a": "\\u00e9"}\n')) == []
