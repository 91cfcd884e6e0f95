"""`attn models`: what is on this machine, as a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
from checkpoint_files import CONFIG, cached, gguf_file, model
from conftest import Ran, run

from attn_cli.checkpoints import catalogue


def listed(*args: str, cache: Path | None = None) -> Ran:
    env = {"HF_HUB_CACHE": str(cache)} if cache is not None else {}
    ran = run("models", *args, env=env | {"COLUMNS": "100"})
    assert (ran.code, ran.err) == (0, ""), ran
    return ran


def test_models_of_the_cache_are_listed(tmp_path: Path) -> None:
    cached(tmp_path, "org/small")
    cached(tmp_path, "gpt2")
    lines = listed(cache=tmp_path).text.splitlines()
    assert lines[0] == f"models  2 in {tmp_path}"[:100].rstrip() or lines[0].endswith("…")
    assert lines[1].split() == ["name", "family", "layers", "×", "heads", "stored", "as", "size"]
    size = (tmp_path / "models--gpt2/snapshots/c0ffee/model.safetensors").stat().st_size
    row = ["gpt2", "llama", "3", "×", "4", "(2", "kv)", "float32", str(size), "bytes"]
    assert lines[2].split() == row
    assert lines[3].split()[:2] == ["org/small", "llama"]
    assert len(lines) == 4


def test_json_has_every_field(tmp_path: Path) -> None:
    snapshot = cached(tmp_path, "org/small")
    document = json.loads(listed("--json", cache=tmp_path).out)
    assert document == {
        "schema": "attn-models/1",
        "where": str(tmp_path),
        "models": [
            {
                "name": "org/small",
                "path": str(snapshot),
                "model_type": "llama",
                "n_layer": 3,
                "n_head": 4,
                "n_kv_head": 2,
                "dtype": "float32",
                "n_bytes": (snapshot / "model.safetensors").stat().st_size,
                "trouble": None,
            }
        ],
    }


def test_directories_are_searched_instead(tmp_path: Path) -> None:
    model(tmp_path / "a")
    gguf_file(tmp_path / "b.gguf")
    (tmp_path / "no model").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    for given in ([str(tmp_path)], [str(tmp_path / "a"), str(tmp_path / "b.gguf")]):
        found = json.loads(listed(*given, "--json").out)["models"]
        assert [(m["name"], m["n_layer"], m["n_head"]) for m in found] == [("a", 3, 4), ("b", 1, 2)]


def test_none_is_said_with_what_to_do(tmp_path: Path) -> None:
    ran = listed(cache=tmp_path / "nothing")
    assert ran.text.startswith(f"models  0 in {tmp_path / 'nothing'}\n") and "--model" in ran.text
    assert json.loads(listed("--json", cache=tmp_path).out)["models"] == []


def test_a_broken_model_is_listed_with_the_reason(tmp_path: Path) -> None:
    model(tmp_path / "good")
    bad = model(tmp_path / "bad")
    (bad / "model.safetensors").write_bytes(b"x" * 9)
    text = listed(str(tmp_path)).text
    words = " ".join(text.split())
    assert "models 1 in" in words and "bad cannot be read: " in words and "header" in words
    assert all(len(line) <= 100 for line in text.splitlines())
    found = json.loads(listed(str(tmp_path), "--json").out)["models"]
    assert [m["trouble"] is None for m in found] == [False, True]


def test_a_broken_model_that_is_named_is_refused(tmp_path: Path) -> None:
    bad = model(tmp_path / "bad")
    (bad / "model.safetensors").write_bytes(b"x" * 9)
    (tmp_path / "x.gguf").write_bytes(b"no model")
    (tmp_path / "x.txt").write_bytes(b"no model")
    for place in (bad, tmp_path / "x.gguf", tmp_path / "x.txt"):
        for more in ((), ("--json",)):
            ran = run("models", str(place), *more)
            assert (ran.code, ran.out) == (2, b"") and str(place) in ran.err, ran
    assert listed(str(bad), str(tmp_path / "x.txt")).text.count("cannot be read") == 2


def test_a_place_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    ran = run("models", str(tmp_path / "nowhere"))
    assert (ran.code, ran.out) == (2, b"") and "there is no directory" in ran.err


def test_hostile_names_cannot_touch_the_terminal(tmp_path: Path) -> None:
    directory = tmp_path / "in\x1b[31m"
    model(directory / "a\x1b]0;title\x07\nb", config={**CONFIG, "model_type": "\x1b[2J"})
    (model(directory / "c\x1b[2J") / "config.json").write_text("{")
    text = listed(str(directory)).text
    assert text.replace("\n", "").isprintable()
    assert "\\x1b" in text
    json.loads(listed(str(directory), "--json").out)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "gpt2", "n_layer": 2, "n_head": 5}, ("gpt2", 2, 5, 5)),
        ({"model_type": "t5", "num_layers": 2, "num_heads": 5}, ("t5", 2, 5, 5)),
        (
            {"model_type": "bart", "encoder_layers": 2, "encoder_attention_heads": 5},
            ("bart", 2, 5, 5),
        ),
        (
            {"model_type": "gemma3", "text_config": {"n_layer": 7, "num_attention_heads": 4}},
            ("gemma3", 7, 4, 4),
        ),
        ({}, (None, None, None, None)),
        ({"model_type": 1, "n_layer": "2", "n_head": True}, (None, None, None, None)),
    ],
)
def test_families_call_the_same_thing_by_other_names(
    config: dict[str, object], expected: tuple[object, ...], tmp_path: Path
) -> None:
    model(tmp_path / "m", config=config)
    (found,) = catalogue.models([str(tmp_path)])
    assert (found.model_type, found.n_layer, found.n_head, found.n_kv_head) == expected
    assert found.trouble is None


def test_a_packed_gguf_says_what_it_is_stored_as(tmp_path: Path) -> None:
    path = tmp_path / "q.gguf"
    writer = gguf.GGUFWriter(path, "qwen3")
    for key in ("block_count", "context_length", "embedding_length", "feed_forward_length"):
        writer.add_uint32(f"qwen3.{key}", 32)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    kind = gguf.GGMLQuantizationType.Q8_0
    packed = gguf.quantize(np.ones((7, 32), np.float32), kind)
    writer.add_tensor("token_embd.weight", packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    row = listed(str(tmp_path)).text.splitlines()[2].split()
    assert row[:7] == ["q", "qwen3", "32", "×", "4", "(2", "kv)"] and row[7] == "Q8_0"
