"""Vector files: embedding rows that somebody has, from JSON, CSV or NPY, with or without names.

It reads numbers and names; which token takes which row is decided in `tutorial`.
"""

from __future__ import annotations

import csv
import math
import os
import re
from io import StringIO
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from attn_cli.errors import DataError
from attn_cli.files import npy
from attn_cli.files.beginning import of_text
from attn_cli.files.whole import read_whole
from attn_cli.inspection import Vectors
from attn_cli.strict_json import decoded, parse, shown
from attn_cli.text import require_unicode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from attn_cli.types import Floats

_NUMBERS = {int, float}
_LOOKED_AT = 1 << 16  # bytes of a CSV file, to see whether it can be one
_BROKEN = {  # what the csv module says, in plain words
    "unexpected end of data": "a quote is not closed",
    "field larger than": f"a cell has more than {csv.field_size_limit():,} characters",
}
# What a heading says over names.
_CORNERS = ("", "unnamed: 0", "index", "word", "words", "token", "tokens", "name", "names")


def load(source: str | os.PathLike[str] | BinaryIO) -> Vectors:
    """Rows of numbers from a file, (n, d_model) float32, and the name of each if it has names.

    JSON: `{"Your": [0.43, 0.15, 0.89], …}` or `[[0.43, 0.15, 0.89], …]`. CSV: a row a vector, the
    name first if there is one; a heading is passed over. NPY: an array of two axes.

    Raises:
        DataError: it cannot be read, is ragged or empty, or holds what is no finite number.
    """
    name, data = read_whole(source, of_text)
    if data.startswith(npy.MAGIC):
        return Vectors(_finite(npy.read(data, name), name))
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start in (b"{", b"["):
        names, rows = _json(data, name)
    else:
        refuse_first_rows(data, lambda part: _stack(_csv(part, name, is_whole=False)[1], name))
        names, rows = _csv(data, name)
    for row, word in enumerate(names or ()):
        _require_name(word, f"{name}: the name of row {row}")
    return Vectors(_finite(_stack(rows, name), name), names)


def refuse_first_rows(data: bytes, judge: Callable[[bytes], object]) -> None:
    """Refuse a large CSV file whose first rows are nothing, before all of it is read.

    Args:
        judge: raises DataError for rows that are no numbers, or differ in length.

    Raises:
        DataError: as `judge`, of some first rows.
    """
    end = data.rfind(b"\n", 0, _LOOKED_AT) + 1
    if len(data) > _LOOKED_AT and end and b'"' not in data[:end]:  # it may be cut within quotes
        judge(data[:end])


def _require_name(word: str, what: str) -> None:
    if not word:
        raise DataError(f"{what} is empty")
    try:
        require_unicode(word)
    except DataError as error:
        raise DataError(f"{what}: {error.message}") from None


def _json(data: bytes, name: str) -> tuple[list[str] | None, Sequence[Any]]:
    found = parse(data, name)
    if isinstance(found, dict):
        return list(found), list(found.values())
    return None, found


def _csv(
    data: bytes, name: str, *, is_whole: bool = True
) -> tuple[list[str] | None, Sequence[Any]]:
    names, rows = read_csv(data, name, is_whole=is_whole)
    found = numbers(list(chain.from_iterable(rows)))  # at once: there may be a million
    if found is None:
        return names, [[number(cell) for cell in row] for row in rows]
    following = iter(found)
    return names, [list(islice(following, len(row))) for row in rows]


def read_csv(
    data: bytes, name: str, *, is_whole: bool = True
) -> tuple[list[str] | None, list[list[str]]]:
    """The cells of a CSV file without its heading, and the names in its first column, if any.

    Semicolons, tabs or spaces may stand where commas do. What is under an empty corner, or one that
    says `word` or the like, is a name even where it is a number; so is all of a first column that
    has words. The counts that begin a file of word2vec are passed over.

    Args:
        is_whole: otherwise more rows may follow, and settle what the first column is.

    Raises:
        DataError: it is not UTF-8, or not CSV, or the first column has a word among numbers.
    """
    text = decoded(data, name)
    try:
        lines = [line for line in _cells(text) if "".join(line).strip()]
    except csv.Error as error:
        known = (reason for words, reason in _BROKEN.items() if words in str(error))
        raise DataError(f"{name} is not CSV: {next(known, error)}") from None
    named = len(lines) > 1 and _is_count(lines[0], lines[1:])
    if named:
        lines = lines[1:]
    elif lines and _is_heading(lines[0]):
        named = _is_corner(lines[0][0])
        lines = lines[1:]
    first = [line[0] for line in lines]
    if not named:
        if numbers(first) is not None:
            return None, lines
        if is_whole:
            _require_names(first, name)
    are_counted = named and first == [str(i) for i in range(len(first))]  # as pandas does it
    return None if are_counted else first, [line[1:] for line in lines]


def _cells(text: str) -> Iterable[list[str]]:
    """The cells of each line, set apart by what the first line that has several is set apart by."""
    several = (line for line in StringIO(text) if re.search(r"[^\s,;][,;\s]+\S", line))
    first = next(several, ",")
    mark = next((mark for mark in ",;\t" if mark in first), "")
    # Spaces and tabs are all the same between numbers. Nothing is quoted: a quote is a word there,
    # as is a comma before spaces.
    cells = first.split()
    apart = numbers(cells if mark == "\t" else cells[1:]) and mark in ("\t", *cells[:1])
    if not mark or apart:
        return (line.split() for line in re.split(r"\r\n|\r|\n", text))
    return csv.reader(StringIO(text, newline=""), strict=True, delimiter=mark)


def _is_count(line: list[str], rows: list[list[str]]) -> bool:
    """Whether a first line says how many rows follow and how wide: it is no row of such a width."""
    return len(rows[0]) > 2 and line == [str(len(rows)), str(len(rows[0]) - 1)]


def _require_names(first: list[str], name: str) -> None:
    """Refuse a first column in which a word looks like a number that was mistyped."""
    words = [(row, cell) for row, cell in enumerate(first) if not _is_number(cell)]
    row, word = next((pair for pair in words if re.search(r"\d", pair[1])), words[0])
    n_number = len(first) - len(words)
    if n_number > len(words) or (n_number == len(words) and re.search(r"\d", word)):
        raise DataError(
            f"{name}: row {row}, place 0 is not a number: {shown(word)}",
            "If the first column holds names, begin the file with a heading: `word,x,y`.",
        )


def _is_heading(line: list[str]) -> bool:
    """Whether a first line has no numbers, or those of columns behind a corner."""
    cells = [cell.strip() for cell in line[1:] or line]
    if _is_corner(line[0]) and cells == [str(i) for i in range(len(cells))]:
        return True
    return any(cells) and not any(map(_is_number, cells))


def _is_corner(cell: str) -> bool:
    return cell.strip().lower() in _CORNERS


def _is_number(cell: str) -> bool:
    return isinstance(number(cell), float)


def number(cell: str) -> float | str:
    """A cell as a number; what is none stays text, and is refused with its place."""
    try:
        return float(cell) if cell.isascii() and "_" not in cell else cell
    except ValueError:
        return cell


def numbers(cells: list[str]) -> list[float] | None:
    """Cells as numbers, at once; None if one of them is none."""
    text = "".join(cells)
    try:
        return list(map(float, cells)) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def _stack(rows: Sequence[Any], name: str) -> Any:
    if not rows or not all(isinstance(row, list) for row in rows):
        raise DataError(f"{name} should hold rows of numbers")
    for index, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise DataError(
                f"{name}: row {index} has {len(row)} numbers where row 0 has {len(rows[0])}"
            )
        if not _NUMBERS.issuperset(map(type, row)):
            place = next(i for i, item in enumerate(row) if type(item) not in _NUMBERS)
            raise DataError(
                f"{name}: row {index}, place {place} is not a number: {shown(row[place])}"
            )
    try:
        return np.array(rows, dtype=np.float64)
    except OverflowError:  # a whole number of 309 digits
        return np.array([[_as_float(item) for item in row] for row in rows], dtype=np.float64)


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _finite(array: Any, name: str) -> Floats:
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise DataError(
            f"{name} should hold rows of numbers, not {array.ndim} axes of {array.dtype}"
        )
    if not array.size:
        raise DataError(f"{name} holds no numbers: its shape is {array.shape}")
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused with its place
        rows: Floats = array.astype(np.float32)
    bad = np.argwhere(~np.isfinite(rows))
    if len(bad):
        row, place = bad[0].tolist()
        raise DataError(f"{name}: row {row}, place {place} is not a finite float32 number")
    return rows
