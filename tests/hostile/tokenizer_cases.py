"""tokenizer.json: what is none, what contradicts itself or the model, patterns that explode, and
tokens with awkward names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hostile.case import Case
from hostile.checkpoints import AWKWARD, TEXT, good, inspecting, tokenizer, with_config

FILE = "model/tokenizer.json"
PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}


def cases() -> Iterator[Case]:
    for what, (data, said) in _whole().items():
        yield asking(what, data, codes=(2,), says=said)
    for what, changes in _parts().items():
        yield asking(what, changed(**changes))
    for what, model in _models().items():
        yield asking(what, changed(model=model))
    for what, options in _asked().items():
        yield inspecting(f"tokenizer/{what}", good(), *options)
    yield from _names()
    yield from _disagreeing()
    yield from _exploding()
    yield from _large()
    yield from _texts()


def asking(what: str, data: bytes, *options: str, **more: Any) -> Case:
    return inspecting(f"tokenizer/{what}", good(tokenizer_json=data), *options, **more)


def changed(**changes: Any) -> bytes:
    return json.dumps(json.loads(tokenizer()) | changes).encode()


def words(vocabulary: Any, **more: Any) -> dict[str, Any]:
    return {"type": "WordLevel", "vocab": vocabulary, "unk_token": "w1", **more}


def vocabulary() -> dict[str, int]:
    return dict(json.loads(tokenizer())["model"]["vocab"])


def _whole() -> dict[str, tuple[bytes, str]]:
    sound = tokenizer()
    return {
        "empty": (b"", "tokenizer.json"),
        "a list": (b"[]", "tokenizer.json"),
        "an empty object": (b"{}", "tokenizer.json"),
        "null": (b"null", "tokenizer.json"),
        "cut": (sound[:-30], "tokenizer.json"),
        "trailing": (sound + b"x", "tokenizer.json"),
        "UTF-16": (sound.decode().encode("utf-16"), "tokenizer.json"),
        "deep": (b'{"a":' * 100_000, "tokenizer.json"),
        "deep lists": (b'{"model":' + b"[" * 100_000, "tokenizer.json"),
        "NUL": (bytes(1000), "tokenizer.json"),
        "a pickle": (b"\x80\x04\x95" + bytes(100), "tokenizer.json"),
    }


def _added(content: Any, index: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"id": index, "content": content, "special": True, **PLAIN, **more}]


def _parts() -> dict[str, dict[str, Any]]:
    """Parts that are of no kind, or say what cannot be."""
    template = {"type": "TemplateProcessing", "pair": [{"Sequence": {"id": "A", "type_id": 0}}]}
    alien = [{"SpecialToken": {"id": "[X]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    around = {"ids": [10**6], "tokens": ["[X]"], "id": "[X]"}
    found: dict[str, dict[str, Any]] = {
        "a version of nothing": {"version": None},
        "a version to come": {"version": "99.0"},
        "a template of unknown tokens": {
            "post_processor": {**template, "single": alien, "special_tokens": {}}
        },
        "a template of tokens beyond": {
            "post_processor": {**template, "single": alien, "special_tokens": {"[X]": around}}
        },
        "a template of two ids": {
            "post_processor": {
                **template,
                "single": alien,
                "special_tokens": {"[X]": around | {"ids": [1, 3], "tokens": ["a", "b"]}},
            }
        },
        "a template of no ids": {
            "post_processor": {
                **template,
                "single": alien,
                "special_tokens": {"[X]": around | {"ids": [], "tokens": []}},
            }
        },
        "a template that leaves the text out": {
            "post_processor": {**template, "single": [], "special_tokens": {}}
        },
        "a template with the text twice": {
            "post_processor": {
                **template,
                "single": [{"Sequence": {"id": "A", "type_id": 0}}] * 2,
                "special_tokens": {},
            }
        },
        "BERT's template with tokens beyond": {
            "post_processor": {"type": "BertProcessing", "sep": ["x", 10**6], "cls": ["y", 2]}
        },
        "padding to a billion": {
            "padding": {
                "strategy": {"Fixed": 10**9},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "<s>",
            }
        },
        "truncation to nothing": {
            "truncation": {
                "direction": "Right",
                "max_length": 0,
                "strategy": "LongestFirst",
                "stride": 10,
            }
        },
        "a normalizer that empties": {
            "normalizer": {"type": "Replace", "pattern": {"Regex": ".*"}, "content": ""}
        },
        "a normalizer that multiplies": {
            "normalizer": {
                "type": "Sequence",
                "normalizers": [
                    {"type": "Replace", "pattern": {"String": "w"}, "content": "ww" * 5}
                ]
                * 6,
            }
        },
        "a normalizer of an endless list": {
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}] * 10_000}
        },
        "a pattern that is none": {
            "pre_tokenizer": {
                "type": "Split",
                "pattern": {"Regex": "(((("},
                "behavior": "Removed",
                "invert": False,
            }
        },
        "a character map of rubbish": {
            "normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA////"}
        },
        "a decoder that lies": {
            "decoder": {"type": "Replace", "pattern": {"Regex": "."}, "content": AWKWARD}
        },
        "a decoder of bytes": {"decoder": {"type": "ByteFallback"}},
        "a decoder that strips all": {
            "decoder": {"type": "Strip", "content": "w", "start": 10**9, "stop": 10**9}
        },
        "an added token of no text": {"added_tokens": _added("", 60)},
        "an added token beyond": {"added_tokens": _added("w5", 10**6)},
        "an added token of the greatest id": {"added_tokens": _added("w5", 2**32 - 1)},
        "an added token of a negative id": {"added_tokens": _added("w5", -1)},
        "an added token that is a number": {"added_tokens": _added(5, 5)},
        "an added token of an awkward name": {"added_tokens": _added(AWKWARD, 5)},
        "an added token that takes all": {"added_tokens": _added(" ", 5, lstrip=True, rstrip=True)},
        "two added tokens of one id": {"added_tokens": [*_added("w5", 5), *_added("w6", 5)]},
        "added tokens that are a string": {"added_tokens": "w5"},
        "added tokens that are null": {"added_tokens": None},
    }
    for part in ("normalizer", "pre_tokenizer", "post_processor", "decoder", "model"):
        for value in ({"type": AWKWARD}, {}, [], 5, "ByteLevel", {"type": "Sequence"}):
            found[f"{part}={value!r}"[:50]] = {part: value}
    return found


def _models() -> dict[str, Any]:
    tokens = vocabulary()
    return {
        "an unknown word that is missing": words(tokens, unk_token="nowhere"),
        "no unknown word": words(tokens, unk_token=None),
        "an empty vocabulary": words({}),
        "a vocabulary that is a list": words([*tokens]),
        "ids that are strings": words({token: str(n) for token, n in tokens.items()}),
        "ids that are negative": words({token: -n for token, n in tokens.items()}),
        "ids that are fractions": words({token: n + 0.5 for token, n in tokens.items()}),
        "ids that are all one": words(dict.fromkeys(tokens, 3)),
        "ids with gaps": words({token: 2 * n for token, n in tokens.items()}),
        "the greatest id": words(tokens | {"w5": 2**32 - 1}),
        "an id beyond 32 bits": words(tokens | {"w5": 2**40}),
        "an empty word": words(tokens | {"": 5}),
        "byte pairs out of the vocabulary": {
            "type": "BPE",
            "vocab": tokens,
            "merges": [["w5", "zz"]],
        },
        "byte pairs of one": {"type": "BPE", "vocab": tokens, "merges": ["w5"]},
        "byte pairs without letters": {"type": "BPE", "vocab": tokens, "merges": []},
        "byte fallback without bytes": {
            "type": "BPE",
            "vocab": tokens,
            "merges": [],
            "byte_fallback": True,
            "unk_token": "nowhere",
        },
        "dropout of pairs": {"type": "BPE", "vocab": tokens, "merges": [], "dropout": 7.5},
        "unigrams of NaN": {"type": "Unigram", "vocab": [["a", None]], "unk_id": 0},
        "unigrams without an unknown": {"type": "Unigram", "vocab": [["a", -1.0]], "unk_id": 9},
        "unigrams of nothing": {"type": "Unigram", "vocab": [], "unk_id": None},
        "pieces without an unknown": {
            "type": "WordPiece",
            "vocab": tokens,
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
        },
    }


def _asked() -> dict[str, tuple[str, ...]]:
    """What a sound model is asked that it cannot do."""
    return {
        "a pair to a decoder": ("--pair", "w8"),
        "a decoder's text to a decoder": ("--decoder", "w8"),
        "no layer 99": ("--layer", "99"),
        "no layer -99": ("--layer", "-99"),
        "an awkward layer": ("--layer", AWKWARD),
        "no head 4": ("--head", "4"),
        "heads the wrong way": ("--head", "3-1"),
        "no query 99": ("--query", "99"),
        "an awkward query": ("--query", AWKWARD),
        "no ablation of nothing": ("--ablate", ""),
        "an ablation of an awkward head": ("--ablate", AWKWARD),
        "an ablation beyond": ("--ablate", "9.9"),
        "an ablation of the greatest": ("--ablate", f"{10**30}.{10**30}"),
        "an ablation of all": ("--ablate", "0-2.0-3"),
        "generate none": ("--generate", "0"),
        "generate fewer than none": ("--generate", "-1"),
        "generate an absurd number": ("--generate", "1" + "0" * 30),
        "generate until it is full": ("--generate", "1000000"),
        "generate words": ("--generate", "x"),
    }


def _names() -> Iterator[Case]:
    """Tokens whose names are drawn in every view."""
    for what, name in {
        "a control sequence": "\x1b[2J\x1b[1;1H",
        "a title": "\x1b]0;owned\x07",
        "both ways": "\u202eabc\u2066",
        "markup": "[bold red]x[/bold red][/]",
        "a link": "[link=file:///etc]x[/link]",
        "an emoji's name": ":smile:",
        "line ends": "a\nb\r\nc\u2028d",
        "NUL": "a\0b",
        "private": "\ue000\U000f0000",
        "marks": "e" + "\u0301" * 500,
        "wide": "漢字" * 50,
        "a script": "</script><script>alert(1)</script>",
        "a formula": "=1+1",
        "a megabyte": "x" * 1_000_000,
    }.items():
        data = changed(
            model=words({token: n for token, n in vocabulary().items() if n != 6} | {name: 6}),
            added_tokens=_added(name, 6),
        )
        text = "w5 w60"
        options = ("--json",) if what in ("line ends", "NUL") else ()
        processor = {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": name, "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {name: {"id": name, "ids": [6], "tokens": [name]}},
        }
        around = json.dumps(json.loads(data) | {"post_processor": processor}).encode()
        args = ("inspect", text, "--model", "model", *options)
        files = good(tokenizer_json=around)
        yield Case(f"tokenizer/a token that is {what}", args, files)
        yield Case(
            f"tokenizer/explaining a token that is {what}",
            ("explain", text, "--model", "model", "--query", "1", "--key", "0"),
            files,
        )
    for suffix in ("json", "csv", "html", "svg", "md", "npz", "safetensors"):
        args = ("inspect", "w5", "--model", "model", "-o", f"out.{suffix}")
        yield Case(f"tokenizer/a megabyte in {suffix}", args, files, makes=(f"out.{suffix}",))


def _disagreeing() -> Iterator[Case]:
    reader = Path(__file__).parent.parent / "reference" / "readers"
    for name in ("gpt2", "llama", "bert", "albert", "llama3"):
        yield asking(
            f"that of {name}", (reader / f"{name}.json").read_bytes(), says="", codes=(0, 2)
        )
    one_id = words(vocabulary() | dict.fromkeys(["w5", "w6", "w7"], 9))
    yield asking(
        "words of one id", changed(model=one_id, added_tokens=[]), codes=(2,), says="have one id"
    )
    large = words({f"w{n}": n for n in range(900)})
    files = good(tokenizer_json=changed(model=large, added_tokens=[]))
    args = ("inspect", "w5 w899", "--model", "model")
    yield Case("tokenizer/more words than rows", args, files, codes=(2,), says="61 rows")
    awkward = words(vocabulary() | {AWKWARD: 5000})
    files = good(tokenizer_json=changed(model=awkward, added_tokens=_added(AWKWARD, 5000)))
    args = ("inspect", AWKWARD, "--model", "model")
    yield Case("tokenizer/an awkward word beyond", args, files, codes=(2,), says="61 rows")
    few = words({"w1": 1, "w5": 5})
    files = good(tokenizer_json=changed(model=few, added_tokens=[], post_processor=None))
    args = ("inspect", "w5 w5", "--model", "model", "--generate", "5")
    yield Case("tokenizer/fewer words than the model predicts", args, files)
    missing = with_config("t5", decoder_start_token_id=59) | {
        FILE: changed(model=few, added_tokens=[], post_processor=None)
    }
    yield inspecting(
        "tokenizer/no start token", missing, "--decoder", "w5", codes=(2,), says="token of id 59"
    )


def _exploding() -> Iterator[Case]:
    """Patterns that take for ever on a text that is made for them."""
    for pattern in ("(a+)+$", "(a|aa)+$", "(.*a){25}$", "(?:a?){40}a{40}", r"(a*)*\1b"):
        for part in ("normalizer", "pre_tokenizer"):
            own = {
                "normalizer": {"type": "Replace", "pattern": {"Regex": pattern}, "content": "w5"},
                "pre_tokenizer": {
                    "type": "Split",
                    "pattern": {"Regex": pattern},
                    "behavior": "Removed",
                    "invert": False,
                },
            }
            args = ("inspect", "a" * 40 + "!", "--model", "model")
            files = good(tokenizer_json=changed(**{part: own[part]}))
            yield Case(f"tokenizer/{part} {pattern}", args, files)
    for what, step in {
        "a long content": {"pattern": {"String": "w"}, "content": "b" * 10**7},
        "doubled": {"pattern": {"String": "w"}, "content": "ww"},
        "doubled by a pattern": {"pattern": {"Regex": "w|x"}, "content": "xx"},
        "between letters": {"pattern": {"Regex": "x*"}, "content": "w"},
    }.items():
        steps = [{"type": "Replace", **step}] * (1 if what == "a long content" else 40)
        model = changed(normalizer={"type": "Sequence", "normalizers": steps})
        said = "tokenizer.json .*can make more than"
        for spelling in (b'"normalizer"', rb'"\u006eormalizer"'):
            data = model.replace(b'"normalizer"', spelling)
            name = f"grows, {what}" + ", its key in escapes" * (b"u006e" in spelling)
            yield asking(name, data, codes=(2,), says=said)


def _large() -> Iterator[Case]:
    def grown(size: int, begin: bytes, piece: bytes) -> Any:
        def prepare(directory: Path) -> None:
            with (directory / FILE).open("wb") as file:
                file.write(begin)
                if piece:
                    file.write(piece)
                file.truncate(size)

        return prepare

    for what, size in (("300 megabytes", 300 << 20), ("ten terabytes", 10 << 40)):
        yield inspecting(
            f"tokenizer/{what}", good(), prepare=grown(size, b"{", b""), codes=(2,), says="large"
        )
    yield inspecting(
        "tokenizer/100 megabytes of nothing",
        good(),
        prepare=grown(100 << 20, b"{", b""),
        codes=(2,),
        says="tokenizer.json",
    )


def _texts() -> Iterator[Case]:
    """Texts that a sound model cannot take, or that say nothing."""
    for what, text in {
        "empty": "",
        "white space": " \n\t ",
        "longer than its positions": "w5 " * 100,
        "far longer": "w5 " * 20_000,
        "unknown words": "nothing of this",
        "awkward": AWKWARD,
        "half a character": "\udce6\udcbc",
    }.items():
        for options in ((), ("--truncate",), ("--generate", "2")):
            given = text.encode("utf-8", "surrogateescape")
            args: tuple[Any, ...] = ("inspect", given, "--model", "model", *options)
            yield Case(f"tokenizer/text: {what} {' '.join(options)}", args, good())
    for model in ("bert", "gpt2", "t5"):
        for options in (("--pair", ""), ("--decoder", ""), ("--pair", "w5 " * 5000)):
            name = f"tokenizer/{model} {options[0]} of {len(options[1])}"
            yield Case(name, ("inspect", TEXT, "--model", "model", *options), good(model))
