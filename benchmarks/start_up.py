"""How long `attn` takes to start and answer, as ratios of CPU time to what it cannot do without.

Each command runs in turn with its floor, pair by pair, so that a machine that drifts or is busy
drifts for both. Prints the median ratio, and the limit that we hold ourselves to.

    python benchmarks/start_up.py [PAIRS]
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

TEXT = "Life is short, eat dessert first"
ATTN = str(Path(sys.executable).with_name("attn"))
CASES = [
    ("attn --version", [ATTN, "--version"], "pass", 2.2),
    ('attn vocab "…" --json', [ATTN, "vocab", TEXT, "--json"], "import typer", 1.25),
    ('attn inspect "…" --json', [ATTN, "inspect", TEXT, "--json"], "import numpy, typer", 1.15),
    (
        'attn inspect "…"',
        [ATTN, "inspect", TEXT],
        "import numpy, typer, rich.table, rich.console",
        1.25,
    ),
]


def cpu_seconds(command: list[str]) -> float:
    """User and system time of one finished run of a command, in seconds."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, as for any user
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main(pairs: int) -> None:
    """Measure every case and print a line for each."""
    print(f"{'command':28} {'ratio':>6} {'limit':>6}   floor, median of {pairs} pairs")
    for name, command, floor, limit in CASES:
        baseline = [sys.executable, "-c", floor]
        cpu_seconds(command), cpu_seconds(baseline)  # warm the file cache
        ratios = [cpu_seconds(command) / cpu_seconds(baseline) for _ in range(pairs)]
        ratio = statistics.median(ratios)
        print(f"{name:28} {ratio:6.2f} {limit:6.2f}   python -c '{floor}'")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 21)
