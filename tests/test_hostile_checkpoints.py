"""Hostile checkpoints: each is refused at once, in bounded memory, with what is wrong named.

More of them, as whole runs of the command, are in `hostile`.
"""

from __future__ import annotations

import json
import re
import struct
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_files import reference, safetensors_bytes
from conftest import Ran, run
from pace import promptly

from attn_cli.checkpoints.inspecting import Model, Text
from attn_cli.checkpoints.locate import open_checkpoint
from attn_cli.errors import AttnError


def ask(model: str, *options: str, text: str = "w5 w6", **more: Any) -> Ran:
    return run("inspect", text, "--model", model, *options, **more)


def config(directory: Path, **changes: Any) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rewritten(directory: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the header of the weights; the data stay where they are."""
    path = directory / "model.safetensors"
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


def truncated(directory: Path) -> None:
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def pickle_only(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")


def one_shard_of_two(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "model-1.safetensors")
    homes = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    index = {"weight_map": homes}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


def overlap(header: dict[str, Any]) -> None:
    first, second, *_ = (entry for name, entry in header.items() if name != "__metadata__")
    second["data_offsets"] = first["data_offsets"]


def absurd(header: dict[str, Any]) -> None:
    name = next(name for name in header if "q_proj" in name)
    header[name]["shape"] = [2**40, 2**40]


def without(part: str) -> Callable[[Path], None]:
    def change(header: dict[str, Any]) -> None:
        header["another"] = header.pop(next(name for name in header if part in name))

    return lambda directory: rewritten(directory, change)


def small_tokenizer(directory: Path) -> None:
    from checkpoint_files import word_tokenizer

    (directory / "tokenizer.json").write_bytes(word_tokenizer(900))


def not_finite(directory: Path) -> None:
    def name(header: dict[str, Any]) -> None:
        found.append(next(e for n, e in header.items() if "layers.1.self_attn.v_proj" in n))

    found: list[dict[str, Any]] = []
    rewritten(directory, name)
    path = directory / "model.safetensors"
    data = bytearray(path.read_bytes())
    (size,) = struct.unpack("<Q", data[:8])
    place = 8 + size + found[0]["data_offsets"][0]
    data[place : place + 4] = struct.pack("<f", np.nan)
    path.write_bytes(data)


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "unknown family": (lambda d: config(d, model_type="mamba"), "mamba"),
    "no family": (lambda d: (d / "config.json").write_text("{}") and None, "model_type"),
    "config is no JSON": (lambda d: (d / "config.json").write_text("{") and None, "config.json"),
    "config is missing": (lambda d: (d / "config.json").unlink(), "config.json"),
    "more layers than there are": (lambda d: config(d, num_hidden_layers=9), "layers."),
    "a hundred million layers": (lambda d: config(d, num_hidden_layers=10**8), "layers"),
    "absurd width": (lambda d: config(d, hidden_size=2**50), "hidden_size"),
    "heads that do not divide": (lambda d: config(d, num_key_value_heads=3), "num_key_value"),
    "a negative size": (lambda d: config(d, intermediate_size=-4), "intermediate_size"),
    "another width": (lambda d: config(d, intermediate_size=7), "config.json asks for"),
    "tensor is missing": (without("layers.1.self_attn.k_proj"), "layers.1.self_attn.k_proj"),
    "embedding is missing": (without("embed_tokens"), "embed_tokens"),
    "truncated": (truncated, "model.safetensors"),
    "bad header": (
        lambda d: (d / "model.safetensors").write_bytes(b"\xff" * 4000) and None,
        "model.safetensors",
    ),
    "empty": (lambda d: (d / "model.safetensors").write_bytes(b"") and None, "model.safetensors"),
    "overlapping": (lambda d: rewritten(d, overlap), "model.safetensors"),
    "absurd shape": (lambda d: rewritten(d, absurd), "q_proj"),
    "pickle only": (pickle_only, "pickle"),
    "missing shard": (one_shard_of_two, "model-2.safetensors"),
    "no tokenizer": (lambda d: (d / "tokenizer.json").unlink(), "tokenizer.json"),
    "bad tokenizer": (
        lambda d: (d / "tokenizer.json").write_text('{"model": {"type": "x"}}') and None,
        "tokenizer.json",
    ),
    "tokenizer disagrees": (small_tokenizer, "embedding has 61 rows"),
    "a number is not finite": (not_finite, "layer 1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_checkpoint_is_refused_at_once(name: str, tmp_path: Path) -> None:
    spoil, said = HOSTILE[name]
    directory = reference(tmp_path / "model", "llama")
    Model(open_checkpoint(str(directory))).inspect(Text("w5 w6 w60"))  # it was sound before
    spoil(directory)
    text = "w5 w6 w899" if name == "tokenizer disagrees" else "w5 w6 w7"
    tracemalloc.start()
    try:
        with promptly(), pytest.raises(AttnError) as caught:
            Model(open_checkpoint(str(directory))).inspect(Text(text))
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
    message = f"{caught.value.message}\n{caught.value.hint}"
    assert said in message and len(message.splitlines()) <= 2
    assert not re.search(r"Error|Traceback|Exception", message)


def test_a_file_of_weights_is_not_run(tmp_path: Path) -> None:
    """A pickle beside sound weights is not even looked at; code in a config is text."""
    directory = reference(tmp_path / "model", "llama")
    (directory / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    config(directory, auto_map={"AutoModel": "evil.Model"})
    (directory / "evil.py").write_text("raise SystemExit('run')")
    ran = ask(str(directory), cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert not (tmp_path / "owned").exists()
    assert "evil" not in sys.modules and not list(directory.glob("__pycache__"))


def test_old_names_and_extra_tensors_are_normal(tmp_path: Path) -> None:
    directory = reference(tmp_path / "model", "llama")
    weights = safetensors_bytes({"rotary_emb.inv_freq": np.ones(3)})
    (directory / "extra.safetensors").write_bytes(weights)  # `model.safetensors` is the model
    ran = ask(str(directory))
    assert (ran.code, ran.err) == (0, "")
