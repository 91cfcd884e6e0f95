"""Architectures: what a config.json describes, and hostile ones refused by name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_cases import CASES

from attn_cli.checkpoints.architecture import architecture
from attn_cli.checkpoints.families import FAMILIES
from attn_cli.checkpoints.masks import MaskPlan, widest
from attn_cli.errors import AttnError, DataError, UsageError

TYPES = {"Bert": "bert", "GPT2": "gpt2", "GPTNeoX": "gpt_neox", "XLMRoberta": "xlm-roberta"}
TYPES |= {"Gemma3Text": "gemma3_text", "DistilBert": "distilbert"}
LLAMA = {"model_type": "llama", "hidden_size": 32, "num_attention_heads": 4}
HOSTILE = [None, True, False, 0, -1, 1, 3, 7, 2**31, 10**30, 0.5, -2.0, 1e300, math.nan, math.inf]
HOSTILE += ["", "x", "full_attention", [], [1], ["sliding_attention"] * 3, {}, {"type": "yarn"}]
HOSTILE += [{"rope_type": "llama3", "factor": 0}, {"full_attention": 3}, {"factor": "1"}, [[]] * 3]


def config(case: str) -> dict[str, Any]:
    kind, _, options = CASES[case]
    return {"model_type": TYPES.get(kind, kind.lower()), **options}


@pytest.mark.parametrize("family", FAMILIES)
def test_defaults_describe_a_model(family: str) -> None:
    network = architecture({"model_type": family})
    assert network.d_head * network.n_head >= network.n_kv_head
    for stack in (network, *([network.encoder] if network.encoder else [])):
        assert stack.layers
        assert stack.n_head % stack.n_kv_head == 0


def test_published_models() -> None:
    """What config.json of models that people use says, and what is known of them."""
    smollm = architecture(
        {"model_type": "llama", "hidden_size": 576, "num_attention_heads": 9, "rope_theta": 100000,
         "num_key_value_heads": 3, "num_hidden_layers": 30, "vocab_size": 49152,
         "intermediate_size": 1536, "tie_word_embeddings": True, "rope_scaling": None}
    )  # fmt: skip
    assert (smollm.d_head, smollm.n_kv_head, len(smollm.layers)) == (64, 3, 30)
    assert smollm.layers[0].rotary is not None
    assert smollm.layers[0].rotary.base == 100000
    bloom = architecture({"model_type": "bloom", "n_embed": 1024, "num_attention_heads": 16,
                          "n_layer": 24, "vocab_size": 250880})  # fmt: skip
    assert (bloom.d_model, bloom.n_head, bloom.d_ff) == (1024, 16, 4096)
    gemma2 = architecture({"model_type": "gemma2"})
    assert gemma2.layers[0].scale == 256**-0.5
    assert [layer.mask.window for layer in gemma2.layers[:4]] == [4096, None, 4096, None]
    gemma3 = architecture({"model_type": "gemma3", "text_config": {"num_hidden_layers": 12}})
    assert [layer.mask.local for layer in gemma3.layers] == [i % 6 != 5 for i in range(12)]
    bases = {layer.mask.local: layer.rotary.base for layer in gemma3.layers if layer.rotary}
    assert bases == {True: 10_000.0, False: 1_000_000.0}
    t5 = architecture({"model_type": "t5", "num_layers": 6, "num_decoder_layers": None})
    assert len(t5.layers) == 6
    assert t5.encoder is not None
    assert (t5.kind, t5.encoder.kind) == ("causal", "self")


def test_albert_shares_its_layers() -> None:
    network = architecture(config("albert-inner"))
    prefixes = [layer.prefix for layer in network.layers]
    assert len(prefixes) == 10  # five layers of two
    assert [p.split(".")[2] for p in prefixes] == [*"000000", *"1111"]  # int(i / 2.5)
    assert [p.split(".")[4] for p in prefixes] == [*"01" * 5]


def test_scale_by_layer() -> None:
    network = architecture(config("gpt2-inverse-layer"))
    assert np.allclose([layer.scale for layer in network.layers], [8**-0.5 / i for i in (1, 2, 3)])


@pytest.mark.parametrize("key, value, what", [
    ("model_type", "mamba", 'has the model_type "mamba", which is not supported'),
    ("model_type", None, "names no `model_type`"),
    ("model_type", 3, "has the model_type 3"),
    ("hidden_size", "32", '`hidden_size` must be a whole number from 1 to 2147483647, not: "32"'),
    ("hidden_size", 33, "`num_attention_heads` must divide 33, not: 4"),
    ("hidden_size", None, "`hidden_size` must not be null"),
    ("hidden_size", True, "not: true"),
    ("num_key_value_heads", 3, "`num_key_value_heads` must divide 4 heads, not: 3"),
    ("num_hidden_layers", 10**6, "`num_hidden_layers` must be at most 10000"),
    ("hidden_act", "snake", "an activation that is not known: snake"),
    ("rms_norm_eps", -1.0, "`rms_norm_eps` must be a number from"),
    ("rms_norm_eps", math.nan, "not: NaN"),
    ("attention_bias", "no", '`attention_bias` must be true or false, not: "no"'),
    ("rope_scaling", {"type": "fourier"}, 'of an unknown kind: "fourier"'),
    ("rope_scaling", {"rope_type": "linear"}, "`rope_parameters.factor` must be a number"),
    ("rope_scaling", [3], "`rope_scaling` must be an object, not: [3]"),
    ("rope_scaling", {"rope_type": "longrope", "short_factor": [1.0]}, "must be 4 numbers"),
    ("rope_scaling", {"rope_type": "yarn", "factor": 2.0,
                      "original_max_position_embeddings": "long"}, 'not: "long"'),
    ("rope_theta", 0, "`rope_parameters.rope_theta` must be a number"),
    ("partial_rotary_factor", 0.5, "`partial_rotary_factor` must be 1 in this family"),
    ("vocab_size", 10**9, "`vocab_size` must be a whole number from 1 to 16777216"),
    ("max_position_embeddings", -1, "`max_position_embeddings` must be a whole number"),
    ("max_position_embeddings", "2k", "`max_position_embeddings` must be a whole number"),
    ("eos_token_id", "2", '`eos_token_id` must be the id of a token, not: "2"'),
    ("eos_token_id", [2, None], "`eos_token_id` must be the id of a token, not: [2, null]"),
    ("is_causal", "false", '`is_causal` must be true or false, not: "false"'),
    ("rope_scaling", "", '`rope_scaling` must be an object, not: ""'),
    ("rope_parameters", False, "`rope_parameters` must be an object, not: false"),
])  # fmt: skip
def test_refusals_name_the_setting(key: str, value: Any, what: str) -> None:
    with pytest.raises(DataError) as caught:
        architecture({**LLAMA, key: value})
    assert what in caught.value.message


@pytest.mark.parametrize("family, key, value", [
    ("bart", "decoder_start_token_id", "2"),
    ("bart", "decoder_start_token_id", 2.0),
    ("t5", "decoder_start_token_id", [0, 1]),
    ("t5", "decoder_start_token_id", True),
    ("qwen2", "use_sliding_window", "yes"),
])  # fmt: skip
def test_refusals_in_other_families(family: str, key: str, value: Any) -> None:
    with pytest.raises(DataError, match=f"`{key}` must be "):
        architecture({"model_type": family, key: value})


@pytest.mark.parametrize("family, key, value", [
    ("bert", "position_embedding_type", "relative_key"),
    ("bert", "pruned_heads", {"0": [1]}),
    ("bart", "normalize_before", True),
    ("gemma2", "use_bidirectional_attention", True),
])  # fmt: skip
def test_what_would_change_the_picture_is_refused(family: str, key: str, value: Any) -> None:
    with pytest.raises(DataError, match=f"`{key}` is .* not supported"):
        architecture({"model_type": family, key: value})


@pytest.mark.parametrize("types, what", [
    (["full_attention"], "types of 2 layers"),
    (["full_attention", "linear_attention"], 'not known: "linear_attention"'),
    (["full_attention", ["sliding_attention"]], "not known"),
    (["full_attention", "sliding_attention"], "no sliding window"),
    ("full_attention", "types of 2 layers"),
])  # fmt: skip
def test_types_of_layers_are_checked(types: Any, what: str) -> None:
    with pytest.raises(DataError, match=what):
        architecture({"model_type": "qwen2", "num_hidden_layers": 2, "layer_types": types})


def test_a_layer_beyond_memory_is_refused() -> None:
    with pytest.raises(UsageError, match=r"one layer of the model in config\.json would take"):
        architecture({**LLAMA, "hidden_size": 2**30, "head_dim": 2**20})


@settings(max_examples=400, deadline=None, database=None)
@given(st.data())
def test_hostile_settings_end_in_an_error_of_ours(data: st.DataObject) -> None:
    settings_of = config(data.draw(st.sampled_from(sorted(CASES))))
    extra = ["rope_scaling", "rope_parameters", "layer_types", "head_dim", "num_key_value_heads",
             "sliding_window", "partial_rotary_factor", "is_causal", "pad_token_id",
             "original_max_position_embeddings", "text_config", "feed_forward_proj"]  # fmt: skip
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.sampled_from(sorted(settings_of) + extra))
        settings_of[key] = data.draw(st.sampled_from(HOSTILE))
    try:
        network = architecture(settings_of)
    except AttnError as error:
        assert "config.json" in error.message
    else:
        turns = {layer.rotary for layer in network.layers}
        assert all(np.isfinite(turn.frequencies(9)).all() for turn in turns if turn is not None)


@pytest.mark.parametrize("plan, row", [
    (MaskPlan(causal=True), "11110"),
    (MaskPlan(causal=True, window=2), "00110"),
    (MaskPlan(window=2), "00111"),
    (MaskPlan(window=3), "01111"),
])  # fmt: skip
def test_masks_by_hand(plan: MaskPlan, row: str) -> None:
    """The fourth of five tokens; and the same where it is the first of two new ones."""
    expected = np.array([letter == "1" for letter in row])
    assert np.array_equal(plan.allowed(5, 5)[3], expected)
    assert np.array_equal(plan.allowed(2, 5)[0], expected)


def test_no_mask_is_no_array() -> None:
    assert MaskPlan().allowed(3, 3) is None
    assert (MaskPlan().name, MaskPlan(causal=True).name) == ("none", "causal")
    assert MaskPlan(causal=True, window=4).parameters == {"window": 4}


def test_the_widest_mask_allows_what_any_does() -> None:
    plans = [
        MaskPlan(causal=True, window=2),
        MaskPlan(causal=True),
        MaskPlan(causal=True, window=4),
    ]
    assert (widest(plans).causal, widest(plans).window) == (True, None)
    narrow = widest(plans[::2])
    assert (narrow.causal, narrow.window) == (True, 4)
    both = np.logical_or.reduce([plan.allowed(6, 6) for plan in plans[::2]])
    assert np.array_equal(widest(plans[::2]).allowed(6, 6), both)
