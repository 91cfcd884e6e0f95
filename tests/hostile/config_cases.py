"""config.json: values of every wrong type and size, contradictions of the weights, files of JSON
that are none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hostile.case import Case
from hostile.checkpoints import AWKWARD, TEXT, config, good, inspecting, with_config

SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
)
NO_SIZES: tuple[Any, ...] = ("4", -1, 0, 10**30, 2.0, [4], True)
NO_NUMBERS: tuple[Any, ...] = ("1e-5", -1.0, 0, 10**30, {}, False, None)
NO_FLAGS: tuple[Any, ...] = ("false", 0, [])

# Of other families: a setting that the first has not, and a value that it cannot have.
PECULIAR: dict[str, list[tuple[str, Any]]] = {
    "gpt2": [("n_inner", -1), ("scale_attn_weights", "yes"), ("layer_norm_epsilon", None)],
    "bloom-12-heads": [("apply_residual_connection_post_layernorm", 1), ("n_head", 5)],
    "opt": [("word_embed_proj_dim", 2.5), ("enable_bias", "no"), ("ffn_dim", {})],
    "gpt-neox": [("rotary_pct", -0.5), ("rotary_pct", 7), ("use_parallel_residual", "x")],
    "bert": [("type_vocab_size", 0), ("position_embedding_type", AWKWARD), ("is_decoder", 1)],
    "roberta-padding": [("pad_token_id", -1), ("pad_token_id", "1"), ("pad_token_id", 10**9)],
    "albert-inner": [("num_hidden_groups", 9), ("inner_group_num", 10**9), ("embedding_size", "")],
    "electra": [("embedding_size", [128])],
    "mpnet": [("relative_attention_num_buckets", 3)],
    "distilbert": [("activation", AWKWARD), ("dim", 10**9)],
    "gemma2": [("attn_logit_softcapping", 0), ("query_pre_attn_scalar", "256")],
    "gemma3": [("rope_local_base_freq", -1), ("layer_types", ["sliding_attention"])],
    "qwen2-window": [("use_sliding_window", "true"), ("max_window_layers", -1)],
    "phi3": [("partial_rotary_factor", 0.0001)],
    "phi3-long": [("original_max_position_embeddings", "4k")],
    "mistral-window": [("sliding_window", 0), ("sliding_window", "wide")],
    "t5": [
        ("feed_forward_proj", "gated-" + AWKWARD),
        ("relative_attention_num_buckets", 1),
        ("relative_attention_max_distance", -5),
        ("decoder_start_token_id", "0"),
        ("decoder_start_token_id", 10**30),
        ("decoder_start_token_id", 60.0),
        ("num_decoder_layers", 10**9),
    ],
    "bart": [("scale_embedding", "no"), ("eos_token_id", AWKWARD), ("encoder_layers", 3)],
}

ROPE: dict[str, Any] = {
    "a string": "linear",
    "a list": ["linear"],
    "an empty string": "",
    "an unknown kind": {"rope_type": AWKWARD},
    "a kind that is a number": {"rope_type": 3},
    "a factor of zero": {"rope_type": "linear", "factor": 0},
    "a factor that is a string": {"rope_type": "dynamic", "factor": "2"},
    "no factor": {"rope_type": "linear"},
    "bands that are equal": {
        "rope_type": "llama3",
        "factor": 8,
        "low_freq_factor": 4,
        "high_freq_factor": 4,
        "original_max_position_embeddings": 8192,
    },
    "factors too few": {"rope_type": "longrope", "short_factor": [1], "long_factor": [1]},
    "factors that are no numbers": {
        "rope_type": "longrope",
        "short_factor": [None] * 3,
        "long_factor": [1] * 3,
    },
    "a length of zero": {
        "rope_type": "yarn",
        "factor": 2,
        "original_max_position_embeddings": 0,
    },
    "infinite": {"rope_type": "yarn", "factor": 1e300},
}

WHOLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "config.json is not JSON"),
    "a list": (b"[]", "not a JSON object"),
    "a string": (b'"llama"', "not a JSON object"),
    "null": (b"null", "not a JSON object"),
    "cut": (json.dumps(config()).encode()[:-20], "not JSON.* line"),
    "trailing": (json.dumps(config()).encode() + b" x", "not JSON.* Extra data"),
    "UTF-16": (json.dumps(config()).encode("utf-16"), "not UTF-8"),
    "a key twice": (b'{"model_type": "llama", "model_type": "gpt2"}', "model_type` is given twice"),
    "an awkward key twice": (
        json.dumps(AWKWARD).join(("{", ": 1, ", ": 1}")).encode(),
        "given twice",
    ),
    "a hundred thousand levels": (b'{"a":' * 100_000, "nested too deep|not JSON"),
    "a hundred thousand lists": (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
    "NaN": (b'{"model_type": "llama", "rms_norm_eps": NaN}', "NaN"),
    "infinite": (json.dumps(config())[:-1].encode() + b', "rms_norm_eps": 1e999}', "rms_norm_eps"),
    "a million digits": (b'{"vocab_size": ' + b"9" * 1_000_000 + b"}", "digits"),
    "five megabytes": (b'{"model_type": "llama"}' + b" " * 5_000_000, "too large"),
    "no family": (b"{}", "names no `model_type`"),
    "a family that is a list": (b'{"model_type": ["llama"]}', "model_type"),
    "a family that is awkward": (json.dumps({"model_type": AWKWARD}).encode(), "model_type"),
    "a family that is endless": (
        json.dumps({"model_type": "x" * 1_000_000}).encode(),
        "model_type",
    ),
    "NUL": (b"\x00" * 100, "config.json"),
}


def cases() -> Iterator[Case]:
    for key in SIZES:
        for value in NO_SIZES:
            yield _refused(f"{key}={value!r}"[:60], with_config(**{key: value}), key)
    for key in ("rms_norm_eps", "rope_theta"):
        for value in NO_NUMBERS:
            yield _refused(f"{key}={value!r}"[:60], with_config(**{key: value}), key)
    for key in ("attention_bias", "mlp_bias", "tie_word_embeddings", "is_causal"):
        for value in NO_FLAGS:
            yield _refused(f"{key}={value!r}", with_config(**{key: value}), key)
    for value in ("2", 2.0, True, {"id": 2}, [[2]]):
        yield _refused(f"eos_token_id={value!r}", with_config(eos_token_id=value), "eos_token_id")
    for value in (AWKWARD, "", 7, None, ["silu"], "silu\x00", "__import__"):
        yield _refused(f"hidden_act={value!r}", with_config(hidden_act=value), "hidden_act")
    for what, rope in ROPE.items():
        for key in ("rope_scaling", "rope_parameters"):
            yield _refused(f"{key} is {what}", with_config(**{key: rope}), "config.json")
    for model, settings in PECULIAR.items():
        for key, value in settings:
            name = f"{model} {key}={value!r}"[:60]
            files = with_config(model, **{key: value})
            options = ("--decoder", "w5 w6") if model in ("t5", "bart") else ()
            said = "config.json|has no token"
            yield inspecting(f"config/{name}", files, *options, codes=(2,), says=said)
    for what, (data, said) in WHOLE.items():
        yield _refused(what, good(config_json=data), said)
    yield from _contradictions()
    yield from _harmless()


def _refused(what: str, files: dict[str, bytes], said: str) -> Case:
    return inspecting(f"config/{what}", files, codes=(2,), says=said)


def _contradictions() -> Iterator[Case]:
    """Sizes that could be, and are not those of the weights."""
    for key, value, said in (
        ("vocab_size", 60, "61, 24.*60, 24"),
        ("vocab_size", 10**9, "from 1 to 16777216"),
        ("vocab_size", 1 << 24, "asks for"),
        ("hidden_size", 48, "asks for"),
        ("intermediate_size", 41, "asks for"),
        ("intermediate_size", 10**9, "would take"),
        ("num_hidden_layers", 4, "layers.3"),
        ("num_hidden_layers", 2, "layers.2.*`num_hidden_layers`|not count"),
        ("num_hidden_layers", 1, "layers.1.*`num_hidden_layers`|not count"),
        ("num_hidden_layers", 10_000, "layers.3"),
        ("num_hidden_layers", 10**9, "at most"),
        ("num_attention_heads", 5, "must divide"),
        ("num_attention_heads", 8, "pairs of components"),
        ("num_key_value_heads", 8, "must divide"),
        ("num_key_value_heads", 3, "must divide"),
        ("head_dim", 7, "asks for|pairs"),
        ("head_dim", 2**31 - 1, "pairs of components|would take"),
        ("attention_bias", True, "bias"),
    ):
        yield _refused(f"another {key}: {value}", with_config(**{key: value}), said)
    for model in ("gpt2", "bert", "t5", "gemma3", "phi3", "qwen3-window"):
        files = good("llama", config_json=json.dumps(config(model)).encode())
        yield _refused(f"the configuration of {model}", files, "no tensor|shape")
    deep = {"model_type": "gemma3", "text_config": config("llama")}
    yield _refused("gemma3 around llama", good(config_json=json.dumps(deep).encode()), "")


def _harmless() -> Iterator[Case]:
    """What is not read does no harm, and no code is looked for."""
    code = {
        "auto_map": {"AutoModel": "evil.Model", "AutoConfig": "evil--x/y.z"},
        "trust_remote_code": True,
        "custom_pipelines": {"x": {"impl": "evil.run"}},
        "architectures": [AWKWARD, None, 3],
        "torch_dtype": AWKWARD,
        "_name_or_path": "../" * 1000,
        "quantization_config": None,
        "id2label": {str(i): "x" * 10 for i in range(50_000)},
    }
    evil = {"model/evil.py": b"open('owned', 'w'); raise SystemExit(7)"}
    yield inspecting("config/code beside it", with_config(**code) | evil, codes=(0,))
    yield inspecting(
        "config/the most positions that there can be",
        with_config(max_position_embeddings=2**31 - 1),
        codes=(0,),
    )
    yield inspecting(
        "config/null where a default is", with_config(rope_scaling=None, head_dim=None), codes=(0,)
    )
    yield Case(
        "config/listed beside others",
        ("models", "."),
        files={
            **good(config_json=json.dumps({"model_type": AWKWARD, "n_layer": 10**30}).encode()),
            **{name.replace("model/", "b/"): data for name, data in good().items()},
            **{name.replace("model/", f"{AWKWARD}/"): data for name, data in good().items()},
        },
        codes=(0,),
        shows="llama",
    )
    yield Case(
        "config/explained", ("explain", TEXT, "--model", "model"), files=with_config(vocab_size=7)
    )
