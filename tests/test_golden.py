"""The look, byte for byte: what commands print is what `tests/golden/` keeps.

After a wanted change `ATTN_UPDATE_GOLDEN=1 pytest tests/test_golden.py` writes the files anew; look
at them (`cat` shows the colours) and read the difference before it is committed.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
from conftest import Ran, run, together

GOLDEN = Path(__file__).parent / "golden"
UPDATE = os.environ.get("ATTN_UPDATE_GOLDEN") == "1"

ARTICLE = "Life is short, eat dessert first"
SIXTY = (
    "To be, or not to be, that is the question: Whether 'tis nobler in the mind to suffer The "
    "slings and arrows of outrageous fortune, Or to take arms against a sea of troubles, And by "
    "opposing end them: to die, to sleep; No more; and by a sleep, to say we end The heart-ache, "
    "and the thousand natural shocks"
)
SAMPLE = "sample_inputs/inspection.json"
# No joined emoji: how wide those are depends on the version of rich, and test_terminal has them.
WIDE = "我 喜歡 甜點 🎂 ｆｕｌｌ e\u0301te\u0301 שלום"
HOSTILE = "[bold] :smile: \x1b[31mred \u202erev"
MANY = " ".join(f"w{i}" for i in range(500))

COLOURS = {
    "16": {"TERM": "xterm"},
    "256": {"TERM": "xterm-256color"},
    "truecolor": {"COLORTERM": "truecolor"},
}


def inspecting(text: str, width: int, *options: str, colors: str = "") -> partial[Ran]:
    env = {"COLUMNS": str(width)} | COLOURS.get(colors, {})
    color = "always" if colors else "never"
    return partial(run, "inspect", text, *options, "--color", color, env=env)


def explaining(name: str, width: int, *options: str, colors: str = "") -> partial[Ran]:
    env = {"COLUMNS": str(width)} | COLOURS.get(colors, {})
    color = "always" if colors else "never"
    args = ("--query", "is", "--key", name, *options, "--color", color)
    return partial(run, "explain", ARTICLE, *args, env=env)


ANIMAL = "The animal didn't cross the street because it was too tired."
MODEL, HEAD = ("--model", "sample_inputs/tiny-llama"), ("--layer", "1", "--head", "2")

# Every mechanism that an explanation shows, together.
EVERYTHING = (
    *("--heads", "4", "--kv-heads", "2", "--head", "3", "--d-k", "4", "--d-model", "12"),
    *("--mask", "causal", "--softcap", "5", "--dropout", "0.3"),
)

CASES = {
    **{f"article-{width}": inspecting(ARTICLE, width) for width in (20, 40, 80, 120)},
    **{f"article-80-{colors}": inspecting(ARTICLE, 80, colors=colors) for colors in COLOURS},
    "all-80": inspecting(ARTICLE, 80, "--show", "all"),
    "all-80-truecolor": inspecting(ARTICLE, 80, "--show", "all", colors="truecolor"),
    "sixty-words-80": inspecting(SIXTY, 80),
    "sixty-words-80-truecolor": inspecting(SIXTY, 80, colors="truecolor"),
    "sixty-words-80-numbers": inspecting(SIXTY, 80, "--style", "numbers", "--show", "weights"),
    "five-hundred-words-80": inspecting(MANY, 80, "--show", "weights"),
    "wide-characters-80": inspecting(WIDE, 80),
    "hostile-80-256": inspecting(HOSTILE, 80, "--split", "whitespace", colors="256"),
    "vocab": partial(run, "vocab", ARTICLE),
    "vocab-80-16": partial(
        run, "vocab", SIXTY, "--order", "frequency", "--size", "9", "--color", "always"
    ),
    "inspect-json": partial(run, "inspect", ARTICLE, "--json"),
    "inspect-csv": partial(run, "inspect", ARTICLE, "--format", "csv"),
    "inspect-md": partial(run, "inspect", ARTICLE, "--format", "md", "--precision", "2"),
    **{f"explain-{width}": explaining("eat", width) for width in (20, 40, 80)},
    **{f"explain-80-{colors}": explaining("eat", 80, colors=colors) for colors in COLOURS},
    "explain-json": explaining("eat", 80, "--json"),
    "explain-rope-80": explaining("Life", 80, *EVERYTHING, "--positions", "rope"),
    "explain-rope-40": explaining("Life", 40, *EVERYTHING, "--positions", "rope"),
    "explain-alibi-masked-80": explaining("eat", 80, *EVERYTHING, "--positions", "alibi"),
    "explain-additive-80": explaining(
        "eat", 80, "--score", "additive", "--positions", "sinusoidal", "--precision", "3"
    ),
    "inspect-svg": partial(run, "inspect", ARTICLE, "--format", "svg"),
    "inspect-html": partial(run, "inspect", ARTICLE, "--format", "html"),
    "show-tensors-80": partial(
        run, "show", "sample_inputs/attentions.npz", "--axes", "lhqk", env={"COLUMNS": "80"}
    ),
    "show-tensors-svg": partial(
        run, "show", "sample_inputs/attentions.npz", "--axes", "lhqk", "--format", "svg"
    ),
    "model-80": inspecting(ANIMAL, 80, *MODEL),
    "model-80-truecolor": inspecting(ANIMAL, 80, *MODEL, colors="truecolor"),
    "model-40": inspecting(ANIMAL, 40, *MODEL),
    "head-80": inspecting(ANIMAL, 80, *MODEL, *HEAD),
    "head-80-truecolor": inspecting(ANIMAL, 80, *MODEL, *HEAD, colors="truecolor"),
    "head-120-folded": inspecting(ANIMAL, 120, *MODEL, *HEAD, "--words", "--fold-special"),
    "vocab-json": partial(run, "vocab", ARTICLE, "--json"),
    "heads": partial(run, "heads", SAMPLE),
    "heads-json": partial(run, "heads", SAMPLE, "--json", "--precision", "4"),
    "heads-explain": partial(run, "heads", "--explain", "all"),
    "diff-same": partial(run, "diff", SAMPLE, SAMPLE),
    "rollout": partial(run, "show", SAMPLE, "--weigh", "value-norm", "--aggregate", "rollout"),
}


@pytest.fixture(scope="module")
def printed() -> dict[str, Ran]:
    return dict(zip(CASES, together(list(CASES.values())), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_output_is_as_kept(name: str, printed: dict[str, Ran]) -> None:
    ran, kept = printed[name], GOLDEN / f"{name}.txt"
    assert (ran.code, ran.err) == (0, "")
    if UPDATE:
        GOLDEN.mkdir(exist_ok=True)
        kept.write_bytes(ran.out)
    # Compared as lines so that a difference is easy to read; bytes and not text, so that it is all.
    assert ran.out.splitlines(keepends=True) == kept.read_bytes().splitlines(keepends=True)


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(CASES)


def test_the_article_is_in_them() -> None:
    for width in (40, 80, 120):
        assert b"0.6870" in (GOLDEN / f"article-{width}.txt").read_bytes()
    assert len(SIXTY.split()) == 60
