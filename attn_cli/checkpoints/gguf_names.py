"""GGUF names: what tensors and settings are called in a GGUF, and in the checkpoint that it was.

Tables and two ways through them; it opens no file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

TOP = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_qkv": "self_attn.qkv_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
KEYS = {
    "hidden_size": "{}.embedding_length",
    "intermediate_size": "{}.feed_forward_length",
    "num_hidden_layers": "{}.block_count",
    "num_attention_heads": "{}.attention.head_count",
    "num_key_value_heads": "{}.attention.head_count_kv",
    "head_dim": "{}.attention.key_length",
    "max_position_embeddings": "{}.context_length",
    "rms_norm_eps": "{}.attention.layer_norm_rms_epsilon",
    "sliding_window": "{}.attention.sliding_window",
    "attn_logit_softcapping": "{}.attn_logit_softcapping",
    "final_logit_softcapping": "{}.final_logit_softcapping",
    "original_max_position_embeddings": "{}.rope.scaling.original_context_length",
    "rope_theta": "{}.rope.freq_base",
    "rope_parameters.rope_theta": "{}.rope.freq_base",
    "rope_parameters.factor": "{}.rope.scaling.factor",
    "bos_token_id": "tokenizer.ggml.bos_token_id",
    "eos_token_id": "tokenizer.ggml.eos_token_id",
}


def original_name(name: str, own: Mapping[str, str]) -> str:
    """A tensor's name in the checkpoint; one that has none there keeps its own.

    >>> original_name("blk.3.attn_q.weight", {})
    'model.layers.3.self_attn.q_proj.weight'
    """
    module, _, part = name.rpartition(".")
    layer = re.fullmatch(r"blk\.(\d+)\.(\w+)", module)
    if layer is None:
        return f"{TOP[module]}.{part}" if module in TOP else name
    known = own.get(layer[2]) or LAYER.get(layer[2]) or layer[2]
    return f"model.layers.{int(layer[1])}.{known}.{part}"


def own_name(name: str, own: Mapping[str, str]) -> str:
    """The other way: what a GGUF calls a tensor of a checkpoint; its own name where that has none.

    >>> own_name("model.layers.3.self_attn.q_proj.weight", {})
    'blk.3.attn_q.weight'
    """
    module, _, part = name.rpartition(".")
    top = {hers.removeprefix("model."): his for his, hers in TOP.items()}
    if module.removeprefix("model.") in top:
        return f"{top[module.removeprefix('model.')]}.{part}"
    layer = re.fullmatch(r"(?:model\.)?layers\.(\d+)\.(.+)", module)
    known = {hers: his for table in (LAYER, own) for his, hers in table.items()}
    return f"blk.{layer[1]}.{known[layer[2]]}.{part}" if layer and layer[2] in known else name


def own_key(key: str, architecture: str) -> str:
    """What a GGUF's metadata calls a key of a config.json."""
    return KEYS[key].format(architecture) if key in KEYS else key
