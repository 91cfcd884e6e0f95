"""Ablation: what is taken away is taken away, checked against models without the weights for it."""

from __future__ import annotations

import json
import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from conftest import run, together
from model_cases import Arrays
from test_transformer import checkpoint

from attn_cli.checkpoints.ablation import MOST_EDGES, Head, ablate, parse
from attn_cli.checkpoints.architecture import architecture
from attn_cli.checkpoints.transformer import Run, Transformer
from attn_cli.errors import UsageError

IDS = np.array([3, 1, 4, 1, 5, 9])


def models(name: str, **changed: np.ndarray) -> Transformer:
    config, tensors, _ = checkpoint(name)
    return Transformer(architecture(config), Arrays(tensors.arrays | changed))


def last(model: Transformer) -> np.ndarray:
    return Run(model, IDS).finish()


def moved(before: np.ndarray, after: np.ndarray) -> float:
    apart = [math.dist(a, b) / math.hypot(*b) for a, b in zip(after, before, strict=True)]
    return sum(apart) / len(apart)


def without_head(name: str, head: int) -> Transformer:
    """The same checkpoint with zeros in the output projection, where the head's context enters."""
    config, tensors, _ = checkpoint(name)
    place = next(
        n for n in sorted(tensors.names()) if n.endswith("layers.1.self_attn.o_proj.weight")
    )
    width = (
        config["head_dim"]
        if config.get("head_dim")
        else (config["hidden_size"] // config["num_attention_heads"])
    )
    changed = tensors.arrays[place].copy()
    changed[:, head * width : (head + 1) * width] = 0
    return models(name, **{place: changed})


@pytest.mark.parametrize("head", [0, 1])
def test_a_head_without_its_output_projection(head: int) -> None:
    whole = models("llama")
    found = ablate(whole, IDS, None, [Head(1, head)]).effects[0]
    expected = moved(last(whole), last(without_head("llama", head)))
    assert found.heads == (Head(1, head),) and found.edge is None
    assert found.moved == pytest.approx(expected, rel=1e-4)
    assert found.moved > 1e-3


def test_the_next_token_by_hand() -> None:
    whole, head = models("llama"), Head(1, 0)
    if not whole.has_head:
        pytest.fail("the reference model should predict a next token")
    found = ablate(whole, IDS, None, [head])
    p, q = (
        [math.exp(x) for x in model.next_logits(last(model)[-1:])[0].astype(float).tolist()]
        for model in (whole, without_head("llama", 0))
    )
    p, q = [x / sum(p) for x in p], [x / sum(q) for x in q]
    best = max(range(len(p)), key=p.__getitem__)
    effect = found.effects[0]
    assert found.likeliest == best
    assert effect.before == pytest.approx(p[best], rel=1e-4)
    assert effect.after == pytest.approx(q[best], rel=1e-3)
    bits = sum(a * math.log2(a / b) for a, b in zip(p, q, strict=True))
    assert effect.divergence == pytest.approx(bits, rel=1e-3, abs=1e-6)


def test_several_heads_are_taken_together_and_each_alone() -> None:
    heads = [Head(0, 0), Head(1, 1)]
    effects = ablate(models("llama"), IDS, None, heads).effects
    whole = [effect.heads for effect in effects if effect.edge is None]
    assert whole == [tuple(heads), (heads[0],), (heads[1],)]
    edges = [effect for effect in effects if effect.edge is not None]
    assert 0 < len(edges) <= 2 * MOST_EDGES


def test_edges_are_the_largest_weights_of_those_who_have_a_choice() -> None:
    whole, head = models("llama"), Head(1, 1)
    layer = next(iter(Run(whole, IDS).layers([1], ("weights",)))).own
    weights = layer.weights[1]
    edges = [e for e in ablate(whole, IDS, None, [head]).effects if e.edge is not None]
    expected = sorted(weights[1:][np.tril_indices(5, 1, 6)].tolist(), reverse=True)[: len(edges)]
    assert [e.weight for e in edges] == pytest.approx(expected)
    assert all(e.weight == pytest.approx(float(weights[e.edge])) for e in edges)
    assert all(e.edge[0] > 0 for e in edges)  # the first token sees itself alone


def test_taking_every_edge_of_the_only_query_is_taking_the_head() -> None:
    """With one layer left, the last token alone, and all its weights but one that is tiny."""
    whole = models("llama")
    two = np.array([3, 1])
    edges = [e for e in ablate(whole, two, None, [Head(1, 0)]).effects if e.edge is not None]
    assert {e.edge for e in edges} == {(1, 0), (1, 1)}
    assert sum(e.weight or 0 for e in edges) == pytest.approx(1, abs=1e-6)


def test_the_mean_says_the_same_to_every_token() -> None:
    """A text of one token is its own mean: nothing moves."""
    one = ablate(models("llama"), np.array([3]), None, [Head(0, 0)], "mean").effects
    assert one[0].moved == pytest.approx(0, abs=1e-6)
    assert len(one) == 1  # no query has a choice
    several = ablate(models("llama"), IDS, None, [Head(0, 0)], "mean").effects[0]
    zero = ablate(models("llama"), IDS, None, [Head(0, 0)], "zero").effects[0]
    assert several.moved != pytest.approx(zero.moved)


@pytest.mark.parametrize(
    ("specification", "expected"),
    [
        ("1.0", [(1, 0)]),
        ("0-1.1", [(0, 1), (1, 1)]),
        ("-1.-1,0.0", [(2, 3), (0, 0)]),
        ("1.0,1.0", [(1, 0)]),
        ("-3--2 . -1", [(0, 3), (1, 3)]),
        ("all.2", [(0, 2), (1, 2), (2, 2)]),
    ],
)
def test_heads_by_their_numbers(specification: str, expected: list[tuple[int, int]]) -> None:
    arch = models("llama").architecture  # three layers of four heads
    assert [tuple(head) for head in parse(specification, arch)] == expected


@pytest.mark.parametrize("specification", ["", "1", ".1", "1.", "1.x", "99.0", "0.99", "1.0;2.0"])
def test_what_names_no_head(specification: str) -> None:
    with pytest.raises(UsageError):
        parse(specification, models("llama").architecture)


@pytest.mark.parametrize("specification", ["0.0.0", "x.y", "0-1-2.0"])
def test_what_is_no_head_is_not_laid_to_another_option(specification: str) -> None:
    with pytest.raises(UsageError, match=f"--ablate cannot be `{specification}`"):
        parse(specification, models("llama").architecture)


def test_the_command() -> None:
    model = "sample_inputs/tiny-llama"
    ask: Any = partial(run, "inspect", "The cat sat on the mat", "--model", model)
    table, data, wrong, show, scale, alone, *elsewhere = together(
        [
            partial(ask, "--ablate", "1.0,2.3"),
            partial(ask, "--ablate", "1.0", "--json", "--ablate-with", "mean"),
            partial(ask, "--ablate", "9.0"),
            partial(ask, "--ablate", "1.0", "--show", "query"),
            partial(ask, "--ablate", "1.0", "--own-scale"),
            partial(run, "inspect", "a b", "--ablate", "1.0"),
            partial(run, "heads", "a b", "--model", model, "--ablate", "1.0"),
            partial(run, "explain", "a b", "--model", model, "--ablate", "1.0", "--query", "0"),
        ]
    )
    assert (table.code, table.err) == (0, "")
    assert "heads 1.0 and 2.3" in table.text and "head 2.3" in table.text and "→" in table.text
    found = json.loads(data.out)
    assert found["schema"] == "attn-ablation/1" and found["replacement"] == "mean"
    assert found["next_token"] is None  # a bare model
    assert found["effects"][0]["heads"] == [{"layer": 1, "head": 0}]
    assert all(effect["moved"] >= 0 for effect in found["effects"])
    assert (wrong.code, wrong.out) == (2, b"") and "no layer 9" in wrong.err
    for one, option in ((show, "--show"), (scale, "--own-scale")):
        assert (one.code, one.out) == (2, b"") and f"--ablate and {option}" in one.err
    assert (alone.code, alone.out) == (2, b"") and "--model" in alone.err
    for one in elsewhere:
        assert (one.code, one.out) == (2, b"") and "no option `--ablate`" in one.err
