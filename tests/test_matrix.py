"""Matrix files: the numbers, how many decimals they were printed with, and which matrix it is."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
import pytest

from attn_cli import files, inspect
from attn_cli.checking import MOST_DECIMALS, WHATS, Student
from attn_cli.errors import DataError
from attn_cli.files.matrix import load

RUN = inspect("Life is short")
LAYER = RUN.layers[0]
ROWS = [[0.25, 0.5, -0.125], [1.5, 0.0, 3.0]]


def read(data: bytes | str, **more: Any) -> Student:
    return load(io.BytesIO(data.encode() if isinstance(data, str) else data), **more)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


WRITTEN: dict[str, tuple[str, int]] = {
    "rows": ("[[0.25, 0.5, -0.125], [1.5, 0, 3]]", 3),
    "a mark before": ("\ufeff \n[[0.25, 0.5, -0.125], [1.5, 0, 3]]", 3),
    "trailing zeros": ("[[0.2500, 0.5, -0.125], [1.5, 0, 3]]", 4),
    "exponents": ("[[2.5e-1, 5E-01, -1.25e-1], [0.15e1, 0e0, 3.0]]", 3),
    "cells": ("0.25,0.5,-0.125\n1.5,0,3\n", 3),
    "cells with headings": ("a,b,c\n0.25,0.50000,-0.125\n1.5,0,3\n", 5),
    "cells with names": (",a,b,c\nx,0.25,0.5,-0.125\ny,1.5,0,3\n", 3),
    "savetxt": ("2.5e-01 5.0e-01 -1.25e-01\n1.5e+00  0.0e+00 3.0e+00\n", 3),
    "semicolons": ("a;b;c\n0.25;0.5;-0.125\n1.5;0;3\n", 3),
    "tabs": ("\ta\tb\tc\nx\t0.25\t0.5\t-0.125\ny\t1.5\t0\t3\n", 3),
    "spaces around": ("  0.25 0.5   -0.125 \n  1.5 0 3 \n\n", 3),
    "an index of pandas": (",0,1,2\n0,0.25,0.5,-0.125\n1,1.5,0,3\n", 3),
    "a mark before torch": ("\ufefftensor([[0.25, 0.5, -0.125], [1.5, 0, 3]])", 3),
    "a parameter": (
        "Parameter containing:\ntensor([[0.25, 0.5, -0.125], [1.5, 0, 3]], requires_grad=True)",
        3,
    ),
    "a line of a program": ("x = torch.tensor([[0.25, 0.5, -0.125], [1.5, 0, 3]])", 3),
    "JAX": ("Array([[ 0.25 ,  0.5  , -0.125],\n       [ 1.5  , 0., 3.]], dtype=float32)", 3),
    "torch": ("tensor([[ 0.2500,  0.5000, -0.1250],\n        [ 1.5000,  0.0000,  3.0000]])", 4),
    "torch's whole numbers": ("tensor([[0.25, 0.5, -0.125], [1.5, 0., 3.]], device='cpu')", 3),
    "torch by name": (" torch.tensor([[0.25, 0.5, -0.125], [1.5, 0.0, 3.0]])", 3),
    "points without zeros": ("torch.tensor([[.25, .5, -.125], [1.5, 0, 3]])", 3),
    "a prompt": (">>> print(w)\ntensor([[0.25, 0.5, -0.125], [1.5, 0, 3]])", 3),
    "a notebook": (
        "In [3]: w\nOut[3]: \ntensor([[0.25, 0.5, -0.125],\n        [1.5, 0.0, 3.0]])",
        3,
    ),
    "a prompt before brackets": (">>> w\n[[0.25, 0.5, -0.125], [1.5, 0, 3]]", 3),
    "a prompt before numpy's": (
        ">>> print(w)\n[[ 0.25   0.5   -0.125]\n [ 1.5    0.     3.   ]]\n>>> ",
        3,
    ),
    "dots beside": (
        ">>> w = f(x)  # and so on ...\n>>> w\ntensor([[0.25, 0.5, -0.125], [1.5, 0, 3]])  #...",
        3,
    ),
    "a shape after": ("tensor([[0.25, 0.5, -0.125], [1.5, 0, 3]])\ntorch.Size([2, 3])", 3),
    "a label": ("weights: tensor([[0.25, 0.5, -0.125], [1.5, 0, 3]])", 3),
    "numpy's numbers": (
        "[[np.float64(0.25), np.float64(0.5), np.float32(-0.125)], "
        "[np.float64(1.5), np.float64(0.0), np.float64(3.0)]]",
        3,
    ),
    "a variable of TensorFlow": (
        "<tf.Variable 'w:0' shape=(2, 3) dtype=float32, numpy=\narray([[ 0.25 ,  0.5  , -0.125],\n"
        "       [ 1.5  ,  0.   ,  3.   ]], dtype=float32)>",
        3,
    ),
    "a heading that begins as archives do": ("PK,b,c\n0.25,0.5,-0.125\n1.5,0,3\n", 3),
    "a heading of pandas": ("word,0,1,2\nx,0.25,0.5,-0.125\ny,1.5,0,3\n", 3),
    "a shape before": ("torch.Size([2, 3])\ntensor([[0.25, 0.5, -0.125], [1.5, 0, 3]])", 3),
    "TensorFlow": (
        "tf.Tensor(\n[[ 0.25   0.5   -0.125]\n [ 1.5    0.     3.   ]], shape=(2, 3), "
        "dtype=float32)",
        3,
    ),
    "TensorFlow in a notebook": (
        "<tf.Tensor: shape=(2, 3), dtype=float32, numpy=\narray([[ 0.25 ,  0.5  , -0.125],\n"
        "       [ 1.5  ,  0.   ,  3.   ]], dtype=float32)>",
        3,
    ),
    "numpy by name": ("np.array([[0.25, 0.5, -0.125], [1.5, 0.0, 3.0]])", 3),
    "numpy": ("array([[ 0.25 ,  0.5  , -0.125],\n       [ 1.5  ,  0.   ,  3.   ]])", 3),
    "numpy without commas": ("[[ 0.25   0.5   -0.125]\n [ 1.5    0.     3.   ]]", 3),
    "numpy's exponents": ("[[ 2.5e-01 5.e-01 -1.25e-01]\n [ 1.5e+00 0.e+00  3.e+00]]", 3),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_numbers_and_decimals_as_they_are_written(case: str) -> None:
    text, decimals = WRITTEN[case]
    found = read(text)
    assert found.values.dtype == np.float64
    assert (found.values.tolist(), found.decimals, found.what) == (ROWS, decimals, None)


@pytest.mark.parametrize(("dtype", "decimals"), [("f2", 3), ("f4", 6), ("f8", 15), (">f8", 15)])
def test_an_array_has_the_decimals_that_its_type_can_have(dtype: str, decimals: int) -> None:
    rows = np.array([[1 / 3, 0.123456789012]]).astype(dtype)
    found = read(npy(rows))
    assert found.values.dtype == np.float64
    assert (found.values.tolist(), found.decimals) == (
        rows.astype(np.float64).tolist(),
        decimals,
    )
    assert read(npy(np.array([[0.5, 0.25]], dtype))).decimals == 2


def test_an_exponent_moves_the_point() -> None:
    for text, decimals in (("[[1.25e1, 5e2]]", 1), ("[[1.25e2, 0.5]]", 1), ("[[1e-3, 0]]", 3)):
        assert read(text).decimals == decimals, text


def test_whole_numbers_are_exact() -> None:
    for data in (
        "[[1, 0], [2, 1.00]]",
        "1,0\n2,1\n",
        npy([[1, 0], [2, 1]]),
        npy([[1.0, 0], [2, 1]]),
    ):
        found = read(data)
        assert (found.values.tolist(), found.decimals) == ([[1, 0], [2, 1]], MOST_DECIMALS)


def test_what_mistakes_come_to_is_let_through() -> None:
    for data in (
        "[[NaN, 0.5], [Infinity, -Infinity]]",
        "nan,0.5\ninf,-inf\n",
        "tensor([[nan, 0.5], [inf, -inf]])",
        "[[ nan  0.5]\n [ inf -inf]]",
        npy([[np.nan, 0.5], [np.inf, -np.inf]]),
        "[[NaN, 0.5], [Infinity, null]]",
    ):
        found = read(data)
        assert math.isnan(found.values[0, 0]) and found.decimals == 1
        assert found.values.ravel()[1:].tolist() == [0.5, math.inf, -math.inf]


def test_heads_and_a_batch() -> None:
    rows = np.arange(12).reshape(1, 2, 2, 3) / 4
    for array in (rows[0], rows):
        for data in (json.dumps(array.tolist()), npy(array)):
            assert np.array_equal(read(data).values, array)


def test_whole_numbers_and_others_together() -> None:
    assert read("[[1, 2], [3, 4]]").values.tolist() == [[1, 2], [3, 4]]
    assert read("[[1, 2.5], [3, 4]]").values.tolist() == [[1, 2.5], [3, 4]]
    with pytest.raises(DataError, match=r"`\[0\]\[0\]` is not a number: 107"):
        read(f"[[{2**1000}, 1]]")


def test_a_document_of_ours_may_be_long() -> None:
    run = inspect(" ".join(f"w{i}" for i in range(650)))
    data = b"".join(files.encode([run], "json"))
    assert len(data) > 1 << 22
    assert read(data).values.shape == (1, 650, 650)


def test_the_largest_whole_number() -> None:
    assert read(f"[[{2**1000 - 1}, 1.5]]").values[0, 0] == 2.0**1000
    for beyond in (2**1000, -(2**1000)):
        with pytest.raises(DataError, match=r"`\[0\]\[1\]` is not a number: -?107"):
            read(f"[[1.5, {beyond}]]")


@pytest.mark.parametrize("what", WHATS)
def test_a_key_says_which_matrix_it_is(what: Any) -> None:
    found = read(json.dumps({"other": 1, what: ROWS}))
    assert (found.values.tolist(), found.what) == (ROWS, what)


def test_the_matrix_that_is_asked_for_is_taken_first() -> None:
    data = json.dumps({"context": [[1.5]], "weights": [[2.5]], "scores": [[3.5]]})
    taken = [read(data, what=what).values.tolist() for what in ("context", "weights", "scores")]
    assert taken == [[[1.5]], [[2.5]], [[3.5]]]
    first = next(what for what in WHATS if what in ("context", "weights", "scores"))
    assert read(data).what == read(data, what="query").what == first


@pytest.mark.parametrize("name", ["json", "npz", "safetensors"])
def test_a_document_of_ours(name: str) -> None:
    data = b"".join(files.encode([RUN], name))
    found = read(data)
    assert np.array_equal(found.values, LAYER.weights.astype(np.float64))
    assert (found.decimals, found.what) == (MOST_DECIMALS, "weights")
    found = read(data, what="context")
    assert np.array_equal(found.values, LAYER.context) and found.what == "context"
    found = read(data, what="embedding")
    assert np.array_equal(found.values, RUN.embedding) and found.values.dtype == np.float64
    rounded = read(b"".join(files.encode([RUN], name, precision=3)))
    assert rounded.decimals == 3 and np.array_equal(rounded.values, LAYER.weights.round(3))
    with pytest.raises(DataError) as caught:
        read(data, what="dropped")
    assert caught.value.message == "standard input holds no dropped"


def test_a_long_array_is_looked_at_in_part() -> None:
    rows = np.full((1, 10_001), 0.5)
    rows[0, 10_000] = 0.125
    assert read(npy(rows)).decimals == 1
    rows[0, 9_999] = 0.25
    assert read(npy(rows)).decimals == 2


def test_of_many_written_numbers_the_first_tell_the_decimals() -> None:
    figures = ["0.5"] * 10_001
    figures[10_000] = "0.125"
    assert read(",".join(figures) + "\n" + ",".join(figures)).decimals == 1
    figures[9_999] = "0.25"
    assert read(",".join(figures) + "\n" + ",".join(figures)).decimals == 2
