"""Vocabulary files: word → id as JSON or as plain text, one word a line.

The standard library alone, so that `attn vocab` starts without numpy.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, BinaryIO

from attn_cli.errors import DataError, UsageError
from attn_cli.files.beginning import of_text
from attn_cli.files.whole import read_whole
from attn_cli.strict_json import decoded, parse
from attn_cli.text import require_unicode
from attn_cli.vocabulary import Vocabulary

SCHEMA = "attn-vocabulary/1"
SUFFIXES = (".json", ".txt")
MOST_WORDS = 1 << 20  # the largest vocabulary of a model in use has 901,629
_OTHERS = 1 << 16  # strings that a document may hold beside them

_NUMBERED = re.compile(r".+[,;\t ] *-?\d+(\.\d+)?")  # `the,0`, where a word alone is meant
_LOOKED_AT = 100  # lines, to see whether each is like that


def to_json(vocabulary: Vocabulary) -> bytes:
    """One line of JSON: the schema, how many entries, word → id, and word → count where known."""
    document = {
        "schema": SCHEMA,
        "n_vocab": len(vocabulary),
        "vocabulary": dict(vocabulary),
        "counts": vocabulary.counts or None,
    }
    return json.dumps(document).encode("ascii") + b"\n"


def to_text(vocabulary: Vocabulary) -> bytes:
    """One word a line, in the order of the ids.

    Raises:
        UsageError: a word holds a line break, so the lines would not be the words; or together
            they are JSON.
    """
    for word in vocabulary:
        if not word or "\n" in word or word.endswith("\r") or word.startswith("\ufeff"):
            raise UsageError(
                f"the word `{word}` holds a line break, is empty or begins with a BOM",
                "Write the vocabulary as `.json`.",
            )
    data = "".join(f"{word}\n" for word in vocabulary).encode()
    if _json_in(data, "`.txt`") is not None:
        raise UsageError("these words, a line each, are JSON", "Write the vocabulary as `.json`.")
    return data


def encode(vocabulary: Vocabulary, path: str | os.PathLike[str]) -> bytes:
    """The vocabulary in the format of a path's suffix, `.json` or `.txt`.

    Raises:
        UsageError: there is no such format, or no file of it could hold these words.
    """
    if len(vocabulary) > MOST_WORDS:
        raise UsageError(
            f"the vocabulary has {len(vocabulary):,} words; {MOST_WORDS:,} are the most in a file",
            "Keep fewer with `--size` or `--min-count`.",
        )
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122  pathlib is not needed for this
    if suffix not in SUFFIXES:
        raise UsageError(
            f"no vocabulary format is known for `{os.fspath(path)}`",
            f"Use one of: {', '.join(SUFFIXES)}.",
        )
    return to_json(vocabulary) if suffix == ".json" else to_text(vocabulary)


def load(source: str | os.PathLike[str] | BinaryIO) -> Vocabulary:
    """A vocabulary from a file: what `attn vocab` wrote, a plain `{"word": id}` object, an array
    of words, an Inspection's document, or text with one word a line.

    Raises:
        DataError: it cannot be read, a word or an id comes twice, the ids are not 0, 1, 2, …, or
            there are too many.
    """
    name, data = read_whole(source, of_text)
    found = _json_in(data, name)
    if found is not None:
        return _from_json(found, name)
    _require_few(data.count(b"\n"), name)
    text = decoded(data, name)
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if "\r" in text:
        lines = [line.removesuffix("\r") for line in lines]
    looked_at = lines[1 : _LOOKED_AT + 1]  # the first may be a heading
    if looked_at and not _is_text(name) and all(map(_NUMBERED.fullmatch, looked_at)):
        raise DataError(
            f"{name} has a word and a number a line; a vocabulary has a word a line",
            'Leave out the numbers, or write JSON: {"word": id}.',
        )
    return _from_words(lines, name, "line", 1)


def _json_in(data: bytes, name: str) -> Any:
    """The JSON that a file is; None if it is text.

    Words may be brackets, as in `[PAD]`: a `.txt` is JSON only if it is that from end to end.

    Raises:
        DataError: it is broken, and no `.txt`; or there are too many words.
    """
    body = data.strip(b"\xef\xbb\xbf \t\r\n")
    is_text, is_json = _is_text(name), body and name.lower().endswith(".json`")
    if not is_json and body[:1] not in (b"{", b"["):
        return None
    if is_text and body[-1:] not in (b"}", b"]"):
        return None
    strings = (data.count(b'"') - data.count(b'\\"')) // 2
    _require_few(strings // (2 if b'"counts"' in data else 1) - _OTHERS, name)
    try:
        return parse(data, name)
    except DataError:
        if is_text:
            return None
        raise


def _is_text(name: str) -> bool:
    """Whether a file is named `….txt`, where every line is a word."""
    return name.lower().endswith(".txt`")


def _require_few(n_words: int, name: str) -> None:
    if n_words > MOST_WORDS:
        raise DataError(f"{name} holds more than {MOST_WORDS:,} words")


def _from_json(found: Any, name: str) -> Vocabulary:
    if isinstance(found, list):
        return _from_words(found, name, "entry", 0)
    if not isinstance(found, dict):
        raise DataError(f"{name} should hold an object, word to id, or an array of words")
    counts = None
    if isinstance(found.get("vocabulary"), dict):
        _require_schema(found, name)
        counts = found.get("counts")
        found = found["vocabulary"]
    if set(map(type, found.values())) - {int}:
        wrong = next(word for word, index in found.items() if type(index) is not int)
        raise DataError(f"{name}: the id of `{wrong}` is not a whole number")
    if counts is not None:
        if not (isinstance(counts, dict) and set(map(type, counts.values())) <= {int}):
            raise DataError(f"{name}: `counts` should give a whole number for each word")
        if counts and min(counts.values()) < 0:
            wrong = next(word for word, count in counts.items() if count < 0)
            raise DataError(f"{name}: the count of `{wrong}` is negative: {counts[wrong]}")
        if others := counts.keys() - found.keys():
            raise DataError(f"{name}: `counts` has `{min(others)}`, which has no id")
    try:
        vocabulary = Vocabulary(found, counts)
    except DataError as error:
        raise DataError(f"{name}: {error.message}") from None
    if max(found.values(), default=-1) >= len(found):  # they differ, and none is below 0
        gap = next(i for i, index in enumerate(sorted(found.values())) if i != index)
        raise DataError(f"{name}: no word has the id {gap}, but {len(found)} words are given")
    return _checked(vocabulary, name)


def _require_schema(document: dict[str, Any], name: str) -> None:
    """Refuse a document of another version than is read, or that contradicts itself."""
    schema = document.get("schema", SCHEMA)
    if isinstance(schema, str) and schema != SCHEMA and schema.startswith("attn-vocabulary/"):
        raise DataError(f"{name} has the schema {schema}; this program reads {SCHEMA}")
    n, words = document.get("n_vocab"), document["vocabulary"]
    if type(n) is int and n != len(words):
        raise DataError(f"{name}: `n_vocab` is {n}, and {len(words)} words are given")


def _from_words(words: list[Any], name: str, unit: str, first: int) -> Vocabulary:
    if set(map(type, words)) - {str}:
        wrong = next(index for index, word in enumerate(words) if type(word) is not str)
        raise DataError(f"{name}: {unit} {wrong + first} is not a word")
    if "" in words:
        raise DataError(f"{name}: {unit} {words.index('') + first} is empty")
    ids = dict(zip(words, range(len(words)), strict=True))
    if len(ids) < len(words):
        again = next(index for index, word in enumerate(words) if ids[word] != index)
        later = words.index(words[again], again + 1)
        raise DataError(
            f"{name}: `{words[again]}` stands twice, at {unit} {again + first} and "
            f"{unit} {later + first}"
        )
    return _checked(Vocabulary(ids), name)


def _checked(vocabulary: Vocabulary, name: str) -> Vocabulary:
    _require_few(len(vocabulary), name)
    if not vocabulary:
        raise DataError(f"{name} holds no words")
    if "" in vocabulary:
        raise DataError(f"{name}: the word with the id {vocabulary['']} is empty")
    try:
        require_unicode("".join(vocabulary))  # all at once: there may be a million
    except DataError:
        _refuse_half_characters(vocabulary, name)
    return vocabulary


def _refuse_half_characters(vocabulary: Vocabulary, name: str) -> None:
    for word, index in vocabulary.items():
        try:
            require_unicode(word)
        except DataError as error:
            raise DataError(f"{name}: of the word with the id {index}, {error.message}") from None
