"""What each command imports: start-up guarded by sets of modules, which no busy machine blurs."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import pytest
from conftest import PATIENCE, ROOT, environment

SENTENCE = "Life is short, eat dessert first"
SAMPLE = "sample_inputs/inspection.json"

# Run the command in this process, then list what was imported since the interpreter was ready.
PROBE = """
import sys
before = set(sys.modules)
sys.argv = ["attn", *sys.argv[1:]]
from attn_cli.__main__ import main
try:
    main()
except SystemExit as done:
    status = done.code
import os
print(status, os.environ["OPENBLAS_NUM_THREADS"], *sorted(set(sys.modules) - before),
      file=sys.stderr)
"""


def probe(*args: str, **env: str) -> tuple[str, set[str]]:
    """The threads that BLAS may have, and the modules that a command imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(**env),
        cwd=ROOT,
        timeout=PATIENCE,
        check=True,
    )
    status, threads, *modules = done.stderr.split()
    assert status == "0" and done.stdout, (status, done.stderr)
    return threads, set(modules)


def within(modules: set[str], *unwanted: str) -> list[str]:
    """Those modules that are, or lie inside, one of the unwanted."""
    return sorted(m for m in modules if any(m == u or m.startswith(f"{u}.") for u in unwanted))


@cache
def numpy_alone() -> set[str]:
    """What numpy imports whoever imports it: before 2.0 also numpy.random and numpy.ma."""
    code = "import sys, numpy; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name for name in done.stdout.split() if name.startswith("numpy")}


HEAVY = ("rich.console", "rich.table", "rich.text", "rich.markup", "rich.progress", "rich.panel")
EXTRAS = ("tokenizers", "huggingface_hub", "gguf", "safetensors", "requests", "tqdm")
OTHERS = tuple(name for name in EXTRAS if name != "tokenizers")
RARE = ("numpy.random", "numpy.ma", "numpy.typing", "numpy.testing", "numpy.fft", "tempfile")

CASES = {
    "--version": (
        ("typer", "click", "numpy", "rich", "json", "typing", "dataclasses", "inspect", "pathlib"),
        ("attn_cli.commands.outcome",),
    ),
    "vocab --json": (("numpy", "rich", "tempfile", "unicodedata"), ("typer", "json")),
    "vocab": (("numpy", *HEAVY), ("typer", "rich.segment")),
    "vocab --encode": (("numpy", "rich"), ("typer",)),
    "inspect --json": (("rich", *RARE), ("numpy", "typer")),
    "inspect": ((*HEAVY, *RARE), ("numpy", "typer", "rich.segment")),
    "heads": (
        (*HEAVY, *RARE, "attn_cli.aggregation", "attn_cli.tutorial"),
        ("numpy", "rich.segment"),
    ),
    "diff": ((*HEAVY, *RARE, "attn_cli.aggregation"), ("numpy", "rich.segment")),
    "explain --query is --json": (("rich", *RARE), ("numpy", "typer")),
    "explain --query is": ((*HEAVY, *RARE), ("numpy", "typer", "rich.segment")),
    "inspect --model sample_inputs/tiny-llama --json": (
        ("rich", *OTHERS, *RARE, "attn_cli.tutorial", "attn_cli.checkpoints.gguf_model"),
        ("tokenizers", "attn_cli.checkpoints.inspecting"),
    ),
    "inspect --model sample_inputs/tiny-llama": (
        (*HEAVY, *OTHERS, *RARE, "attn_cli.tutorial"),
        ("tokenizers", "attn_cli.terminal.overview"),
    ),
    "schema": (("numpy", "rich"), ("typer",)),
    "models --json": (("numpy", "rich", "tempfile", *EXTRAS), ("attn_cli.checkpoints.hub",)),
    "models": (("numpy", *HEAVY, *EXTRAS), ("attn_cli.checkpoints.hub", "rich.segment")),
    "show sample_inputs/inspection.json --json": (
        ("rich", "attn_cli.files.foreign.layouts", "attn_cli.attention", "hashlib", *RARE),
        ("numpy", "attn_cli.files.foreign"),
    ),
    "show sample_inputs/attentions.npz --axes lhqk --json": (
        ("rich", *RARE),
        ("attn_cli.files.foreign.layouts",),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_command_imports_what_it_needs_and_no_more(case: str) -> None:
    unwanted, wanted = CASES[case]
    name, *options = case.split()
    given = {"heads": [SAMPLE], "diff": [SAMPLE] * 2}
    given |= {command: [SENTENCE] for command in ("inspect", "vocab", "explain")}
    _, modules = probe(name, *given.get(name, []), *options)
    by_numpy = numpy_alone() if "numpy" in wanted else set()
    assert within(modules - by_numpy, *unwanted) == []
    assert [w for w in wanted if w not in modules] == []  # the probe sees what is imported


def test_the_guard_catches_a_command_that_imports_more() -> None:
    _, drawn = probe("inspect", SENTENCE)
    assert "rich.segment" in within(drawn, *CASES["inspect --json"][0])
    assert "numpy" in within(drawn, *CASES["vocab --json"][0])
    _, helped = probe("inspect", "--help")
    assert {"rich.console", "rich.table"} <= set(within(helped, *CASES["inspect"][0]))
    _, listed = probe("vocab", SENTENCE, "--json")
    assert {"json", "typer", "typing"} <= set(within(listed, *CASES["--version"][0]))


def test_blas_gets_one_thread_unless_the_user_says_otherwise() -> None:
    assert probe("inspect", SENTENCE, "--json")[0] == "1"
    assert probe("inspect", SENTENCE, "--json", OPENBLAS_NUM_THREADS="4")[0] == "4"


def test_no_command_imports_torch_or_a_plotting_library() -> None:
    _, modules = probe("inspect", SENTENCE, "--show", "all")
    assert within(modules, "torch", "pandas", "matplotlib", "scipy", "transformers") == []
    assert "attn_cli.tutorial" in modules
