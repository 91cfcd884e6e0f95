"""Tensors of any origin, in safetensors and in arrays: headers that lie, numbers that are none."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

from hostile.case import Case

NUMBERS = struct.pack("<4f", 1, 0, 0.5, 0.5)
ENTRY: dict[str, Any] = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
LARGEST = 2**63 - 1


def file(header: Any, data: bytes = NUMBERS, length: int | None = None) -> bytes:
    """The bytes of a safetensors file; its header need not be true, or even JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def one(data: bytes = NUMBERS, **changes: Any) -> bytes:
    """A file of one tensor; a change to None leaves the key out."""
    return file({"weights": {k: v for k, v in (ENTRY | changes).items() if v is not None}}, data)


def two(first: list[int], second: list[int], data: bytes = NUMBERS * 2) -> bytes:
    return file(
        {"weights": ENTRY | {"data_offsets": first}, "other": ENTRY | {"data_offsets": second}},
        data,
    )


GOOD = one()
TWICE = b'{"weights": %s, "weights": %s}' % ((json.dumps(ENTRY).encode(),) * 2)
REFUSED: dict[str, tuple[bytes, str]] = {
    "length-zero": (file(b"", length=0), ""),
    "length-beyond-file": (file(ENTRY, length=10_000), "header should be 10,000 bytes"),
    "length-of-a-gigabyte": (file(ENTRY, length=1 << 30), ""),
    "length-largest": (file(ENTRY, length=LARGEST), ""),
    "length-with-zeros": (file(ENTRY, length=1 << 63), "looks like safetensors and is damaged"),
    "many-empty": (
        file({f"t{i}": ENTRY | {"shape": [0], "data_offsets": [0, 0]} for i in range(100_000)}),
        "holds more than 4,096 tensors",
    ),
    "length-negative": (file(ENTRY, length=2**64 - 1), ""),
    "length-one-short": (file({"weights": ENTRY}, length=20), "header is not JSON"),
    "eight-bytes": (GOOD[:8], ""),
    "cut-in-header": (GOOD[:40], "header should be"),
    "cut-in-data": (GOOD[:-1], "ends beyond the file"),
    "more-data": (GOOD + b"\0", "1 bytes belong to no tensor"),
    "white-space-first": (file(b" " + json.dumps({"weights": ENTRY}).encode()), ""),
    "not-UTF-8": (file(b'{"\xff": 1}'), "header is not UTF-8"),
    "header-array": (file([ENTRY]), ""),
    "header-NaN": (file(b'{"weights": NaN}'), "NaN"),
    "header-deep": (file(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "nested too deep"),
    "header-padded-with-NUL": (file(json.dumps({"weights": ENTRY}).encode() + b"\0" * 8), "JSON"),
    "one-name-twice": (file(TWICE), "`weights` is given twice"),
    "metadata-list": (file({"__metadata__": [], "weights": ENTRY}), "`__metadata__`"),
    "metadata-number": (file({"__metadata__": {"a": 1}, "weights": ENTRY}), "`__metadata__`"),
    "metadata-attn-torn": (file({"__metadata__": {"attn": "{"}, "weights": ENTRY}), "metadata"),
    "metadata-attn-empty": (file({"__metadata__": {"attn": "{}"}, "weights": ENTRY}), "schema"),
    "metadata-attn-list": (file({"__metadata__": {"attn": "[]"}, "weights": ENTRY}), "object"),
    "entry-null": (file({"weights": None}, b""), "described by no object"),
    "entry-text": (file({"weights": "F32"}, b""), "described by no object"),
    "dtype-unknown": (one(dtype="F128"), 'of type "F128", which is not read'),
    "dtype-missing": (one(dtype=None), "of type null"),
    "dtype-deep": (one(dtype=[[[]]]), "of type"),
    "dtype-eight-bits": (one(dtype="F8_E4M3", shape=[4, 4]), "which is not read"),
    "shape-missing": (one(shape=None), "no usable shape: null"),
    "shape-negative": (one(shape=[-2, -2]), r"no usable shape: \[-2, -2\]"),
    "shape-half": (one(shape=[2.0, 2]), "no usable shape"),
    "shape-true": (one(shape=[True, 4]), "no usable shape"),
    "shape-text": (one(shape="22"), "no usable shape"),
    "shape-2-to-the-64": (one(shape=[2**64]), "no usable shape"),
    "shape-wraps-to-16": (one(shape=[2**32, 2**32, 2**32, 4]), "takes more than|EiB"),
    "shape-beyond-floats": (one(shape=[LARGEST] * 32), "takes more than 1,048,576 EiB"),
    "shape-of-33": (one(shape=[1] * 32 + [4]), "no usable shape"),
    "shape-digits": (file(b'{"weights": {"shape": [%s]}}' % (b"9" * 5000)), "too many digits"),
    "offsets-missing": (one(data_offsets=None), "no usable `data_offsets`"),
    "offsets-one": (one(data_offsets=[16]), "no usable `data_offsets`"),
    "offsets-swapped": (one(data_offsets=[16, 0]), "no usable `data_offsets`"),
    "offsets-negative": (one(data_offsets=[-16, 0]), "no usable `data_offsets`"),
    "offsets-beyond": (one(data_offsets=[1 << 40, (1 << 40) + 16]), "ends beyond the file"),
    "offsets-too-few": (one(data_offsets=[0, 12]), "takes 16 bytes"),
    "gap": (two([0, 16], [20, 36], NUMBERS * 2 + bytes(4)), "leave a gap"),
    "gap-first": (two([4, 20], [20, 36], NUMBERS * 2 + bytes(4)), "leave a gap"),
    "overlap": (two([0, 16], [8, 24], NUMBERS + bytes(8)), "overlap"),
    "the-same-place": (two([0, 16], [0, 16], NUMBERS), "overlap"),
    "booleans-of-7": (one(b"\7" * 16, dtype="BOOL", shape=[4, 4]), "0 nor 1"),
    "nothing": (file({}, b""), "no array that could be attention"),
    "parameters": (file({"h.0.attn.weight": ENTRY}), "a model's parameters"),
    "hostile-name": (file({"\x1b[31m\u202e": ENTRY | {"dtype": "X"}}), r"\\x1b\[31m\\u202e"),
    "name-of-a-megabyte": (file({"n" * 10**6: ENTRY | {"dtype": "X"}}), "which is not read"),
    "nan": (one(struct.pack("<4f", float("nan"), 1, 0, 1)), "is nan"),
    "infinite": (one(struct.pack("<4f", float("inf"), 1, 0, 1)), "is inf"),
    "bf16-infinite": (one(b"\x80\x7f" * 4, dtype="BF16", data_offsets=[0, 8]), "is inf"),
    "f64-beyond": (
        one(struct.pack("<4d", 1e300, 0, 0, 1), dtype="F64", data_offsets=[0, 32]),
        r"is 1e\+300, beyond float32",
    ),
    "negative": (one(struct.pack("<4f", 1.5, -0.5, 0, 1)), "negative"),
    "subnormal": (one(b"\1\0\0\0" * 4), "do not sum to 1"),
    "zeros": (one(bytes(16)), "nothing but zeros"),
    "empty-tensor": (one(b"", shape=[0, 2], data_offsets=[0, 0]), "holds no numbers"),
    "no-axes": (one(bytes(4), shape=[], data_offsets=[0, 4]), "no array"),
}
# Logits and vectors at the ends of what float32 holds: each is drawn, or refused with its place.
LOGITS = {
    "±1000": ((1000, -1000, -1000, 1000), ""),
    "1e30": ((1e30, -1e30, 1e30, 1e30), ""),
    "largest": ((3.4e38, -3.4e38, 0, 0), ""),
    "subnormal": ((1e-45, -1e-45, 0, 0), ""),
    "one-row-masked": ((float("-inf"), float("-inf"), 0, 0), ""),
    "all-masked": ((float("-inf"),) * 4, "everything is masked"),
    "infinite": ((float("inf"), 0, 0, 0), "is inf, which is no logit"),
    "nan": ((float("nan"), 0, 0, 0), "is nan, which is no logit"),
}
VECTORS = {
    "1e30": ((1e30,) * 4, "beyond what float32 holds"),
    "1e-30": ((1e-30,) * 4, ""),
    "1000": ((1000, -1000, 0, 1000), ""),
    "nan": ((float("nan"), 0, 0, 0), "not a finite number"),
}


def cases() -> Iterator[Case]:
    for name, (data, says) in REFUSED.items():
        yield Case(
            f"tensors/refused/{name}", ("show", "f"), {"f": data}, codes=(2,), says=f"`f`.*{says}"
        )
    for name, (numbers, says) in LOGITS.items():
        data = file({"logits": ENTRY}, struct.pack("<4f", *numbers))
        for flags in ((), ("--causal",), ("--format", "svg"), ("--json",)):
            yield Case(
                f"tensors/logits/{name}/{' '.join(flags)}",
                ("show", "-", *flags),
                stdin=data,
                codes=(2,) if says else (0,),
                says=says,
            )
    for name, (numbers, says) in VECTORS.items():
        entries = {"query": ENTRY, "key": ENTRY | {"data_offsets": [16, 32]}}
        data = file(entries, struct.pack("<4f", *numbers) * 2)
        yield Case(
            f"tensors/vectors/{name}",
            ("show", "-"),
            stdin=data,
            codes=(2,) if says else (0,),
            says=says,
        )
    for axes in ("", "q", "qq", "hqkx", "\x1b[31m", "lhqk", "kq", "q" * 100_000):
        yield Case(f"tensors/axes/{axes[:9]!r}", ("show", "-", "--axes", axes), stdin=GOOD)
    for batch in ("-1", "1", str(2**31), "9" * 400, "²", ""):
        yield Case(
            f"tensors/batch/{batch[:9]!r}", ("show", "-", "--batch", batch), stdin=GOOD, codes=(2,)
        )
    for name, words in _words().items():
        yield Case(
            f"tensors/tokens/{name}", ("show", "-", "--tokens", "t"), {"t": words}, stdin=GOOD
        )


def _words() -> dict[str, bytes]:
    return {
        "empty": b"",
        "NUL": b"\0\n\0\n",
        "not-UTF-8": b"a\n\xff\n",
        "UTF-16": "a\nb\n".encode("utf-16"),
        "hostile": "\x1b[2J\n\u202e\n".encode(),
        "blank": b"\n\n",
        "JSON-torn": b'["a", ',
        "JSON-numbers": b'["a", 1]',
        "JSON-deep": b'["a", ' + b"[" * 100_000,
        "JSON-surrogate": b'["a", "\\ud800"]',
        "too-many": b"word\n" * 10**6,
        "long": b"w" * 10**6 + b"\nb\n",
    }
