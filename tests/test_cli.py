"""The command line as people meet it: exit codes, both streams apart, bad input, signals, pipes."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from conftest import (
    PATIENCE,
    ROOT,
    Ran,
    environment,
    run,
    run_in_terminal,
    shell,
    started,
    together,
)

from attn_cli import __version__
from attn_cli.commands.app import COMMANDS, build

SENTENCE = "Life is short, eat dessert first"


def complained(ran: Ran, *named: str) -> None:
    """A refusal: exit code 2, nothing on stdout, one or two plain lines that name the trouble."""
    assert (ran.code, ran.out) == (2, b""), ran
    lines = ran.err.splitlines()
    assert 1 <= len(lines) <= 2 and lines[0].startswith("attn: "), ran.err
    assert ran.err.endswith("\n") and ran.err.replace("\n", "").isprintable()
    assert "Traceback" not in ran.err and "fault of attn" not in ran.err, ran.err
    for word in named:
        assert word in ran.err, (word, ran.err)


def wait_until_read(stdin: Any) -> None:
    """Wait until the process has taken everything out of its standard input's pipe."""
    import fcntl
    import termios

    end = time.monotonic() + PATIENCE
    while any(fcntl.ioctl(stdin, termios.FIONREAD, bytes(4))):
        assert time.monotonic() < end, "the command does not read its standard input"
        time.sleep(0.01)


# Done


def test_success_is_0_with_stdout_alone() -> None:
    calls = [
        ("--version",),
        ("-V",),
        ("--help",),
        (),
        *((name, "--help") for name in COMMANDS),
        ("replay", "A omega_2"),
        ("inspect", SENTENCE),
        ("inspect", SENTENCE, "--json"),
        ("vocab", SENTENCE),
        ("schema",),
        ("show", "sample_inputs/inspection.json"),
    ]
    for args, ran in zip(calls, together([partial(run, *c) for c in calls]), strict=True):
        assert (ran.code, ran.err) == (0, ""), args
        assert ran.out, args
    assert run("--version").out == run("-V").out == f"attn {__version__}\n".encode()
    assert run("--help").text.strip() == run().text.strip()


def test_python_m_is_the_same_command() -> None:
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "attn_cli", "inspect", SENTENCE],
        capture_output=True,
        env=environment(),
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (0, run("inspect", SENTENCE).out)


def test_text_file_dash_and_pipe_give_the_same_bytes(tmp_path: Path) -> None:
    text = "naïve 日本\nsecond line, 👍🏽 don't"
    file = tmp_path / "in.txt"
    file.write_bytes(text.encode() + b"\n")
    for more in ([], ["--json"]):
        ran = together(
            [
                partial(run, "inspect", text, *more),
                partial(run, "inspect", "-f", str(file), *more),
                partial(run, "inspect", "--file", str(file), *more),
                partial(run, "inspect", "-", *more, stdin=text.encode()),
                partial(run, "inspect", *more, stdin=text.encode() + b"\n"),
                partial(run, "inspect", "-f", "-", *more, stdin=text.encode() + b"\r\n"),
            ]
        )
        assert {one.code for one in ran} == {0} and {one.err for one in ran} == {""}
        assert len({one.out for one in ran}) == 1


def test_show_draws_the_same_from_json(tmp_path: Path) -> None:
    text = "naïve 日本 [bold] don't"
    document = run("inspect", text, "--json")
    files = [str(tmp_path / f"x.{suffix}") for suffix in ("json", "jsonl", "npz")]
    for made in together([partial(run, "inspect", text, "-o", file) for file in files]):
        assert made == Ran(0, b"", "")
    for more in ([], ["--show", "all"]):
        calls = [partial(run, "inspect", text, *more)]
        calls += [partial(run, "show", "-", *more, stdin=document.out)]
        calls += [partial(run, "show", file, *more) for file in files]
        direct, *others = together(calls)
        assert (direct.code, direct.err) == (0, "") and direct.out
        assert [shown == direct for shown in others] == [True] * 4
    assert run("show", "-", "--json", stdin=document.out).out == document.out


def test_show_draws_the_same_whatever_the_mechanism() -> None:
    cases = (
        ("a b", "--cross", "é c d", "--positions", "learned"),
        ("a b c", "--heads", "4", "--kv-heads", "2", "--mask", "causal&hide:0", "--dropout", ".5"),
        ("a b", "--init", "linear", "--out-proj", "--heads", "2", "--positions", "rope"),
        ("a b", "--score", "additive", "--softcap", "2"),
        ("--recipe", "book", "--init", "none", "--normalize", "sum"),
        ("--embeddings", "sample_inputs/journey.json", "--cross-rand", "3"),
    )
    all_parts = ("--show", "all")
    documents = together([partial(run, "inspect", *args, "--json") for args in cases])
    direct = together([partial(run, "inspect", *args, *all_parts) for args in cases])
    shown = together([partial(run, "show", "-", *all_parts, stdin=one.out) for one in documents])
    for args, first, second in zip(cases, direct, shown, strict=True):
        assert (first.code, first.err) == (0, "") and first.out, args
        assert second == first, args
        assert not re.search(r"\bnan\b|\binf\b", first.text), args


def test_a_cross_text_is_utf_8_in_a_poor_locale() -> None:
    poor = {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    usual, by_argument = together(
        [partial(run, "inspect", "a", "--cross", "日本", "--json", env=e) for e in ({}, poor)]
    )
    assert usual.code == 0 and by_argument == usual


def test_a_comparison_shows_exact_approximation_and_difference() -> None:
    ways = ("linear", "performer:16", "lowrank:2", "local:1+global:0")
    calls = [partial(run, "inspect", SENTENCE, "--compare-with", way) for way in ways]
    calls += [partial(run, *call.args, "--json") for call in calls]
    done = together(calls)
    for way, drawn, plain in zip(ways, done[:4], done[4:], strict=True):
        assert (drawn.code, drawn.err, plain.code, plain.err) == (0, "", 0, "")
        for title in ("weights, exact", f"weights, {way}", "weights, difference"):
            assert title in drawn.text
        assert "largest difference" in drawn.text
        assert max(map(len, drawn.text.splitlines())) <= 80
        document = json.loads(plain.out)
        assert (document["schema"], document["way"]) == ("attn-approximation/1", way)
        for name in ("weights", "context"):
            parts = document["layers"][0][name]
            largest = 0.0
            for head in range(1):
                for row in range(6):
                    for exact, other, apart in zip(
                        *(parts[k][head][row] for k in ("exact", "approximation", "difference")),
                        strict=True,
                    ):
                        assert abs(other - exact - apart) < 1e-6
                        largest = max(largest, abs(apart))
            assert largest > 0
    lines = run("inspect", "a b\nc d", "--lines", "--compare-with", "linear", "--json")
    assert [json.loads(line)["text"] for line in lines.out.splitlines()] == ["a b", "c d"]


def test_the_name_of_a_long_mask_is_broken_for_the_screen() -> None:
    way = "&".join(["window:2"] * 40)
    drawn = run("inspect", SENTENCE, "--compare-with", way)
    assert max(map(len, drawn.text.splitlines())) <= 80
    assert f"weights,{way}6×6" in re.sub(r"\s", "", drawn.text)


def test_help_names_the_papers() -> None:
    shown = " ".join(re.sub("[│\n]", " ", page("inspect")).split())
    for paper in ("Vaswani et al. 2017", "Ainslie et al. 2023", "Shazeer 2019", "Jiang et al. 2023",
                  "Beltagy et al. 2020", "Raffel et al. 2020", "Child et al. 2019",
                  "Zaheer et al. 2020", "Gehring et al. 2017", "Su et al. 2021",
                  "Press et al. 2022", "Luong et al. 2015", "Bahdanau et al. 2015",
                  "Gemma Team 2024", "Srivastava et al. 2014", "Katharopoulos et al. 2020",
                  "Choromanski et al. 2021", "Wang et al. 2020"):  # fmt: skip
        assert paper in shown, paper


def test_help_names_every_choice_there_is() -> None:
    from attn_cli.masks import PATTERNS
    from attn_cli.tables import SHOWABLE

    shown = page("inspect")
    assert [name for name in (*PATTERNS, *SHOWABLE) if not re.search(rf"\b{name}\b", shown)] == []


def test_c_locale_reads_utf_8_all_the_same() -> None:
    usual = run("inspect", "naïve 日本", "--json")
    poor = {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    by_pipe, by_argument, vocab = together(
        [
            partial(run, "inspect", "-", "--json", stdin="naïve 日本".encode(), env=poor),
            partial(run, "inspect", "naïve 日本", "--json", env=poor),
            partial(run, "vocab", "naïve 日本", "--json", env=poor),
        ]
    )
    assert by_pipe == usual
    assert json.loads(vocab.out or b"{}").get("vocabulary") == {"naïve": 0, "日本": 1}, vocab.err
    assert by_argument == usual


def test_output_survives_poor_encodings() -> None:
    for ran in together(
        [
            partial(run, *args, env={"PYTHONIOENCODING": encoding})
            for encoding in ("ascii", "cp1252")
            for args in (("inspect", "naïve 日本"), ("--help",))
        ]
    ):
        assert (ran.code, ran.err) == (0, "")
    usual = run("inspect", "日本", "--json")
    assert run("inspect", "日本", "--json", env={"PYTHONIOENCODING": "ascii"}) == usual


# The help


@cache
def page(name: str) -> str:
    """A help page, wide enough that nothing in it is wrapped."""
    return run(*filter(None, [name]), "--help", env={"COLUMNS": "300"}).text


def parameters(name: str) -> list[Any]:
    command = build(name)
    return [p for p in command.params if p.name != "help"]


@pytest.mark.parametrize("name", COMMANDS)
def test_no_flag_is_declared_twice_and_each_has_help(name: str) -> None:
    flags: list[str] = []
    for parameter in parameters(name):
        assert (getattr(parameter, "help", "") or "").strip(), parameter.name
        if parameter.param_type_name == "option":
            flags += [*parameter.opts, *parameter.secondary_opts]
    assert len(set(flags)) == len(flags)
    assert build(name).help
    shown = page(name)
    assert [flag for flag in flags if not re.search(rf"{re.escape(flag)}\b", shown)] == []


def test_a_short_flag_means_the_same_everywhere() -> None:
    meaning: dict[str, set[str]] = {}
    for name in COMMANDS:
        for parameter in parameters(name):
            short = [o for o in parameter.opts if o.startswith("-") and not o.startswith("--")]
            long = next((o for o in parameter.opts if o.startswith("--")), "")
            for flag in short:
                meaning.setdefault(flag, set()).add(long)
    assert {flag: names for flag, names in meaning.items() if len(names) > 1} == {}
    assert meaning["-o"] == {"--out"} and meaning["-f"] == {"--file"}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_mentions_only_options_that_exist(name: str) -> None:
    shown = page(name).partition("Example")[0]
    flags = {o for p in parameters(name) for o in p.opts} | {"--help"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", shown)) <= flags


def examples(name: str) -> list[str]:
    """The command lines at the end of a help page, as it prints them."""
    shown = page(name)
    lines = [line.strip().removeprefix("Begin with:").strip() for line in shown.splitlines()]
    first = "Begin with:" if not name else "Example"
    after = shown.splitlines().index(next(x for x in shown.splitlines() if first in x))
    return [line for line in lines[after:] if re.match(r"(attn|echo) ", line)]


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_every_example_in_the_help_runs(name: str) -> None:
    lines = examples(name)
    assert lines, "a help page without an example"
    if name:  # printed as they were typed
        epilog = str(import_module(f"attn_cli.commands.{name}").EPILOG)
        assert lines == [x for x in epilog.splitlines() if x and not x.startswith("Example")]
    for line, ran in zip(lines, together([partial(shell, x) for x in lines]), strict=True):
        answers = (0, 1) if name == "check" else (0,)  # to what differs, the answer is no
        assert ran.code in answers and ran.err == "", line
        assert ran.out, line


def test_every_command_is_listed_with_what_it_does() -> None:
    shown = page("")
    for name in COMMANDS:
        assert re.search(rf"\b{name} +[A-Z]\w+ ", shown), name


def test_debug_is_known_everywhere_and_shows_the_traceback() -> None:
    assert [name for name in ("", *COMMANDS) if "--debug" not in page(name)] == []
    ways = (("--debug", "inspect", ""), ("inspect", "", "--debug"), ("inspect", "--debug", ""))
    calls = [partial(run, *args) for args in ways]
    calls.append(partial(run, "inspect", "", env={"ATTN_DEBUG": "1"}))
    for ran in together(calls):
        assert (ran.code, ran.out) == (2, b"")
        first, *_, message, hint = ran.err.splitlines()
        assert first.startswith("Traceback")
        assert (message, hint) == ("attn: the text is empty", "Give at least one word.")
    assert run("--debug", "vocab", "a") == run("vocab", "a", "--debug") == run("vocab", "a")
    assert run("--debug", "inspct").err.endswith("Did you mean `attn inspect`?\n")


# Bad input


BAD: dict[str, tuple[Sequence[str | bytes], Sequence[str]]] = {
    "empty": (["inspect", ""], ["empty"]),
    "blank": (["inspect", " \t\n "], ["empty"]),
    "zero-width": (["inspect", "\u3000\u2003"], ["empty"]),
    "punctuation": (["inspect", "?! ... —"], ["punctuation", "--split"]),
    "nothing on stdin": (["inspect", "-"], ["empty"]),
    "not UTF-8": (["inspect", b"a\xff"], ["0xff", "1"]),
    "option": (["inspect", "x", "--bogus"], ["`--bogus`", "attn inspect --help"]),
    "option typo": (["inspect", "x", "--vocb", "y"], ["`--vocb`", "Did you mean `--vocab`"]),
    "option typo 2": (["vocab", "x", "--min-cont", "1"], ["Did you mean `--min-count`"]),
    "option typo 3": (["show", "x", "--precison", "1"], ["Did you mean `--precision`"]),
    "global option": (["--bogus"], ["`--bogus`", "attn --help"]),
    "global typo": (["--verson"], ["Did you mean `--version`"]),
    "command typo": (["inspct", "x"], ["`inspct`", "Did you mean `attn inspect`"]),
    "command typo 2": (["schem"], ["Did you mean `attn schema`"]),
    "a text of a dash": (["inspect", "-5 degrees"], ["`-5`", "after `--`"]),
    "help typo": (["inspect", "--hlep"], ["Did you mean `--help`"]),
    "nothing to show": (["inspect", "a b", "--show", "dropout"], ["no `dropout`", "There is:"]),
    "models of nowhere": (["models", ""], ["directory is empty"]),
    "grid of some": (["heads", "x", "--grid", "entropy", "--where", "layer = 9"], ["--where"]),
    "reverse of nothing": (["heads", "x", "--reverse"], ["without --sort"]),
    "a file for a text": (["explain", "sample_inputs/inspection.json", "--query", "0"], ["`-f"]),
    "no ablation": (["inspect", "a", "--ablate-with", "mean"], ["without --ablate"]),
    "no command": (["frobnicate"], ["`frobnicate`", "attn --help"]),
    "hostile command": (["\x1b[31m\nx"], [r"\x1b[31m\nx"]),
    "hostile option": (["inspect", "x", "--\x1b[31m\nx"], [r"\x1b[31m\nx"]),
    "hostile value": (["inspect", "x", "--seed", "\x1b]0;x\x07"], [r"\x1b]0;x\x07"]),
    "hostile file": (["inspect", "-f", "\x1b[31m\nx\u202e"], [r"\x1b[31m\nx\u202e"]),
    "two texts": (["inspect", "Life", "is"], ["is", "attn inspect --help"]),
    "text and file": (["inspect", "x", "-f", "README.md"], ["--file"]),
    "no value": (["inspect", "x", "--seed"], ["--seed", "attn inspect --help"]),
    "value for a switch": (["inspect", "x", "--json=yes"], ["--json", "attn inspect --help"]),
    "seed word": (["inspect", "x", "--seed", "lucky"], ["--seed", "lucky"]),
    "seed fraction": (["inspect", "x", "--seed", "1.5"], ["--seed", "1.5"]),
    "seed large": (["inspect", "x", "--seed", str(2**64)], ["seed", str(2**64)]),
    "seed small": (["inspect", "x", "--seed", str(-(2**63) - 1)], ["seed"]),
    "seed huge": (["inspect", "x", "--seed", "9" * 5000], ["--seed"]),
    "vocab-size 0": (["inspect", "x", "--vocab-size", "0"], ["--vocab-size", "1", "0"]),
    "vocab-size small": (["inspect", "a b c", "--vocab-size", "2"], ["--vocab-size 3"]),
    "vocab-size large": (["inspect", "x", "--vocab-size", str(2**31)], ["--vocab-size"]),
    "d-model 0": (["inspect", "x", "--d-model", "0"], ["--d-model"]),
    "d-model -1": (["inspect", "x", "--d-model", "-1"], ["--d-model", "-1"]),
    "d-k 0": (["inspect", "x", "--d-k", "0"], ["--d-k"]),
    "d-v 0": (["inspect", "x", "--d-v", "0"], ["--d-v"]),
    "precision -1": (["inspect", "x", "--precision", "-1"], ["--precision", "-1"]),
    "precision 18": (["inspect", "x", "--precision", "18"], ["--precision", "17"]),
    "weights do not fit": (
        ["inspect", "x", "--d-model", "2000000", "--d-k", "2000000"],
        ["TiB", "2000000", "smaller"],
    ),
    "far too large": (["inspect", "x", "--d-model", str(2**31 - 1), "--d-k", "99999"], ["PiB"]),
    "show": (["inspect", "x", "--show", "wieghts"], ["`wieghts`", "Did you mean `weights`"]),
    "show unknown": (["inspect", "x", "--show", "tokens,zz"], ["`zz`", "embedding"]),
    "show nothing": (["inspect", "x", "--show", ""], ["--show"]),
    "format": (["inspect", "x", "--format", "xml"], ["--format", "xml", "json"]),
    "color": (["inspect", "x", "--color", "maybe"], ["--color", "maybe", "never"]),
    "split": (["inspect", "x", "--split", "lines"], ["--split", "lines", "characters"]),
    "style": (["inspect", "x", "--style", "fancy"], ["--style", "numbers"]),
    "contradiction": (["inspect", "x", "--json", "--format", "csv"], ["--json", "csv"]),
    "suffix": (["inspect", "x", "-o", "x.xlsx"], ["x.xlsx", ".json"]),
    "no suffix": (["inspect", "x", "-o", "x"], ["`x`", ".json"]),
    "table file": (["inspect", "x", "-o", "x.json", "--format", "table"], ["md"]),
    "no folder": (["inspect", "x", "-o", "/nonexistent/x.json"], ["/nonexistent/x.json"]),
    "missing": (["inspect", "-f", "no-such.txt"], ["`no-such.txt`", "no such file"]),
    "directory": (["inspect", "-f", "sample_inputs"], ["`sample_inputs`", "directory"]),
    "endless": (["inspect", "-f", "/dev/zero"], ["/dev/zero", "--lines"]),
    "endless line": (["inspect", "-f", "/dev/zero", "--lines"], ["/dev/zero"]),
    "show missing": (["show", "no-such.json"], ["`no-such.json`", "no such file"]),
    "show directory": (["show", "sample_inputs"], ["`sample_inputs`", "directory"]),
    "show text": (["show", "README.md"], ["`README.md`", "not JSON"]),
    "show vocabulary": (["show", "sample_inputs/vocabulary.json"], ["attn-vocabulary/1"]),
    "show nothing on stdin": (["show", "-"], ["standard input is empty"]),
    "vocab missing": (["inspect", "x", "--vocab", "no-such.json"], ["`no-such.json`"]),
    "vocab built and given": (
        ["vocab", "a", "--vocab", "sample_inputs/vocabulary.json", "--order", "frequency"],
        ["--order", "--vocab gives one"],
    ),
    "vocab size and given": (
        ["vocab", "a", "--vocab", "sample_inputs/vocabulary.json", "--size", "3"],
        ["--size", "--vocab gives one"],
    ),
    "vocab directory": (["inspect", "x", "--vocab", "sample_inputs"], ["directory"]),
    "recipe": (["inspect", "x", "--recipe", "artcle"], ["--recipe", "artcle", "article"]),
    "heads 0": (["inspect", "x", "--heads", "0"], ["--heads", "1", "0"]),
    "heads huge": (["inspect", "x y", "--heads", str(2**31 - 1)], ["GiB", "heads", "smaller"]),
    "heads squared": (["inspect", "x " * 3000, "--heads", "9999"], ["3000 tokens", "9999 heads"]),
    "kv-heads": (["inspect", "x", "--heads", "4", "--kv-heads", "3"], ["--kv-heads 3", "heads 4"]),
    "mask": (["inspect", "x", "--mask", "casual"], ["`casual`", "Did you mean `causal`"]),
    "mask number": (["inspect", "x", "--mask", "window:0"], ["window:W", "1", "not: 0"]),
    "mask shape": (["inspect", "x", "--mask", "window"], ["`window`", "`window:W`"]),
    "mask place": (["inspect", "x y", "--mask", "global:2"], ["global:I,J", "-2 to 1", "not: 2"]),
    "mask hostile": (["inspect", "x", "--mask", "\x1b[31m"], [r"\x1b[31m"]),
    "mask and cross": (["inspect", "x", "--cross", "y", "--mask", "causal"], ["across two"]),
    "cross empty": (["inspect", "x", "--cross", ""], ["second text", "empty"]),
    "cross not UTF-8": (["inspect", "x", "--cross", b"a\xff"], ["0xff"]),
    "cross twice": (["inspect", "x", "--cross", "y", "--cross-rand", "2"], ["--cross-rand"]),
    "cross-rand 0": (["inspect", "x", "--cross-rand", "0"], ["--cross-rand"]),
    "cross-rand huge": (["inspect", "x", "--cross-rand", str(2**31 - 1)], ["GiB", "to 2147483647"]),
    "cross and book": (["inspect", "--recipe", "book", "--cross", "y"], ["second text"]),
    "cross and rope": (["inspect", "x", "--cross", "y", "--positions", "rope"], ["`rope`", "two"]),
    "positions": (["inspect", "x", "--positions", "rotary"], ["`rotary`", "rope"]),
    "positions base": (["inspect", "x", "--positions", "rope:x"], ["rope:x"]),
    "rope odd": (["inspect", "x", "--positions", "rope", "--d-k", "3"], ["--d-k", "even", "3"]),
    "rope odd vectors": (
        ["inspect", "--recipe", "book", "--init", "none", "--positions", "rope"], ["3 wide"],
    ),
    "max-positions 0": (["inspect", "x", "--max-positions", "0"], ["--max-positions"]),
    "max-positions": (
        ["inspect", "x y z", "--positions", "learned", "--max-positions", "2"],
        ["3 words", "2 rows", "--max-positions 3"],
    ),
    "score": (["inspect", "x", "--score", "cosine"], ["--score", "cosine", "additive"]),
    "additive rope": (["inspect", "x", "--score", "additive", "--positions", "rope"], ["additive"]),
    "softcap 0": (["inspect", "x", "--softcap", "0"], ["--softcap", "0"]),
    "softcap nan": (["inspect", "x", "--softcap", "nan"], ["--softcap", "nan"]),
    "softcap large": (["inspect", "x", "--softcap", "1e39"], ["--softcap", "1e+39"]),
    "normalize": (["inspect", "x", "--normalize", "max"], ["--normalize", "max", "softmax"]),
    "normalize sum": (["inspect", SENTENCE, "--normalize", "sum"], ["never negative", "softmax"]),
    "dropout 1": (["inspect", "x", "--dropout", "1"], ["--dropout", "1"]),
    "dropout -1": (["inspect", "x", "--dropout", "-1"], ["--dropout", "-1"]),
    "dropout word": (["inspect", "x", "--dropout", "half"], ["--dropout", "half"]),
    "dropout seed": (
        ["inspect", "x", "--dropout", ".5", "--dropout-seed", str(2**64)], ["seed", str(2**64)],
    ),
    "ablate nothing": (["inspect", "x", "--ablate", ""], ["--ablate", "--model"]),
    "pair of nothing": (["inspect", "x", "--pair", ""], ["--pair", "--model"]),
    "decoder of nothing": (["inspect", "x", "--decoder", ""], ["--decoder", "--model"]),
    "vocab of nothing": (["inspect", "x", "--model", "m", "--vocab", ""], ["--vocab", "tutorial"]),
    "unk of nothing": (["inspect", "x", "--model", "m", "--unk", ""], ["--unk", "tutorial"]),
    "too long for vocab": (["vocab", "/dev/zero", "--encode"], ["`attn inspect --lines`"]),
    "dropout seed alone": (["inspect", "x", "--dropout-seed", "3"], ["--dropout-seed has no eff"]),
    "max-positions alone": (["inspect", "x", "--max-positions", "3"], ["--positions learned"]),
    "width of no weights": (["inspect", "x", "--init", "none", "--d-v", "2"], ["--d-v", "weights"]),
    "rows of no table": (
        ["inspect", "--recipe", "book", "--vocab-size", "9"], ["--vocab-size", "vectors are given"],
    ),
    "positions large": (["inspect", "x", "--positions", "rope:1e30"], ["below 1e+30"]),
    "a step that is not there": (
        ["explain", "x y", "--query", "x", "--steps", "score,rotation"], ["no step `rotation`"],
    ),
    "dropout generator": (["inspect", "x", "--dropout-generator", "cuda"], ["cuda", "mkl"]),
    "init": (["inspect", "x", "--init", "ones"], ["--init", "ones", "linear"]),
    "init none": (["inspect", "x", "--init", "none", "--heads", "2"], ["--init none", "one head"]),
    "book word": (["inspect", "x", "--recipe", "book"], ["`x`", "--embeddings FILE"]),
    "book vocabulary": (
        ["inspect", "--recipe", "book", "--vocab", "sample_inputs/vocabulary.json"],
        ["--vocab", "--embeddings"],
    ),
    "book width": (["inspect", "--recipe", "book", "--d-model", "4"], ["3 wide", "--d-model is 4"]),
    "embeddings missing": (["inspect", "--embeddings", "no-such.json"], ["`no-such.json`"]),
    "embeddings text": (["inspect", "--embeddings", "README.md"], ["`README.md`"]),
    "embeddings other": (
        ["inspect", "--embeddings", "sample_inputs/vocabulary.json"], ["rows of numbers"],
    ),
    "embeddings directory": (["inspect", "--embeddings", "sample_inputs"], ["directory"]),
    "compare": (["inspect", "x", "--compare-with", "liner"], ["`liner`", "lowrank:R"]),
    "compare number": (["inspect", "x", "--compare-with", "performer:0"], ["performer:R", "1"]),
    "compare masked": (
        ["inspect", "x", "--mask", "causal", "--compare-with", "lowrank:2"], ["cannot be masked"],
    ),
    "compare file": (["inspect", "x", "--compare-with", "linear", "-o", "x.json"], ["--json"]),
    "compare csv": (["inspect", "x", "--compare-with", "linear", "--format", "csv"], ["--json"]),
    "compare show": (
        ["inspect", "x", "--compare-with", "linear", "--show", "tokens"], ["weights, context"],
    ),
    "replay": (["replay", "zzz"], ["`zzz`", "attn replay"]),
    "replay several": (["replay", "omega_2"], ["4 names", "`A omega_24`"]),
    "replay two": (["replay", "1", "2"], ["2", "attn replay --help"]),
    "schema argument": (["schema", "x"], ["x", "attn schema --help"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def refusals() -> dict[str, Ran]:
    calls = [partial(run, *args) for args, _ in BAD.values()]
    return dict(zip(BAD, together(calls), strict=True))


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_plain_words(case: str, refusals: dict[str, Ran]) -> None:
    complained(refusals[case], *BAD[case][1])


def test_an_empty_file_name_is_not_the_working_directory() -> None:
    for args in (("inspect", "-f", ""), ("show", ""), ("inspect", "x", "-o", "")):
        ran = run(*args)
        complained(ran)
        assert "`.`" not in ran.err, (args, ran.err)


def test_no_file_of_a_model_is_written_over(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(ROOT / "sample_inputs" / "tiny-llama", model)
    (tmp_path / "link.json").hardlink_to(model / "config.json")
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    calls = [
        partial(run, *args, "--model", str(model), "-o", str(out))
        for args in (("inspect", "a"), ("heads", "a"), ("diff", "a", "b"),
                     ("explain", "a b", "--query", "0"))
        for out in (model / "config.json", model / "tokenizer.json", tmp_path / "link.json")
    ]  # fmt: skip
    for ran in together(calls):
        complained(ran, "is read and would be written over")
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before


def test_refusals_write_no_file(refusals: dict[str, Ran]) -> None:
    assert refusals
    assert not any((ROOT / name).exists() for name in ("x.json", "x.xlsx", "x"))


def test_sizes_are_computed_before_anything_is_allocated(tmp_path: Path) -> None:
    # 8000 words need 3 · 8000² · 4 bytes; under this limit they must not even be tried.
    many = tmp_path / "many.txt"
    many.write_text("word " * 8000)
    line = f"ulimit -v 1500000; exec attn inspect -f {shlex.quote(str(many))} --json"
    complained(shell(line), "8000 tokens", "732.", "MiB", "can be used")


def test_non_utf_8_is_named_with_the_byte_and_its_position(tmp_path: Path) -> None:
    bad = tmp_path / "latin.txt"
    bad.write_bytes("naïve".encode("latin-1"))
    calls = [
        partial(run, "inspect", "-f", str(bad)),
        partial(run, "inspect", "-f", str(bad), "--lines", "--json"),
        partial(run, "inspect", "-", stdin=bad.read_bytes()),
        partial(run, "vocab", str(bad)),
        partial(run, "inspect", "x", "--vocab", str(bad)),
        partial(run, "show", str(bad)),
        partial(run, "show", "-", stdin=bad.read_bytes()),
    ]
    for index, ran in enumerate(together(calls)):
        name = "standard input" if index in (2, 6) else "latin.txt"
        complained(ran, name, "UTF-8", "0xef", "at 2")


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed.txt"
    closed.write_text("text")
    closed.chmod(0)
    if os.access(closed, os.R_OK):
        # Root may read anything, but /proc/self/mem refuses everybody at address 0.
        complained(run("inspect", "-f", "/proc/self/mem"), "/proc/self/mem")
    else:
        complained(run("inspect", "-f", str(closed)), "closed.txt", "permission denied")


def test_a_bad_line_among_good_ones_is_named(tmp_path: Path) -> None:
    ran = run("inspect", "-", "--lines", "--json", stdin=b"one two\n\n...\nthree\n")
    assert ran.code == 2
    assert json.loads(ran.out)["text"] == "one two"  # what was done before it is delivered
    assert "line 3 of standard input" in ran.err and len(ran.err.splitlines()) <= 2


# Streams that are closed, full or left


WRITERS = (
    '--version', '--help', 'inspect --help', 'inspect "a b"', 'inspect "a b" --json',
    'vocab "a b"', 'vocab "a b" --json', "schema", "show sample_inputs/inspection.json",
    'vocab "a" --encode', 'inspect "a b" --format npz',
)  # fmt: skip


@pytest.mark.parametrize("sink", [">&-", ">/dev/full"])
def test_closed_or_full_standard_output_is_trouble(sink: str) -> None:
    calls = [partial(shell, f"attn {line} {sink}") for line in WRITERS]
    wrong = {}
    for line, ran in zip(WRITERS, together(calls), strict=True):
        try:
            complained(ran, "standard output")
        except AssertionError:
            wrong[line] = (ran.code, ran.err)
    assert wrong == {}


def test_a_closed_standard_input_is_trouble() -> None:
    lines = ["inspect", "inspect -", "vocab", "vocab -", "show", "show -", "inspect --lines -f -"]
    for ran in together([partial(shell, f"attn {line} <&-") for line in lines]):
        complained(ran, "standard input is closed")
    needless = shell(f'attn inspect "{SENTENCE}" <&-')
    assert needless == run("inspect", SENTENCE)


def test_closed_standard_error_changes_no_exit_code() -> None:
    for ran in together(
        [partial(shell, f'attn inspect "" {sink}') for sink in ("2>&-", "2>/dev/full")]
    ):
        assert (ran.code, ran.out, ran.err) == (2, b"", "")
    assert shell('attn inspect "a" 2>&-').code == 0
    assert shell('attn inspect "a" >&- 2>&- <&-').code == 2


def test_a_reader_that_never_came_ends_it_quietly() -> None:
    def into_nothing(line: str) -> Ran:
        read, write = os.pipe()
        os.close(read)
        try:
            return run(*shlex.split(line), stdout=write)
        finally:
            os.close(write)

    every = together([partial(into_nothing, line) for line in WRITERS])
    ran = dict(zip(WRITERS, every, strict=True))
    assert {line: one.err for line, one in ran.items() if one.err} == {}
    assert {line: one.code for line, one in ran.items() if one.code not in (0, 2)} == {}


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    words = " ".join(f"w{i}" for i in range(300))
    for args in (("inspect", words, "--json"), ("inspect", words, "--style", "numbers")):
        with started(*args) as process:
            assert process.stdout is not None and process.stderr is not None
            assert process.stdout.read(10)
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(PATIENCE) in (0, 2)
    piped = shell(f'attn inspect "{words}" --json | head -c 20; attn vocab "{words}" | head -n 1')
    assert piped.err == ""


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_slow_reader_gets_everything(blocking: bool, unbuffered: str) -> None:
    words = " ".join(f"w{i}" for i in range(200))
    expected = run("inspect", words, "--json").out
    assert len(expected) > 1 << 20
    read, write = os.pipe()
    os.set_blocking(write, blocking)
    env = {"PYTHONUNBUFFERED": unbuffered}
    with started("inspect", words, "--json", stdout=write, env=env) as process:
        os.close(write)
        pieces = [os.read(read, 1)]
        time.sleep(0.2)  # the pipe is full by now
        while piece := os.read(read, 1 << 13):
            pieces.append(piece)
        os.close(read)
        assert process.stderr is not None and process.stderr.read() == b""
        assert process.wait(PATIENCE) == 0
    assert b"".join(pieces) == expected


# Ctrl-C


def test_ctrl_c_while_waiting_for_input_is_130() -> None:
    for args in (("inspect", "-"), ("vocab", "-"), ("show", "-"), ("inspect", "--lines")):
        with started(*args) as process:
            assert process.stdin and process.stdout and process.stderr
            process.stdin.write(b'{"text": "a"')
            process.stdin.flush()
            wait_until_read(process.stdin)
            process.send_signal(signal.SIGINT)
            assert process.stderr.read() == b"", args
            assert process.stdout.read() == b"", args
            assert process.wait(PATIENCE) == 130, args


def test_ctrl_c_keeps_what_was_delivered_and_leaves_no_half_file(tmp_path: Path) -> None:
    with started("inspect", "-", "--lines", "--json") as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(b"one two\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == "one two"
        process.send_signal(signal.SIGINT)
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")
        assert process.wait(PATIENCE) == 130
    old = tmp_path / "old.jsonl"
    old.write_text("what was there")
    for name in ("new.jsonl", "old.jsonl"):
        with started("inspect", "-", "--lines", "-o", name, cwd=tmp_path) as process:
            assert process.stdin and process.stderr
            process.stdin.write(b"one two\nthree")
            process.stdin.flush()
            wait_until_read(process.stdin)
            process.send_signal(signal.SIGINT)
            assert process.stderr.read() == b""
            assert process.wait(PATIENCE) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["old.jsonl"]
    assert old.read_text() == "what was there"


# Files


@pytest.mark.parametrize(
    "suffix", ["json", "jsonl", "npz", "safetensors", "csv", "md", "txt", "svg", "html"]
)
def test_out_writes_what_format_prints(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"x.{suffix}"
    assert run("inspect", SENTENCE, "-o", str(file)) == Ran(0, b"", "")
    printed = run("inspect", SENTENCE, "--format", suffix)
    assert (printed.code, printed.err) == (0, "")
    assert file.read_bytes() == printed.out and printed.out
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_failure_half_way_leaves_no_file_and_the_old_one(tmp_path: Path) -> None:
    old = tmp_path / "old.jsonl"
    old.write_text("what was there")
    for name in ("old.jsonl", "new.jsonl"):
        ran = run("inspect", "-", "--lines", "-o", name, stdin=b"one two\n...\n", cwd=tmp_path)
        complained(ran, "line 2")
    complained(run("inspect", "a", "-o", str(tmp_path / "none" / "x.json")), "no such file")
    many = run("inspect", "--lines", "-o", "x.json", stdin=b"a\nb\n", cwd=tmp_path)
    complained(many, ".jsonl")
    small = f"ulimit -f 1; exec attn inspect '{' '.join(map(str, range(99)))}' -o big.json"
    ran = shell(small, cwd=tmp_path)  # a file may not grow beyond 1 KiB here
    assert ran.code == 2 and "big.json" in ran.err, ran
    assert [path.name for path in tmp_path.iterdir()] == ["old.jsonl"]
    assert old.read_text() == "what was there"


def test_an_input_is_never_written_over(tmp_path: Path) -> None:
    text, link = tmp_path / "in.json", tmp_path / "link.json"
    text.write_text("a b")
    link.symlink_to(text)
    hard = tmp_path / "hard.json"
    hard.hardlink_to(text)
    calls = [
        partial(run, "inspect", "-f", str(text), "-o", str(out))
        for out in (text, link, hard, tmp_path / "." / "in.json")
    ]
    document = tmp_path / "run.json"
    assert run("inspect", SENTENCE, "-o", str(document)).code == 0
    kept = document.read_bytes()
    calls.append(partial(run, "show", str(document), "-o", str(document)))
    words = tmp_path / "words.json"
    words.write_text('["a"]')
    calls.append(partial(run, "inspect", "a", "--vocab", str(words), "-o", str(words)))
    for ran in together(calls):
        complained(ran, "written over")
    assert text.read_text() == "a b" and link.is_symlink()
    assert document.read_bytes() == kept and words.read_text() == '["a"]'


def test_links_and_permissions_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    assert run("inspect", "a", "-o", str(link)).code == 0
    assert link.is_symlink() and json.loads(target.read_bytes())["text"] == "a"
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_full_device_is_trouble() -> None:
    complained(run("inspect", "a", "-o", "/dev/full", "--json"), "/dev/full", "no space")


# Many texts


def test_lines_gives_one_document_a_line_in_order() -> None:
    lines = ["one two", "", "  ", "three", "one two", "  four\tfive ", "日本 👍🏽"]
    source = "\n".join(lines).encode()
    by_pipe, by_argument, windows = together(
        [
            partial(run, "inspect", "-", "--lines", "--json", stdin=source),
            partial(run, "inspect", source.decode(), "--lines", "--json"),
            partial(run, "inspect", "--lines", "--json", stdin=source.replace(b"\n", b"\r\n")),
        ]
    )
    assert (by_pipe.code, by_pipe.err) == (0, "")
    documents = [json.loads(line) for line in by_pipe.out.splitlines()]
    assert [one["text"] for one in documents] == [line for line in lines if line.strip()]
    assert by_pipe.out == by_argument.out == windows.out
    alone = run("inspect", "three", "--json")
    assert by_pipe.out.splitlines(keepends=True)[1] == alone.out
    shown = run("show", "-", stdin=by_pipe.out)
    drawn = run("inspect", "-", "--lines", stdin=source)
    assert shown.out == drawn.out and shown.code == 0


def test_no_line_at_all_gives_nothing_wrong() -> None:
    ran = run("inspect", "-", "--lines", "--json", stdin=b"\n  \n")
    assert ran.out == b"" and "Traceback" not in ran.err


@pytest.mark.parametrize("form", ["--json", "--color=never"])
def test_lines_are_answered_one_by_one(form: str) -> None:
    with started("inspect", "-", "--lines", form) as process:
        assert process.stdin and process.stdout and process.stderr
        for text in ("one two", "three", "four five six"):
            process.stdin.write(text.encode() + b"\n")
            process.stdin.flush()
            while text.encode() not in (line := process.stdout.readline()):
                assert form != "--json" and line  # a table has more lines before it
            if form != "--json":
                while not process.stdout.readline().startswith(b"weight, "):
                    pass  # the last line of a table: all of it is there
        process.stdin.close()
        assert process.stdout.read() == process.stderr.read() == b""
        assert process.wait(PATIENCE) == 0
        process.stdin = None


# Terminals


def test_nothing_waits_silently_for_a_terminal() -> None:
    names = ("inspect", "vocab", "show")
    calls = [partial(run_in_terminal, name) for name in names]
    for name, ran in zip(names, together(calls), strict=True):
        assert ran.code == 2
        assert f"Usage: attn {name}" in re.sub(r"\x1b\[[\d;]*m", "", ran.text)
    with_text = run_in_terminal("inspect", "a b", env={"TERM": "dumb"})
    assert with_text.code == 0 and b"weights" in with_text.out


def test_binary_is_not_poured_into_a_terminal() -> None:
    ran = run_in_terminal("inspect", "a b", "--format", "npz")
    assert ran.code == 2 and b"-o FILE.npz" in ran.out and b"PK" not in ran.out


def test_a_text_that_looks_like_an_option_goes_after_two_dashes() -> None:
    ran = run("inspect", "--json", "--", "--seed of doubt")
    assert (ran.code, json.loads(ran.out)["text"]) == (0, "--seed of doubt")


def test_broken_inspections_are_refused_by_show() -> None:
    whole = run("inspect", "a b", "--json").out
    document = json.loads(whole)
    wrong_shape = json.loads(whole)
    wrong_shape["layers"][0]["weights"][0].pop()
    wrong_sum = json.loads(whole)
    wrong_sum["layers"][0]["weights"][0][0][0] = 0.9
    cases: dict[bytes, list[str]] = {
        b"": ["standard input is empty"],
        b"{": ["not JSON"],
        b"[]": ["axes"],
        b"null": ["schema"],
        b"{}": ["schema"],
        b'{"schema": "attn/99"}': ["attn/99", "attn/1"],
        b'{"schema": "attn/1"}': ["query_tokens"],
        b"PK\x03\x04 but no more": ["NPZ"],
        bytes(range(128, 256)): ["UTF-8", "0x80", "at 0"],
        whole[:200]: ["not JSON"],
        json.dumps(wrong_shape).encode(): ["layers[0].weights"],
        json.dumps(wrong_sum).encode(): ["layers[0].weights[0][0]", "not to 1"],
        json.dumps(document).replace('"a"', "NaN", 1).encode(): ["NaN"],
        b"[" * 100_000: ["standard input"],
        whole.replace(b'"kind": "self"', b'"kind": "odd"'): ["kind", "causal"],
        whole.replace(b'"text": "a b"', b'"text": 7'): ["text"],
    }
    calls = [partial(run, "show", "-", stdin=data) for data in cases]
    for (data, named), ran in zip(cases.items(), together(calls), strict=True):
        try:
            complained(ran, *named)
        except AssertionError as error:
            raise AssertionError(f"{data[:60]!r}: {ran}") from error


# Help and completion ----------------------------------------------------------------------------


def test_help_has_no_style_where_none_is_wanted() -> None:
    looks = [
        {"NO_COLOR": "1"},
        {"NO_COLOR": "1", "FORCE_COLOR": "1"},
        {"FORCE_COLOR": "0"},
        {"TERM": "dumb"},
        {"TERM": ""},
    ]
    calls = [partial(run_in_terminal, "heads", "--help", env=env) for env in looks]
    calls += [partial(run, "--help", env={name: "1"}) for name in ("GITHUB_ACTIONS", "PY_COLORS")]
    plain, styled = run("heads", "--help").out, run_in_terminal("heads", "--help", env={}).out
    ran = together(calls)
    assert all(b"\x1b" not in one.out and one.code == 0 for one in ran)
    assert ran[0].out == plain
    assert b"\x1b[1m" in styled


def test_narrow_help_names_every_option() -> None:
    wide = set(re.findall(r"--[a-z-]+", run("inspect", "--help", env={"COLUMNS": "120"}).text))
    widths = ("1", "40", "69", "70")
    calls = [partial(run, "inspect", "--help", env={"COLUMNS": width}) for width in widths]
    calls += [partial(run_in_terminal, "inspect", "--help", env={"COLUMNS": "40", "TERM": "dumb"})]
    for ran in together(calls):
        assert wide <= set(re.findall(r"--[a-z-]+", ran.text))
        assert "--…" not in ran.text


def test_completion_answers_as_a_shell_asks() -> None:
    words = {"_ATTN_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    assert run(env=words | {"COMP_WORDS": "attn ins"}).out == b"inspect\n"
    option = words | {"COMP_WORDS": "attn inspect --softc", "COMP_CWORD": "2"}
    assert run(env=option).out == b"--softcap\n"
    for nonsense in ({"COMP_CWORD": "²"}, {"_ATTN_COMPLETE": "garbage"}, {"COMP_WORDS": "'"}):
        assert run(env=words | nonsense).code == 0
    with Path("/dev/full").open("wb") as full:
        ran = run("--show-completion", stdout=full)
    assert (ran.code, ran.err.startswith("attn: ")) == (2, True)


def test_no_start_up_file_of_a_shell_is_written(tmp_path: Path) -> None:
    ran = run("--install-completion", env={"HOME": str(tmp_path)})
    assert (ran.code, ran.out) == (2, b"") and "`--show-completion`" in ran.err
    assert not [*tmp_path.iterdir()]


def test_blank_lines_are_no_text() -> None:
    for ran in together(
        [
            partial(run, "inspect", "--lines", "-", stdin=b"\n \n\r\n"),
            partial(run, "inspect", "--lines", "-", "--json"),
            partial(run, "inspect", "--lines", "\n"),
        ]
    ):
        assert (ran.code, ran.out) == (2, b"")
        assert "no line with a text" in ran.err


def test_a_byte_order_mark_stands_before_the_first_text_alone() -> None:
    wide = {"PYTHONIOENCODING": "utf-16"}
    ran = run("inspect", "--lines", "a b\nc d", env=wide)
    assert "\ufeff" not in ran.out.decode("utf-16")
    assert ran.out.decode("utf-16") == run("inspect", "--lines", "a b\nc d").text
