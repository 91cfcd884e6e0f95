"""GGUF: counts and lengths that lie, types that are not known, places that overlap, vocabularies
that cannot be one, metadata that contradicts the tensors.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hostile import gguf
from hostile.case import Case
from hostile.checkpoints import AWKWARD
from hostile.gguf import ARRAY, BOOL, F32, I32, STRING, U8, U32, U64, D, Key, Tensor, array

NAME = "model.gguf"
Q = "blk.0.attn_q.weight"
HUGE = 2**63


def cases() -> Iterator[Case]:
    sound = gguf.file(gguf.keys(), gguf.tensors())
    yield asking("sound", sound, codes=(0,), shows="queries, which look")
    yield asking("sound, generating", sound, "--generate", "2", codes=(0,))
    for groups in (_beginnings, _keys, _values, _tensors, _numbers, _vocabularies, _settings):
        for what, (data, said) in groups(sound).items():
            yield asking(what, data, codes=(2,) if said else (0, 2), says=said)
    boundaries = sorted({*range(0, 64, 12), *np.geomspace(64, len(sound) - 1, 14).astype(int)})
    for end in map(int, boundaries):
        yield asking(f"cut at {end}", sound[:end], codes=(2,), says="model.gguf")
    yield from _many()
    yield from _listed(sound)


def asking(what: str, data: bytes, *options: str, **more: Any) -> Case:
    args = ("inspect", "a wb", "--model", NAME, *options)
    return Case(f"gguf/{what}", args, files={NAME: data}, **more)


def _with_keys(*more: Key, **changes: Any) -> bytes:
    return gguf.file([*gguf.keys(**changes), *more], gguf.tensors())


def _with_tensors(*more: Tensor, **changes: Any) -> bytes:
    return gguf.file(gguf.keys(), [*gguf.tensors(**changes), *more])


def _beginnings(sound: bytes) -> dict[str, tuple[bytes, str]]:
    keys, tensors = gguf.keys(), gguf.tensors()
    found = {
        "empty": (b"", "no GGUF file"),
        "another magic": (gguf.file(keys, tensors, magic=b"GGML"), "no GGUF file"),
        "turned magic": (gguf.file(keys, tensors, magic=b"FUGG"), "no GGUF file"),
        "nothing after the counts": (gguf.file([], []), "architecture"),
        "only ones": (b"GGUF" + b"\xff" * 100, "version"),
    }
    for version in (0, 1, 4, 2**31, 2**32 - 1):
        data = gguf.file(keys, tensors, version=struct.pack("<I", version))
        found[f"version {version}"] = data, "version"
    found["version 2"] = gguf.file(keys, tensors, version=struct.pack("<I", 2)), ""
    big = gguf.file(keys, tensors, version=struct.pack(">I", 3))
    found["big-endian"] = big, "big-endian"
    for count in (len(tensors) + 1, 2**40, HUGE):
        found[f"{count} tensors"] = gguf.file(keys, tensors, n_tensors=count), "model.gguf"
    for count in (len(keys) + 1, 2**40, HUGE):
        found[f"{count} keys"] = gguf.file(keys, tensors, n_keys=count), "model.gguf"
    for end in (4, 8, 20, 23):
        found[f"cut to {end}"] = sound[:end], f"ends at byte {end}"
    found["no tensors"] = gguf.file(keys, tensors, n_tensors=0), "embedding"
    found["no keys"] = gguf.file(keys, tensors, n_keys=0), "model.gguf"
    return found


def _keys(_: bytes) -> dict[str, tuple[bytes, str]]:
    sound = gguf.keys()
    length = struct.pack("<Q", 2**40)
    return {
        "a key twice": (_with_keys(sound[1]), "twice"),
        "an awkward key twice": (_with_keys(*[Key(AWKWARD, U32, 1)] * 2), "twice"),
        "a key that is not UTF-8": (_with_keys(Key(b"\xff\xfe", U32, 1)), "not UTF-8"),
        "a key without a name": (_with_keys(Key("", U32, 1)), ""),
        "a key too long": (_with_keys(Key("k" * 70_000, U32, 1)), "bytes long"),
        "a key of a terabyte": (
            gguf.file([], [], n_keys=1)[:24] + length + b"x" * 40,
            "bytes long",
        ),
        "a string of a terabyte": (_with_keys(Key("x", STRING, length + b"x")), "bytes long"),
        "a string that is not UTF-8": (_with_keys(Key("x", STRING, gguf.string(b"\xff"))), "UTF-8"),
        "a string with surrogates": (
            _with_keys(Key("x", STRING, gguf.string("\ud800"))),
            "UTF-8",
        ),
        "type 13": (_with_keys(Key("x", 13, b"\0" * 8)), "unknown type 13"),
        "type 4294967295": (_with_keys(Key("x", 2**32 - 1, b"\0" * 8)), "unknown type"),
        "a bool of 7": (_with_keys(Key("x", BOOL, b"\x07")), ""),
        "an awkward value": (_with_keys(Key("x", STRING, AWKWARD)), ""),
    }


def _values(_: bytes) -> dict[str, tuple[bytes, str]]:
    nested = struct.pack("<IQ", ARRAY, 1) * 100_000 + array(U8, [1])
    found = {
        "arrays in arrays, a hundred thousand deep": (
            _with_keys(Key("x", ARRAY, nested)),
            "nested",
        ),
        "an array of unknown type": (
            _with_keys(Key("x", ARRAY, struct.pack("<IQ", 77, 1) + b"\0")),
            "unknown type 77",
        ),
        "an array of empty arrays": (
            _with_keys(Key("x", ARRAY, array(ARRAY, [array(U8, [])] * 1000))),
            "",
        ),
    }
    for kind in (U8, STRING, ARRAY):
        for count in (2**32, HUGE, 2**64 - 1):
            value = struct.pack("<IQ", kind, count) + bytes(64)
            found[f"an array of {count} of type {kind}"] = (
                _with_keys(Key("x", ARRAY, value)),
                "model.gguf",
            )
    return found


def _many() -> Iterator[Case]:
    """Millions of values that say nothing: zeros that take no place on the disk."""
    values = {
        "half a million empty arrays": (ARRAY, 500_000, "too many"),
        "five million empty strings": (STRING, 5_000_000, "bytes are left|too many"),
        "two million empty strings": (STRING, 2_000_000, "model.gguf"),
        "numbers for two gigabytes": (U8, 2**31, "more than 256"),
    }
    for what, (kind, count, said) in values.items():
        head = gguf.file([*gguf.keys(), Key("x", ARRAY, struct.pack("<IQ", kind, count))], [])

        size = 1 << 32 if kind == U8 else 30 << 20

        def prepare(directory: Path, head: bytes = head, size: int = size) -> None:
            with (directory / NAME).open("wb") as file:
                file.write(head.rstrip(b"\0") + bytes(16))
                file.truncate(size)

        args = ("inspect", "a wb", "--model", NAME)
        yield Case(f"gguf/{what}", args, prepare=prepare, codes=(2,), says=said)


def _tensors(_: bytes) -> dict[str, tuple[bytes, str]]:
    data = bytes(4 * D * D)

    def q(sizes: Any = (D, D), data: bytes = data, name: Any = Q, **more: Any) -> bytes:
        return _with_tensors(blk_0_attn_q=Tensor(name, sizes, data, **more))

    found = {
        "a tensor twice": (_with_tensors(Tensor(Q, [D, D], data)), "twice"),
        "a missing tensor": (_with_tensors(blk_0_attn_q=None), "attn_q"),
        "no embedding": (_with_tensors(token_embd=None), "embedding"),
        "a flat embedding": (
            _with_tensors(token_embd=Tensor("token_embd.weight", [D * 258], bytes(4 * D * 258))),
            "embedding",
        ),
        "an awkward name": (q(name=AWKWARD), "attn_q"),
        "a name that is not UTF-8": (q(name=b"\xff"), "UTF-8"),
        "a name too long": (q(name="n" * 2000), "bytes long"),
        "no name": (q(name=""), "attn_q"),
        "a layer of an absurd number": (q(name=f"blk.{'9' * 900}.attn_q.weight"), ""),
        "a layer of an Arabic number": (q(name="blk.٣.attn_q.weight"), "attn_q|not count"),
        "no dimensions": (q(sizes=(), data=bytes(4)), "shape"),
        "a dimension of zero": (q(sizes=(D, 0), data=b""), "shape"),
        "5 dimensions": (q(sizes=(D, D, 1, 1, 1)), "dimensions"),
        "2**31 dimensions": (gguf.file(gguf.keys(), []) + b"", "embedding"),
        "turned": (q(sizes=(2 * D, D // 2)), "shape"),
        "beyond the file": (q(at=1 << 40), "ends at byte"),
        "at no multiple": (q(at=5), "multiple"),
        "at the largest place": (q(at=2**64 - 32), "ends at byte"),
        "overlapping": (q(at=0), "overlap"),
    }
    for sizes in ([HUGE, 1], [2**62, 4], [2**32, 2**32], [2**64 - 1], [2**21] * 4):
        found[f"sizes {sizes}"] = q(sizes=sizes), "memory|ends at byte"
    for kind in (4, 10, 11, 16, 22, 23, 39, 99, 2**32 - 1):
        found[f"numbers of type {kind}"] = q(kind=kind), "not read"
    for kind in (2, 3, 6, 7, 8, 12, 13, 14):
        found[f"type {kind} of rows that are too short"] = q(kind=kind), "packs"
    for alignment in (0, 3, -1, 2**31 - 1, 1 << 21, 1.0):
        kind = F32 if isinstance(alignment, float) else I32
        own = _with_keys(Key("general.alignment", kind, alignment))
        found[f"alignment {alignment}"] = own, "alignment|beyond|ends at byte"
    string = Key("general.alignment", STRING, AWKWARD)
    found["an awkward alignment"] = _with_keys(string), "alignment"
    found["another alignment"] = (
        gguf.file([*gguf.keys(), Key("general.alignment", U32, 64)], gguf.tensors(), alignment=64),
        "",
    )
    return found


def _numbers(_: bytes) -> dict[str, tuple[bytes, str]]:
    """Scales that are no numbers, in every packed type: rows of 256, all of one value."""
    found = {}
    sizes = {2: 18, 3: 20, 6: 22, 7: 24, 8: 34, 12: 144, 13: 176, 14: 210, 1: 2, 30: 2}
    wide = {"embedding_length": Key("llama.embedding_length", U32, 256)}
    for kind, size in sizes.items():
        block = 256 if kind in (12, 13, 14) else 1 if kind in (1, 30) else 32
        for what, filling in (("ones", b"\xff"), ("infinity", b"\x00\x7c")):
            row = (filling * 300)[:size] * (256 // block)
            tensor = Tensor("token_embd.weight", [256, 258], row * 258, kind)
            data = gguf.file(gguf.keys(**wide), _wide(tensor))
            found[f"type {kind} full of {what}"] = data, ""
    for value in (np.nan, np.inf):
        full = np.full((D, D), value, np.float32).tobytes()
        data = _with_tensors(blk_0_attn_v=Tensor("blk.0.attn_v.weight", [D, D], full))
        found[f"{value} in a value"] = data, "layer 0"
    return found


def _wide(embedding: Tensor) -> list[Tensor]:
    """A layer of 256 wide, of float16 zeros."""
    own = [embedding]
    for tensor in gguf.tensors()[1:]:
        sizes = [256 if size == D else size for size in tensor.sizes]
        own.append(Tensor(tensor.name, sizes, bytes(2 * int(np.prod(sizes))), 1))
    return own


def _vocabularies(_: bytes) -> dict[str, tuple[bytes, str]]:
    tokens = [*gguf.byte_tokens()[:255], "wb", "<s>", "</s>"]

    def listed(name: str, kind: int, values: list[Any]) -> dict[str, Key]:
        return {name: Key(f"tokenizer.ggml.{name}", ARRAY, array(kind, values))}

    def one(name: str, kind: int, value: Any) -> dict[str, Key]:
        return {name: Key(f"tokenizer.ggml.{name}", kind, value)}

    awkward = [*tokens[:200], *(f"{AWKWARD}{n}" for n in range(56)), "<s>", AWKWARD]
    table: dict[str, tuple[dict[str, Any], str]] = {
        "no kind": ({"ggml.model": None}, "tokenizer of the kind"),
        "an awkward kind": (one("model", STRING, AWKWARD), "tokenizer of the kind"),
        "a kind that is a number": (one("model", U32, 3), "tokenizer of the kind"),
        "an unknown cut": (one("pre", STRING, AWKWARD), "cut as"),
        "a cut that is a list": (listed("pre", STRING, ["gpt-2"]), "cut as"),
        "no tokens": ({"tokens": None}, "no vocabulary"),
        "an empty vocabulary": (listed("tokens", STRING, []), "tokens, and types|tokenizer"),
        "tokens of numbers": (listed("tokens", U32, [1, 2, 3]), "no vocabulary"),
        "tokens in lists": (
            {"tokens": Key("tokenizer.ggml.tokens", ARRAY, array(ARRAY, [array(STRING, ["a"])]))},
            "no vocabulary",
        ),
        "tokens as one string": (one("tokens", STRING, "abc"), "no vocabulary"),
        "a token twice": (listed("tokens", STRING, [*tokens[:-1], "<s>"]), "twice"),
        "fewer tokens": (listed("tokens", STRING, tokens[:-1]), "no list of 257 numbers"),
        "more tokens": (
            listed("tokens", STRING, [*tokens, "a "]) | listed("token_type", I32, [4] * 259),
            "embedding has 258 rows|",
        ),
        "awkward tokens": (listed("tokens", STRING, awkward), ""),
        "an empty token": (listed("tokens", STRING, [*tokens[:-1], ""]), ""),
        "a token of a megabyte": (listed("tokens", STRING, [*tokens[:-1], "x" * 10**6]), ""),
        "types of strings": (listed("token_type", STRING, ["1"] * 258), ""),
        "types that are unknown": (listed("token_type", I32, [99] * 258), ""),
        "types that are one number": (one("token_type", U32, 1), "token_type|types"),
        "types that are floats": (listed("token_type", F32, [np.nan] * 258), ""),
        "no merges": ({"merges": None}, "merges"),
        "merges of numbers": (listed("merges", U32, [1]), "merges"),
        "a merge of one": (listed("merges", STRING, ["ab"]), "tokenizer"),
        "a merge of nothing": (listed("merges", STRING, [""]), "tokenizer"),
        "a merge of strangers": (listed("merges", STRING, ["zz yy"]), "tokenizer"),
        "an awkward merge": (listed("merges", STRING, [AWKWARD]), "tokenizer"),
        "a beginning beyond": (
            one("bos_token_id", U32, 2**32 - 1),
            "bos_token_id` is",
        ),
        "a beginning that is a string": (one("bos_token_id", STRING, "x"), "bos_token_id` is 'x'"),
        "a beginning that is negative": (one("bos_token_id", I32, -1), "token_id` is|is -1"),
        "an end that is a float": (one("eos_token_id", F32, 1.5), ""),
        "an added end that is a float": (
            one("eos_token_id", F32, 1.5) | one("add_eos_token", BOOL, True),
            "token_id` is|is 1.5",
        ),
        "a beginning that is missing, and its default beyond": (
            {"bos_token_id": None}
            | listed("tokens", STRING, ["a", "b"])
            | listed("token_type", I32, [1, 1])
            | listed("merges", STRING, []),
            "bos_token_id` is missing|258|shape|rows",
        ),
        "whether it begins as a string": (
            one("add_bos_token", STRING, AWKWARD),
            "neither true nor",
        ),
        "whether it begins as a list": (listed("add_bos_token", U8, []), "neither true nor false"),
        "SentencePiece without scores": (one("model", STRING, "llama"), "score"),
        "SentencePiece with few scores": (
            one("model", STRING, "llama") | listed("scores", F32, [1.0]),
            "score",
        ),
        "SentencePiece with scores of NaN": (
            one("model", STRING, "llama") | listed("scores", F32, [np.nan] * 258),
            "",
        ),
        "SentencePiece with scores of strings": (
            one("model", STRING, "llama") | listed("scores", STRING, ["x"] * 258),
            "",
        ),
        "SentencePiece with a score": (
            one("model", STRING, "llama") | one("scores", F32, 1.0),
            "score",
        ),
        "SentencePiece with a token of a hundred thousand": (
            one("model", STRING, "llama")
            | listed("scores", F32, [0.0] * 258)
            | listed("tokens", STRING, [*tokens[:-1], "a" * 100_000]),
            "",
        ),
    }
    return {what: (_with_keys(**changes), said) for what, (changes, said) in table.items()}


def _settings(_: bytes) -> dict[str, tuple[bytes, str]]:
    """Metadata that is no setting, or another than the tensors'."""

    def own(name: str, kind: int, value: Any) -> bytes:
        return _with_keys(**{name: Key(f"llama.{name}", kind, value)})

    found = {
        "no architecture": (_with_keys(architecture=None), "architecture"),
        "an awkward architecture": (
            _with_keys(architecture=Key("general.architecture", STRING, AWKWARD)),
            "architecture",
        ),
        "an architecture that is a list": (
            _with_keys(architecture=Key("general.architecture", ARRAY, array(STRING, ["llama"]))),
            "architecture",
        ),
        "one of three parts": (_with_keys(Key("split.count", U32, 3)), "parts"),
        "parts of an awkward number": (_with_keys(Key("split.count", STRING, AWKWARD)), "parts"),
        "experts": (_with_keys(Key("llama.expert_count", U32, 8)), "experts"),
        "positions scaled strangely": (
            _with_keys(Key("llama.rope.scaling.type", STRING, AWKWARD)),
            "not known",
        ),
        "positions scaled by a number": (
            _with_keys(Key("llama.rope.scaling.type", U32, 1)),
            r"`llama\.rope\.scaling\.type` is no text",
        ),
        "positions scaled by nothing": (
            _with_keys(
                Key("llama.rope.scaling.type", STRING, "linear"),
                Key("llama.rope.scaling.factor", F32, 0.0),
            ),
            "factor",
        ),
        "frequencies that follow no rule": (
            _with_tensors(Tensor("rope_freqs.weight", [2], struct.pack("<ff", np.nan, 0))),
            "rope_freqs",
        ),
    }
    for name in (
        "block_count",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "attention.head_count",
    ):
        changes = {name: None}
        found[f"no {name}"] = _with_keys(**changes), "lacks the metadata"
        for kind, value in ((STRING, "1"), (F32, 1.0), (I32, -1), (U32, 0), (U64, 2**64 - 1)):
            found[f"{name}={value!r}"] = own(name, kind, value), "number|count|model.gguf|config"
        found[f"{name} differs"] = own(name, ARRAY, array(U32, [1, 2])), "differs"
        found[f"{name} of nothing"] = own(name, ARRAY, array(U32, [])), "differs"
        found[f"another {name}"] = own(name, U32, 3), "" if name == "context_length" else "."
    for value in (0.0, -1.0, np.nan, np.inf):
        epsilon = own("attention.layer_norm_rms_epsilon", F32, value)
        found[f"an epsilon of {value}"] = epsilon, "epsilon|rms_norm_eps"
        base = _with_keys(Key("llama.rope.freq_base", F32, value))
        found[f"a base of {value}"] = base, "freq_base|rope_theta"
    for name, value in (("attention.key_length", 3), ("attention.head_count_kv", 7)):
        found[f"{name} of {value}"] = _with_keys(Key(f"llama.{name}", U32, value)), "."
    return found


def _listed(sound: bytes) -> Iterator[Case]:
    files = {
        f"{AWKWARD}.gguf": sound,
        "b.gguf": sound[:100],
        "c.gguf": b"",
        "d.gguf": gguf.file(gguf.keys(), gguf.tensors(), n_keys=2**63),
        "e.gguf": sound,
    }
    for options in ((), ("--json",)):
        args = ("models", ".", *options)
        yield Case(f"gguf/listed {options}", args, files, codes=(0,), shows="b(.gguf)? |b.gguf")
    args = ("inspect", "a", "--model", ".")
    yield Case("gguf/several in a directory", args, files, codes=(2,), says="no weights|GGUF")
