"""Streams: readers that leave, full and closed streams, slow, endless and broken input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from conftest import ROOT

from hostile.case import Case, Stdin, Stdout

TEXT = "Life is short, eat dessert first"
LONG = " ".join(f"w{number}" for number in range(250))  # a megabyte of JSON
SAMPLES = ROOT / "sample_inputs"
INSPECTION = str(SAMPLES / "inspection.json")
MODEL = str(SAMPLES / "tiny-llama")
FORMATS = ("table", "json", "jsonl", "csv", "npz", "safetensors", "md", "txt", "svg", "html")

PRINTING: dict[str, tuple[str, ...]] = {
    "version": ("--version",),
    "help": ("--help",),
    "nothing": (),
    "help of a command": ("inspect", "--help"),
    **{f"inspect {name}": ("inspect", TEXT, "--format", name) for name in FORMATS},
    "inspect long json": ("inspect", LONG, "--json"),
    "inspect long table": ("inspect", LONG, "--style", "numbers"),
    "inspect lines": ("inspect", "a b\nc d\n" * 20, "--lines", "--json"),
    "inspect model": ("inspect", TEXT, "--model", MODEL),
    "inspect compared": ("inspect", TEXT, "--compare-with", "linear"),
    "vocab": ("vocab", TEXT),
    "vocab json": ("vocab", TEXT, "--json"),
    "vocab encode": ("vocab", TEXT, "--encode"),
    "explain": ("explain", TEXT, "--query", "is"),
    "explain json": ("explain", TEXT, "--query", "is", "--json"),
    "check": ("check", str(SAMPLES / "student.json")),
    "show": ("show", INSPECTION),
    "heads": ("heads", INSPECTION),
    "heads csv": ("heads", INSPECTION, "--format", "csv"),
    "heads explained": ("heads", "--explain", "all"),
    "diff": ("diff", INSPECTION, INSPECTION),
    "replay": ("replay",),
    "models": ("models", str(SAMPLES)),
    "models json": ("models", str(SAMPLES), "--json"),
    "schema": ("schema",),
}
FEW = ("version", "help", "inspect json", "inspect table", "vocab", "schema", "models json")
REFUSING: tuple[Stdout, ...] = ("reader-leaves", "full", "closed", "read-only")

# Those that read standard input, and a complaint of what is there but not right.
READING: dict[str, tuple[str, ...]] = {
    "inspect": ("inspect", "-"),
    "inspect nothing": ("inspect",),
    "inspect file": ("inspect", "-f", "-", "--json"),
    "inspect lines": ("inspect", "-", "--lines"),
    "inspect vocab": ("inspect", "a", "--vocab", "/dev/stdin"),
    "inspect embeddings": ("inspect", "--embeddings", "/dev/stdin"),
    "inspect model": ("inspect", "-", "--model", MODEL),
    "vocab encode": ("vocab", "-", "--encode"),
    "explain": ("explain", "-", "--query", "0"),
    "show": ("show", "-"),
    "show tokens": ("show", INSPECTION, "--tokens", "/dev/stdin"),
    "heads": ("heads", "-"),
    "check": ("check", "-"),
    "diff": ("diff", "-", INSPECTION),
    "diff other": ("diff", INSPECTION, "-"),
}
SOURCES: dict[str, bytes | Stdin] = {
    "closed": "closed",
    "write-only": "write-only",
    "endless": "endless",
    "brackets": "brackets",
    "zeros": "zeros",
    "empty": b"",
    "binary": bytes(range(256)) * 4,
    "nul": b"\0\0",
    "utf-16": "\ufeffa b".encode("utf-16"),
    "half a character": "a b é".encode()[:-1],
    "line ends": b"\r\n\r\n",
}
GIVEN: dict[str, tuple[tuple[str, ...], bytes]] = {
    "inspect": (("inspect", "-", "--json"), TEXT.encode()),
    "lines": (("inspect", "-", "--lines", "--json"), "é a\n日本\n\nb".encode()),
    "vocab": (("vocab", "-", "--json"), TEXT.encode() * 50),
    "show": (("show", "-", "--json"), Path(INSPECTION).read_bytes()),
    "explain": (("explain", "-", "--query", "0", "--json"), Path(INSPECTION).read_bytes()),
    "heads": (("heads", "-", "--json"), Path(INSPECTION).read_bytes()),
    "diff": (("diff", "-", INSPECTION, "--json"), Path(INSPECTION).read_bytes()),
    "check": (("check", "-", "--json"), (SAMPLES / "student.json").read_bytes()),
}
UNBUFFERED = {"PYTHONUNBUFFERED": "1"}


def cases() -> Iterator[Case]:
    yield from _of_output()
    yield from _of_input()
    yield from _of_closed()
    yield from _of_complaints()


def _of_output() -> Iterator[Case]:
    for (name, args), kind in product(PRINTING.items(), REFUSING):
        if kind in ("closed", "read-only") and name not in FEW:
            continue
        codes = (0, 2) if kind == "reader-leaves" else (2,)
        says = "" if kind == "reader-leaves" else "standard output"
        yield Case(
            f"streams/{kind}/{name}", args, stdout=kind, codes=codes, says=says, in_terminal=False
        )
    for name in ("help", "inspect long json", "inspect long table", "inspect html", "schema"):
        for env in ({}, UNBUFFERED):
            yield Case(
                f"streams/narrow {env.get('PYTHONUNBUFFERED', '')}/{name}",
                PRINTING[name],
                stdout="narrow",
                env=env,
                codes=(0,),
                shows=r"[\n}]\Z",
                in_terminal=False,
            )
    for encoding in ("ascii", "ascii:strict", "utf-8:surrogateescape"):
        for args in (("inspect", "日本 é 👍🏽"), ("inspect", "--help"), ("inspect", "é", "--lyer")):
            yield Case(
                f"streams/encoding {encoding}/{args[-1]}",
                args,
                env={"PYTHONIOENCODING": encoding},
                in_terminal=False,
            )


def _of_input() -> Iterator[Case]:
    for (name, args), (kind, data) in product(READING.items(), SOURCES.items()):
        if isinstance(data, str) or name in ("inspect", "show", "vocab encode", "check"):
            yield Case(f"streams/stdin {kind}/{name}", args, stdin=data, cpu=4, in_terminal=False)
    for (name, (args, data)), how in product(GIVEN.items(), ("slow", "non-blocking")):
        yield Case(
            f"streams/stdin {how}/{name}",
            args,
            stdin=data,
            feed=how,  # type: ignore[arg-type]
            codes=(1,) if name == "check" else (0,),
            shows=r"\A\{.*\}\n\Z" if name != "lines" else r"\A(?s:\{.*\n){3}\Z",
            in_terminal=False,
        )


def _of_closed() -> Iterator[Case]:
    """Every set of closed streams: a file that is opened then must not take their place."""
    for closed in product((False, True), repeat=3):
        stdin, stdout, stderr = ("closed" if is_closed else None for is_closed in closed)
        name = "".join("-" if is_closed else str(n) for n, is_closed in enumerate(closed))
        for to_file in (False, True):
            yield Case(
                f"streams/closed {name}/{'file' if to_file else 'output'}",
                ("inspect", TEXT, "-m", MODEL, *(("-o", "x.json") if to_file else ("--json",))),
                stdin=stdin or b"",  # type: ignore[arg-type]
                stdout=stdout,  # type: ignore[arg-type]
                stderr=stderr,  # type: ignore[arg-type]
                codes=(2,) if stdout and not to_file else (0,),
                makes=("x.json",) if to_file else (),
                check=_is_whole if to_file else None,
                in_terminal=False,
            )
        yield Case(
            f"streams/closed {name}/complaint",
            ("inspect", TEXT, "--vocab", INSPECTION, "--seed", "x"),
            stdin=stdin or b"",  # type: ignore[arg-type]
            stdout=stdout,  # type: ignore[arg-type]
            stderr=stderr,  # type: ignore[arg-type]
            codes=(2,),
            says="" if stderr else "--seed",
            in_terminal=False,
        )


def _is_whole(directory: Path) -> str | None:
    data = (directory / "x.json").read_bytes()
    try:
        return None if json.loads(data)["text"] == TEXT and data.endswith(b"}\n") else "other text"
    except ValueError as error:
        return f"x.json is not whole: {error}"


def _of_complaints() -> Iterator[Case]:
    """What standard error cannot take changes neither the exit code nor standard output."""
    doubtful = ("show", str(SAMPLES / "attentions.npz"), "--axes", "lhqk", "--json")
    for kind in ("closed", "full"):
        for name, args, code in (
            ("typo", ("inspect", "x", "--lyer", "1"), 2),
            ("command", ("inspct",), 2),
            ("missing", ("show", "none.json"), 2),
            ("doubts", doubtful, 0),
            ("done", ("inspect", TEXT), 0),
            ("debug", ("inspect", "", "--debug"), 2),
        ):
            yield Case(
                f"streams/stderr {kind}/{name}",
                args,
                stderr=kind,  # type: ignore[arg-type]
                codes=(code,),
                in_terminal=False,
            )
