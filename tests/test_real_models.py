"""Two trained models: all-MiniLM-L6-v2 (BERT) and SmolLM2-135M-Instruct (Llama, GGUF Q4_1).

They are looked for in ATTN_REAL_MODELS; `python tests/real_models.py DIR` fetches them.
"""

from __future__ import annotations

import json
import re
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Ran, run, together
from real_models import MINILM, SMOLLM, VARIABLE, find

from attn_cli import profile
from attn_cli.checkpoints.inspecting import Asked, Model, Text
from attn_cli.checkpoints.locate import open_checkpoint
from attn_cli.checkpoints.transformer import Run
from attn_cli.inspection import Inspection

pytestmark = pytest.mark.skipif(
    not (find(MINILM) and find(SMOLLM)), reason=f"the two models are not in {VARIABLE}"
)
ANIMAL = "The animal didn't cross the street because it was too tired."
TWICE = "Mary lit seven green candles beside an old harbour. " * 2
TEXTS = [
    ANIMAL,
    "naïve café, Zürich: 日本語 🙂 — 12.5% of it!",
    "unbelievably long words, antidisestablishmentarianism; " * 30,
]


@cache
def opened(model: Path) -> Model:
    place = find(model)
    assert place is not None
    return Model(open_checkpoint(str(place)))


@cache
def inspected(model: Path, text: str) -> Inspection:
    [found] = opened(model).inspect(Text(text.strip()))
    return found


def ask(command: str, text: str, model: Path, *options: str, width: int = 80) -> Ran:
    return run(command, text, "--model", str(find(model)), *options, env={"COLUMNS": str(width)})


def done(ran: Ran) -> str:
    assert (ran.code, ran.err) == (0, ""), ran
    return ran.text


def difference(ours: Inspection, theirs: Any) -> float:
    """The largest difference of any weight; `theirs` holds a tensor a layer, with a batch axis."""
    assert len(ours.layers) == len(theirs)
    return max(
        float(np.abs(layer.weights - there[0].numpy()).max())
        for layer, there in zip(ours.layers, theirs, strict=True)
    )


@pytest.mark.parametrize("text", TEXTS)
def test_minilm_is_that_of_transformers_layer_by_layer(text: str) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    place = find(MINILM)
    theirs = transformers.AutoModel.from_pretrained(place, attn_implementation="eager").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    given = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        out = theirs(**given, output_attentions=True, output_hidden_states=True)
    ours = inspected(MINILM, text)
    assert ours.token_ids is not None
    assert ours.token_ids.tolist() == given["input_ids"][0].tolist()
    assert difference(ours, out.attentions) <= 1e-5
    hidden = Run(opened(MINILM).stack, ours.token_ids).finish()
    assert np.abs(hidden - out.last_hidden_state[0].numpy()).max() <= 1e-5
    [pair] = opened(MINILM).inspect(Text(ANIMAL, "It slept."))
    given = tokenizer(ANIMAL, "It slept.", return_tensors="pt")
    assert given["token_type_ids"].max() == 1
    with torch.no_grad():
        assert difference(pair, theirs(**given, output_attentions=True).attentions) <= 1e-5


def test_smollm_is_that_of_transformers_on_the_same_weights() -> None:
    """Weights as the gguf package dequantises them, loaded and run by transformers."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    place = find(SMOLLM)
    assert place is not None
    options = {"gguf_file": place.name, "attn_implementation": "eager", "dtype": torch.float32}
    theirs = transformers.AutoModelForCausalLM.from_pretrained(place.parent, **options).eval()
    for text in TEXTS:
        ours = inspected(SMOLLM, text)
        assert ours.token_ids is not None
        with torch.no_grad():
            out = theirs(torch.tensor(ours.token_ids)[None], output_attentions=True)
        assert difference(ours, out.attentions) <= 2e-5  # 30 layers: the noise is theirs as well


@pytest.mark.parametrize(("model", "kind"), [(MINILM, "self"), (SMOLLM, "causal")])
def test_rows_sum_to_one_and_look_where_they_may(model: Path, kind: str) -> None:
    for text in TEXTS:
        found = inspected(model, text)
        assert found.kind == kind
        for layer in found.layers:
            assert np.abs(layer.weights.sum(axis=-1, dtype=np.float64) - 1).max() < 1e-5
            if kind == "causal":
                assert (np.triu(layer.weights, 1) == 0).all()


@pytest.mark.parametrize(
    ("model", "text", "name", "layer", "head", "least"),
    [
        (MINILM, ANIMAL, "previous", 0, 2, 0.99),
        (SMOLLM, TWICE, "induction", 17, 5, 0.75),
        (SMOLLM, TWICE, "previous", 16, 0, 0.8),
        (SMOLLM, TWICE, "first", 18, 8, 0.99),
    ],
)
def test_heads_that_are_known_for_what_they_do(
    model: Path, text: str, name: str, layer: int, head: int, least: float
) -> None:
    found = inspected(model, text)
    [first] = json.loads(
        done(ask("heads", text.strip(), model, "--sort", name, "--top", "1", "--json"))
    )["heads"]
    assert (first["layer"], first["head"], first["pattern"]) == (layer, head, name)
    assert first["statistics"][name]["mean"] >= least
    # By hand, from the weights alone.
    weights = found.layers[layer].weights[head]
    n = len(weights)
    if name == "previous":
        by_hand = np.mean([weights[i, i - 1] for i in range(1, n)])
    elif name == "first":
        by_hand = np.mean(weights[1:, 0])
    else:
        assert found.token_ids is not None
        ids = found.token_ids.tolist()
        after = [(i, [j + 1 for j in range(i) if ids[j] == ids[i]]) for i in range(n)]
        by_hand = np.mean([weights[i, keys].sum() for i, keys in after if keys])
    assert first["statistics"][name]["mean"] == pytest.approx(by_hand, abs=0.02)
    measured = profile.profile(found)
    assert measured.patterns[measured.heads.index((layer, head))] == name


def test_the_views_of_both() -> None:
    wide = 120
    grid, head, other, explained = together(
        [
            partial(ask, "inspect", ANIMAL, SMOLLM, width=wide),
            partial(ask, "inspect", ANIMAL, SMOLLM, "--layer", "16", "--head", "0", width=wide),
            partial(ask, "inspect", ANIMAL, MINILM, "--words", "--fold-special"),
            partial(
                ask, "explain", ANIMAL, SMOLLM, "--layer", "16", "--head", "0", "--query", "it"
            ),
        ]
    )
    shown = done(grid)
    assert (
        "heads  30 × 9" in shown and len(re.findall(r"^ ?\d+  [A-Z.] ?[ ░▒▓█]", shown, re.M)) == 30
    )
    assert "heads that share keys and values: 0–2, 3–5, 6–8" in shown
    assert "rests on The" in shown and "--layer 16 --head 0" in shown
    [row] = [line for line in done(head).splitlines() if re.match(r" *\d+ ␣it +→", line)]
    assert row.split("→")[1].split()[0] == "␣because"
    assert "[special]: [CLS] and [SEP], " in done(other) and "didn't" in other.text
    assert "␣it looks at ␣because" in done(explained)
    assert "uses key/value head 0" in explained.text and "rotation" in explained.text


def test_smollm_goes_on_with_a_text() -> None:
    ran = ask("inspect", "The capital of France is", SMOLLM, "--generate", "2", "--json")
    first, second = map(json.loads, done(ran).splitlines())
    assert first["text"] == "The capital of France is Paris"
    assert second["text"] == "The capital of France is Paris."
    [whole] = opened(SMOLLM).inspect(Text("The capital of France is Paris"), Asked(layers="29"))
    kept = np.array(second["layers"][29]["weights"])[:, 0]
    assert np.abs(kept - whole.layers[0].weights[:, -1]).max() < 1e-5
