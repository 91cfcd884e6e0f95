"""Fuzzing of checkpoints: what is fed with any bytes, and sound bytes to begin with.

As a script it runs atheris on one of them, for as long as libFuzzer's options say:

    python tests/fuzzing_checkpoints.py gguf -max_total_time=600
"""

from __future__ import annotations

import atexit
import gc
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import FunctionType

from checkpoint_files import reference
from hostile import gguf

from attn_cli.checkpoints import catalogue
from attn_cli.checkpoints.inspecting import Model, Text
from attn_cli.checkpoints.locate import open_checkpoint
from attn_cli.errors import AttnError

PARTS = {
    "config": "config.json",
    "safetensors": "model.safetensors",
    "tokenizer": "tokenizer.json",
    "gguf": "model.gguf",
}


@cache
def _directory(part: str) -> Path:
    temporary = tempfile.TemporaryDirectory(prefix="fuzzing-")
    atexit.register(temporary.cleanup)
    home = Path(temporary.name, part)
    if part != "gguf":
        return reference(home, "llama")
    home.mkdir()
    (home / PARTS[part]).write_bytes(gguf.file(gguf.keys(), gguf.tensors()))
    return home


@cache
def sound(part: str) -> bytes:
    """A file that is as it should be."""
    return (_directory(part) / PARTS[part]).read_bytes()


def feed(part: str, data: bytes) -> None:
    """Open, list and use a model with one file of these bytes: it works, or an AttnError says why.

    Raises:
        Exception: whatever else happens.
    """
    sound(part)
    directory = _directory(part)
    (directory / PARTS[part]).write_bytes(data)
    try:
        for listed in catalogue.models([str(directory)]):
            assert listed.trouble is None or listed.trouble.strip()
        model = Model(open_checkpoint(str(directory)))
        model.inspect(Text("w5 w6"))
        list(model.generate(Text("w5 w6"), 2))
    except AttnError as error:
        assert error.message and len(str(error).splitlines()) < 40


def main() -> None:
    import atheris

    part = sys.argv.pop(1)
    corpus = Path(tempfile.mkdtemp(prefix="corpus-"))
    (corpus / "sound").write_bytes(sound(part))
    feed(part, sound(part))  # everything that it needs is loaded
    for found in gc.get_objects():
        if isinstance(found, FunctionType) and str(found.__module__).startswith("attn_cli"):
            atheris.instrument_func(found)
    options = [*sys.argv, "-len_control=0", str(corpus)]
    atheris.Setup(options, lambda data: feed(part, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
