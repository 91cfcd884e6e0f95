"""Growth: how many characters the parts of a `tokenizer.json` can make of a text, before they do.

A few lines of replacements can double a text forty times over, and the package `tokenizers` takes
that memory without asking. Nothing is replaced here: what each character can come to is a bound.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from attn_cli.errors import DataError

_MOST = 2_000_000  # characters; the package takes some two hundred bytes for each
_ORDINARY = 16  # for one: more than bytes as characters, or accents written apart, ever make
_SHORT = 1 << 14  # bytes of JSON that hold what a part needs, most often
_MOST_STEPS = 1000  # the most in use is a few dozen
_MOST_AROUND = 10_000  # tokens beside a text's own; five are much
_PARTS = ("normalizer", "pre_tokenizer", "decoder", "added_tokens", "post_processor")
_INNER = ("normalizers", "pretokenizers", "decoders", "processors")  # what sequences call theirs
PUBLISHED = "Use the tokenizer.json that was published with the model."
_VALUE = re.compile(rb"\s*:\s*(?=[{\[])")
# Nobody writes small letters of ASCII so, but someone who hides a key.
_HIDDEN = re.compile(rb"\\u00(?:6[1-9a-fA-F]|7[0-9aA])")


class Growth(NamedTuple):
    """What a character of a text can come to; `own` has those that differ from all others."""

    usual: float = 1.0
    own: Mapping[str, float] = {}
    added: float = 0.0  # to a text, however long

    @property
    def most(self) -> float:
        return max(self.usual, *self.own.values()) if self.own else self.usual

    def of(self, text: str) -> float:
        return self.added + sum(self.own.get(character, self.usual) for character in text)

    def require_any(self, complaint: str) -> None:
        """Refuse what makes too much of a hundred characters, whichever these are."""
        if self.added + 100 * self.most > _MOST:
            raise _too_much(complaint)

    def require(self, text: str, complaint: str) -> None:
        """Refuse a text of which too much would become."""
        quick = self.added + self.most * len(text)
        if quick > max(_MOST, _ORDINARY * len(text)) and self.of(text) > _MOST:
            raise _too_much(complaint)


def _too_much(complaint: str) -> DataError:
    return DataError(
        f"{complaint}: its replacements can make more than {_MOST:,} characters of it",
        PUBLISHED,
    )


def growth(data: bytes, name: str) -> Growth:
    """What a `tokenizer.json` makes of each character before it is cut into tokens.

    Args:
        data: its JSON text; only the parts that change texts are looked at.
        name: what complaints begin with.

    Raises:
        DataError: it makes too much even of its own tokens, before or after a model.
    """
    parts = _parts(data)
    for step in (step for part in parts["normalizer"] for step in _steps(part)):
        data = _map(step) if step.get("type") == "Precompiled" else b""
        if data and _end(data) > len(data):  # the package would take what it claims
            raise DataError(
                f"{name}: the `precompiled_charsmap` of its `normalizer` claims {_end(data):,} "
                f"bytes, and has {len(data):,}",
                PUBLISHED,
            )
    found = _together([*parts["normalizer"], *parts["pre_tokenizer"]])
    complaint = f"{name} cannot be used for a text"
    for around in parts["post_processor"]:
        _require_few(around, complaint)
    for back in parts["decoder"]:  # it is given any token, and makes little more of one
        _together([back]).require_any(complaint)
    found.require("x" * 100, complaint)
    if found.most > _ORDINARY:
        added = [token for tokens in parts["added_tokens"] for token in tokens]
        contents = [t["content"] for t in added if isinstance(t, dict) and "content" in t]
        found.require("".join(map(str, contents)), complaint)
    return found


def _parts(data: bytes) -> dict[str, list[Any]]:
    """Each part by its name; of one that is there twice both, as it is not asked which counts."""
    if _HIDDEN.search(data):  # to read all of it takes longer, and no one needs it
        data = json.dumps(_loaded(data), ensure_ascii=False).encode("utf-8", "surrogatepass")
    return {part: list(_values(data, f'"{part}"'.encode())) for part in _PARTS}


def _values(data: bytes, key: bytes) -> Iterator[Any]:
    """The objects and lists that a key has, wherever it stands."""
    decoder, place = json.JSONDecoder(), data.find(key)
    while place >= 0:
        place += len(key)
        if begins := _VALUE.match(data, place):
            for end in (begins.end() + _SHORT, len(data)):  # the vocabulary may follow
                text = data[begins.end() : end].decode("utf-8", "replace")
                with suppress(ValueError, RecursionError):  # which is for the package to say
                    yield decoder.raw_decode(text)[0]
                    break
        place = data.find(key, place)


def _loaded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _together(parts: list[Any]) -> Growth:
    """Of parts one after the other: what the last makes is known, so it goes from there back."""
    steps = [step for part in parts for step in _steps(part)]
    usual, own, added = 1.0, dict[str, float](), 0.0
    for step in reversed(steps[:_MOST_STEPS]):
        kind = step.get("type")
        most = max([usual, *own.values()])
        if kind == "Replace":
            content, pattern = str(step.get("content", "")), step.get("pattern")
            made = sum(own.get(character, usual) for character in content)
            exact = pattern.get("String") if isinstance(pattern, dict) else None
            if isinstance(exact, str) and exact:
                for character in exact:  # which share what is put for them
                    own[character] = max(own.get(character, usual), made / len(exact))
            elif _takes_some(pattern):
                usual, own = max(usual, made), {c: max(w, made) for c, w in own.items()}
            else:  # it may stand before each character, and at the end
                usual, own = usual + made, {c: w + made for c, w in own.items()}
                added += made
        elif kind in ("Prepend", "Append"):
            added += most * len(str(step.get("prepend", "")))
        elif kind == "ByteLevel":  # four characters of one, or two of its own again
            usual, own = 4 * most, {}
        elif kind == "Precompiled":
            usual, own = most * _longest(_map(step)), {}
        else:  # any character may become any other
            usual, own = most, {}
    return Growth(usual, own, added) if len(steps) <= _MOST_STEPS else Growth(float("inf"))


def _steps(part: Any) -> Iterator[Mapping[str, Any]]:
    """The steps that a part consists of; sequences may hold sequences."""
    waiting = [part]
    while waiting:
        part = waiting.pop()
        if not isinstance(part, dict):
            continue
        inner = [part.get(key) for key in _INNER]
        lists = [steps for steps in inner if isinstance(steps, list)]
        if lists:
            waiting.extend(step for steps in lists for step in reversed(steps))
        else:
            yield part


def _require_few(part: Any, complaint: str) -> None:
    """Refuse templates that put very many tokens around a text, or the text there many times."""
    tokens = 1  # of a text of one
    for step in _steps(part):
        tokens = max(tokens, *(_made(step, key, tokens) for key in ("single", "pair")))
        if tokens > _MOST_AROUND:
            raise DataError(
                f"{complaint}: its `post_processor` can make {tokens:,} tokens of one", PUBLISHED
            )


def _made(step: Mapping[str, Any], key: str, tokens: int) -> int:
    """How many tokens a template makes of so many."""
    special, template = step.get("special_tokens"), step.get(key)
    made = 0
    for piece in template if isinstance(template, list) else ():
        match piece:
            case {"Sequence": _}:
                made += tokens
            case {"SpecialToken": {"id": str(name)}} if isinstance(special, dict):
                match special.get(name):
                    case {"ids": list(ids)}:
                        made += len(ids)
    return made


def _takes_some(pattern: Any) -> bool:
    """Whether a pattern certainly stands for a character or more, wherever it is found."""
    regex = pattern.get("Regex") if isinstance(pattern, dict) else None
    if not isinstance(regex, str) or re.search(r"\[[^\]]*\[", regex):  # a set in a set
        return False
    try:
        from re import _parser  # type: ignore[attr-defined]  # 3.11 and later
    except ImportError:
        return False
    try:
        parsed = _parser.parse(re.sub(r"\\[pP]\{[^}]*\}", ".", regex))
        return bool(parsed.getwidth()[0] > 0)
    except (re.error, OverflowError, RecursionError):  # another dialect: who knows
        return False


def _map(step: Mapping[str, Any]) -> bytes:
    """A SentencePiece map of characters: the length of its index, the index, what it points to."""
    from base64 import b64decode

    try:
        return b64decode(step.get("precompiled_charsmap", ""))
    except (TypeError, ValueError):  # which is for the package to say
        return b""


def _end(data: bytes) -> int:
    """Where the index of a map should end."""
    return 4 + int.from_bytes(data[:4], "little")


def _longest(data: bytes) -> int:
    """The longest replacement in a map; Unicode's own, of up to 18 letters, count as 1."""
    longest = max(map(len, data[_end(data) :].split(b"\0")))
    return longest if longest > 64 else 1
