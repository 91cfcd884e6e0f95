"""Tensors of other programs: every documented layout gives the numbers that went in, whatever is
doubtful is said, and what cannot be attention is refused with its place.
"""

from __future__ import annotations

import io
import json
import os
import struct
import warnings
import zipfile
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, Ran, run
from hypothesis import given, settings
from hypothesis import strategies as st
from pace import promptly

from attn_cli import Inspection, files, load, load_all, memory
from attn_cli.errors import AttnError, DataError, UsageError
from attn_cli.files.foreign import Hints, Reading, axes, names, tokens
from attn_cli.operations import softmax

EXAMPLES = settings(max_examples=30, deadline=None, database=None)
N_LAYER, N_HEAD, N = 3, 4, 6
TOKENS = "the cat sat on the mat".split()
TRIANGLE = np.tri(N, dtype=bool)
RANDOM = np.random.default_rng(0)


def made(*shape: int, allowed: Any = True) -> np.ndarray:
    """Weights whose rows sum to 1, by the formula of the textbook and not by this program's."""
    powers = np.exp(RANDOM.normal(size=shape)) * allowed
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


WEIGHTS = made(N_LAYER, N_HEAD, N, N)
CAUSAL = made(N_LAYER, N_HEAD, N, N, allowed=TRIANGLE)
CROSS = made(N_LAYER, N_HEAD, N, 4)


def npz(*unnamed: Any, **named: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, *unnamed, **named)
    return file.getvalue()


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def as_json(**values: Any) -> bytes:
    plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in values.items()}
    return json.dumps(plain).encode()


def listed(archive: bytes, place: int, value: int, width: int = 4) -> bytes:
    """An archive whose list says another number of its first member."""
    start = archive.index(b"PK\1\2") + place
    return archive[:start] + value.to_bytes(width, "little") + archive[start + width :]


def safetensors(metadata: dict[str, str] | None = None, /, **arrays: np.ndarray) -> bytes:
    """By the format's description, without this program's writer."""
    names_of = {"float32": "F32", "float16": "F16", "float64": "F64", "uint16": "BF16"}
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    body = b""
    for name, array in arrays.items():
        offsets = [len(body), len(body) + array.nbytes]
        dtype = names_of[array.dtype.name]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
        body += array.tobytes()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def read(data: bytes, **hints: Any) -> list[Reading]:
    return list(files.readings(io.BytesIO(data), Hints(**hints)))


def one(data: bytes, **hints: Any) -> Reading:
    (reading,) = read(data, **hints)
    return reading


def weights_of(inspection: Inspection) -> np.ndarray:
    return np.stack([layer.weights for layer in inspection.layers])


# Layouts ----------------------------------------------------------------------------------------

PATTERN = {f"blocks.{i}.attn.hook_pattern": CAUSAL[i][None] for i in range(N_LAYER)}
LAYOUTS: dict[str, tuple[bytes, np.ndarray]] = {
    "(layers, heads, queries, keys)": (npy(WEIGHTS), WEIGHTS),
    "(heads, queries, keys)": (npz(weights=WEIGHTS[0]), WEIGHTS[:1]),
    "(queries, keys)": (npy(WEIGHTS[0, 0]), WEIGHTS[:1, :1]),
    "batch before layers": (npy(WEIGHTS[None]), WEIGHTS),
    "batch after layers: a stacked tuple": (npy(tuple(WEIGHTS[:, None])), WEIGHTS),
    "batch before heads": (npy(WEIGHTS[:1]), WEIGHTS[:1]),
    "one array a layer": (npz(*WEIGHTS), WEIGHTS),
    "a transformers tuple": (npz(*CAUSAL[:, None], tokens=TOKENS), CAUSAL),
    "layer.0": (npz(**{f"layer.{i}": WEIGHTS[i] for i in range(N_LAYER)}), WEIGHTS),
    "layers by number, not by text": (
        npz(**{f"attn_{i}": WEIGHTS[i % 3] for i in range(12)}),
        WEIGHTS[np.arange(12) % 3],
    ),
    "TransformerLens": (npz(**PATTERN, **{"blocks.0.hook_resid_pre": np.ones((1, 6, 8))}), CAUSAL),
    "one unknown name": (npz(whatever=WEIGHTS), WEIGHTS),
    "float64": (npz(weights=WEIGHTS.astype(np.float64)), WEIGHTS),
    "fortran order": (npy(np.asfortranarray(WEIGHTS)), WEIGHTS),
    "safetensors": (safetensors(attentions=WEIGHTS), WEIGHTS),
    "safetensors, a layer each": (
        safetensors(**{f"attentions.{i}": WEIGHTS[i][None] for i in range(N_LAYER)}),
        WEIGHTS,
    ),
    "JSON object": (as_json(attention=WEIGHTS, tokens=TOKENS), WEIGHTS),
    "JSON array": (json.dumps(WEIGHTS.tolist()).encode(), WEIGHTS),
    "JSON, objects within": (as_json(layers=[{"weights": w.tolist()} for w in WEIGHTS]), WEIGHTS),
    "JSON, by hand": (b" [[0.5, 0.5],\n [0, 1]]\n", np.array([[[[0.5, 0.5], [0, 1]]]])),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_gives_the_numbers_that_went_in(layout: str) -> None:
    data, expected = LAYOUTS[layout]
    reading = one(data)
    assert np.array_equal(weights_of(reading.inspection), expected.astype(np.float32))
    assert reading.doubts == ()
    assert len(reading.notes) >= 1  # every guess is stated
    assert [layer.index for layer in reading.inspection.layers] == list(range(len(expected)))


@given(st.sampled_from(list(permutations("lhqk"))), st.sampled_from(["", *range(5)]))
@EXAMPLES
def test_axes_say_any_order(order: tuple[str, ...], batch: Any) -> None:
    array = WEIGHTS.transpose(["lhqk".index(letter) for letter in order])
    letters = "".join(order)
    if batch != "":
        array = np.expand_dims(array, batch)
        letters = letters[:batch] + "b" + letters[batch:]
    reading = one(npy(array), axes=letters)
    assert np.array_equal(weights_of(reading.inspection), WEIGHTS)
    assert (reading.notes, reading.doubts) == ((), ())  # nothing was guessed


def test_a_single_layer_keeps_its_number() -> None:
    reading = one(npz(**{"blocks.5.attn.hook_pattern": CAUSAL[0][None]}))
    assert [layer.index for layer in reading.inspection.layers] == [5]


def test_a_lone_arr_0_may_be_every_layer() -> None:
    assert np.array_equal(weights_of(one(npz(WEIGHTS)).inspection), WEIGHTS)


@pytest.mark.parametrize("batch", [0, 1])
def test_one_text_of_a_batch(batch: int) -> None:
    both = np.stack([WEIGHTS, CAUSAL], axis=1)  # (layers, batch, heads, queries, keys)
    words = [["a"] * N, TOKENS]
    for data in (npy(both), npz(*both), npz(attentions=both, tokens=words)):
        reading = one(data, batch=batch)
        assert np.array_equal(weights_of(reading.inspection), both[:, batch])
        assert reading.doubts == ()
        assert "a batch of 2 texts" in one(data).doubts[0]
    assert [t.text for t in one(data, batch=1).inspection.query_tokens] == TOKENS
    with pytest.raises(UsageError, match=r"`--batch 2`: .* has 2 texts, from 0 on"):
        read(npy(both), batch=2)
    with pytest.raises(UsageError, match=r"`--batch 1`: .* has no axis that is a batch"):
        read(npy(WEIGHTS), batch=1)


def test_an_encoder_a_decoder_and_across() -> None:
    data = npz(
        encoder_attentions=made(2, 2, 4, 4),
        decoder_attentions=CAUSAL,
        cross_attentions=CROSS,
        encoder_tokens=list("wxyz"),
        decoder_tokens=TOKENS,
    )
    encoder, decoder, cross = (reading.inspection for reading in read(data))
    assert [one.kind for one in (encoder, decoder, cross)] == ["self", "causal", "cross"]
    assert [t.text for t in encoder.query_tokens] == list("wxyz")
    assert [t.text for t in decoder.query_tokens] == TOKENS
    assert [t.text for t in cross.query_tokens] == TOKENS
    assert [t.text for t in cross.key_tokens] == list("wxyz")
    assert np.array_equal(weights_of(cross), CROSS)
    assert [reading.doubts for reading in read(data)] == [(), (), ()]


def test_json_lines_are_one_text_each() -> None:
    lines = [as_json(weights=WEIGHTS[0], tokens=TOKENS), as_json(weights=CAUSAL[1], text="x")]
    first, second = read(b"\n".join(lines))
    assert np.array_equal(weights_of(first.inspection), WEIGHTS[:1])
    assert first.inspection.source.model == "standard input, line 1"
    assert (first.inspection.kind, second.inspection.kind) == ("self", "causal")
    assert second.inspection.text == "x"
    with pytest.raises(DataError, match=r"line 2: `weights`: the rows do not sum to 1"):
        read(lines[0] + b'\n{"weights": [[0.5, 0.4], [0, 1]]}')


# Query and key ----------------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("scale", [None, 0.25])
def test_weights_are_computed_from_query_and_key(causal: bool, scale: float | None) -> None:
    q = RANDOM.normal(size=(4, N, 8)).astype(np.float32)
    k, v = RANDOM.normal(size=(2, 2, N, 8)).astype(np.float32)  # two heads serve four
    more = {} if scale is None else {"scale": np.array(scale)}
    (layer,) = one(npz(q=q, k=k, v=v, tokens=TOKENS, **more), causal=causal).inspection.layers
    logits = np.einsum("hqd,hkd->hqk", q.astype(float), np.repeat(k, 2, axis=0))
    logits *= 8**-0.5 if scale is None else scale
    powers = np.exp(logits) * (TRIANGLE if causal else 1)
    expected = powers / powers.sum(axis=-1, keepdims=True)
    assert np.abs(layer.weights - expected).max() < 1e-6
    assert np.abs(layer.context - expected @ np.repeat(v, 2, axis=0)).max() < 1e-5
    assert layer.scale == pytest.approx(8**-0.5 if scale is None else scale)


def test_heads_before_or_after_tokens() -> None:
    q, k = RANDOM.normal(size=(2, 4, N, 8)).astype(np.float32)
    expected = one(npz(q=q, k=k), axes="hqd").inspection.layers[0].weights
    turned = {"query": q.swapaxes(0, 1), "key": k.swapaxes(0, 1)}
    hooks = {f"blocks.0.attn.hook_{n[0]}": a[None] for n, a in turned.items()}
    for data, hints in (
        (npz(**turned), {"axes": "qhd"}),
        (npz(**turned, tokens=TOKENS), {}),  # as many tokens as the first axis is long
        (npz(**turned), {"tokens": tuple(TOKENS)}),
        (npz(**{n: a[None] for n, a in turned.items()}), {"axes": "bqhd"}),  # JAX
        (npz(**hooks), {}),  # TransformerLens
        (npz(q=q[None], k=k[None], tokens=TOKENS), {}),  # torch
    ):
        assert np.array_equal(one(data, **hints).inspection.layers[0].weights, expected)
    with pytest.raises(DataError, match="heads before or after its tokens"):
        read(npz(q=q, k=k))


def test_rotated_queries_are_those_that_are_multiplied() -> None:
    q, k = RANDOM.normal(size=(2, 1, N, 4, 8)).astype(np.float32)
    plain = {"blocks.0.attn.hook_q": q * 2, "blocks.0.attn.hook_k": k * 2}
    rotated = {"blocks.0.attn.hook_rot_q": q, "blocks.0.attn.hook_rot_k": k}
    both = one(npz(**plain, **rotated)).inspection.layers[0].weights
    assert np.array_equal(both, one(npz(**rotated)).inspection.layers[0].weights)


# Numbers ----------------------------------------------------------------------------------------


def test_what_nothing_looks_ahead_of_is_causal() -> None:
    found = one(npy(CAUSAL)).inspection
    assert found.kind == "causal" and np.array_equal(found.mask.allowed, TRIANGLE)
    assert one(npy(WEIGHTS)).inspection.kind == "self"
    assert one(npy(WEIGHTS)).inspection.mask.allowed is None
    almost = CAUSAL.copy()
    almost[2, 3, 0, 5], almost[2, 3, 0, 0] = 1e-3, 1 - 1e-3
    assert one(npy(almost)).inspection.kind == "self"
    later = made(2, 2, 6, allowed=np.tri(2, 6, 4))  # the last two of six tokens ask
    last = one(npz(attn=later, tokens=TOKENS)).inspection
    assert last.kind == "causal"
    assert [t.text for t in last.query_tokens] == TOKENS[-2:]
    assert [t.text for t in last.key_tokens] == TOKENS


@pytest.mark.parametrize("data", [npy(WEIGHTS), npz(decoder_attentions=WEIGHTS)])
def test_mass_above_the_diagonal_of_what_is_called_causal(data: bytes) -> None:
    reading = one(data, causal=b"decoder" not in data)
    assert reading.inspection.kind == "self" and reading.inspection.mask.allowed is None
    (doubt,) = reading.doubts
    above = np.where(TRIANGLE, 0, WEIGHTS[0]).sum(axis=(1, 2)) / N
    assert "called causal" in doubt and "above the diagonal" in doubt
    assert f"head {above.argmax()} a mean of {above.max():.4g}" in doubt
    assert "called causal" in one(npz(weights=WEIGHTS, causal=True)).doubts[0]


def test_keys_and_queries_swapped() -> None:
    reading = one(npy(WEIGHTS.swapaxes(-1, -2)))
    assert np.array_equal(weights_of(reading.inspection), WEIGHTS)
    assert "keys and queries look swapped" in reading.doubts[0]
    assert one(npy(WEIGHTS.swapaxes(-1, -2)), axes="lhkq").doubts == ()
    with pytest.raises(DataError, match="look swapped") as caught:
        read(npy(WEIGHTS.swapaxes(-1, -2)), axes="lhqk")
    assert caught.value.hint == "Exchange `q` and `k` in `--axes`."
    # Heads last would look the same: there it is not done.
    for shape in ((N, N, N), (4, 4, 5), (4, 5, 6)):
        with pytest.raises(DataError, match=r"look swapped|do not sum to 1"):
            read(npy(np.moveaxis(made(*shape), -1, 1)))
    with pytest.raises(DataError, match="over the axis taken for heads they do"):
        read(npy(np.moveaxis(WEIGHTS[0], -1, 0)))


def test_logits_are_given_for_weights() -> None:
    logits = RANDOM.normal(size=(2, N_HEAD, N, N)).astype(np.float32)
    masked = np.where(TRIANGLE, logits, -np.inf).astype(np.float32)
    for name in ("logits", "attn_scores"):
        reading = one(npz(**{name: masked}))
        assert "shown is their softmax" in reading.doubts[0]
        assert np.abs(weights_of(reading.inspection) - softmax(masked)[0]).max() < 1e-7
        assert reading.inspection.kind == "causal"
    with pytest.raises(DataError, match="a negative number") as caught:
        read(npy(logits))
    assert "`--rows softmax`" in caught.value.hint
    asked = one(npy(logits), rows="softmax", causal=True)
    assert asked.doubts == () and asked.inspection.kind == "causal"
    assert np.abs(weights_of(asked.inspection) - softmax(masked)[0]).max() < 1e-7
    assert np.array_equal(asked.inspection.layers[0].logits, masked[0])
    weights = one(npz(scores=WEIGHTS))
    assert np.array_equal(weights_of(weights.inspection), WEIGHTS)
    assert "every row sums to 1: taken for weights" in weights.doubts[0]
    nulls = as_json(logits=[[0.0, None], [1.0, 1.0]])  # as attn writes what is masked
    assert np.array_equal(one(nulls).inspection.layers[0].weights, [[[1, 0], [0.5, 0.5]]])


COARSE: dict[str, tuple[np.ndarray, str, int | None]] = {
    "float16": (WEIGHTS.astype(np.float16), "float16", None),
    "float16, widened": (WEIGHTS.astype(np.float16).astype(np.float32), "float16", None),
    "bfloat16, widened": (
        (WEIGHTS.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32),
        "bfloat16",
        None,
    ),
    "4 decimals": (WEIGHTS.round(4), "float32", 4),
    "2 decimals": (WEIGHTS.round(2), "float32", 2),
}


@pytest.mark.parametrize("case", COARSE)
def test_a_coarse_precision_explains_the_sums(case: str) -> None:
    array, dtype, decimals = COARSE[case]
    found = one(npy(array))
    assert (found.inspection.source.dtype, found.inspection.source.precision) == (dtype, decimals)
    assert found.doubts == ()
    assert np.array_equal(weights_of(found.inspection), array.astype(np.float32))


@pytest.mark.parametrize("case", COARSE)
def test_a_coarse_precision_explains_the_sums_beside_empty_rows(case: str) -> None:
    array, dtype, decimals = COARSE[case]
    array = np.concatenate([array, np.zeros_like(array[..., :1, :])], axis=-2)
    found = one(npy(array))
    assert (found.inspection.source.dtype, found.inspection.source.precision) == (dtype, decimals)
    assert np.array_equal(weights_of(found.inspection), array.astype(np.float32))


def test_every_key_may_be_off_by_half_of_the_last_decimal() -> None:
    found = one(npy(np.array([[0.33, 0.33, 0.33]]))).inspection
    assert found.source.precision == 2
    for row in ([0.33, 0.33, 0.32], [0.333, 0.333, 0.331]):
        with pytest.raises(DataError, match="do not sum to 1"):
            read(npy(np.array([row])))


def test_of_rows_that_are_no_weights_the_worst_is_named() -> None:
    rows = np.array([[0, 0, 0], [0.5, 0.25, 0.25], [0.5, 0.25, 0], [1, 0.5, 0]])
    with pytest.raises(DataError, match=r"\(layer 0, head 0, query 3: 1\.5\)") as caught:
        read(npy(rows))
    assert caught.value.hint.startswith("If they are parts of rows")
    with pytest.raises(DataError, match=r"\(layer 0, head 0, query 2: 0\.75\)"):
        read(npy(rows[:3]))
    with pytest.raises(DataError, match=r"query 1: 1\.51\)") as caught:
        read(npy(np.array([[1, 0, 0], [0, 1.01, 0.5]])))
    assert "softmax" in caught.value.hint


def test_rounding_is_no_excuse_for_everything() -> None:
    for data in ([[0.5, 0.4], [0, 1]], [[0.2, 0.2], [0.5, 0.5]], [[0.01] * 60] * 60):
        with pytest.raises(DataError, match="do not sum to 1"):
            read(npy(np.array(data)))


def test_sizes_as_python_2_wrote_them() -> None:
    data = npy(WEIGHTS).replace(b"(3, 4, 6, 6), }    ", b"(3L, 4L, 6L, 6L), }")
    assert b"6L)" in data and np.array_equal(weights_of(one(data).inspection), WEIGHTS)


def test_bfloat16_as_it_is_stored() -> None:
    half = (WEIGHTS.view(np.uint32) >> np.uint32(16)).astype(np.uint16)
    expected = (WEIGHTS.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    for data in (safetensors(weights=half), npz(weights=half.view("V2"))):  # numpy names it V2
        found = one(data).inspection
        assert np.array_equal(weights_of(found), expected)
        assert found.source.dtype == "bfloat16"


def test_rows_that_do_not_sum_to_1() -> None:
    with pytest.raises(DataError, match=r"do not sum to 1 \(layer 0, head ., query .: 0\.5\)") as e:
        read(npy(WEIGHTS * np.float32(0.5)))
    assert "`--rows normalize`" in e.value.hint
    with pytest.raises(DataError) as e:
        read(npy(WEIGHTS * np.float32(2)))
    assert "dropout" in e.value.hint
    mended = one(npy(WEIGHTS * np.float32(0.5)), rows="normalize")
    assert np.abs(weights_of(mended.inspection) - WEIGHTS).max() < 1e-7
    assert any("divided by its sum" in note for note in mended.notes)


N_LARGE = 3000  # squared, more than 32 MiB


@pytest.mark.parametrize("rows", ["equal", "diagonal", "one column"])
def test_weights_that_pack_a_thousand_times_smaller(rows: str) -> None:
    large = np.zeros((1, 1, N_LARGE, N_LARGE), np.float32)
    if rows == "equal":
        large[:] = 1 / N_LARGE
    else:
        large[0, 0, range(N_LARGE), range(N_LARGE) if rows == "diagonal" else 0] = 1
    file = io.BytesIO()
    np.savez_compressed(file, weights=large)
    assert large.nbytes > 500 * len(file.getvalue())
    found = one(file.getvalue()).inspection.layers[0].weights
    assert np.array_equal(found, large[0]) and not found.flags.writeable


def test_masked_logits_beyond_float32_are_still_masked() -> None:
    logits = np.where(np.tri(4), 1.0, np.finfo(np.float64).min)
    found = one(npz(logits=logits)).inspection
    assert found.kind == "causal" and np.array_equal(found.mask.allowed, np.tri(4))


def test_a_nested_array_is_what_numpy_makes_of_it() -> None:
    large = made(2, 3, 7, 40_000)  # more than is read at once
    assert np.array_equal(weights_of(one(as_json(weights=large)).inspection), large)
    flags = np.tri(5, dtype=bool)
    many = one(as_json(weights=WEIGHTS, flags=flags, scale=3, empty=[[], []], causal=True))
    assert np.array_equal(weights_of(many.inspection), WEIGHTS)


def test_numbers_that_are_none() -> None:
    for bad, said in ((np.nan, "nan"), (np.inf, "inf"), (-0.25, "-0.25, a negative number")):
        spoilt = WEIGHTS.copy()
        spoilt[1, 2, 3, 4] = bad
        with pytest.raises(DataError, match=f"layer 1, head 2, query 3, key 4 is {said}"):
            read(npy(spoilt))
    with pytest.raises(DataError, match="nothing but zeros"):
        read(npy(np.zeros((2, 3, 3))))


@pytest.mark.parametrize("empty", [np.nan, 0.0])
def test_a_query_without_weights_anywhere_is_masked(empty: float) -> None:
    padded = WEIGHTS.copy()
    padded[:, :, 4:] = empty
    reading = one(npy(padded))
    assert "queries 4, 5 have no weights in any head" in reading.doubts[0]
    assert np.array_equal(reading.inspection.mask.allowed.any(axis=1), [1, 1, 1, 1, 0, 0])
    assert np.array_equal(weights_of(reading.inspection)[:, :, :4], WEIGHTS[:, :, :4])


def test_queries_and_keys_give_all_that_comes_of_them() -> None:
    q, k, v = (RANDOM.normal(size=(2, n, 5)).astype(np.float32) for n in (3, 4, 4))
    found = one(npz(q=q, k=k, v=v), axes="hqd").inspection
    (layer,) = found.layers
    scores = np.einsum("hqd,hkd->hqk", q.astype(np.float64), k)
    logits = scores / np.sqrt(5)
    powers = np.exp(logits)
    weights = powers / powers.sum(axis=-1, keepdims=True)
    for name, expected in {
        "query": q, "key": k, "value": v, "scores": scores, "logits": logits, "weights": weights,
        "lse": np.log(powers.sum(axis=-1)), "context": np.einsum("hqk,hkd->hqd", weights, v),
    }.items():  # fmt: skip
        got = getattr(layer, name)
        assert got is not None and got.shape == expected.shape, name
        assert np.abs(got - expected).max() < 2e-6, name
    (layer,) = one(npz(q=q, k=k), axes="hqd").inspection.layers
    assert layer.context is None and layer.value is None


# Tokens -----------------------------------------------------------------------------------------


def test_tokens_from_the_file_from_a_person_or_none() -> None:
    def texts(data: bytes, **hints: Any) -> list[str]:
        return [token.text for token in one(data, **hints).inspection.query_tokens]

    for words in (TOKENS, np.array(TOKENS), np.array(TOKENS, dtype="S"), [TOKENS]):
        assert texts(npz(weights=WEIGHTS, tokens=words)) == TOKENS
    assert texts(npz(WEIGHTS, TOKENS)) == TOKENS  # the only words there are
    assert texts(safetensors({"tokens": json.dumps(TOKENS)}, w=WEIGHTS)) == TOKENS
    assert texts(npy(WEIGHTS), tokens=tuple(TOKENS)) == TOKENS
    assert texts(npz(w=WEIGHTS, tokens=list("abcdef")), tokens=tuple(TOKENS)) == TOKENS
    assert texts(npy(WEIGHTS)) == list("012345")
    found = one(npz(weights=WEIGHTS, input_ids=[range(N)], text="a b")).inspection
    assert found.token_ids.tolist() == list(range(N)) and found.text == "a b"
    for odd in ([[np.inf] * N], [[0.5] * N], np.zeros((0, N)), range(4)):
        assert one(npz(weights=WEIGHTS, input_ids=odd)).inspection.token_ids is None
    special = one(npz(weights=WEIGHTS[:, :, :2, :2] * 0 + 0.5, tokens=["[CLS]", "a"])).inspection
    assert [token.special for token in special.query_tokens] == [True, False]


def test_ids_are_taken_from_rows_that_can_be_them() -> None:
    ids = [5, 2**53 - 1, 0, 3, -1, 5]
    for form in (ids, [ids], np.array(ids, dtype=np.float64)):
        found = one(npz(weights=WEIGHTS, input_ids=form)).inspection.token_ids
        assert found is not None and (found.tolist(), found.dtype) == (ids, np.int64)
    others = {"n": np.arange(N), "input_ids": np.full((N, N, N), 2)}  # one name, one shape is wrong
    assert one(npz(weights=WEIGHTS, **others)).inspection.token_ids is None
    assert one(npz(weights=WEIGHTS, input_ids=[2**53] * N)).inspection.token_ids is None


def test_ids_and_text_of_one_text_of_a_batch() -> None:
    both = np.stack([WEIGHTS, CAUSAL], axis=1)
    ids, texts = np.arange(2 * N).reshape(2, N), np.array(["a b", "c d"])
    for batch in (0, 1):
        found = one(npz(weights=both, input_ids=ids, sentence=texts), batch=batch).inspection
        assert found.token_ids is not None and found.token_ids.tolist() == ids[batch].tolist()
        assert found.text == texts[batch]
        few = one(npz(weights=both, tokens=[TOKENS], text=texts[:1]), batch=batch).inspection
        assert (few.text, few.query_tokens[0].text) == (("a b", "the") if batch == 0 else ("", "0"))


def test_bytes_that_are_no_text_are_replaced() -> None:
    words = np.array([b"\xc3\xa9", b"\xff", *b"a b c d".split()])
    found = one(npz(weights=WEIGHTS, tokens=words)).inspection
    assert [token.text for token in found.query_tokens] == ["é", "\ufffd", "a", "b", "c", "d"]


def test_words_of_one_list_alone_are_the_tokens() -> None:
    found = one(npz(weights=WEIGHTS, some=TOKENS, other=TOKENS[::-1])).inspection
    assert [token.text for token in found.query_tokens] == list("012345")
    found = one(npz(weights=WEIGHTS, token_of=TOKENS[::-1], word_tokens=TOKENS)).inspection
    assert [token.text for token in found.query_tokens] == TOKENS


def test_metadata_that_only_begins_as_a_list() -> None:
    metadata = {"a": "[", "b": "[[[", "c": "[1, 2]", "tokens": json.dumps(TOKENS)}
    found = one(safetensors(metadata, w=WEIGHTS)).inspection
    assert [token.text for token in found.query_tokens] == TOKENS


def test_levels_of_names_and_of_arrays() -> None:
    for deepest, right in ((15, True), (16, False)):
        within: Any = {"weights": [[1.0]]}
        for _ in range(deepest):
            within = {"a": within}
        data = json.dumps(within).encode()
        if right:
            assert weights_of(one(data).inspection).tolist() == [[[[1.0]]]]
        else:
            with pytest.raises(DataError, match="is nested deeper than 16 levels"):
                read(data)
    many: Any = 1.0
    for _ in range(17):
        many = [many]
    with pytest.raises(DataError, match="`x` is nested deeper than 16 levels"):
        read(as_json(x=many, weights=WEIGHTS))
    with pytest.raises(DataError, match=r"`x` .*\(1, 1, .*1\)"):
        read(as_json(x=many[0]))


def test_numbers_beside_the_arrays_of_a_document() -> None:
    found = one(as_json(scale=2.0, is_good=True, of=[], weights=WEIGHTS)).inspection
    assert np.array_equal(weights_of(found), WEIGHTS) and found.source.dtype == "float32"


def test_tokens_that_do_not_match() -> None:
    reading = one(npz(weights=WEIGHTS, tokens=TOKENS[:4]))
    assert "there are 4 tokens for 6 queries" in reading.doubts[0]
    assert [t.text for t in reading.inspection.query_tokens] == list("012345")
    assert reading.inspection.source.settings["doubts"] == list(reading.doubts)
    across = one(npz(weights=CROSS, tokens=TOKENS))
    assert any("there are 6 tokens for 4 keys" in doubt for doubt in across.doubts)
    assert "as many heads as keys" in one(npz(weights=made(4, 6, 4))).doubts[0]


def test_files_of_tokens() -> None:
    assert tokens.parse_list(b"[CLS]\na b\n\n", "x") == ("[CLS]", "a b", "")
    assert tokens.parse_list('["[CLS]", "\\n", "é"]'.encode(), "x") == ("[CLS]", "\n", "é")
    assert tokens.parse_list(b"a\r\n\rb\n", "x") == ("a", "\rb")
    assert tokens.parse_list(b"[1]\n[[\n{x", "x") == ("[1]", "[[", "{x")
    deep = b"[" * 100_000
    for data in (
        b"",
        b"[]",
        b'["a", 1]',
        b'["a"',
        b"\xff",
        b"[1, 2]",
        b"[null]",
        b'{"a": 1}',
        deep,
    ):
        with pytest.raises(DataError, match="x"):
            tokens.parse_list(data, "x")


# Refusals ---------------------------------------------------------------------------------------


def claiming(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return file.getvalue() + bytes(64)


class Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, ("sprung",)


def pickled() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Trap()], dtype=object), allow_pickle=True)
    return file.getvalue()


def zipped(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return file.getvalue()


def sized(header: bytes, body: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + body


DEFLATED = zipped({"w.npy": npy(WEIGHTS)})


def folded(times: int) -> bytes:
    """An archive whose list names one member so many times; by itself each is as it should be."""
    data = zipped({"w.npy": npy(made(4, 256, 256))})
    start = data.index(b"PK\x01\x02")
    entry, end = data[start:-22], data[-22:]
    entries = b"".join(entry.replace(b"w.npy", b"%05d" % i) for i in range(times))
    counts = struct.pack("<HHII", times, times, len(entries), start)
    return data[:start] + entries + end[:8] + counts + end[20:]


def twice(**parts: np.ndarray) -> bytes:
    """An archive with two members of each name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile knows that this is odd
        for name, array in [*parts.items(), *parts.items()]:
            archive.writestr(f"{name}.npy", npy(array))
    return file.getvalue()


def entry(**changes: Any) -> bytes:
    """A safetensors file of one tensor, described otherwise."""
    about = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} | changes
    return sized(json.dumps({"a": about}).encode(), bytes(8))


REFUSED: dict[str, tuple[bytes, str]] = {
    "terabytes": (claiming((1 << 40, 4)), "claims more numbers than it holds"),
    "beyond all": (claiming((1 << 62, 1 << 62)), "claims more numbers than it holds"),
    "negative": (claiming((-3, 3)), ""),
    "fewer than it holds": (claiming((2, 4)), "holds 32 bytes after its numbers (2, 4)"),
    "33 axes": (claiming((1,) * 33), "has 33 axes, where 32 are the most"),
    "a header a byte too long": (npy(WEIGHTS)[:100], ""),
    "a header five bytes too long": (
        npy(WEIGHTS)[:8] + struct.pack("<H", len(npy(WEIGHTS)) - 5) + npy(WEIGHTS)[10:],
        "bytes, which is not there",
    ),
    "booleans of 2": (claiming((8, 8), "|b1")[:-1] + b"\2", "bytes that are neither 0 nor 1"),
    "text of no characters": (claiming((16,), "<U1")[:-1] + b"\x7f", "characters that are none"),
    "nothing, very often": (claiming((0, 1 << 50)), "bytes after its numbers"),
    "no size, very often": (claiming((1 << 60, 2), "|V0"), ""),
    "no header": (b"\x93NUMPY\x01\x00", ""),
    "bad header": (b"\x93NUMPY\x01\x00\x10\x00" + b"__import__('os')", ""),
    "pickled array": (pickled(), "a pickle, which is never opened"),
    "pickle": (b"\x80\x04K\x01.", "a pickle: reading it could run any program"),
    "complex": (npy(WEIGHTS.astype(complex)), "no real numbers"),
    "dates": (npy(np.zeros((2, 2), "M8[s]")), "no real numbers"),
    "record": (npy(np.zeros((2, 2), [("a", "f4")])), "a header that is not read"),
    "heads": (npy(np.ones((200, 100, 1, 1), "f4")), "20,000 heads in all; 16,384 are the most"),
    "heads of many layers": (
        npz(**{f"layer.{i}": np.ones((9000, 1, 1), "f4") for i in range(2)}),
        "18,000 heads in all",
    ),
    "scalar": (npy(np.float32(1)), "no array that could be attention"),
    "row": (npy(np.ones(1)), "has 1 axes (1,)"),
    "six axes": (npy(WEIGHTS[None, None]), "has 6 axes"),
    "no heads": (npy(np.zeros((2, 0, 3, 3))), "holds no numbers"),
    "no keys": (npy(np.zeros((2, 3, 0))), "holds no numbers"),
    "layers differ": (npz(made(2, 3, 3), made(2, 4, 4)), "differ in queries and keys"),
    "twice the same layer": (npz(attn_1=WEIGHTS[0], attn_01=WEIGHTS[0]), "are of the same layer"),
    "an array a head": (
        npz(**{f"layer{i}_head{j}": WEIGHTS[0, 0] for i in range(2) for j in range(2)}),
        "",
    ),
    "heads of an array each": (
        npz(**{"a.0.heads": WEIGHTS[0, 0], "a.1.heads": WEIGHTS[0, 0]}),
        "holds one array a head",
    ),
    "two numbers": (
        npz(**{f"block{i}.part{1 - i}.attn": WEIGHTS[0] for i in range(2)}),
        "`block0.part1.attn` and 1 more differ in 2 numbers",
    ),
    "six unknown": (npz(**dict.fromkeys("abcdef", WEIGHTS)), "`e`, `f`"),
    "seven unknown": (npz(**dict.fromkeys("abcdefg", WEIGHTS)), "`f`, …"),
    "a query alone": (npz(q=np.ones((2, 6, 8)), tokens=TOKENS), "which is attention is not said"),
    "two unknown": (npz(one=WEIGHTS, other=WEIGHTS), "`one`, `other`"),
    "two known": (npz(attn=WEIGHTS, weights=WEIGHTS), "which is attention is not said"),
    "parameters": (npz(**{"h.0.c_attn.weight": WEIGHTS, "h.0.c_attn.bias": WEIGHTS}), "parameters"),
    "widths": (npz(q=np.ones((2, 6, 8)), k=np.ones((2, 6, 4)), tokens=TOKENS), "query is 8 wide"),
    "groups": (npz(q=np.ones((3, 6, 8)), k=np.ones((2, 6, 8)), tokens=TOKENS), "do not divide"),
    "overflow": (
        npz(q=np.full((1, 6, 8), 1e30), k=np.full((1, 6, 8), 1e30)),
        "layer 0: query · key is beyond what float32 holds",
    ),
    "causal without keys": (
        npz(q=np.ones((1, 6, 8)), k=np.ones((1, 4, 8)), causal=True),
        "called causal, with 6 queries for 4 keys",
    ),
    "nan in query": (npz(q=np.full((2, 6, 8), np.nan), k=np.ones((2, 6, 8)), tokens=TOKENS), "`q`"),
    "ragged": (b'{"w": [[0.5, 0.5], [1.0]]}', "`w[1]` has 1 entries where others have 2"),
    "ragged deep": (b"[[[1.0]], [[1.0], [1.0]]]", "has 2 entries where others have 1"),
    "a string": (b'{"w": [[0.5, "0.5"]]}', "`w[0][1]` should be a number, not a string"),
    "a boolean": (b'{"w": [[0.5, true]]}', "`w[0][1]` should be a number, not true or false"),
    "an object": (b'{"w": [[0.5, {}]]}', "`w[0][1]` should be a number, not an object"),
    "NaN": (b'{"w": [[NaN, 1]]}', "NaN is not a number that JSON has"),
    "a huge number": (b'{"w": [[1e999, 1]]}', "query 0, key 0 is beyond float64"),
    "beyond float32": (b'{"w": [[0.5, -1e300]]}', "key 1 is -1e+300, beyond float32"),
    "beyond float32, an array": (npy([[1e300, 1.0]]), "key 0 is 1e+300, beyond float32"),
    "beyond float32, logits": (as_json(logits=[[1e39, 1], [1, 1]]), "is 1e+39, beyond float32"),
    "null": (b"[[null, 0.5], [1, 0]]", "key 0 is minus infinity (null in JSON)"),
    "a boolean first": (
        b"[[true, 0.5], [1, 0]]",
        "`the array[0][1]` is a number, and the array begins with true or false",
    ),
    "a string after booleans": (b'[[true, "a"]]', "[0][1]` should be true or false, not a string"),
    "an array too few": (b"[[[1]], [1]]", "`the array[1][0]` should be an array, not a whole"),
    "ragged below": (b"[[[1], [1]], [[1], [1, 2]]]", "`the array[1][1]` has 2 entries where"),
    "a scalar beyond": (b'{"scale": 1%s}' % (b"0" * 400), "`scale` is a number beyond float64"),
    "one number, beyond": (b"1" + b"0" * 400, "`the document` is a number beyond float64"),
    "words, too deep": (
        b'{"w": ' + b"[" * 17 + b'"a"' + b"]" * 17 + b"}",
        "`w` is nested deeper than 16 levels",
    ),
    "words as deep as may be": (
        b'{"w": ' + b"[" * 16 + b'"a"' + b"]" * 16 + b"}",
        "no array that could be attention",
    ),
    "a line of many": (
        b'{"w": [[1]]}\n{"w": [[1]',
        "standard input, line 2 is not JSON: Expecting ',' delimiter at column 11",
    ),
    "300,000 empty rows": (b"[" + b"[]," * 300_000 + b"[]]", "no numbers: (300001, 0)"),
    "300,000 rows and a longer one": (
        b"[" + b"[1]," * 300_000 + b"[1, 0]]",
        "`the array[300000]` has 2 entries where others have 1",
    ),
    "70000-arrays": (as_json(**{f"k{i}": [[1]] for i in range(70_000)}), "than 4,096 arrays"),
    "names beyond count": (
        json.dumps({f"k{i}": "" for i in range(263_000)}).encode(),
        "holds more than 262,144 names",
    ),
    "70000-tensors": (
        safetensors(**{f"k{i}": np.zeros(0, np.float32) for i in range(70_000)}),
        "holds more than 4,096 tensors",
    ),
    "a scale beyond float32": (
        npz(q=np.ones((1, 6, 8)), k=np.ones((1, 6, 8)), scale=1e308),
        "`scale` is beyond float32: 1e+308",
    ),
    "a scale that takes all beyond float32": (
        npz(q=np.full((1, 6, 8), 1e4), k=np.ones((1, 6, 8)), scale=1e38),
        "layer 0: query · key × `scale` 1e+38 is beyond float32",
    ),
    "deep objects": (b'{"a":' * 40 + b"1" + b"}" * 40, "nested deeper than 16 levels"),
    "deep arrays": (b"[" * 200 + b"1" + b"]" * 200, "nested deeper than 16 levels"),
    "words alone": (b'["a", "b"]', "no array that could be attention"),
    "header beyond": (sized(b"{}")[:8].replace(b"\x02", b"\xff") + b"{", ""),
    "header three bytes beyond": (b"\5" + sized(b"{}")[1:], "should be 5 bytes, and 2"),
    "no tensors": (sized(b"{}"), "no array that could be attention"),
    "a document of ours, cut": (
        npz(document="{\ud800"),
        "standard input, member `document` is not JSON",
    ),
    "metadata of ours, cut": (
        safetensors({"attn": "{"}, weights=WEIGHTS),
        "standard input, metadata `attn` is not JSON",
    ),
    "a tensor that is a number": (sized(b'{"a": 1}'), "tensor `a` is described by no object"),
    "a shape of words": (entry(shape=["1"]), 'no usable shape: ["1"]'),
    "33 sizes": (entry(shape=[1] * 33), "no usable shape: [1, 1, 1,"),
    "a size of 2^63": (entry(shape=[0, 2**63]), "no usable shape: [0, 9223372036854775808]"),
    "offsets of words": (entry(data_offsets=["0", 4]), 'no usable `data_offsets`: ["0", 4]'),
    "three offsets": (entry(data_offsets=[0, 4, 8]), "no usable `data_offsets`: [0, 4, 8]"),
    "offsets turned": (entry(data_offsets=[4, 0]), "no usable `data_offsets`: [4, 0]"),
    "offsets of half": (entry(data_offsets=[4, 6]), "and 2 bytes are set aside"),
    "a gap": (entry(data_offsets=[4, 8]), "the one before it leave a gap"),
    "booleans of 3": (
        sized(b'{"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}', b"\3"),
        "neither 0 nor 1",
    ),
    "header not JSON": (sized(b"{'a'}"), "is not JSON"),
    "unknown type": (
        sized(b'{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}', b"0"),
        "`a` is of type",
    ),
    "sizes disagree": (
        sized(b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4]}}', b"0000"),
        "4.0 TiB",
    ),
    "beyond the file": (
        sized(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', b"0000"),
        "ends beyond the file",
    ),
    "overlap": (
        sized(
            b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
            b'"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
            b"0000",
        ),
        "overlap",
    ),
    "bytes left over": (
        sized(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b"00000000"),
        "4 bytes belong to no tensor",
    ),
    "a torch file": (zipped({"archive/data.pkl": b"\x80\x02."}), "a PyTorch file, a pickle"),
    "a bomb": (zipped({"w.npy": npy(np.zeros((1, 3000, 3000)))}), "numbers are not as thin"),
    "a member that is one byte short": (
        listed(DEFLATED, 24, len(npy(WEIGHTS)) + 1),
        f"member `w.npy` should be {len(npy(WEIGHTS)) + 1:,} bytes when unpacked, and is",
    ),
    "a member that reaches beyond": (
        listed(DEFLATED, 20, 2**31 - 1),
        "member `w.npy` should take 2,147,483,647 bytes, and there is room for",
    ),
    "an offset beyond": (listed(DEFLATED, 42, 2**31 - 1), "`w.npy` should take"),
    "an offset into the middle": (listed(DEFLATED, 42, 1), "`w.npy` is damaged"),
    "a wrong sum": (listed(DEFLATED, 16, 1), "member `w.npy` is damaged: it is not what was"),
    "a name twice": (twice(w=WEIGHTS), "two arrays are called `w`"),
    "members laid over one another": (folded(120), "the archive would be 120.0 MiB"),
    "a thousand members too many": (DEFLATED + b"PK\x01\x02" * 5000, "more than 4,096 arrays"),
    "a million words": (
        zipped({"w.npy": npy(WEIGHTS), "tokens.npy": npy(np.zeros((1 << 20) + 1, "<U1"))}),
        "`tokens` holds 1,048,577 words; 1,048,576 are the most",
    ),
    "encrypted": (listed(DEFLATED, 8, 1, 2), "member `w.npy` is encrypted"),
    "a method of tomorrow": (listed(DEFLATED, 10, 99, 2), "in a way that is not read (method 99)"),
    "a list that is nowhere": (
        DEFLATED[:-6] + b"\xff\xff\xff\x7f" + DEFLATED[-2:],
        "standard input: member `w.npy` is damaged",
    ),
    "cut within the header": (safetensors(weights=WEIGHTS)[:40], "header should be"),
    "long form": (b"layer,head,query,key,query_token,key_token,weight\n0,0,", "`.json`"),
    "compressed": (b"\x1f\x8b\x08\x00", "gunzip"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_attention_is_refused(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, said = REFUSED[case]
    with promptly(), pytest.raises(DataError) as caught:
        read(data)
    assert said in str(caught.value)
    assert caught.value.message.startswith("standard input")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [npz, safetensors, as_json])
def test_whichever_byte_is_damaged(make: Callable[..., bytes]) -> None:
    data = make(weights=CAUSAL[:1, :1, :3, :3].copy())
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0x55
        try:
            read(bytes(damaged))
        except AttnError:
            pass


def test_an_array_that_does_not_fit_is_not_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 1 << 28)
    large = np.zeros((1, 1, 6000, 6000), dtype=np.float16)
    large[..., 0] = 1
    with pytest.raises(AttnError, match=r"^standard input: the archive would take 137\.3 MiB"):
        read(zipped({"a.npy": npy(large), "b.npy": npy(large)}))
    with pytest.raises(AttnError, match=r"would take 137\.3 MiB"):
        read(npy(large))


@pytest.mark.parametrize(
    ("letters", "said"),
    [
        ("lhqx", "called `x`"),
        ("qq", "twice"),
        ("lhq", "which axis is the keys"),
        ("hqk", "has 4 axes (3, 4, 6, 6), and `--axes hqk` names 3"),
    ],
)
def test_wrong_axes_are_refused(letters: str, said: str) -> None:
    with pytest.raises(AttnError) as caught:
        read(npy(WEIGHTS), axes=letters)
    assert said in str(caught.value)


def test_names() -> None:
    assert names.words("blocks.0.attn.hook_rot_q") == ["blocks", "attn", "hook", "rot", "q"]
    assert names.words("encoderAttentions.3") == ["encoder", "attentions"]
    (group,) = names.group(["a.10.attn", "a.9.attn"])
    assert group.members == ((9, "a.9.attn"), (10, "a.10.attn")) and group.role == "weights"
    assert axes.spelled("bhqk") == "batch, heads, queries, keys"


# In Python, and what attn wrote -----------------------------------------------------------------


def test_doubts_are_there_in_python(tmp_path: Path) -> None:
    path = tmp_path / "swapped.dat"  # the name says nothing
    path.write_bytes(npy(WEIGHTS.swapaxes(-1, -2)))
    found, doubts = files.load_tensors(path)
    assert len(found) == 1 and "swapped" in doubts[0]
    with pytest.warns(UserWarning, match="swapped"):
        assert load(path) == found[0]
    assert load(path, axes="lhkq").source.model == "swapped.dat"
    assert load(path, axes="lhkq", tokens=TOKENS).query_tokens[1].text == "cat"
    with pytest.raises(UsageError, match="no hint `axis`"):
        list(load_all(path, axis="lhkq"))


def test_a_reading_is_written_and_read_back_equal() -> None:
    for data, hints in (
        (npz(weights=WEIGHTS, tokens=TOKENS[:4]), {}),
        (npy(WEIGHTS.round(3)), {}),
        (npz(q=np.ones((2, 6, 8)), k=np.ones((2, 6, 8))), {"axes": "hqd", "causal": True}),
    ):
        inspection = one(data, **hints).inspection
        for name, format in files.FORMATS.items():
            written = b"".join(files.encode([inspection], name))
            assert written
            if format.lossless:
                again, doubts = files.load_tensors(io.BytesIO(written))
                assert again == [inspection]
                assert doubts == inspection.source.settings["doubts"]  # they travel along
                with pytest.raises(UsageError, match="was written by attn"):
                    load(io.BytesIO(written), causal=True)


# On the command line ----------------------------------------------------------------------------

SAMPLE = str(ROOT / "sample_inputs" / "attentions.npz")


def test_guesses_and_doubts_go_to_standard_error(tmp_path: Path) -> None:
    plain = run("show", SAMPLE, "--show", "weights")
    assert plain.code == 0 and plain.err == (
        "attn: `weights` (2, 3, 7, 7) is read as (layers, heads, queries, keys), as "
        "`--axes lhqk` says; if the first is a batch, `--axes bhqk`\n"
    )
    assert run("show", SAMPLE, "--show", "weights", "--axes", "lhqk") == Ran(0, plain.out, "")
    (tmp_path / "t").write_text("a\nb\n")
    piped = run("show", "-", "--tokens", str(tmp_path / "t"), "--json", stdin=npy(WEIGHTS))
    assert piped.code == 0 and "attn: doubt: there are 2 tokens for 6 queries" in piped.err
    assert json.loads(piped.out)["source"]["settings"]["doubts"]
    strict = run("show", "-", "--strict", "--axes", "lhkq", stdin=npy(WEIGHTS.swapaxes(-1, -2)))
    assert (strict.code, strict.err) == (0, "")
    strict = run("show", "-", "--strict", stdin=npy(WEIGHTS.swapaxes(-1, -2)))
    assert (strict.code, strict.out) == (2, b"")
    doubt, hint = strict.err.splitlines()
    assert doubt.startswith("attn: doubt: ") and hint == "`--strict` allows none."
