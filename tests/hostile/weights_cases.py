"""safetensors: headers that lie, numbers that are none, shards that are not there, files that are
no files, and one that is cut while it is read.
"""

from __future__ import annotations

import json
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from hostile.case import Case
from hostile.checkpoints import (
    AWKWARD,
    TEXT,
    config,
    good,
    inspecting,
    joined,
    split,
    tensor,
    weights,
)

Q = "model.layers.0.self_attn.q_proj.weight"
FILE = "model/model.safetensors"
INDEX = "model.safetensors.index.json"
EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}


def cases() -> Iterator[Case]:
    for what, (data, said) in _files().items():
        yield _refused(what, good(model_safetensors=data), said)
    for what, (change, said) in _headers().items():
        header, numbers = split(weights())
        change(header)
        yield _refused(what, good(model_safetensors=joined(header, numbers)), said)
    yield from _numbers()
    yield from _types()
    yield from _shards()
    yield from _places()
    yield from _large()
    yield from _cut_while_read()


def _refused(what: str, files: dict[str, bytes], said: str, **more: Any) -> Case:
    return inspecting(f"weights/{what}", files, codes=(2,), says=said, **more)


def _files() -> dict[str, tuple[bytes, str]]:
    data = weights()
    (size,) = struct.unpack("<Q", data[:8])
    header, numbers = split(data)
    text = json.dumps(header).encode()
    found = {
        "empty": (b"", "0 bytes"),
        "seven bytes": (data[:7], "7 bytes"),
        "a length alone": (data[:8], "header"),
        "a length beyond the file": (struct.pack("<Q", len(data)) + data[8:], "header"),
        "the greatest length": (b"\xff" * 8 + data[8:], "header"),
        "a negative length": (struct.pack("<q", -1) + data[8:], "header"),
        "a length of zero": (bytes(8) + data[8:], "does not begin"),
        "a length that is short": (struct.pack("<Q", size - 9) + data[8:], "not JSON"),
        "a length of a gigabyte": (struct.pack("<Q", 2**30) + bytes(4096), "header"),
        "cut in the header": (data[: size // 2], "header"),
        "cut in the numbers": (data[:-1], "ends at byte"),
        "more than its tensors": (data + b"\0", "ends at byte"),
        "no JSON": (joined(b"{" + b"\xff" * 50, numbers), "not UTF-8"),
        "tensors beyond count": (
            joined({f"t{i}": EMPTY for i in range(40_000)}, b""),
            "holds more than 32,768 tensors",
        ),
        "a header that is a list": (joined(b"[]", numbers), "does not begin"),
        "an empty header": (joined(b"{}", b""), "no tensor named"),
        "deep": (joined(b'{"a":' * 100_000, b""), "too deep"),
        "a tensor twice": (
            joined(b'{"' + Q.encode() + b'": {}, ' + text[1:], numbers),
            "given twice",
        ),
        "a pickle": (b"\x80\x04\x95" + bytes(200), "header"),
        "a zip": (b"PK\x03\x04" + bytes(200), "header|begin"),
        "NaN in the header": (joined(b'{"__metadata__": NaN}', b""), "NaN"),
        "a surrogate": (joined(b'{"\\ud800": 1}', b""), "no JSON object"),
    }
    for name, metadata in (("a string", "x"), ("of numbers", {"a": 1}), ("a list", [])):
        own = {"__metadata__": metadata, **header}
        found[f"metadata: {name}"] = joined(own, numbers), "__metadata__"
    return found


def _headers() -> dict[str, tuple[Callable[[dict[str, Any]], Any], str]]:
    """Changes of one entry of a sound header."""

    def put(key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
        return lambda header: header[Q].__setitem__(key, value)

    def shift(by: int) -> Callable[[dict[str, Any]], Any]:
        return lambda header: put("data_offsets", [n + by for n in header[Q]["data_offsets"]])(
            header
        )

    def rename(name: str) -> Callable[[dict[str, Any]], Any]:
        return lambda header: header.__setitem__(name, header.pop(Q))

    def same(header: dict[str, Any]) -> None:
        other = next(name for name in header if name not in (Q, "__metadata__"))
        header[Q] = header[other]

    found: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
        "overlapping": (shift(-4), "overlap"),
        "a gap": (shift(4), "gap|overlap"),
        "beyond the file": (shift(10**12), "overlap|gap|ends at"),
        "the same place twice": (same, "overlap|gap|takes"),
        "an entry that is a number": (lambda h: h.__setitem__(Q, 3), "no JSON object"),
        "an entry that is null": (lambda h: h.__setitem__(Q, None), "no JSON object"),
        "missing": (lambda h: h.pop(Q), "gap"),
        "an awkward name": (rename(AWKWARD), "q_proj"),
        "an endless name": (rename("x" * 100_000), "q_proj"),
        "no name": (rename(""), "q_proj"),
        "another shape": (put("shape", [12, 48]), "asks for"),
        "a flat shape": (put("shape", [576]), "asks for"),
        "33 dimensions": (put("shape", [1] * 31 + [24, 24]), "shape"),
        "a shape beyond all numbers": (put("shape", [2**62, 2**62]), "memory"),
        "a shape that wraps to zero": (put("shape", [2**32, 2**32, 0]), "takes 0 bytes|memory"),
        "no numbers": (put("shape", [0, 24]), "takes 0 bytes"),
        "no shape": (lambda h: h[Q].pop("shape"), "shape"),
        "no type": (lambda h: h[Q].pop("dtype"), "type"),
        "no offsets": (lambda h: h[Q].pop("data_offsets"), "data_offsets"),
        "offsets turned": (lambda h: h[Q]["data_offsets"].reverse(), "data_offsets"),
    }
    for value in (-24, 24.0, "24", None, True, 10**30, [24]):
        found[f"a size of {value!r}"] = put("shape", [24, value]), "shape"
        found[f"an offset of {value!r}"] = put("data_offsets", [0, value]), "data_offsets|overlap"
    for value in ("F31", "", AWKWARD, 4, None, ["F32"], "f32"):
        found[f"type {value!r}"] = put("dtype", value), "type"
    for value in ("F64", "F16", "I8", "F4"):
        found[f"type {value!r} of another size"] = put("dtype", value), "takes"
    return found


def _numbers() -> Iterator[Case]:
    """Weights that are no numbers to compute with: said where, and no picture of them."""
    header, numbers = split(weights())
    for tensor_name, where in (
        ("model.embed_tokens.weight", "layer 0|not finite"),
        (Q, "layer 0|not finite"),
        ("model.layers.2.mlp.down_proj.weight", "layer 2"),
        ("model.norm.weight", ""),
        ("model.layers.1.input_layernorm.weight", "layer 1"),
    ):
        start, end = header[tensor_name]["data_offsets"]
        for value in (np.nan, np.inf, -np.inf, 3e38):
            full = np.full((end - start) // 4, value, "<f4").tobytes()
            data = joined(header, numbers[:start] + full + numbers[end:])
            codes = (0, 2) if tensor_name == "model.norm.weight" or value == 3e38 else (2,)
            name = f"weights/{value} in {tensor_name.removeprefix('model.')}"
            said = where if codes == (2,) else ""
            yield inspecting(name, good(model_safetensors=data), codes=codes, says=said)
        if tensor_name == "model.norm.weight":
            files = good(model_safetensors=data)
            args = ("inspect", TEXT, "--model", "model", "--generate", "3")
            yield Case(f"weights/{value} in norm, generating", args, files=files)
    start, end = header["model.embed_tokens.weight"]["data_offsets"]
    large = np.frombuffer(numbers[start:end], "<f4") * np.float32(1e25)
    data = joined(header, numbers[:start] + large.tobytes() + numbers[end:])
    yield _refused("squares beyond float32", good(model_safetensors=data), "not finite")
    zeros = good(model_safetensors=joined(header, bytes(len(numbers))))
    yield inspecting("weights/nothing but zeros", zeros)
    for options in (("--ablate", "0.0"), ("--generate", "2"), ("--json",)):
        yield inspecting(f"weights/nothing but zeros {options[0]}", zeros, *options)


def _types() -> Iterator[Case]:
    """Whole models whose numbers are of types that are read, or are not."""
    header, numbers = split(weights())
    sizes = {"I64": 8, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8, "F64": 8, "F16": 2}
    for dtype, size in sizes.items():
        own, place = {}, 0
        for name, about in header.items():
            if name == "__metadata__":
                continue
            n = int(np.prod(about["shape"])) * size
            own[name], place = tensor(dtype, about["shape"], place, place + n), place + n
        data = joined(own, bytes([1]) * place)
        unread = not dtype.startswith("F") or dtype.startswith("F8")
        yield inspecting(
            f"weights/all of type {dtype}",
            good(model_safetensors=data),
            codes=(2,) if unread else (0, 2),
            says="not read|no weights" if unread else "",
        )
    large = np.full(len(numbers) // 4, 1e300, "<f8").tobytes()
    own = {
        name: about | {"dtype": "F64", "data_offsets": [2 * n for n in about["data_offsets"]]}
        for name, about in header.items()
        if name != "__metadata__"
    }
    files = good(model_safetensors=joined(own, large))
    yield _refused("float64 beyond float32", files, "too large for float32")


def _index(homes: Any, **more: Any) -> bytes:
    return json.dumps({"weight_map": homes, **more}).encode()


def _shards() -> Iterator[Case]:
    names = [name for name in split(weights())[0] if name != "__metadata__"]
    one = "model-1.safetensors"
    whole = dict.fromkeys(names, one)

    def shards(index: bytes, **files: bytes) -> dict[str, bytes]:
        found = good(model_safetensors=None) | {f"model/{INDEX}": index}
        return found | {f"model/{name}": data for name, data in files.items()}

    sound = {one: weights()}
    wrong: dict[str, tuple[bytes, str]] = {
        "empty": (b"", "not JSON"),
        "a list": (b"[]", "weight_map"),
        "no map": (b"{}", "weight_map"),
        "an empty map": (_index({}), "weight_map"),
        "a map that is a list": (_index(names), "weight_map"),
        "a file that is a number": (_index(dict.fromkeys(names, 1)), "no name of a safetensors"),
        "a file that is null": (_index(dict.fromkeys(names)), "no name of a safetensors"),
        "a file above": (_index(dict.fromkeys(names, f"../{one}")), "no name of a safetensors"),
        "a file elsewhere": (
            _index(dict.fromkeys(names, "/etc/passwd")),
            "no name of a safetensors",
        ),
        "an absolute shard": (_index(dict.fromkeys(names, f"/tmp/{one}")), "no name of a"),
        "a shard in a directory": (_index(dict.fromkeys(names, f"sub/{one}")), "no name of a"),
        "a pickle": (_index(dict.fromkeys(names, "pytorch_model.bin")), "no name of a"),
        "an awkward file": (
            _index(dict.fromkeys(names, f"{AWKWARD}.safetensors")),
            "lacks 1 of 1 shards",
        ),
        "a name with NUL": (_index(dict.fromkeys(names, "a\0.safetensors")), "lacks 1 of"),
        "a name too long": (_index(dict.fromkeys(names, "x" * 9999 + ".safetensors")), "lacks"),
        "a missing shard": (_index(whole | {names[0]: "model-2.safetensors"}), "lacks 1 of 2"),
        "a tensor that no shard has": (_index(whole | {"another": one}), "does not have it"),
        "a key twice": (b'{"weight_map": {"a": "b", "a": "c"}}', "given twice"),
        "deep": (b'{"weight_map":' * 100_000, "too deep|not JSON"),
    }
    for what, (index, said) in wrong.items():
        yield _refused(f"index: {what}", shards(index, **sound), said)
    # What only one of the two shards says.
    other = {names[0]: "model-2.safetensors"}
    twice = shards(_index(whole | other), **sound, **{"model-2.safetensors": weights()})
    yield _refused("index: two shards with the same", twice, "in two files")
    yield inspecting("weights/index: sound", shards(_index(whole), **sound), codes=(0,), shows="w5")
    two = good(model_safetensors=None) | {"model/a.safetensors": weights()}
    two["model/b.safetensors"] = weights()
    yield _refused("two files and no index", two, "no model.safetensors.index.json")


def _places() -> Iterator[Case]:
    """Where a file should be there is something else."""

    def spoil(name: str, how: Callable[[Path], Any]) -> Callable[[Path], None]:
        def prepare(directory: Path) -> None:
            path = directory / "model" / name
            path.unlink(missing_ok=True)
            how(path)

        return prepare

    kinds: dict[str, tuple[Callable[[Path], Any], str]] = {
        "a pipe": (os.mkfifo, "not a regular file"),
        "a directory": (os.mkdir, "not a regular file|directory"),
        "a link to nothing": (lambda p: p.symlink_to("nothing"), "has no|cannot read"),
        "a link to itself": (lambda p: p.symlink_to(p.name), "in a circle|has no"),
        "a link to a device": (lambda p: p.symlink_to("/dev/zero"), "link out of"),
        "a link outward": (_outward, "link out of"),
        "a link far outward": (lambda p: p.symlink_to("/etc/passwd"), "link out of"),
    }
    for file in ("config.json", "model.safetensors", "tokenizer.json", INDEX):
        for kind, (how, said) in kinds.items():
            files = good()
            if file == INDEX:
                if kind in ("a link to nothing", "a link to itself"):
                    continue  # as good as none
                files["model/model-1.safetensors"] = files.pop(FILE)
            yield _refused(f"{file} is {kind}", files, said, prepare=spoil(file, how))
    yield inspecting(
        "weights/a link within", good(), codes=(0,), prepare=spoil("model.safetensors", _within)
    )
    for path, said in (
        (FILE, "one file of a model"),
        ("model/config.json", "one file of a model"),
        ("model/x", "forbids to fetch"),
        ("/dev/null", "neither a directory"),
        ("/dev/zero", "neither a directory"),
        ("model/\0", "no model"),
        ("model/" + "x" * 5000, "no model"),
        ("x" * 100_000, "no model"),
        (AWKWARD, "no model"),
        ("", "no model"),
        (".", "no weights"),
    ):
        if "\0" not in path:
            args = ("inspect", TEXT, "--model", path, "--offline")
            yield Case(f"weights/--model {path[:20]!r}", args, good(), codes=(2,), says=said)


def _outward(path: Path) -> None:
    other = path.parent.parent / "elsewhere"
    other.write_bytes(weights())
    path.symlink_to(Path("..", "elsewhere"))


def _within(path: Path) -> None:
    (path.parent / "own").mkdir()
    (path.parent / "own" / "weights").write_bytes(weights())
    path.symlink_to(Path("own", "weights"))


def _sparse(path: Path, header: dict[str, Any], size: int) -> None:
    with path.open("wb") as file:
        data = joined(header, b"")
        file.write(data)
        file.truncate(len(data) + size)


def _large() -> Iterator[Case]:
    """Files that are as large as they say, and hold nothing."""

    def grown(changes: dict[str, Any], shapes: dict[str, list[int]], dtype: str = "F32") -> Any:
        def prepare(directory: Path) -> None:
            header, place = {}, 0
            for name, about in split(weights())[0].items():
                if name == "__metadata__":
                    continue
                shape = shapes.get(name, about["shape"])
                size = int(np.prod([*shape], dtype=object)) * (4 if dtype == "F32" else 2)
                header[name] = tensor(dtype, shape, place, place + size)
                place += size
            _sparse(directory / FILE, header, place)
            path = directory / "model" / "config.json"
            path.write_text(json.dumps(config() | changes))

        return prepare

    embed, head = "model.embed_tokens.weight", "lm_head.weight"
    n = 10**9
    for dtype in ("F32", "BF16"):
        table = grown({"vocab_size": n}, {embed: [n, 24], head: [n, 24]}, dtype)
        name = f"a billion words of {dtype}"
        yield _refused(name, good(), "vocab_size. must be", prepare=table)
    most = 1 << 24
    table = grown({"vocab_size": most}, {embed: [most, 24], head: [most, 24]})
    yield inspecting("weights/as many words as can be", good(), prepare=table, codes=(0,))
    wide = {
        f"model.layers.{i}.mlp.{p}_proj.weight": [2**31 - 1, 24]
        for i in range(3)
        for p in ("gate", "up")
    }
    wide |= {f"model.layers.{i}.mlp.down_proj.weight": [24, 2**31 - 1] for i in range(3)}
    yield _refused(
        "a feed-forward of two billion",
        good(),
        "would take",
        prepare=grown({"intermediate_size": 2**31 - 1}, wide),
    )
    tall = {Q.replace(".0.", f".{i}."): [2**20, 24] for i in range(3)}
    yield inspecting(
        "weights/a tensor of other size than all",
        good(),
        prepare=grown({}, tall),
        codes=(2,),
        says="asks for",
    )


def _cut_while_read() -> Iterator[Case]:
    """The file is cut at some moment of the run: before, while or after it is mapped."""

    def cut(after: float, size: int) -> Callable[[Path], None]:
        def prepare(directory: Path) -> None:
            timer = threading.Timer(after, shorten, (directory / FILE, size))
            timer.daemon = True
            timer.start()

        return prepare

    def shorten(path: Path, size: int) -> None:
        with suppress(FileNotFoundError):  # the run is over, and its directory gone
            os.truncate(path, size)

    for hundredth in range(10, 50, 5):
        yield inspecting(
            f"weights/cut after {hundredth / 100} s",
            good(),
            prepare=cut(hundredth / 100, 5000 if hundredth % 10 else 0),
            changes=(FILE,),
            in_terminal=False,
        )
