"""Small random models of every family and of the options that change attention.

Made with transformers, where it is installed; their weights are scaled so that attention is peaked.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import numpy as np

SMALL = {"vocab_size": 61, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3}
BERT = SMALL | {"num_attention_heads": 3, "max_position_embeddings": 48}
GPT2 = {"vocab_size": 61, "n_embd": 24, "n_layer": 3, "n_head": 3, "n_positions": 48}
OPT = {"vocab_size": 61, "hidden_size": 24, "ffn_dim": 40, "num_hidden_layers": 3}
OPT |= {"num_attention_heads": 3, "max_position_embeddings": 48}
BLOOM = {"vocab_size": 61, "hidden_size": 24, "n_layer": 3, "n_head": 3}
NEOX = SMALL | {"num_attention_heads": 3, "max_position_embeddings": 48}
LLAMA = SMALL | {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 48}
LLAMA |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
DEEP = LLAMA | {"num_hidden_layers": 7, "head_dim": 8}
T5 = {"vocab_size": 61, "d_model": 24, "d_kv": 6, "d_ff": 40, "num_layers": 3, "num_heads": 4}
T5 |= {"decoder_start_token_id": 0}
BART = {"vocab_size": 61, "d_model": 24, "encoder_layers": 2, "decoder_layers": 3}
BART |= {"encoder_attention_heads": 3, "decoder_attention_heads": 4, "encoder_ffn_dim": 32}
BART |= {"decoder_ffn_dim": 40, "max_position_embeddings": 48}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 12}
LONG = {"short_factor": [1.0, 1.3, 2.0], "long_factor": [1.5, 3.0, 7.5]}

# Name of the configuration's and the model's class, and what the configuration is told.
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("Bert", "BertModel", BERT),
    ("Bert", "BertModel", BERT | {"hidden_act": "relu", "type_vocab_size": 5}),
    ("Bert", "BertModel", BERT | {"is_decoder": True, "layer_norm_eps": 1e-3}),
    ("Roberta", "RobertaModel", BERT),
    ("Roberta", "RobertaModel", BERT | {"pad_token_id": 5, "type_vocab_size": 1}),
    ("Roberta", "RobertaModel", BERT | {"is_decoder": True}),
    ("XLMRoberta", "XLMRobertaModel", BERT),
    ("DistilBert", "DistilBertModel", {"vocab_size": 61, "dim": 24, "n_heads": 3, "n_layers": 3}),
    (
        "DistilBert",
        "DistilBertModel",
        {
            "vocab_size": 61,
            "dim": 24,
            "n_heads": 3,
            "n_layers": 2,
            "activation": "relu",
            "hidden_dim": 40,
            "sinusoidal_pos_embds": True,
        },
    ),
    ("Albert", "AlbertModel", BERT | {"embedding_size": 8}),
    ("Albert", "AlbertModel", BERT | {"embedding_size": 24, "num_hidden_groups": 3}),
    (
        "Albert",
        "AlbertModel",
        BERT
        | {
            "num_hidden_layers": 5,
            "num_hidden_groups": 2,
            "inner_group_num": 2,
            "embedding_size": 16,
            "hidden_act": "gelu",
        },
    ),
    ("Electra", "ElectraModel", BERT | {"embedding_size": 16}),
    ("Electra", "ElectraModel", BERT | {"embedding_size": 24}),
    ("Electra", "ElectraModel", BERT | {"embedding_size": 16, "is_decoder": True}),
    ("MPNet", "MPNetModel", BERT),
    ("MPNet", "MPNetModel", BERT | {"relative_attention_num_buckets": 40}),
    ("GPT2", "GPT2LMHeadModel", GPT2),
    ("GPT2", "GPT2LMHeadModel", GPT2 | {"scale_attn_by_inverse_layer_idx": True, "n_inner": 50}),
    (
        "GPT2",
        "GPT2LMHeadModel",
        GPT2 | {"scale_attn_weights": False, "activation_function": "relu"},
    ),
    (
        "GPT2",
        "GPT2LMHeadModel",
        GPT2
        | {
            "reorder_and_upcast_attn": True,
            "activation_function": "gelu",
            "tie_word_embeddings": False,
        },
    ),
    (
        "GPT2",
        "GPT2LMHeadModel",
        GPT2 | {"add_cross_attention": True, "activation_function": "gelu_fast"},
    ),
    ("OPT", "OPTForCausalLM", OPT),
    ("OPT", "OPTForCausalLM", OPT | {"do_layer_norm_before": False, "word_embed_proj_dim": 16}),
    ("OPT", "OPTForCausalLM", OPT | {"enable_bias": False, "activation_function": "gelu"}),
    ("OPT", "OPTForCausalLM", OPT | {"layer_norm_elementwise_affine": False}),
    ("OPT", "OPTForCausalLM", OPT | {"_remove_final_layer_norm": True, "word_embed_proj_dim": 16}),
    ("Bloom", "BloomForCausalLM", BLOOM),
    ("Bloom", "BloomForCausalLM", BLOOM | {"n_head": 12}),
    (
        "Bloom",
        "BloomForCausalLM",
        BLOOM
        | {
            "n_head": 8,
            "tie_word_embeddings": False,
            "apply_residual_connection_post_layernorm": True,
        },
    ),
    ("GPTNeoX", "GPTNeoXForCausalLM", NEOX),
    ("GPTNeoX", "GPTNeoXForCausalLM", NEOX | {"rotary_pct": 1.0, "rotary_emb_base": 500}),
    ("GPTNeoX", "GPTNeoXForCausalLM", NEOX | {"use_parallel_residual": False, "rotary_pct": 0.5}),
    (
        "GPTNeoX",
        "GPTNeoXForCausalLM",
        NEOX
        | {
            "attention_bias": False,
            "hidden_act": "gelu_new",
            "rope_scaling": {"type": "linear", "factor": 2.0},
        },
    ),
    (
        "GPTNeoX",
        "GPTNeoXForCausalLM",
        NEOX | {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.75}},
    ),
    ("Llama", "LlamaForCausalLM", LLAMA),
    (
        "Llama",
        "LlamaForCausalLM",
        LLAMA | {"attention_bias": True, "mlp_bias": True, "head_dim": 10},
    ),
    ("Llama", "LlamaForCausalLM", LLAMA | {"tie_word_embeddings": True, "num_key_value_heads": 1}),
    ("Llama", "LlamaForCausalLM", LLAMA | {"rope_theta": 500.0, "hidden_act": "gelu"}),
    ("Llama", "LlamaForCausalLM", LLAMA | {"is_causal": False}),
    ("Llama", "LlamaForCausalLM", LLAMA | {"rope_scaling": {"type": "linear", "factor": 3.0}}),
    (
        "Llama",
        "LlamaForCausalLM",
        LLAMA | {"rope_scaling": {"type": "dynamic", "factor": 3.0}, "max_position_embeddings": 20},
    ),
    (
        "Llama",
        "LlamaForCausalLM",
        LLAMA | {"rope_scaling": LLAMA3 | {"original_max_position_embeddings": 16}},
    ),
    ("Llama", "LlamaForCausalLM", LLAMA | {"rope_parameters": LLAMA3 | {"rope_theta": 300.0}}),
    ("Llama", "LlamaForCausalLM", LLAMA | {"rope_scaling": YARN, "head_dim": 16}),
    (
        "Llama",
        "LlamaForCausalLM",
        LLAMA
        | {
            "rope_parameters": YARN
            | {"beta_fast": 8, "beta_slow": 2, "truncate": False, "attention_factor": 1.25},
            "head_dim": 16,
        },
    ),
    (
        "Llama",
        "LlamaForCausalLM",
        LLAMA | {"rope_scaling": YARN | {"mscale": 0.7, "mscale_all_dim": 1.3}, "head_dim": 16},
    ),
    (
        "Llama",
        "LlamaForCausalLM",
        LLAMA
        | {
            "rope_scaling": {"rope_type": "longrope", **LONG},
            "max_position_embeddings": 64,
            "original_max_position_embeddings": 16,
        },
    ),
    ("Mistral", "MistralForCausalLM", LLAMA),
    ("Mistral", "MistralForCausalLM", LLAMA | {"sliding_window": 7, "head_dim": 10}),
    ("Mistral", "MistralForCausalLM", LLAMA | {"sliding_window": None}),
    ("Mistral", "MistralForCausalLM", LLAMA | {"sliding_window": 5, "is_causal": False}),
    ("Qwen2", "Qwen2ForCausalLM", LLAMA | {"sliding_window": 5}),
    (
        "Qwen2",
        "Qwen2ForCausalLM",
        LLAMA
        | {
            "sliding_window": 5,
            "use_sliding_window": True,
            "max_window_layers": 2,
            "tie_word_embeddings": True,
        },
    ),
    (
        "Qwen2",
        "Qwen2ForCausalLM",
        LLAMA
        | {
            "sliding_window": 6,
            "use_sliding_window": True,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        },
    ),
    ("Qwen2", "Qwen2ForCausalLM", LLAMA | {"rope_scaling": YARN}),
    ("Qwen3", "Qwen3ForCausalLM", LLAMA | {"head_dim": 8}),
    (
        "Qwen3",
        "Qwen3ForCausalLM",
        LLAMA
        | {
            "head_dim": 10,
            "attention_bias": True,
            "sliding_window": 4,
            "use_sliding_window": True,
            "max_window_layers": 1,
        },
    ),
    ("Gemma", "GemmaForCausalLM", LLAMA | {"head_dim": 10}),
    ("Gemma", "GemmaForCausalLM", LLAMA | {"head_dim": 8, "hidden_act": "gelu"}),
    ("Gemma2", "Gemma2ForCausalLM", DEEP | {"sliding_window": 6, "query_pre_attn_scalar": 10}),
    (
        "Gemma2",
        "Gemma2ForCausalLM",
        DEEP
        | {
            "sliding_window": 6,
            "attn_logit_softcapping": None,
            "final_logit_softcapping": None,
            "attention_bias": True,
        },
    ),
    (
        "Gemma2",
        "Gemma2ForCausalLM",
        DEEP
        | {
            "sliding_window": 6,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 0.5,
            "num_hidden_layers": 2,
            "layer_types": ["full_attention", "sliding_attention"],
        },
    ),
    ("Gemma3Text", "Gemma3ForCausalLM", DEEP | {"sliding_window": 6, "query_pre_attn_scalar": 10}),
    (
        "Gemma3Text",
        "Gemma3ForCausalLM",
        DEEP
        | {
            "sliding_window": 6,
            "sliding_window_pattern": 3,
            "rope_theta": 700.0,
            "rope_local_base_freq": 50.0,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
    ),
    (
        "Gemma3Text",
        "Gemma3ForCausalLM",
        DEEP | {"sliding_window": 7, "use_bidirectional_attention": True},
    ),
    (
        "Gemma3Text",
        "Gemma3ForCausalLM",
        DEEP
        | {
            "sliding_window": 5,
            "final_logit_softcapping": 0.7,
            "attn_logit_softcapping": 3.0,
            "rope_parameters": {
                "full_attention": YARN | {"rope_theta": 900.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 60.0},
            },
        },
    ),
    ("Phi3", "Phi3ForCausalLM", LLAMA | {"sliding_window": 9}),
    (
        "Phi3",
        "Phi3ForCausalLM",
        LLAMA | {"sliding_window": None, "hidden_size": 32, "partial_rotary_factor": 0.5},
    ),
    (
        "Phi3",
        "Phi3ForCausalLM",
        LLAMA
        | {
            "original_max_position_embeddings": 40,
            "max_position_embeddings": 160,
            "rope_scaling": {"type": "longrope", **LONG},
        },
    ),
    (
        "Phi3",
        "Phi3ForCausalLM",
        LLAMA
        | {
            "original_max_position_embeddings": 20,
            "max_position_embeddings": 160,
            "rope_scaling": {"type": "longrope", **LONG},
        },
    ),
    ("Olmo2", "Olmo2ForCausalLM", LLAMA | {"attention_bias": True}),
    ("Olmo2", "Olmo2ForCausalLM", LLAMA | {"rope_theta": 300.0, "tie_word_embeddings": True}),
    ("T5", "T5ForConditionalGeneration", T5),
    (
        "T5",
        "T5ForConditionalGeneration",
        T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    ),
    (
        "T5",
        "T5ForConditionalGeneration",
        T5
        | {
            "feed_forward_proj": "gated-silu",
            "num_decoder_layers": 2,
            "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 20,
        },
    ),
    ("T5", "T5ForConditionalGeneration", T5 | {"feed_forward_proj": "gelu_new"}),
    ("Bart", "BartForConditionalGeneration", BART),
    (
        "Bart",
        "BartForConditionalGeneration",
        BART | {"scale_embedding": True, "activation_function": "relu"},
    ),
]


class Arrays:
    """The tensors of a model in memory, as a reader offers those of a file."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays

    def names(self) -> Collection[str]:
        return self.arrays.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        return self.arrays[name].shape

    def read(self, name: str) -> np.ndarray:
        return self.arrays[name]


def built(kind: str, model: str, options: dict[str, Any], seed: int) -> tuple[Any, dict[str, Any]]:
    """A random model of peaked attention, and the config.json that it would be saved with."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config = getattr(transformers, f"{kind}Config")(**json.loads(json.dumps(options)))
    config._attn_implementation = "eager"
    made = getattr(transformers, model)(config).eval()
    with torch.no_grad():
        for name, tensor in made.named_parameters():
            if tensor.ndim == 1:
                around = 1.0 if "weight" in name and "gemma" not in config.model_type else 0.0
                tensor.copy_(around + 0.3 * torch.randn_like(tensor))
            else:
                size = 1.6
                if config.model_type == "t5" and name.endswith((".q.weight", "bias.weight")):
                    size = 0.8  # T5 does not divide scores by √d_head: more would be noise
                tensor.copy_(torch.randn_like(tensor) * size / tensor.shape[-1] ** 0.5)
    return made, json.loads(config.to_json_string(use_diff=False))
