"""Replay: all that is in print, in process and by the command lines that `attn replay` names.

`tests/published.json` is a copy of its own of what the authors printed: name to numbers, nothing
else. The package's file must say the same.
"""

from __future__ import annotations

import json
import re
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Ran, run, together

from attn_cli import replay as room
from attn_cli.errors import UsageError
from attn_cli.replay import Published, find, published, replay

PRINTED: dict[str, Any] = json.loads(Path(__file__).with_name("published.json").read_text("utf-8"))
CLOSE = 5.1e-5
NAMES = [item.name for item in published()]


def test_the_package_holds_what_was_printed() -> None:
    assert len(PRINTED) == 42
    assert NAMES == list(PRINTED)
    for item in published():
        assert item.values == PRINTED[item.name], item.name
        assert item.source.startswith(
            {"A": "article", "B": "blog", "C": "book, chapter 3", "D": "book, chapter 2",
             "E": "book, chapter 3, dropout"}[item.name[0]]
        )  # fmt: skip


def difference(ours: Any, theirs: Any) -> float:
    """The largest; None stands for minus infinity on either side, and must on both."""
    if isinstance(theirs, list):
        assert isinstance(ours, list) and len(ours) == len(theirs)
        return max(difference(a, b) for a, b in zip(ours, theirs, strict=True))
    if theirs is None or ours is None:
        assert theirs is ours is None
        return 0.0
    return abs(ours - theirs)


@pytest.mark.parametrize("item", published(), ids=NAMES)
def test_in_process(item: Published) -> None:
    found = replay(item)
    assert found.agrees and found.difference < CLOSE
    finite = np.where(np.isneginf(found.ours), 0, found.ours)
    theirs = np.where(np.isneginf(found.theirs), 0, found.theirs)
    assert found.difference == np.abs(finite - theirs).max()


def walk(document: Any, path: str) -> Any:
    """What `jq PATH` prints, for paths of names and indices."""
    assert re.fullmatch(r"(\.\w+|\[\d+\])+", path)
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        document = document[name] if name else document[int(index)]
    return document


@pytest.fixture(scope="module")
def by_command() -> dict[str, Ran]:
    """Every command line as it is named, run once, without its jq."""
    lines = {item.command.partition(" | jq ")[0] for item in published()}
    words = {line: shlex.split(line) for line in lines}
    assert all(w[:2] == ["attn", "inspect"] and w[-1] == "--json" for w in words.values())
    done = together([partial(run, *w[1:]) for w in words.values()])
    return dict(zip(words, done, strict=True))


@pytest.mark.parametrize("item", published(), ids=NAMES)
def test_by_its_command_line(item: Published, by_command: dict[str, Ran]) -> None:
    line, jq, path = item.command.partition(" | jq ")
    ran = by_command[line]
    assert (ran.code, ran.err) == (0, ""), line
    ours = walk(json.loads(ran.out), shlex.split(path)[0])
    assert jq and difference(ours, PRINTED[item.name]) < CLOSE


def test_a_wrong_number_is_found() -> None:
    item = find("A omega_2")
    values = [*item.values[:-1], item.values[-1] + 1e-3]
    assert not replay(item._replace(values=values)).agrees
    assert replay(item._replace(values=item.values[:-1])).difference == float("inf")
    masked = find("C masked scores")
    rows = [[0.5 if cell is None else cell for cell in row] for row in masked.values]
    assert replay(masked._replace(values=rows)).difference == float("inf")


def test_names_numbers_and_parts_find_one() -> None:
    assert find("1").name == "A sentence_int" and find("42") is published()[-1]
    assert find("C scores").name == "C scores"  # though `C scores_2` has it as a part
    assert find("  a OMEGA_24 ").name == "A omega_24"
    assert find("issue #57").name.startswith("E dropout mask")
    for number, name in enumerate(NAMES, start=1):
        assert find(name).name == find(str(number)).name == name


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("omega_2", "`omega_2` is a part of 4 names", "Say which: `A omega_24`, `A omega_2`"),
        ("zzzz", "nothing printed has the name `zzzz`", "`attn replay` lists them."),
        ("A omga_24", "nothing printed has the name", "Did you mean `A omega_24`?"),
        ("", "nothing printed has the name ``", "lists them"),
        ("43", "nothing printed", ""),
        ("9" * 5000, "nothing printed", ""),
    ],
)
def test_what_is_not_in_print(name: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find(name)
    assert message in caught.value.message and hint in caught.value.hint


def test_the_list_and_one_of_it() -> None:
    listed, plain, one, note, number = together(
        [
            partial(run, "replay"),
            partial(run, "replay", "--json"),
            partial(run, "replay", "C masked scores"),
            partial(run, "replay", "issue #57", env={"COLUMNS": "200"}),
            partial(run, "replay", "3", "--json"),
        ]
    )
    assert {(r.code, r.err) for r in (listed, plain, one, note, number)} == {(0, "")}
    assert "42 tensors, 42 reproduced" in listed.text and "NO" not in listed.text
    assert all(len(line) <= 80 for line in listed.text.splitlines())
    documents = [json.loads(line) for line in plain.out.splitlines()]
    assert [d["name"] for d in documents] == NAMES
    for document in documents:
        assert document["schema"] == "attn-replay/1" and document["agrees"] is True
        apart = difference(document["ours"], PRINTED[document["name"]])
        assert apart == pytest.approx(document["difference"], abs=1e-12)
    assert json.loads(number.out) == documents[2]
    for part in ("published  6 × 6", "ours  6 × 6", "0.2899", "·", "the same to the printed",
                 "--init linear", "| jq '.layers[0].logits[0]'"):  # fmt: skip
        assert part in one.text, part
    assert "MKL" in note.text


def test_a_difference_is_answered_with_1(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    from attn_cli.commands.app import run as command

    wrong = [find("A omega_24")._replace(values=1.3), find("C scores")._replace(values=[1.0])]
    monkeypatch.setattr(room, "published", lambda: tuple(wrong))
    assert command(["replay", "--json"]) == 1
    documents = [json.loads(line, parse_constant=pytest.fail)
                 for line in capfdbinary.readouterr().out.splitlines()]  # fmt: skip
    assert [d["agrees"] for d in documents] == [False, False]
    assert documents[0]["difference"] == pytest.approx(0.0097, abs=1e-4)
    assert documents[1]["difference"] is None  # shapes differ
    assert command(["replay"]) == 1
    out = capfdbinary.readouterr().out.decode()
    assert "2 tensors, 0 reproduced" in out and out.count("NO") == 2
    assert command(["replay", "C scores"]) == 1
    assert "NOT the same" in capfdbinary.readouterr().out.decode()
