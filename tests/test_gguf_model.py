"""GGUF models: written as llama.cpp's converter writes them, read back as what they were."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from checkpoint_files import gguf_file
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from attn_cli.checkpoints.gguf import GgufFile
from attn_cli.checkpoints.gguf_model import FAMILIES, open_gguf
from attn_cli.checkpoints.gguf_names import own_name
from attn_cli.checkpoints.inspecting import Model
from attn_cli.checkpoints.transformer import Run
from attn_cli.errors import AttnError, DataError

N_LAYER, N_HEAD, N_KV_HEAD, D_HEAD, D_MODEL, D_FF, N_VOCAB = 2, 4, 2, 8, 24, 40, 11

Arrays = dict[str, np.ndarray]
Change = Callable[[gguf.GGUFWriter], None]


def original(architecture: str, *, tied: bool = False, biases: bool = False) -> Arrays:
    """A random checkpoint of a family, under the names that transformers gives."""
    rng = np.random.default_rng(11)

    def random(*shape: int) -> np.ndarray:
        return (rng.integers(-128, 128, shape) / 64).astype(np.float32)  # exact, also plus 1

    q, kv = N_HEAD * D_HEAD, N_KV_HEAD * D_HEAD
    found = {"model.embed_tokens.weight": random(N_VOCAB, D_MODEL)}
    found["model.norm.weight"] = random(D_MODEL)
    if not tied and architecture not in ("gemma", "gemma2"):  # these two are always tied
        found["lm_head.weight"] = random(N_VOCAB, D_MODEL)
    after = ["post_attention_layernorm", "post_feedforward_layernorm"]
    norms = {"olmo2": after, "gemma2": ["input_layernorm", "pre_feedforward_layernorm", *after]}
    norms["gemma3"] = norms["gemma2"]
    for layer in range(N_LAYER):
        at = f"model.layers.{layer}."
        for norm in norms.get(architecture, ["input_layernorm", "post_attention_layernorm"]):
            found[f"{at}{norm}.weight"] = random(D_MODEL)
        if architecture == "phi3":
            found[f"{at}self_attn.qkv_proj.weight"] = random(q + 2 * kv, D_MODEL)
            found[f"{at}mlp.gate_up_proj.weight"] = random(2 * D_FF, D_MODEL)
        else:
            for name, rows in (("q", q), ("k", kv), ("v", kv)):
                found[f"{at}self_attn.{name}_proj.weight"] = random(rows, D_MODEL)
                if biases:
                    found[f"{at}self_attn.{name}_proj.bias"] = random(rows)
            found[f"{at}mlp.gate_proj.weight"] = random(D_FF, D_MODEL)
            found[f"{at}mlp.up_proj.weight"] = random(D_FF, D_MODEL)
        if architecture in ("qwen3", "gemma3", "olmo2"):
            found[f"{at}self_attn.q_norm.weight"] = random(D_HEAD)
            found[f"{at}self_attn.k_norm.weight"] = random(D_HEAD)
        found[f"{at}self_attn.o_proj.weight"] = random(D_MODEL, q)
        found[f"{at}mlp.down_proj.weight"] = random(D_MODEL, D_FF)
    return found


def permuted(weights: np.ndarray, n_head: int) -> np.ndarray:
    """What llama.cpp's converter does to the rows of q and k of Llama."""
    halves = weights.reshape(n_head, 2, weights.shape[0] // n_head // 2, *weights.shape[1:])
    return halves.swapaxes(1, 2).reshape(weights.shape)


def written(
    path: Path, architecture: str, arrays: Arrays, change: Change | None = None, **extra: Any
) -> Path:
    """A GGUF of a checkpoint: the names are the gguf package's own, the changes llama.cpp's."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(N_LAYER)
    writer.add_context_length(128)
    writer.add_embedding_length(D_MODEL)
    writer.add_feed_forward_length(D_FF)
    writer.add_head_count(N_HEAD)
    writer.add_head_count_kv(N_KV_HEAD)
    writer.add_key_length(D_HEAD)
    writer.add_rope_dimension_count(D_HEAD)
    writer.add_rope_freq_base(50_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    if change is not None:
        change(writer)
    kind = next(k for k, v in gguf.MODEL_ARCH_NAMES.items() if v == architecture)
    names = gguf.get_tensor_name_map(kind, N_LAYER)
    for name, array in arrays.items():
        if architecture == "llama" and (".q_proj." in name or ".k_proj." in name):
            array = permuted(array, N_HEAD if ".q_proj." in name else N_KV_HEAD)
        if architecture.startswith("gemma") and name.endswith("norm.weight"):
            array = array + np.float32(1)
        own = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert own is not None, name
        writer.add_tensor(own, np.ascontiguousarray(array))
    for name, array in extra.items():
        writer.add_tensor(name.replace("__", "."), array)
    finish(writer)
    return path


def finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("architecture", FAMILIES)
def test_names_and_numbers_are_those_of_the_checkpoint(architecture: str, tmp_path: Path) -> None:
    arrays = original(architecture)
    checkpoint = open_gguf(written(tmp_path / "m.gguf", architecture, arrays), "m")
    assert set(checkpoint.tensors.names()) == set(arrays)
    for name, array in arrays.items():
        assert checkpoint.tensors.shape(name) == array.shape
        np.testing.assert_array_equal(checkpoint.tensors.read(name), array, err_msg=name)
        for index in (np.array([1, 0]), slice(1, 3)):
            np.testing.assert_array_equal(checkpoint.tensors.rows(name, index), array[index])
    assert (checkpoint.name, checkpoint.dtype) == ("m", "float32")
    with pytest.raises(DataError, match="no tensor `x`"):
        checkpoint.tensors.read("x")


def test_undoing_matters(tmp_path: Path) -> None:
    """The layout in the file does differ from the checkpoint's: the test above can fail."""
    arrays = original("llama")
    q = arrays["model.layers.0.self_attn.q_proj.weight"]
    assert not np.array_equal(permuted(q, N_HEAD), q)
    # By hand: one head of four rows; halves 0 1 | 2 3 are stored as pairs 0 2 | 1 3.
    assert permuted(np.arange(4), 1).tolist() == [0, 2, 1, 3]


def test_biases_and_ties_are_found(tmp_path: Path) -> None:
    arrays = original("llama", tied=True, biases=True)
    checkpoint = open_gguf(written(tmp_path / "m.gguf", "llama", arrays), "m")
    assert checkpoint.config["attention_bias"] and checkpoint.config["tie_word_embeddings"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(checkpoint.tensors.read(name), array, err_msg=name)


def test_the_configuration_is_in_the_words_of_config_json(tmp_path: Path) -> None:
    checkpoint = open_gguf(written(tmp_path / "m.gguf", "llama", original("llama")), "m")
    assert checkpoint.config == {
        "model_type": "llama",
        "hidden_size": D_MODEL,
        "intermediate_size": D_FF,
        "num_hidden_layers": N_LAYER,
        "num_attention_heads": N_HEAD,
        "num_key_value_heads": N_KV_HEAD,
        "head_dim": D_HEAD,
        "max_position_embeddings": 128,
        "rms_norm_eps": pytest.approx(1e-6),
        "rope_theta": 50_000.0,
        "vocab_size": N_VOCAB,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
        "hidden_act": "silu",
    }


def test_the_tokens_that_begin_and_end_a_text_are_known(tmp_path: Path) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        writer.add_bos_token_id(3)
        writer.add_eos_token_id(4)

    config = configured(tmp_path, "llama", change)
    assert (config["bos_token_id"], config["eos_token_id"]) == (3, 4)


def configured(
    path: Path, architecture: str, change: Change | None = None, **extra: Any
) -> dict[str, Any]:
    file = written(path / "m.gguf", architecture, original(architecture), change, **extra)
    return dict(open_gguf(file, "m").config)


KEYS = {
    "block_count": (1, r"`blk\.1\.\S+` is of a layer that `llama\.block_count` in its metadata"),
    "context_length": (2**32 - 1, r"`llama\.context_length` must be a whole number"),
    "feed_forward_length": (41, r"`blk\.0\.ffn_gate\.weight` has the shape .* metadata asks for"),
    "embedding_length": (16, r"`token_embd\.weight` has the shape"),
    "attention.head_count": (5, r"`llama\.attention\.head_count_kv` must divide"),
    "rope.dimension_count": (4, r"`llama\.rope\.dimension_count` is 4, and heads are 8 wide"),
    "attention.value_length": (16, r"`llama\.attention\.value_length` is 16, and heads are 8 wide"),
    "vocab_size": (5, r"`llama\.vocab_size` is 5, and the embedding has 11 rows"),
    "attention.scale": (0.5, r"`llama\.attention\.scale` is 0\.5, and what it does to a llama"),
    "attention.clamp_kqv": (0.25, r"`llama\.attention\.clamp_kqv` is 0\.25, and what it does"),
    "rope.freq_base": (1e20, r"`llama\.rope\.freq_base` must be a number"),
}


@pytest.mark.parametrize("key", KEYS)
def test_complaints_are_in_the_words_of_the_file(key: str, tmp_path: Path) -> None:
    value, said = KEYS[key]

    def change(writer: gguf.GGUFWriter) -> None:
        for data in writer.kv_data:
            data.pop(f"llama.{key}", None)
        kind = gguf.GGUFValueType.FLOAT32 if isinstance(value, float) else gguf.GGUFValueType.UINT32
        writer.add_key_value(f"llama.{key}", value, kind)

    path = written(tmp_path / "m.gguf", "llama", original("llama"), change)
    with pytest.raises(DataError, match=said) as caught:
        model = Model(open_gguf(path, "m"))
        Run(model.stack, np.array([1, 2])).finish()
    assert caught.value.message.startswith(f"{path}: ")
    assert "config.json" not in str(caught.value) and "self_attn" not in str(caught.value)


@pytest.mark.parametrize("architecture", FAMILIES)
def test_a_missing_tensor_has_its_name_in_the_file(architecture: str, tmp_path: Path) -> None:
    arrays = original(architecture)
    path = written(tmp_path / "m.gguf", architecture, arrays)
    tensors = open_gguf(path, "m").tensors
    own = set(GgufFile(path).entries)
    family = FAMILIES[architecture]
    assert {own_name(name, family.names) for name in arrays} == own
    with pytest.raises(DataError, match=r"m\.gguf has no tensor `blk\.7\.attn_output\.weight`"):
        tensors.read("model.layers.7.self_attn.o_proj.weight")


@pytest.mark.parametrize("name", ["blk.0.attn_q_norm.weight", "blk.1.further.bias"])
def test_a_tensor_that_the_architecture_does_not_have(name: str, tmp_path: Path) -> None:
    more = {name.replace(".", "__"): np.ones(D_HEAD, np.float32)}
    path = written(tmp_path / "m.gguf", "llama", original("llama"), **more)
    with pytest.raises(DataError) as caught:
        Run(Model(open_gguf(path, "m")).stack, np.array([1, 2])).finish()
    assert caught.value.message == (
        f"{path}: the model that its metadata describes has no tensor `{name}`"
    )


def test_frequencies_that_old_files_keep_are_no_weights(tmp_path: Path) -> None:
    more = {"blk__0__attn_rot_embd__weight": np.ones(D_HEAD // 2, np.float32)}
    path = written(tmp_path / "m.gguf", "llama", original("llama"), **more)
    assert Run(Model(open_gguf(path, "m")).stack, np.array([1, 2])).finish().shape == (2, D_MODEL)


def test_gemma_has_its_caps_windows_and_scale(tmp_path: Path) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        writer.add_attn_logit_softcapping(50.0)
        writer.add_final_logit_softcapping(30.0)

    config = configured(tmp_path, "gemma2", change)
    assert config["attn_logit_softcapping"] == 50 and config["final_logit_softcapping"] == 30
    assert config["sliding_window"] == 4096
    assert config["layer_types"] == ["sliding_attention", "full_attention"]
    assert config["query_pre_attn_scalar"] == D_HEAD
    assert config["hidden_activation"] == "gelu_pytorch_tanh"

    config = configured(tmp_path, "gemma3", lambda writer: writer.add_sliding_window(512))
    assert config["model_type"] == "gemma3_text" and config["sliding_window"] == 512
    assert (config["rope_theta"], config["rope_local_base_freq"]) == (50_000, 10_000)
    assert config["layer_types"] == ["sliding_attention"] * N_LAYER  # the sixth would be full


def test_the_largest_gemma_scales_by_its_width(tmp_path: Path) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        writer.add_block_count(46)

    assert configured(tmp_path, "gemma2", change)["query_pre_attn_scalar"] == D_MODEL / N_HEAD


def test_phi_rotates_a_part_of_its_head(tmp_path: Path) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        writer.add_rope_dimension_count(4)

    config = configured(tmp_path, "phi3", change)
    assert config["head_dim"] == D_MODEL // N_HEAD
    assert config["partial_rotary_factor"] == pytest.approx(4 / (D_MODEL // N_HEAD))


def test_linear_and_yarn_scaling_are_read(tmp_path: Path) -> None:
    def linear(writer: gguf.GGUFWriter) -> None:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(8.0)

    def yarn(writer: gguf.GGUFWriter) -> None:
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(4.0)
        writer.add_rope_scaling_orig_ctx_len(32)

    def alone(writer: gguf.GGUFWriter) -> None:
        writer.add_rope_scaling_factor(2.0)

    def first_name(writer: gguf.GGUFWriter) -> None:
        writer.add_float32("llama.rope.scale_linear", 4.0)

    def none(writer: gguf.GGUFWriter) -> None:
        writer.add_rope_scaling_type(gguf.RopeScalingType.NONE)
        writer.add_rope_scaling_factor(2.0)

    for change, factor in ((alone, 2.0), (first_name, 4.0)):
        assert configured(tmp_path, "llama", change)["rope_scaling"] == {
            "rope_type": "linear",
            "factor": factor,
        }
    assert "rope_scaling" not in configured(tmp_path, "llama", none)
    assert configured(tmp_path, "llama", linear)["rope_scaling"] == {
        "rope_type": "linear",
        "factor": 8.0,
    }
    assert configured(tmp_path, "qwen2", yarn)["rope_scaling"] == {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 32,
    }


def llama3_factors(factor: float, base: float, d_head: int) -> np.ndarray:
    """Llama 3's rule as transformers states it, in terms of frequencies."""
    inverse = 1.0 / base ** (np.arange(0, d_head, 2) / d_head)
    wavelength = 2 * math.pi / inverse
    smooth = (8192 / wavelength - 1.0) / (4.0 - 1.0)
    scaled = np.where(wavelength > 8192 / 1.0, inverse / factor, inverse)
    middle = (wavelength >= 8192 / 4.0) & (wavelength <= 8192 / 1.0)
    scaled = np.where(middle, (1 - smooth) * inverse / factor + smooth * inverse, scaled)
    return (inverse / scaled).astype(np.float32)


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_llama_3s_rule_is_found_behind_its_outcome(factor: float, tmp_path: Path) -> None:
    factors = llama3_factors(factor, 50_000.0, D_HEAD)
    assert 1 in factors and factor in factors  # short and long waves are both there
    config = configured(tmp_path, "llama", rope_freqs__weight=factors)
    assert config["rope_scaling"] == {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    wrong = factors.copy()
    wrong[1] *= 1.01
    endless = factors.copy()
    endless[-1] = np.inf
    nothing = np.zeros_like(factors), np.full_like(factors, np.nan), np.full_like(factors, np.inf)
    for bad in (wrong, endless, factors[:-1], *nothing):
        with pytest.raises(DataError, match="not what Llama 3's rule gives"):
            configured(tmp_path, "llama", rope_freqs__weight=bad)
    for base in (0.0, -1.0):
        with pytest.raises(DataError, match="not what Llama 3's rule gives"):
            configured(
                tmp_path,
                "llama",
                lambda writer, base=base: writer.add_rope_freq_base(base),
                rope_freqs__weight=factors,
            )


def test_long_phi_has_two_lists_of_factors(tmp_path: Path) -> None:
    long, short = np.array([1, 2, 4], np.float32), np.array([1, 1.5, 2], np.float32)
    extra = {"rope_factors_long__weight": long, "rope_factors_short__weight": short}
    config = configured(
        tmp_path, "phi3", lambda writer: writer.add_rope_scaling_orig_ctx_len(64), **extra
    )
    assert config["rope_scaling"] == {
        "rope_type": "longrope",
        "long_factor": [1, 2, 4],
        "short_factor": [1, 1.5, 2],
    }
    assert config["original_max_position_embeddings"] == 64


def test_packed_weights_come_back_in_the_checkpoints_layout(tmp_path: Path) -> None:
    """Rows are packed one by one, so that llama.cpp's order of rows can be undone exactly."""
    rng = np.random.default_rng(4)
    q = rng.standard_normal((N_HEAD * D_HEAD, 32)).astype(np.float32)
    kind = gguf.GGMLQuantizationType.Q8_0
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    for key, value in {"block_count": 1, "context_length": 8, "embedding_length": 32}.items():
        writer.add_uint32(f"llama.{key}", value)
    writer.add_feed_forward_length(8)
    writer.add_head_count(N_HEAD)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tensor("token_embd.weight", q)
    packed = gguf.quantize(permuted(q, N_HEAD), kind)
    writer.add_tensor("blk.0.attn_q.weight", packed, raw_dtype=kind)
    finish(writer)
    read = open_gguf(path, "m").tensors.read("model.layers.0.self_attn.q_proj.weight")
    np.testing.assert_array_equal(read, gguf.dequantize(gguf.quantize(q, kind), kind))


def test_what_is_not_known_is_refused(tmp_path: Path) -> None:
    def refused(architecture: str, change: Change, expected: str, **extra: Any) -> None:
        with pytest.raises(DataError, match=expected):
            configured(tmp_path, architecture, change, **extra)

    refused("llama", lambda w: w.add_expert_count(8), "mixture of experts")
    refused("llama", lambda w: w.add_head_count([4, 2]), "`llama.attention.head_count` differs")
    refused("llama", lambda w: w.add_head_count(0), "`llama.attention.head_count` is 0, no count")
    refused("llama", lambda w: w.add_uint16("split.count", 3), "one of 3 parts")
    refused("llama", lambda w: w.add_causal_attention(False), "`llama.attention.causal` is False")
    refused("llama", lambda w: w.add_eos_token_id(11), "eos_token_id` is 11, .* has 11 rows")
    refused("llama", lambda w: w.add_unk_token_id(99), "unknown_token_id` is 99, .* has 11 rows")
    refused("llama", lambda w: w.add_array("split.count", [1, 2]), "one of a list of 2 parts")
    refused("llama", lambda w: w.add_array("llama.block_count", [1, 2]), "differs between layers")
    refused(
        "llama", lambda w: w.add_array("llama.block_count", [2] * 10_001), "differs between layers"
    )
    refused(
        "llama",
        lambda w: w.add_array("llama.rope.scaling.type", [1] * 99),
        r"`llama\.rope\.scaling\.type` is no text: a list of 99",
    )
    refused(
        "phi3", lambda w: w.add_embedding_length(3), "is 3, less than one number for each of its 4"
    )
    many = np.ones((1 << 16) + 1, np.float32)
    for name in ("freqs", "factors_long"):
        what = rf"`rope_{name}\.weight` has 65,537 numbers, 65,536 at most"
        refused("llama", lambda w: None, what, **{f"rope_{name}__weight": many})
    refused("gemma2", lambda w: w.add_block_count(2**32 - 1), "layers are too many")
    refused("llama", lambda w: w.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE), "'longrope'")
    refused(
        "llama", lambda w: None, "two tensors stand for", **{"blk__00__attn_q__weight": np.eye(2)}
    )
    path = tmp_path / "other.gguf"
    writer = gguf.GGUFWriter(path, "mamba")
    writer.add_tensor("x", np.zeros(3, np.float32))
    finish(writer)
    with pytest.raises(DataError, match="architecture 'mamba', which is not known"):
        open_gguf(path, "m")


def test_a_missing_key_and_a_missing_embedding_are_named(tmp_path: Path) -> None:
    arrays = original("llama")
    del arrays["model.embed_tokens.weight"]
    with pytest.raises(DataError, match=r"no embedding, a matrix `token_embd\.weight`"):
        open_gguf(written(tmp_path / "m.gguf", "llama", arrays), "m")
    path = tmp_path / "bare.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("token_embd.weight", np.zeros((2, 2), np.float32))
    finish(writer)
    with pytest.raises(DataError, match=r"lacks the metadata `llama\.attention\.head_count`"):
        open_gguf(path, "m")


def test_rows_that_heads_cannot_share_are_refused(tmp_path: Path) -> None:
    arrays = {"model.embed_tokens.weight": np.zeros((3, 4), np.float32)}
    odd = {"blk__0__attn_q__weight": np.zeros((N_HEAD * D_HEAD - 1, 4), np.float32)}
    checkpoint = open_gguf(written(tmp_path / "m.gguf", "llama", arrays, **odd), "m")
    with pytest.raises(DataError, match="31 rows, which cannot be shared evenly by 4 heads"):
        checkpoint.tensors.read("model.layers.0.self_attn.q_proj.weight")


@settings(
    deadline=None,
    max_examples=250,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate],
)
@given(data=st.data())
def test_a_flipped_bit_never_ends_in_anything_but_our_own_error(
    data: st.DataObject, whole: bytes, tmp_path: Path
) -> None:
    n_metadata = whole.index(b"token_embd.weight") + 50
    near = st.integers(0, 600) | st.integers(n_metadata - 600, n_metadata)
    damaged = bytearray(whole)
    for place in data.draw(st.lists(near | st.integers(0, n_metadata), min_size=1, max_size=3)):
        damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "damaged.gguf"
    path.write_bytes(damaged)
    try:
        checkpoint = open_gguf(path, "m")
        for name in checkpoint.tensors.names():
            checkpoint.tensors.read(name)
        checkpoint.tokenizer.encode("The was 日本\n")
    except AttnError as error:
        assert "\n" not in error.message


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return gguf_file(tmp_path_factory.mktemp("gguf") / "m.gguf").read_bytes()
