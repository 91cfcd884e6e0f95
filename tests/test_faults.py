"""Faults at every point, in turn: a call of the system that fails, no memory, a signal.

As SQLite tests itself: the first chance, the second, and so on until a run has no more of them.
"""

from __future__ import annotations

import errno
import json
import re
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from forking import Forks

TEXT = "Life is short, eat dessert first"
SAMPLES = ROOT / "sample_inputs"
INSPECTION = str(SAMPLES / "inspection.json")
WRITING: dict[str, tuple[str, ...]] = {
    "x.json": ("inspect", TEXT, "-o", "x.json"),
    "x.npz": ("inspect", TEXT, "-o", "x.npz"),
    "x.svg": ("inspect", TEXT, "-o", "x.svg"),
    "x.txt": ("explain", TEXT, "--query", "is", "-o", "x.txt"),
    "v.json": ("vocab", str(SAMPLES / "prose.txt"), "-o", "v.json"),
    "x.csv": ("heads", INSPECTION, "-o", "x.csv"),
    "d.json": ("diff", INSPECTION, INSPECTION, "-o", "d.json"),
}
PRINTING: dict[str, tuple[str, ...]] = {
    "inspect": ("inspect", TEXT),
    "json": ("inspect", TEXT, "--json"),
    "model": ("inspect", TEXT, "--model", str(SAMPLES / "tiny-llama"), "--json"),
    "show": ("show", INSPECTION),
    "foreign": ("show", str(SAMPLES / "attentions.npz"), "--axes", "lhqk"),
    "vocab": ("vocab", str(SAMPLES / "prose.txt"), "--vocab", str(SAMPLES / "vocabulary.json"),
              "--encode", "--unk", "is"),
    "check": ("check", str(SAMPLES / "student.json"), "--json"),
    "heads": ("heads", INSPECTION, "--json"),
    "models": ("models", str(SAMPLES), "--json"),
    "help": ("diff", "--help"),
}  # fmt: skip
OLD = b"what was there"
MOST = 8  # runs of one command with one kind of fault; of more chances some are left out
NEVER = 1 << 40
Sound = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as forks:
        yield forks


@pytest.fixture(scope="module")
def sound(forks: Forks) -> Sound:
    """Every command with nothing wrong, and how many chances it has for either kind of fault."""
    jobs = [
        {"args": args, "cwd": str(ROOT), "fault": fault}
        for args in PRINTING.values()
        for fault in (["refuse", NEVER, 5], ["memory", NEVER])
    ]
    found = forks.run(jobs)
    pairs = zip(found[::2], found[1::2], strict=True)
    return {
        name: calls | {"functions": functions["chances"]}
        for name, (calls, functions) in zip(PRINTING, pairs, strict=True)
    }


def is_a_complaint(got: dict[str, Any]) -> bool:
    """Exit code 2, one or two plain lines, and nothing of what Python would say."""
    lines = got["err"].splitlines()
    return (
        got["code"] == 2
        and 1 <= len(lines) <= 2
        and lines[0].startswith("attn: ")
        and not re.search(r"Traceback|Error\b|fault of attn|None", got["err"])
    )


@pytest.mark.parametrize("name", PRINTING)
def test_what_is_printed_is_whole_or_the_exit_code_says_so(
    name: str, forks: Forks, sound: Sound
) -> None:
    whole = sound[name]
    kinds: list[tuple[int, list[Any]]] = [
        (whole["chances"], ["refuse", errno.EIO]),
        (whole["chances"], ["refuse on", errno.EIO]),
        (whole["functions"], ["memory"]),
    ]
    jobs = [
        {"args": PRINTING[name], "cwd": str(ROOT), "fault": [kind, at, *rest]}
        for chances, (kind, *rest) in kinds
        for at in spread(chances)
    ]
    for job, got in zip(jobs, forks.run(jobs), strict=True):
        fault = job["fault"]
        if got["code"] == whole["code"]:  # it could do without
            assert got["out"] == whole["out"] or name == "models", (fault, got)
        else:
            assert is_a_complaint(got), (fault, got)
            assert whole["out"].startswith(got["out"]), (fault, got)


def test_short_writes_lose_nothing(forks: Forks, sound: Sound) -> None:
    for name, args in PRINTING.items():
        job = {"args": args, "cwd": str(ROOT), "fault": ["refuse", NEVER, errno.EINTR]}
        (got,) = forks.run([job])
        assert got["out"] == sound[name]["out"], name


@pytest.mark.parametrize(("name", "existing"), [*zip(WRITING, [True, False] * 4, strict=False)])
def test_a_file_is_whole_or_as_it_was(
    name: str, existing: bool, tmp_path: Path, forks: Forks
) -> None:
    homes = [tmp_path / f"sound{number}" for number in range(2)]
    faults = (["refuse", NEVER, 5], ["memory", NEVER])
    first, second = forks.run(writing(name, existing, homes, faults))
    whole = (homes[0] / name).read_bytes()
    assert first["code"] == 0 and len(whole) > len(OLD)
    faults = [
        *(["refuse", at, errno.ENOSPC] for at in spread(first["chances"])),
        *(["refuse on", at, errno.ENOSPC] for at in spread(first["chances"])),
        *(["memory", at] for at in spread(second["chances"])),
        *(["signal", at, signal.SIGINT] for at in spread(second["chances"])),
        *(["signal", at, signal.SIGTERM] for at in spread(second["chances"])),
    ]
    homes = [tmp_path / str(number) for number in range(len(faults))]
    jobs = writing(name, existing, homes, faults)
    for fault, home, got in zip(faults, homes, forks.run(jobs), strict=True):
        found = {path.name: path.read_bytes() for path in home.iterdir()}
        if got["code"] == 0:
            assert found == {name: whole}, (fault, got)
            continue
        assert found in ({name: OLD} if existing else {}, {name: whole}), (fault, found.keys())
        if fault[0] == "signal":
            assert (got["code"], got["err"]) == (128 + fault[2], ""), (fault, got)
        else:
            assert is_a_complaint(got), (fault, got)


def writing(
    name: str, existing: bool, homes: Sequence[Path], faults: Sequence[Sequence[Any]]
) -> list[dict[str, Any]]:
    """A job for each fault, each in a directory of its own."""
    for home in homes:
        home.mkdir()
        if existing:
            (home / name).write_bytes(OLD)
    return [
        {"args": WRITING[name], "cwd": str(home), "fault": fault, "named": existing}
        for home, fault in zip(homes, faults, strict=True)
    ]


def spread(chances: int) -> list[int]:
    """Which chances to take: all, or of many the same share of each part, and the last ones."""
    assert chances > 3, "a command without a chance to fail shows nothing"
    step = max(1, -(-chances // MOST))
    return sorted({*range(1, chances + 1, step), *range(max(chances - 3, 1), chances + 1)})


@pytest.mark.parametrize("name", PRINTING)
def test_a_signal_at_any_moment_ends_it_quietly(name: str, forks: Forks, sound: Sound) -> None:
    whole = sound[name]
    jobs = [
        {"args": PRINTING[name], "cwd": str(ROOT), "fault": ["signal", at, number]}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for at in spread(whole["functions"])[number % 3 :: 3]
    ]
    for job, got in zip(jobs, forks.run(jobs), strict=True):
        assert got["err"] == "", (job, got)
        assert whole["out"].startswith(got["out"])
        done = got["code"] == whole["code"] and got["out"] == whole["out"]
        assert done or got["code"] == 128 + job["fault"][2], (job, got)


def test_the_faults_happen(forks: Forks, sound: Sound) -> None:
    """The guard of this module: each kind does what it is said to."""
    args = PRINTING["json"]
    faults = (["refuse on", 3, errno.EIO], ["memory", 100], ["signal", 100, signal.SIGINT])
    jobs = [{"args": args, "cwd": str(ROOT), "fault": fault} for fault in faults]
    refused, memory, interrupted = forks.run(jobs)
    assert json.loads(sound["json"]["out"])["text"] == TEXT
    assert refused["code"] == 2 and "input/output" in refused["err"], refused
    assert memory["code"] == 2 and "not enough memory" in memory["err"], memory
    assert interrupted["code"] == 130
