"""A text through a checkpoint gives what transformers computes, and says what it is."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_files import expected, reference, words
from conftest import ROOT

from attn_cli.checkpoints.architecture import architecture
from attn_cli.checkpoints.inspecting import Asked, Model, Text, n_context
from attn_cli.checkpoints.kept import Kept
from attn_cli.checkpoints.locate import open_checkpoint
from attn_cli.checkpoints.transformer import Run, Transformer
from attn_cli.errors import AttnError, DataError, UsageError

TOLERANCE = 1e-5  # float32; transformers' own noise on these is about 2e-6
ENDED = {"single": "$A </s>", "pair": "$A </s> $B:1 </s>:1"}


def opened(directory: Path) -> Model:
    return Model(open_checkpoint(str(directory)))


def stacked(inspection: Any, name: str = "weights") -> np.ndarray:
    return np.stack([getattr(layer, name) for layer in inspection.layers])


@cache
def tiny_llama() -> Model:
    return opened(ROOT / "sample_inputs" / "tiny-llama")


@pytest.mark.parametrize(
    "name",
    [
        *("bert", "distilbert", "electra", "mpnet", "gpt2", "gpt-neox", "opt", "bloom-12-heads"),
        *("llama-yarn", "mistral-window", "qwen3-window", "gemma3", "phi3", "olmo2"),
    ],
)
def test_every_weight_is_that_of_transformers(name: str, tmp_path: Path) -> None:
    model, true = opened(reference(tmp_path, name)), expected(name)
    ids, first = true["ids"], len(true["ids"])
    if "types" in true:
        first = int((true["types"] == 0).sum())
    second = words(ids[first:]) if first < len(ids) else None
    [found] = model.inspect(Text(words(ids[:first]), second), Asked(keep=("embedding",)))
    assert found.token_ids is not None and found.token_ids.tolist() == ids.tolist()
    assert np.abs(stacked(found) - true["weights"]).max() <= TOLERANCE
    assert found.embedding is not None
    assert np.abs(found.embedding - true["embedding"]).max() <= 3e-5
    assert found.source.architecture == model.checkpoint.config["model_type"]


def test_the_sample_is_exact_from_text_to_weights() -> None:
    with np.load(ROOT / "tests" / "reference" / "tiny-llama.npz") as arrays:
        true = dict(arrays)
    text = "The animal didn't cross the street because it was too tired."
    [found] = tiny_llama().inspect(Text(text))
    assert found.token_ids is not None and found.token_ids.tolist() == true["ids"].tolist()
    assert np.abs(stacked(found) - true["attn"]).max() <= TOLERANCE
    assert found.query_tokens[0].special and not found.query_tokens[1].special
    assert found.kind == "causal" and found.n_head == 4 and found.n_kv_head == 2


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_an_encoder_and_a_decoder_give_three(name: str, tmp_path: Path) -> None:
    model, true = opened(reference(tmp_path, name)), expected(name)
    text, target = words(true["ids"]), words(true["decoder_ids"])
    encoder, decoder, cross = model.inspect(Text(text, decoder=target))
    assert [i.kind for i in (encoder, decoder, cross)] == ["self", "causal", "cross"]
    assert np.abs(stacked(encoder) - true["encoder_weights"]).max() <= TOLERANCE
    # The decoder is given its text one place later, behind the start token: as it was trained.
    start = model.architecture.start_token
    shifted = np.array([start, *true["decoder_ids"][:-1]])
    assert decoder.token_ids is not None and decoder.token_ids.tolist() == shifted.tolist()
    assert decoder.query_tokens[0].special and decoder.query_tokens[0].span is None
    tensors = model.checkpoint.tensors
    arch = architecture(model.checkpoint.config)
    assert arch.encoder is not None
    encoded = Run(Transformer(arch.encoder, tensors), true["ids"]).finish()
    steps = list(Run(Transformer(arch, tensors), shifted, encoded=encoded).layers())
    assert np.abs(stacked(decoder) - np.stack([s.own.weights for s in steps])).max() == 0
    assert cross.layers[0].weights.shape == (arch.n_head, len(shifted), len(true["ids"]))
    assert all(
        np.array_equal(layer.weights, step.cross.weights)
        for layer, step in zip(cross.layers, steps, strict=True)
        if step.cross is not None
    )
    assert cross.key_text == text and cross.text == target
    assert cross.key_tokens == encoder.query_tokens and cross.query_tokens == decoder.query_tokens
    assert cross.mask.allowed is None and decoder.mask.name == "causal"
    assert [len(model.inspect(Text(text)))] == [1]  # the encoder alone


def test_what_the_decoder_is_given_unshifted_is_transformers(tmp_path: Path) -> None:
    """The start token itself first: shifting gives back what transformers was given."""
    model, true = opened(reference(tmp_path, "t5")), expected("t5")
    start, given = model.architecture.start_token, true["decoder_ids"]
    if given[0] != start:
        arch = replace(model.architecture, start_token=int(given[0]))
        model.architecture = arch
    _, decoder, cross = model.inspect(
        Text(words(true["ids"]), decoder=words([*given[1:], 5]))  # the last is left off
    )
    assert np.abs(stacked(decoder) - true["weights"]).max() <= TOLERANCE
    assert np.abs(stacked(cross) - true["cross_weights"]).max() <= TOLERANCE


@pytest.mark.parametrize("name", ["gemma3", "qwen2-window", "gemma2"])
def test_a_layer_of_another_mask_has_it_itself(name: str, tmp_path: Path) -> None:
    model, true = opened(reference(tmp_path, name)), expected(name)
    [found] = model.inspect(Text(words(true["ids"])))
    own = [layer.allowed is not None for layer in found.layers]
    assert any(own) and not all(own)
    for layer, weights in zip(found.layers, true["weights"], strict=True):
        allowed = found.allowed(layer)
        assert allowed is not None and (weights[:, ~allowed] == 0).all()
        assert (weights[:, allowed] > 0).all()


def test_layers_and_heads_keep_their_numbers(tmp_path: Path) -> None:
    model, true = opened(reference(tmp_path, "llama")), expected("llama")
    text = Text(words(true["ids"]))
    [found] = model.inspect(text, Asked(layers="-1", heads="0,-1", keep=("query", "key")))
    n_layer, n_head = true["weights"].shape[:2]
    [layer] = found.layers
    assert layer.index == n_layer - 1
    assert layer.head_index is not None and layer.head_index.tolist() == [0, n_head - 1]
    assert np.abs(layer.weights - true["weights"][-1][[0, -1]]).max() <= TOLERANCE
    [whole] = model.inspect(text, Asked(layers="-1", keep=("query", "key")))
    assert layer.key is not None and whole.layers[0].key is not None
    assert np.array_equal(layer.key[1], whole.layers[0].key[-1])
    assert found.n_head == n_head and found.n_kv_head == len(whole.layers[0].key)
    with pytest.raises(UsageError, match=f"no layer {n_layer}: there are {n_layer}"):
        model.inspect(text, Asked(layers=str(n_layer)))
    with pytest.raises(UsageError, match=f"no head {n_head}"):
        model.inspect(text, Asked(heads=str(n_head)))


class Counting:
    """Tensors that count the layers that are read, and what is alive of them."""

    def __init__(self, tensors: Any) -> None:
        self._tensors, self.reads = tensors, Counter[str]()

    def names(self) -> Any:
        return self._tensors.names()

    def shape(self, name: str) -> Any:
        return self._tensors.shape(name)

    def read(self, name: str) -> np.ndarray:
        self.reads[name] += 1
        return self._tensors.read(name)  # type: ignore[no-any-return]

    def rows(self, name: str, index: Any) -> np.ndarray:
        self.reads[name] += 1
        return self._tensors.rows(name, index)  # type: ignore[no-any-return]


def test_nothing_is_read_beyond_the_last_layer_asked_for(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(str(reference(tmp_path, "llama")))
    counting = Counting(checkpoint.tensors)
    model = Model(replace(checkpoint, tensors=counting))
    model.inspect(Text("w5 w6 w7"), Asked(layers="1"))
    layers = {name.split("layers.")[1][0] for name in counting.reads if "layers." in name}
    assert layers == {"0", "1"} and set(counting.reads.values()) == {1}
    assert not any(name.endswith((".norm.weight", "lm_head.weight")) for name in counting.reads)


def test_what_is_wrong_with_a_model_names_its_file(tmp_path: Path) -> None:
    made = reference(tmp_path / "M", "bert")
    file, config = made / "model.safetensors", json.loads((made / "config.json").read_text())
    model = opened(made)
    with pytest.raises(DataError, match="token type 9 is not in") as caught:
        Run(model.stack, np.array([1]), types=np.array([9]))
    assert caught.value.message.startswith(f"{file}: ")
    data = file.read_bytes()
    file.write_bytes(data.replace(b'"F16"', b'"I16"').replace(b'"BF16"', b'"I16" '))
    with pytest.raises(DataError, match="is of type I16: whole numbers are no weights") as caught:
        opened(made).inspect(Text("w5"))
    assert caught.value.message.startswith(f"{file}: the tensor `")
    with pytest.raises(DataError, match="of type I16"):
        Transformer(model.architecture, Kept(opened(made).checkpoint.tensors)).parts().norm(
            np.ones((1, config["hidden_size"]), np.float32), "embedding_norm"
        )
    (made / "config.json").write_text(json.dumps(config | {"num_hidden_layers": "x"}))
    with pytest.raises(DataError, match="`num_hidden_layers` must be") as caught:
        opened(made)
    assert caught.value.message.startswith(f"{made / 'config.json'}: ")


def test_a_text_beyond_the_positions_names_both_numbers(tmp_path: Path) -> None:
    model = opened(reference(tmp_path, "bert", single="<s> $A </s>"))
    long = " ".join(["w9"] * 60)
    with pytest.raises(DataError, match="62 tokens, the model 48 positions") as caught:
        model.inspect(Text(long))
    assert "--truncate" in caught.value.hint
    with pytest.raises(DataError, match="has 12,001 characters, the model 48 positions"):
        model.inspect(Text("w" * 12_001))  # not even cut into tokens: that may take a minute
    [spaced] = model.inspect(Text("w9" + " " * 50_000 + "w9"))
    assert [token.text for token in spaced.query_tokens] == ["<s>", "w9", "w9", "</s>"]
    [cut] = model.inspect(Text(long, truncate=True))
    assert len(cut.query_tokens) == 48 and cut.source.settings["n_uncut"] == 62
    assert [t.special for t in cut.query_tokens] == [True, *[False] * 46, True]
    [whole] = model.inspect(Text("w9 w9", truncate=True))
    assert "n_uncut" not in whole.source.settings


def test_a_rotary_code_reaches_as_far_as_it_is_stretched(tmp_path: Path) -> None:
    def reach(name: str) -> int | None:
        model = opened(reference(tmp_path / name, name))
        return n_context(model.architecture, model.checkpoint.config)

    assert reach("llama") == 48
    true = expected("llama-dynamic")  # whose text is longer than what it was trained on
    assert len(true["ids"]) > 20
    model = opened(tmp_path / "llama-dynamic") if reach("llama-dynamic") else None
    assert model is not None
    [found] = model.inspect(Text(words(true["ids"])))
    assert np.abs(stacked(found) - true["weights"]).max() <= TOLERANCE
    assert reach("t5") is None and reach("bloom-12-heads") is None  # distance has no end
    assert reach("gpt2") == 1024 or reach("gpt2") == 48


def test_what_a_model_cannot_take_is_said(tmp_path: Path) -> None:
    decoder = opened(reference(tmp_path / "gpt2", "gpt2"))
    both = opened(reference(tmp_path / "t5", "t5", single="$A </s>"))
    encoder = opened(reference(tmp_path / "bert", "bert"))
    refused: list[tuple[Model, Text, str]] = [
        (decoder, Text("w5", pair="w6"), "gpt2 takes no pair"),
        (both, Text("w5", pair="w6"), "t5 takes no pair"),
        (decoder, Text("w5", decoder="w6"), "gpt2 has no decoder"),
        (encoder, Text("w5", decoder="w6"), "bert has no decoder"),
        (decoder, Text(""), "gives no tokens"),
    ]
    for model, given, message in refused:
        with pytest.raises(AttnError, match=message):
            model.inspect(given)
    for model in (encoder, both):
        with pytest.raises(UsageError, match="predicts no next token"):
            list(model.generate(Text("w5"), 2))


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma3", "llama-dynamic", "opt"])
def test_generation_keeps_what_a_full_pass_would_compute(name: str, tmp_path: Path) -> None:
    model, ids = opened(reference(tmp_path, name)), expected(name)["ids"][:14]
    made = list(model.generate(Text(words(ids)), 8, Asked(keep=("logits",))))
    assert 1 <= len(made) <= 8
    tokens = [step.source.settings["new_id"] for step in made]
    everything = np.array([*ids, *tokens])
    hidden = Run(Transformer(model.architecture, model.checkpoint.tensors), everything).finish()
    predicted = model.stack.next_logits(hidden).argmax(axis=1)
    dynamic = name == "llama-dynamic"  # its codes change as the text grows
    for number, step in enumerate(made):
        place = len(ids) + number
        assert len(step.key_tokens) == place and len(step.query_tokens) == 1
        assert step.key_ids is None and step.token_ids is not None
        assert step.token_ids.tolist() == [everything[place - 1]]
        assert step.text == words(everything[: place + 1])
        run = Run(model.stack, everything[:place])
        rows = [one.own.weights[:, -1:] for one in run.layers(keep=("weights",))]
        assert np.abs(stacked(step) - np.stack(rows)).max() <= TOLERANCE
        if not dynamic:
            assert tokens[number] == predicted[place - 1]


def test_generation_stops_where_the_model_does(tmp_path: Path) -> None:
    model = opened(reference(tmp_path, "llama"))
    text = Text(" ".join(["w7"] * 46))
    full = list(model.generate(text, 9))
    assert len(full) <= 3 and len(full[-1].key_tokens) <= 48  # positions
    first = full[0].source.settings
    model.architecture = replace(model.architecture, end_tokens=frozenset([first["new_id"]]))
    [only] = model.generate(text, 9)
    assert only.source.settings["is_end"] and not first["is_end"]


def test_half_a_character_becomes_whole_with_its_other_half() -> None:
    from attn_cli.checkpoints.inspecting import _grown

    model = tiny_llama()
    tokenizer = model.checkpoint.tokenizer
    whole = tokenizer.encode("so 🙂 it")
    so_far = tokenizer.encode("so")
    for token in whole.ids[len(so_far.ids) :]:
        so_far = _grown(so_far, token, tokenizer)
    assert so_far.text == "so 🙂 it" and so_far.ids == whole.ids
    assert [t.text for t in so_far.tokens] == [t.text for t in whole.tokens]
    assert so_far.tokens[-1].span == whole.tokens[-1].span
    assert [t.word for t in so_far.tokens] == [t.word for t in whole.tokens]


def test_a_pair_has_types_and_one_text(tmp_path: Path) -> None:
    model = opened(reference(tmp_path, "bert", **ENDED))
    [found] = model.inspect(Text("w5 w6", "w7"))
    assert [t.text for t in found.query_tokens] == ["w5", "w6", "</s>", "w7", "</s>"]
    assert found.text == "w5 w6\nw7" and found.query_tokens[3].span == (6, 8)
    alone = Run(model.stack, np.array([5, 6, 2, 7, 2]), types=np.array([0, 0, 0, 1, 1]))
    true = np.stack([step.own.weights for step in alone.layers()])
    assert np.array_equal(stacked(found), true)


def test_memory_stays_near_what_was_asked(tmp_path: Path) -> None:
    """Heads that were not asked for are gone with their layer."""
    model = opened(reference(tmp_path, "llama"))
    [found] = model.inspect(Text("w5 w6 w7"), Asked(heads="0"))
    for layer in found.layers:
        owner = layer.weights
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        assert owner.size == layer.weights.size


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux says what is mapped")
def test_pages_leave_memory_with_their_layer(tmp_path: Path) -> None:
    from attn_cli.checkpoints.mapped import MappedFile

    def resident() -> int:
        """KiB of the file that are in this process."""
        lines = Path("/proc/self/smaps").read_text().splitlines()
        start = next(i for i, line in enumerate(lines) if line.endswith(str(path)))
        return int(next(line for line in lines[start:] if line.startswith("Rss:")).split()[1])

    path = tmp_path / "weights"
    path.write_bytes(b"\1" * (8 << 20))
    file = MappedFile(path)
    file.release()  # nothing is mapped yet
    numbers = np.frombuffer(file.view(0, file.size, "all"), np.uint8)
    assert numbers.sum() == file.size and resident() > 7000
    file.release()
    assert resident() < 1000
    assert numbers.sum() == file.size  # the view stays good


def test_a_run_lets_go_after_every_layer(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(str(reference(tmp_path, "llama")))
    released: list[set[str]] = []

    class Releasing(Counting):
        def release(self) -> None:
            names = (name.split("layers.") for name in self.reads)
            released.append({after[0] for _, *rest in names for after in rest})

    model = Model(replace(checkpoint, tensors=Releasing(checkpoint.tensors)))
    model.inspect(Text("w5 w6"), Asked(layers="0-2"))
    assert released == [{"0"}, {"0", "1"}, {"0", "1", "2"}][: len(released)]
    assert len(released) == min(3, len(model.architecture.layers))
