"""The entrance: `attn` and `python -m attn_cli`.

It answers `--version` and catches Ctrl-C before anything heavy is imported; the rest is
`attn_cli.commands`.
"""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run the command line of this process and exit with its status."""
    try:
        # BLAS threads gain nothing at the sizes of one text, cost 70 ms of CPU to start and spin on
        # a busy machine. Whoever wants them has set the variable.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        # Start-up makes many objects and no garbage; to look for it every 700 costs 2 % of a run.
        gc.set_threshold(50_000)
        arguments = sys.argv[1:]
        if arguments in (["--version"], ["-V"]):
            from attn_cli.commands.outcome import settle, version

            status = settle(version)
        else:
            from attn_cli.commands.app import run

            status = run(arguments)
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
