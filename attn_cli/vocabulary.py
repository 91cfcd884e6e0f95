"""Vocabulary: words to ids and back, built from the distinct words of a text or a large corpus.

It reads and writes no files, and it needs the standard library alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter, lt
from typing import Literal, get_args

from attn_cli.errors import DataError, UnknownWordError, UsageError
from attn_cli.text import Split, byte_names, strip_punctuation

Order = Literal["alphabetical", "frequency"]
ORDERS: tuple[Order, ...] = get_args(Order)
UNKNOWN = "<unk>"
# Of a text that comes in pieces and may never end: what fits into a gigabyte.
_MOST_WORDS, _LONGEST_WORD = 10_000_000, 1 << 22


class Vocabulary(Mapping[str, int]):
    """An unchanging word → id mapping, with how often each word was seen where that is known.

    Iteration is in the order of the ids. `counts` holds a number for every word, or is empty.

    Raises:
        DataError: an id is negative or given twice.

    >>> vocabulary = Vocabulary.of(["Life", "is", "short", "eat", "dessert", "first"])
    >>> dict(vocabulary)
    {'Life': 0, 'dessert': 1, 'eat': 2, 'first': 3, 'is': 4, 'short': 5}
    >>> vocabulary.encode(["short", "Life"]), vocabulary.decode([5, 0])
    ([5, 0], ['short', 'Life'])
    """

    def __init__(self, ids: Mapping[str, int], counts: Mapping[str, int] | None = None) -> None:
        # Most are in order, and sorting pairs takes more memory than the vocabulary itself.
        in_order = all(map(lt, ids.values(), islice(ids.values(), 1, None)))
        self._ids = dict(ids if in_order else sorted(ids.items(), key=itemgetter(1)))
        self._words = dict(zip(self._ids.values(), self._ids, strict=True))
        self.counts = {word: counts.get(word, 0) for word in self._ids} if counts else {}
        if len(self._words) < len(self._ids):
            twice = next(word for word, index in self._ids.items() if self._words[index] != word)
            raise DataError(f"two words have the id {self._ids[twice]}, one of them `{twice}`")
        if self._words and min(self._words) < 0:
            raise DataError(f"the id of `{self._words[min(self._words)]}` is negative")
        if self._words and max(self._words) >= 2**63:
            raise DataError(f"the id of `{self._words[max(self._words)]}` is too large")

    @classmethod
    def of(cls, words: Iterable[str]) -> Vocabulary:
        """The sorted distinct words, numbered from 0, as the article does."""
        return cls.build(Counter(words))

    @classmethod
    def build(
        cls,
        counts: Mapping[str, int],
        *,
        size: int | None = None,
        min_count: int = 1,
        order: Order = "alphabetical",
        special: Sequence[str] = (),
    ) -> Vocabulary:
        """Number the counted words.

        Args:
            counts: how often each word was seen.
            size: entries at the most, special ones included; the most frequent words stay, and
                of equally frequent ones those that sort first.
            min_count: words seen less often are left out.
            order: `alphabetical` (by code point, the default) or `frequency` (commonest first).
            special: entries that come first, in the order given, whether seen or not.

        Raises:
            UsageError: the special entries alone are more than `size`, or one is given twice or
                empty.
        """
        if "" in special:
            raise UsageError("a special entry is empty", "Give `--special` a word.")
        if len(set(special)) < len(special):
            raise UsageError("a special entry is given twice", "Name each `--special` once.")
        room = None if size is None else size - len(special)
        if room is not None and room < 0:
            raise UsageError(f"--size {size} leaves no room for {len(special)} special entries")
        reserved = set(special)
        words = [w for w, count in counts.items() if count >= min_count and w not in reserved]
        if order == "frequency" or (room is not None and room < len(words)):
            words.sort(key=lambda word: (-counts[word], word))
            words = words[:room]
        if order == "alphabetical":
            words.sort()
        ids = {word: index for index, word in enumerate((*special, *words))}
        return cls(ids, counts)

    def __getitem__(self, word: str) -> int:
        return self._ids[word]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __repr__(self) -> str:
        return f"Vocabulary({self._ids!r})"

    def with_unknown(self, word: str) -> Vocabulary:
        """This vocabulary with `word` in it: itself, or with one more entry after the last id.

        Raises:
            UsageError: the word is empty.
        """
        if not word:
            raise UsageError("the entry for unknown words is empty", "Give `--unk` a word.")
        if word in self._ids:
            return self
        return Vocabulary({**self._ids, word: max(self._words, default=-1) + 1}, self.counts)

    def encode(self, words: Iterable[str], *, unknown: str | None = None) -> list[int]:
        """The id of each word; one that is missing gets the id of `unknown`, or of `<unk>`.

        Raises:
            UnknownWordError: a word is missing and so is the entry that could stand for it.
        """
        words, ids = list(words), self._ids
        substitute = ids.get(UNKNOWN if unknown is None else unknown)
        encoded = [ids.get(word, substitute) for word in words]
        if substitute is None and None in encoded:
            missing = list(dict.fromkeys(word for word in words if word not in ids))
            others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise UnknownWordError(
                f"the vocabulary does not have the word `{missing[0]}`{others}",
                f"To read unknown words as one entry, use `--unk '{UNKNOWN}'`.",
            )
        return [index for index in encoded if index is not None]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The word of each id.

        Raises:
            DataError: no word has that id.
        """
        try:
            return [self._words[index] for index in ids]
        except KeyError as error:
            last = max(self._words, default=-1)
            raise DataError(
                f"no word has the id {error.args[0]}", f"The ids here go from 0 to {last}."
            ) from None


def count_words(
    chunks: Iterable[str], split: Split = "words", *, lowercase: bool = False
) -> Counter[str]:
    """Count the words of a text that comes in pieces, holding only one piece and the counts.

    A piece may end inside a word. The result is that of `split_text` on the whole text.

    Raises:
        DataError: there are more distinct words, or longer ones, than any text has.
    """
    if split in ("characters", "bytes"):
        return _lowered(_count_symbols(chunks, split), lowercase)
    raw: Counter[str] = Counter()
    for chunk in whole_words(chunks):
        raw.update(chunk.split())
        if len(raw) > _MOST_WORDS:
            raise DataError(f"there are more than {_MOST_WORDS:,} distinct words")
    if split == "words":
        # Punctuation is taken off each distinct piece once, however often it came.
        words: Counter[str] = Counter()
        for piece, count in raw.items():
            if core := strip_punctuation(piece):
                words[core] += count
        raw = words
    return _lowered(raw, lowercase)


def whole_words(chunks: Iterable[str]) -> Iterator[str]:
    """The same text, cut only at white space.

    Raises:
        DataError: a word is longer than any is.
    """
    rest: list[str] = []
    length = 0
    for chunk in chunks:
        unfinished = "" if not chunk or chunk[-1].isspace() else chunk.rsplit(maxsplit=1)[-1]
        rest.append(chunk[: len(chunk) - len(unfinished)])
        if rest[-1]:
            yield "".join(rest)
            rest, length = [], 0
        rest.append(unfinished)
        length += len(unfinished)
        if length > _LONGEST_WORD:
            raise DataError(f"there is a word of more than {_LONGEST_WORD:,} characters")
    yield "".join(rest)


def _count_symbols(chunks: Iterable[str], split: Split) -> Counter[str]:
    characters: Counter[str] = Counter()
    for chunk in chunks:
        characters.update(chunk)
    if split == "characters":
        return characters
    names: Counter[str] = Counter()
    for character, count in characters.items():
        for name in byte_names(character):
            names[name] += count
    return names


def _lowered(counts: Counter[str], lowercase: bool) -> Counter[str]:
    if not lowercase:
        return counts
    lowered: Counter[str] = Counter()
    for word, count in counts.items():
        lowered[word.lower()] += count
    return lowered
