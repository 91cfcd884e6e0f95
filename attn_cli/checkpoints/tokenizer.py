"""Tokenizer: text to ids, with each token as a person reads it and its place in the text; and back.

How it is built is in `backend`; how a tokenizer comes out of a GGUF file, in `gguf_tokenizer`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from attn_cli.checkpoints.backend import build, guarded, read
from attn_cli.checkpoints.growth import PUBLISHED, Growth
from attn_cli.errors import DataError
from attn_cli.inspection import Token
from attn_cli.text import iter_words, require_unicode

_BETWEEN = "\n"  # stands between the two texts of a pair


def too_long(text: str, positions: str) -> DataError:
    """A text of so many tokens or characters is more than a model has positions for."""
    return DataError(
        f"the text has {text}, the model {positions} positions",
        "Use a shorter text, or `--truncate` to cut it.",
    )


class Encoded(NamedTuple):
    """A text as a model sees it; all but `text` have one entry a token."""

    text: str  # what the tokens' spans refer to; of a pair, both texts with a line end between
    ids: tuple[int, ...]
    tokens: tuple[Token, ...]
    types: tuple[int, ...]  # 0, and 1 for the second text of a pair where the tokenizer says so
    pieces: tuple[str, ...]  # the vocabulary's own writing of each token
    n_uncut: int | None = None  # the tokens that there were, where some were cut off


class Tokenizer:
    """What a `tokenizer.json` describes, with its padding, truncation and dropout switched off."""

    def __init__(self, backend: Any, name: str, growth: Growth) -> None:
        """A tokenizer of the package `tokenizers`; complaints begin with `name`."""
        self._backend, self._growth = backend, growth
        self.name = name

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
        limit: int | None = None,
        truncate: bool = False,
    ) -> Encoded:
        """The tokens of a text, or of a pair, with the special ones that the model expects.

        A token's span covers the characters that it stands for, the space before a word included
        where it is part of the token; a special token that is not in the text has none. Its word
        number counts as `attn_cli.text` splits words; punctuation and white space have none.

        Args:
            special: whether special tokens are added, as the tokenizer's post-processor says.
            n_rows: the rows of the model's embedding, if known.
            limit: the tokens that the model has positions for, the special ones included.
            truncate: cut the text where there are more.

        Raises:
            DataError: a text is not Unicode, gives no token of its own, one beyond `n_rows`, or
                more than `limit` where it is not to be cut.
        """
        texts = [text] if pair is None else [text, pair]
        complaint = f"{self.name} cannot encode the text"
        for one in texts:
            require_unicode(one)
            self._growth.require(one, complaint)

        def run() -> Any:
            return self._backend.encode(text, pair, add_special_tokens=special)

        encoding, n_uncut = guarded(run, complaint), None
        if limit is not None and len(encoding) > limit:
            n_uncut = len(encoding)
            if not truncate:
                raise too_long(f"{n_uncut} tokens", str(limit))
            encoding = guarded(lambda: self._cut(run, limit), complaint)
        if len(encoding.ids) != len(encoding.tokens):
            raise DataError(f"{self.name} has special tokens without an id, or of several")
        if n_uncut is None:
            self._require_text(encoding, texts)
        if not encoding.ids:
            raise DataError("the text gives no tokens", "Give at least one word.")
        self._require_own_ids(encoding)
        if n_rows is not None:
            self._require_rows(encoding, n_rows)
        return Encoded(
            _BETWEEN.join(texts),
            tuple(encoding.ids),
            tuple(self._tokens(encoding, texts)),
            tuple(encoding.type_ids),
            tuple(encoding.tokens),
            n_uncut,
        )

    def _cut(self, run: Callable[[], Any], limit: int) -> Any:
        """What the package makes of a text when it is to be cut."""
        self._backend.enable_truncation(limit)
        try:
            return run()
        finally:
            self._backend.no_truncation()

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """The text of some ids; special tokens are left out unless asked for.

        Bytes that are no UTF-8 by themselves (half of a character) become U+FFFD.

        Raises:
            DataError: an id is not in the vocabulary.
        """
        for index in ids:
            self.piece(index)
        return guarded(
            lambda: str(self._backend.decode(list(ids), skip_special_tokens=not special)),
            f"{self.name} cannot decode what the model predicts",
        )

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

    def _require_text(self, encoding: Any, texts: Sequence[str]) -> None:
        """Refuse a tokenizer that leaves nothing of a text with a letter or a digit in it."""
        columns = zip(encoding.sequence_ids, encoding.special_tokens_mask, strict=True)
        own = {part for part, added in columns if not added}
        for part, text in enumerate(texts):
            if part not in own and any(map(str.isalnum, text)):
                raise DataError(f"{self.name} makes no token of the text", PUBLISHED)

    def _require_own_ids(self, encoding: Any) -> None:
        """Two tokens of one id are one to the model; of those in the text, this is noticed.

        A token may be shown as it stands in the text and have the id of the unknown one: then the
        vocabulary does not have it. A token of special characters may be called otherwise there.
        """
        for index, piece in set(zip(encoding.ids, encoding.tokens, strict=True)):
            other = self._backend.id_to_token(index)
            if other != piece and self._backend.token_to_id(piece) == index:
                raise DataError(
                    f"{self.name}: the tokens `{piece}` and `{other}` have one id, {index}",
                    PUBLISHED,
                )

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

        def decoded(*pieces: str) -> str:
            return guarded(
                lambda: str(decoder.decode([*pieces])), f"{self.name} cannot decode its own tokens"
            )

        if decoded("x", "Ġx") == "x x":
            return _from_byte_level
        if decoded("x", "▁x") == "x x":
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
    return from_json(read(path), str(path))


def from_json(data: bytes, name: str) -> Tokenizer:
    """The tokenizer that the JSON text of a `tokenizer.json` describes.

    Raises:
        DataError, UsageError: as `attn_cli.checkpoints.backend.build`.
    """
    backend, growth = build(data, name)
    return Tokenizer(backend, name, growth)


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
    others = sorted({*range(256)} - {*printable})
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
