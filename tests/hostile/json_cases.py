"""JSON that is none, that lies, or that is there to fill the memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hostile.case import Case

DOCUMENT: dict[str, Any] = {
    "schema": "attn/1",
    "text": "a b",
    "kind": "self",
    "query_tokens": [{"text": "a", "span": [0, 1], "word": 0}, {"text": "b"}],
    "token_ids": [0, 1],
    "vocabulary": {"a": 0, "b": 1},
    "embedding": [[1.0, 0.0], [0.0, 1.0]],
    "mask": {"name": "none", "parameters": {}, "allowed": None},
    "layers": [
        {
            "index": 0,
            "scale": 0.5,
            "weights": [[[1.0, 0.0], [0.5, 0.5]]],
            "logits": [[[0.0, None], [0.0, 0.0]]],
        }
    ],
    "source": {"model": "m", "seed": 1, "settings": {"n_head": 1}, "dtype": "float32"},
}
WHOLE = json.dumps(DOCUMENT).encode()
ROWS = b'{"weights": [[[1, 0], [0.5, %s]]]}'
DEEP = 100_000

# What stands where a number should; each is refused, whoever reads it.
NO_NUMBERS = {
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "1e999": b"1e999",
    "-1e999": b"-1e999",
    "5000-digits": b"9" * 5000,
    "400-digits": b"9" * 400,
    "text": b'"0.5"',
    "true": b"true",
    "object": b"{}",
    "array": b"[0.5]",
    "hexadecimal": b"0x1",
    "plus": b"+1",
    "leading-zero": b"007",
    "half": b"1.",
    "nothing": b"",
    "expression": b"__import__('os')",
}
# Bytes that are no JSON document at all.
NO_DOCUMENTS = {
    "empty": (b"", "empty"),
    "white-space": (b" \n\t\r\n", "empty"),
    "NUL": (b"\0", "column 1"),
    "BOM-alone": (b"\xef\xbb\xbf", ""),
    "UTF-16": WHOLE.decode().encode("utf-16"),
    "UTF-16-bare": WHOLE.decode().encode("utf-16-le"),
    "UTF-16-big": WHOLE.decode().encode("utf-16-be"),
    "UTF-32": WHOLE.decode().encode("utf-32"),
    "UTF-32-bare": WHOLE.decode().encode("utf-32-le"),
    "arrays-100000-deep": (b"[" * DEEP + b"]" * DEEP, "nested too deep"),
    "objects-100000-deep": (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "nested too deep"),
    "mixed-100000-deep": (b'[{"a":' * DEEP + b"1" + b"}]" * DEEP, "nested too deep"),
    "open-100000-deep": (b"[" * DEEP, "nested too deep"),
    "one-key-twice": (b'{"schema": "attn/1", "schema": "attn/1"}', "`schema` is given twice"),
    "key-twice-within": (WHOLE.replace(b'"index": 0', b'"index": 0, "index": 1'), "`index`"),
    "escaped-key-twice": (b'{"a": 1, "\\u0061": 2}', "`a` is given twice"),
    "trailing-text": (WHOLE + b" x", "column"),
    "trailing-comma": (WHOLE[:-1] + b",}", "column"),
    "trailing-NUL": (WHOLE + b"\0", "column"),
    "two-on-one-line": (WHOLE + WHOLE, "column"),
    "not-UTF-8": (WHOLE.replace(b"a b", b"a \xff"), "byte 0xff at"),
    "cut-character": (WHOLE.replace(b"a b", "€".encode()[:2]), "byte 0xe2 at"),
    "surrogate": (WHOLE.replace(b"a b", b"\\ud800"), "U\\+D800"),
    "surrogate-token": (WHOLE.replace(b'"text": "b"', b'"text": "\\udfff"'), "U\\+DFFF"),
    "bare-control": (WHOLE.replace(b"a b", b"a\x01b"), "control character"),
    "single-quotes": (WHOLE.replace(b'"', b"'"), "column 2"),
    "comment": (b"// hello\n" + WHOLE, "line 1"),
    "python": (b"{'weights': __import__('os').system('touch x')}", "column 2"),
    "a-million-empty-rows": (b"[" + b"[]," * 10**6 + b"[]]", r"no numbers: \(1000001, 0\)"),
    "a-million-rows-and-none": (b"[" + b"[1]," * 10**6 + b"[]]", r"\[1000000\]` has 0 entries"),
    "100000-arrays": (
        b"{%s}" % b",".join(b'"k%d": [[1]]' % i for i in range(10**5)),
        "holds more than 4,096 arrays",
    ),
    "a-boolean-first": (b"[[true, 0.5], [1, 0]]", r"\[0\]\[1\]` is a number, and the array begins"),
    "null-for-a-weight": (b"[[null, 1], [1, 0]]", "is minus infinity \\(null in JSON\\)"),
    "beyond-float32": (b"[[1e300, 1], [1, 0]]", r"is 1e\+300, beyond float32"),
    "beyond-float64": (b"[[1e999, 1], [1, 0]]", "is beyond float64"),
    "number": (b"3", ""),
    "null": (b"null", ""),
    "string": (b'"weights"', ""),
    "empty-object": (b"{}", "no array that could be"),
    "empty-array": (b"[]", ""),
    "schema-of-tomorrow": (WHOLE.replace(b"attn/1", b"attn/2"), '"attn/2"; this program reads'),
    "schema-number": (WHOLE.replace(b'"attn/1"', b"1"), "has the schema 1;"),
    "schema-deep": (WHOLE.replace(b'"attn/1"', b"[" * 900 + b"]" * 900), "has the schema"),
    "schema-long": (WHOLE.replace(b"attn/1", b"a" * 10**6), "has the schema"),
    "key-of-a-megabyte-twice": (b'{"%s": 1, "%s": 2}' % (b"k" * 10**6, b"k" * 10**6), "twice"),
    "hostile-key-twice": (b'{"\\u001b[31m\\u202e": 1, "\\u001b[31m\\u202e": 2}', r"\\x1b\[31m"),
}
# What may not be, by the place that is changed and what is put there; and what is said.
CONTRADICTIONS: tuple[tuple[str, tuple[str | int, ...], Any, str], ...] = (
    ("rows-sum-to-2", ("layers", 0, "weights", 0, 0), [1, 1], r"weights\[0\]\[0\]` sums to 2"),
    ("negative", ("layers", 0, "weights", 0, 0), [1.5, -0.5], "negative number"),
    ("ragged", ("layers", 0, "weights", 0, 1), [1], r"weights\[0\]\[1\]` has 1 entries"),
    ("wide", ("layers", 0, "weights"), [[[0.5, 0.25, 0.25]] * 2], "3 on axis n_key"),
    ("tall", ("layers", 0, "weights"), [[[1, 0]] * 3], "3 on axis n_query"),
    ("flat", ("layers", 0, "weights"), [[1, 0], [0, 1]], r"weights\[0\]\[0\]` should be an array"),
    (
        "thick",
        ("layers", 0, "weights"),
        [[[[1, 0], [0, 1]]]],
        r"weights\[0\]\[0\]\[0\]` should be a number",
    ),
    ("no-heads", ("layers", 0, "weights"), [], "nothing on axis"),
    ("no-weights", ("layers", 0, "weights"), None, r"weights` is missing"),
    ("no-tokens", ("query_tokens",), [], "no tokens on axis n_query"),
    ("ids-too-many", ("token_ids",), [0, 1, 2], "token_ids"),
    ("id-beyond-int64", ("token_ids",), [0, 2**70], "token_ids` holds a number beyond int64"),
    ("id-half", ("token_ids",), [0, 0.5], r"token_ids\[1\]` should be a whole number"),
    ("span-of-three", ("query_tokens", 0, "span"), [0, 1, 2], "two ends"),
    ("mask-of-numbers", ("mask", "allowed"), [[1, 0], [1, 1]], "true or false"),
    ("mask-forbids", ("mask", "allowed"), [[False, True], [True, True]], "does not allow that key"),
    ("mask-empty-row", ("mask", "allowed"), [[False] * 2, [True] * 2], "does not allow that key"),
    ("index-negative", ("layers", 0, "index"), -5, "index` is negative"),
    ("dimensions-wrong", ("dimensions",), {"n_query": 3}, "dimensions.n_query` is 3"),
    ("dimensions-text", ("dimensions",), {"n_query": "2"}, "dimensions.n_query` should be"),
    ("parameters-deep", ("mask", "parameters"), {"a": [[[[1]]]] * 3}, None),
    ("kind-unknown", ("kind",), "sideways", "should be one of self, causal, cross"),
    ("kind-unhashable", ("kind",), {}, "should be one of"),
    ("precision-huge", ("source", "precision"), 10**9, "from 0 to 17"),
    ("dtype-bogus", ("source", "dtype"), "object", None),
    ("seed-huge", ("source", "seed"), 10**400, None),
    ("index-huge", ("layers", 0, "index"), 10**300, None),
    ("n-head-lie", ("source", "settings", "n_head"), -5, None),
    ("ids-twice", ("vocabulary",), {"a": 0, "b": 0}, "two words have the id 0"),
    ("id-negative", ("vocabulary",), {"a": -1, "b": 0}, "negative"),
    ("scale-huge", ("layers", 0, "scale"), 10**400, "scale"),
    ("scale-1e308", ("layers", 0, "scale"), 1e308, "the scale of .* is not a finite number"),
    ("softcap-0", ("layers", 0, "softcap"), 0, "the softcap of .* from 1e-30 to 1e"),
    ("softcap-negative", ("layers", 0, "softcap"), -5.0, "the softcap of"),
    ("softcap-subnormal", ("layers", 0, "softcap"), 1e-320, "the softcap of"),
    ("embedding-1e39", ("embedding", 0), [1e39, 0], "embedding"),
    ("layers-object", ("layers",), {"0": 1}, "`layers` should be an array"),
    ("source-missing", ("source",), None, "`source` should be an object"),
    ("text-null", ("text",), None, "`text` should be a string"),
    ("unknown-key", ("colour",), "red", None),
)

# What can be read and leaves nothing to measure, or to draw.
MEASURED: tuple[tuple[str, tuple[str, ...], tuple[str | int, ...], Any], ...] = (
    ("no-head-does-anything", ("heads", "-"), ("mask", "allowed"), [[True, False], [False, True]]),
    ("no-layers", ("show", "-", "--words", "--fold-special"), ("layers",), []),
    ("no-layers-heads", ("heads", "-"), ("layers",), []),
    ("no-layers-rollout", ("show", "-", "--aggregate", "rollout"), ("layers",), []),
    ("no-layers-weigh", ("show", "-", "--weigh", "value-norm"), ("layers",), []),
    ("no-layers-chosen", ("show", "-", "--layer", "0"), ("layers",), []),
    ("no-layers-explained", ("explain", "-", "--query", "0"), ("layers",), []),
    ("no-layers-svg", ("show", "-", "--format", "svg"), ("layers",), []),
    ("no-layers-html", ("show", "-", "--format", "html"), ("layers",), []),
    ("no-layers-csv", ("show", "-", "--format", "csv"), ("layers",), []),
    ("no-layers-checked", ("check", "-", "--text", "a b"), ("layers",), []),
    ("words-far-apart", ("show", "-", "--words"), ("query_tokens", 0, "word"), -(2**200)),
    ("span-beyond", ("show", "-", "--format", "html"), ("query_tokens", 0, "span"), [-9, 2**99]),
)


def cases() -> Iterator[Case]:
    for name, number in NO_NUMBERS.items():
        yield Case(f"json/number/{name}", ("show", "-"), stdin=ROWS % number, codes=(2,))
        own = WHOLE.replace(b"[0.5, 0.5]", b"[0.5, %s]" % number)
        yield Case(f"json/own-number/{name}", ("heads", "-"), stdin=own, codes=(2,))
    for name, found in NO_DOCUMENTS.items():
        data, says = found if isinstance(found, tuple) else (found, "")
        yield Case(
            f"json/document/{name}", ("show", "f"), {"f": data}, codes=(2,), says=f"`f`.*{says}"
        )
    for name, place, value, says in CONTRADICTIONS:
        codes = (0,) if says is None else (2,)
        yield Case(
            f"json/contradiction/{name}",
            ("show", "-", "--json"),
            stdin=json.dumps(changed(place, value)).encode(),
            codes=codes,
            says=says or "",
        )
    for name, args, place, value in MEASURED:
        data = json.dumps(changed(place, value)).encode()
        yield Case(f"json/measured/{name}", args, stdin=data)
    yield from _lines()
    for cut in range(1, len(WHOLE), 29):
        yield Case(
            f"json/cut/{cut}", ("diff", "-", "f"), {"f": WHOLE}, stdin=WHOLE[:cut], codes=(2,)
        )


def _lines() -> Iterator[Case]:
    for name, line in {"torn": b'{"schema": ', "other": b'{"schema": "x"}', "list": b"{}"}.items():
        yield Case(
            f"json/lines/{name}",
            ("show", "-", "--json"),
            stdin=WHOLE + b"\r\n\r\n" + WHOLE + b"\n" + line + b"\n" + WHOLE,
            codes=(2,),
            says="line 4" if name != "torn" else "line 4 is not JSON: .* at column 12",
        )
    yield Case("json/lines/CRLF", ("show", "-"), stdin=b"\r\n".join([WHOLE] * 3), codes=(0,))
    yield Case("json/lines/BOM", ("show", "-"), stdin=b"\xef\xbb\xbf" + WHOLE, codes=(0,))
    yield Case(
        "json/lines/a-million", ("show", "-"), stdin=b"{}\n" * 10**6, codes=(2,), says="line 1"
    )
    yield Case(
        "json/lines/a-thousand",
        ("heads", "-"),
        stdin=(WHOLE + b"\n") * 1000,
        codes=(0,),
        cpu=8,
        in_terminal=False,
    )
    numbers = b"[" + b"1," * 2_000_000 + b"1]"
    yield Case("json/wide/one-row", ("show", "-"), stdin=numbers, codes=(2,), says="1 axes")
    yield Case(
        "json/wide/words", ("check", "-"), stdin=b"[" + b'"a",' * 10**6 + b'"a"]', codes=(2,)
    )


def changed(place: tuple[str | int, ...], value: Any) -> Any:
    """The document with another value at a place."""
    document = deepcopy(DOCUMENT)
    owner: Any = document
    for key in place[:-1]:
        owner = owner[key]
    owner[place[-1]] = value
    return document
