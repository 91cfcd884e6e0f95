"""`attn vocab`: the words of a text or of files, numbered; and texts to ids and back."""

import json as json_module
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from attn_cli.commands import inputs
from attn_cli.commands.options import (
    OUTPUT,
    ColorOption,
    FileOption,
    Group,
    JsonOption,
    Words,
    grouped,
    in_range,
    option,
    require_other_file,
)
from attn_cli.commands.progress import Meter
from attn_cli.commands.streams import write_bytes, write_text
from attn_cli.errors import DataError, UsageError
from attn_cli.files import vocabulary as vocabulary_files
from attn_cli.files.whole import write_whole
from attn_cli.strict_json import parse
from attn_cli.text import decode_chunks, join_words, recovered, split_text, visible
from attn_cli.vocabulary import Order, Vocabulary, count_words

EPILOG = """Examples:

attn vocab "Life is short, eat dessert first"

attn vocab sample_inputs/prose.txt --size 100 --order frequency

attn vocab "short is Life" --vocab sample_inputs/vocabulary.json --encode
"""

_BUILD, _CONVERT = "Building", "To ids and back"


class Building(Group):
    """Which words get an id, and in which order."""

    size: Annotated[
        int | None,
        option(
            "--size", panel=_BUILD, metavar="N", help="Entries at the most; the commonest stay."
        ),
    ] = None
    min_count: Annotated[
        int, option("--min-count", panel=_BUILD, metavar="N", help="Leave out rarer words.")
    ] = 1
    order: Annotated[Order, option("--order", panel=_BUILD, help="How ids are given.")] = (
        "alphabetical"
    )
    special: Annotated[
        list[str] | None,
        option(
            "--special",
            panel=_BUILD,
            metavar="WORD",
            help="An entry before the words, again for more.",
        ),
    ] = None

    def require_none(self) -> None:
        """Refuse a choice where the vocabulary is given.

        Raises:
            UsageError: there is one.
        """
        chosen = {
            "size": self.size,
            "min-count": self.min_count > 1,
            "special": self.special,
            "order": self.order != "alphabetical",
        }
        for name, value in chosen.items():
            if value:
                raise UsageError(
                    f"--{name} is for building a vocabulary, and --vocab gives one",
                    "Leave one of them out.",
                )

    def build(self, counts: Counter[str]) -> Vocabulary:
        in_range("--size", self.size, 1, 2**31 - 1)
        in_range("--min-count", self.min_count, 1, 2**31 - 1)
        return Vocabulary.build(
            counts,
            size=self.size,
            min_count=self.min_count,
            order=self.order,
            special=[recovered(word) for word in self.special or ()],
        )


@grouped
def vocab(
    ctx: typer.Context,
    words: Words,
    building: Building,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT|FILE...",
            help="Files that exist, or one text; - or nothing reads standard input.",
        ),
    ] = None,
    file: FileOption = None,
    vocab: Annotated[
        str | None,
        option("--vocab", panel=_CONVERT, metavar="FILE", help="Take the ids from this file."),
    ] = None,
    encode: Annotated[
        bool, option("--encode", panel=_CONVERT, help="Print the ids of the text.")
    ] = False,
    decode: Annotated[
        bool, option("--decode", panel=_CONVERT, help="Print the words of ids, such as 0 4 5.")
    ] = False,
    out: Annotated[
        str | None,
        option("--out", "-o", panel=OUTPUT, metavar="FILE", help="Write a .json or .txt file."),
    ] = None,
    json: JsonOption = False,
    color: ColorOption = "auto",
) -> int:
    """Number the words of a text or of files: word, id and how often."""
    if not (vocab and not sources and not encode and not decode):
        inputs.require_one_source(ctx, sources, file)
    if vocab is not None:
        building.require_none()
    _require_sense(vocab, encode, decode, out, bool(sources or file))
    given = find_sources(sources or [], file)
    require_other_file(out, vocab, *(str(source) for source in given if isinstance(source, Path)))
    known = None if vocab is None else vocabulary_files.load(vocab)
    if known is not None and decode:
        _decode(known, _read_all(given), words, json)
    elif encode:
        texts = _read_all(given)
        known = known or building.build(count_words(texts, words.split, lowercase=words.lowercase))
        _encode(known, texts, words, json)
    else:
        built = known or building.build(_count(given, words))
        if not built:
            raise DataError("there are no words", "Give a text with at least one word.")
        _deliver(built, out, json, color)
    return 0


def _require_sense(
    vocab: str | None, encode: bool, decode: bool, out: str | None, text: bool
) -> None:
    if encode and decode:
        raise UsageError("--encode and --decode contradict each other", "Give one of them.")
    if decode and vocab is None:
        raise UsageError("--decode needs a vocabulary", "Name one with `--vocab FILE`.")
    if (encode or decode) and out is not None:
        raise UsageError("-o writes a vocabulary, not ids or words", "Redirect the output instead.")
    if vocab is not None and text and not encode and not decode:
        raise UsageError("with --vocab a text is for --encode or --decode", "Say which.")


def find_sources(arguments: Sequence[str], file: str | None) -> list[str | Path]:
    """What the arguments are: files that exist, or one text. `-` is standard input.

    Raises:
        DataError: a text that is no valid UTF-8, one of several arguments is no file, or a file
            has no name.
    """
    if file == "":
        raise DataError("the name of a file is empty")
    if file is not None or not arguments:
        return [Path("-" if file is None else file)]
    found: list[str | Path] = []
    for argument in arguments:
        if argument == "-" or (argument and _exists(argument)):
            found.append(Path(argument))
        elif len(arguments) == 1 and not _looks_like_path(argument):
            found.append(recovered(argument))
        else:
            raise DataError(
                f"there is no file `{argument}`", "A text goes in quotes, as one argument."
            )
    return found


def _exists(argument: str) -> bool:
    try:
        return Path(argument).exists()
    except (OSError, ValueError):  # too long for a name, or with a character no name has
        return False


def _looks_like_path(argument: str) -> bool:
    """One word that begins or ends as a path does is a path mistyped rather than a text."""
    one_word = len(argument.split()) == 1
    return one_word and (
        argument.startswith(("/", "./", "../", "~")) or argument.lower().endswith((".txt", ".md"))
    )


def _count(given: Sequence[str | Path], words: Words) -> Counter[str]:
    counts: Counter[str] = Counter()
    files = [source for source in given if isinstance(source, Path)]
    with Meter(files) as meter:
        for source in given:
            if isinstance(source, str):
                counts += count_words([source], words.split, lowercase=words.lowercase)
                continue
            with inputs.opened(str(source)) as (name, stream):
                chunks = decode_chunks(meter.reading(stream), name)
                counts.update(count_words(chunks, words.split, lowercase=words.lowercase))
    return counts


def _read_all(given: Sequence[str | Path]) -> list[str]:
    texts = []
    for source in given:
        text, path = (source, None) if isinstance(source, str) else (None, str(source))
        texts += [one for _, one in inputs.texts(text, path, by_lines=False)]
    return texts


def _encode(known: Vocabulary, texts: Sequence[str], words: Words, json: bool) -> None:
    if words.unk is not None:
        known = known.with_unknown(words.unk)
    for text in texts:
        pieces = [w.text for w in split_text(text, words.split, lowercase=words.lowercase)]
        ids = known.encode(pieces, unknown=words.unk)
        if json:
            write_bytes(json_module.dumps({"ids": ids, "words": pieces}).encode() + b"\n")
        else:
            write_text(" ".join(map(str, ids)) + "\n")


def _decode(known: Vocabulary, texts: Sequence[str], words: Words, json: bool) -> None:
    for text in texts:
        ids = _read_ids(text)
        pieces = known.decode(ids)
        if json:
            write_bytes(json_module.dumps({"ids": ids, "words": pieces}).encode() + b"\n")
        else:
            write_text(visible(join_words(pieces, words.split)) + "\n")


def _read_ids(text: str) -> list[int]:
    """Ids between spaces or commas, as a JSON array, or as --encode --json prints them."""
    if text.lstrip().startswith(("[", "{")):
        found = parse(text.encode(), "the list of ids")
        found = found.get("ids") if isinstance(found, dict) else found
    else:
        pieces = text.replace(",", " ").split()
        found = [int(p) if p.isascii() and p.isdigit() and len(p) < 19 else p for p in pieces]
    for item in found if isinstance(found, list) else [found]:
        if type(item) is not int:
            raise DataError(f"not an id: {item}", "Ids are whole numbers, such as: 0 4 5.")
    if not found:
        raise DataError("there are no ids", "Ids are whole numbers, such as: 0 4 5.")
    return list(found)


def _deliver(built: Vocabulary, out: str | None, json: bool, color: str) -> None:
    if out is not None:
        write_whole(out, [vocabulary_files.encode(built, out)])
    elif json:
        write_bytes(vocabulary_files.to_json(built))
    else:
        from attn_cli.commands.output import screen
        from attn_cli.terminal import listing
        from attn_cli.terminal.render import render

        counts = built.counts
        headings = ("id", "word", "count") if counts else ("id", "word")
        rows = [
            (str(index), word, str(counts[word])) if counts else (str(index), word)
            for word, index in built.items()
        ]
        on = screen(color)  # type: ignore[arg-type]
        title = f"vocabulary  {len(built)} entries"
        write_text(render(listing.draw(title, headings, rows, on), on.colors))
