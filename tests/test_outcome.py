"""Outcome: exit codes, complaints of at most two lines, and tracebacks for who asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from attn_cli.commands.outcome import settle, wants_debug
from attn_cli.commands.streams import complain, remark
from attn_cli.errors import DataError, did_you_mean, did_you_mean_file


def raising(error: BaseException) -> Callable[[], int]:
    def action() -> NoReturn:
        raise error

    return action


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `abandon` would point nowhere belongs to the tests' own process."""
    monkeypatch.setattr("attn_cli.commands.outcome.abandon", lambda stream: None)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("a\x1b[1m", "b\nc"), "attn: a\\x1b[1m\nb\\nc\n"),
        (MemoryError(), "attn: there is not enough memory"),
        (OSError(5, "Input/output error", "x\n"), "attn: the system refused: input/output"),
        (ModuleNotFoundError("No module", name="rich"), "attn: `rich` cannot be loaded"),
    ],
)  # fmt: skip
def test_what_a_person_can_mend_is_said(error: Any, said: str, capsys: Any) -> None:
    assert settle(raising(error)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(said) and 1 <= len(err.splitlines()) <= 2
    assert not any(name in err for name in ("Error", "Traceback"))


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError("deep"), AssertionError()])
def test_a_fault_of_ours_is_one_line_that_says_how_to_report_it(error: Any, capsys: Any) -> None:
    assert settle(raising(error)) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err.startswith("attn: ")
    assert "fault of attn" in err and "report" in err and "--debug" in err
    assert type(error).__name__ not in err and "Traceback" not in err


def test_debug_shows_the_traceback_before_and_what_was_behind_it(capsys: Any) -> None:
    def action() -> int:
        try:
            raise OSError(5, "bad\x1b[31mdisk")
        except OSError:
            raise DataError("cannot read it") from None

    assert settle(action, debug=True) == 2
    err = capsys.readouterr().err
    assert err.endswith("\nattn: cannot read it\n")
    assert "Traceback" in err and r"bad\x1b[31mdisk" in err and "in action" in err


@pytest.mark.parametrize(
    ("arguments", "environment", "wanted"),
    [
        (["inspect", "--debug"], "", True),
        (["--debug", "inspect"], "", True),
        (["inspect", "--", "--debug"], "", False),
        (["inspect"], "", False),
        (["inspect"], "0", False),
        (["inspect"], "1", True),
    ],
)
def test_who_asks_for_tracebacks(
    arguments: list[str], environment: str, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTN_DEBUG", environment)
    assert wants_debug(arguments) is wanted


def test_long_messages_are_clipped_in_the_middle(capsys: Any) -> None:
    complain(f"cannot read `{'x' * 5000}`: file name too long", "y" * 5000)
    err = capsys.readouterr().err
    assert len(err) < 1500 and err.count("\n") == 2
    assert err.startswith("attn: cannot read `x") and "…" in err
    assert err.splitlines()[0].endswith("x`: file name too long")


def test_remarks_are_said_once_each_when_all_is_done_and_not_beside_a_complaint(
    capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attn_cli.commands.streams._remarks", {})

    def act(error: DataError | None) -> int:
        for text in ("first", "second", "first"):
            remark(text)
        if error is not None:
            raise error
        return 0

    assert settle(lambda: act(None)) == 0
    assert capsys.readouterr().err == "attn: first\nattn: second\n"
    assert settle(lambda: act(DataError("what", "do"))) == 2
    assert capsys.readouterr().err == "attn: what\ndo\n"


def test_of_very_many_remarks_the_first_are_said(
    capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attn_cli.commands.streams._remarks", {})

    def act(code: int) -> int:
        for number in (*range(60), 3):
            remark(str(number))
        if code:
            raise DataError("what")
        return code

    assert settle(lambda: act(2)) == 2
    assert capsys.readouterr().err == "attn: what\n"
    assert settle(lambda: act(0)) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines == [*(f"attn: {number}" for number in range(50)), "attn: and more of this kind"]


def test_a_name_that_was_begun_is_meant_before_one_that_is_similar() -> None:
    known = ["--recipe", "--precision", "--prefix-of-it"]
    assert did_you_mean("--prec", known) == "Did you mean `--precision`?"
    assert did_you_mean("--", known) == did_you_mean("", known) == ""
    assert did_you_mean("x" * 10_000_000, known) == ""


def test_a_missing_file_is_told_from_a_missing_directory(tmp_path: Any) -> None:
    (tmp_path / "inspection.json").touch()
    near = did_you_mean_file(str(tmp_path / "inspektion.json"))
    assert near == f"Did you mean `{tmp_path / 'inspection.json'}`?"
    assert did_you_mean_file(str(tmp_path / "zzz")) == ""
    assert (
        did_you_mean_file(str(tmp_path / "no" / "x")) == f"There is no directory `{tmp_path}/no`."
    )
    assert did_you_mean_file(str(tmp_path / "no" / "x"), "else") == "else"
