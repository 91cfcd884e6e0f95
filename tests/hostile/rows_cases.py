"""Rows: matrices, vectors and tokens as people and programs write them in words."""

from __future__ import annotations

from collections.abc import Iterator

from hostile.case import Case

# To `attn check`: what is no matrix, and what is said.
MATRICES: dict[str, tuple[bytes, str]] = {
    "abbreviated": (b"tensor([[0.1, 0.2],\n        ...,\n        [0.3, 0.4]])", "set_printoptions"),
    "abbreviated-by-numpy": (b"[[0.1 0.2 ... 0.3]\n ...\n [0.1 0.2 ... 0.4]]", "set_printoptions"),
    "a-number": (b"tensor(0.5)", "no matrix"),
    "cut": (b"tensor([[0.1, 0.2", "not JSON"),
    "one-row": (b"[" + b"1," * 1_500_000 + b"1]", "one row"),
    "large": (b"[" + b"1," * 8_000_000 + b"1]", r"at the most.*np\.save"),
    "columns": (b"[" + b"[0]," * 900_000 + b"[0]]", "900001 × 1"),
    "lines-of-words": (b">>> x\n" * 600_000, r'`\[0\]\[0\]` is not a number: "x"'),
    "blank-lines": (b"\n" * 4_000_000, "is empty"),
    "brackets": (b"tensor(" + b"[" * 100_000, "nested too deep"),
    "closing-brackets": (b"tensor([" + b"]" * 1_000_000, "no numbers|one row"),
    "attn's-own-list": (
        b"layer,head,query,key,query_token,key_token,weight\n0,0,0,0,a,a,1",
        "json",
    ),
    "mistyped-corner": (b"O.43,0.15\n0.55,0.87\n", r'not a number: "O\.43"'),
    "hostile-key": (b'{"wei\\u001b[31mghts": [[1]]}', "no matrix that is known"),
    "pickle": (b"\x80\x04K\x01.", "UTF-8|pickle"),
}
# To `--embeddings`: what is no table of vectors.
VECTORS: dict[str, tuple[bytes, str]] = {
    "half-a-name": (b'{"\\ud800": [1, 2]}', r"the name of row 0.*U\+D800"),
    "empty-name": (b'{"": [1, 2]}', "the name of row 0 is empty"),
    "ragged-far-on": (b"a,1,2\n" * 9 + b"b,1\n" + b"a,1,2\n" * 300_000, "row 9 has 1"),
    "blank-lines": (b"\n" * 4_000_000, "rows of numbers"),
    "lines-of-words": (b">>> x\n" * 600_000, 'row 0, place 0 is not a number: "x"'),
    "a-quote": (b'a,1,"2\n', "a quote is not closed"),
    "a-long-cell": (b"a,1\n" + b"b" * 200_000 + b",2\n", "131,072 characters"),
    "counts-that-lie": (b"3 3\na 1 2 3\nb 4 5 6\n", "row 1 has 3 numbers where row 0 has 1"),
    "hostile-cell": (b"a,1,\x1b[31m\n", r"not a number: ."),
    "decimal-commas": (b"a;0,1;0,2\nb;0,3;0,4\n", "not a number"),
}
# To `--tokens`: what is no list of tokens.
TOKENS: dict[str, tuple[bytes, str]] = {
    "numbers": (b"[1, 2]", r"`\[0\]` is not a string: 1"),
    "nulls": (b'["a", null]', r"`\[1\]` is not a string: null"),
    "an-object": (b'{"tokens": ["a", "b"]}', "array of strings"),
    "deep": (b"[" * 100_000, "nested too deep"),
    "none": (b"[]", "no tokens"),
    "cut": (b'["a", ', "not JSON"),
}
# Headings and separators that are right, to `--embeddings`: the tokens are a and b.
FINE: dict[str, bytes] = {
    "pandas": b"word,0,1\na,0.1,0.2\nb,0.3,0.4\n",
    "pandas-index": b",0,1\na,0.1,0.2\nb,0.3,0.4\n",
    "word2vec": b"2 2\na 0.1 0.2\nb 0.3 0.4\n",
    "tabs": b"token\tx\ty\na\t0.1\t0.2\nb\t0.3\t0.4\n",
    "JSON-in-any-name": b'{"a": [0.1, 0.2], "b": [0.3, 0.4]}',
}


def cases() -> Iterator[Case]:
    for name, (data, says) in MATRICES.items():
        for args in (("check", "it"), ("check", "-")):
            yield Case(
                f"rows/matrix/{name}/{'pipe' if args[1] == '-' else 'file'}",
                args,
                {} if args[1] == "-" else {"it": data},
                stdin=data if args[1] == "-" else b"",
                codes=(2,),
                says=f"(?s){says}",
                in_terminal=args[1] != "-",
            )
    for name, (data, says) in VECTORS.items():
        args = ("inspect", "--embeddings", "it", "a b")
        yield Case(f"rows/vectors/{name}", args, {"it": data}, codes=(2,), says=f"`it`.*{says}")
    for name, (data, says) in TOKENS.items():
        yield Case(
            f"rows/tokens/{name}",
            ("show", "w.json", "--tokens", "it"),
            {"w.json": b"[[0.5, 0.5], [0.5, 0.5]]", "it": data},
            codes=(2,),
            says=f"`it`.*{says}",
        )
    for name, data in FINE.items():
        yield Case(
            f"rows/fine/{name}",
            ("inspect", "--embeddings", "it", "--init", "none", "--json"),
            {"it": data},
            codes=(0,),
            shows=r'"query_tokens": ?\[\{"text": ?"a".*\{"text": ?"b"',
        )
    yield Case(
        "rows/remarks-and-a-complaint",
        ("show", "-", "--json"),
        stdin=b"".join(
            b'{"weights": [%s]}\n'
            % b",".join([b"[" + b",".join([b"0"] * (n - 1) + [b"1"]) + b"]"] * n)
            for n in range(2, 70)
        )
        + b'{"weights": [[2,',
        codes=(2,),
        says="line 69",
    )
