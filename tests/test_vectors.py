"""Vector files: the three formats with and without names, and what no vector file is."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pace import promptly

from attn_cli.errors import DataError
from attn_cli.files.vectors import load
from attn_cli.inspection import Vectors

ROWS = np.float32([[0.1, -2, 3e-20], [4, 5.5, 1e20]])


def read(data: bytes) -> Vectors:
    return load(io.BytesIO(data))


def npy(array: np.ndarray, **more: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **more)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b'{"a": [0.1, -2, 3e-20], "b": [4, 5.5, 1e20]}', ["a", "b"]),
        (b"[[0.1, -2, 3e-20], [4, 5.5, 1e20]]", None),
        (b" \n\t[[0.1, -2, 3e-20],\n [4, 5.5, 1e20]]\n", None),
        (b'\xef\xbb\xbf{"a": [0.1, -2, 3e-20], "b": [4, 5.5, 1e20]}', ["a", "b"]),
        (b"0.1,-2,3e-20\n4,5.5,1e20\n", None),
        (b"0.1, -2, 3e-20\r\n\r\n4, 5.5, 1e20", None),
        (b"a,0.1,-2,3e-20\nb,4,5.5,1e20\n", ["a", "b"]),
        (b"\xef\xbb\xbfa,0.1,-2,3e-20\nb,4,5.5,1e20\n", ["a", "b"]),
        (b"token,x,y,z\na,0.1,-2,3e-20\nb,4,5.5,1e20\n", ["a", "b"]),
        (b"x,y,z\n0.1,-2,3e-20\n4,5.5,1e20\n", None),
        (b",0,1,2\na,0.1,-2,3e-20\nb,4,5.5,1e20\n", ["a", "b"]),  # as pandas writes it
        (b",0,1,2\n0,0.1,-2,3e-20\n1,4,5.5,1e20\n", None),  # with the numbers of the rows
        (b"Unnamed: 0,x,y,z\n0,0.1,-2,3e-20\n1,4,5.5,1e20\n", None),
        (b",x,y,z\n7,0.1,-2,3e-20\n8,4,5.5,1e20\n", ["7", "8"]),
        (b"Word,x,y,z\n2019,0.1,-2,3e-20\n0,4,5.5,1e20\n", ["2019", "0"]),
        (b"word,0,1,2\na,0.1,-2,3e-20\nb,4,5.5,1e20\n", ["a", "b"]),  # as pandas, asked for it
        (b"token\t0\t1\t2\na\t0.1\t-2\t3e-20\nb\t4\t5.5\t1e20\n", ["a", "b"]),
        (b"a;0.1;-2;3e-20\nb;4;5.5;1e20\n", ["a", "b"]),
        (b"token\tx\ty\tz\na\t0.1\t-2\t3e-20\nb\t4\t5.5\t1e20\n", ["a", "b"]),
        (b"a 0.1 -2  3e-20\r\nb 4 5.5 1e20\r\n", ["a", "b"]),  # as GloVe has them
        (b'the 0.1 -2 3e-20\n" 4 5.5 1e20\n', ["the", '"']),
        (b"the 0.1 -2 3e-20\n, 4 5.5 1e20\n", ["the", ","]),
        (b'a b\t0.1\t-2\t3e-20\n"c, d"\t4\t5.5\t1e20\n', ["a b", "c, d"]),
        (b"0.1 -2\t3e-20\r4 5.5\t1e20\r", None),
        (b"rows\n0.1,-2,3e-20\n4,5.5,1e20\n", None),
        (b"7,0.1,-2,3e-20\nb,4,5.5,1e20\n", ["7", "b"]),  # a number is a name beside a name
        (b"2 3\na 0.1 -2 3e-20\nb 4 5.5 1e20\n", ["a", "b"]),  # word2vec counts first
        (b", 0.1 -2 3e-20\nb 4 5.5 1e20\n", [",", "b"]),
        (b'"a, ""b""",0.1,-2,3e-20\n"c\nd",4,5.5,1e20\n', ['a, "b"', "c\nd"]),
        ("é\u2028\x85,0.1,-2,3e-20\n日本,4,5.5,1e20\n".encode(), ["é\u2028\x85", "日本"]),
        (npy(ROWS), None),
        (npy(ROWS.astype(np.float64)), None),
        (npy(ROWS.astype(">f8")), None),
        (npy(np.asfortranarray(ROWS)), None),
    ],
)
def test_rows_and_names(data: bytes, names: list[str] | None) -> None:
    found = read(data)
    assert found.rows.dtype == np.float32 and np.array_equal(found.rows, ROWS)
    assert (None if found.names is None else list(found.names)) == names


def test_whole_numbers_and_halves_are_numbers() -> None:
    for dtype in (np.int8, np.uint64, np.float16, np.longdouble):
        assert read(npy(np.array([[1, 2]], dtype=dtype))).rows.tolist() == [[1, 2]]


def test_a_path_is_named_in_messages(tmp_path: Path) -> None:
    file = tmp_path / "v.csv"
    file.write_text("a,1,2\n")
    assert load(file).names == ["a"]
    file.write_text("a,1,x2\n")
    with pytest.raises(DataError, match=r"`.*v\.csv`: row 0, place 1 is not a number: \"x2\""):
        load(file)
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path / "none.csv")


def test_two_counts_are_a_row_where_rows_are_two_wide() -> None:
    found = read(b"1,1\n0.5,0.5\n")
    assert found.names is None and found.rows.tolist() == [[1, 1], [0.5, 0.5]]


def test_a_large_file_is_not_judged_by_its_beginning_alone() -> None:
    """Names that are numbers for longer than is looked at, a first row that is longer, quotes."""
    n = 20_000
    rows = read("".join(f"{'x' if i > n / 4 else ''}{i},1,2\n" for i in range(n)).encode())
    assert rows.names is not None and rows.names[:2] == ["0", "1"] and rows.rows.shape == (n, 2)
    wide = read(b"1," * 50_000 + b"1\n" + b"2," * 50_000 + b"2\n")
    assert wide.names is None and wide.rows.shape == (2, 50_001)
    cell = '"' + "a\n" * 40_000 + '"'
    assert read(f"{cell},1\nb,2\n".encode()).rows.tolist() == [[1], [2]]


NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.integers(1, 5).flatmap(
    lambda d: st.lists(st.lists(NUMBERS, min_size=d, max_size=d), min_size=1, max_size=6)
))  # fmt: skip
def test_the_three_formats_agree(rows: list[list[float]]) -> None:
    expected = np.array(rows, dtype=np.float32)
    text = "\n".join(",".join(map(repr, row)) for row in rows)
    for data in (json.dumps(rows).encode(), text.encode(), npy(expected)):
        assert np.array_equal(read(data).rows, expected)


HEADER = b"\x93NUMPY\x01\x00"


def header(shape: str, descr: str = "'<f4'", body: bytes = b"\0" * 24) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return HEADER + struct.pack("<H", len(text)) + text + body


def test_the_header_of_these_tests_is_numpys() -> None:
    assert read(header("(2, 3)")).rows.tolist() == [[0, 0, 0], [0, 0, 0]]


BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "should hold rows of numbers"),
    "blank": (b" \n ", "should hold rows of numbers"),
    "empty array": (b"[]", "should hold rows of numbers"),
    "empty object": (b"{}", "should hold rows of numbers"),
    "empty rows": (b"[[], []]", "holds no numbers"),
    "one row": (b"[1, 2]", "should hold rows of numbers"),
    "nested": (b"[[[1]]]", "row 0, place 0 is not a number: [1]"),
    "ragged": (b"[[1, 2], [3]]", "row 1 has 1 numbers where row 0 has 2"),
    "ragged csv": (b"1,2\n3\n", "row 1 has 1 numbers where row 0 has 2"),
    "ragged names": (b"a,1,2\nb,3\n", "row 1 has 1 numbers where row 0 has 2"),
    "string": (b'[[1, "2"]]', 'row 0, place 1 is not a number: "2"'),
    "truth": (b"[[true, 1]]", "row 0, place 0 is not a number: true"),
    "null": (b"[[1, null]]", "row 0, place 1 is not a number: null"),
    "NaN": (b"[[NaN, 1]]", "NaN is not a number that JSON has"),
    "Infinity": (b"[[1, -Infinity]]", "Infinity is not a number that JSON has"),
    "csv nan": (b"1,2\n3,nan\n", "row 1, place 1 is not a finite float32 number"),
    "csv inf": (b"a,1,inf\n", "row 0, place 1 is not a finite float32 number"),
    "csv word": (b"a,1,2\nb,3,x\n", 'row 1, place 1 is not a number: "x"'),
    "csv underscore": (b"a,1,2\nb,3,1_0\n", 'row 1, place 1 is not a number: "1_0"'),
    "csv gap": (b"a,1,\n", 'row 0, place 1 is not a number: ""'),
    "csv mistyped corner": (b"O.43,0.15\n0.55,0.87\n", 'row 0, place 0 is not a number: "O.43"'),
    "csv hexadecimal corner": (b"0x10,1\n2,3\n", 'row 0, place 0 is not a number: "0x10"'),
    "csv a word among numbers": (b"1,2\n-,3\n4,5\n", 'row 1, place 0 is not a number: "-"'),
    "csv quote": (b'a,1,"2\n', "is not CSV: a quote is not closed"),
    "csv long cell": (b"a,1\n" + b"b" * 200_000 + b",2\n", "a cell has more than 131,072 char"),
    "half a name": (
        b'{"b": [1, 2], "\\ud800": [1, 2]}',
        "the name of row 1: the text is not valid",
    ),
    "large and blank": (b"\n" * 2_000_000, "should hold rows of numbers"),
    "large and no numbers": (b">>> x\n" * 600_000, 'row 0, place 0 is not a number: "x"'),
    "large and ragged": (b"1,2\n" * 9 + b"1\n" + b"1,2\n" * 900_000, "row 9 has 1 numbers"),
    "csv a first row without numbers": (b"a,,\nb,1,2\n", "row 0, place 0 is not a number"),
    "csv a first row without its word": (b",0.5,2\nb,1,2\n", "the name of row 0 is empty"),
    "csv heading alone": (b"token,x,y\n", "should hold rows of numbers"),
    "too large": (b"[[1e39]]", "row 0, place 0 is not a finite float32 number"),
    "huge": (b"[[1e999]]", "row 0, place 0 is not a finite float32 number"),
    "huge integer": (b"[[1" + b"0" * 400 + b"]]", "row 0, place 0 is not a finite float32"),
    "endless integer": (b"[[" + b"9" * 10_000 + b"]]", "too many digits"),
    "twice": (b'{"a": [1], "a": [2]}', "the key `a` is given twice"),
    "object": (b'{"a": {"b": 1}}', "should hold rows of numbers"),
    "torn": (b'{"a": [1', "is not JSON"),
    "deep": (b"[" * 100_000, "nested too deep"),
    "UTF-8": (b"a\xff,1\n", "is not UTF-8 text: byte 0xff at 1"),
    "UTF-8 JSON": (b'{"a\xff": [1]}', "is not UTF-8 text: byte 0xff at 3"),
    "one axis": (npy(np.float32([1, 2])), "not 1 axes of float32"),
    "three axes": (npy(np.zeros((1, 1, 1))), "not 3 axes of float64"),
    "no axis": (npy(np.float32(1)), "not 0 axes"),
    "complex": (npy(np.zeros((1, 1), dtype=complex)), "not 2 axes of complex128"),
    "bool": (npy(np.zeros((1, 1), dtype=bool)), "not 2 axes of bool"),
    "text": (npy(np.array([["a"]])), "not 2 axes of <U1"),
    "no rows": (npy(np.zeros((0, 3))), "holds no numbers: its shape is (0, 3)"),
    "npy nan": (npy(np.float32([[0, np.nan]])), "row 0, place 1 is not a finite float32 number"),
    "npy large": (npy(np.array([[1e300]])), "row 0, place 0 is not a finite float32 number"),
    "pickle": (npy(np.array([[print]], dtype=object), allow_pickle=True), "Python objects"),
    "cut": (npy(ROWS)[:-1], "claims more numbers than it holds"),
    "header alone": (b"\x93NUMPY", "is no NPY array"),
    "version": (b"\x93NUMPY\x09\x00" + npy(ROWS)[8:], "is no NPY array of version 1, 2 or 3"),
    "version 3": (b"\x93NUMPY\x03\x00" + npy(ROWS)[8:], "should have a header of"),
    "terabytes": (header("(1000000000, 1000)"), "claims more numbers than it holds"),
    "beyond count": (header("(9223372036854775807, 9223372036854775807)"), "claims more"),
    "negative": (header("(-2, -3)"), "a header that is not read"),
    "negative once": (header("(-2, 3)"), "a header that is not read"),
    "code": (header("__import__('os')"), "a header that is not read"),
    "dtype": (header("(2, 3)", "'|V2000000000'"), "claims more"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_vector_file(case: str) -> None:
    data, message = BAD[case]
    with promptly(), pytest.raises(DataError) as caught:
        read(data)
    assert message in caught.value.message
    assert "standard input" in caught.value.message and "\n" not in caught.value.message
    assert "Error" not in caught.value.message and "attribute" not in caught.value.message


@given(st.binary(max_size=200))
def test_any_bytes_give_vectors_or_a_plain_refusal(data: bytes) -> None:
    for start in (b"", b"[", b"{", npy(ROWS)[:70], npy(ROWS)[:-20]):
        try:
            found = read(start + data)
        except DataError:
            continue
        assert found.rows.ndim == 2 and np.isfinite(found.rows).all()
        assert found.names is None or len(found.names) == len(found.rows)
