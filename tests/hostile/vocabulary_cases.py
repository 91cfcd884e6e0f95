"""Vocabulary files, vectors and a student's matrix: gaps, torn rows, millions of entries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from hostile.case import Case

TEXT = "a b"
MILLION = 10**6
# A vocabulary that is refused, and what is said of it.
REFUSED: dict[str, tuple[str, bytes, str]] = {
    "empty": ("v.txt", b"", "holds no words"),
    "empty-object": ("v.json", b"{}", "holds no words"),
    "empty-array": ("v.json", b"[]", "holds no words"),
    "nothing-in-JSON": ("v.json", b"", "holds no words"),
    "word-twice": ("v.txt", b"a\nb\na\n", "`a` stands twice, at line 1 and line 3"),
    "entry-twice": ("v.json", b'["a", "b", "b"]', "`b` stands twice, at entry 1 and entry 2"),
    "key-twice": ("v.json", b'{"a": 0, "a": 1}', "`a` is given twice"),
    "id-twice": ("v.json", b'{"a": 0, "b": 0}', "two words have the id 0"),
    "gap": ("v.json", b'{"a": 0, "b": 2}', "no word has the id 1"),
    "from-one": ("v.json", b'{"a": 1, "b": 2}', "no word has the id 0"),
    "word-and-number": ("v.csv", b"word,id\nthe,0\ncat,1\n", "a word and a number a line"),
    "no-JSON": ("v.json", b"the\ncat\n", "not JSON"),
    "JSON-in-text": ("v.txt", b'["a", "a"]', "`a` stands twice, at entry 0 and entry 1"),
    "counts-of-others": (
        "v.json",
        b'{"vocabulary": {"a": 0}, "counts": {"\\u001b": 1}}',
        r"has `\\x1b`, which",
    ),
    "negative-count": (
        "v.json",
        b'{"vocabulary": {"a": 0}, "counts": {"a": -1}}',
        "count of `a` is negative",
    ),
    "other-number": ("v.json", b'{"vocabulary": {"a": 0}, "n_vocab": 2}', "`n_vocab` is 2"),
    "other-schema": (
        "v.json",
        b'{"vocabulary": {"a": 0}, "schema": "attn-vocabulary/2"}',
        "attn-vocabulary/2",
    ),
    "negative": ("v.json", b'{"a": -1, "b": 0}', "the id of `a` is negative"),
    "beyond-int64": ("v.json", b'{"a": 0, "b": 9223372036854775808}', "`b` is too large"),
    "400-digits": ("v.json", b'{"a": 0, "b": %s}' % (b"9" * 400), "`b` is too large"),
    "5000-digits": ("v.json", b'{"a": 0, "b": %s}' % (b"9" * 5000), "too many digits"),
    "half": ("v.json", b'{"a": 0, "b": 1.0}', "the id of `b` is not a whole number"),
    "true": ("v.json", b'{"a": 0, "b": true}', "the id of `b` is not a whole number"),
    "text": ("v.json", b'{"a": 0, "b": "1"}', "the id of `b` is not a whole number"),
    "null": ("v.json", b'{"a": 0, "b": null}', "the id of `b` is not a whole number"),
    "array": ("v.json", b'{"a": 0, "b": [1]}', "the id of `b` is not a whole number"),
    "NaN": ("v.json", b'{"a": 0, "b": NaN}', "NaN is not a number"),
    "no-word": ("v.json", b'["a", 1]', "entry 1 is not a word"),
    "empty-word": ("v.json", b'{"": 0, "b": 1}', "the word with the id 0 is empty"),
    "empty-line": ("v.txt", b"a\n\nb\n", "line 2 is empty"),
    "surrogate": ("v.json", b'{"a": 0, "\\ud800": 1}', r"id 1, .*U\+D800"),
    "not-UTF-8": ("v.txt", b"a\nb\xff\n", "byte 0xff at 3"),
    "UTF-16": ("v.txt", "a\nb\n".encode("utf-16"), "not UTF-8"),
    "deep": ("v.json", b"[" * 100_000, "nested too deep"),
    "cut": ("v.json", b'{"a": 0, "b', "is not JSON"),
    "trailing": ("v.json", b'{"a": 0, "b": 1} 2', "is not JSON"),
    "counts-text": ("v.json", b'{"vocabulary": {"a": 0, "b": 1}, "counts": "x"}', "`counts`"),
    "counts-half": ("v.json", b'{"vocabulary": {"a": 0}, "counts": {"a": 0.5}}', "`counts`"),
    "hostile-word": ("v.json", b'["\\u001b[3m", "\\u001b[3m"]', r"`\\x1b\[3m` stands twice"),
}
FINE = {
    "BOM": ("v.txt", b"\xef\xbb\xbfa\nb\n"),
    "CRLF": ("v.txt", b"a\r\nb\r\n"),
    "no-line-end": ("v.txt", b"a\nb"),
    "BOM-JSON": ("v.json", b'\xef\xbb\xbf["a", "b"]'),
    "no-suffix": ("words", b'{"b": 0, "a": 1}'),
    "long-word": ("v.txt", b"a\nb\n" + b"w" * MILLION),
    "hostile": ("v.json", b'["a", "b", "\\u001b[2J", "\\u0000", "\\u2028"]'),
}
# Vectors and matrices, for readers that take JSON, CSV, NPY and what torch prints.
ROWS: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n\n",
    "NUL": b"\0" * 100,
    "ragged": b"a,1,2\nb,3\n",
    "quote-open": b'a,"1,2\nb,3,4\n',
    "quote-of-a-megabyte": b'a,"' + b"1" * MILLION + b'"\n',
    "field-of-a-megabyte": b"a," + b"1" * MILLION + b"\n",
    "NUL-within": b"a,1\0,2\nb,3,4\n",
    "heading-alone": b"word,x,y\n",
    "column-missing": b"a\nb\n",
    "empty-cell": b"a,1,\nb,2,3\n",
    "text-cell": b"a,1,x\nb,2,3\n",
    "1e999": b"a,1,1e999\nb,2,3\n",
    "underscore": b"a,1,1_0\nb,2,3\n",
    "other-digits": "a,1,١\nb,2,3\n".encode(),
    "hexadecimal": b"a,1,0x10\nb,2,3\n",
    "semicolons and commas": b"a;1;2\nb,3,4,5\n",
    "JSON-ragged": b'{"a": [1, 2], "b": [1]}',
    "JSON-deep": b'{"a": ' + b"[" * 100_000,
    "JSON-900-deep": b'{"a": [' + b"[" * 900 + b"]" * 900 + b"]}",
    "JSON-text": b'{"a": ["1", "2"]}',
    "JSON-null": b'{"a": [null, 1], "b": [1, 2]}',
    "JSON-cut": b'{"a": [1, 2], "b": [1',
    "torch-cut": b"tensor([[0.1, 0.2], [0.3",
    "torch-code": b"tensor(__import__('os').system('touch x'))",
    "torch-grad": b"tensor([[0.1, 0.2]], grad_fn=<X>)" * 2,
    "exponents": b"[[1e-99999, 1e99999]]",
    "brackets": b"[" * 5000 + b" 1 " + b"]" * 5000,
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
    "gzip": b"\x1f\x8b\x08\x00" + bytes(50),
}


def cases() -> Iterator[Case]:
    for name, (path, data, says) in REFUSED.items():
        yield Case(
            f"vocabulary/refused/{name}",
            ("vocab", "--vocab", path),
            {path: data},
            codes=(2,),
            says=f"`{path}`.*{says}",
        )
    for name, (path, data) in FINE.items():
        for args in (
            ("inspect", TEXT, "--vocab", path),
            ("vocab", "--vocab", path, TEXT, "--encode"),
        ):
            yield Case(f"vocabulary/{args[0]}/{name}", args, {path: data}, codes=(0,))
    yield from _large()
    for name, data in ROWS.items():
        yield Case(
            f"vocabulary/vectors/{name}",
            ("inspect", TEXT, "--embeddings", "f"),
            {"f": data},
            codes=(2,),
            says="`f`",
        )
        yield Case(f"vocabulary/matrix/{name}", ("check", "f"), {"f": data}, codes=(1, 2))
    for ids in (
        "",
        " ",
        "-1",
        "2",
        "9" * 5000,
        "²",
        "0.5",
        "1e3",
        "[0, 1",
        "[[0]]",
        "[NaN]",
        "0x1",
    ):
        yield Case(
            f"vocabulary/decode/{ids[:9]!r}",
            ("vocab", "--vocab", "v.json", "--decode", "-f", "ids"),
            {"v.json": b'["a", "b"]', "ids": ids.encode()},
            codes=(2,),
        )


def _large() -> Iterator[Case]:
    for path in ("v.txt", "v.json"):
        yield Case(
            f"vocabulary/million/{path}",
            ("inspect", "w0 w1", "--vocab", path),
            prepare=_million,
            codes=(2,),
            says="the vocabulary needs 1000000 rows, the embedding has 50000",
            cpu=6,
            memory=600,
            in_terminal=False,
        )
    yield Case(
        "vocabulary/million/twice",
        ("vocab", "--vocab", "twice.txt", "--decode", "0"),
        prepare=_million,
        codes=(2,),
        says="`w7` stands twice, at line 8 and line 1000001",
        cpu=4,
        memory=400,
        in_terminal=False,
    )
    for path in ("millions.txt", "millions.json", "millions-with-counts.json"):
        yield Case(
            f"vocabulary/million/{path}",
            ("vocab", "--vocab", path, "--decode", "0"),
            prepare=_millions,
            codes=(2,),
            says="holds more than 1,048,576 words",
            cpu=1,
            memory=200,
            in_terminal=False,
        )
    yield Case(
        "vocabulary/million/one-line",
        ("inspect", TEXT, "--embeddings", "f"),
        {"f": b"a," + b"1," * MILLION + b"1\n"},
        codes=(2,),
        cpu=4,
        memory=400,
        in_terminal=False,
    )


def _millions(directory: Path) -> None:
    words = [f"w{i}" for i in range(2 * MILLION)]
    (directory / "millions.txt").write_text("\n".join(words))
    ids = json.dumps({word: i for i, word in enumerate(words)})
    (directory / "millions.json").write_text(ids)
    counted = f'{{"vocabulary": {ids}, "counts": {ids}}}'
    (directory / "millions-with-counts.json").write_text(counted)


def _million(directory: Path) -> None:
    """A vocabulary of a million words, written a piece at a time: the cases are to be light."""
    with (
        (directory / "v.txt").open("w") as text,
        (directory / "v.json").open("w") as document,
        (directory / "twice.txt").open("w") as twice,
    ):
        for i in range(MILLION):
            text.write(f"w{i}\n")
            twice.write(f"w{i}\n")
            document.write(f'{", " if i else "{"}"w{i}": {i}')
        twice.write("w7\n")
        document.write("}")
