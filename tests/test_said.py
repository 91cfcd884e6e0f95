"""What readers say, word for word: each message and hint with which they refuse a file, and the
notes and doubts about one that they read, as `tests/said/` keeps them.

Most files are those of the readers' own tests. After a wanted change
`ATTN_UPDATE_GOLDEN=1 pytest tests/test_said.py` writes the texts anew; read the difference.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import test_files
import test_foreign
import test_gguf
import test_safetensors
import test_vectors
from test_foreign import CAUSAL, CROSS, LAYOUTS, TOKENS, TRIANGLE, WEIGHTS, N, npz, safetensors

from attn_cli.errors import AttnError
from attn_cli.files import load_all, matrix, readings, vectors, vocabulary
from attn_cli.files.foreign import Hints, Reading, axes, tokens

KEPT = Path(__file__).parent / "said"
UPDATE = os.environ.get("ATTN_UPDATE_GOLDEN") == "1"
# What a library or this machine says, and not we.
THEIRS = [
    (r"is not JSON: .* at (line|byte|column)", r"is not JSON: … at \1"),
    (r"has no usable shape: [a-z].*", "has no usable shape: …"),
    (r"that can be read: .*", "that can be read: …"),
    (r"is not CSV: .*", "is not CSV: …"),
    (r"; \S+ \S+ can be used here", "; … can be used here"),
]

Case = tuple[str, Callable[[], object]]


def of_bytes(cases: dict[str, bytes], read: Callable[[io.BytesIO], object]) -> Iterator[Case]:
    for name, data in cases.items():
        yield name, lambda data=data: read(io.BytesIO(data))


def of_files(
    cases: dict[str, bytes], read: Callable[[bytes, Path], object], directory: Path
) -> Iterator[Case]:
    for name, data in cases.items():
        yield name, lambda data=data: read(data, directory)


def all_of(file: io.BytesIO) -> list[object]:
    return list(load_all(file))


def documents() -> dict[str, bytes]:
    spoilt = {
        f"{place} = {text[:30]}": test_files.spoilt(place, text)
        for place, text, _ in test_files.REFUSED
    }
    return spoilt | {repr(data[:30]): data for data, _ in test_files.NO_DOCUMENTS}


def archives() -> dict[str, bytes]:
    good = test_files.members()
    wrong = {
        f"{index}: {', '.join(parts)}": test_files.zipped(good | parts)
        for index, (parts, _) in enumerate(test_files.WRONG_MEMBERS)
    }
    return wrong | {
        f"{changes}": test_files.zipped(test_files.with_document(**changes))
        for changes, _ in test_files.MISPLACED
    }


def npy(array: object) -> bytes:
    return test_files.npy(np.asarray(array))


MATRICES = {
    "nothing": b" \n",
    "one row": b"[1, 2]",
    "a heading alone": b"a,b,c",
    "words": b"[[0.5, half]]",
    "strings": b'[[0.5, "half"]]',
    "truth": b"[[true]]",
    "huge": b"[[1" + b"0" * 400 + b"]]",
    "ragged": b"[[1, 2], [3]]",
    "ragged deep": b"[[[1, 2], [3, 4]], [[1, 2]]]",
    "ragged cells": b"1,2\n3\n",
    "an object in rows": b"[[1, {}]]",
    "rows and numbers": b"[[1, 2], 3]",
    "five axes": b"[[[[[1]]]]]",
    "no numbers": b"[[]]",
    "nothing but NaN": b"[[NaN, NaN]]",
    "unknown key": b'{"wieghts": [[1]]}',
    "another key": b'{"zzz": [[1]]}',
    "abbreviated by torch": b"tensor([[0.1, ..., 0.2]])",
    "abbreviated by numpy": b"[[0.1 0.2 ... 0.3]\n ...\n [0.1 0.2 ... 0.4]]",
    "abbreviated by hand": b"[[1, 2], ..., [3, 4]]",
    "a number of torch": b"tensor(0.5)",
    "long form": b"layer,head,query,key,query_token,key_token,weight\n0,0,0,0,a,a,1\n",
    "something after it": b"[[1, 2], [3, 4]] x",
    "a second one after it": b"[[1, 2], [3, 4]]\n[[1, 2], [3, 4]]",
    "large": b"[[" + b"1," * 3_000_000 + b"1]]",
    "a mistyped corner": b"O.43,0.15\n0.55,0.87\n",
    "no rows under a key": b'{"weights": 5}',
    "wrong schema": b'{"schema": "attn/2"}',
    "no JSON": b"[[1, 2",
    "printed and cut": b"tensor([[1., 2.], [",
    "text array": npy([["a"]]),
    "complex array": npy([[1j]]),
    "flat array": npy([1.0, 2.0]),
    "array of five axes": npy(np.ones((1, 1, 1, 1, 1))),
    "empty array": npy(np.ones((2, 0))),
    "archive of nothing": b"PK" + bytes(30),
    "a word in a cell": b"1,2\n3,x\n",
}

AXES = ["lhqx", "qq", "lhq", "k", "", "hqd", "bblhqk"]
VECTOR_AXES = ["qk", "d", "q", "qdd", "blhqdx"]
SHAPES = [(4,), (), (2,) * 6, (1,) * 7]


def hints() -> Iterator[Case]:
    for letters in AXES:
        yield f"--axes {letters} of weights", lambda x=letters: axes.checked(x, vectors=False)
    for letters in VECTOR_AXES:
        yield f"--axes {letters} of vectors", lambda x=letters: axes.checked(x, vectors=True)
    for shape in [*SHAPES, (2, 2, 2, 2, 2)]:
        yield (
            f"weights {shape}",
            lambda shape=shape: axes.of_weights(shape, "`w`", numbered=True),
        )
    for shape in [*SHAPES, (2, 2, 2, 2), (3, 3, 4)]:
        yield (
            f"vectors {shape}",
            lambda shape=shape: axes.of_vectors(
                shape, "`q`", numbered=False, hooked=False, n_tokens=3
            ),
        )
    array = np.zeros((2, 3, 4))
    for letters, batch in (("hq", 0), ("bqk", 2), ("hqk", 1)):
        yield (
            f"--axes {letters} --batch {batch}",
            lambda x=letters, batch=batch: axes.arrange(array, x, "lhqk", "`w`", batch),
        )
    for data in (b"", b"[]", b'["a", 1]', b"[[null]]", b'{"a": 1}', b'["a"', b"\xff"):
        yield f"tokens {data!r}", lambda data=data: tokens.parse_list(data, "`FILE`")


LOGITS = np.log(WEIGHTS)
MASKED = np.where(TRIANGLE, LOGITS, -np.inf).astype(np.float32)
PADDED = np.where(np.arange(N) < 4, LOGITS, -np.inf).astype(np.float32)
VECTORS = np.arange(2 * N * 4, dtype=np.float32).reshape(2, N, 4) / 50


def changed(array: np.ndarray, place: object, value: float) -> np.ndarray:
    array = array.copy()
    array[place] = value
    return array


Asked = dict[str, tuple[bytes, dict[str, object]]]
MANY = {f"other_{letter}": np.ones(3) for letter in "abcdef"}
READ: Asked = {name: (data, {}) for name, (data, _) in LAYOUTS.items()} | {
    "a batch": (npy(np.stack([WEIGHTS, CAUSAL], axis=1)), {}),
    "the second of a batch": (npy(np.stack([WEIGHTS, CAUSAL], axis=1)), {"batch": 1}),
    "axes as asked": (npy(WEIGHTS), {"axes": "lhqk"}),
    "logits": (npz(logits=LOGITS), {}),
    "logits, masked": (npz(logits=MASKED), {}),
    "logits, padded": (npz(logits=PADDED), {}),
    "logits, padded and causal": (npz(logits=PADDED), {"causal": True}),
    "scores that are weights": (npz(scores=WEIGHTS), {}),
    "softmax": (npy(LOGITS), {"rows": "softmax"}),
    "softmax, causal": (npy(LOGITS), {"rows": "softmax", "causal": True}),
    "softmax, causal already": (npy(MASKED), {"rows": "softmax", "causal": True}),
    "softmax of one query": (npy(LOGITS[:, :, -1:]), {"rows": "softmax"}),
    "softmax of one query, causal": (npy(LOGITS[:, :, -1:]), {"rows": "softmax", "causal": True}),
    "softmax of two queries": (npy(MASKED[:, :, -2:]), {"rows": "softmax"}),
    "softmax of more queries than keys": (
        npy(np.log(CROSS)),
        {"rows": "softmax", "causal": True},
    ),
    "normalize": (npy(WEIGHTS * 3), {"rows": "normalize"}),
    "normalize, an empty row": (npy(changed(WEIGHTS, np.s_[:, :, 2], 0)), {"rows": "normalize"}),
    "swapped": (npy(WEIGHTS.swapaxes(-1, -2)), {}),
    "one head swapped": (npy(WEIGHTS[0, :1].swapaxes(-1, -2)), {}),
    "two decimals": (npy(WEIGHTS.round(2)), {}),
    "six decimals": (npy(WEIGHTS.round(6)), {}),
    "float16, widened": (npy(WEIGHTS.astype(np.float16).astype(np.float32)), {}),
    "float16": (npy(WEIGHTS.astype(np.float16)), {}),
    "bfloat16": (safetensors(weights=(WEIGHTS.view("<u4") >> 16).astype("<u2")), {}),
    "empty rows": (npy(changed(WEIGHTS, np.s_[:, :, 4:], np.nan)), {}),
    "nine empty rows": (npy(np.eye(12)[None] * (np.arange(12) > 8)[:, None]), {}),
    "called causal": (npz(decoder_attentions=WEIGHTS), {}),
    "called causal by a flag": (npz(weights=WEIGHTS, causal=True), {}),
    "not called causal by a flag": (npz(weights=WEIGHTS, causal=False), {}),
    "called causal by its kind": (safetensors({"kind": "causal"}, weights=WEIGHTS), {}),
    "called causal, more queries than keys": (npy(CROSS), {"causal": True}),
    "a column": (npy(np.ones((1, 1, N, 1))), {}),
    "one query": (npy(WEIGHTS[:, :, :1]), {}),
    "the last two queries": (npy(CAUSAL[:, :, -2:]), {"tokens": tuple(TOKENS)}),
    "as many heads as keys": (npy(CROSS), {}),
    "tokens that do not match": (npz(weights=WEIGHTS, tokens=TOKENS[:4]), {}),
    "tokens for the keys alone": (npz(weights=CROSS, tokens=TOKENS), {}),
    "arrays that are not used": (npz(weights=WEIGHTS, other_a=np.ones(3)), {}),
    "many that are not used": (npz(weights=WEIGHTS, **MANY), {}),
    "ids": (npz(weights=WEIGHTS, input_ids=[range(N)], text="a b"), {}),
    "a model": (safetensors({"model": "tiny", "text": "[sic] a"}, weights=WEIGHTS), {}),
    "words in metadata": (safetensors({"tokens": ' ["a", "b"]', "x": "["}, weights=WEIGHTS), {}),
    "special tokens": (
        npz(weights=WEIGHTS, tokens=["[CLS]", "a", "</s>", "<|end|>", "<pad>", "[x]"]),
        {},
    ),
    "three stacks": (
        npz(encoder_attn=WEIGHTS, decoder_attn=CAUSAL, cross_attn=WEIGHTS, decoder_tokens=TOKENS),
        {},
    ),
    "query and key": (npz(q=VECTORS, k=VECTORS, tokens=TOKENS), {}),
    "query and key, causal": (npz(q=VECTORS, k=VECTORS, tokens=TOKENS), {"causal": True}),
    "query and key, scaled": (npz(q=VECTORS, k=VECTORS, v=VECTORS, scale=0.25), {"axes": "hqd"}),
    "layers of query and key": (
        npz(**{f"{n}_{i}": VECTORS[i] for n in "qk" for i in range(2)}, tokens=TOKENS),
        {},
    ),
}
ASKED: Asked = {
    "nan in logits": (npz(logits=changed(LOGITS, (1, 2, 3, 4), np.nan)), {}),
    "inf in logits": (npy(changed(LOGITS, (1, 2, 3, 4), np.inf)), {"rows": "softmax"}),
    "all masked": (npy(np.full((2, 3, 3), -np.inf)), {"rows": "softmax"}),
    "a row masked in one head": (npz(logits=changed(LOGITS, np.s_[1, 2, 3], -np.inf)), {}),
    "negative": (npy(changed(WEIGHTS, (0, 1, 2, 3), -0.25)), {}),
    "a row of zeros in one head": (
        npy(changed(WEIGHTS, np.s_[1, 2, 3], 0)),
        {"rows": "normalize"},
    ),
    "nothing but zeros": (npy(np.zeros((2, 3, 3))), {}),
    "half of each row": (npy(changed(WEIGHTS / 2, np.s_[0, 1, 2], 0.01)), {}),
    "half of a row of the second layer": (npy(changed(WEIGHTS, np.s_[1, 2, 3, 4], 0)), {}),
    "after dropout": (npy(changed(WEIGHTS * 2, np.s_[0, 1, 2], 3)), {}),
    "heads last": (npy(np.moveaxis(WEIGHTS[0], -1, 0)), {}),
    "swapped, as was asked": (npy(WEIGHTS.swapaxes(-1, -2)), {"axes": "lhqk"}),
    "swapped, or heads last": (npy(np.moveaxis(WEIGHTS[0], -1, 1)[:, :, :4]), {}),
    "six heads of six, swapped": (
        npy(np.concatenate([WEIGHTS[0], WEIGHTS[1, :2]]).swapaxes(1, 2)),
        {},
    ),
    "no such text": (npy(WEIGHTS[:, None]), {"batch": 1}),
    "no batch": (npy(WEIGHTS), {"batch": 1}),
    "rows of computed weights": (npz(q=VECTORS, k=VECTORS, tokens=TOKENS), {"rows": "softmax"}),
    "other layers": (npz(q_0=VECTORS, q_1=VECTORS, k_1=VECTORS, k_2=VECTORS), {"axes": "hqd"}),
    "other layers of value": (
        npz(q_0=VECTORS, q_1=VECTORS, k_0=VECTORS, k_1=VECTORS, v_1=VECTORS, v_2=VECTORS),
        {"axes": "hqd"},
    ),
    "other numbers of tokens": (
        npz(q_0=VECTORS, q_1=VECTORS[:, 1:], k_0=VECTORS, k_1=VECTORS),
        {"axes": "hqd"},
    ),
    "an endless scale": (npz(q=VECTORS, k=VECTORS, scale=np.inf), {"axes": "hqd"}),
    "other values": (npz(q=VECTORS, k=VECTORS, v=VECTORS[:, 1:]), {"axes": "hqd"}),
    "several queries": (npz(q=VECTORS, a_q=VECTORS, k=VECTORS), {}),
    "many arrays": (npz(**{f"{letter}": np.ones((2, 2)) for letter in "abcdfgh"}), {}),
    "more heads in one of them": (npz(h0=VECTORS, h1=VECTORS[:, :, :2]), {}),
    **{
        f"ours, with {hint}": (
            test_files.encoded(test_files.runs(1)[0], "json"),
            {hint: value},
        )
        for hint, value in {"axes": "lhqk", "batch": 0, "causal": True, "rows": "softmax"}.items()
    },
}


def told(reading: Reading) -> str:
    """What is known of an Inspection that was read, but for its numbers."""
    run, source = reading.inspection, reading.inspection.source
    allowed = "none" if run.mask.allowed is None else str(int(run.mask.allowed.sum()))
    rows = [" ".join(token.text for token in side) for side in (run.query_tokens, run.key_tokens)]
    special = [index for index, token in enumerate(run.query_tokens) if token.special]
    return "\n".join(
        (
            f"{run.kind}; mask {run.mask.name}, allowed {allowed}; text {run.text!r}",
            f"layers {[layer.index for layer in run.layers]} of {run.layers[0].weights.shape}",
            f"{source.dtype}, {source.precision} decimals; {source.model}; "
            f"{source.settings['arrays']}",
            f"queries {rows[0]}; special {special}; ids {run.token_ids is not None}",
            f"keys {'the same' if run.key_tokens is run.query_tokens else rows[1]}",
            *(f"note: {note}" for note in reading.notes),
            *(f"doubt: {doubt}" for doubt in reading.doubts),
        )
    )


def of_readings(cases: Asked) -> Iterator[Case]:
    for name, (data, hints) in cases.items():
        yield (
            name,
            lambda data=data, hints=hints: "\n".join(
                map(told, readings(io.BytesIO(data), Hints(**hints)))
            ),
        )


TABLES: dict[str, Callable[[Path], Iterator[Case]]] = {
    "archives": lambda _: of_bytes(archives(), all_of),
    "documents": lambda _: of_bytes(documents(), all_of),
    "gguf": lambda tmp: of_files(
        {name: data for name, (data, _) in test_gguf.HOSTILE.items()}, test_gguf.opened, tmp
    ),
    "hints": lambda _: hints(),
    "matrices": lambda _: of_bytes(MATRICES, matrix.load),
    "readings": lambda _: of_readings(READ),
    "safetensors": lambda tmp: of_files(
        {name: data for name, (data, _) in test_safetensors.HOSTILE.items()},
        test_safetensors.opened,
        tmp,
    ),
    "tensors": lambda _: of_bytes(
        {name: data for name, (data, _) in test_foreign.REFUSED.items()}, all_of
    ),
    "tensors, asked": lambda _: of_readings(ASKED),
    "vectors": lambda _: of_bytes(
        {name: data for name, (data, _) in test_vectors.BAD.items()}, vectors.load
    ),
    "vocabularies": lambda _: of_bytes(
        {repr(data[:40]): data for data, _ in test_files.NO_VOCABULARIES}, vocabulary.load
    ),
}


def said(name: str, case: Callable[[], object], *, refused: bool) -> str:
    """The name of a case, and under it what is said of it."""
    try:
        text = str(case())
    except AttnError as error:
        assert refused, name
        text = str(error)
    else:
        assert not refused, f"{name} is not refused"
    for pattern, instead in THEIRS:
        text = re.sub(pattern, instead, text)
    return "\n    ".join((name, *text.split("\n"))) + "\n"


@pytest.mark.parametrize("table", TABLES)
def test_what_is_said_is_as_kept(table: str, tmp_path: Path) -> None:
    cases, refused = TABLES[table](tmp_path), table != "readings"
    found = "".join(said(name, case, refused=refused) for name, case in cases)
    found = found.replace(str(tmp_path), "DIRECTORY")
    kept = KEPT / f"{table}.txt"
    if UPDATE:
        KEPT.mkdir(exist_ok=True)
        kept.write_text(found)
    assert found.splitlines() == kept.read_text().splitlines()


def test_no_kept_file_is_left_over() -> None:
    assert {path.stem for path in KEPT.iterdir()} == set(TABLES)
