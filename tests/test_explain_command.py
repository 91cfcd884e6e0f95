"""`attn explain` as people run it: words, places, files, pipes, what it prints and refuses."""

from __future__ import annotations

import json
import math
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import Ran, run, run_in_terminal, together

from attn_cli.arithmetic import STEPS

SENTENCE = "Life is short, eat dessert first"
THE = "the cat the 2 the dog"


def refused(ran: Ran, *named: str) -> None:
    assert (ran.code, ran.out) == (2, b""), ran
    assert 1 <= len(ran.err.splitlines()) <= 2 and ran.err.startswith("attn: "), ran.err
    assert "fault of attn" not in ran.err and "Traceback" not in ran.err
    for word in named:
        assert word in ran.err, (word, ran.err)


def explained(*args: str, **more: Any) -> Any:
    ran = run("explain", *args, "--json", **more)
    assert (ran.code, ran.err) == (0, ""), ran
    return json.loads(ran.out)


def test_the_article_by_word_and_by_place() -> None:
    usual, *same = together(
        [
            partial(run, "explain", SENTENCE, "--query", query, "--key", key)
            for query, key in (("is", "is"), ("1", "1"), ("is@1", "@1"), ("-5", "is@-5"))
        ]
    )
    assert (usual.code, usual.err) == (0, "")
    assert usual.text.splitlines()[1] == "is looks at is: 0.6870"
    assert "÷ 1.4556 = 0.6870" in usual.text
    assert [one == usual for one in same] == [True] * 3


def test_the_choice_of_a_weight() -> None:
    assert explained(THE, "--query", "the@2", "--key", "dog")["query"] == 2
    assert explained(THE, "--query", "cat", "--key", "2")["key"] == 3  # the word, not the place
    assert explained(THE, "--query", "cat", "--key", "@2")["key"] == 2
    assert explained(THE, "--query", "cat", "--key", "5")["key"] == 5  # no such word
    assert explained(SENTENCE, "--query", "first")["key"] == 2  # it looks at `short` most
    found = explained("a b", "--query", "a", "--heads", "4", "--kv-heads", "2", "--head", "-1")
    assert (found["head"], found["kv_head"], found["layer"]) == (3, 1, 0)
    across = explained("a b", "--query", "b", "--cross", "x y z", "--key", "z")
    assert (across["kind"], across["query"], across["key"]) == ("cross", 1, 2)
    assert explained("--recipe", "book", "--query", "journey", "--key", "one")["key"] == 4


def test_what_names_no_weight_is_refused() -> None:
    for args, named in (
        ((), ("--query", "Life, is, short, eat, dessert, first")),
        (("--query", "dinner"), ("`--query dinner`", "there is no `dinner`")),
        (("--query", "life"), ("Did you mean `Life`?",)),
        (("--query", "is", "--key", "6"), ("`--key 6`", "6 tokens, numbered from 0")),
        (("--query", "is@2"), ("at 2 is `short`", "Did you mean `is`?")),
        (("--query", "is", "--head", "1"), ("no head 1",)),
        (("--query", "is", "--layer", "-2"), ("no layer -2",)),
        (("--query", "is", "--steps", "scores"), ("no step `scores`", "score")),
        (("--query", "is", "--steps", ","), ("--steps names no step",)),
        (("--query", "is", "--precision", "18"), ("--precision must be from 0 to 17",)),
        (("--query", "is", "--terms", "0"), ("--terms must be from 1",)),
        (("--query", "is", "-o", "x.svg"), ("no format", ".json, .md, .txt")),
        (("--query", "is", "-f", "x"), ("both a text and --file",)),
    ):
        refused(run("explain", SENTENCE, *args), *named)
    refused(run("explain", THE, "--query", "the"), "3 times", "the@0, the@2, the@4")
    refused(run("explain", "", "--query", "a"), "the text is empty")


def test_text_comes_by_argument_file_and_pipe(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text(SENTENCE + "\n")
    which = ("--query", "is", "--key", "eat")
    ran = together(
        [
            partial(run, "explain", SENTENCE, *which),
            partial(run, "explain", "-f", str(file), *which),
            partial(run, "explain", "-", *which, stdin=SENTENCE.encode()),
            partial(run, "explain", *which, stdin=SENTENCE.encode() + b"\n"),
        ]
    )
    assert {(one.code, one.err) for one in ran} == {(0, "")}
    assert len({one.out for one in ran}) == 1
    refused(run("explain", "-", "--query", "a", stdin=b"a \xff b"), "not UTF-8", "0xff at 2")
    dash = run("explain", "-", "--split", "whitespace", "--query", "0", stdin=b"-")
    assert dash.text.startswith('"-"\n- looks at -: 1.0000\n')


def test_an_inspection_is_known_by_its_content(tmp_path: Path) -> None:
    options = ("--heads", "4", "--kv-heads", "2", "--mask", "causal", "--positions", "rope")
    which = ("--query", "eat", "--key", "is", "--head", "3")
    document = run("inspect", SENTENCE, *options, "--json").out
    archive, tensors = (
        run("inspect", SENTENCE, *options, "--format", name).out for name in ("npz", "safetensors")
    )
    spread = json.dumps(json.loads(document), indent=2, sort_keys=True).encode()
    file = tmp_path / "no-suffix"
    file.write_bytes(archive)
    usual, *others = together(
        [
            partial(run, "explain", SENTENCE, *options, *which),
            partial(run, "explain", "-", *which, stdin=document),
            partial(run, "explain", *which, stdin=archive),
            partial(run, "explain", "-f", str(file), *which),
            partial(run, "explain", "-", *which, stdin=tensors),
            partial(run, "explain", "-", *which, stdin=b"\xef\xbb\xbf \n" + spread),
        ]
    )
    assert (usual.code, usual.err) == (0, "")
    assert [one == usual for one in others] == [True] * 5
    brace = run(
        "explain", "-", "--split", "whitespace", "--query", '{"schema":', stdin=b'{"schema": 1}'
    )
    assert brace.text.startswith('"{"schema": 1}"\n{"schema": looks at {"schema":: ')


def test_what_an_inspection_cannot_be_asked() -> None:
    document = run("inspect", SENTENCE, "--json").out
    bare = run("inspect", SENTENCE, "--json", "--show", "weights").out
    cut = document[: len(document) // 2]
    which = ("-", "--query", "is", "--key", "eat")
    for stdin, more, named in (
        (document, ("--heads", "2"), ("holds an Inspection", "--heads")),
        (document, ("--recipe", "book"), ("--recipe",)),
        (document, ("--lowercase",), ("--lowercase",)),
        (document, ("--layer", "7"), ("no layer 7",)),
        (bare, (), ("`query` and `key`", "missing", "--show all")),
        (document + document, (), ("2 Inspections",)),
        (cut, (), ("standard input is not JSON",)),
        (b"PK\x03\x04 not really", (), ("not an NPZ archive",)),
    ):
        refused(run("explain", *which, *more, stdin=stdin), *named)


def test_json_holds_the_chain_and_every_line_recomputes() -> None:
    found = explained(
        SENTENCE, "--query", "is", "--key", "Life", "--positions", "rope", "--softcap", "5",
        "--mask", "causal", "--dropout", "0.2", "--d-model", "20",
    )  # fmt: skip
    assert list(found)[:2] == ["schema", "text"] and found["schema"] == "attn-explanation/1"
    assert [step["name"] for step in found["steps"]] == list(STEPS)
    compute = {
        "product": lambda a, b: a * b,
        "quotient": lambda a, b: a / b,
        "over root": lambda a, b: a / math.sqrt(b),
        "softcap": lambda c, x: c * math.tanh(x / c),
        "exponential": lambda a, b: math.exp(a - b),
        "cosine": math.cos,
        "sine": math.sin,
        "difference of products": lambda a, b, c, d: a * b - c * d,
        "sum of products": lambda a, b, c, d: a * b + c * d,
    }
    seen = set()
    for step in found["steps"]:
        for part in step["parts"]:
            results = []
            for line in part.get("lines", []):
                seen.add(line["operation"])
                results.append(line["result"])
                given = compute[line["operation"]](*line["operands"])
                assert line["result"] == pytest.approx(given, rel=2e-6, abs=1e-7), line
            if part.get("total") is not None:
                assert part["total"] == pytest.approx(math.fsum(results), rel=2e-6, abs=1e-6)
    assert seen == set(compute)
    products = found["steps"][1]["parts"][0]["lines"]
    assert len(products) == 20  # all of them, however many the terminal shows
    rounded = explained(SENTENCE, "--query", "is", "--key", "is", "--precision", "2")
    assert rounded["weight"] == 0.69 and rounded["precision"] == 2
    masked = explained(SENTENCE, "--query", "is", "--key", "eat", "--mask", "causal")
    assert masked["masked"] and masked["steps"][4]["parts"][0]["lines"][-1]["result"] is None


def test_json_floats_read_back_to_the_same_float32() -> None:
    found = explained(SENTENCE, "--query", "is", "--key", "eat")
    document = json.loads(run("inspect", SENTENCE, "--json").out)
    x_q = found["steps"][0]["parts"][0]["values"]
    assert x_q == document["embedding"][1]
    assert found["weight"] == document["layers"][0]["weights"][0][1][3]


def test_steps_precision_and_terms() -> None:
    which = ("--query", "is", "--key", "eat")
    some = run("explain", SENTENCE, *which, "--steps", "softmax, score").text
    assert re.findall(r"^(\d)  (\w+)", some, re.MULTILINE) == [("1", "score"), ("2", "softmax")]
    fine = run("explain", SENTENCE, *which, "--precision", "7", "--steps", "logit").text
    assert "0.4990955 ÷ √2 = 0.3529138" in fine
    short = run("explain", SENTENCE, *which, "--terms", "2", "--steps", "softmax").text
    assert "… 4 more" in short and "eat  " in short and "= 1.4556" in short
    blog = ("--recipe", "blog", *which, "--steps", "query")
    few, all_of_them = (
        run("explain", SENTENCE, *blog),
        run("explain", SENTENCE, *blog, "--terms", "48"),
    )
    assert "… 8 more" in few.text and "… and 20 more" in few.text
    assert "more" not in all_of_them.text and "q[23] = " in all_of_them.text


def test_files_hold_the_page_or_the_chain(tmp_path: Path) -> None:
    which = ("--query", "is", "--key", "eat")
    page = run("explain", SENTENCE, *which, env={"COLUMNS": "80"}).out
    document = run("explain", SENTENCE, *which, "--json").out
    names, narrow = ("a.txt", "a.md", "a.json"), {"COLUMNS": "40"}
    for made in together(
        [
            partial(
                run,
                "explain",
                SENTENCE,
                *which,
                "-o",
                str(tmp_path / name),
                env=narrow,
            )
            for name in names
        ]
    ):
        assert made == Ran(0, b"", "")
    txt, md, js = ((tmp_path / name).read_bytes() for name in names)
    assert (txt, js) == (page, document)
    assert md == b"```text\n" + page + b"```\n"


def test_color_is_where_a_terminal_reads_it() -> None:
    which = ("--query", "is", "--key", "eat")
    plain = run("explain", SENTENCE, *which)
    assert b"\x1b" not in plain.out
    shown = run_in_terminal("explain", SENTENCE, *which)
    assert b"\x1b[" in shown.out and shown.code == 0
    bare = re.sub(r"\x1b\[[\d;]*m", "", shown.out.decode())
    assert re.findall(r"\d+\.\d{4}", bare) == re.findall(r"\d+\.\d{4}", plain.text)


def test_a_terminal_without_a_text_is_told_so() -> None:
    ran = run_in_terminal("explain")
    assert ran.code == 2
    assert ran.out.decode().splitlines() == [
        "attn: there is no text",
        "Usage: attn explain TEXT, or `-` to type it here; `attn explain --help` has all.",
    ]


def test_hostile_words_are_made_visible() -> None:
    text = "a\x1b[31m \u202eb [bold]"
    ran = run("explain", text, "--split", "whitespace", "--query", "0", "--key", "1")
    assert ran.code == 0 and "\x1b" not in ran.text and "\u202e" not in ran.text
    assert "a\\x1b[31m looks at \\u202eb: " in ran.text and "[bold]" in ran.text
    refused(run("explain", text, "--split", "whitespace", "--query", "\x1b[0m"), "\\x1b[0m")


def test_poor_encodings_get_symbols_that_they_have() -> None:
    ran = run(
        "explain", SENTENCE, "--query", "is", "--key", "first", "--mask", "causal",
        env={"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (ran.code, ran.err) == (0, "") and ran.out.isascii()
    assert b"\\u" not in ran.out and b"sqrt 2" in ran.out and b"-inf" in ran.out
