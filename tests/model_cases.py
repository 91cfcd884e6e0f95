"""Small random models of every family and of the options that change attention.

Made with transformers, where it is installed; their weights are scaled so that attention is peaked.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from attn_cli.checkpoints.architecture import architecture
from attn_cli.checkpoints.transformer import Run, Step, Transformer

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

# The configuration's and the model's class, and what the configuration is told.
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bert": ("Bert", "BertModel", BERT),
    "bert-relu": ("Bert", "BertModel", BERT | {"hidden_act": "relu", "type_vocab_size": 5}),
    "bert-decoder": ("Bert", "BertModel", BERT | {"is_decoder": True, "layer_norm_eps": 1e-3}),
    "roberta": ("Roberta", "RobertaModel", BERT),
    "roberta-padding": (
        "Roberta",
        "RobertaModel",
        BERT | {"pad_token_id": 5, "type_vocab_size": 1},
    ),
    "roberta-decoder": ("Roberta", "RobertaModel", BERT | {"is_decoder": True}),
    "xlm-roberta": ("XLMRoberta", "XLMRobertaModel", BERT),
    "distilbert": (
        "DistilBert",
        "DistilBertModel",
        {
            "vocab_size": 61,
            "dim": 24,
            "n_heads": 3,
            "n_layers": 3,
            "hidden_dim": 40,
            "max_position_embeddings": 48,
        },
    ),
    "distilbert-sinusoidal": (
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
    "albert": ("Albert", "AlbertModel", BERT | {"embedding_size": 8}),
    "albert-groups": (
        "Albert",
        "AlbertModel",
        BERT | {"embedding_size": 24, "num_hidden_groups": 3},
    ),
    "albert-inner": (
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
    "electra": ("Electra", "ElectraModel", BERT | {"embedding_size": 16}),
    "electra-wide": ("Electra", "ElectraModel", BERT | {"embedding_size": 24}),
    "electra-decoder": (
        "Electra",
        "ElectraModel",
        BERT | {"embedding_size": 16, "is_decoder": True},
    ),
    "mpnet": ("MPNet", "MPNetModel", BERT),
    "mpnet-buckets": ("MPNet", "MPNetModel", BERT | {"relative_attention_num_buckets": 40}),
    "gpt2": ("GPT2", "GPT2LMHeadModel", GPT2),
    "gpt2-inverse-layer": (
        "GPT2",
        "GPT2LMHeadModel",
        GPT2 | {"scale_attn_by_inverse_layer_idx": True, "n_inner": 50},
    ),
    "gpt2-unscaled": (
        "GPT2",
        "GPT2LMHeadModel",
        GPT2 | {"scale_attn_weights": False, "activation_function": "relu"},
    ),
    "gpt2-untied": (
        "GPT2",
        "GPT2LMHeadModel",
        GPT2
        | {
            "reorder_and_upcast_attn": True,
            "activation_function": "gelu",
            "tie_word_embeddings": False,
        },
    ),
    "gpt2-cross": (
        "GPT2",
        "GPT2LMHeadModel",
        GPT2 | {"add_cross_attention": True, "activation_function": "gelu_fast"},
    ),
    "opt": ("OPT", "OPTForCausalLM", OPT),
    "opt-norm-after": (
        "OPT",
        "OPTForCausalLM",
        OPT | {"do_layer_norm_before": False, "word_embed_proj_dim": 16},
    ),
    "opt-no-bias": (
        "OPT",
        "OPTForCausalLM",
        OPT | {"enable_bias": False, "activation_function": "gelu"},
    ),
    "opt-no-norm-weights": (
        "OPT",
        "OPTForCausalLM",
        OPT | {"layer_norm_elementwise_affine": False},
    ),
    "opt-no-final-norm": (
        "OPT",
        "OPTForCausalLM",
        OPT | {"_remove_final_layer_norm": True, "word_embed_proj_dim": 16},
    ),
    "bloom": ("Bloom", "BloomForCausalLM", BLOOM),
    "bloom-12-heads": ("Bloom", "BloomForCausalLM", BLOOM | {"n_head": 12}),
    "bloom-residual-after-norm": (
        "Bloom",
        "BloomForCausalLM",
        BLOOM
        | {
            "n_head": 8,
            "tie_word_embeddings": False,
            "apply_residual_connection_post_layernorm": True,
        },
    ),
    "gpt-neox": ("GPTNeoX", "GPTNeoXForCausalLM", NEOX),
    "gpt-neox-full-rotary": (
        "GPTNeoX",
        "GPTNeoXForCausalLM",
        NEOX | {"rotary_pct": 1.0, "rotary_emb_base": 500},
    ),
    "gpt-neox-sequential": (
        "GPTNeoX",
        "GPTNeoXForCausalLM",
        NEOX | {"use_parallel_residual": False, "rotary_pct": 0.5},
    ),
    "gpt-neox-linear": (
        "GPTNeoX",
        "GPTNeoXForCausalLM",
        NEOX
        | {
            "attention_bias": False,
            "hidden_act": "gelu_new",
            "rope_scaling": {"type": "linear", "factor": 2.0},
        },
    ),
    "gpt-neox-parameters": (
        "GPTNeoX",
        "GPTNeoXForCausalLM",
        NEOX | {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.75}},
    ),
    "llama": ("Llama", "LlamaForCausalLM", LLAMA),
    "llama-biases": (
        "Llama",
        "LlamaForCausalLM",
        LLAMA | {"attention_bias": True, "mlp_bias": True, "head_dim": 10},
    ),
    "llama-tied": (
        "Llama",
        "LlamaForCausalLM",
        LLAMA | {"tie_word_embeddings": True, "num_key_value_heads": 1},
    ),
    "llama-theta": (
        "Llama",
        "LlamaForCausalLM",
        LLAMA | {"rope_theta": 500.0, "hidden_act": "gelu"},
    ),
    "llama-both-ways": ("Llama", "LlamaForCausalLM", LLAMA | {"is_causal": False}),
    "llama-linear": (
        "Llama",
        "LlamaForCausalLM",
        LLAMA | {"rope_scaling": {"type": "linear", "factor": 3.0}},
    ),
    "llama-dynamic": (
        "Llama",
        "LlamaForCausalLM",
        LLAMA | {"rope_scaling": {"type": "dynamic", "factor": 3.0}, "max_position_embeddings": 20},
    ),
    "llama3": (
        "Llama",
        "LlamaForCausalLM",
        LLAMA | {"rope_scaling": LLAMA3 | {"original_max_position_embeddings": 16}},
    ),
    "llama3-parameters": (
        "Llama",
        "LlamaForCausalLM",
        LLAMA | {"rope_parameters": LLAMA3 | {"rope_theta": 300.0}},
    ),
    "llama-yarn": ("Llama", "LlamaForCausalLM", LLAMA | {"rope_scaling": YARN, "head_dim": 16}),
    "llama-yarn-options": (
        "Llama",
        "LlamaForCausalLM",
        LLAMA
        | {
            "rope_parameters": YARN
            | {"beta_fast": 8, "beta_slow": 2, "truncate": False, "attention_factor": 1.25},
            "head_dim": 16,
        },
    ),
    "llama-yarn-mscale": (
        "Llama",
        "LlamaForCausalLM",
        LLAMA | {"rope_scaling": YARN | {"mscale": 0.7, "mscale_all_dim": 1.3}, "head_dim": 16},
    ),
    "llama-longrope": (
        "Llama",
        "LlamaForCausalLM",
        LLAMA
        | {
            "rope_scaling": {"rope_type": "longrope", **LONG},
            "max_position_embeddings": 64,
            "original_max_position_embeddings": 16,
        },
    ),
    "mistral": ("Mistral", "MistralForCausalLM", LLAMA),
    "mistral-window": (
        "Mistral",
        "MistralForCausalLM",
        LLAMA | {"sliding_window": 7, "head_dim": 10},
    ),
    "mistral-no-window": ("Mistral", "MistralForCausalLM", LLAMA | {"sliding_window": None}),
    "mistral-both-ways": (
        "Mistral",
        "MistralForCausalLM",
        LLAMA | {"sliding_window": 5, "is_causal": False},
    ),
    "qwen2": ("Qwen2", "Qwen2ForCausalLM", LLAMA | {"sliding_window": 5}),
    "qwen2-window": (
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
    "qwen2-layer-types": (
        "Qwen2",
        "Qwen2ForCausalLM",
        LLAMA
        | {
            "sliding_window": 6,
            "use_sliding_window": True,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        },
    ),
    "qwen2-yarn": ("Qwen2", "Qwen2ForCausalLM", LLAMA | {"rope_scaling": YARN}),
    "qwen3": ("Qwen3", "Qwen3ForCausalLM", LLAMA | {"head_dim": 8}),
    "qwen3-window": (
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
    "gemma": ("Gemma", "GemmaForCausalLM", LLAMA | {"head_dim": 10}),
    "gemma-gelu": ("Gemma", "GemmaForCausalLM", LLAMA | {"head_dim": 8, "hidden_act": "gelu"}),
    "gemma2": (
        "Gemma2",
        "Gemma2ForCausalLM",
        DEEP | {"sliding_window": 6, "query_pre_attn_scalar": 10},
    ),
    "gemma2-no-caps": (
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
    "gemma2-caps": (
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
    "gemma3": (
        "Gemma3Text",
        "Gemma3ForCausalLM",
        DEEP | {"sliding_window": 6, "query_pre_attn_scalar": 10},
    ),
    "gemma3-pattern": (
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
    "gemma3-both-ways": (
        "Gemma3Text",
        "Gemma3ForCausalLM",
        DEEP | {"sliding_window": 7, "use_bidirectional_attention": True},
    ),
    "gemma3-parameters": (
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
    "phi3": ("Phi3", "Phi3ForCausalLM", LLAMA | {"sliding_window": 9}),
    "phi3-partial": (
        "Phi3",
        "Phi3ForCausalLM",
        LLAMA | {"sliding_window": None, "hidden_size": 32, "partial_rotary_factor": 0.5},
    ),
    "phi3-short": (
        "Phi3",
        "Phi3ForCausalLM",
        LLAMA
        | {
            "original_max_position_embeddings": 40,
            "max_position_embeddings": 160,
            "rope_scaling": {"type": "longrope", **LONG},
        },
    ),
    "phi3-long": (
        "Phi3",
        "Phi3ForCausalLM",
        LLAMA
        | {
            "original_max_position_embeddings": 20,
            "max_position_embeddings": 160,
            "rope_scaling": {"type": "longrope", **LONG},
        },
    ),
    "olmo2": ("Olmo2", "Olmo2ForCausalLM", LLAMA | {"attention_bias": True}),
    "olmo2-theta": (
        "Olmo2",
        "Olmo2ForCausalLM",
        LLAMA | {"rope_theta": 300.0, "tie_word_embeddings": True},
    ),
    "t5": ("T5", "T5ForConditionalGeneration", T5),
    "t5-gated": (
        "T5",
        "T5ForConditionalGeneration",
        T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    ),
    "t5-lopsided": (
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
    "t5-gelu": ("T5", "T5ForConditionalGeneration", T5 | {"feed_forward_proj": "gelu_new"}),
    "bart": ("Bart", "BartForConditionalGeneration", BART),
    "bart-scaled": (
        "Bart",
        "BartForConditionalGeneration",
        BART | {"scale_embedding": True, "activation_function": "relu"},
    ),
}


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

    def rows(self, name: str, index: np.ndarray | slice) -> np.ndarray:
        return self.arrays[name][index]


def read_safetensors(path: Path) -> Arrays:
    """The tensors of a small file, float32, read by the format's description alone."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    arrays = {}
    for name, entry in json.loads(data[8:start]).items():
        if name == "__metadata__":
            continue
        first, last = (start + offset for offset in entry["data_offsets"])
        part = data[first:last]
        if entry["dtype"] == "BF16":
            words = np.frombuffer(part, dtype="<u2").astype(np.uint32) << 16
            numbers = words.view(np.float32)
        else:
            numbers = np.frombuffer(part, {"F16": "<f2", "F32": "<f4"}[entry["dtype"]])
        arrays[name] = numbers.astype(np.float32).reshape(entry["shape"])
    return Arrays(arrays)


def differences(
    config: Mapping[str, Any], tensors: Arrays, expected: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """How far the forward pass is from each array that is expected, at most."""
    arch, found = architecture(config), {}
    ids, types, encoded = expected["ids"], expected.get("types"), None
    if arch.encoder is not None:
        encoder = Run(Transformer(arch.encoder, tensors), ids)
        found["encoder_weights"] = stacked(encoder.layers())
        encoded, ids = encoder.finish(), expected["decoder_ids"]
        found["encoder_hidden"] = encoded
    network = Transformer(arch, tensors)
    run = Run(network, ids, types=types, encoded=encoded)
    steps = list(run.layers())
    found["embedding"], found["weights"] = run.embedding, stacked(steps)
    if encoded is not None:
        found["cross_weights"] = np.stack([s.cross.weights for s in steps if s.cross is not None])
    found["hidden"] = run.finish()
    if "logits" in expected:
        found["logits"] = network.next_logits(found["hidden"])[-len(expected["logits"]) :]
    inputs = {"ids", "types", "decoder_ids"}
    assert found.keys() >= expected.keys() - inputs
    return {
        name: float(np.abs(found[name] - expected[name]).max()) for name in expected.keys() - inputs
    }


def stacked(steps: Iterable[Step]) -> np.ndarray:
    """(n_layer, n_head, n, n) the weights of every layer."""
    return np.stack([step.own.weights for step in steps])


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


def reference(made: Any, length: int) -> dict[str, np.ndarray]:
    """What transformers computes for a text of so many random tokens."""
    import torch

    generator = torch.Generator().manual_seed(3)
    n_vocab = made.config.vocab_size
    given = {"input_ids": torch.randint(3, n_vocab, (1, length), generator=generator)}
    if getattr(made.config, "type_vocab_size", 1) > 1:
        given["token_type_ids"] = (torch.arange(length)[None] >= length // 2).long()
    prefix = ""
    if made.config.is_encoder_decoder:
        shorter = (1, length - 9)
        given["decoder_input_ids"] = torch.randint(3, n_vocab, shorter, generator=generator)
        prefix = "decoder_"
    with torch.no_grad():
        told = {"output_attentions": True, "output_hidden_states": True, "use_cache": False}
        out = made(**given, **told)
    states = out[f"{prefix}hidden_states"]
    arrays = {
        "ids": given["input_ids"],
        "types": given.get("token_type_ids"),
        "decoder_ids": given.get("decoder_input_ids"),
        "weights": out[f"{prefix}attentions"],
        "embedding": states[0],
        "hidden": out.get("last_hidden_state", states[-1]),
        "logits": out.get("logits"),
    }
    if prefix:
        arrays["encoder_weights"] = out.encoder_attentions
        arrays["encoder_hidden"] = out.encoder_last_hidden_state
        arrays["cross_weights"] = out.cross_attentions
    if made.config.model_type == "opt" and made.config.word_embed_proj_dim != states[0].shape[-1]:
        del arrays["hidden"]  # what transformers shows is not yet projected
    return {
        name: torch.cat(tuple(array)).numpy() if isinstance(array, tuple) else array[0].numpy()
        for name, array in arrays.items()
        if array is not None
    }
