"""Run the hostile corpus on the `attn` beside this interpreter, with pipes and in a terminal.

    python tests/hostile [--every N] [BEGINNING OF A NAME ...]

Prints a line for each law that is broken, and ends with 1 if there is any. With --every only each
Nth case is run, pipes and terminal in turn: a share of every class.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from hostile.corpus import cases
from hostile.runner import failures


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--every", type=int, default=1, metavar="N")
    parser.add_argument("names", nargs="*", metavar="BEGINNING")
    given = parser.parse_args()
    found = [*cases(tuple(given.names))]
    names = Counter(case.name for case in found)
    found = found[:: given.every]
    runs = [
        (case, terminal)
        for place, case in enumerate(found)
        for terminal in (False, True)
        if given.every == 1 or terminal == bool(place % 2 and case.in_terminal)
        if not terminal or case.in_terminal
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda run: failures(run[0], terminal=run[1]), runs)
        n_failed = 0
        for (case, terminal), complaints in zip(runs, results, strict=True):
            n_failed += bool(complaints)
            for complaint in complaints:
                print(f"{case.name}{' (terminal)' if terminal else ''}: {complaint}", flush=True)
    twice = [name for name, count in names.items() if count > 1]
    for name in twice:
        print(f"{name}: there are several of this name")
    print(f"{len(found)} cases, {len(runs)} runs, {n_failed} failed")
    return 1 if n_failed or twice or not found else 0


if __name__ == "__main__":
    sys.exit(main())
