"""Decoders that rotate query and key: GPT-NeoX, and Llama and its kin.

Rows alone: nothing is computed here.
"""

from __future__ import annotations

from dataclasses import replace

from attn_cli.checkpoints.families.family import ALWAYS, Family, separate, without
from attn_cli.checkpoints.settings import Setting

GPT_NEOX = Family(
    settings={
        "n_vocab": Setting("vocab_size", 50432),
        "d_model": Setting("hidden_size", 6144),
        "n_layer": Setting("num_hidden_layers", 44),
        "n_head": Setting("num_attention_heads", 64),
        "d_ff": Setting("intermediate_size", 24576),
        "activation": Setting("hidden_act", "gelu"),
        "n_position": Setting("max_position_embeddings", 2048),
        "norm_eps": Setting("layer_norm_eps", 1e-5),
        "parallel": Setting("use_parallel_residual", True),
        "qkv_bias": Setting("attention_bias", True),
        "output_bias": Setting("attention_bias", True),
        "feed_forward_bias": True,
        "rope_theta": Setting("rotary_emb_base", 10_000.0),
        "rotary_part": Setting("rotary_pct", 0.25),
        "original_length": Setting("original_max_position_embeddings", None, nullable=True),
        "is_tied": Setting("tie_word_embeddings", False),
        "end_token": Setting("eos_token_id", 2, nullable=True),
        **ALWAYS,
        "only": {},
    },
    mask="causal",
    anchor="embed_in.weight",
    layer="layers.{}.",
    qkv="interleaved",
    rotary=True,
    names={
        "words": "embed_in",
        "final_norm": "final_layer_norm",
        "head": "embed_out lm_head",
        "before_attention": "input_layernorm",
        "qkv": "attention.query_key_value",
        "output": "attention.dense",
        "before_feed_forward": "post_attention_layernorm",
        "up": "mlp.dense_h_to_4h",
        "down": "mlp.dense_4h_to_h",
    },
)
LLAMA = Family(
    settings={
        "n_vocab": Setting("vocab_size", 32000),
        "d_model": Setting("hidden_size", 4096),
        "n_layer": Setting("num_hidden_layers", 32),
        "n_head": Setting("num_attention_heads", 32),
        "n_kv_head": Setting("num_key_value_heads", None, nullable=True),
        "d_head": Setting("head_dim", None, nullable=True),
        "d_ff": Setting("intermediate_size", 11008),
        "activation": Setting("hidden_act", "silu"),
        "n_position": Setting("max_position_embeddings", 2048),
        "norm_eps": Setting("rms_norm_eps", 1e-6),
        "rope_theta": Setting("rope_theta", 10_000.0),
        "original_length": Setting("original_max_position_embeddings", None, nullable=True),
        "qkv_bias": Setting("attention_bias", False),
        "output_bias": Setting("attention_bias", False),
        "feed_forward_bias": Setting("mlp_bias", False),
        "is_tied": Setting("tie_word_embeddings", False),
        "end_token": Setting("eos_token_id", 2, nullable=True),
        **ALWAYS,
        "only": {},
    },
    mask="causal",
    anchor="embed_tokens.weight",
    layer="layers.{}.",
    norm="rms",
    feed_forward="gated",
    rotary=True,
    names={
        "words": "embed_tokens",
        "final_norm": "norm",
        "head": "lm_head",
        "before_attention": "input_layernorm",
        **separate("self_attn.", "q_proj", "k_proj", "v_proj", "o_proj"),
        "before_feed_forward": "post_attention_layernorm",
        "gate": "mlp.gate_proj",
        "up": "mlp.up_proj",
        "down": "mlp.down_proj",
    },
)
_HEAD_NORMS = {"query_norm": "self_attn.q_norm", "key_norm": "self_attn.k_norm"}

MISTRAL = replace(
    LLAMA,
    mask="window",
    settings={
        **LLAMA.settings,
        "n_kv_head": Setting("num_key_value_heads", 8, nullable=True),
        "d_ff": Setting("intermediate_size", 14336),
        "n_position": Setting("max_position_embeddings", 4096 * 32),
        "window": Setting("sliding_window", 4096, nullable=True),
        "qkv_bias": False,
        "output_bias": False,
        "feed_forward_bias": False,
    },
)
QWEN2 = replace(
    LLAMA,
    mask="layer_types",
    settings={
        **LLAMA.settings,
        "n_vocab": Setting("vocab_size", 151936),
        "n_kv_head": Setting("num_key_value_heads", 32, nullable=True),
        "d_ff": Setting("intermediate_size", 22016),
        "n_position": Setting("max_position_embeddings", 32768),
        "slides": Setting("use_sliding_window", False),
        "window": Setting("sliding_window", 4096, nullable=True),
        "first_sliding": Setting("max_window_layers", 28),
        "qkv_bias": True,
        "output_bias": False,
        "feed_forward_bias": False,
        "end_token": Setting("eos_token_id", None, nullable=True),
    },
)
QWEN3 = replace(
    QWEN2,
    settings={
        **QWEN2.settings,
        "d_head": Setting("head_dim", 128),
        "qkv_bias": Setting("attention_bias", False),
        "output_bias": Setting("attention_bias", False),
    },
    query_norm="head",
    names={**LLAMA.names, **_HEAD_NORMS},
)
PHI3 = replace(
    LLAMA,
    mask="window",
    qkv="stacked",
    feed_forward="gated stacked",
    settings={
        **LLAMA.settings,
        "n_vocab": Setting("vocab_size", 32064),
        "d_model": Setting("hidden_size", 3072),
        "d_ff": Setting("intermediate_size", 8192),
        "n_position": Setting("max_position_embeddings", 4096),
        "norm_eps": Setting("rms_norm_eps", 1e-5),
        "window": Setting("sliding_window", None, nullable=True),
        "rotary_part": Setting("partial_rotary_factor", 1.0),
        "rope_kinds": {"su": "longrope", "yarn": "longrope"},
        "original_length": Setting("original_max_position_embeddings", 4096),
        "qkv_bias": False,
        "output_bias": False,
        "feed_forward_bias": False,
        "end_token": Setting("eos_token_id", 32000, nullable=True),
    },
    names={
        **without(LLAMA.names, "query", "key", "value", "gate", "up"),
        "qkv": "self_attn.qkv_proj",
        "gate_up": "mlp.gate_up_proj",
    },
)
OLMO2 = replace(
    LLAMA,
    settings={
        **LLAMA.settings,
        "n_vocab": Setting("vocab_size", 50304),
        "norm_eps": Setting("rms_norm_eps", 1e-5),
        "feed_forward_bias": False,
        "end_token": Setting("eos_token_id", 50279, nullable=True),
    },
    query_norm="full",
    names={
        **without(LLAMA.names, "before_attention", "before_feed_forward"),
        **_HEAD_NORMS,
        "after_attention": "post_attention_layernorm",
        "after_feed_forward": "post_feedforward_layernorm",
    },
)
GEMMA = replace(
    LLAMA,
    norm="rms+1",
    settings={
        **LLAMA.settings,
        "n_vocab": Setting("vocab_size", 256000),
        "d_model": Setting("hidden_size", 3072),
        "n_layer": Setting("num_hidden_layers", 28),
        "n_head": Setting("num_attention_heads", 16),
        "n_kv_head": Setting("num_key_value_heads", 16),
        "d_head": Setting("head_dim", 256),
        "d_ff": Setting("intermediate_size", 24576),
        "activation": Setting("hidden_act", "gelu_pytorch_tanh"),
        "n_position": Setting("max_position_embeddings", 8192),
        "feed_forward_bias": False,
        "scales_embedding": True,
        "is_tied": Setting("tie_word_embeddings", True),
        "end_token": Setting("eos_token_id", 1, nullable=True),
        "only": {"use_bidirectional_attention": False},
    },
    activations={"gelu": "gelu_pytorch_tanh"},  # what the first configurations say and do not mean
)
GEMMA2 = replace(
    GEMMA,
    mask="layer_types",
    settings={
        **GEMMA.settings,
        "d_model": Setting("hidden_size", 2304),
        "n_layer": Setting("num_hidden_layers", 26),
        "n_head": Setting("num_attention_heads", 8),
        "n_kv_head": Setting("num_key_value_heads", 4),
        "d_ff": Setting("intermediate_size", 9216),
        "activation": Setting("hidden_activation", "gelu_pytorch_tanh"),
        "query_scalar": Setting("query_pre_attn_scalar", 256),
        "window": Setting("sliding_window", 4096, nullable=True),
        "pattern": 2,
        "softcap": Setting("attn_logit_softcapping", 50.0, nullable=True),
        "final_softcap": Setting("final_logit_softcapping", 30.0, nullable=True),
    },
    activations={},
    names={
        **LLAMA.names,
        "after_attention": "post_attention_layernorm",
        "before_feed_forward": "pre_feedforward_layernorm",
        "after_feed_forward": "post_feedforward_layernorm",
    },
)
GEMMA3 = replace(
    GEMMA2,
    settings={
        **without(GEMMA2.settings, "softcap"),
        "n_vocab": Setting("vocab_size", 262208),
        "n_position": Setting("max_position_embeddings", 131072),
        "pattern": Setting("sliding_window_pattern", 6),
        "rope_theta": Setting("rope_theta", 1_000_000.0),
        "rope_local_theta": Setting("rope_local_base_freq", 10_000.0),
        "final_softcap": Setting("final_logit_softcapping", None, nullable=True),
        "looks_both_ways": Setting("use_bidirectional_attention", False, nullable=True),
        "only": {},
    },
    query_norm="head",
    names={**GEMMA2.names, **_HEAD_NORMS},
)
