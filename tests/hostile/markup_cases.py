"""Markup: whatever a text holds, a page is a page, a picture a picture, and a sheet a sheet.

What was written is read by a strict parser of its format, and searched for what nobody meant.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

from cells import token_of
from markdown_it import MarkdownIt

from hostile.case import Case
from hostile.laws import loose
from hostile.payloads import ONE_BY_ONE, TOGETHER

_VOID = {"meta", "br", "rect", "path"}
_HTML = set("html head meta title style body h1 h2 p span figure figcaption table tr th td".split())
_HTML |= {"div", "bdi", "svg", "g", "text", "rect", "path"}
_MARKDOWN = set("heading inline paragraph strong table thead tbody tr th td text softbreak".split())
_MARKDOWN |= {"hardbreak", "text_special"}
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]\d+)?")


def cases() -> Iterator[Case]:
    split = ("--split", "whitespace")
    words = {name: f"{payload} and -0.5 {payload}x" for name, payload in TOGETHER.items()}
    words |= {
        name: f"{ONE_BY_ONE[name]} a {ONE_BY_ONE[name]}"
        for name in ("html", "markdown", "formula", "quotes", "backslashes", "emoji", "wide")
    }
    for name, text in words.items():
        for suffix, check in CHECKS.items():
            yield Case(
                f"markup/{suffix}/{name}",
                ("inspect", text, *split, "-o", f"x.{suffix}", "--show", "all"),
                codes=(0,),
                makes=(f"x.{suffix}",),
                check=partial(_checked, f"x.{suffix}", check, text.split(" ")),
            )
    characters = "".join(map(chr, (*range(1, 0x20), *range(0x7F, 0xA0), 0x2028, 0xFFFE, 0xFFFF)))
    for suffix, check in CHECKS.items():
        yield Case(
            f"markup/{suffix}/every-control",
            ("inspect", f"a{characters}=", "--split", "characters", "-o", f"x.{suffix}"),
            codes=(0,),
            makes=(f"x.{suffix}",),
            check=partial(_checked, f"x.{suffix}", check, [*f"a{characters}="]),
            cpu=4,
        )
    for name, payload in ONE_BY_ONE.items():
        yield Case(
            f"markup/explain-md/{name}",
            ("explain", f"{payload} ``` b", *split, "--query", "```", "-o", "x.md"),
            codes=(0,),
            makes=("x.md",),
            check=partial(_checked, "x.md", _fence, []),
        )


def _checked(name: str, check: Callable[[str, list[str]], str], words: list[str], at: Path) -> str:
    data = Path(at, name).read_bytes()
    shown = data.decode()
    if found := loose(shown):
        return f"{name} carries {found}"
    return check(shown, words)


def _svg(shown: str, words: list[str]) -> str:
    root = ElementTree.fromstring(shown)
    for element in root.iter():
        tag = element.tag.removeprefix("{http://www.w3.org/2000/svg}")
        if tag not in ("svg", "title", "style", "rect", "g", "text", "path"):
            return f"there is an element {tag}"
        if wrong := _attributes(element.attrib.items()):
            return wrong
    return "" if len([*root.iter()]) > 10 else "it is empty"


def _attributes(found: object) -> str:
    for name, value in found:  # type: ignore[attr-defined]
        if name.startswith("on") or "href" in name or name in ("src", "action"):
            return f"there is an attribute {name}"
        if "javascript" in (value or "") or ("url(" in (value or "")):
            return f"an attribute {name} is {value}"
    return ""


class _Page(HTMLParser):
    """Every start has its end, and all of them are ours."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong = ""
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in _HTML:
            self.wrong = self.wrong or f"there is an element {tag}"
        self.wrong = self.wrong or _attributes(attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID and (not self.open or self.open.pop() != tag):
            self.wrong = self.wrong or f"</{tag}> ends nothing"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.wrong = self.wrong or f"there is a comment {data}"

    def handle_pi(self, data: str) -> None:
        self.wrong = self.wrong or f"there is an instruction {data}"

    def unknown_decl(self, data: str) -> None:
        self.wrong = self.wrong or f"there is a declaration {data}"


def _html(shown: str, words: list[str]) -> str:
    page = _Page()
    page.feed(shown)
    page.close()
    if page.wrong or page.open:
        return page.wrong or f"{page.open} is not closed"
    plain = [word for word in words if word.isprintable() and not _marks(word)]
    missing = [word for word in plain if not any(word in text for text in page.texts)]
    return f"{missing[0]!r} is not to be read" if missing else ""


def _marks(word: str) -> bool:
    return any(unicodedata.category(c)[0] == "M" or c in "\u3164\u115f\u1160" for c in word)


def _md(shown: str, words: list[str]) -> str:
    for flavour in ("commonmark", "js-default"):
        parser = MarkdownIt(flavour, {"html": True}).enable(["table", "strikethrough"])
        for token in parser.parse(shown):
            for part in (token, *(token.children or ())):
                kind = re.sub("_(open|close)$", "", part.type)
                if kind not in _MARKDOWN:
                    return f"{flavour} has {kind}: {part.content[:50]}"
    return ""


def _fence(shown: str, words: list[str]) -> str:
    """One block of code and nothing beside it."""
    kinds = [token.type for token in MarkdownIt("commonmark").parse(shown)]
    return "" if kinds == ["fence"] else f"it has {kinds}"


def _csv(shown: str, words: list[str]) -> str:
    rows = [*csv.reader(io.StringIO(shown, newline=""), strict=True)]
    if {*map(len, rows)} != {7} or len(rows) != 1 + len(words) ** 2:
        return f"{len(rows)} rows of {sorted({*map(len, rows)})} cells"
    for cell in (cell for row in rows for cell in row):
        if cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not _NUMBER.fullmatch(cell):
            return f"{cell!r} is a formula"
    for row in rows[1:]:
        if not all(map(_NUMBER.fullmatch, (*row[:4], row[6]))):
            return f"{row} has numbers that are none"
        for place, cell in ((int(row[2]), row[4]), (int(row[3]), row[5])):
            if token_of(cell) != words[place]:
                return f"{cell!r} is not {words[place]!r}"
    return ""


def _json(shown: str, words: list[str]) -> str:
    if not shown.isascii():
        return "it is not ASCII"
    found = json.loads(shown)
    texts = [token["text"] for token in found["query_tokens"]]
    return "" if texts == words else f"{texts} are not {words}"


def _txt(shown: str, words: list[str]) -> str:
    return "" if "tokens" in shown else "it has no tokens"


CHECKS: dict[str, Callable[[str, list[str]], str]] = {
    "svg": _svg,
    "html": _html,
    "md": _md,
    "csv": _csv,
    "json": _json,
    "jsonl": _json,
    "txt": _txt,
}
