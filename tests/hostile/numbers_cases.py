"""Numbers: options and vectors at the ends of what floats, memory and patience hold."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hostile.case import Case

TEXT = "Life is short, eat dessert first"
HUGE = ("2147483647", "2147483648", "9223372036854775808", "9" * 400, "-1", "0", "1e9", "0x10", "²")
SIZES = ("d-model", "d-k", "d-v", "heads", "kv-heads", "vocab-size", "cross-rand", "max-positions")
FLOATS = ("nan", "inf", "-inf", "-1", "1", "1e400", "1e-400", "0", "5e-324", "x", "", "1_0", "٣")
VECTORS: dict[str, list[float]] = {
    "±1000": [1000.0, -1000.0],
    "1e19": [1e19, 1e19],
    "1e30": [1e30, -1e30],
    "largest": [3.4028234e38, 3.4028234e38],
    "subnormal": [1e-45, -1e-45],
    "zero": [0.0, -0.0],
    "half-largest": [65504.0, -65504.0],
    "beyond-half": [65536.0, 1e5],
}


def cases() -> Iterator[Case]:
    for option in SIZES:
        for value in HUGE:
            yield Case(
                f"numbers/size/{option}/{value[:20]}",
                ("inspect", TEXT, f"--{option}={value}"),
                says="" if value in ("2147483647", "0") else "--|would take|draw",
                in_terminal=False,
            )
    pairs = (("d-model", "heads"), ("d-k", "d-model"), ("heads", "d-v"), ("cross-rand", "d-model"))
    for one, other in pairs:
        for init in ("rand", "linear", "randn"):
            yield Case(
                f"numbers/product/{one}×{other}/{init}",
                ("inspect", TEXT, f"--{one}=1000000", f"--{other}=1000000", "--init", init),
                codes=(2,),
                says=r"would take .* can be used here",
            )
    for option in ("softcap", "dropout"):
        for value in FLOATS:
            yield Case(f"numbers/{option}/{value!r}", ("inspect", TEXT, f"--{option}={value}"))
    for base in ("nan", "inf", "0", "-1", "1", "1e400", "1.0000001", "1e29", "", "x"):
        yield Case(
            f"numbers/rope/{base!r}", ("inspect", TEXT, "--positions", f"rope:{base}", "--d-k=2")
        )
    for value in FLOATS:
        yield Case(
            f"numbers/tolerance/{value!r}",
            ("diff", "x", "x", f"--tolerance={value}"),
            {"x": b'{"weights": [[1, 0], [0.5, 0.5]]}'},
        )
    yield from _vectors()
    yield from _lengths()
    for seed in (
        "0",
        "-1",
        str(2**64 - 1),
        str(2**64),
        str(-(2**63)),
        str(-(2**63) - 1),
        "9" * 400,
    ):
        yield Case(f"numbers/seed/{seed[:24]}", ("inspect", TEXT, f"--seed={seed}"))
    for mask in ("window:2147483647", "window:2147483648", "local:" + "9" * 5000, "window:0",
                 "hide:0,1,2,3,4,5", "hide:-7", "global:" + "0," * 20_000 + "0", "strided:-1",
                 "bigbird:2147483647,2147483647,2147483647", "bigbird:1,1,1,99999999999999999999",
                 "+".join(["causal"] * 9000), "&" * 1000, "causal&", "", "none&none"):  # fmt: skip
        yield Case(f"numbers/mask/{mask[:30]!r}/{len(mask)}", ("inspect", TEXT, "--mask", mask))
    for draw in ("learned", "sinusoidal"):
        yield Case(
            f"numbers/drawn/{draw}",
            ("inspect", TEXT, "--positions", draw, "--vocab-size=2147483647", "--d-model=1000"),
            codes=(2,) if draw == "learned" else (0,),
            says="numbers would have to be drawn" if draw == "learned" else "",
        )


def _vectors() -> Iterator[Case]:
    for name, row in VECTORS.items():
        data = json.dumps({"a": row, "b": row[::-1]}).encode()
        for init in ("none", "linear", "randn"):
            for extra in (
                (),
                ("--normalize", "sum"),
                ("--mask", "hide:0,1"),
                ("--positions", "rope"),
            ):
                yield Case(
                    f"numbers/vectors/{name}/{init}/{' '.join(extra)}",
                    ("inspect", "--embeddings", "v", "--init", init, "--d-k=2", *extra, "--json"),
                    {"v": data},
                    in_terminal=False,
                )
        yield Case(
            f"numbers/check/{name}",
            ("check", "m", "--embeddings", "v", "--init", "none"),
            {"v": data, "m": json.dumps([row, row]).encode()},
            codes=(0, 1, 2),
            cpu=6,
        )
    for number in ("1e308", "-1e308", "5e-324", "1e-99999", "1e30", "NaN", "-Infinity", "9" * 308):
        yield Case(
            f"numbers/student/{number[:12]}",
            ("check", "-"),
            stdin=f"[[{number}, 0.5], [0.25, 0.25]]".encode(),
            codes=(1, 2),
            cpu=6,
        )


def _lengths() -> Iterator[Case]:
    for name, text in {
        "one": "a",
        "empty": "",
        "blank": " \n",
        "marks": "...",
        "NUL": "\0",
    }.items():
        for args in ((), ("--mask", "causal"), ("--heads", "3"), ("--split", "characters")):
            yield Case(
                f"numbers/length/{name}/{' '.join(args)}",
                ("inspect", "-", *args),
                stdin=text.encode() or b"\n",
                codes=(0,) if name == "one" else (0, 2),
            )
    for n_words in (100_000, 800_000):
        for args in (
            ("inspect", "-"),
            ("inspect", "-", "--heads=64", "--json"),
            ("explain", "-", "--query=@0"),
        ):
            yield Case(
                f"numbers/words/{n_words}/{' '.join(args)}",
                args,
                stdin=b"word " * n_words,
                codes=(2,),
                says=r"attention over \d+ tokens .* would take .*; .* can be used here",
                cpu=6,
                memory=700,
                in_terminal=False,
            )
