"""`attn check` from end to end: exit codes, what is said, every kind of file, hostile ones too."""

from __future__ import annotations

import json
import os
import shlex
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Ran, emulate, run, run_in_terminal, together

from attn_cli import inspect
from attn_cli.checking import Student
from attn_cli.errors import DataError
from attn_cli.files.matrix import load

SENTENCE = "Life is short, eat dessert first"
LAYER = inspect(SENTENCE).layers[0]
RIGHT = LAYER.weights[0].round(4)


def as_csv(matrix: Any, decimals: int = 4) -> bytes:
    return "\n".join(",".join(f"{x:.{decimals}f}" for x in row) for row in matrix).encode()


def as_npy(matrix: Any) -> bytes:
    file = BytesIO()
    np.save(file, matrix)
    return file.getvalue()


def as_torch(matrix: Any) -> bytes:
    rows = ",\n        ".join("[" + ", ".join(f"{x:.4f}" for x in row) + "]" for row in matrix)
    return f"tensor([{rows}], grad_fn=<SoftmaxBackward0>)\n".encode()


def refused(ran: Ran, *named: str) -> None:
    """Exit code 2, nothing on stdout, one or two plain lines."""
    assert (ran.code, ran.out) == (2, b""), ran
    lines = ran.err.splitlines()
    assert 1 <= len(lines) <= 2 and lines[0].startswith("attn: "), ran.err
    assert "Traceback" not in ran.err and "fault of attn" not in ran.err
    for word in named:
        assert word in ran.err, (word, ran.err)


def test_exit_codes_are_those_of_diff() -> None:
    calls = [
        partial(run, "check", "-", stdin=as_csv(RIGHT)),
        partial(run, "check", "sample_inputs/student.json"),
        partial(run, "check", "-", stdin=as_csv(RIGHT[::-1])),
        partial(run, "check", "no-such-file.json"),
    ]
    equal, mistaken, unexplained, missing = together(calls)
    assert (equal.code, equal.err) == (0, "")
    assert "Equal to 4 decimals: off by" in equal.text
    assert (mistaken.code, mistaken.err) == (1, "")
    assert "the scores are not divided by √d_k" in mistaken.text
    assert (unexplained.code, unexplained.err) == (1, "")
    assert "No known mistake explains these numbers" in unexplained.text
    assert "alone or two together" in " ".join(unexplained.text.split())
    refused(missing, "no-such-file.json")


def test_the_worst_cell_and_its_arithmetic() -> None:
    shown = run("check", "sample_inputs/student.json").text
    assert "row `is`, column `is`: 0.6870 here, 0.8359 yours" in shown
    assert "score    0.5667·0.5295 + 1.8269·1.7355 = 3.4707" in shown
    assert abs(0.5667 * 0.5295 + 1.8269 * 1.7355 - 3.4707) < 3e-4
    assert "logit    3.4707 × 0.7071 = 2.4542" in shown
    assert "weight   e^2.4542 / e^2.8296 = 0.6870" in shown
    assert abs(np.exp(2.4542 - 2.8296) - 0.6870) < 1e-4
    command = shown[shown.index("attn explain") :].replace("\n  ", " ").strip()
    assert command == f"attn explain '{SENTENCE}' --recipe article --query is --key is"


def test_the_command_that_it_advises_can_be_typed(tmp_path: Path) -> None:
    asked = (
        ("--text", "-is short", "--split", "whitespace"),
        ("--text", "is short", "--heads", "2", "--seed", "0"),
    )
    file = tmp_path / "two.csv"
    file.write_text("0.9,0.1\n0.3,0.7\n")
    for options in asked:
        shown = run("check", str(file), *options).text
        command = shown[shown.index("attn explain") :].replace("\n  ", " ").strip()
        _, explain, *words = shlex.split(command)
        ran = run(explain, "--json", *words)
        assert ran.code == 0, command
        found = json.loads(ran.out)
        assert found["text"] == options[1]
        ours = inspect(
            options[1],
            split="whitespace",
            heads=2 if "2" in options else 1,
            seed=0 if "0" in options else 123,
        ).layers[0]
        assert np.isclose(ours.weights, found["weight"], rtol=0, atol=1e-7).any()


def test_two_mistakes_in_a_context() -> None:
    book = ("--recipe", "book", "--mask", "causal", "--init", "linear")
    ran = run("check", "sample_inputs/context.csv", *book)
    assert ran.code == 1
    assert "These two mistakes together explain every number" in ran.text
    assert "divided by √d_model" in ran.text and "every word sees the next one" in ran.text
    assert "row `Your`, column `1`: 0.2216 here, 0.0105 yours" in ran.text
    assert "context  1.0000·0.2216 = 0.2216\n" in ran.text  # it sees itself alone


def test_json_says_the_same() -> None:
    ran = run("check", "sample_inputs/student.json", "--json")
    assert (ran.code, ran.out.count(b"\n")) == (1, 1)
    said = json.loads(ran.out)
    assert said["schema"] == "attn-check/1"
    assert (said["what"], said["shape"], said["equal"]) == ("weights", [6, 6], False)
    assert (said["decimals"], said["transposed"], said["pairs_tried"]) == (4, False, False)
    assert 5e-5 < said["tolerance"] < 6e-5
    assert said["difference"] == pytest.approx(0.8359 - LAYER.weights[0, 1, 1], abs=1e-6)
    assert said["cell"] == {
        "head": 0,
        "row": 1,
        "column": 1,
        "row_label": "is",
        "column_label": "is",
        "ours": pytest.approx(0.6870, abs=5e-5),
        "theirs": 0.8359,
    }
    ((mistake,),) = said["explanations"]
    assert mistake["name"] == "no-scale" and "d_k**0.5" in mistake["fix"]
    nan = run("check", "-", "--json", stdin=b"nan," + as_csv(RIGHT)[7:])
    assert json.loads(nan.out)["difference"] is None
    assert json.loads(run("check", "-", "--json", stdin=as_csv(RIGHT)).out)["equal"] is True


@pytest.mark.parametrize(
    "data",
    [
        as_csv(RIGHT),
        as_csv(RIGHT).replace(b",", b"  "),
        b"Life,is,short,eat,dessert,first\n" + as_csv(RIGHT),
        as_npy(RIGHT),
        as_npy(LAYER.weights),
        as_npy(LAYER.weights.astype(np.float64)[None]),
        as_npy(RIGHT.astype(np.float16)),
        json.dumps(RIGHT.astype(float).round(4).tolist()).encode(),
        json.dumps({"weights": LAYER.weights.tolist()}).encode(),
        as_torch(RIGHT),
        str(RIGHT).encode(),
    ],
    ids=[
        "csv",
        "spaces",
        "heading",
        "npy",
        "npy32",
        "npy64",
        "npy16",
        "rows",
        "key",
        "torch",
        "np",
    ],
)
def test_every_form_of_the_right_weights(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "student"
    file.write_bytes(data)
    ran = run("check", str(file), "--what", "weights")
    assert (ran.code, ran.err) == (0, ""), ran.text


def test_what_attn_wrote_is_read(tmp_path: Path) -> None:
    for suffix in ("json", "npz"):
        file = tmp_path / f"run.{suffix}"
        run("inspect", SENTENCE, "--seed", "42", "-o", str(file))
        ran = run("check", str(file))
        assert ran.code == 1 and "the seed is 42" in ran.text
        assert run("check", str(file), "--seed", "42", "--what", "context").code == 0


@pytest.mark.parametrize(
    ("data", "decimals"),
    [
        (b"[[0.5, 0.6870], [1, 2]]", 4),
        (b"[[1.5e-1, 0.5], [1, 2]]", 2),
        (b"0.1,nan\n0.25,inf", 2),
        (as_npy(np.float32([[0.0386, 0.687]])), 4),
        (as_npy(np.float32([[1 / 3, 0.687]])), 6),
        (b"[[0.0, 1.0], [1.0, 0.0]]", 6),  # exact, not rounded
        (b"[[0.123456789, 1.0]]", 9),
    ],
)
def test_the_decimals_are_those_that_are_printed(data: bytes, decimals: int) -> None:
    student = load(BytesIO(data))
    assert isinstance(student, Student) and student.decimals == decimals


def test_texts_and_files(tmp_path: Path) -> None:
    text = "to be or not to be"
    file, student = tmp_path / "text.txt", tmp_path / "student.npy"
    file.write_text(text + "\n", "utf-8")
    np.save(student, inspect(text, heads=2).layers[0].weights)
    heads = ("--heads", "2")
    assert run("check", str(student), "--text", text, *heads).code == 0
    assert run("check", str(student), "-f", str(file), *heads).code == 0
    assert run("check", str(student), "--text", "-", *heads, stdin=text.encode()).code == 0
    refused(run("check", str(student), "--text", text, "-f", str(file)), "both --text and --file")
    refused(run("check", "-", "--text", "-"), "standard input cannot be both")
    refused(run("check", str(student)), "--text")


HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n\n",
    "words": b"hello\nworld\n",
    "ragged": b"[[1, 2], [3]]",
    "ragged csv": b"1,2\n3\n",
    "a word": b'[[1, "a"]]',
    "a quoted number": b'[["0.5", "0.5"]]',
    "true": b"[[true, false]]",
    "mixed": b"[[1], [[2]]]",
    "one row": b"[1, 2, 3]",
    "five axes": b"[[[[[1]]]]]",
    "deep": b"[" * 100_000,
    "nothing in it": b"[[]]",
    "all NaN": b"nan,nan\nnan,nan",
    "no key": b'{"attention": [[1]]}',
    "schema": b'{"schema": "other/1", "weights": [[1]]}',
    "not UTF-8": b"\xff\xfe0,1",
    "dots": b"tensor([[0.1, ..., 0.2]])",
    "abbreviated by numpy": b"[[0.1 0.2 ... 0.3]\n ...\n [0.1 0.2 ... 0.4]]",
    "a number of torch": b"tensor(0.5)",
    "written by attn": b"layer,head,query,key,query_token,key_token,weight\n0,0,0,0,a,a,1\n",
    "large": b"[[" + b"1," * 3_000_000 + b"1]]",
    "large rows that are none": b">>> x\n" * 600_000,
    "cut tensor": b"tensor([[0.1, 0.2",
    "bytes": as_npy(np.array([[b"a"]])),
    "complex": as_npy(np.array([[1j]])),
    "cut npy": as_npy(RIGHT)[:100],
    "objects": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1, 1), }"
    + b" " * 54
    + b"\n",
    "claims": b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, "
    b"'shape': (99999999, 9999), }" + b" " * 30 + b"\n",
    "cut zip": b"PK\x03\x04",
    "too many digits": b"[[" + b"9" * 5000 + b", 1]]",
    "another shape": b"[[1, 2], [3, 4]]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / "hostile"
    file.write_bytes(HOSTILE[name])
    refused(run("check", str(file)))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("dots", "set_printoptions"),
        ("abbreviated by numpy", "set_printoptions"),
        ("a number of torch", "the whole matrix"),
        ("written by attn", ".json"),
        ("large", "np.save"),
    ],
)
def test_what_to_do_is_said(name: str, wanted: str) -> None:
    with pytest.raises(DataError) as caught:
        load(BytesIO(HOSTILE[name]))
    assert wanted in caught.value.hint


def test_a_key_that_is_nearly_right_is_meant() -> None:
    with pytest.raises(DataError) as caught:
        load(BytesIO(b'{"about": 1, "wieghts": [[0.5, 0.5]]}'))
    assert caught.value.hint == "Did you mean `weights`?"


def test_a_place_in_the_file_is_named() -> None:
    for data, place in ((b"[[1, 2], [3]]", "[1]"), (b'[[1, "a"]]', "[0][1]")):
        with pytest.raises(DataError) as caught:
            load(BytesIO(data))
        assert place in caught.value.message


def test_extreme_numbers_and_exponents_are_only_not_equal() -> None:
    for cell in ("1e308", "-1e-999999999", "inf", "1e99999", "-0.0", "1e-7"):
        rows = [[cell] * 6] * 6
        ran = run("check", "-", stdin="\n".join(map(",".join, rows)).encode())
        assert (ran.code, ran.err) == (1, ""), cell


def test_user_text_is_shown_safely_and_nothing_is_too_wide() -> None:
    text = "a \x1b[31mb [bold] c " + "d" * 100 + " 日本語 e"
    ran = run_in_terminal("check", "-", "--text", text, stdin=as_csv(np.eye(7) + 0.1), columns=40)
    assert ran.code == 1
    assert "\x1b[31m" not in ran.text and "\\x1b[31mb" in ran.text
    width = max(len(line.rstrip()) for line in emulate(ran.text, 200).display)
    assert width <= 40


def test_colour_is_asked_for() -> None:
    student = "sample_inputs/student.json"
    assert b"\x1b" not in run("check", student).out
    assert b"\x1b[1m" in run("check", student, "--color", "always").out
    poor = run("check", student, env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert poor.code == 1 and poor.out.isascii() and os.linesep.encode() in poor.out
