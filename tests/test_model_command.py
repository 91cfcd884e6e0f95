"""`--model` from end to end: what is shown and what is refused, in real processes."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_files import expected, gguf_file, reference, words
from conftest import ROOT, Ran, run, run_in_terminal, together

from attn_cli.files import decode

TINY = "sample_inputs/tiny-llama"
START = "w5 w6 w7 w8 w9"
SENTENCE = "The animal didn't cross the street because it was too tired."
TOLERANCE = 1e-5


def ask(*options: str, text: str = SENTENCE, model: str = TINY, **more: Any) -> Ran:
    return run("inspect", text, "--model", model, *options, **more)


def done(ran: Ran) -> str:
    assert (ran.code, ran.err) == (0, ""), ran
    return ran.text


def documents(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done(ran).splitlines()]


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("models") / "tiny-t5"
    return str(reference(directory, "t5", single="$A </s>"))


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(reference(tmp_path_factory.mktemp("models") / "tiny-gpt2", "gpt2"))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("models") / "tiny-bert"
    ends = {"single": "<s> $A </s>", "pair": "<s> $A </s> $B:1 </s>:1"}
    return str(reference(directory, "bert", **ends))


# What is shown


def test_an_overview_has_every_head_and_says_where_to_look() -> None:
    shown = done(ask())
    assert "tokens  21" in shown and "<|begin_of_text|>* 0" in shown
    assert "heads  3 × 4" in shown and "tiny-llama (llama, float32)" in shown
    assert "heads that share keys and values: 0–1, 2–3" in shown
    share = re.search(r"sink: (\d+)% of all attention rests on <\|begin_of_text\|>", shown)
    with np.load(ROOT / "tests" / "reference" / "tiny-llama.npz") as arrays:
        true = float(arrays["attn"][:, :, 1:, 0].mean())
    assert share is not None and share[1] == f"{100 * true:.0f}"
    grid = re.findall(r"^(\d)  ((?:[A-Z.][ ░▒▓█]\s*)+)$", shown, re.M)
    assert [row for row, _ in grid] == ["0", "1", "2"]
    listed = re.findall(r"--layer (\d) --head (\d)$", shown, re.M)
    assert listed and all(int(layer) < 3 and int(head) < 4 for layer, head in listed)
    again = done(ask("--layer", listed[0][0], "--head", listed[0][1]))
    assert f"layer {listed[0][0]}, head {listed[0][1]}" in again


def test_one_head_has_a_map_and_its_strongest_keys() -> None:
    shown = done(ask("--layer", "-1", "--head", "2", env={"COLUMNS": "120"}))
    with np.load(ROOT / "tests" / "reference" / "tiny-llama.npz") as arrays:
        true = arrays["attn"][2, 2]
    assert "1 of 3 layers · 1 of 4 heads on 2 key/value heads" in shown
    assert "weights  21 × 21  layer 2, head 2 (key/value head 1)" in shown
    rows = shown[shown.index("strongest keys") :].splitlines()[1:]
    assert len(rows) == len(true)
    for row, weights in zip(rows, true, strict=True):
        printed = [float(number) for number in re.findall(r"0\.\d{4}|1\.0000", row)]
        assert printed == pytest.approx(sorted(weights, reverse=True)[: len(printed)], abs=6e-5)
    assert " · " in shown.split("weights")[1]  # masked is not 0


def test_layers_and_heads_can_be_ranges_and_count_from_the_end() -> None:
    asked = (("0-1", "1--1"), ("-1,0", "-2"), ("all", "0"))
    runs = together([partial(ask, "--layer", a, "--head", b, "--json") for a, b in asked])
    [ranges], [ends], [every] = map(documents, runs)
    assert [layer["index"] for layer in ranges["layers"]] == [0, 1]
    assert ranges["layers"][0]["head_index"] == [1, 2, 3]
    assert {layer["index"] for layer in ends["layers"]} == {0, 2}
    assert ends["layers"][0]["head_index"] == [2]
    assert len(every["layers"]) == 3


def test_json_carries_every_head_weights_alone_unless_asked() -> None:
    plain, more, numbers = together(
        [
            partial(ask, "--json"),
            partial(ask, "--json", "--show", "weights,query,key,logits", "--layer", "0"),
            partial(ask, "--style", "numbers", "--layer", "1", "--head", "3"),
        ]
    )
    [found] = documents(plain)
    with np.load(ROOT / "tests" / "reference" / "tiny-llama.npz") as arrays:
        true = dict(arrays)
    weights = np.array([layer["weights"] for layer in found["layers"]])
    assert np.abs(weights - true["attn"]).max() <= TOLERANCE
    assert found["token_ids"] == true["ids"].tolist()
    assert found["dimensions"]["n_layer"] == 3 and found["dimensions"]["n_head"] == 4
    held = {name for layer in found["layers"] for name, value in layer.items() if value is not None}
    assert held == {"index", "scale", "weights"}
    assert found["embedding"] is None and found["vocabulary"] is None
    assert found["source"]["settings"]["n_kv_head"] == 2
    assert found["source"]["file_hash"].startswith("sampled-sha256:")
    [layer] = documents(more)[0]["layers"]
    assert np.array(layer["key"]).shape == (2, 21, 16) and layer["context"] is None
    assert layer["logits"][0][0][1] is None and "columns 0–" in done(numbers)


def test_what_is_written_reads_back_equal(tmp_path: Path) -> None:
    outs = [tmp_path / f"all.{suffix}" for suffix in ("json", "npz", "safetensors")]
    for ran in together([partial(ask, "--show", "all", "-o", str(out)) for out in outs]):
        assert (ran.code, ran.out) == (0, b"")
    first, *others = (next(decode(out.read_bytes(), str(out))) for out in outs)
    assert first.layers[0].rotation is not None and all(other == first for other in others)


def test_words_and_special_tokens_fold_in_every_view(tmp_path: Path) -> None:
    options = ("--words", "--fold-special")
    picture, whole, lines = together(
        [
            partial(ask, *options, "--layer", "0", "--head", "0"),
            partial(ask, *options, "--json"),
            partial(ask, "--json"),
        ]
    )
    [folded], [plain] = documents(whole), documents(lines)
    keys = [token["text"].strip() for token in folded["key_tokens"]]
    assert keys[-1] == "[special]" and "animal" in keys and "didn't" in keys
    pieces = [p for t in folded["query_tokens"] for p in t.get("pieces", [t["text"]])]
    assert pieces == [t["text"] for t in plain["query_tokens"][1:]]
    before = np.array([layer["weights"] for layer in plain["layers"]])[:, :, 1:, 0]
    after = np.array([layer["weights"] for layer in folded["layers"]])[:, :, :, -1]
    sizes = np.array([len(t.get("pieces", [0])) for t in folded["query_tokens"]])
    assert np.abs((after * sizes).sum(axis=-1) - before.sum(axis=-1)).max() < 1e-5
    shown = done(picture)
    assert "[special]: <|begin_of_text|>, " in shown and "didn't" in shown


def test_a_pair_and_its_types(bert: str) -> None:
    [found] = documents(ask("--pair", "w7 w8", "--json", text="w5 w6", model=bert))
    texts = [token["text"] for token in found["query_tokens"]]
    assert texts == ["<s>", "w5", "w6", "</s>", "w7", "w8", "</s>"]
    assert found["text"] == "w5 w6\nw7 w8"
    [alone] = documents(ask("--json", text="w5 w6 </s> w7 w8", model=bert))
    one, other = (np.array(d["layers"][0]["weights"]) for d in (found, alone))
    assert one.shape == other.shape and np.abs(one - other).max() > 1e-3  # types are felt


def test_an_encoder_decoder_gives_three_lines(t5: str) -> None:
    true = expected("t5")
    text, target = words(true["ids"][:-1]), "w5 w6 w7"
    both, alone, drawn = together(
        [
            partial(ask, "--decoder", target, "--json", text=text, model=t5),
            partial(ask, "--json", text=text, model=t5),
            partial(ask, "--decoder", target, text=text, model=t5),
        ]
    )
    found = documents(both)
    assert [d["kind"] for d in found] == ["self", "causal", "cross"]
    assert [t["text"] for t in found[1]["query_tokens"]] == ["<s>", "w5", "w6", "w7"]
    assert found[2]["key_text"] == text and len(found[2]["key_ids"]) == len(true["ids"])
    assert documents(alone) == [found[0]]
    assert done(drawn).count("heads  ") == 3 and "cross-attention" in drawn.text


def test_what_is_too_long_is_said_or_cut_aloud(bert: str) -> None:
    long = " ".join(["w9"] * 60)
    refused, cut, pair = together(
        [
            partial(ask, text=long, model=bert),
            partial(ask, "--truncate", "--json", text=long, model=bert),
            partial(ask, "--truncate", "--json", "--pair", "w8", text=long, model=bert),
        ]
    )
    assert refused.code == 2 and refused.out == b""
    assert "62 tokens, the model 48 positions" in refused.err
    for ran, n in ((cut, 62), (pair, 64)):
        assert ran.code == 0
        assert ran.err == f"attn: the text has {n} tokens, the model 48 positions: it was cut\n"
        assert len(json.loads(ran.out)["query_tokens"]) == 48
    assert json.loads(pair.out)["query_tokens"][-2]["text"] == "w8"


def test_generation_streams_a_line_a_token(gpt2: str) -> None:
    go_on = partial(ask, "--generate", "4", text=START, model=gpt2)
    whole, some, drawn, headless = together(
        [
            partial(go_on, "--json"),
            partial(go_on, "--json", "--layer", "1", "--head", "0,2"),
            go_on,
            partial(ask, "--generate", "4"),
        ]
    )
    assert headless.code == 2 and "lm_head.weight" in headless.err  # the sample has layers alone
    steps = documents(whole)
    assert len(steps) == 4
    for number, (step, chosen) in enumerate(zip(steps, documents(some), strict=True)):
        assert len(step["key_tokens"]) == 5 + number and len(step["query_tokens"]) == 1
        assert np.array(step["layers"][0]["weights"]).shape == (3, 1, 5 + number)
        assert [layer["index"] for layer in chosen["layers"]] == [1]
        assert chosen["layers"][0]["head_index"] == [0, 2]
        assert step["text"].startswith(START)
    assert [s["text"] for s in steps] == sorted((s["text"] for s in steps), key=len)
    assert steps[1]["key_tokens"][-1]["text"] == steps[0]["source"]["settings"]["new_token"]
    shown = done(drawn)
    assert shown.count("\n+ ") == 4 and re.search(r"mean of \d+ heads|layer 0, head 2", shown)
    for step in steps:
        assert f"id {step['source']['settings']['new_id']}, looked for by" in shown


def test_a_line_is_there_before_the_next_is_made(gpt2: str) -> None:
    import subprocess

    from conftest import ATTN, environment

    command = [ATTN, "inspect", START, "--model", gpt2, "--generate", "90000", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=ROOT
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert json.loads(process.stdout.readline())["kind"] == "causal"
        process.stdout.close()  # the reader leaves; the writer ends quietly
        assert process.stderr.read() == b"" and process.wait(60) == 2


def test_a_gguf_is_a_model(tmp_path: Path) -> None:
    """Its weights are not enough for a layer: what is missing is named."""
    path = gguf_file(tmp_path / "tiny.gguf")
    ran = ask(text="a", model=str(path))
    assert ran.code == 2 and "`blk.0." in ran.err and ran.err.count("\n") <= 2


def test_explain_has_rotary_positions_and_grouped_heads() -> None:
    args = ("explain", SENTENCE, "--model", TINY, "--layer", "-1", "--head", "3", "--query", "-1")
    drawn, data = together([partial(run, *args), partial(run, *args, "--json", "--key", "0")])
    shown = done(drawn)
    assert "Head 3 uses key/value head 1." in shown and "rotation" in shown
    found = json.loads(done(data))
    with np.load(ROOT / "tests" / "reference" / "tiny-llama.npz") as arrays:
        assert found["weight"] == pytest.approx(float(arrays["attn"][2, 3, -1, 0]), abs=TOLERANCE)


def test_heads_and_diff_look_into_models(bert: str) -> None:
    heads, diff = together(
        [
            partial(run, "heads", SENTENCE, "--model", TINY, "--json"),
            partial(run, "diff", SENTENCE, SENTENCE, "--model", TINY),
        ]
    )
    assert len(json.loads(done(heads))["heads"]) == 12
    assert diff.code == 0


def test_colours_on_a_terminal() -> None:
    ran = run_in_terminal(
        "inspect", SENTENCE, "--model", TINY, columns=80, env={"COLORTERM": "truecolor"}
    )
    assert ran.code == 0 and b"\x1b[" in ran.out and b"heads  3" in ran.out


# What is refused


def test_options_of_the_one_are_refused_beside_the_other() -> None:
    tutorial = [
        *(("--seed", "1"), ("--heads", "2"), ("--mask", "causal"), ("--cross", "x")),
        *(("--split", "bytes"), ("--lowercase",), ("--recipe", "book"), ("--d-model", "4")),
    ]
    real = [("--pair", "x"), ("--decoder", "x"), ("--truncate",), ("--offline",)]
    real += [("--generate", "2")]
    runs = together(
        [partial(ask, *options) for options in tutorial]
        + [partial(run, "inspect", "a b", *options) for options in real]
        + [partial(ask, "--generate", "0"), partial(ask, "--show", "w_query")]
        + [partial(ask, "--compare-with", "linear", "--generate", "1")]
    )
    for ran, options in zip(runs, [*tutorial, *real], strict=False):
        assert ran.code == 2 and ran.out == b"" and options[0] in ran.err, ran
        assert ran.err.count("\n") <= 2
    assert all(ran.code == 2 and ran.out == b"" for ran in runs[-3:]), runs[-3:]
    assert "--generate must be from 1" in runs[-3].err and "w_query" in runs[-2].err


def test_a_missing_package_is_named_with_what_installs_it(tmp_path: Path) -> None:
    """As in an environment without `tokenizers`: its import fails."""
    (tmp_path / "tokenizers.py").write_text("raise ImportError('none')")
    ran = ask(env={"PYTHONPATH": str(tmp_path)})
    assert (ran.code, ran.out) == (2, b"")
    assert ran.err == (
        "attn: a model's own tokens need the package `tokenizers`\n"
        "Install it with: pip install 'attn-cli[models]'\n"
    )


def test_offline_never_fetches(tmp_path: Path) -> None:
    env = {"HF_HUB_CACHE": str(tmp_path)}
    option, variable = together(
        [
            partial(ask, "--offline", model="some/model", env=env),
            partial(ask, model="some/model", env=env | {"HF_HUB_OFFLINE": "1"}),
        ]
    )
    for ran, why in ((option, "--offline"), (variable, "HF_HUB_OFFLINE")):
        assert ran.code == 2 and why in ran.err and "some/model" in ran.err
        assert ran.err.count("\n") == 2
