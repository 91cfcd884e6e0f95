"""Decoders that learn their positions, or have ALiBi: GPT-2, OPT, BLOOM.

Rows alone: nothing is computed here.
"""

from __future__ import annotations

from dataclasses import replace

from attn_cli.checkpoints.families.family import ALWAYS, ALWAYS_BIASED, Family, separate, without
from attn_cli.checkpoints.settings import Setting

GPT2 = Family(
    settings={
        "n_vocab": Setting("vocab_size", 50257),
        "d_model": Setting("n_embd hidden_size", 768),
        "n_layer": Setting("n_layer num_hidden_layers", 12),
        "n_head": Setting("n_head num_attention_heads", 12),
        "d_ff": Setting("n_inner", None, nullable=True),
        "activation": Setting("activation_function", "gelu_new"),
        "n_position": Setting("n_positions max_position_embeddings", 1024),
        "norm_eps": Setting("layer_norm_epsilon", 1e-5),
        "scales_scores": Setting("scale_attn_weights", True),
        "scales_by_layer": Setting("scale_attn_by_inverse_layer_idx", False),
        "is_tied": Setting("tie_word_embeddings", True),
        "end_token": Setting("eos_token_id", 50256, nullable=True),
        "position_offset": 0,
        "has_norm_weights": True,
        **ALWAYS_BIASED,
        "only": {"pruned_heads": {}},
    },
    mask="causal",
    anchor="wpe.weight",
    layer="h.{}.",
    qkv="stacked",
    has_input_first=True,
    names={
        "words": "wte",
        "positions": "wpe",
        "final_norm": "ln_f",
        "head": "lm_head",
        "before_attention": "ln_1",
        "qkv": "attn.c_attn",
        "output": "attn.c_proj",
        "before_feed_forward": "ln_2",
        "up": "mlp.c_fc",
        "down": "mlp.c_proj",
    },
)
OPT = Family(
    settings={
        "n_vocab": Setting("vocab_size", 50272),
        "d_embedding": Setting("word_embed_proj_dim", None, nullable=True),
        "d_model": Setting("hidden_size", 768),
        "n_layer": Setting("num_hidden_layers", 12),
        "n_head": Setting("num_attention_heads", 12),
        "d_ff": Setting("ffn_dim", 3072),
        "activation": Setting("activation_function", "relu"),
        "n_position": Setting("max_position_embeddings", 2048),
        "norm_eps": 1e-5,
        "has_norm_weights": Setting("layer_norm_elementwise_affine", True),
        "qkv_bias": Setting("enable_bias", True),
        "output_bias": Setting("enable_bias", True),
        "feed_forward_bias": Setting("enable_bias", True),
        "is_tied": Setting("tie_word_embeddings", True),
        "end_token": Setting("eos_token_id", 2, nullable=True),
        "position_offset": 2,
        "scales_scores": True,
        "only": {},
    },
    mask="causal",
    anchor="decoder.embed_positions.weight",
    layer="decoder.layers.{}.",
    names={
        "words": "decoder.embed_tokens",
        "word_projection": "decoder.project_in",
        "positions": "decoder.embed_positions",
        "final_norm": "decoder.final_layer_norm",
        "final_projection": "decoder.project_out",
        "head": "lm_head",
        "before_attention": "self_attn_layer_norm",
        **separate("self_attn.", "q_proj", "k_proj", "v_proj", "out_proj"),
        "before_feed_forward": "final_layer_norm",
        "up": "fc1",
        "down": "fc2",
    },
)
OPT_NORM_AFTER = replace(
    OPT,
    names={
        **without(OPT.names, "final_norm", "before_attention", "before_feed_forward"),
        "after_attention_sum": "self_attn_layer_norm",
        "after_feed_forward_sum": "final_layer_norm",
    },
    absent=("decoder.final_layer_norm.weight",),
)
OPT_NO_FINAL_NORM = replace(
    OPT, names=without(OPT.names, "final_norm"), absent=OPT_NORM_AFTER.absent
)
BLOOM = Family(
    settings={
        "n_vocab": Setting("vocab_size", 250880),
        "d_model": Setting("n_embed hidden_size", 64),
        "n_layer": Setting("n_layer num_hidden_layers", 2),
        "n_head": Setting("n_head num_attention_heads", 8),
        "activation": "gelu_new",
        "norm_eps": Setting("layer_norm_epsilon", 1e-5),
        "residual_after_norm": Setting("apply_residual_connection_post_layernorm", False),
        "is_tied": Setting("tie_word_embeddings", True),
        "end_token": Setting("eos_token_id", 2, nullable=True),
        **ALWAYS_BIASED,
        **ALWAYS,
        "only": {},
    },
    mask="causal",
    anchor="word_embeddings_layernorm.weight",
    layer="h.{}.",
    qkv="interleaved",
    alibi=True,
    names={
        "words": "word_embeddings",
        "embedding_norm": "word_embeddings_layernorm",
        "final_norm": "ln_f",
        "head": "lm_head",
        "before_attention": "input_layernorm",
        "qkv": "self_attention.query_key_value",
        "output": "self_attention.dense",
        "before_feed_forward": "post_attention_layernorm",
        "up": "mlp.dense_h_to_4h",
        "down": "mlp.dense_4h_to_h",
    },
)
