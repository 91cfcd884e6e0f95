"""The forward pass: frozen checkpoints with transformers' own attentions, and what a run promises.

`tests/reference/make_checkpoints.py` made them; nothing here needs torch.
"""

from __future__ import annotations

import json
import tracemalloc
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from model_cases import Arrays, differences, read_safetensors

from attn_cli import threads
from attn_cli.attention import attend
from attn_cli.checkpoints import heads, parts
from attn_cli.checkpoints.architecture import architecture
from attn_cli.checkpoints.generation import generate
from attn_cli.checkpoints.transformer import ARRAYS, Cache, Run, Transformer
from attn_cli.errors import DataError, UsageError

REFERENCE = Path(__file__).parent / "reference"
CHECKPOINTS = sorted(file.parent.name for file in REFERENCE.glob("*/expected.npz"))
NEAR = 1e-5  # float32, peaked attention: two right programs differ by 1e-6 to 4e-6
DECODERS = ["gpt2", "opt-norm-after", "bloom-12-heads", "gpt-neox", "llama-yarn", "llama-dynamic"]
DECODERS += ["llama-longrope", "mistral-window", "qwen3-window", "gemma2", "gemma3", "phi3-long"]


CHANGING = ["llama-dynamic", "llama-longrope", "phi3-long"]  # how they rotate depends on the length


@cache
def checkpoint(name: str) -> tuple[dict[str, Any], Arrays, dict[str, np.ndarray]]:
    folder = REFERENCE / name
    with np.load(folder / "expected.npz") as archive:
        expected = dict(archive)
    config = json.loads((folder / "config.json").read_text())
    return config, read_safetensors(folder / "model.safetensors"), expected


def model(name: str) -> tuple[Transformer, np.ndarray]:
    config, tensors, expected = checkpoint(name)
    return Transformer(architecture(config), tensors), expected["ids"]


def without(arrays: Arrays, *names: str) -> Arrays:
    return Arrays({name: array for name, array in arrays.arrays.items() if name not in names})


def test_there_are_checkpoints_of_every_kind() -> None:
    assert len(CHECKPOINTS) >= 30
    size = sum(file.stat().st_size for file in REFERENCE.rglob("*") if file.is_file())
    assert size < 3_000_000


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_equals_transformers(name: str) -> None:
    config, tensors, expected = checkpoint(name)
    found = differences(config, tensors, expected)
    print(name, {part: f"{largest:.1e}" for part, largest in found.items()})
    for part, largest in found.items():
        near = NEAR if "weights" in part or part == "embedding" else 5 * NEAR
        assert largest < near, (part, found)


CONTRADICTIONS = {
    "biases": ("llama-biases", {"attention_bias": False}, "k_proj.bias"),
    "another family's biases": ("qwen2-window", {"model_type": "llama"}, "k_proj.bias"),
    "norms of queries": ("qwen3-window", {"model_type": "llama"}, "k_norm.weight"),
    "norms after": ("gemma2", {"model_type": "gemma"}, "post_feedforward_layernorm.weight"),
    "no biases": ("opt", {"enable_bias": False}, "fc1.bias"),
    "no weights of norms": ("opt", {"layer_norm_elementwise_affine": False}, "layer_norm.bias"),
    "norm after": ("opt", {"do_layer_norm_before": False}, "decoder.final_layer_norm.weight"),
    "no last norm": ("opt", {"_remove_final_layer_norm": True}, "decoder.final_layer_norm.weight"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_weights_that_a_config_leaves_out_are_not(case: str) -> None:
    name, changes, tensor = CONTRADICTIONS[case]
    config, tensors, expected = checkpoint(name)
    with pytest.raises(DataError, match=f"has no tensor `.*{tensor}`"):
        Run(Transformer(architecture(config | changes), tensors), expected["ids"]).finish()


@pytest.mark.parametrize("key", ["do_layer_norm_before", "_remove_final_layer_norm"])
def test_where_norms_are_is_said_by_true_or_false(key: str) -> None:
    for value in ("false", 0, None):
        with pytest.raises(DataError, match=f"`{key}` must be true or false, not: "):
            architecture(checkpoint("opt")[0] | {key: value})


def test_what_is_no_weight_may_be_there() -> None:
    config, tensors, expected = checkpoint("gpt2")
    prefix = next(name for name in tensors.arrays if ".h.0." in name).partition("h.0.")[0]
    more = {
        f"{prefix}h.0.attn.bias": np.ones((1, 1, 8, 8), np.float32),  # a mask
        f"{prefix}h.0.attn.masked_bias": np.float32(-1e4),
        f"{prefix}h.0.crossattention.c_attn.bias": np.ones(8, np.float32),
        f"{prefix}h.0.rotary_emb.inv_freq": np.ones(8, np.float32),
    }
    found = Run(
        Transformer(architecture(config), Arrays({**tensors.arrays, **more})), expected["ids"]
    ).finish()
    assert np.array_equal(found, Run(*model("gpt2")).finish())


@pytest.mark.parametrize("name", ["bert", "mpnet", "gpt2", "gpt-neox", "gemma2", "qwen3-window"])
def test_arrays_agree_with_one_another(name: str) -> None:
    """Scores, logits, weights, lse and context follow from query, key and value by hand."""
    network, ids = model(name)
    arch = network.architecture
    run = Run(network, ids)
    for own, _ in run.layers():
        for part in ARRAYS:
            assert getattr(own, part).dtype == np.float32
        group = arch.n_head // arch.n_kv_head
        query = own.query.astype(np.float64)
        key, value = (np.repeat(x.astype(np.float64), group, axis=0) for x in (own.key, own.value))
        scores = query @ key.transpose(0, 2, 1)
        assert np.abs(own.scores - scores).max() < 1e-5
        logits = scores * own.scale
        if arch.softcap is not None:
            logits = np.tanh(logits / arch.softcap) * arch.softcap
        seen = np.isfinite(own.logits)
        allowed = arch.layers[own.index].mask.allowed(len(ids), len(ids))
        assert np.array_equal(
            seen, np.broadcast_to(True if allowed is None else allowed, seen.shape)
        )
        if arch.relative is None:
            assert np.abs(own.logits[seen] - logits[seen]).max() < 1e-5
        powers = np.exp(own.logits.astype(np.float64))
        assert np.abs(own.weights - powers / powers.sum(axis=-1, keepdims=True)).max() < 1e-6
        assert np.abs(own.lse - np.log(powers.sum(axis=-1))).max() < 1e-5
        assert np.abs(own.context - own.weights.astype(np.float64) @ value).max() < 1e-5


def test_stops_after_the_last_layer_that_is_wanted() -> None:
    network, ids = model("llama")
    config, tensors, _ = checkpoint("llama")
    later = [name for name in tensors.names() if ".layers.2." in name or ".layers.1." in name]
    cut = Transformer(architecture(config), without(tensors, *later))
    (step,) = Run(cut, ids).layers(wanted={0}, keep={"weights"})
    assert step.own.query is None
    assert step.own.scores is None
    whole = [step.own.weights for step in Run(network, ids).layers()]
    assert np.array_equal(step.own.weights, whole[0])
    with pytest.raises(DataError, match=r"no tensor `model\.layers\.1\."):
        list(Run(cut, ids).layers(wanted={1}))
    chosen = [s.own.index for s in Run(network, ids).layers(wanted=[0, 2])]
    assert chosen == [0, 2]


def test_finishes_what_is_left() -> None:
    network, ids = model("gpt2")
    _, _, expected = checkpoint("gpt2")
    run = Run(network, ids)
    next(run.layers())
    assert np.abs(run.finish() - expected["hidden"]).max() < 5 * NEAR


def test_holds_one_layer_at_a_time() -> None:
    """The peak of a run of many layers is that of a few: nothing of a layer outlives it."""
    config = {"model_type": "gpt2", "vocab_size": 50, "n_embd": 32, "n_head": 4, "n_positions": 300}
    peaks = []
    for n_layer in (2, 12):
        arrays = random_gpt2(n_layer)
        network = Transformer(architecture({**config, "n_layer": n_layer}), arrays)
        run = Run(network, np.arange(300) % 50)
        tracemalloc.start()
        for step in run.layers():
            assert step.own.weights.shape == (4, 300, 300)
            del step
        run.finish()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def random_gpt2(n_layer: int) -> Arrays:
    rng = np.random.default_rng(0)
    shapes = {
        "wte.weight": (50, 32),
        "wpe.weight": (300, 32),
        "ln_f.weight": (32,),
        "ln_f.bias": (32,),
    }
    for i in range(n_layer):
        for part, shape in (
            ("attn.c_attn", (32, 96)),
            ("attn.c_proj", (32, 32)),
            ("mlp.c_fc", (32, 128)),
            ("mlp.c_proj", (128, 32)),
        ):
            shapes |= {f"h.{i}.{part}.weight": shape, f"h.{i}.{part}.bias": shape[1:]}
        for part in ("ln_1", "ln_2"):
            shapes |= {f"h.{i}.{part}.weight": (32,), f"h.{i}.{part}.bias": (32,)}
    return Arrays({n: 0.2 * rng.standard_normal(s, dtype=np.float32) for n, s in shapes.items()})


@pytest.mark.parametrize("name", [name for name in DECODERS if name not in CHANGING])
def test_cached_tokens_equal_the_whole_text(name: str) -> None:
    """One token at a time, over kept keys and values, every row is that of the full pass."""
    network, ids = model(name)
    whole = [step.own for step in Run(network, ids).layers()]
    last = Run(network, ids).finish()
    cache = Cache()
    Run(network, ids[:5], cache=cache).finish()
    for place in range(5, len(ids)):
        run = Run(network, ids[place : place + 1], cache=cache)
        for own, full in zip((step.own for step in run.layers()), whole, strict=True):
            assert own.weights.shape == (network.architecture.n_head, 1, place + 1)
            row = full.weights[:, place, : place + 1]
            assert np.abs(own.weights[:, 0] - row).max() < NEAR
        hidden = run.finish()
    assert cache.n == len(ids)
    assert np.abs(hidden[0] - last[-1]).max() < 5 * NEAR


@pytest.mark.parametrize("name", CHANGING)
def test_kept_tokens_that_no_longer_hold_are_refused(name: str) -> None:
    network, ids = model(name)
    turn = network.architecture.layers[0].rotary
    n = turn.length if turn.kind == "longrope" else len(ids) - 1
    cache = Cache()
    Run(network, ids[:n], cache=cache).finish()
    with pytest.raises(DataError, match="rotated otherwise"):
        Run(network, ids[n : n + 1], cache=cache)


@pytest.mark.parametrize("name", DECODERS)
def test_generates_what_the_whole_text_would(name: str) -> None:
    network, ids = model(name)
    text = ids[:13]
    for new in generate(network, text, 10):
        run = Run(network, text)
        steps = list(run.layers())
        logits = network.next_logits(run.finish()[-1:])[0]
        assert np.abs(new.logits - logits).max() < 5 * NEAR
        assert new.token_id == int(np.argmax(logits))
        for kept, full in zip(new.steps, steps, strict=True):
            assert np.abs(kept.own.weights[:, -1] - full.own.weights[:, -1]).max() < NEAR
        text = np.append(text, new.token_id)
    assert len(text) > 13


def test_generates_with_an_encoder() -> None:
    config, tensors, expected = checkpoint("bart")
    arch = architecture(config)
    encoded = Run(Transformer(arch.encoder, tensors), expected["ids"]).finish()
    network, text = Transformer(arch, tensors), np.array([arch.start_token])
    for new in generate(network, text, 5, encoded=encoded):
        run = Run(network, text, encoded=encoded)
        steps = list(run.layers())
        assert np.abs(new.logits - network.next_logits(run.finish()[-1:])[0]).max() < 5 * NEAR
        for kept, full in zip(new.steps, steps, strict=True):
            assert np.abs(kept.cross.weights[:, -1] - full.cross.weights[:, -1]).max() < NEAR
        text = np.append(text, new.token_id)


def test_stops_at_an_end_token() -> None:
    network, ids = model("gpt2")
    config, tensors, _ = checkpoint("gpt2")
    first = next(generate(network, ids, 1)).token_id
    ending = Transformer(architecture({**config, "eos_token_id": [first, 60]}), tensors)
    assert [new.token_id for new in generate(ending, ids, 5)] == [first]


def test_an_edit_silences_a_head() -> None:
    """Setting a head's context to 0 is the same as zero rows in its output projection."""
    network, ids = model("llama")
    config, tensors, _ = checkpoint("llama")
    name, width = "model.layers.1.self_attn.o_proj.weight", network.architecture.d_head
    matrix = tensors.read(name).copy()
    matrix[:, 2 * width : 3 * width] = 0
    cut = Transformer(architecture(config), Arrays({**tensors.arrays, name: matrix}))

    def silence(layer: int, context: np.ndarray) -> np.ndarray:
        if layer != 1:
            return context
        changed = context.copy()
        changed[2] = 0
        return changed

    run = Run(network, ids, edit=silence)
    steps = list(run.layers())
    assert not steps[1].own.context[2].any()
    assert np.abs(run.finish() - Run(cut, ids).finish()).max() < 1e-6
    assert np.abs(run.finish() - Run(network, ids).finish()).max() > 1e-2


@pytest.mark.parametrize("name", ["llama-biases", "gpt2", "gpt-neox", "bert", "gemma3"])
def test_output_projection_sums_over_heads(name: str) -> None:
    network, ids = model(name)
    for own, _ in Run(network, ids).layers():
        projection = network.output_projection(own.index)
        arch = network.architecture
        assert projection.shape == (arch.n_head, arch.d_head, arch.d_model)
        layer = network.parts(arch.layers[own.index].prefix)
        output = layer.output(own.context)
        none = layer.output(np.zeros_like(own.context))  # the bias, if there is one
        assert np.abs((own.context @ projection).sum(axis=0) + none - output).max() < 1e-5


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_missing_tensor_is_named(name: str) -> None:
    config, tensors, expected = checkpoint(name)
    words = ("emb", "wte", "wpe", "shared")
    victims = [n for n in tensors.names() if not any(word in n for word in words)]
    for victim in victims[:: max(1, len(victims) // 5)]:
        if ".0." not in victim or "pooler" in victim:
            continue
        with pytest.raises(DataError) as caught:
            differences(config, without(tensors, victim), expected)
        assert victim.rpartition(".")[0].split(".", 1)[-1] in caught.value.message


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "t5"])
def test_a_misshapen_tensor_is_named(name: str) -> None:
    config, tensors, expected = checkpoint(name)
    victim = next(n for n in tensors.names() if ".0." in n and tensors.read(n).ndim == 2)
    shape = tensors.shape(victim)
    cut = Arrays({**tensors.arrays, victim: tensors.read(victim)[:-1]})
    with pytest.raises(DataError) as caught:
        differences(config, cut, expected)
    assert f"`{victim}` has the shape ({shape[0] - 1}, {shape[1]})" in caught.value.message
    assert f"({shape[0]}, {shape[1]})" in caught.value.message


def test_another_model_is_refused() -> None:
    config, _, _ = checkpoint("llama")
    _, others, _ = checkpoint("bert")
    with pytest.raises(DataError, match=r"no tensor named `embed_tokens\.weight`"):
        Transformer(architecture(config), others)


def test_two_models_in_one_file_are_refused() -> None:
    config, tensors, _ = checkpoint("bert")
    both = {
        f"{side}.{name}": array for side in ("one", "two") for name, array in tensors.arrays.items()
    }
    with pytest.raises(DataError, match=r"several models: `one\.embeddings.*` and `two\."):
        Transformer(architecture(config), Arrays(both))


COUNTED = {
    "llama": "num_hidden_layers",
    "bert": "num_hidden_layers",
    "gpt2": "n_layer",
    "t5": "num_decoder_layers",
    "bart": "decoder_layers",
    "distilbert": "n_layers",
}


@pytest.mark.parametrize("name", COUNTED)
def test_layers_that_the_configuration_does_not_count_are_refused(name: str) -> None:
    config, tensors, _ = checkpoint(name)
    fewer = {**config, COUNTED[name]: 1}
    with pytest.raises(DataError, match=rf"[.`]1\..*that `{COUNTED[name]}` in its config\.json"):
        Transformer(architecture(fewer), tensors)


def test_a_layer_of_a_number_beyond_all_is_refused() -> None:
    config, tensors, _ = checkpoint("llama")
    listed = [*tensors.names(), f"model.layers.{'9' * 5000}.x"]
    with (
        mock.patch.object(type(tensors), "names", lambda self: listed),
        pytest.raises(DataError, match="of a layer that `num_hidden_layers`"),
    ):
        Transformer(architecture(config), tensors)


def test_fewer_groups_of_shared_layers_are_refused_and_more_uses_of_one_are_not() -> None:
    config, tensors, _ = checkpoint("albert-inner")
    Transformer(architecture({**config, "num_hidden_layers": 12}), tensors)
    with pytest.raises(DataError, match="of a layer that `num_hidden_layers`"):
        Transformer(architecture({**config, "inner_group_num": 1}), tensors)


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
def test_squares_beyond_float32_are_not_finite(name: str) -> None:
    config, tensors, expected = checkpoint(name)
    words = next(
        n
        for n in tensors.names()
        if n.endswith(("wte.weight", "tokens.weight", "word_embeddings.weight"))
    )
    large = Arrays({**tensors.arrays, words: tensors.read(words) * np.float32(1e25)})
    with pytest.raises(DataError, match="gives numbers that are not finite"):
        Run(Transformer(architecture(config), large), expected["ids"]).finish()


def test_the_last_norm_must_be_finite_too() -> None:
    config, tensors, expected = checkpoint("llama")
    norm = np.full_like(tensors.read("model.norm.weight"), np.inf)
    broken = Arrays({**tensors.arrays, "model.norm.weight": norm})
    with pytest.raises(DataError, match="the last norm of the model gives"):
        Run(Transformer(architecture(config), broken), expected["ids"]).finish()


@pytest.mark.parametrize("prefix", ["", "bert.", "model.text.bert."])
def test_any_prefix_is_found(prefix: str) -> None:
    config, tensors, expected = checkpoint("bert")
    renamed = {f"{prefix}{name}": array for name, array in tensors.arrays.items()}
    renamed["cls.predictions.bias"] = np.zeros(3, dtype=np.float32)  # extra tensors are normal
    assert differences(config, Arrays(renamed), expected)["weights"] < NEAR


def test_a_layer_of_another_model_is_not_taken() -> None:
    """Only heads stand beside a model: its layers all have its prefix."""
    config, tensors, expected = checkpoint("llama")
    name = "model.layers.1.mlp.up_proj.weight"
    moved = without(tensors, name).arrays | {name.removeprefix("model."): tensors.read(name)}
    with pytest.raises(DataError, match=r"no tensor `model\.layers\.1\.mlp\.up_proj\.weight`"):
        differences(config, Arrays(moved), expected)
    nested = {f"text.{name}": array for name, array in tensors.arrays.items()}
    assert differences(config, Arrays(nested), expected)["logits"] < 5 * NEAR


def test_gamma_and_beta_are_found() -> None:
    config, tensors, expected = checkpoint("bert")
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): a
        for name, a in tensors.arrays.items()
    }
    assert renamed.keys() != tensors.arrays.keys()
    assert differences(config, Arrays(renamed), expected)["weights"] < NEAR


def test_only_some_rows_of_a_table_are_read() -> None:
    """A table of embeddings is not converted whole for a few of its rows."""
    config, tensors, expected = checkpoint("gpt2")

    class Rows(Arrays):
        def read(self, name: str) -> np.ndarray:
            assert "wte" not in name
            assert "wpe" not in name
            return self.arrays[name]

    assert differences(config, Rows(tensors.arrays), expected)["weights"] < NEAR


@pytest.mark.parametrize(
    "ids, what",
    [
        ([], "there are no tokens"),
        ([3, 61], r"token 61 is not in the model's table of 61"),
        ([-1], r"token -1 is not"),
        ([5] * 49, "the text has 49 tokens; the model has 48 positions"),
    ],
)
def test_token_ids_are_checked(ids: list[int], what: str) -> None:
    network, _ = model("gpt2")
    with pytest.raises(DataError, match=what):
        Run(network, np.array(ids, dtype=np.int64))


def test_token_types_are_checked() -> None:
    network, ids = model("bert")
    with pytest.raises(DataError, match="token type 2 is not in the model's table of 2"):
        Run(network, ids, types=np.full(len(ids), 2))


def test_a_text_too_long_for_memory_is_refused() -> None:
    network, _ = model("llama")
    with pytest.raises(UsageError, match="attention of 4 heads over 10000000 tokens would take"):
        Run(network, np.zeros(10_000_000, dtype=np.int64))


def test_a_decoder_needs_its_encoder() -> None:
    config, tensors, _ = checkpoint("t5")
    network = Transformer(architecture(config), tensors)
    with pytest.raises(DataError, match="needs what the encoder made"):
        Run(network, np.array([0, 1]))
    with pytest.raises(DataError, match="not 24 wide"):
        Run(network, np.array([0, 1]), encoded=np.zeros((3, 7), dtype=np.float32))


def test_an_encoder_predicts_nothing() -> None:
    network, ids = model("bert")
    with pytest.raises(DataError, match="no head"):
        network.next_logits(Run(network, ids).finish())
    with pytest.raises(DataError, match="looks both ways"):
        next(generate(network, ids, 1))


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("name", ["bert", "llama", "gpt-neox"])
def test_damaged_numbers_are_named(name: str, value: float) -> None:
    config, tensors, expected = checkpoint(name)
    victim = next(
        n
        for n in tensors.names()
        if ".1." in n and n.endswith(("query.weight", "q_proj.weight", "query_key_value.weight"))
    )
    damaged = Arrays({**tensors.arrays, victim: np.full(tensors.shape(victim), value, np.float32)})
    with pytest.raises(DataError, match="layer 1 of the model gives numbers that are not finite"):
        differences(config, damaged, expected)


@pytest.mark.parametrize("name", ["bert", "gpt2", "gpt-neox", "phi3", "gemma3", "mpnet", "t5"])
def test_blocks_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few tokens and one head at a time, on several threads: as all together."""
    config, tensors, expected = checkpoint(name)
    monkeypatch.setattr(parts, "_LARGE", 0)
    monkeypatch.setattr(parts, "_BLOCK", 5)
    monkeypatch.setattr(heads, "_BLOCK", 1)
    monkeypatch.setattr(threads, "cores", lambda: 3)
    found = differences(config, tensors, expected)
    assert found["weights"] < NEAR, found
    network, ids = model(name)
    if network.architecture.encoder is None:
        for own, _ in Run(network, ids).layers():
            whole = attend(
                own.query, own.key, own.value, scale=own.scale, softcap=network.architecture.softcap
            )
            assert np.abs(own.scores - whole.scores).max() < 1e-5
            assert own.context.shape == whole.context.shape
            assert own.lse.shape == whole.lse.shape
