"""Small checkpoints for tests: written here, byte for byte, by no library of models."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np

TOKENIZERS = Path(__file__).parent / "reference" / "readers"

CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_size": 8,
    "vocab_size": 620,
}


def safetensors_bytes(tensors: dict[str, np.ndarray]) -> bytes:
    header: dict[str, Any] = {}
    data = b""
    for name, array in tensors.items():
        raw = array.astype("<f4").tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def model(directory: Path, *, shards: int = 1, config: Any = CONFIG) -> Path:
    """A directory with a configuration, a tokenizer and weights of one tensor a file."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config))
    shutil.copy(TOKENIZERS / "llama.json", directory / "tokenizer.json")
    if shards == 1:
        weights = safetensors_bytes({"w0": np.ones((2, 3))})
        (directory / "model.safetensors").write_bytes(weights)
        return directory
    homes = {}
    for number in range(shards):
        file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        (directory / file).write_bytes(safetensors_bytes({f"w{number}": np.full(2, number)}))
        homes[f"w{number}"] = file
    index = directory / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": homes}))
    return directory


def cached(cache: Path, name: str, *, commit: str = "c0ffee", ref: str | None = "main") -> Path:
    """A model as huggingface_hub keeps it: links from a snapshot into `blobs`; the snapshot."""
    home = cache / f"models--{name.replace('/', '--')}"
    made, snapshot, blobs = model(home / "made"), home / "snapshots" / commit, home / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir(exist_ok=True)
    for file in made.iterdir():
        blob = blobs / f"{commit}-{file.name}"
        file.replace(blob)
        (snapshot / file.name).symlink_to(Path("..") / ".." / "blobs" / blob.name)
    made.rmdir()
    if ref is not None:
        (home / "refs").mkdir(exist_ok=True)
        (home / "refs" / ref).write_text(commit)
    return snapshot


def gguf_file(path: Path) -> Path:
    """A Llama of one layer, with a byte-level vocabulary."""
    source = json.loads((TOKENIZERS / "gpt2.json").read_text(encoding="utf-8"))
    tokens = sorted(source["model"]["vocab"], key=source["model"]["vocab"].get)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(16)
    writer.add_embedding_length(8)
    writer.add_feed_forward_length(8)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_merges([" ".join(merge) for merge in source["model"]["merges"]])
    writer.add_tensor("token_embd.weight", np.ones((len(tokens), 8), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def word_tokenizer(n: int = 61, *, single: str = "$A", pair: str = "$A:0 $B:1") -> bytes:
    """A tokenizer.json that calls token i `wi`, so that a text can be written for any ids.

    Token 0 is also special as `<s>`, and 2 as `</s>`, for the templates of one text and of a pair.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {f"w{i}": i for i in range(n)}
    vocabulary["<s>"], vocabulary["</s>"] = vocabulary.pop("w0"), vocabulary.pop("w2")
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="w1"))
    made.add_special_tokens(["<s>", "</s>"])
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    marks = [("<s>", 0), ("</s>", 2)]
    made.post_processor = processors.TemplateProcessing(single, pair, marks)
    return made.to_str().encode()


def words(ids: Any) -> str:
    """A text of which `word_tokenizer` makes these ids."""
    return " ".join({0: "<s>", 2: "</s>"}.get(i, f"w{i}") for i in map(int, ids))


def reference(directory: Path, name: str, **template: Any) -> Path:
    """A copy of a checkpoint of `tests/reference`, with a tokenizer; its expected numbers stay."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in ("config.json", "model.safetensors"):
        shutil.copy(TOKENIZERS.parent / name / file, directory / file)
    (directory / "tokenizer.json").write_bytes(word_tokenizer(**template))
    return directory


def expected(name: str) -> dict[str, np.ndarray]:
    """What transformers computes with a checkpoint of `tests/reference`."""
    with np.load(TOKENIZERS.parent / name / "expected.npz") as arrays:
        return dict(arrays)
