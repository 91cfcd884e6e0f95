"""`attn heads` as people meet it: the grid, the list, the formulas, JSON, CSV, and refusals."""

from __future__ import annotations

import csv
import io
import json
import re
from functools import partial
from pathlib import Path

import pytest
from conftest import Ran, run, together
from heads import PATTERNS, REPEATED, inspection, known, random_heads
from rich.cells import cell_len
from test_cli import complained

from attn_cli import files
from attn_cli.profile import profile
from attn_cli.statistics import STATISTICS
from attn_cli.terminal import heads as view
from attn_cli.terminal.render import render
from attn_cli.terminal.styles import Screen

LONG = REPEATED * 3
SGR = re.compile(r"\x1b\[[\d;]*m")
KNOWN = inspection(
    [[known(pattern, LONG) for pattern in PATTERNS], random_heads(1, 6, len(LONG))], LONG
)
WIDE = inspection([random_heads(layer, 40, len(LONG)) for layer in range(3)], LONG)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("heads")
    files.save(KNOWN, path / "known.npz")
    other = inspection([random_heads(i, 6, 8) for i in (2, 3)], REPEATED)
    files.save([KNOWN, other], path / "two.jsonl")
    (path / "rows.json").write_text("[[0.7, 0.7], [0.1, 0.9]]")
    (path / "tokens.txt").write_text("a\nb\n")
    return path


def printed(folder: Path, *lines: str) -> list[Ran]:
    return together([partial(run, "heads", *line.split("|"), cwd=folder) for line in lines])


def test_what_is_known_of_tensors_is_taken(folder: Path) -> None:
    rows, axes, strict = printed(
        folder,
        "rows.json|--rows|normalize|--json",
        "rows.json|--rows|normalize|--axes|qkh|--tokens|tokens.txt",
        "rows.json|--rows|normalize|--axes|qk|--strict",
    )
    assert rows.code == 0 and json.loads(rows.out)["heads"]
    complained(axes, "names 3")
    assert strict.code == 0, strict.err


def test_the_grid_letters_the_heads_that_are_known(folder: Path) -> None:
    plain, grid, sorted_ = printed(
        folder, "known.npz", "known.npz|--grid|induction", "known.npz|--sort|duplicate|--top|1"
    )
    assert (plain.code, plain.err) == (0, "")
    row = next(line for line in plain.text.splitlines() if line.startswith("0  "))
    assert re.sub(r"[^A-Z]", "", row) == "PFSUDI"
    assert "12 heads · 2 layers · 1 text" in plain.text
    assert "U uniform 1" in plain.text and ". mixed 6" in plain.text
    row = next(line for line in grid.text.splitlines() if line.startswith("0  "))
    assert "1.00 I█" in row and "entr" not in grid.text
    assert "0.4 duplicate" in sorted_.text and "1 of 12 heads" in sorted_.text


def test_json_has_every_number_and_null_where_there_is_none(folder: Path) -> None:
    (ran,) = printed(folder, "known.npz|--json")
    found = json.loads(ran.out)
    assert found["schema"] == "attn-heads/1"
    assert (found["n_heads"], found["n_texts"], len(found["heads"])) == (12, 1, 12)
    head = found["heads"][5]
    assert (head["layer"], head["head"], head["pattern"], head["letter"]) == (
        0,
        5,
        "induction",
        "I",
    )
    measured = profile(KNOWN)
    for name in STATISTICS:
        value = head["statistics"][name]["mean"]
        exact = measured.values(name)[5]
        assert value == exact or (value is None and exact != exact), name
    assert head["statistics"]["next"] == {"mean": None, "std": None, "shuffled": None}
    assert found["statistics"]["previous"]["uniform"] == measured.chance("previous")


def test_csv_has_a_line_for_every_head_and_statistic(folder: Path) -> None:
    (ran,) = printed(folder, "two.jsonl|--format|csv|--where|layer = 1|--precision|3")
    rows = list(csv.DictReader(io.StringIO(ran.text)))
    assert len(rows) == 6 * len(STATISTICS)
    assert {row["layer"] for row in rows} == {"1"}
    entropy = [row for row in rows if row["statistic"] == "entropy"]
    assert all(float(row["std"]) >= 0 and row["texts"] == "2" for row in entropy)
    assert all(len(row["mean"].partition(".")[2]) <= 3 for row in entropy)
    empty = [row for row in rows if row["statistic"] == "next"]
    assert {(row["mean"], row["texts"]) for row in empty} == {("", "0")}


def test_files_and_pipes(folder: Path) -> None:
    piped = run("heads", "--json", stdin=(folder / "two.jsonl").read_bytes())
    assert json.loads(piped.out)["n_texts"] == 2
    assert run("heads", "known.npz", "-o", "h.json", cwd=folder).code == 0
    assert json.loads((folder / "h.json").read_bytes())["n_heads"] == 12
    assert run("heads", "known.npz", "-o", "h.csv", cwd=folder).code == 0
    assert (folder / "h.csv").read_bytes() == printed(folder, "known.npz|--format|csv")[0].out


def test_selection_and_order(folder: Path) -> None:
    where, first, last, none = printed(
        folder,
        "known.npz|--json|--where|induction > 0.5",
        "known.npz|--json|--sort|entropy|--top|2",
        "known.npz|--json|--sort|entropy|--top|1|--reverse",
        "known.npz|--where|layer > 7",
    )
    names = [
        [(head["layer"], head["head"]) for head in json.loads(ran.out)["heads"]]
        for ran in (where, first, last)
    ]
    assert names[0] == [(0, 5)]
    assert names[1][0] == (0, 3)  # the uniform head
    assert names[2][0][0] == 0 and names[2][0] != (0, 3)
    assert "no head is like that" in none.text


@pytest.mark.parametrize("width", [42, 80, 300])
def test_every_statistic_explains_itself_on_any_screen(width: int) -> None:
    text = run("heads", "--explain", "all", env={"COLUMNS": str(width)}).text
    assert max(map(len, text.splitlines())) <= min(width, 100)
    for name, statistic in STATISTICS.items():
        told = f"{name} {statistic.explanation}"
        assert " ".join(told.split()) in " ".join(text.split())


def test_explaining_needs_no_file() -> None:
    one, every = together(
        [partial(run, "heads", "--explain", name) for name in ("induction", "all")]
    )
    assert "Olsson" in one.text
    assert all(f"\n{name}\n" in f"\n{every.text}" for name in STATISTICS)


def test_refusals(folder: Path) -> None:
    lines = {
        "known.npz|--sort|inducton": ("no statistic `inducton`", "`induction`"),
        "known.npz|--grid|x": ("no statistic `x`", "entropy"),
        "known.npz|--explain|x": ("no statistic `x`",),
        "known.npz|--explain|first": ("an input is given",),
        "--explain|all|--json": ("--json is given",),
        "--explain|all|-o|x.json": ("--out is given",),
        "known.npz|--where|first >": ("ends where a value",),
        "known.npz|--top|0": ("--top must be",),
        "known.npz|--lines": ("--lines is for texts",),
        "rows.json": ("`--rows normalize` divides each",),
        "x|--model|m|--axes|lhqk": ("--axes is for tensors in a file",),
        "x|--model|m|--batch|0": ("--batch is for tensors in a file",),
        "known.npz|--pair|": ("--pair is for real models",),
        "known.npz|-o|x.npz": (".csv",),
        "known.npz|--json|--format|csv": ("contradict",),
        "known.npz|--grid|first|--json": ("--grid",),
        "known.npz|--format|table|-o|x.json": ("not for a file",),
        "missing.npz": ("missing.npz",),
    }
    for ran, (line, named) in zip(printed(folder, *lines), lines.items(), strict=True):
        complained(ran, *named)
        assert ran.code == 2, line
    files.save(inspection([random_heads(0, 3, 8)]), folder / "other.npz")
    both = b"".join(files.encode([KNOWN, inspection([random_heads(0, 3, 8)])], "jsonl"))
    complained(run("heads", "-", stdin=both), "text 2 has 3 heads")


@pytest.mark.parametrize("width", (20, 40, 80, 120))
@pytest.mark.parametrize("colors", ("none", "16", "256", "truecolor"))
def test_no_line_is_wider_than_the_screen_and_every_head_is_there(width: int, colors: str) -> None:
    for run_ in (KNOWN, WIDE):
        measured = profile(run_)
        for ascii_only in (False, True):
            screen = Screen(width, colors, ascii_only)  # type: ignore[arg-type]
            shown = SGR.sub("", render(view.grid_lines(measured, "first", screen), screen.colors))
            lines = shown.splitlines()
            assert max(map(cell_len, lines)) <= width
            key = next(i for i, line in enumerate(lines) if re.match(r"0 [ ░▒▓█.:*#]* 1$", line))
            body = "".join(line[1:] for line in lines[:key] if re.match(r"[012] ", line))
            for letter in set(measured.letters) - {"."}:
                assert body.count(letter) == measured.letters.count(letter), (letter, shown)
            listed = view.lines(measured, range(4), screen)
            text = SGR.sub("", render(listed, screen.colors))
            assert max(map(cell_len, text.splitlines())) <= width
