"""The entrance: `attn` and `python -m attn_cli`.

It answers `--version`, and is ready for signals before anything heavy is imported; the rest is
`attn_cli.commands`.
"""

from __future__ import annotations

import gc
import os
import sys

from attn_cli import ending


def main() -> None:
    """Run the command line of this process and exit with its status."""
    ending.watch()
    from attn_cli.commands.outcome import settle, wants_debug

    arguments = sys.argv[1:]
    status = settle(lambda: _run(arguments), debug=wants_debug(arguments))
    ending.done()
    gc.freeze()  # the process ends: to look for garbage once more costs a tenth of a run
    sys.exit(status)


def _run(arguments: list[str]) -> int:
    _hold_standard_streams()
    # BLAS threads gain nothing at the sizes of one text, cost 70 ms of CPU to start and spin on
    # a busy machine. Whoever wants them has set the variable.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Start-up makes many objects and no garbage; to look for it every 700 costs 2 % of a run.
    gc.set_threshold(50_000)
    if arguments in (["--version"], ["-V"]):
        from attn_cli.commands.outcome import version

        return version()
    from attn_cli.commands.app import run

    return run(arguments)


def _hold_standard_streams() -> None:
    """Put nothing where a standard stream is closed: a file that is opened must not come there.

    Python has noticed already: `sys.stdout` is None, and stays so.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free, which is this one


if __name__ == "__main__":
    main()
