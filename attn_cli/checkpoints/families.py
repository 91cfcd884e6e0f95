"""Families: what sets each family of models apart, one declarative row a family.

Defaults are those of transformers' configuration of the family, for what a config.json leaves out.
Nothing is computed here.

A row's `settings` say where config.json has a value and what it is by default; a plain value is
fixed. Its `names` say what the family calls each part, without `.weight` and `.bias`; a part that
a family does not have has no name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from attn_cli.checkpoints.masks import MaskKind
from attn_cli.checkpoints.settings import Setting, shown
from attn_cli.errors import DataError


@dataclass(frozen=True)
class Family:
    """One family of models."""

    settings: Mapping[str, Any]
    layer: str  # the prefix of a layer's names
    names: Mapping[str, str]
    anchor: str  # a tensor that a checkpoint of the family has once
    mask: MaskKind
    norm: Literal["layer", "rms", "rms+1"] = "layer"  # the last multiplies with 1 + weight
    qkv: Literal["separate", "stacked", "interleaved"] = "separate"  # the last: head by head
    feed_forward: Literal["plain", "gated", "gated stacked"] = "plain"
    query_norm: Literal["none", "head", "full"] = "none"  # one norm a head, or over all of them
    has_input_first: bool = False  # matrices are (d_in, d_out): x @ W
    rotary: bool = False
    alibi: bool = False
    gate: str = ""  # what the name of a gated activation begins with
    activations: Mapping[str, str] = field(default_factory=dict)  # names that mean others
    encoder: Family | None = None


def find_family(config: Mapping[str, Any]) -> tuple[Family, Mapping[str, Any]]:
    """The row of a parsed config.json, and the part of it that the row reads.

    Raises:
        DataError: it names no family, or one that is not known.
    """
    name = config.get("model_type")
    if name == "gemma3" and isinstance(config.get("text_config"), Mapping):
        config, name = config["text_config"], "gemma3_text"
    if not isinstance(name, str) or name not in FAMILIES:
        what = "names no `model_type`" if name is None else f"has the model_type {shown(name)}"
        raise DataError(
            f"config.json {what}, which is not supported" if name else f"config.json {what}",
            f"These are: {', '.join(FAMILIES)}.",
        )
    family = FAMILIES[name]
    if family is OPT and config.get("do_layer_norm_before") is False:
        family = _OPT_NORM_AFTER
    elif family is OPT and config.get("_remove_final_layer_norm") is True:
        family = replace(OPT, names=_without(OPT.names, "final_norm"))
    elif family is T5 and str(config.get("feed_forward_proj")).startswith(T5.gate):
        family = _T5_GATED
    return family, config


def _without(names: Mapping[str, str], *parts: str) -> dict[str, str]:
    return {part: name for part, name in names.items() if part not in parts}


def _separate(prefix: str, query: str, key: str, value: str, output: str) -> dict[str, str]:
    parts = {"query": query, "key": key, "value": value, "output": output}
    return {part: f"{prefix}{name}" for part, name in parts.items()}


# --- Encoders --------------------------------------------------------------------------------

_ALWAYS_BIASED = {"qkv_bias": True, "output_bias": True, "feed_forward_bias": True}
_ALWAYS = {"has_norm_weights": True, "scales_scores": True}
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
    **_ALWAYS_BIASED,
    **_ALWAYS,
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
        **_separate("attention.self.", "query", "key", "value", "none"),
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
        **_ALWAYS_BIASED,
        **_ALWAYS,
        **_ABSOLUTE,
    },
    mask="none",
    anchor="embeddings.word_embeddings.weight",
    layer="transformer.layer.{}.",
    names={
        **_without(_EMBEDDINGS, "types"),
        **_separate("attention.", "q_lin", "k_lin", "v_lin", "out_lin"),
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
        **_separate("attention.", "query", "key", "value", "dense"),
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
        **_without(_EMBEDDINGS, "types"),
        "relative": "encoder.relative_attention_bias",
        **_separate("attention.attn.", "q", "k", "v", "o"),
        "after_attention_sum": "attention.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "after_feed_forward_sum": "output.LayerNorm",
    },
)

# --- Decoders with learned positions, or none ------------------------------------------------

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
        **_ALWAYS_BIASED,
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
        **_separate("self_attn.", "q_proj", "k_proj", "v_proj", "out_proj"),
        "before_feed_forward": "final_layer_norm",
        "up": "fc1",
        "down": "fc2",
    },
)
_OPT_NORM_AFTER = replace(
    OPT,
    names={
        **_without(OPT.names, "final_norm", "before_attention", "before_feed_forward"),
        "after_attention_sum": "self_attn_layer_norm",
        "after_feed_forward_sum": "final_layer_norm",
    },
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
        **_ALWAYS_BIASED,
        **_ALWAYS,
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

# --- Decoders with rotary positions ----------------------------------------------------------

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
        **_ALWAYS,
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
        **_ALWAYS,
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
        **_separate("self_attn.", "q_proj", "k_proj", "v_proj", "o_proj"),
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
        **_without(LLAMA.names, "query", "key", "value", "gate", "up"),
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
        **_without(LLAMA.names, "before_attention", "before_feed_forward"),
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
        **_without(GEMMA2.settings, "softcap"),
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

# --- Encoder and decoder ---------------------------------------------------------------------

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
        **_separate("layer.0.SelfAttention.", "q", "k", "v", "o"),
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
        **_separate("layer.0.SelfAttention.", "q", "k", "v", "o"),
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


_T5_GATED = replace(_t5_gated(T5, "layer.2"), encoder=_t5_gated(_T5_ENCODER, "layer.1"))

_BART_SETTINGS: dict[str, Any] = {
    "n_vocab": Setting("vocab_size", 50265),
    "d_model": Setting("d_model hidden_size", 1024),
    "n_position": Setting("max_position_embeddings", 1024),
    "activation": Setting("activation_function", "gelu"),
    "norm_eps": 1e-5,
    "scales_embedding": Setting("scale_embedding", False, nullable=True),
    "position_offset": 2,
    **_ALWAYS_BIASED,
    **_ALWAYS,
    "only": {
        "normalize_before": False,
        "add_final_layer_norm": False,
        "normalize_embedding": True,
        "static_position_embeddings": False,
    },
}
_BART_LAYER = {
    **_separate("self_attn.", "q_proj", "k_proj", "v_proj", "out_proj"),
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

FAMILIES: Mapping[str, Family] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "distilbert": DISTILBERT,
    "albert": ALBERT,
    "electra": ELECTRA,
    "mpnet": MPNET,
    "gpt2": GPT2,
    "gpt_neox": GPT_NEOX,
    "opt": OPT,
    "bloom": BLOOM,
    "llama": LLAMA,
    "mistral": MISTRAL,
    "qwen2": QWEN2,
    "qwen3": QWEN3,
    "phi3": PHI3,
    "olmo2": OLMO2,
    "gemma": GEMMA,
    "gemma2": GEMMA2,
    "gemma3_text": GEMMA3,
    "t5": T5,
    "bart": BART,
}
