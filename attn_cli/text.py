"""Text: a sentence becomes words with their places, and any string becomes safe to show.

It knows no vocabulary, no model and no terminal.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol, get_args

from attn_cli.errors import DataError, UsageError

Split = Literal["words", "whitespace", "characters", "bytes"]
SPLITS: tuple[Split, ...] = get_args(Split)

# The ASCII characters of Unicode's general category P (punctuation); `$+<=>^`|~` are symbols.
_ASCII_PUNCTUATION = frozenset("!\"#%&'()*,-./:;?@[\\]_{}")


class Word(NamedTuple):
    """A piece of a text: its characters and the half-open span `[start, end)` they came from."""

    text: str
    start: int
    end: int


def is_punctuation(character: str) -> bool:
    """Whether one character is of Unicode's general category P."""
    if character.isascii():
        return character in _ASCII_PUNCTUATION
    import unicodedata  # 4 ms to load, and plain English never needs it

    return unicodedata.category(character).startswith("P")


def strip_punctuation(piece: str) -> str:
    """Drop punctuation at both ends, keep it inside: `"don't!"` gives `don't`, `--` gives ``."""
    start, end = 0, len(piece)
    while start < end and not piece[start].isalnum() and is_punctuation(piece[start]):
        start += 1
    while end > start and not piece[end - 1].isalnum() and is_punctuation(piece[end - 1]):
        end -= 1
    return piece[start:end]


def split_text(text: str, split: Split = "words", *, lowercase: bool = False) -> list[Word]:
    """Cut a text into words, each with its character span in the text as given.

    `words` cuts at Unicode white space and drops punctuation at either end of a piece;
    `whitespace` only cuts; `characters` gives every character, spaces too; `bytes` gives the
    UTF-8 bytes, those outside printable ASCII written `<0xe2>`.

    Raises:
        DataError: the text is empty, holds no words, or is not Unicode text.

    >>> [word.text for word in split_text("Life is short, eat dessert first")]
    ['Life', 'is', 'short', 'eat', 'dessert', 'first']
    """
    if split not in SPLITS:
        raise UsageError(f"no such split: `{split}`", f"Choose one of: {', '.join(SPLITS)}.")
    require_unicode(text)
    if not text.strip():
        raise DataError("the text is empty", "Give at least one word.")
    words = list(_SPLITTERS[split](text))
    if not words:
        raise DataError(
            "the text has no words, only punctuation",
            "To keep punctuation, use `--split whitespace` or `--split characters`.",
        )
    if lowercase:
        # lower() may change the length ("İ"), so the span is that of the text as given.
        words = [Word(word.text.lower(), word.start, word.end) for word in words]
    return words


def count_fewest(text: str, split: Split = "words") -> int:
    """How many words `split_text` gives at the least, without making them.

    >>> count_fewest("Life is -- short $")  # `$` is no punctuation, and a word too
    3
    """
    if split in ("characters", "bytes"):
        return len(text)
    pattern = r"\S+" if split == "whitespace" else r"[^\W_]\S*"
    return sum(1 for _ in re.finditer(pattern, text))


def recovered(text: str) -> str:
    """A command line's text as UTF-8, also where the locale is not; what is not UTF-8 is refused.

    Python hands over the bytes that a locale cannot decode as surrogates, U+DC80 to U+DCFF.

    Raises:
        DataError: the bytes are not UTF-8.
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        require_unicode(text)
        raise


def require_unicode(text: str) -> None:
    """Raise DataError where a string holds half a character (an undecodable byte or surrogate)."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        what = f"byte 0x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"U+{code:04X}"
        raise DataError(
            f"the text is not valid UTF-8: {what} at character {error.start}",
            "Convert it to UTF-8 first, for instance with iconv.",
        ) from None


def _whitespace(text: str) -> Iterator[Word]:
    for match in re.finditer(r"\S+", text):
        yield Word(match[0], match.start(), match.end())


def iter_words(text: str) -> Iterator[Word]:
    for piece in _whitespace(text):
        core = strip_punctuation(piece.text)
        if core:
            start = piece.start + piece.text.index(core)
            yield Word(core, start, start + len(core))


def _characters(text: str) -> Iterator[Word]:
    for index, character in enumerate(text):
        yield Word(character, index, index + 1)


def _bytes(text: str) -> Iterator[Word]:
    for index, character in enumerate(text):
        for name in byte_names(character):
            yield Word(name, index, index + 1)


def byte_names(text: str) -> list[str]:
    """The UTF-8 bytes of a text: printable ASCII as itself, any other byte as `<0xe2>`.

    The digits are lower case, so that lower-casing a text leaves the names alone.
    """
    return [chr(byte) if 0x20 <= byte < 0x7F else f"<0x{byte:02x}>" for byte in text.encode()]


_SPLITTERS = {
    "words": iter_words,
    "whitespace": _whitespace,
    "characters": _characters,
    "bytes": _bytes,
}


def join_words(words: list[str], split: Split = "words") -> str:
    """A text that `split_text` would cut into these words; what lay between words is lost."""
    if split == "bytes":
        codes = (int(w[3:5], 16) if len(w) == 6 else ord(w) for w in words)
        return bytes(codes).decode(errors="replace")
    return ("" if split == "characters" else " ").join(words)


_CHUNK = 1 << 20


class Readable(Protocol):
    """A binary stream, as far as it is needed here."""

    def read(self, size: int = -1, /) -> bytes: ...


def decode_chunks(stream: Readable, name: str) -> Iterator[str]:
    """Read a binary stream as UTF-8 in pieces of about a megabyte; a leading BOM is dropped.

    Raises:
        DataError: a byte is not UTF-8; the message names `name` and the byte's position.
    """
    read = getattr(stream, "read1", stream.read)  # what a pipe has now, not when it ends
    decoder = codecs.getincrementaldecoder("utf-8")()
    done, first = 0, True
    while True:
        try:
            chunk = read(_CHUNK)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DataError(f"cannot read {name}: {reason}") from None
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            place = done - pending + error.start
            raise DataError(
                f"{name} is not UTF-8 text: byte 0x{error.object[error.start]:02x} at {place}",
                "Convert it to UTF-8 first, for instance with iconv.",
            ) from None
        done += len(chunk)
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        if text:
            yield text
        if not chunk:
            return


_LONGEST_LABEL = 2000  # characters; no table gives a label so much room
_MOST_MARKS = 4  # on one character; no script stacks more
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_JOINERS = "\u200c\u200d"
# What U+200D joins and U+200C keeps apart: arrows, technical and other symbols, pictures.
_EMOJI = (
    (0x2190, 0x21FF),
    (0x2300, 0x23FF),
    (0x25A0, 0x27BF),
    (0x2B00, 0x2BFF),
    (0x1F000, 0x1FAFF),
)
# Letters and marks by category, but nothing is drawn for them: fillers, a blank, a joiner of marks.
_HIDDEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
# They choose another shape of the character before them, and are nothing alone.
_SELECTORS = ((0x180B, 0x180D), (0x180F, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
_JAMO = ((0x1160, 0x11FF), (0xD7B0, 0xD7FB))  # vowels and finals, which join the letter before


def visible(text: str) -> str:
    r"""Make every character that a terminal or editor would obey or hide readable, as an escape.

    Control, format, surrogate, private-use and unassigned characters, line and paragraph
    separators and letters that draw nothing become `\x1b`, `\u202e` and the like; all else, spaces
    too, stays. Joiners stay inside an emoji, a variation selector after what it varies. Of more
    than four marks on one character the rest are `…`, and a mark without a character gets a circle
    to stand on.

    >>> print(visible("a\x1b[31mb"))
    a\x1b[31mb
    """
    return _escaped(text, _MOST_MARKS)


def reversible(text: str) -> str:
    r"""The same escapes, and `\x5c` for a backslash that would read as the start of one.

    Whoever turns `\n`, `\r`, `\t`, `\x..`, `\u....` and `\U........` back has the text exactly.

    >>> print(reversible("\\frac\x1b"), reversible("\\nabla"))
    \frac\x1b \x5cnabla
    """
    text = re.sub(r"\\(?=[nrtxuU])", r"\\x5c", text)
    return _escaped(text)


def _escaped(text: str, most_marks: int | None = None) -> str:
    """Escapes for what is odd anywhere, then for what is odd where it stands; marks are capped."""
    if text.isascii() and text.isprintable():
        return text
    kinds = {character: _kind(character) for character in set(text)}
    text = text.translate({ord(c): _escape(c) for c, kind in kinds.items() if kind == "odd"})
    placed = "".join(c for c, kind in kinds.items() if kind in ("joiner", "selector", "mark"))
    if not placed:
        return text

    def run(found: re.Match[str]) -> str:
        shown, n_marks = [], 0
        for index, character in enumerate(found[0], start=found.start()):
            if not _stays(text, index, kinds[character]):
                shown.append(_escape(character))
                continue
            n_marks += 1
            if most_marks is None or n_marks <= most_marks:
                bare = most_marks is not None and not text[index - 1 : index].strip()
                shown.append("◌" * bare + character)
            elif n_marks == most_marks + 1:
                shown.append("…")
        return "".join(shown)

    return re.sub(f"[{placed}]+", run, text)


def _kind(character: str) -> str:
    """Whether a character needs a look: `odd`, `joiner`, `selector` or `mark`; else nothing."""
    if character.isascii():
        return "" if character.isprintable() else "odd"
    if character in _JOINERS:
        return "joiner"
    if character in _HIDDEN:
        return "odd"
    if _is_in(_SELECTORS, character):
        return "selector"
    import unicodedata

    category = unicodedata.category(character)
    if not character.isprintable() and category != "Zs":
        return "odd"
    return "mark" if category[0] == "M" or _is_in(_JAMO, character) else ""


def _stays(text: str, index: int, kind: str) -> bool:
    """Whether a character that needs a look is shown as it is where it stands."""
    if kind == "mark":
        return True
    before = text[index - 1] if index else ""
    if kind == "selector":
        return before.isprintable() and before.strip() != "" and _kind(before) == ""
    if kind == "joiner":
        if before and _kind(before) == "selector":
            before = text[index - 2] if index > 1 else ""
        after = text[index + 1 : index + 2]
        return all(c and c.isprintable() and _is_in(_EMOJI, c) for c in (before, after))
    return False


def _is_in(ranges: tuple[tuple[int, int], ...], character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in ranges)


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def label(token: str) -> str:
    """How a token stands in a table: visible, never blank, white space at either end marked.

    What is too long for any table ends in `…`.

    >>> label(" "), label("\\n"), label(""), label(" the")
    ('␣', '\\\\n', '∅', '␣the')
    """
    if not token:
        return "∅"
    if len(token) > _LONGEST_LABEL:
        return label(token[:_LONGEST_LABEL]) + "…"
    core = token.strip()
    before = len(token) - len(token.lstrip())
    ends = token[:before], token[before + len(core) :]
    left, right = ("".join("␣" if c == " " else _escape(c) for c in end) for end in ends)
    return left + visible(core) + right
