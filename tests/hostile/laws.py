"""Laws: what must hold of every run, however hostile; each broken one is a sentence.

It runs nothing.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, NamedTuple

from hostile.case import Case

EXCEPTION = re.compile(r"Traceback|\b[A-Z]\w*(?:Error|Exception|Warning)\b|<class '|panicked at")
STYLES = re.compile("\x1b\\[[0-9;:]*m")
# Two of the format characters stay, inside emoji.
JOINER = re.compile(
    "(?<=[\u2190-\u2bff\U0001f000-\U0001faff\ufe0f])[\u200c\u200d](?=[\u2190-\U0001faff])"
)
LONGEST = 2000  # characters of a complaint: a screen


class Outcome(NamedTuple):
    """What a run left; None for a stream that could not be read."""

    code: int  # negative: the signal that ended it
    out: bytes | None
    err: bytes | None
    cpu: float
    memory: float  # MiB


def broken(case: Case, got: Outcome, *, terminal: bool = False) -> list[str]:
    """The laws that a run broke. In a terminal both streams arrive as one, in `out`."""
    found = list(_of_the_end(case, got))
    for name, data in (("standard output", got.out), ("standard error", got.err)):
        if data is not None:
            found += _of_ours(data)
            found += _of_a_stream(
                name, _decoded(case, data), styled=not _is_plain(case, terminal=terminal)
            )
    if not terminal:
        found += _of_messages(case, got)
        if got.out is not None and got.code == 0 and {"--json", "json"} & {*case.args}:
            found += _of_json(got.out)
        if (
            case.shows
            and got.out is not None
            and not re.search(case.shows, _decoded(case, got.out))
        ):
            found.append(f"standard output does not match {case.shows!r}")
    elif got.code == 0 and not got.out and not case.makes and not case.changes:
        found.append("exit 0 with nothing shown")
    return found


def text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _of_the_end(case: Case, got: Outcome) -> list[str]:
    found = []
    if got.code not in case.codes:
        found.append(f"exit {got.code}, which is none of {case.codes}")
    if got.cpu > case.cpu:
        found.append(f"{got.cpu:.1f} s of processor time, more than {case.cpu}")
    if got.memory > case.memory:
        found.append(f"{got.memory:.0f} MiB, more than {case.memory}")
    return found


def _is_plain(case: Case, *, terminal: bool) -> bool:
    """Whether not even styles are allowed: https://no-color.org, dumb terminals, plain pipes."""
    if "--color" in case.args:
        return "never" in case.args
    if case.env.get("NO_COLOR") or case.env.get("FORCE_COLOR") == "0":
        return True
    if case.env.get("FORCE_COLOR"):
        return False
    return not terminal or case.env.get("TERM") in ("", "dumb", "unknown")


def _decoded(case: Case, data: bytes) -> str:
    encoding = case.env.get("PYTHONIOENCODING", "").partition(":")[0] or "utf-8"
    if {"--json", "json"} & {*case.args}:  # which is ASCII whatever a terminal's encoding
        encoding = "utf-8"
    return data.decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")


def _of_ours(data: bytes) -> list[str]:
    """A fault of the program's own, however well it is told."""
    told = re.search(r"a fault of attn[^)]*\)", text(data))
    return [told[0]] if told else []


def _of_a_stream(name: str, shown: str, *, styled: bool) -> list[str]:
    shown = shown.replace("\r\n", "\n")
    if styled:
        shown = STYLES.sub("", shown)
    return [f"{name} carries {found}"] if (found := loose(shown)) else []


def loose(shown: str) -> str:
    """Those of a text that a terminal or an editor would obey or hide, by their numbers."""
    found = sorted({c for c in JOINER.sub("", shown) if not _is_harmless(c)})
    return " ".join(f"U+{ord(c):04X}" for c in found[:5])


def _is_harmless(character: str) -> bool:
    forbidden = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    return character == "\n" or unicodedata.category(character) not in forbidden


def _of_messages(case: Case, got: Outcome) -> list[str]:
    found = []
    if (
        got.code == 0
        and got.out is not None
        and not got.out
        and not case.makes
        and not case.changes
    ):
        found.append("exit 0 with nothing on standard output")
    if got.err is None:
        return found
    said = _decoded(case, got.err)
    given = " ".join(a if isinstance(a, str) else text(a) for a in case.args)
    if (raw := EXCEPTION.search(said)) and raw[0] not in given:
        found.append(f"standard error has {raw[0]!r}")
    if got.code == 2 and case.stderr is None:
        lines = said.splitlines()
        if case.stdout == "reader-leaves" and not said:
            return found  # it has what it wanted: nothing is wrong that a person need hear of
        if not 1 <= len(lines) <= 2 or len(said) > LONGEST or not said.startswith("attn"):
            found.append(f"the complaint has {len(lines)} lines, {len(said)} characters")
    if case.says and not re.search(case.says, said):
        found.append(f"standard error does not match {case.says!r}")
    return found


def _of_json(out: bytes) -> list[str]:
    def refuse(value: str) -> Any:
        raise ValueError(value)

    for line in out.splitlines():
        try:
            json.loads(line.decode("ascii"), parse_constant=refuse)
        except ValueError as error:
            return [f"a line is no ASCII JSON: {error}"]
    return []
