"""Text: whatever a stranger wrote is shown and said, and neither obeyed nor lost."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

from hostile.case import Case
from hostile.payloads import ONE_BY_ONE, TOGETHER

# Where any payload would do, and where markup could be taken for more as well.
ONCE = {"obeyed": TOGETHER["obeyed"]}
SAID = {name: TOGETHER[name] for name in ("obeyed", "marked")}
UNDECODABLE = b"a\xffb\xc3"


def cases() -> Iterator[Case]:
    yield from _one_by_one()
    yield from _texts()
    yield from _names()
    yield from _options()
    yield from _documents()
    yield from _tensors()
    yield from _checkpoints()
    yield from _undecodable()
    yield from _extremes()


def _one_by_one() -> Iterator[Case]:
    for name, payload in ONE_BY_ONE.items():
        yield Case(
            f"text/token/{name}",
            ("inspect", f"{payload} and {payload}", "--split", "whitespace"),
            codes=(0,),
            shows="tokens",
        )


def _texts() -> Iterator[Case]:
    """A text in every command that takes one, and in every format that is printed."""
    for name, payload in TOGETHER.items():
        text = f"{payload} and {payload}"
        split = ("--split", "whitespace")
        for form in ("json", "jsonl", "csv", "md", "txt", "svg", "html"):
            yield Case(
                f"text/{name}/format-{form}",
                ("inspect", text, *split, "--format", form),
                codes=(0,),
            )
        commands: dict[str, tuple[str, ...]] = {
            "inspect-all": ("inspect", text, *split, "--show", "all", "--heads", "2"),
            "inspect-map": ("inspect", text, *split, "--style", "map", "--color", "always"),
            "inspect-strongest": ("inspect", text, *split, "--head", "0"),
            "inspect-cross": ("inspect", "a b", "--cross", text, *split),
            "inspect-characters": ("inspect", payload[:60], "--split", "characters"),
            "inspect-bytes": ("inspect", payload[:30], "--split", "bytes"),
            "inspect-many-heads": ("inspect", text, *split, "--heads", "16"),
            "compare": ("inspect", text, *split, "--compare-with", "linear"),
            "vocab": ("vocab", text, *split),
            "vocab-encode": ("vocab", text, *split, "--encode"),
            "vocab-special": ("vocab", "a b", "--special", payload, "--unk", payload),
            "explain": ("explain", text, *split, "--query", "and", "--key", f"{payload}@0"),
            "explain-json": ("explain", text, *split, "--query", "and", "--json"),
        }
        for command, args in commands.items():
            yield Case(f"text/{name}/{command}", args, codes=(0,))
        yield Case(
            f"text/{name}/stdin", ("inspect", "-", *split), stdin=text.encode() * 20, codes=(0,)
        )
        yield Case(
            f"text/{name}/lines", ("inspect", "-", "--lines"), stdin=f"{text}\n".encode() * 3
        )
        yield Case(
            f"text/{name}/check",
            ("check", "m.json", "--text", text, *split),
            files={"m.json": b"[[0.1, 0.2, 0.7], [0.1, 0.2, 0.7], [0.1, 0.2, 0.7]]"},
            codes=(1,),
        )


def _names() -> Iterator[Case]:
    """Names of files that there are, hold nonsense, or are not there."""
    for name, payload in ONCE.items():
        short = payload.encode()[:240].decode(errors="ignore")
        places: dict[str, tuple[str, ...]] = {
            "show": ("show", short),
            "inspect-file": ("inspect", "-f", short),
            "vocab-file": ("vocab", short, short),
            "vocabulary": ("inspect", "a", "--vocab", short),
            "embeddings": ("inspect", "a", "--embeddings", short),
            "model": ("inspect", "a", "--offline", "--model", short),
            "check": ("check", short),
            "diff": ("diff", short, short),
            "heads": ("heads", short),
            "tokens": ("show", "x.npy", "--tokens", short),
            "out": ("inspect", "a b", "-o", f"{short}/x.json"),
            "suffix": ("inspect", "a b", "-o", f"x.{short}"),
        }
        for place, args in places.items():
            yield Case(f"text/{name}/no-file/{place}", args, codes=(2,))
        for suffix in ("json", "npz", "txt", "gguf"):
            file = f"{short.encode()[:200].decode(errors='ignore')}.{suffix}"
            yield Case(
                f"text/{name}/bad-file/{suffix}",
                ("show", file),
                files={file: b"{}"},
                codes=(2,),
                says="attn: ",
            )


def _options() -> Iterator[Case]:
    """Values of options, and words of the command line, that are quoted when they are refused."""
    options = {
        "inspect": "--mask --show --layer --head --positions --seed --split --init --recipe "
        "--dropout --format --color --compare-with",
        "show": "--axes --rows --aggregate",
        "heads": "--sort --grid --explain",
        "explain": "--query --key --steps",
    }
    for name, payload in SAID.items():
        for command, given in options.items():
            for option in given.split():
                text = ("a b",) if command in ("inspect", "explain") else ()
                yield Case(
                    f"text/{name}/{command}{option}", (command, *text, option, payload), codes=(2,)
                )
        yield Case(f"text/{name}/replay", ("replay", payload), codes=(2,))
        yield Case(f"text/{name}/schema", ("schema", payload), codes=(2,))
        yield Case(f"text/{name}/option", ("inspect", "a", f"--{payload}"), codes=(2,))
        yield Case(f"text/{name}/option-value", ("inspect", "a", f"--seed={payload}"), codes=(2,))
        yield Case(f"text/{name}/short-option", ("inspect", "a", f"-{payload}"), codes=(2,))
        yield Case(f"text/{name}/command", (payload,), codes=(2,))
        yield Case(f"text/{name}/argument", ("inspect", "a", payload), codes=(2,))
        yield Case(
            f"text/{name}/where",
            ("heads", "-", "--where", f"pattern = {payload}"),
            stdin=_document(),
            codes=(2,),
        )


def _document(**changes: Any) -> bytes:
    """An Inspection of two tokens, with some of its parts exchanged."""
    token = {"text": "a", "span": None, "special": False, "word": None}
    found: dict[str, Any] = {
        "schema": "attn/1",
        "text": "a b",
        "kind": "self",
        "query_tokens": [token, token],
        "key_tokens": None,
        "token_ids": [0, 1],
        "vocabulary": None,
        "mask": {"name": "none", "parameters": {}},
        "layers": [{"index": 0, "weights": [[[0.5, 0.5], [0.25, 0.75]]]}],
        "source": {"kind": "tutorial", "model": "m", "architecture": "x", "settings": {}},
    }
    return json.dumps(found | changes).encode()


def _documents() -> Iterator[Case]:
    """Strings in a file of ours, shown by every view; and names in one that is refused."""
    views: dict[str, tuple[str, ...]] = {
        "table": ("show", "x.json", "--show", "all"),
        "as-generated": ("show", "x.json"),
        "txt": ("show", "x.json", "--format", "txt"),
        "md": ("show", "x.json", "--format", "md"),
        "svg": ("show", "x.json", "--format", "svg"),
        "html": ("show", "x.json", "--format", "html"),
        "csv": ("show", "x.json", "--format", "csv"),
        "json": ("show", "x.json", "--json"),
        "fold": ("show", "x.json", "--fold-special"),
        "words": ("show", "x.json", "--words"),
        "heads": ("heads", "x.json"),
        "explain": ("explain", "-f", "x.json", "--query", "0"),
        "diff": ("diff", "x.json", "y.json"),
    }
    for name, payload in TOGETHER.items():
        wild = f"{payload}\0\n\t\r\u2028\u2029 {payload}"
        token = {"text": wild, "span": None, "special": True, "word": 0, "pieces": [wild]}
        other = {"text": "\r\n\0", "special": False, "word": 1}
        whole = _document(
            text=wild,
            query_tokens=[token, other],
            vocabulary={wild: 0, "\n": 1},
            mask={"name": wild, "parameters": {wild: wild}},
            source={
                **dict.fromkeys(("kind", "model", "architecture", "recipe", "dtype"), wild),
                "settings": dict.fromkeys(
                    (wild, "positions", "score", "dropout", "stored", "doubts", "new_token"), wild
                )
                | {"doubts": [wild], "n_layer": 9},
            },
        )
        nameless = _document(text="", source={"kind": wild, "model": wild, "architecture": wild})
        for view, args in views.items():
            yield Case(
                f"text/{name}/document/{view}",
                args,
                files={"x.json": whole, "y.json": nameless},
                codes=(0, 1, 2) if view in ("diff", "explain") else (0,),
            )
        yield Case(
            f"text/{name}/document/nameless",
            ("show", "x.json"),
            files={"x.json": nameless},
            codes=(0,),
        )
        refused: dict[str, dict[str, Any]] = {
            "schema": {"schema": payload},
            "kind": {"kind": payload},
            "settings": {"source": {"kind": "x", "model": 1, wild: 2}},
            "word": {"vocabulary": {wild: "x"}},
            "half": {"text": f"{payload}\ud800"},
            "half-token": {"query_tokens": [{"text": "\udfff"}, {"text": "b"}]},
        }
        for what, change in refused.items():
            yield Case(
                f"text/{name}/refused/{what}",
                ("show", "x.json"),
                files={"x.json": _document(**change)},
                codes=(2,),
            )
        twice = f'{{"{payload[:50]!a}": 1, "{payload[:50]!a}": 2}}'.replace("\\x", "\\u00")
        yield Case(f"text/{name}/refused/twice", ("show", "-"), stdin=twice.encode(), codes=(2,))
        vocabulary = json.dumps({wild: 0, f"{wild}b": 0}).encode()
        yield Case(
            f"text/{name}/refused/vocabulary",
            ("vocab", "--vocab", "v.json"),
            files={"v.json": vocabulary},
            codes=(2,),
        )
        words = json.dumps([wild, f"{payload}b", "c\x1b[0m\u2028"]).encode()
        for mode, args in {"list": (), "decode": ("0 1 2", "--decode")}.items():
            for json_too in ((), ("--json",)):
                yield Case(
                    f"text/{name}/vocabulary/{mode}{''.join(json_too)}",
                    ("vocab", *args, "--vocab", "v.json", *json_too),
                    files={"v.json": words},
                    codes=(0,),
                )
        yield Case(
            f"text/{name}/vocabulary/as-text",
            ("vocab", "--vocab", "v.json", "-o", "v.txt"),
            files={"v.json": words},
            codes=(2,),
        )


def _array(name: str, header: str, data: bytes) -> bytes:
    head = f"{header} ".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + data


def _tensors() -> Iterator[Case]:
    """Names of arrays and metadata in files of other programs."""
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1)}"
    one = b"\x00\x00\x80\x3f"
    for name, payload in ONCE.items():
        for count in (1, 3):
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w") as members:
                for number in range(count):
                    members.writestr(f"{payload}{number}.npy", _array("", header, one))
            yield Case(
                f"text/{name}/npz/{count}", ("show", "x.npz"), files={"x.npz": archive.getvalue()}
            )
        for dtype in ("F32", payload):
            tensors = {
                "__metadata__": {payload: payload, "tokens": payload},
                payload: {"dtype": dtype, "shape": [1, 1, 1, 1], "data_offsets": [0, 4]},
            }
            head = json.dumps(tensors).encode()
            yield Case(
                f"text/{name}/safetensors/{'good' if dtype == 'F32' else 'bad'}-dtype",
                ("show", "x.safetensors"),
                files={"x.safetensors": len(head).to_bytes(8, "little") + head + one},
            )
        yield Case(
            f"text/{name}/tensors/keys",
            ("show", "x.json"),
            files={"x.json": json.dumps({payload: [[1.0]], "tokens": [payload]}).encode()},
        )
        yield Case(
            f"text/{name}/tensors/tokens",
            ("show", "x.json", "--tokens", "t.txt"),
            files={
                "x.json": b"[[0.5, 0.5], [0.5, 0.5]]",
                "t.txt": f"{payload}\n\x1b[31m{payload}\n".encode(),
            },
        )
        yield Case(
            f"text/{name}/tensors/embedding-names",
            ("inspect", "--embeddings", "e.csv", "--recipe", "book"),
            files={"e.csv": f'"{payload.replace(chr(34), "")}",1,2,3\nb,4,5,6\n'.encode()},
        )
        yield Case(
            f"text/{name}/tensors/embedding-number",
            ("inspect", "--embeddings", "e.json"),
            files={"e.json": json.dumps({"a": [payload]}).encode()},
            codes=(2,),
        )


def _checkpoints() -> Iterator[Case]:
    """A model's own words for itself."""
    for name, payload in ONCE.items():
        for key in ("model_type", "hidden_act", "torch_dtype", "num_hidden_layers"):
            config = {"model_type": "gpt2", "n_layer": 1, "n_head": 1, "n_embd": 2} | {key: payload}
            yield Case(
                f"text/{name}/config/{key}",
                ("inspect", "a", "--model", "m"),
                files={"m/config.json": json.dumps(config).encode(), "m/model.safetensors": b"x"},
                codes=(2,),
            )
        short = payload.encode()[:150].decode(errors="ignore")
        yield Case(
            f"text/{name}/cache",
            ("models", "--cache", "c"),
            files={f"c/models--{short}--{short[:20]}/snapshots/1/config.json": b"{}"},
        )


def _undecodable() -> Iterator[Case]:
    """Bytes that are no text, wherever the command line takes a word."""
    places: dict[str, tuple[str | bytes, ...]] = {
        "text": ("inspect", UNDECODABLE),
        "vocab": ("vocab", UNDECODABLE),
        "cross": ("inspect", "a", "--cross", UNDECODABLE),
        "unk": ("inspect", "a", "--unk", UNDECODABLE),
        "special": ("vocab", "a", "--special", UNDECODABLE),
        "command": (UNDECODABLE,),
        "option": ("inspect", b"--" + UNDECODABLE),
        "choice": ("inspect", "a", "--split", UNDECODABLE),
        "mask": ("inspect", "a", "--mask", UNDECODABLE),
        "file": ("show", UNDECODABLE),
        "model": ("inspect", "a", "--offline", "--model", UNDECODABLE),
        "query": ("explain", "a", "--query", UNDECODABLE),
        "check": ("check", "-", "--text", UNDECODABLE),
        "where": ("heads", "x.json", "--where", UNDECODABLE),
    }
    for place, args in places.items():
        for locale in ("C.UTF-8", "C") if place in ("text", "unk", "option") else ("C.UTF-8",):
            yield Case(
                f"text/undecodable/{place}/{locale}",
                args,
                files={"x.json": _document()},
                stdin=b"[[1.0]]",
                env={"LANG": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
                codes=(2,),
            )
    yield Case("text/undecodable/stdin", ("inspect", "-"), stdin=UNDECODABLE, codes=(2,))
    yield Case(
        "text/undecodable/out",
        ("inspect", "a b", "-o", UNDECODABLE + b".json"),
        codes=(0,),
        makes=("a\udcffb\udcc3.json",),
    )


def _extremes() -> Iterator[Case]:
    texts = {
        "nothing": "",
        "spaces": "   \u3000\u00a0 ",
        "marks": "\u0301\u0300",
        "punctuation": "!!! ... ¿?",
        "long-word": "x" * 100_000,
        "long-wide-word": "漢" * 40_000,
        "long-tower": "a" + "\u0301" * 60_000,
        "long-obeyed": "\x1b" * 100_000,
        "long-emoji": "👩\u200d" * 15_000,
        "long-flags": "🇫🇷" * 12_000,
        "many-words": "a b " * 25_000,
    }
    for name, text in texts.items():
        for command in (("inspect",), ("explain", "--query", "0")):
            yield Case(
                f"text/extreme/{name}/{command[0]}",
                (*command[:1], text, *command[1:], "--split", "whitespace"),
            )
    mega = "x" * (1 << 20)
    for name, text in {"mega": mega, "mega-obeyed": "\u202e\x1b漢" * (1 << 18)}.items():
        for form in ("table", "json", "csv", "svg", "html", "md"):
            yield Case(
                f"text/extreme/{name}/{form}",
                ("inspect", "-", "--split", "whitespace", "--format", form),
                stdin=text.encode(),
                codes=(0,),
            )
    for name, value in {"long": "x" * 100_000, "long-obeyed": "\x1b\u202e" * 30_000}.items():
        for option in (
            "--mask",
            "--seed",
            "--split",
            "--show",
            "--model",
            "-f",
            f"--{value[:999]}",
        ):
            yield Case(
                f"text/extreme/{name}/{option[:8]!a}", ("inspect", "a", option, value), codes=(2,)
            )
        yield Case(f"text/extreme/{name}/command", (value,), codes=(2,))
