"""NPY and NPZ: headers that lie, archives that are there to fill the memory, pickles."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np

from hostile.case import Case

WEIGHTS = struct.pack("<4f", 1, 0, 0.5, 0.5)
MANY = 60_000


def header(type_: str = "'<f4'", order: str = "False", shape: str = "(2, 2)") -> str:
    return f"{{'descr': {type_}, 'fortran_order': {order}, 'shape': {shape}, }}"


def npy(text: str = header(), numbers: bytes = WEIGHTS, version: tuple[int, int] = (1, 0)) -> bytes:
    """The bytes of an array; its header need not be true."""
    padded = text.encode("latin-1") + b" " * (-(len(text) + 11) % 64) + b"\n"
    length = struct.pack("<H" if version[0] == 1 else "<I", len(padded))
    return b"\x93NUMPY" + bytes(version) + length + padded + numbers


def npz(members: Sequence[tuple[str, bytes | int]], kind: int = zipfile.ZIP_STORED) -> bytes:
    """An archive; a member that is a number is a square of so many zeros on a side."""
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", kind, compresslevel=1) as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        for name, data in members:
            if isinstance(data, bytes):
                archive.writestr(name, data)
                continue
            with archive.open(name, "w") as member:  # never whole: the cases are to be light
                member.write(npy(header(shape=f"({data}, {data})"), b""))
                for _ in range(data):
                    member.write(bytes(4 * data))
    return file.getvalue()


class Runs:
    """What would run if a pickle were opened."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        import os

        return os.system, ("touch pwned",)


PICKLE = pickle.dumps([Runs()])
GOOD = npz([("weights.npy", npy())])

# An array that is refused, and what is said of it.
ARRAYS: dict[str, tuple[bytes, str]] = {
    "pickle": (npy(header("'|O'"), PICKLE), "Python objects, a pickle, which is never opened"),
    "pickle-among-fields": (npy(header("[('a', '|O')]"), PICKLE), "a header that is not read"),
    "fields": (npy(header("[('a', '<f4'), ('b', '<f4')]")), "a header that is not read"),
    "code-for-type": (npy(header("__import__('os').system('touch pwned')")), "header"),
    "code-for-shape": (npy(header(shape="(__import__('os').system('touch pwned'),)")), "header"),
    "code-for-all": (npy("__import__('os').system('touch pwned')"), "header"),
    "escape-in-type": (npy(header(r"'\d'")), "type that is not read"),
    "type-unknown": (npy(header("'<q9'")), "type that is not read"),
    "type-of-no-width": (npy(header("'|V0'", shape="(1000000000000000000,)"), b""), "not read"),
    "type-by-commas": (npy(header("'i4,i4'")), "type that is not read"),
    "complex": (npy(header("'<c8'"), bytes(32)), "no real numbers"),
    "dates": (npy(header("'<M8[ns]'"), bytes(32)), "no real numbers"),
    "void": (npy(header("'|V4'")), "no real numbers"),
    "terabytes": (npy(header(shape="(1000000, 1000000)")), r"takes 3\.6 TiB, and 16 bytes"),
    "beyond-64-bits": (npy(header(shape="(9999999999999999999, 9999999999999999999)")), "claims"),
    "zero-times-all": (npy(header(shape="(0, 9999999999999999999)"), b""), ""),
    "negative": (npy(header(shape="(-2, -2)")), "a header that is not read"),
    "halves": (npy(header(shape="(2.0, 2)")), "a header that is not read"),
    "5000-digits": (npy(header(shape=f"({'9' * 5000},)")), "a header that is not read"),
    "70-axes": (npy(header(shape=f"({'1, ' * 70})")), "70 axes"),
    "no-axes": (npy(header(shape="()"), WEIGHTS[:4]), "no array that could be attention"),
    "empty": (npy(header(shape="(0, 0)"), b""), "holds no numbers"),
    "brackets-3000-deep": (npy(header(shape="(" * 3000 + ")" * 3000)), "header"),
    "minus-5000-deep": (npy(header(shape="-" * 5000 + "1")), "header"),
    "header-of-60000": (npy(header() + " " * 60_000), "header of 60,"),
    "header-of-gigabytes": (b"\x93NUMPY\2\0\xff\xff\xff\x7f{", "header of 2,147,483,647 bytes"),
    "header-empty": (npy(""), "header"),
    "header-junk": (npy("\xff\xfe" * 500), "header"),
    "header-one-more": (npy(header()[:-1] + "'x': 1}"), "header"),
    "header-one-less": (npy("{'descr': '<f4', 'shape': (2, 2)}"), "header"),
    "version-9": (npy(version=(9, 9)), "no NPY array of version"),
    "magic-alone": (b"\x93NUMPY", "no NPY array"),
    "cut": (npy()[:-1], "claims more numbers than it holds"),
    "cut-in-header": (npy()[:40], "header"),
    "more-after": (npy() * 2, "bytes after its numbers"),
    "booleans-of-7": (npy(header("'|b1'"), b"\7\0\1\1"), "neither 0 nor 1"),
    "no-characters": (npy(header("'<U2'", shape="(2,)"), b"\xff" * 16), "characters that are none"),
    "nan": (npy(numbers=struct.pack("<4f", 1, 0, float("nan"), 1)), r"query 1, key 0 is nan"),
    "infinite": (npy(numbers=struct.pack("<4f", 1, 0, float("inf"), 0)), r"query 1, key 0 is inf"),
    "f2-beyond": (npy(header("'<f2'"), b"\xff\x7b" * 4), "rows do not sum to 1"),
    "f8-beyond": (
        npy(header("'<f8'"), struct.pack("<4d", 1e300, 0, 1, 0)),
        r"is 1e\+300, beyond float32",
    ),
}
# An array that is read.
FINE = {
    "big-endian": npy(header("'>f4'"), struct.pack(">4f", 1, 0, 0.5, 0.5)),
    "fortran": npy(header(order="True"), struct.pack("<4f", 1, 0.5, 0, 0.5)),
    "double-quotes": npy(header().replace("'", '"')),
    "another-order": npy("{'shape':(2,2),'fortran_order':False,'descr':'<f4'}"),
    "python-2": npy(header(shape="(2L, 2L)")),
    "version-2": npy(version=(2, 0)),
    "version-3": npy(version=(3, 0)),
    "half": npy(header("'<f2'"), struct.pack("<4e", 1, 0, 0.5, 0.5)),
    "double": npy(header("'<f8'"), struct.pack("<4d", 1, 0, 0.5, 0.5)),
    "whole-numbers": npy(header("'|u1'"), b"\1\0\0\1"),
}


def cases() -> Iterator[Case]:
    for name, (data, says) in ARRAYS.items():
        yield Case(
            f"npz/npy/{name}", ("show", "f"), {"f": data}, codes=(2,), says=f"`f`.*{says}", cpu=2
        )
        archive = npz([("weights.npy", data)])
        yield Case(f"npz/member/{name}", ("heads", "-"), stdin=archive, codes=(2,), says=says)
    for name, data in FINE.items():
        yield Case(f"npz/fine/{name}", ("show", "-"), stdin=data, codes=(0,), shows=r"0\.50|1\.00")
        yield Case(
            f"npz/vectors/{name}", ("inspect", "a b", "--embeddings", "f"), {"f": data}, codes=(0,)
        )
    for name, (data, says) in _archives().items():
        yield Case(
            f"npz/archive/{name}",
            ("show", "f.npz"),
            {"f.npz": data},
            codes=(2,) if says else (0,),
            says=says,
        )
    for name, array in _thin():
        file = io.BytesIO()
        np.savez_compressed(file, weights=array)
        yield Case(
            f"npz/thin/{name}",
            ("heads", "-"),
            stdin=file.getvalue(),
            codes=(0,),
            cpu=10,
            memory=450,
            in_terminal=False,
        )
    for name, scale, says in (
        ("1e308", 1e308, r"`scale` is beyond float32: 1e\+308"),
        ("1e38", 1e38, r"query · key × `scale` 1e\+38 is beyond float32"),
    ):
        file = io.BytesIO()
        np.savez(file, query=np.full((2, 8), 1e4), key=np.ones((2, 8)), scale=scale)
        yield Case(f"npz/scale/{name}", ("show", "-"), stdin=file.getvalue(), codes=(2,), says=says)
    # One array in the place where words are wanted.
    for name in ("pickle", "no-characters", "terabytes", "fields"):
        data = npz([("weights.npy", npy()), ("tokens.npy", ARRAYS[name][0])])
        yield Case(f"npz/tokens/{name}", ("show", "-"), stdin=data, codes=(2,), says="`tokens`")
    yield Case("npz/check/pickle", ("check", "-"), stdin=ARRAYS["pickle"][0], codes=(2,))
    yield Case(
        "npz/explain/bomb",
        ("explain", "-", "--query", "0"),
        stdin=_archives()["bomb"][0],
        codes=(2,),
        says="numbers are not as thin as that",
    )


def _thin() -> Iterator[tuple[str, np.ndarray]]:
    """What is thin and not there to fill the memory."""
    side = 3000
    yield "diagonal", np.eye(side, dtype=np.float32)
    yield "equal", np.full((side, side), 1 / side, np.float32)


@cache
def _archives() -> dict[str, tuple[bytes, str]]:
    deflated = zipfile.ZIP_DEFLATED
    few = [("weights.npy", npy())]
    return {
        "bomb": (npz([("weights.npy", 9000)], deflated), "numbers are not as thin as that"),
        "bomb-in-pieces": (npz([(f"layer.{i}.npy", 1400) for i in range(40)], deflated), "thin"),
        "bomb-of-one-piece": (_overlapping(2800, 100), "thin"),
        "pickle-of-torch": (npz([("a/data.pkl", PICKLE), ("a/data/0", b"")]), "PyTorch"),
        "60000-members": (npz([(f"layer.{i}.npy", b"") for i in range(MANY)]), "more than 4,096"),
        "one-name-twice": (npz(few * 2), "two arrays are called `weights`"),
        "one-name-with-and-without": (npz([*few, ("weights", npy())]), "two arrays"),
        "text-among-them": (npz([*few, ("README", b"hello")]), "`README` is no NPY array"),
        "directory-among-them": (npz([*few, ("d/", b"")]), "`d/` is no NPY array"),
        "archive-within": (npz([("weights.npy", GOOD)]), "no NPY array"),
        "upwards": (npz([("../../../tmp/weights.npy", npy())]), ""),
        "absolute": (npz([("/tmp/weights.npy", npy())]), ""),
        "hostile-name": (npz([("\x1b[31m\u202eweights.npy", npy())]), ""),
        "hostile-name-refused": (npz([("\x1b[31m\u202e.npy", b"")]), r"\\x1b\[31m\\u202e"),
        "name-of-60000": (npz([("n" * 60_000, b"")]), "no NPY array"),
        "no-members": (npz([]), "no array that could be attention"),
        "two-letters": (b"PK", "not an NPZ archive"),
        "cut": (GOOD[:-5], "not an NPZ archive"),
        "cut-early": (GOOD[:60], "not an NPZ archive"),
        "wrong-sum": (GOOD.replace(WEIGHTS, bytes(16), 1), "member `weights.npy` is damaged"),
        "encrypted": (_listed(GOOD, 8, b"\1"), "member `weights.npy` is encrypted"),
        "method-99": (_listed(GOOD, 10, b"\x63"), r"`weights.npy` is compressed .*method 99\)"),
        "unpacked-size-lies": (_listed(GOOD, 24, b"\xff\xff\xff\xfe"), "thin"),
        "unpacked-size-1-more": (_one_more(GOOD), "should be 145 bytes when unpacked, and is 144"),
        "packed-size-lies": (_listed(GOOD, 20, b"\1\0\0\0"), "member `weights.npy` is damaged"),
        "packed-size-beyond": (_listed(GOOD, 20, b"\xff\xff\xff\x7f"), "2,147,483,647 bytes, and"),
        "offset-lies": (_listed(GOOD, 42, b"\xff\xff\xff\xfe"), "room for 0"),
        "offset-of-list-lies": (GOOD[:-6] + b"\xff\xff\xff\x7f\0\0", "`weights.npy` is damaged"),
        "zip64-lies": (_listed(GOOD, 24, b"\xff" * 4), "not an NPZ archive|thin"),
        "prefixed": (b"PK" + GOOD, ""),
    }


def _listed(data: bytes, place: int, value: bytes) -> bytes:
    """An archive whose list says something else of its first member."""
    start = data.index(b"PK\1\2") + place
    return data[:start] + value + data[start + len(value) :]


def _one_more(data: bytes) -> bytes:
    """An archive whose member should be one byte longer than it is, unpacked."""
    return _listed(data, 24, struct.pack("<I", len(npy()) + 1))


def _overlapping(side: int, count: int) -> bytes:
    """An archive of many members that are all the same zeros."""
    one = npz([("l00000.npy", side)], zipfile.ZIP_DEFLATED)
    start, end = one.index(b"PK\1\2"), one.index(b"PK\5\6")
    entry = one[start:end]
    listed = b"".join(entry.replace(b"l00000", b"l%05d" % i) for i in range(count))
    tail = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, len(listed), start, 0)
    return one[:start] + listed + tail
