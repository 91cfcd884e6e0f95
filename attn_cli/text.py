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


# Emoji are joined by U+200D (and kept apart by U+200C); anywhere else the two are invisible.
_JOINERS = "\u200c\u200d"


def visible(text: str) -> str:
    """Make every character that a terminal or editor would obey or hide readable, as an escape.

    Control, format, surrogate, private-use and unassigned characters and line and paragraph
    separators become `\\x1b`, `\\u202e` and the like; all else, spaces too, stays. The joiners
    inside an emoji stay.

    >>> print(visible("a\\x1b[31mb"))
    a\\x1b[31mb
    """
    if text.isprintable():
        return text
    return "".join(
        character if _is_plain(text, index) else _escape(character)
        for index, character in enumerate(text)
    )


def _is_plain(text: str, index: int) -> bool:
    character = text[index]
    if character.isprintable():
        return True
    if character in _JOINERS:
        around = text[max(index - 1, 0) : index] + text[index + 1 : index + 2]
        return len(around) == 2 and all(map(_is_emoji, around))
    import unicodedata

    return unicodedata.category(character) == "Zs"


def _is_emoji(character: str) -> bool:
    """A symbol from the arrows on, with its skin tone; or the selector that makes one coloured."""
    import unicodedata

    symbol = ord(character) >= 0x2190 and unicodedata.category(character).startswith("S")
    return symbol or character == "\ufe0f"


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def label(token: str) -> str:
    """How a token stands in a table: visible, never blank, a space at either end marked.

    >>> label(" "), label("\\n"), label(""), label(" the")
    ('␣', '\\\\n', '∅', '␣the')
    """
    if not token:
        return "∅"
    if token.isspace():
        return "".join("␣" if space == " " else _escape(space) for space in token)
    core = token.strip(" ")
    if len(core) == len(token):
        return visible(token)
    before = len(token) - len(token.lstrip(" "))
    return "␣" * before + visible(core) + "␣" * (len(token) - before - len(core))


_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
