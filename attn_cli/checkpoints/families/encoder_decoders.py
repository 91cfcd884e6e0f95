"""Encoders and decoders together: T5 and BART, whose decoders look at what the encoder made.

Rows alone: nothing is computed here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from attn_cli.checkpoints.families.family import ALWAYS, ALWAYS_BIASED, Family, separate
from attn_cli.checkpoints.settings import Setting

_T5_SETTINGS: dict[str, Any] = {
    "n_vocab": Setting("vocab_size", 32128),
    "d_model": Setting("d_model hidden_size", 512),
    "n_layer": Setting("num_layers num_hidden_layers", 6),
    "n_head": Setting("num_heads num_attention_heads", 8),
    "d_head": Setting("d_kv head_dim", 64),
    "d_ff": Setting("d_ff", 2048),
    "activation": Setting("feed_forward_proj", "relu"),
    "norm_eps": Setting("layer_norm_epsilon", 1e-6),
    "n_bucket": Setting("relative_attention_num_buckets", 32),
    "max_distance": Setting("relative_attention_max_distance", 128),
    "has_norm_weights": True,
    "scales_scores": False,
    "qkv_bias": False,
    "output_bias": False,
    "feed_forward_bias": False,
    "only": {},
}
_T5_ENCODER = Family(
    settings={**_T5_SETTINGS, "both_sides": True},
    mask="none",
    anchor="encoder.final_layer_norm.weight",
    layer="encoder.block.{}.",
    norm="rms",
    gate="gated-",
    activations={"gated-gelu": "gelu_new"},
    names={
        "words": "encoder.embed_tokens shared decoder.embed_tokens lm_head",
        "relative": "encoder.block.0.layer.0.SelfAttention.relative_attention_bias",
        "final_norm": "encoder.final_layer_norm",
        "before_attention": "layer.0.layer_norm",
        **separate("layer.0.SelfAttention.", "q", "k", "v", "o"),
        "before_feed_forward": "layer.1.layer_norm",
        "up": "layer.1.DenseReluDense.wi",
        "down": "layer.1.DenseReluDense.wo",
    },
)
T5 = replace(
    _T5_ENCODER,
    encoder=_T5_ENCODER,
    settings={
        **_T5_SETTINGS,
        "n_layer": Setting("num_decoder_layers num_layers num_hidden_layers", 6, nullable=True),
        "both_sides": False,
        "scales_head": Setting("scale_decoder_outputs tie_word_embeddings", True),
        "is_tied": True,
        "start_token": Setting("decoder_start_token_id", 0, nullable=True),
        "end_token": Setting("eos_token_id", 1, nullable=True),
    },
    mask="causal",
    layer="decoder.block.{}.",
    names={
        "words": "decoder.embed_tokens shared encoder.embed_tokens lm_head",
        "relative": "decoder.block.0.layer.0.SelfAttention.relative_attention_bias",
        "final_norm": "decoder.final_layer_norm",
        "head": "lm_head",
        "before_attention": "layer.0.layer_norm",
        **separate("layer.0.SelfAttention.", "q", "k", "v", "o"),
        "before_cross": "layer.1.layer_norm",
        "cross_query": "layer.1.EncDecAttention.q",
        "cross_key": "layer.1.EncDecAttention.k",
        "cross_value": "layer.1.EncDecAttention.v",
        "cross_output": "layer.1.EncDecAttention.o",
        "before_feed_forward": "layer.2.layer_norm",
        "up": "layer.2.DenseReluDense.wi",
        "down": "layer.2.DenseReluDense.wo",
    },
)


def _t5_gated(family: Family, place: str) -> Family:
    gated = {"gate": f"{place}.DenseReluDense.wi_0", "up": f"{place}.DenseReluDense.wi_1"}
    return replace(family, feed_forward="gated", names={**family.names, **gated})


T5_GATED = replace(_t5_gated(T5, "layer.2"), encoder=_t5_gated(_T5_ENCODER, "layer.1"))

_BART_SETTINGS: dict[str, Any] = {
    "n_vocab": Setting("vocab_size", 50265),
    "d_model": Setting("d_model hidden_size", 1024),
    "n_position": Setting("max_position_embeddings", 1024),
    "activation": Setting("activation_function", "gelu"),
    "norm_eps": 1e-5,
    "scales_embedding": Setting("scale_embedding", False, nullable=True),
    "position_offset": 2,
    **ALWAYS_BIASED,
    **ALWAYS,
    "only": {
        "normalize_before": False,
        "add_final_layer_norm": False,
        "normalize_embedding": True,
        "static_position_embeddings": False,
    },
}
_BART_LAYER = {
    **separate("self_attn.", "q_proj", "k_proj", "v_proj", "out_proj"),
    "after_attention_sum": "self_attn_layer_norm",
    "up": "fc1",
    "down": "fc2",
    "after_feed_forward_sum": "final_layer_norm",
}
_BART_ENCODER = Family(
    settings={
        **_BART_SETTINGS,
        "n_layer": Setting("encoder_layers num_hidden_layers", 12),
        "n_head": Setting("encoder_attention_heads num_attention_heads", 16),
        "d_ff": Setting("encoder_ffn_dim", 4096),
    },
    mask="none",
    anchor="encoder.layernorm_embedding.weight",
    layer="encoder.layers.{}.",
    names={
        **_BART_LAYER,
        "words": "encoder.embed_tokens shared decoder.embed_tokens lm_head",
        "positions": "encoder.embed_positions",
        "embedding_norm": "encoder.layernorm_embedding",
    },
)
BART = replace(
    _BART_ENCODER,
    encoder=_BART_ENCODER,
    settings={
        **_BART_SETTINGS,
        "n_layer": Setting("decoder_layers", 12),
        "n_head": Setting("decoder_attention_heads", 16),
        "d_ff": Setting("decoder_ffn_dim", 4096),
        "is_tied": Setting("tie_word_embeddings", True),
        "start_token": Setting("decoder_start_token_id", 2, nullable=True),
        "end_token": Setting("eos_token_id", 2, nullable=True),
    },
    mask="causal",
    layer="decoder.layers.{}.",
    names={
        **_BART_LAYER,
        "words": "decoder.embed_tokens shared encoder.embed_tokens lm_head",
        "positions": "decoder.embed_positions",
        "embedding_norm": "decoder.layernorm_embedding",
        "head": "lm_head",
        "head_bias": "final_logits_bias",
        "cross_query": "encoder_attn.q_proj",
        "cross_key": "encoder_attn.k_proj",
        "cross_value": "encoder_attn.v_proj",
        "cross_output": "encoder_attn.out_proj",
        "after_cross_sum": "encoder_attn_layer_norm",
    },
)
