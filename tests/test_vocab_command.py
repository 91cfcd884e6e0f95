"""`attn vocab`: words numbered from any source, kept in files, turned to ids and back."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pytest
from conftest import run, run_in_terminal, shell, together

SENTENCE = "Life is short, eat dessert first"
IDS = {"Life": 0, "dessert": 1, "eat": 2, "first": 3, "is": 4, "short": 5}


def vocabulary(*args: str | Path, stdin: bytes = b"") -> dict[str, int]:
    """What `attn vocab ... --json` gives, word to id."""
    ran = run("vocab", *map(str, args), "--json", stdin=stdin)
    assert (ran.code, ran.err) == (0, "")
    found: dict[str, int] = json.loads(ran.out)["vocabulary"]
    return found


def refused(*args: str | Path, stdin: bytes = b"") -> str:
    """What an `attn vocab` complains of that must fail."""
    ran = run("vocab", *map(str, args), stdin=stdin)
    assert (ran.code, ran.out) == (2, b"")
    assert 1 <= len(ran.err.splitlines()) <= 2 and "Traceback" not in ran.err
    return ran.err


@pytest.fixture
def corpus(tmp_path: Path) -> list[Path]:
    files = {"one.txt": "the cat sat\nthe cat", "two.txt": "the dog, The end.", "empty.txt": ""}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return [tmp_path / name for name in files]


def test_a_text_gets_the_articles_ids() -> None:
    ran = run("vocab", SENTENCE, "--json")
    document = json.loads(ran.out)
    assert list(document["vocabulary"].items()) == list(IDS.items())
    assert document["counts"] == dict.fromkeys(IDS, 1)
    assert document["n_vocab"] == 6
    assert ran.out.count(b"\n") == 1 and ran.out.endswith(b"\n")
    table = run("vocab", SENTENCE)
    rows = [line.split() for line in table.text.splitlines()]
    assert all([str(index), word, "1"] in rows for word, index in IDS.items())
    assert (table.code, table.err) == (0, "")


def test_every_way_in_gives_the_same(tmp_path: Path) -> None:
    text = "naïve café: the naïve one — 日本 don't\n"
    file = tmp_path / "in.txt"
    file.write_text(text, "utf-8")
    (tmp_path / "bom.txt").write_text("\ufeff" + text, "utf-8")
    (tmp_path / "windows.txt").write_bytes(text.replace("\n", "\r\n").encode())
    ran = together(
        [
            partial(run, "vocab", text, "--json"),
            partial(run, "vocab", str(file), "--json"),
            partial(run, "vocab", "-f", str(file), "--json"),
            partial(run, "vocab", "-", "--json", stdin=text.encode()),
            partial(run, "vocab", "--json", stdin=text.encode()),
            partial(run, "vocab", "-f", "-", "--json", stdin=text.encode()),
            partial(run, "vocab", str(tmp_path / "bom.txt"), "--json"),
            partial(run, "vocab", str(tmp_path / "windows.txt"), "--json"),
        ]
    )
    assert {one.code for one in ran} == {0}
    assert len({one.out for one in ran}) == 1
    words = json.loads(ran[0].out)["counts"]
    assert words == {"café": 1, "don't": 1, "naïve": 2, "one": 1, "the": 1, "日本": 1}


def test_files_are_merged(corpus: list[Path]) -> None:
    ran = run("vocab", *map(str, corpus), "--json")
    assert json.loads(ran.out)["counts"] == {
        "The": 1, "cat": 2, "dog": 1, "end": 1, "sat": 1, "the": 3,
    }  # fmt: skip
    together_on_stdin = run("vocab", str(corpus[0]), "-", "--json", stdin=corpus[1].read_bytes())
    assert together_on_stdin.out == ran.out


def test_which_words_stay_and_in_which_order(corpus: list[Path]) -> None:
    calls = {
        ("--lowercase",): ["cat", "dog", "end", "sat", "the"],
        ("--size", "2"): ["cat", "the"],
        ("--size", "2", "--order", "frequency"): ["the", "cat"],
        ("--order", "frequency"): ["the", "cat", "The", "dog", "end", "sat"],
        ("--order", "frequency", "--lowercase"): ["the", "cat", "dog", "end", "sat"],
        ("--min-count", "2"): ["cat", "the"],
        ("--min-count", "2", "--lowercase", "--order", "frequency"): ["the", "cat"],
        ("--special", "<unk>", "--special", "<pad>", "--size", "3"): ["<unk>", "<pad>", "the"],
        ("--special", "sat", "--min-count", "2"): ["sat", "cat", "the"],
        ("--split", "whitespace"): ["The", "cat", "dog,", "end.", "sat", "the"],
        ("--size", "1000"): ["The", "cat", "dog", "end", "sat", "the"],
    }
    files = [str(path) for path in corpus]
    for ran, (options, words) in zip(
        together([partial(run, "vocab", *files, *options, "--json") for options in calls]),
        calls.items(),
        strict=True,
    ):
        assert (ran.code, ran.err) == (0, "")
        found = json.loads(ran.out)["vocabulary"]
        assert found == {word: index for index, word in enumerate(words)}, options


def test_characters_and_bytes() -> None:
    assert vocabulary("héé", "--split", "characters") == {"h": 0, "é": 1}
    assert vocabulary("hé", "--split", "bytes") == {"<0xa9>": 0, "<0xc3>": 1, "h": 2}


@pytest.mark.parametrize("suffix", ["json", "txt"])
def test_a_kept_vocabulary_is_used_by_all(corpus: list[Path], tmp_path: Path, suffix: str) -> None:
    kept = tmp_path / f"kept.{suffix}"
    made = run("vocab", *map(str, corpus), "--special", "<unk>", "-o", str(kept))
    assert (made.code, made.out, made.err) == (0, b"", "")
    words = ["<unk>", "The", "cat", "dog", "end", "sat", "the"]
    if suffix == "txt":
        assert kept.read_text() == "".join(f"{word}\n" for word in words)
    else:
        assert json.loads(kept.read_bytes())["vocabulary"] == {w: i for i, w in enumerate(words)}
    assert vocabulary("--vocab", kept) == {word: index for index, word in enumerate(words)}
    encoded, decoded, inspected = together(
        [
            partial(run, "vocab", "the cat moos", "--vocab", str(kept), "--encode"),
            partial(run, "vocab", "6 2 0", "--vocab", str(kept), "--decode"),
            partial(run, "inspect", "the cat moos", "--vocab", str(kept), "--json"),
        ]
    )
    assert (encoded.out, encoded.err) == (b"6 2 0\n", "")
    assert (decoded.out, decoded.err) == (b"the cat <unk>\n", "")
    assert json.loads(inspected.out)["token_ids"] == [6, 2, 0]
    assert json.loads(inspected.out)["vocabulary"] == {w: i for i, w in enumerate(words)}


def test_ids_and_back_again(tmp_path: Path) -> None:
    kept = tmp_path / "v.json"
    text = "eat short dessert eat Life"
    assert run("vocab", SENTENCE, "-o", str(kept)).code == 0
    ids = run("vocab", text, "--vocab", str(kept), "--encode")
    assert ids.out == b"2 5 1 2 0\n"
    structured = run("vocab", text, "--vocab", str(kept), "--encode", "--json")
    assert json.loads(structured.out)["ids"] == [2, 5, 1, 2, 0]
    forms = [ids.out, structured.out, b"2,5,1,2,0", b"[2, 5, 1, 2, 0]", b"2\n5\n1\n2\n0\n"]
    decode = ["vocab", "-", "--vocab", str(kept), "--decode"]
    for back in together([partial(run, *decode, stdin=form) for form in forms]):
        assert (back.code, back.out, back.err) == (0, text.encode() + b"\n", "")
    once = f"attn vocab --vocab {kept}"
    piped = shell(f'{once} "{text}" --encode | {once} --decode')
    assert piped.out == text.encode() + b"\n"


@pytest.mark.parametrize("split", ["characters", "bytes"])
def test_finer_splits_come_back_exactly(tmp_path: Path, split: str) -> None:
    kept, text = str(tmp_path / "v.json"), "hé  日\u0301 \\x41 <0xe2>!"
    options = ["--split", split]
    assert run("vocab", text, *options, "-o", kept).code == 0
    ids = run("vocab", text, *options, "--vocab", kept, "--encode")
    back = run("vocab", *options, "--vocab", kept, "--decode", stdin=ids.out)
    assert (back.out.decode(), back.err) == (text + "\n", "")


def test_encoding_without_a_file_numbers_the_text_itself() -> None:
    assert run("vocab", SENTENCE, "--encode").out == b"0 4 5 2 1 3\n"


def test_an_unknown_word_is_named_and_a_way_out_offered(tmp_path: Path) -> None:
    kept = str(tmp_path / "v.txt")
    assert run("vocab", SENTENCE, "-o", kept).code == 0
    for ran in together(
        [
            partial(run, "vocab", "eat broccoli", "--vocab", kept, "--encode"),
            partial(run, "inspect", "eat broccoli", "--vocab", kept),
            partial(run, "inspect", "eat broccoli", "--vocab", kept, "--json"),
        ]
    ):
        assert (ran.code, ran.out) == (2, b"")
        assert "`broccoli`" in ran.err and "--unk" in ran.err
        assert len(ran.err.splitlines()) <= 2
    several = run("vocab", "eat broccoli kale broccoli", "--vocab", kept, "--encode")
    assert "`broccoli`" in several.err and "1 more" in several.err
    known, new, inspected = together(
        [
            partial(run, "vocab", "eat kale", "--vocab", kept, "--encode", "--unk", "short"),
            partial(run, "vocab", "eat kale", "--vocab", kept, "--encode", "--unk", "<new>"),
            partial(run, "inspect", "eat kale", "--vocab", kept, "--unk", "<new>", "--json"),
        ]
    )
    assert known.out == b"2 5\n"
    assert new.out == b"2 6\n"
    assert json.loads(inspected.out)["token_ids"] == [2, 6]
    assert json.loads(inspected.out)["vocabulary"]["<new>"] == 6


def test_any_sensible_vocabulary_file_is_taken(tmp_path: Path) -> None:
    forms = {
        "plain.json": '{"b": 1, "a": 0}',
        "array.json": '["a", "b"]',
        "unix.txt": "a\nb\n",
        "windows.txt": "a\r\nb\r\n",
        "no-end.txt": "a\nb",
        "bom.txt": "\ufeffa\nb\n",
        "brace.txt": "{\nb\n",
        "commas.txt": "a,1\nb,2\n",
        "json.txt": '\n{"a": 0, "b": 1}\n',
        "array.TXT": '[\n "a",\n "b"\n]',
    }
    for name, content in forms.items():
        (tmp_path / name).write_bytes(content.encode())
    calls = [partial(run, "vocab", "--vocab", str(tmp_path / name), "--json") for name in forms]
    for name, ran in zip(forms, together(calls), strict=True):
        others = {"brace.txt": ["{", "b"], "commas.txt": ["a,1", "b,2"]}
        words = others.get(name, ["a", "b"])
        assert json.loads(ran.out)["vocabulary"] == {w: i for i, w in enumerate(words)}, name
    inspection = tmp_path / "run.json"
    assert run("inspect", SENTENCE, "-o", str(inspection)).code == 0
    assert vocabulary("--vocab", inspection) == IDS


BAD_FILES = {
    "twice.txt": (b"a\nb\na\n", "`a`"),
    "blank.txt": (b"a\n\nb\n", "empty"),
    "blanks.txt": (b"a\nb\n\n\n", "line 3 is empty"),
    "numbered.csv": (b"word,id\nthe,0\ncat,1\n", "a word and a number a line"),
    "scored.vocab": (b"the\t-2.5\ncat\t-3\n", "a word and a number a line"),
    "twice in JSON.txt": (b'["a", "b",\n "a"]\n', "entry 0 and entry 2"),
    "nothing.txt": (b"", "no words"),
    "bytes.txt": (b"a\nb\xff\n", "0xff at 3"),
    "gap.json": (b'{"a": 0, "b": 2}', "1"),
    "same.json": (b'{"a": 0, "b": 0}', "0"),
    "negative.json": (b'{"a": -1, "b": 0}', "`a`"),
    "float.json": (b'{"a": 0.5}', "`a`"),
    "bool.json": (b'{"a": false}', "`a`"),
    "key.json": (b'{"a": 0, "a": 1}', "`a`"),
    "cut.json": (b'{"a": 0,', "JSON"),
    "number.json": (b"[1, 2]", "not a word"),
    "half.json": (b'{"\\ud800": 0}', "U+D800"),
}


def test_bad_vocabulary_files_are_named_with_the_reason(tmp_path: Path) -> None:
    for name, (content, _) in BAD_FILES.items():
        (tmp_path / name).write_bytes(content)
    calls = [partial(run, "inspect", "a", "--vocab", str(tmp_path / name)) for name in BAD_FILES]
    for (name, (_, reason)), ran in zip(BAD_FILES.items(), together(calls), strict=True):
        assert (ran.code, ran.out) == (2, b""), name
        assert reason in ran.err and len(ran.err.splitlines()) <= 2, ran.err
        assert name in ran.err, ran.err


def test_bad_ids_are_named(tmp_path: Path) -> None:
    kept = tmp_path / "v.txt"
    kept.write_text("a\nb\n")
    bad = {
        "0 7": "7", "0 x": "x", "1.5": "1.5", "[0, true]": "true", "[[0]]": "[0]", "{}": "", "": "",
        "[0": "JSON", "-1": "-1", "9" * 30: "9" * 30, "²": "²", '[0, "a"]': "a",
    }  # fmt: skip
    decode = ["vocab", "-", "--vocab", str(kept), "--decode"]
    calls = [partial(run, *decode, stdin=text.encode()) for text in bad]
    for (text, named), ran in zip(bad.items(), together(calls), strict=True):
        assert (ran.code, ran.out) == (2, b""), text
        assert named.lower() in ran.err.lower() and len(ran.err.splitlines()) <= 2, ran.err
        assert "fault of attn" not in ran.err


def test_no_words_and_no_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    assert "word" in refused("...")
    assert "word" in refused("   ")
    assert "word" in refused(tmp_path / "empty.txt")
    assert "word" in refused("-")
    assert "word" in refused("x", "--min-count", "2")
    assert "no-such.txt" in refused("./no-such.txt")
    assert "`b`" in refused(tmp_path / "empty.txt", "b")
    assert str(tmp_path) in refused(tmp_path)


def test_an_empty_argument_is_an_empty_text_and_no_directory() -> None:
    message = refused("")
    assert "directory" not in message and ("empty" in message or "no words" in message)


def test_options_that_contradict_each_other(tmp_path: Path) -> None:
    kept = tmp_path / "v.txt"
    kept.write_text("a\nb\n")
    assert "--decode" in refused("a", "--vocab", kept, "--encode", "--decode")
    assert "--vocab" in refused("0", "--decode")
    assert "-o" in refused("a", "--encode", "-o", tmp_path / "x.json")
    assert "--encode" in refused("a", "--vocab", kept)
    assert "--file" in refused("a", "-f", kept)
    assert "--size" in refused("a b", "--size", "0")
    assert "--min-count" in refused("a b", "--min-count", "0")
    assert "special" in refused("a", "--size", "1", "--special", "x", "--special", "y")
    assert "twice" in refused("a", "--special", "x", "--special", "x")
    assert "entry is empty" in refused("a", "--special", "")
    assert "unknown words is empty" in refused("a", "--encode", "--unk", "")
    assert "--order" in refused("a", "--order", "random")
    assert "--size" in refused("a", "--size", "many")
    assert not (tmp_path / "x.json").exists()


def test_unwritable_and_unknown_outputs(tmp_path: Path) -> None:
    assert ".json, .txt" in refused("a", "-o", tmp_path / "x.csv")
    assert "no such file" in refused("a", "-o", tmp_path / "none" / "x.json")
    (tmp_path / "folder.json").mkdir()
    assert "directory" in refused("a", "-o", tmp_path / "folder.json")
    assert "line break" in refused("a\nb", "--split", "characters", "-o", tmp_path / "x.txt")
    json_words = ('["a"]', "--split", "whitespace")
    assert "are JSON" in refused(*json_words, "-o", tmp_path / "x.txt")
    source = tmp_path / "in.txt"
    source.write_text("a b")
    assert "written over" in refused(source, "-o", source)
    assert "written over" in refused("-f", source, "-o", source)
    assert source.read_text() == "a b"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.json", "in.txt"]


def test_hostile_words_are_listed_not_obeyed() -> None:
    ran = run("vocab", "[bold] \x1b[31m :smile: \u202erev", "--split", "whitespace")
    for literal in ("[bold]", r"\x1b[31m", ":smile:", r"\u202erev"):
        assert literal in ran.text
    assert b"\x1b" not in ran.out and "\u202e" not in ran.text


@pytest.mark.parametrize("columns", ["20", "40", "80"])
def test_lists_fit_the_screen(columns: str) -> None:
    from rich.cells import cell_len

    ran = run("vocab", f"{'x' * 200} {'長' * 90} e\u0301 short", env={"COLUMNS": columns})
    lines = ran.text.splitlines()
    assert max(map(cell_len, lines)) <= int(columns)
    assert len(lines) == 6
    rows = lines[2:]
    assert len({cell_len(row) for row in rows}) == 1  # the counts end in one column
    assert all(re.fullmatch(r" *\d  .*  +1", row) for row in rows)
    assert sum("…" in row for row in rows) == 2


def test_large_sources_are_counted_whole(tmp_path: Path) -> None:
    # Words and multi-byte characters cut by every boundary that a reader may have.
    words = [f"wörd{i}日本" for i in range(997)]
    text = " ".join(words * 300)
    file = tmp_path / "large.txt"
    file.write_text(text, "utf-8")
    assert file.stat().st_size > 3 << 20
    from_file = run("vocab", str(file), "--json")
    counts = json.loads(from_file.out)["counts"]
    assert counts == dict.fromkeys(sorted(words), 300)
    assert run("vocab", "--json", stdin=text.encode()).out == from_file.out


def test_the_position_of_a_bad_byte_is_that_in_the_file(tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"ab " * 700_000 + b"\xe9 rest")
    message = refused(bad)
    assert "bad.txt" in message and "0xe9" in message and "2100000" in message
    cut = tmp_path / "cut.txt"
    cut.write_bytes("日".encode()[:2])
    assert "cut.txt" in refused(cut) and "at 0" in refused(cut)


def test_a_terminal_sees_colourless_words_in_full() -> None:
    ran = run_in_terminal("vocab", SENTENCE, columns=40)
    assert ran.code == 0
    assert all(word.encode() in ran.out for word in IDS)


def test_decoded_words_are_obeyed_by_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text(json.dumps(["a\x1b[31m", "\u202eb", "c\td"]))
    ran = run("vocab", "0 1 2", "--vocab", "v.json", "--decode", cwd=tmp_path)
    assert ran.text == "a\\x1b[31m \\u202eb c\\td\n"
    exact = run("vocab", "0 1 2", "--vocab", "v.json", "--decode", "--json", cwd=tmp_path)
    assert json.loads(exact.out)["words"] == ["a\x1b[31m", "\u202eb", "c\td"]


def test_words_of_options_are_utf_8_in_any_locale(tmp_path: Path) -> None:
    posix = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ran = run("vocab", "a", "--special", "é", "--json", env=posix)
    assert json.loads(ran.out)["vocabulary"] == {"é": 0, "a": 1}
    for option in ("--special", "--unk"):
        assert run("vocab", "a", option, b"\xff").code == 2
