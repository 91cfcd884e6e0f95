"""GGUF models: a GGUF's metadata and tensors in the words of the checkpoint that it was made from.

`config` becomes what its `config.json` said, as far as attention needs it, and each tensor gets its
own name and layout back. How the file is read is in `gguf`; no forward pass is here.

What llama.cpp's converter did is undone: rows of q and k that it put in interleaved pairs for its
rotary code go back into halves (`llama`), and the 1 that it added to Gemma's norms is taken off.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from attn_cli.checkpoints import gguf_tokenizer
from attn_cli.checkpoints.checkpoint import Checkpoint
from attn_cli.checkpoints.gguf import GgufFile, told
from attn_cli.checkpoints.gguf_metadata import MAX_LAYERS, Metadata
from attn_cli.checkpoints.gguf_names import original_name, own_key, own_name
from attn_cli.checkpoints.tensors import Origin
from attn_cli.errors import DataError

if TYPE_CHECKING:
    from attn_cli.types import Floats, Integers

_TABLES = ("model.embed_tokens.weight", "lm_head.weight")
# Norms after attention and feed-forward, with `ffn_norm`, if there is one, before the latter.
_AFTER = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_GELU = {"hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh"}


class Family(NamedTuple):
    """How one of llama.cpp's architectures differs from the checkpoint that it came from."""

    model_type: str
    names: Mapping[str, str] = {}  # of a layer's tensors, where they differ from `gguf_names.LAYER`
    settings: Mapping[str, Any] = {}  # of its `config.json`, which GGUF does not hold
    interleaved: bool = False  # rows of q and k
    norm_shift: float = 0.0  # added to every norm's weight
    full_every: int = 0  # layers, one sees all keys and the others a window; 0: all are alike


FAMILIES = {
    "llama": Family("llama", interleaved=True),
    "qwen2": Family("qwen2", settings={"use_sliding_window": False}),
    "qwen3": Family("qwen3", settings={"use_sliding_window": False}),
    "phi3": Family("phi3", {"ffn_up": "mlp.gate_up_proj"}),
    "olmo2": Family("olmo2", _AFTER),
    "gemma": Family("gemma", settings=_GELU, norm_shift=1.0),
    "gemma2": Family("gemma2", _AFTER, _GELU, norm_shift=1.0, full_every=2),
    "gemma3": Family(
        "gemma3_text",
        _AFTER,
        _GELU | {"rope_local_base_freq": 10_000.0},
        norm_shift=1.0,
        full_every=6,
    ),
}

# The largest Gemma 2 and 3 (by layers) scale by d_model / n_head, all others by the width of a
# head; llama.cpp knows them by this too, as GGUF has no key for it.
_WIDE_SCALE = {"gemma2": 46, "gemma3": 62}
_DEFAULT_WINDOW = {"gemma2": 4096}
_MOST_FLOATS = 1 << 16  # of a list that is kept as a tensor: one for every second number of a head


class GgufTensors:
    """The tensors of a GGUF, by the names and in the layout that the checkpoint had."""

    def __init__(self, file: GgufFile, family: Family, n_head: int, n_kv_head: int) -> None:
        self._file, self._family = file, family
        self._heads = {"self_attn.q_proj": n_head, "self_attn.k_proj": n_kv_head}
        self._own: dict[str, str] = {}
        for name in file.entries:
            original = original_name(name, family.names)
            if original in self._own:
                raise DataError(f"{file.path}: two tensors stand for `{original[:80]}`")
            self._own[original] = name

    def names(self) -> Collection[str]:
        return self._own.keys()

    @property
    def origin(self) -> Origin:
        """For complaints: the file, and its names."""
        return Origin(str(self._file.path), "metadata", self._own_name, self._own_key)

    def _own_name(self, name: str) -> str:
        return self._own.get(name) or own_name(name, self._family.names)

    def _own_key(self, key: str) -> str:
        return own_key(key, str(self._file.metadata["general.architecture"]))

    def shape(self, name: str) -> tuple[int, ...]:
        return self._file.entries[self._place(name)].shape

    def read(self, name: str) -> Floats:
        """A tensor as float32; see `GgufFile.read`."""
        found = self._file.read(self._place(name))
        module = re.sub(r"^model\.layers\.\d+\.|\.(weight|bias)$", "", name)
        if self._family.interleaved and module in self._heads:
            return self._in_halves(found, self._heads[module], name)
        if self._family.norm_shift and name.endswith("norm.weight"):
            return self._unshifted(found)
        return found

    def rows(self, name: str, index: Integers | slice) -> Floats:
        """Some rows of a tensor, of a table of embeddings unpacking no others."""
        if name in _TABLES:
            return self._file.read(self._place(name), index)
        found: Floats = self.read(name)[index]
        return found

    def release(self) -> None:
        """Let what was read leave memory; it can be read again."""
        self._file.release()

    def _unshifted(self, weight: Floats) -> Floats:
        import numpy as np

        unshifted: Floats = weight - np.float32(self._family.norm_shift)
        return unshifted

    def _in_halves(self, interleaved: Floats, n_head: int, name: str) -> Floats:
        """Rows 0, 1, 2, 3 … of each head as the checkpoint had them: 0, 2, … then 1, 3, …"""
        n_rows = interleaved.shape[0] if interleaved.ndim else 0
        if n_head < 1 or n_rows % (2 * n_head):
            raise DataError(
                f"{self._file.path}: tensor `{self._own_name(name)}` has {n_rows} rows, which "
                f"cannot be shared evenly by {n_head} heads"
            )
        n_pairs = n_rows // n_head // 2
        pairs = interleaved.reshape(n_head, n_pairs, 2, *interleaved.shape[1:])
        halves: Floats = pairs.swapaxes(1, 2).reshape(interleaved.shape)
        return halves

    def _place(self, name: str) -> str:
        if name not in self._own:
            raise DataError(f"{self._file.path} has no tensor `{self._own_name(name)}`")
        return self._own[name]


def open_gguf(path: Path, name: str) -> Checkpoint:
    """A GGUF file as a checkpoint.

    Raises:
        DataError: the file is damaged, of an architecture that is not known, or one part of many.
    """
    file = GgufFile(path)
    architecture = file.metadata.get("general.architecture")
    if not isinstance(architecture, str) or architecture not in FAMILIES:
        raise DataError(
            f"{path} is of the architecture {told(architecture)}, which is not known",
            f"From GGUF, these are: {', '.join(FAMILIES)}. Others are read from safetensors.",
        )
    if file.metadata.get("split.count", 1) not in (0, 1):
        raise DataError(
            f"{path} is one of {told(file.metadata['split.count'])} parts",
            "Put them together with: llama-gguf-split --merge",
        )
    metadata, family = Metadata(file, architecture), FAMILIES[architecture]
    config = _config(file, metadata, architecture)
    tensors = GgufTensors(
        file, family, config["num_attention_heads"], config["num_key_value_heads"]
    )
    return Checkpoint(
        name=name,
        path=path,
        config=config,
        tensors=tensors,
        dtype={"F32": "float32", "F16": "float16", "BF16": "bfloat16"}.get(file.dtype, file.dtype),
        files=(path,),
        _tokenizer_json=lambda: _tokenizer(file),
    )


def _config(file: GgufFile, metadata: Metadata, architecture: str) -> dict[str, Any]:
    """What the checkpoint's `config.json` said."""
    if metadata.number("expert_count", 0):
        raise DataError(f"{file.path} is a mixture of experts, which is not known")
    family, number, count = FAMILIES[architecture], metadata.number, metadata.count
    n_head, d_model = count("attention.head_count"), count("embedding_length")
    d_head = count("attention.key_length", count("rope.dimension_count", d_model // n_head))
    n_rows = _n_rows(file)
    for key, true, what in (
        ("rope.dimension_count", d_head, f"heads are {d_head} wide"),
        ("attention.value_length", d_head, f"heads are {d_head} wide"),
        ("vocab_size", n_rows, f"the embedding has {n_rows} rows"),
    ):
        is_part = architecture == "phi3" and key == "rope.dimension_count"
        if (value := count(key, true)) != true and not is_part:
            raise metadata.contradiction(key, value, what)
    metadata.require_unchanged()
    config = {
        "model_type": family.model_type,
        "hidden_size": d_model,
        "intermediate_size": count("feed_forward_length"),
        "num_hidden_layers": count("block_count"),
        "num_attention_heads": n_head,
        "num_key_value_heads": count("attention.head_count_kv", n_head),
        "head_dim": d_head,
        "max_position_embeddings": count("context_length"),
        "rms_norm_eps": number("attention.layer_norm_rms_epsilon"),
        "rope_theta": float(number("rope.freq_base", 10_000.0)),
        "vocab_size": n_rows,
        "tie_word_embeddings": "output.weight" not in file.entries,
        "attention_bias": "blk.0.attn_q.bias" in file.entries,
        "mlp_bias": "blk.0.ffn_up.bias" in file.entries,
        "hidden_act": "silu",
    }
    optional = {
        "sliding_window": metadata.optional("attention.sliding_window")
        or _DEFAULT_WINDOW.get(architecture),
        "attn_logit_softcapping": metadata.optional("attn_logit_softcapping"),
        "final_logit_softcapping": metadata.optional("final_logit_softcapping"),
        "rope_scaling": _rope_scaling(file, metadata, d_head, config["rope_theta"]),
        "original_max_position_embeddings": metadata.optional(
            "rope.scaling.original_context_length"
        ),
    }
    config.update((key, value) for key, value in optional.items() if value is not None)
    return config | dict(family.settings) | _peculiar(file, metadata, architecture, config)


def _peculiar(
    file: GgufFile, metadata: Metadata, architecture: str, config: Mapping[str, Any]
) -> dict[str, Any]:
    """What is not in every `config.json`."""
    found: dict[str, Any] = {}
    for key in ("bos_token_id", "eos_token_id"):
        if type(file.metadata.get(f"tokenizer.ggml.{key}")) is int:
            found[key] = file.metadata[f"tokenizer.ggml.{key}"]
    for key in ("eos_token_id", "unknown_token_id"):
        value = file.metadata.get(f"tokenizer.ggml.{key}", 0)
        if type(value) is not int or not 0 <= value < config["vocab_size"]:
            raise DataError(
                f"{file.path}: `tokenizer.ggml.{key}` is {told(value)}, and the embedding has "
                f"{config['vocab_size']} rows"
            )
    n_layer, every = config["num_hidden_layers"], FAMILIES[architecture].full_every
    width = config["hidden_size"] / config["num_attention_heads"]
    if width < 1:
        raise DataError(
            f"{file.path}: `{architecture}.embedding_length` is {config['hidden_size']:,}, less "
            f"than one number for each of its {config['num_attention_heads']:,} heads"
        )
    if n_layer > MAX_LAYERS:
        raise DataError(f"{file.path}: {n_layer:,} layers are too many")
    if every:
        found["layer_types"] = [
            "sliding_attention" if layer % every else "full_attention"
            for layer in range(1, n_layer + 1)
        ]
    if architecture in _WIDE_SCALE:
        wide = n_layer == _WIDE_SCALE[architecture]
        found["query_pre_attn_scalar"] = width if wide else config["head_dim"]
    if architecture == "phi3":
        found["head_dim"] = int(width)
        rotated = metadata.count("rope.dimension_count", int(width))
        found["partial_rotary_factor"] = rotated / int(width)
    return found


def _n_rows(file: GgufFile) -> int:
    embedding = file.entries.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise DataError(f"{file.path} has no embedding, a matrix `token_embd.weight`")
    return embedding.shape[0]


def _rope_scaling(
    file: GgufFile, metadata: Metadata, d_head: int, base: float
) -> dict[str, Any] | None:
    """How positions are stretched, in the words of a `config.json`; None if they are not."""
    if "rope_freqs.weight" in file.entries:
        return _llama3(file, d_head, base)
    if "rope_factors_long.weight" in file.entries:
        return {
            "rope_type": "longrope",
            "long_factor": list(_floats(file, "rope_factors_long.weight")),
            "short_factor": list(_floats(file, "rope_factors_short.weight")),
        }
    # As llama.cpp: a factor alone means linear, and may have its first name.
    factor = metadata.optional("rope.scaling.factor")
    factor = metadata.optional("rope.scale_linear") if factor is None else factor
    kind = metadata.text("rope.scaling.type", "none" if factor is None else "linear")
    if kind == "none":
        return None
    if kind not in ("linear", "yarn"):
        raise DataError(f"{file.path}: positions are scaled by {kind[:80]!r}, which is not known")
    scaling = {"rope_type": kind, "factor": 1.0 if factor is None else factor}
    if kind == "yarn":
        scaling["original_max_position_embeddings"] = metadata.number(
            "rope.scaling.original_context_length"
        )
    return scaling


def _llama3(file: GgufFile, d_head: int, base: float) -> dict[str, Any]:
    """The rule behind `rope_freqs`, which holds its outcome for each frequency.

    All of Llama 3.1 to 3.3 use the same three bands of wavelengths and differ in the factor, which
    is that of the longest waves. That the rule gives the numbers in the file is checked.
    """
    factors = _floats(file, "rope_freqs.weight")
    factor, low, high, context = max(factors, default=0.0), 1.0, 4.0, 8192
    matches = len(factors) == d_head // 2 and 1 <= factor < math.inf and base >= 1
    for pair, given in enumerate(factors if matches else ()):
        wavelength = 2 * math.pi * base ** (2 * pair / d_head)
        smooth = min(max((context / wavelength - low) / (high - low), 0.0), 1.0)
        matches &= math.isclose(given, 1 / ((1 - smooth) / factor + smooth), rel_tol=1e-4)
    if not matches:
        raise DataError(
            f"{file.path}: `rope_freqs.weight` is not what Llama 3's rule gives",
            "Read this model from safetensors, where the rule is stated.",
        )
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": low,
        "high_freq_factor": high,
        "original_max_position_embeddings": context,
    }


def _floats(file: GgufFile, name: str) -> tuple[float, ...]:
    """A short float32 tensor, without numpy."""
    entry = file.entries.get(name)
    if entry is None or entry.type.name != "F32":
        raise DataError(f"{file.path} has no tensor `{name}` of float32")
    if math.prod(entry.shape) > _MOST_FLOATS:
        raise DataError(
            f"{file.path}: tensor `{name}` has {math.prod(entry.shape):,} numbers, "
            f"{_MOST_FLOATS:,} at most"
        )
    data = file.bytes_of(name)
    return struct.unpack(f"<{len(data) // 4}f", data)


def _tokenizer(file: GgufFile) -> tuple[bytes, str]:
    document = gguf_tokenizer.document(file.metadata, str(file.path))
    return json.dumps(document).encode(), f"{file.path}, its tokenizer"
