"""Pictures and pages: every number has its colour and its place, and no text is obeyed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from conftest import run
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_text import HOSTILE

from attn_cli import Inspection, files, inspect, palette
from attn_cli.inspection import Layer, Mask, Source, Token
from attn_cli.report import page, svg
from attn_cli.tables import SHOWABLE, cell_text, tables
from attn_cli.text import visible

NAMESPACE = "{http://www.w3.org/2000/svg}"
MARKUP = "</text></svg><script>alert(1)</script>&amp;\"'<b>"


def of_weights(weights: np.ndarray, texts: list[str] | None = None, **more: Any) -> Inspection:
    """An Inspection of (n_head, n, n) weights in one layer."""
    texts = texts or [f"w{i}" for i in range(weights.shape[-1])]
    layers = (Layer(weights=weights),)
    return Inspection(query_tokens=tuple(map(Token, texts)), layers=layers, **more)


def random_weights(n_head: int, n: int, causal: bool = False) -> np.ndarray:
    random = np.random.default_rng(n).random((n_head, n, n)) ** 4 * (np.tri(n) if causal else 1)
    random[:, 0, 0] = 1
    return (random / random.sum(axis=-1, keepdims=True)).astype(np.float32)


def picture(inspection: Inspection, **more: Any) -> ET.Element:
    return ET.fromstring(b"".join(files.encode([inspection], "svg", **more)))


def texts(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{NAMESPACE}text")]


def grids(root: ET.Element) -> Iterator[dict[tuple[int, int], str]]:
    """The colour of each cell of every matrix, taken apart stroke by stroke."""
    for group in root.iter(f"{NAMESPACE}g"):
        paths = group.findall(f"{NAMESPACE}path")
        cells: dict[tuple[int, int], str] = {}
        for path in paths:
            strokes = re.findall(r"M(\d+) (\d+)\.5h(\d+)", path.get("d", ""))
            assert "".join(f"M{x} {y}.5h{n}" for x, y, n in strokes) == path.get("d")
            for x, y, n in strokes:
                for column in range(int(x), int(x) + int(n)):
                    assert (int(y), column) not in cells
                    cells[int(y), column] = path.get("stroke", "")
        if cells:
            yield cells


@pytest.mark.parametrize("n", [1, 6, 30])
@pytest.mark.parametrize("causal", [False, True])
def test_every_cell_has_its_colour(n: int, causal: bool) -> None:
    weights = random_weights(2, n, causal)
    allowed = np.tri(n, dtype=bool) if causal else None
    kind: Any = "causal" if causal else "self"
    drawn = list(grids(picture(of_weights(weights, kind=kind, mask=Mask(allowed=allowed)))))
    assert len(drawn) == 2 + 1  # two heads, and the legend
    for head in range(2):
        expected = {
            (i, j): f"#{bytes(palette.weight_color(weights[head, i, j].item())).hex()}"
            for i in range(n)
            for j in range(n)
            if allowed is None or allowed[i, j]
        }
        assert drawn[head] == expected


def test_a_large_matrix_is_pooled_and_says_so() -> None:
    weights = random_weights(1, 700)
    root = picture(of_weights(weights))
    assert any("each cell the largest of 3 × 3" in text for text in texts(root))
    cells = next(grids(root))
    assert len(cells) == 234**2
    assert cells[1, 2] == f"#{bytes(palette.weight_color(weights[0, 3:6, 6:9].max())).hex()}"
    assert cells[233, 233] == f"#{bytes(palette.weight_color(weights[0, 699, 699])).hex()}"


def test_numbers_titles_legends_and_tokens_are_there() -> None:
    article = inspect("Life is short, eat dessert first")
    shown = texts(picture(article))
    assert shown[0] == "Life is short, eat dessert first" and "seed 123" in shown[1]
    assert {"0.6870", "weights 6 × 6", "layer 0, head 0", "1 is", "dessert"} <= set(shown)
    assert any(text.startswith("1  weight, on the same scale") for text in shown)
    every = texts(picture(article, names=SHOWABLE))
    assert {"query 6 × 2", "value 6 × 4", "context 6 × 4", "vocabulary 1 × 6"} <= set(every)
    assert "rows: query tokens · columns: d_head" in every
    assert "0.69" in texts(picture(article, precision=2))


def ends(element: ET.Element, x: float = 0, y: float = 0) -> Iterator[tuple[float, float, float]]:
    """Where each text that is not upright begins, ends and stands; 0.6 of its size a character."""
    move = re.match(r"translate\(([-\d.]+) ([-\d.]+)\)", element.get("transform", ""))
    if move:
        x, y = x + float(move[1]), y + float(move[2])
    if element.tag == f"{NAMESPACE}text" and "rotate" not in element.get("transform", ""):
        length = 0.6 * 11 * len(element.text or "")
        before = {"e": 1.0, "m": 0.5}.get((element.get("class") or "-")[0], 0.0)
        start = x + float(element.get("x", 0)) - before * length
        yield start, start + length, y + float(element.get("y", 0))
    for child in element:
        yield from ends(child, x, y)


@pytest.mark.parametrize(
    "inspection",
    [inspect("a b"), inspect("Life is short"), of_weights(random_weights(9, 30))],
    ids=["small", "article", "many heads"],
)
def test_every_text_lies_within_the_picture(inspection: Inspection) -> None:
    root = picture(inspection)
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    found = list(ends(root))
    assert len(found) > 5
    for left, right, baseline in found:
        assert 0 <= left and right <= width and 0 < baseline < height


@given(st.lists(HOSTILE | st.text(max_size=8), min_size=1, max_size=3))
@example([MARKUP, "\x1b[31m", "\u202e", "]]>", "\ufffe"])
@settings(max_examples=40, deadline=None, database=None)
def test_no_text_is_obeyed(words: list[str]) -> None:
    text = " ".join(words)
    n = len(words)
    inspection = of_weights(
        random_weights(1, n),
        words,
        text=text,
        source=Source(model=text, settings={"doubts": [text]}),
    )
    root = picture(inspection)
    tags = {element.tag.removeprefix(NAMESPACE) for element in root.iter()}
    assert tags <= {"svg", "title", "style", "rect", "text", "g", "path"}
    title = root.find(f"{NAMESPACE}title")
    assert title is not None and (title.text or "") == visible(text)
    if len(visible(text)) < 80:  # longer ones end in `…`
        assert f"doubt: {visible(text)}" in texts(root)
    parsed = Page(b"".join(files.encode([inspection], "html")).decode())
    assert parsed.tags <= PAGE_TAGS
    assert f"doubt: {visible(text)}" in parsed.said
    for word in words:
        assert visible(word) in "".join(parsed.said) or not word.strip()


PAGE_TAGS = set("html head meta title style body h1 h2 p div figure figcaption table tr".split())
PAGE_TAGS |= set("th td bdi span svg rect text g path".split())


class Page(HTMLParser):
    """The tags and the texts of a page; every tag that opens is closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.said: list[str] = []
        self.cells: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            assert not name.startswith("on") and name not in ("src", "href"), name
            assert "url(" not in (value or "")
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


def test_a_page_has_every_number() -> None:
    article = inspect("Life is short, eat dessert first")
    data = b"".join(files.encode([article], "html", names=SHOWABLE)).decode()
    expected = [
        cell_text(table, i, j)
        for table in tables(article, SHOWABLE)
        for i in range(table.values.shape[0])
        for j in range(table.values.shape[1])
    ]
    assert Page(data).cells == expected
    assert "default-src 'none'" in data and "http" not in data.replace("http-equiv", "")
    step = palette.step(article.layers[0].weights[0, 1, 1].item())
    assert f"<td class=w{step}>0.6870</td>" in data
    assert f".w{step}{{background:#{bytes(palette.scale_colors('weight')[step]).hex()}" in data


def test_a_page_of_many_words_has_pictures() -> None:
    weights = random_weights(2, 60, causal=True)
    inspection = of_weights(weights, kind="causal", mask=Mask(allowed=np.tri(60, dtype=bool)))
    data = b"".join(page.write(inspection)).decode()
    parsed = Page(data)
    assert {"svg", "path", "rect"} <= parsed.tags and parsed.tags <= PAGE_TAGS
    assert "head 1 " in parsed.said and any("grey is masked" in said for said in parsed.said)


@pytest.mark.parametrize("style", [svg.STYLE, page._STYLE])
def test_text_stands_out_in_the_light_and_in_the_dark(style: str) -> None:
    """At least 4.5 to 1, as WCAG 2.2 wants it."""

    def of(code: str) -> float:
        digits = code if len(code) == 6 else "".join(c * 2 for c in code)
        red, green, blue = bytes.fromhex(digits)
        return palette.luminance((red, green, blue))

    light, dark = style.split("@media (prefers-color-scheme:dark)")
    for part in (light, dark):
        grounds = re.findall(r"(?:bg\{fill|body\{[^}]*background):#(\w+)", part)
        inks = re.findall(r"(?:text\{[^}]*fill|body\{[^}]*color|\.d\{(?:fill|color)):#(\w+)", part)
        assert len(grounds) == 1 and len(inks) == 2, part
        for ink in inks:
            high, low = sorted((of(ink), of(grounds[0])), reverse=True)
            assert (high + 0.05) / (low + 0.05) > 4.5


def test_plain_text_is_what_a_terminal_of_100_columns_shows() -> None:
    shown = run("inspect", "Life is short, eat dessert first", env={"COLUMNS": "100"})
    written = run("inspect", "Life is short, eat dessert first", "--format", "txt")
    assert written == shown
    several = run("inspect", "--lines", "--format", "txt", stdin=b"a b\nc d\n")
    assert several.text == run("inspect", "--lines", stdin=b"a b\nc d\n").text


def test_what_has_no_text_goes_by_its_model() -> None:
    inspection = of_weights(random_weights(1, 2), source=Source(model="x.npz"))
    for name in ("svg", "html", "txt", "md"):
        assert b"x" in b"".join(files.encode([inspection], name)).split(b"2 tokens")[0]
    named = replace(inspection, text="a text")
    assert texts(picture(named))[:2] == ["a text", "2 tokens · self-attention · x.npz"]
