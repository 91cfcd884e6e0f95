"""`attn diff` as people meet it: exit codes, what has no counterpart, the map, and refusals."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import Ran, run, together
from heads import REPEATED, inspection, random_heads
from rich.cells import cell_len
from test_cli import complained

from attn_cli import files, palette
from attn_cli.comparison import compare
from attn_cli.inspection import Inspection, Layer
from attn_cli.terminal import diff as view
from attn_cli.terminal.render import render
from attn_cli.terminal.styles import Screen

A = inspection([random_heads(layer, 3, 8) for layer in range(2)])
OTHER_TEXT = inspection(
    [random_heads(layer, 3, 8) for layer in range(2)], ("a", "b", "x", "d", *REPEATED[4:])
)


def nudged(size: float) -> Inspection:
    """A with `size` moved from one key to another in layer 1, head 2, query 5."""
    weights = A.layers[1].weights.copy()
    big, small = weights[2, 5, :6].argmax(), weights[2, 5, :6].argmin()
    weights[2, 5, big] -= size
    weights[2, 5, small] += size
    return replace(A, layers=(A.layers[0], Layer(index=1, weights=weights)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("diff")
    runs = {"a": A, "b": nudged(0.01), "text": OTHER_TEXT, "part": replace(A, layers=A.layers[:1])}
    for name, one in runs.items():
        files.save(one, path / f"{name}.json")
    files.save([A, A], path / "two.jsonl")
    (path / "rows.json").write_text("[[0.7, 0.7], [0.1, 0.9]]")
    files.save([A, nudged(0.01)], path / "two-b.jsonl")
    return path


def printed(folder: Path, *lines: str) -> list[Ran]:
    return together([partial(run, "diff", *line.split(), cwd=folder) for line in lines])


def test_exit_codes(folder: Path) -> None:
    lines = {
        "a.json a.json": 0,
        "a.json b.json": 1,
        "a.json b.json --tolerance 0.0101": 0,
        "a.json b.json --tolerance 0.0099": 1,
        "b.json a.json --tolerance 1": 0,
        "a.json text.json --tolerance 1": 1,
        "a.json part.json --tolerance 1": 1,
        "two.jsonl two-b.jsonl": 1,
        "two.jsonl two.jsonl": 0,
        "two.jsonl two-b.jsonl --json --tolerance 0.1": 0,
    }
    for ran, (line, code) in zip(printed(folder, *lines), lines.items(), strict=True):
        assert (ran.code, ran.err) == (code, ""), line
        assert ran.out, line


def test_what_is_printed(folder: Path) -> None:
    same, other, text, figures, part = printed(
        folder,
        "a.json a.json",
        "a.json b.json",
        "a.json text.json",
        "a.json text.json --style numbers",
        "a.json part.json",
    )
    assert same.text.startswith("within the tolerance of 0: the largest difference is 0\n")
    assert len(same.text.splitlines()) == 3
    assert "beyond the tolerance of 0: the largest difference is 0.01\n" in other.text
    assert "layer 1, head 2, from b@5" in other.text
    assert re.search(r"^1\.2 +0\.0100 ", other.text, re.MULTILINE)
    assert "B − A  8 × 8  layer 1, head 2" in other.text
    assert "in A alone, not compared: c@2\n" in text.text
    assert "in B alone, not compared: x@2\n" in text.text
    assert " -c@2 " in figures.text and " +x " in figures.text
    assert "layers in A alone, not compared: 1" in part.text
    assert part.text.startswith("not the same tokens and layers; of what both have")


def test_json(folder: Path) -> None:
    one, two = printed(
        folder, "a.json b.json --json --tolerance 0.5", "two.jsonl two-b.jsonl --json"
    )
    found = json.loads(one.out)
    assert found["schema"] == "attn-diff/1"
    assert (found["tolerance"], found["within"]) == (0.5, True)
    assert found["largest"] == pytest.approx(0.01, abs=1e-7)
    first = found["heads"][0]
    assert (first["layer"], first["head"], first["query"]) == (1, 2, [5, 5])
    assert len(found["heads"]) == 6
    comparison = compare(A, nudged(0.01))
    assert first["js_mean"] == comparison.by_change()[0].js_mean
    assert [json.loads(line)["within"] for line in two.text.splitlines()] == [True, False]


def test_a_pipe_and_a_file(folder: Path) -> None:
    piped = run("diff", "-", "a.json", "--json", stdin=(folder / "b.json").read_bytes(), cwd=folder)
    assert piped.code == 1
    written = run("diff", "a.json", "b.json", "-o", "d.json", cwd=folder)
    assert (written.code, written.out) == (1, b"")
    assert json.loads((folder / "d.json").read_bytes())["within"] is False


def test_a_chosen_head(folder: Path) -> None:
    layer, both = printed(folder, "a.json b.json --layer 0", "a.json b.json --layer 0 --head 1")
    assert "layer 0, head 0" in layer.text
    assert "B − A  8 × 8  layer 0, head 1" in both.text


def test_long_texts_are_cut_where_that_is_asked_for() -> None:
    ask = partial(run, "diff", "a " * 600, "a", "--model", "sample_inputs/tiny-llama")
    refused, cut = together([ask, partial(ask, "--truncate")])
    complained(refused, "`--truncate` to cut it")
    assert cut.code == 1 and cut.out and "it was cut" in cut.err


def test_trouble(folder: Path) -> None:
    lines = {
        "- -": ("only one",),
        "a.json missing.json": ("missing.json",),
        "a.json": ("B",),
        "a.json b.json --offline": ("--offline is for real models",),
        "a.json b.json --truncate": ("--truncate is for real models",),
        "rows.json rows.json": ("First `attn show FILE -o READ.json`: if they are parts of rows",),
        "a.json a.json --tolerance 2": ("--tolerance must be",),
        "a.json a.json --tolerance nan": ("--tolerance must be",),
        "a.json a.json --top 0": ("--top must be",),
        "a.json b.json --layer 7": ("no layer 7",),
        "a.json b.json --layer 1 --head 9": ("no layer 1, head 9",),
        "a.json b.json -o d.csv": (".json",),
        "a.json b.json -o a.json": ("written over",),
        "a.json two.jsonl": ("B has 2 texts",),
    }
    for ran, named in zip(printed(folder, *lines), lines.values(), strict=True):
        assert ran.code == 2
        complained(ran, *named)


def test_the_map_is_dark_at_zero_and_blue_or_orange_elsewhere() -> None:
    comparison = compare(A, nudged(0.01))
    screen = Screen(30, "truecolor")
    drawn = view.lines(comparison, screen, tolerance=0, chosen=(1, 2), top=1, style="map")
    text = render(drawn, screen.colors)
    colors = palette.scale_colors("signed")
    for place in (0, 128, 255):
        red, green, blue = colors[place]
        assert f"{red};{green};{blue}" in text, place


def test_small_differences_get_the_decimals_that_they_need() -> None:
    comparison = compare(A, nudged(3e-6))
    assert 2e-6 < comparison.largest < 4e-6
    screen = Screen(100, "none")
    text = render(view.lines(comparison, screen, tolerance=0, chosen=(1, 2), top=2), "none")
    assert re.search(r"0\.0000030|0\.0000029", text)


@pytest.mark.parametrize("width", (20, 40, 80, 120))
@pytest.mark.parametrize("colors", ("none", "16", "256", "truecolor"))
def test_no_line_is_wider_than_the_screen(width: int, colors: str) -> None:
    for other in (A, nudged(0.01), OTHER_TEXT):
        for style in ("auto", "numbers", "map"):
            screen = Screen(width, colors)  # type: ignore[arg-type]
            comparison = compare(A, other)
            drawn = view.lines(
                comparison,
                screen,
                tolerance=0,
                chosen=(1, 2),
                top=3,
                style=style,  # type: ignore[arg-type]
            )
            text = re.sub(r"\x1b\[[\d;]*m", "", render(drawn, screen.colors))
            assert max(map(cell_len, text.splitlines())) <= width
            assert "nan" not in text


def test_show_aggregates_and_weighs(folder: Path) -> None:
    sample = str(Path(__file__).parent.parent / "sample_inputs" / "inspection.json")
    rollout, weighed, refused = together(
        [
            partial(run, "show", "a.json", "--aggregate", "rollout", "--json", cwd=folder),
            partial(run, "show", sample, "--weigh", "value-norm", "--aggregate", "mean"),
            partial(run, "show", "a.json", "--weigh", "output-norm", cwd=folder),
        ]
    )
    found = json.loads(rollout.out)
    assert found["source"]["settings"]["aggregate"] == "rollout"
    weights = np.array(found["layers"][0]["weights"])
    assert weights.shape == (1, 8, 8)
    assert weights.sum(axis=-1) == pytest.approx(1, abs=1e-6)
    assert run("show", "-", stdin=rollout.out).code == 0  # it is an Inspection like any other
    assert "half of Kobayashi et al. 2020" in weighed.text.replace("\n", " ")
    assert "what they have in common" in weighed.text.replace("\n", " ")
    complained(refused, "layer 0 has no `value`")
