"""Options: every option of every command, as the commands declare them, with values that hurt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

from conftest import ROOT

from attn_cli.commands.app import COMMANDS, build
from hostile.case import Case

TEXT = "Life is short, eat dessert first"
SAMPLES = ROOT / "sample_inputs"
INSPECTION = str(SAMPLES / "inspection.json")
BASES: dict[str, tuple[str, ...]] = {  # each command with what it needs
    "inspect": ("inspect", TEXT),
    "vocab": ("vocab", TEXT),
    "explain": ("explain", TEXT, "--query", "is"),
    "check": ("check", str(SAMPLES / "student.json")),
    "show": ("show", INSPECTION),
    "heads": ("heads", INSPECTION),
    "diff": ("diff", INSPECTION, INSPECTION),
    "replay": ("replay", "1"),
    "models": ("models", str(SAMPLES)),
    "schema": ("schema",),
}
INTEGERS = ("-1", "0", "1" + "0" * 30, "1e999", "nan", "0x10", "１２", "1_000", " 1", "1.5", "",
            "-", "9" * 5000, "٣", "+1", "2147483648", "--", "1\n", "²")  # fmt: skip
FLOATS = ("nan", "inf", "-inf", "1e999", "1e-999", "-0.0", "0x1p3", "１", "", "-", "1_0", "9" * 400)
TEXTS = ("", "-", "\x1b[31m", "3-1", "0-", "-", ",", "-1", "@", "a" * 5000, "\n", "\u202ex",
         "all,", "1" + "0" * 30, b"\xff", "[/]", "none.json",
          "::", "*", "0,0,0", "+", "&", "99")  # fmt: skip


def cases() -> Iterator[Case]:
    payloads = {"integer": cycle(INTEGERS), "float": cycle(FLOATS), "text": cycle(TEXTS)}
    for name in COMMANDS:
        for number, option in enumerate(options(name)):
            flag = max(option.opts, key=len)
            if option.is_flag:
                yield _case(name, flag, "with a value", (f"{flag}=yes",), codes=(2,), says=flag)
                continue
            yield _case(name, flag, *_odd_form(flag, number))
            kind = {"integer": "integer", "float": "float"}.get(option.type.name, "text")
            given = next(payloads[kind])
            if kind == "text" and option.type.name == "choice":
                yield _case(name, flag, "no choice", (flag, given), codes=(2,), says=flag)
            else:
                yield _case(name, flag, f"{given[:9]!r}", (flag, given))
        yield _case(name, "--debug", "twice", ("--debug", "--debug"), codes=(0, 1))
        yield _case(name, "--lyer", "unknown", ("--lyer", "1"), codes=(2,), says="`--lyer`")
    yield from _of_typos()


def options(name: str) -> list[Any]:
    """Every option that a command declares."""
    found = [p for p in build(name).params if p.param_type_name == "option"]
    return [option for option in found if option.name not in ("help", "debug")]


def _odd_form(flag: str, number: int) -> tuple[str, tuple[str, ...], tuple[int, ...], str]:
    """In turn: no value, an empty one, twice, and an option where the value should be."""
    return (
        ("no value", (flag,), (2,), flag),
        ("empty", (f"{flag}=",), (0, 1, 2), ""),
        ("twice", (flag, "1", flag, "1"), (0, 1, 2), ""),
        ("an option as its value", (flag, "--color"), (0, 1, 2), ""),
    )[number % 4]


def _case(
    command: str,
    flag: str,
    what: str,
    more: Sequence[str | bytes],
    codes: tuple[int, ...] = (0, 1, 2),
    says: str = "",
) -> Case:
    base = BASES[command]
    if command == "explain" and flag == "--query":
        base = base[:2]
    return Case(
        f"options/{command} {flag}/{what}",
        (*base, *more),
        codes=codes,
        says=says,
        cpu=4,
        in_terminal=False,
    )


def _of_typos() -> Iterator[Case]:
    for args, says in (
        (("inspekt", "x"), "Did you mean `attn inspect`"),
        (("INSPECT", "x"), "Did you mean `attn inspect`"),
        (("in", "x"), "Did you mean `attn inspect`"),
        (("inspect", "x", "--prec", "1"), "Did you mean `--precision`"),
        (("inspect", "x", "--format", "JSON"), "Did you mean `json`"),
        (("inspect", "x", "--format", "jsn"), "Did you mean `json`"),
        (("inspect", "x", "--recipe", "articel"), "Did you mean `article`"),
        (("inspect", "x", "--mask", "casual"), "Did you mean `causal`"),
        (("inspect", "x", "--positions", "sinusodial"), "Did you mean `sinusoidal`"),
        (("inspect", "x", "--compare-with", "linaer"), "Did you mean `linear`"),
        (("inspect", "x", "--show", "wieghts"), "Did you mean `weights`"),
        (("inspect", "x", "-o", "x.jsno"), "Did you mean `.json`|Use one of"),
        (("explain", "a b", "--query", "0", "--steps", "sofmax"), "Did you mean `softmax`"),
        (("heads", INSPECTION, "--sort", "entrpy"), "Did you mean `entropy`"),
        (("heads", INSPECTION, "--where", "entrpy > 1"), "Did you mean `entropy`"),
        (("show", INSPECTION.replace("inspection", "inspektion")), "Did you mean `.*inspection"),
        (("inspect", "-f", str(SAMPLES / "sentence.tx")), "Did you mean `.*sentence.txt"),
        (("inspect", "x", "--vocab", str(SAMPLES / "vocabluary.json")), "vocabulary.json`"),
        (("inspect", "x", "--model", str(SAMPLES / "tiny-lama")), "tiny-llama"),
        (("check", str(SAMPLES / "studnet.json")), "student.json"),
        (("replay", "A omga_2"), "omega_2|attn replay"),
    ):
        yield Case(
            f"options/typo/{' '.join(args)[-30:]}", args, codes=(2,), says=says, in_terminal=False
        )
