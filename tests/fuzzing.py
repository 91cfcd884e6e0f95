"""Fuzz every reader of strangers' bytes with atheris, guided by coverage.

    python tests/fuzzing.py [SECONDS FOR EACH [READER ...]]

Ends with 1 where a reader raises anything but an AttnError; the bytes are left in `crash-…`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one reader in this process; atheris never returns."""
    import atheris

    with atheris.instrument_imports(include=["attn_cli"]):
        from readers import READERS

        from attn_cli.errors import AttnError

    read, whole = READERS[name]

    def once(data: bytes) -> None:
        try:
            read(data)
        except AttnError:
            pass

    with tempfile.TemporaryDirectory() as corpus:
        Path(corpus, "whole").write_bytes(whole)
        limits = [f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=10"]
        atheris.Setup([sys.argv[0], corpus, *limits], once)
        atheris.Fuzz()


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--one"]:
        fuzz(arguments[1], int(arguments[2]))
        return 0
    from readers import READERS

    seconds, names = arguments[0] if arguments else "60", arguments[1:] or list(READERS)
    failed = []
    for name in names:
        done = subprocess.run(
            [sys.executable, __file__, "--one", name, seconds], capture_output=True, text=True
        )
        runs = [line for line in done.stderr.splitlines() if line.startswith("Done")]
        print(f"{name}: {runs[0] if runs else done.stderr[-2000:]}", flush=True)
        failed += [name] if done.returncode else []
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main(sys.argv[1:]))
