"""Tokenizer: text to ids, with each token as a person reads it and its place in the text; and back.

The only room that knows the `tokenizers` package, and it imports it when a text comes. How a
tokenizer comes out of a GGUF file is in `gguf_tokenizer`.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from attn_cli.checkpoints.mapped import read_bounded
from attn_cli.errors import DataError, UsageError
from attn_cli.inspection import Token
from attn_cli.text import iter_words, require_unicode

_MAX_FILE = 256_000_000  # bytes; the largest in use are a seventh of it
_BETWEEN = "\n"  # stands between the two texts of a pair

_Result = TypeVar("_Result")


class Encoded(NamedTuple):
    """A text as a model sees it; all but `text` have one entry a token."""

    text: str  # what the tokens' spans refer to; of a pair, both texts with a line end between
    ids: tuple[int, ...]
    tokens: tuple[Token, ...]
    types: tuple[int, ...]  # 0, and 1 for the second text of a pair where the tokenizer says so
    pieces: tuple[str, ...]  # the vocabulary's own writing of each token
    n_uncut: int | None = None  # the tokens that there were, where some were cut off


class Tokenizer:
    """What a `tokenizer.json` describes, with its padding and truncation switched off."""

    def __init__(self, data: bytes, name: str) -> None:
        """Build it from the JSON text of a `tokenizer.json`.

        Raises:
            UsageError: the package `tokenizers` is not installed.
            DataError: the text describes no tokenizer; the message begins with `name`.
        """
        try:
            from tokenizers import Tokenizer as Backend
        except ImportError:
            raise UsageError(
                "a model's own tokens need the package `tokenizers`",
                "Install it with: pip install 'attn-cli[models]'",
            ) from None
        self.name = name

        def build() -> Any:
            backend = Backend.from_buffer(data)
            backend.no_padding()
            backend.no_truncation()
            with suppress(Exception):  # a panic over parts that contradict each other is none
                backend.encode("x", "x")
            return backend

        with _hushed():
            complaint = f"{name} describes no tokenizer that can be used"
            self._backend: Any = _guarded(build, complaint)

    @property
    def n_vocab(self) -> int:
        """How many tokens there are, those added to the vocabulary included."""
        return int(self._backend.get_vocab_size(with_added_tokens=True))

    def encode(
        self,
        text: str,
        pair: str | None = None,
        *,
        special: bool = True,
        n_rows: int | None = None,
        most: int | None = None,
    ) -> Encoded:
        """The tokens of a text, or of a pair, with the special ones that the model expects.

        A token's span covers the characters that it stands for, the space before a word included
        where it is part of the token; a special token that is not in the text has none. Its word
        number counts as `attn_cli.text` splits words; punctuation and white space have none.

        Args:
            special: whether special tokens are added, as the tokenizer's post-processor says.
            n_rows: the rows of the model's embedding, if known.
            most: cut the text so that there are at most so many tokens, the special ones included.

        Raises:
            DataError: a text is not Unicode, gives no token, or gives one beyond `n_rows`.
        """
        texts = [text] if pair is None else [text, pair]
        for one in texts:
            require_unicode(one)
        complaint = f"{self.name} cannot encode the text"
        if most is not None:
            _guarded(lambda: self._backend.enable_truncation(most), complaint)
        try:
            encoding = _guarded(
                lambda: self._backend.encode(text, pair, add_special_tokens=special), complaint
            )
        finally:
            self._backend.no_truncation()
        if len(encoding.ids) != len(encoding.tokens):
            raise DataError(f"{self.name} has special tokens without an id, or of several")
        if not encoding.ids:
            raise DataError("the text gives no tokens", "Give at least one word.")
        if n_rows is not None:
            self._require_rows(encoding, n_rows)
        return Encoded(
            _BETWEEN.join(texts),
            tuple(encoding.ids),
            tuple(self._tokens(encoding, texts)),
            tuple(encoding.type_ids),
            tuple(encoding.tokens),
        )

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """The text of some ids; special tokens are left out unless asked for.

        Bytes that are no UTF-8 by themselves (half of a character) become U+FFFD.

        Raises:
            DataError: an id is not in the vocabulary.
        """
        for index in ids:
            self.piece(index)
        return str(self._backend.decode(list(ids), skip_special_tokens=not special))

    def piece(self, index: int) -> str:
        """The vocabulary's own writing of a token.

        Raises:
            DataError: the id is not in the vocabulary.
        """
        found = self._backend.id_to_token(index) if 0 <= index < 2**32 else None
        if found is None:
            raise DataError(f"{self.name} has no token of id {index}")
        return str(found)

    def id_of(self, piece: str) -> int | None:
        """The id of a token in the vocabulary's own writing; None if there is no such token."""
        found = self._backend.token_to_id(piece)
        return None if found is None else int(found)

    def readable(self, piece: str, index: int) -> str:
        """A token as the characters that it stands for, from its writing in the vocabulary.

        Byte-level and word-start marks become the spaces and characters that they mean, a byte
        that is no character by itself becomes `<0xe6>`. WordPiece's `##`, which says that a piece
        goes on a word, is kept: it stands for no character, and nothing else would say so.
        """
        if index in self._added:
            return piece
        return self._style(piece)

    def _tokens(self, encoding: Any, texts: list[str]) -> list[Token]:
        starts, words = (0, len(texts[0]) + len(_BETWEEN)), _Words(_BETWEEN.join(texts))
        columns = (encoding.tokens, encoding.ids, encoding.offsets, encoding.special_tokens_mask)
        found = []
        for piece, index, span, added, part in zip(*columns, encoding.sequence_ids, strict=True):
            shown = self.readable(piece, index)
            if added or part is None:
                found.append(Token(shown, None, special=True))
                continue
            start, end = untrimmed(span, shown, texts[part])
            start, end = start + starts[part], end + starts[part]
            found.append(Token(shown, (start, end), word=words.number(start, end)))
        return found

    def _require_rows(self, encoding: Any, n_rows: int) -> None:
        index = max(encoding.ids)
        if index >= n_rows:
            piece = encoding.tokens[encoding.ids.index(index)]
            raise DataError(
                f"{self.name}: token `{piece}` has id {index}, and the model's embedding has "
                f"{n_rows} rows",
                "The tokenizer and the weights are not of one model.",
            )

    @cached_property
    def _added(self) -> frozenset[int]:
        """Ids of tokens that are matched as they stand, and carry no marks."""
        return frozenset(self._backend.get_added_tokens_decoder())

    @cached_property
    def _style(self) -> Callable[[str], str]:
        """What turns a piece into characters: found by asking the tokenizer's own decoder."""
        decoder = self._backend.decoder
        if decoder is None:
            return str
        if decoder.decode(["x", "Ġx"]) == "x x":
            return _from_byte_level
        if decoder.decode(["x", "▁x"]) == "x x":
            return _from_metaspace
        return str


class _Words:
    """The words of a text by place."""

    def __init__(self, text: str) -> None:
        spans = [(word.start, word.end) for word in iter_words(text)]
        self._starts, self._ends = [s for s, _ in spans], [e for _, e in spans]

    def number(self, start: int, end: int) -> int | None:
        """The first word that shares a character with [start, end)."""
        index = bisect_right(self._ends, start)
        return index if index < len(self._ends) and self._starts[index] < end else None


def numbered(tokens: Sequence[Token], text: str) -> tuple[Token, ...]:
    """Tokens with the number of the word that each is in, by their spans in a text."""
    words = _Words(text)
    return tuple(
        token if token.span is None else token._replace(word=words.number(*token.span))
        for token in tokens
    )


def load(path: Path) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`.

    Raises:
        DataError: the file cannot be read, is too large, or describes no tokenizer.
        UsageError: the package `tokenizers` is not installed.
    """
    return Tokenizer(read_bounded(path, _MAX_FILE), str(path))


def untrimmed(span: tuple[int, int], shown: str, text: str) -> tuple[int, int]:
    """A token's span with the spaces before its word, which some tokenizers leave out of it.

    >>> untrimmed((2, 5), " cat", "a cat"), untrimmed((1, 5), " cat", "a cat")
    ((1, 5), (1, 5))
    """
    start, end = span
    leading = len(shown) - len(shown.lstrip(" "))
    inside = text[start:end]
    missing = leading - (len(inside) - len(inside.lstrip(" ")))
    while missing > 0 and start > 0 and text[start - 1] == " ":
        start, missing = start - 1, missing - 1
    return start, end


def _byte_of_character() -> dict[str, int]:
    """GPT-2's table: printable Latin-1 stands for its own byte, the other 68 for U+0100 and on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(0x100 + place): byte for place, byte in enumerate(others)}


_BYTE_OF = _byte_of_character()


def _from_byte_level(piece: str) -> str:
    """
    >>> _from_byte_level("Ġthe"), _from_byte_level("aÃ")
    (' the', 'a<0xc3>')
    """
    try:
        data = bytes(_BYTE_OF[character] for character in piece)
    except KeyError:  # not written in that alphabet: it stands for itself
        return piece
    return _characters(data)


def _characters(data: bytes) -> str:
    """UTF-8 as text; each byte that is not part of a whole character is named."""
    shown = data.decode("utf-8", "surrogateescape")
    return "".join(f"<0x{ord(c) - 0xDC00:02x}>" if "\udc80" <= c <= "\udcff" else c for c in shown)


def _from_metaspace(piece: str) -> str:
    """
    >>> _from_metaspace("▁the"), _from_metaspace("<0xE6>"), _from_metaspace("<0x0A>")
    (' the', '<0xe6>', '\\n')
    """
    if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        try:
            return _characters(bytes.fromhex(piece[3:5]))
        except ValueError:
            return piece
    return piece.replace("▁", " ")


@contextmanager
def _hushed() -> Iterator[None]:
    """Nothing comes out of standard error: a panic is printed there before it can be caught."""
    try:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # closed already
        yield
        return
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _guarded(call: Callable[[], _Result], complaint: str) -> _Result:
    """Run something in the tokenizers package; whatever it raises is a complaint about the data.

    A panic in it is no Exception, but a BaseException of a class that cannot be imported.
    """
    try:
        return call()
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = str(error).partition("\n")[0][:200]
        raise DataError(f"{complaint}: {reason}") from None
