"""Encoders: BERT and its kin, which look both ways.

Rows alone: nothing is computed here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from attn_cli.checkpoints.families.family import ALWAYS, ALWAYS_BIASED, Family, separate, without
from attn_cli.checkpoints.settings import Setting

_ABSOLUTE = {"only": {"position_embedding_type": "absolute", "pruned_heads": {}}}

_BERT_SETTINGS: dict[str, Any] = {
    "n_vocab": Setting("vocab_size", 30522),
    "d_model": Setting("hidden_size", 768),
    "n_layer": Setting("num_hidden_layers", 12),
    "n_head": Setting("num_attention_heads", 12),
    "d_ff": Setting("intermediate_size", 3072),
    "activation": Setting("hidden_act", "gelu"),
    "n_position": Setting("max_position_embeddings", 512),
    "n_type": Setting("type_vocab_size", 2),
    "norm_eps": Setting("layer_norm_eps", 1e-12),
    "is_decoder": Setting("is_decoder", False),
    "position_offset": 0,
    **ALWAYS_BIASED,
    **ALWAYS,
    **_ABSOLUTE,
}
_EMBEDDINGS = {
    "words": "embeddings.word_embeddings",
    "positions": "embeddings.position_embeddings",
    "types": "embeddings.token_type_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
}

BERT = Family(
    settings=_BERT_SETTINGS,
    mask="is_decoder",
    anchor="embeddings.word_embeddings.weight",
    layer="encoder.layer.{}.",
    names={
        **_EMBEDDINGS,
        **separate("attention.self.", "query", "key", "value", "none"),
        "output": "attention.output.dense",
        "after_attention_sum": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "after_feed_forward_sum": "output.LayerNorm",
    },
)
ROBERTA = replace(
    BERT,
    settings={
        **_BERT_SETTINGS,
        "n_vocab": Setting("vocab_size", 50265),
        "position_offset": "padding",
        "padding": Setting("pad_token_id", 1),
    },
)
XLM_ROBERTA = replace(
    ROBERTA, settings={**ROBERTA.settings, "n_vocab": Setting("vocab_size", 30522)}
)
ELECTRA = replace(
    BERT,
    settings={
        **_BERT_SETTINGS,
        "d_embedding": Setting("embedding_size", 128),
        "d_model": Setting("hidden_size", 256),
        "n_head": Setting("num_attention_heads", 4),
        "d_ff": Setting("intermediate_size", 1024),
    },
    names={**BERT.names, "embedding_projection": "embeddings_project"},
)
DISTILBERT = Family(
    settings={
        "n_vocab": Setting("vocab_size", 30522),
        "d_model": Setting("dim hidden_size", 768),
        "n_layer": Setting("n_layers num_hidden_layers", 6),
        "n_head": Setting("n_heads num_attention_heads", 12),
        "d_ff": Setting("hidden_dim", 4 * 768),
        "activation": Setting("activation", "gelu"),
        "n_position": Setting("max_position_embeddings", 512),
        "norm_eps": 1e-12,
        "position_offset": 0,
        **ALWAYS_BIASED,
        **ALWAYS,
        **_ABSOLUTE,
    },
    mask="none",
    anchor="embeddings.word_embeddings.weight",
    layer="transformer.layer.{}.",
    names={
        **without(_EMBEDDINGS, "types"),
        **separate("attention.", "q_lin", "k_lin", "v_lin", "out_lin"),
        "after_attention_sum": "sa_layer_norm",
        "up": "ffn.lin1",
        "down": "ffn.lin2",
        "after_feed_forward_sum": "output_layer_norm",
    },
)
ALBERT = Family(
    settings={
        **_BERT_SETTINGS,
        "n_vocab": Setting("vocab_size", 30000),
        "d_embedding": Setting("embedding_size", 128),
        "always_projects": True,
        "d_model": Setting("hidden_size", 4096),
        "n_group": Setting("num_hidden_groups", 1),
        "n_inner": Setting("inner_group_num", 1),
        "n_head": Setting("num_attention_heads", 64),
        "d_ff": Setting("intermediate_size", 16384),
        "activation": Setting("hidden_act", "gelu_new"),
    },
    mask="none",
    anchor="embeddings.word_embeddings.weight",
    layer="encoder.albert_layer_groups.{group}.albert_layers.{inner}.",
    names={
        **_EMBEDDINGS,
        "embedding_projection": "encoder.embedding_hidden_mapping_in",
        **separate("attention.", "query", "key", "value", "dense"),
        "after_attention_sum": "attention.LayerNorm",
        "up": "ffn",
        "down": "ffn_output",
        "after_feed_forward_sum": "full_layer_layer_norm",
    },
)
MPNET = Family(
    settings={
        **_BERT_SETTINGS,
        "n_vocab": Setting("vocab_size", 30527),
        "position_offset": "padding",
        "padding": 1,
        # The table is as large as config.json says; how distances share it is fixed.
        "n_bucket": 32,
        "n_bucket_row": Setting("relative_attention_num_buckets", 32),
        "max_distance": 128,
        "both_sides": True,
    },
    mask="none",
    anchor="embeddings.word_embeddings.weight",
    layer="encoder.layer.{}.",
    names={
        **without(_EMBEDDINGS, "types"),
        "relative": "encoder.relative_attention_bias",
        **separate("attention.attn.", "q", "k", "v", "o"),
        "after_attention_sum": "attention.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "after_feed_forward_sum": "output.LayerNorm",
    },
)
