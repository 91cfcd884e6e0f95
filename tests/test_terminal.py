"""What the terminal shows: straight columns on any screen, true colours, and no text obeyed."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import emulate, run, run_in_terminal, together
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from attn_cli import inspect
from attn_cli.inspection import Inspection, Layer, Mask, Source, Token
from attn_cli.tables import SHOWABLE
from attn_cli.terminal import show
from attn_cli.terminal.render import folded, render
from attn_cli.terminal.styles import Screen

WIDTHS = (20, 40, 80, 120, 200)
DEPTHS = ("none", "16", "256", "truecolor")
NUMBER = re.compile(r"-?\d+\.\d{4}")
SGR = re.compile(r"\x1b\[[\d;]*m")

TEXTS = {
    "article": "Life is short, eat dessert first",
    "one word": "x",
    "sixty words": " ".join(f"word{i}" for i in range(60)),
    "cjk": "我 喜歡 吃 甜點 ﾊﾝｶｸ 한국어 ｆｕｌｌ",
    "emoji": "👩‍👩‍👧‍👦 ❤️ 🎂 👍🏽 🇫🇷 cake",
    "right to left": "שלום עולם مرحبا بالعالم hello",
    "combining": "e\u0301te\u0301 n\u0303 ก็ที่ नमस्ते Z\u0351\u036b\u0343",
    "longer than the screen": f"{'supercalifragilistic' * 15} {'長' * 150} and short",
    "hostile": "[bold]x[/] \x1b[31mred \x9b2J :smile: \u202erev \u2066iso \x07\x08\r \x00 \u200bz",
    "marks alone": "\u0301a b\u0301 ◌ \u3164x \u202eab ze\u0301ro\u200d word",
    "towers": "Z" + "\u0301" * 1000 + " a" + "\u20dd" * 50,
}


@cache
def inspected(name: str) -> Inspection:
    return inspect(TEXTS[name], split="whitespace")


def draw(inspection: Inspection, screen: Screen, *names: str, **options: Any) -> str:
    drawn = show.lines(inspection, screen, names or SHOWABLE, **options)
    return render(drawn, screen.colors)


def matrix(weights: np.ndarray, allowed: np.ndarray | None = None, **tensors: Any) -> Inspection:
    """An Inspection of one head with these weights over words w0, w1, …"""
    tokens = tuple(Token(f"w{i}") for i in range(len(weights)))
    return Inspection(
        text="made by hand",
        kind="self" if allowed is None else "causal",
        query_tokens=tokens,
        key_tokens=tokens,
        mask=Mask(name="causal", allowed=allowed) if allowed is not None else Mask(),
        layers=(Layer(weights=weights[None].astype(np.float32), **tensors),),
        source=Source(model="by hand"),
    )


def cells(line: Any, width: int) -> str:
    """A line of an emulator's screen, one character a cell."""
    return "".join((line[x].data or "\0")[0] for x in range(width))


def blocks(text: str, n_columns: int) -> list[tuple[int, int]]:
    """The first and last column of every block that a heading announces."""
    pattern = rf"^columns (\d+)\D+(\d+) of {n_columns}$"
    return [(int(a), int(b)) for a, b in re.findall(pattern, text, re.MULTILINE)]


def without_gap(found: list[tuple[int, int]], n_columns: int) -> bool:
    starts = [first for first, _ in found]
    return (
        bool(found)
        and starts == [0, *(last + 1 for _, last in found[:-1])]
        and (found[-1][1] == n_columns - 1)
    )


# Width and columns

VARIOUS = ("tokens", "embedding", "key", "scores", "weights")  # every kind of table and heading


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_screen(name: str, width: int) -> None:
    styles = [(c, a, s) for c in DEPTHS for a in (False, True) for s in ("numbers", "map")]
    for colors, ascii_only, style in [*styles, ("none", False, "auto")]:
        screen = Screen(width, colors, ascii_only)  # type: ignore[arg-type]
        shown = SGR.sub("", draw(inspected(name), screen, *VARIOUS, style=style))
        wide = [line for line in shown.splitlines() if cell_len(line) > width]
        assert not wide, (screen, style, wide[:3])


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("width", (40, 80, 200))
def test_numbers_stand_below_one_another(name: str, width: int) -> None:
    for colors in ("none", "truecolor"):
        screen = Screen(width, colors)  # type: ignore[arg-type]
        for table in ("embedding", "query", "scores", "weights", "context"):
            shown = SGR.sub("", draw(inspected(name), screen, table, style="numbers"))
            body = [line for line in shown.splitlines() if NUMBER.search(line)]
            rows = [line for line in body if re.match(r" *\d+ ", line)]
            ends = [tuple(cell_len(row[: m.end()]) for m in NUMBER.finditer(row)) for row in rows]
            per_block = len(inspected(name).query_tokens)
            assert len(rows) % per_block == 0
            for first in range(0, len(rows), per_block):
                assert len(set(ends[first : first + per_block])) == 1, (table, screen)


# The emulator knows no emoji sequences and no marks without a combining class (Thai), so those
# are measured above alone.
@pytest.mark.parametrize(
    "name", [name for name in TEXTS if name not in ("emoji", "combining", "towers")]
)
def test_columns_are_straight_on_an_emulated_terminal(name: str) -> None:
    inspection = inspected(name)
    n = len(inspection.query_tokens)
    for colors in ("none", "truecolor"):
        shown = draw(inspection, Screen(80, colors), "weights", style="numbers")  # type: ignore[arg-type]
        screen = emulate(shown, 80)
        lines = [cells(screen.buffer[y], 80) for y in range(screen.lines)]
        rows = [i for i, line in enumerate(lines) if re.match(r" *\d+ ", line)]
        rows = [i for i in rows if NUMBER.search(lines[i])]
        assert len(rows) % n == 0 and rows
        for first in range(0, len(rows), n):
            block = rows[first : first + n]
            ends = [[m.end() for m in NUMBER.finditer(lines[i])] for i in block]
            assert all(row == ends[0] for row in ends)
            header = lines[block[0] - 1] + " "
            for end in ends[0]:  # a name ends where the numbers below it end
                assert header[end - 1] != " " and header[end] == " "


# Nothing vanishes


@pytest.mark.parametrize("width", WIDTHS)
def test_sixty_words_as_numbers_show_every_column(width: int) -> None:
    shown = draw(inspected("sixty words"), Screen(width), "weights", style="numbers")
    found = blocks(shown, 60)
    assert without_gap(found, 60)
    assert len(NUMBER.findall(shown)) == 60 * 60
    for part, (first, last) in zip(
        re.split(r"^columns .*\n", shown, flags=re.MULTILINE)[1:], found, strict=True
    ):
        header = part.splitlines()[0].split()
        assert len(header) == last - first + 1


def test_sixty_words_are_a_map_with_legend_and_ruler_by_default() -> None:
    shown = SGR.sub("", draw(inspected("sixty words"), Screen(80, "truecolor"), "weights"))
    lines = shown.splitlines()
    grid = [line for line in lines if line.count("▀") == 60]
    assert len(grid) == 30  # two rows a line
    ruler = lines[lines.index(grid[0]) - 1]
    start = grid[0].index("▀")
    for column in range(0, 60, 10):
        assert ruler[start + column :].startswith(str(column))
    assert re.search(r"^weights +60 × 60", shown, re.MULTILINE)
    assert "map" in shown
    assert re.search(r"^0 +1$", shown, re.MULTILINE)  # the legend's two ends, and the bar between


@pytest.mark.parametrize("colors", DEPTHS)
def test_a_map_wider_than_the_screen_announces_its_columns(colors: str) -> None:
    screen = Screen(40, colors)  # type: ignore[arg-type]
    shown = SGR.sub("", draw(inspected("sixty words"), screen, "weights", style="map"))
    assert without_gap(blocks(shown, 60), 60)


@pytest.mark.parametrize("name", ["tokens", "vocabulary"])
def test_tables_without_a_scale_are_never_a_map(name: str) -> None:
    shown = draw(inspected("sixty words"), Screen(80), name)
    assert without_gap(blocks(shown, 60), 60)
    for index in range(60):
        assert re.search(rf"\bword{index}\b", shown)


def test_wide_embeddings_lose_nothing() -> None:
    wide = inspect("one two three", d_model=768)
    numbers = draw(wide, Screen(80), "embedding", style="numbers")
    assert without_gap(blocks(numbers, 768), 768)
    assert len(NUMBER.findall(numbers)) == 3 * 768
    as_map = draw(wide, Screen(80), "embedding")
    assert "map" in as_map and (without_gap(blocks(as_map, 768), 768) or "largest of" in as_map)


def test_repeated_words_are_told_apart() -> None:
    shown = draw(inspect("the cat and the dog"), Screen(80), "weights")
    header = next(line for line in shown.splitlines() if "cat" in line)
    assert len(set(header.split())) == 5
    rows = [line for line in shown.splitlines() if NUMBER.search(line)]
    assert len({row[: NUMBER.search(row).start()] for row in rows}) == 5  # type: ignore[union-attr]


def test_what_is_cut_ends_in_an_ellipsis() -> None:
    shown = draw(inspected("longer than the screen"), Screen(80), "weights")
    body = [line for line in shown.splitlines() if re.match("[01] .*[a-z長]", line)]
    assert len(body) >= 2 and all("…" in line for line in body)
    assert "…" in shown.splitlines()[0]
    ascii_shown = draw(inspected("longer than the screen"), Screen(80, ascii=True), "weights")
    assert "…" not in ascii_shown


def test_every_table_says_its_shape_and_what_rows_and_columns_are() -> None:
    everything = inspect(
        "a b c d e f", positions="learned", dropout=0.5, heads=2, d_v=2, out_proj=True
    )
    shown = draw(everything, Screen(120))
    shapes = {"query": "6 × 2", "key": "6 × 2", "value": "6 × 2", "embedding": "6 × 3"}
    for name in SHOWABLE:
        shape, title = shapes.get(name, r"\d+ × \d+"), name.replace("position_", "position ")
        assert re.search(rf"^{title} +{shape}\b.*\nrows: .+columns: .+", shown, re.MULTILINE), name


@pytest.mark.parametrize("precision", [0, 1, 9, 17])
def test_precision_is_the_number_of_decimals(precision: int) -> None:
    shown = draw(inspected("article"), Screen(200), "weights", precision=precision)
    row = next(line for line in shown.splitlines() if line.startswith("1 is"))
    numbers = re.findall(r"\d\.?\d*", row)[1:]
    assert len(numbers) == 6
    assert {len(number.partition(".")[2]) for number in numbers} == {precision}
    assert numbers[1] == f"{inspected('article').layers[0].weights[0, 1, 1]:.{precision}f}"


# Maps


def test_half_blocks_have_the_colours_of_both_rows() -> None:
    size = 40
    causal = np.tril(np.ones((size, size), dtype=bool))
    shown = draw(matrix(np.eye(size), causal), Screen(200, "truecolor"), "weights", style="map")
    screen = emulate(shown, 200)
    lines = [cells(screen.buffer[y], 200) for y in range(screen.lines)]
    top = next(y for y, line in enumerate(lines) if re.match(r" *0 w0\b", line))
    left = min(x for x, symbol in enumerate(lines[top]) if symbol in "▀▄·")
    one, zero, none = "fde725", "440154", "default"
    for line in range(size // 2):
        for column in range(size):
            cell = screen.buffer[top + line][left + column]
            upper, lower = (
                none if column > row else one if column == row else zero
                for row in (2 * line, 2 * line + 1)
            )
            expected = {
                (False, False): ("▀", upper, lower),
                (True, False): ("▄", lower, none),
                (True, True): ("·", none, none),
            }[upper == none, lower == none]
            assert (cell.data, cell.fg, cell.bg) == expected, (line, column)
    assert "· is masked" in shown


def test_an_odd_last_row_has_nothing_below_it() -> None:
    shown = draw(matrix(np.eye(5)), Screen(80, "truecolor"), "weights", style="map")
    screen = emulate(shown, 80)
    y = next(y for y in range(screen.lines) if cells(screen.buffer[y], 80).startswith("4 w4"))
    last = [screen.buffer[y][x] for x in range(80) if screen.buffer[y][x].data == "▀"]
    assert [cell.fg for cell in last] == ["440154"] * 4 + ["fde725"]
    assert {cell.bg for cell in last} == {"default"}


def test_signed_maps_have_both_ends() -> None:
    scores = np.zeros((1, 4, 4), dtype=np.float32)
    scores[0, 0] = [-2, 2, 0, 1]
    inspection = matrix(np.eye(4), scores=scores)
    screen = emulate(draw(inspection, Screen(80, "truecolor"), "scores", style="map"), 80)
    y = next(y for y in range(screen.lines) if cells(screen.buffer[y], 80).startswith("0 w0"))
    row = [screen.buffer[y][x].fg for x in range(80) if screen.buffer[y][x].data == "▀"]
    assert row[0] == "b7e6ff" and row[1] == "ffe0bd"
    assert set(row[2][::2]) == {"2"}  # the dark grey of zero
    assert row[3] not in (row[0], row[1], row[2])


def test_shades_without_colour_tell_masked_from_zero() -> None:
    causal = np.tril(np.ones((6, 6), dtype=bool))
    shown = draw(matrix(np.eye(6), causal), Screen(80), "weights", style="map")
    rows = [line[5:] for line in shown.splitlines() if re.match(r"\d w\d ", line)]
    assert rows == [" " * i + "█" + "·" * (5 - i) for i in range(6)]


@pytest.mark.parametrize("colors", DEPTHS)
def test_masked_cells_are_dots_among_numbers_too(colors: str) -> None:
    causal = np.tril(np.ones((4, 4), dtype=bool))
    screen = Screen(80, colors)  # type: ignore[arg-type]
    shown = SGR.sub("", draw(matrix(np.eye(4), causal), screen, "weights", style="numbers"))
    rows = [re.sub("[░▒▓█]", "", line).split() for line in shown.splitlines()]
    assert ["0", "w0", "1.0000", "·", "·", "·"] in rows
    assert ["3", "w3", "0.0000", "0.0000", "0.0000", "1.0000"] in rows


@pytest.mark.parametrize("colors", DEPTHS)
def test_pooling_says_so_and_keeps_the_largest(colors: str) -> None:
    size = 400
    order = np.random.default_rng(0).permutation(size)
    inspection = matrix(np.eye(size)[order])
    shown = draw(inspection, Screen(80, colors), "weights", style="map")  # type: ignore[arg-type]
    said = re.search(r"largest of (\d+) × (\d+)", shown)
    assert said is not None
    pool = int(said[1])
    assert pool > 1 and said[1] == said[2]
    if colors == "none":
        lit = shown.count("█") - 1  # one stands in the legend
        cells_lit = {(row // pool, int(key) // pool) for row, key in enumerate(order)}
        assert lit == len(cells_lit)
    announced = blocks(SGR.sub("", shown), size)
    assert without_gap(announced, size)


def test_weights_have_one_scale_unless_asked() -> None:
    even = matrix(np.full((10, 10), 0.1))
    fixed = draw(even, Screen(80, "truecolor"), "weights", style="numbers")
    own = draw(even, Screen(80, "truecolor"), "weights", style="numbers", own_scale=True)
    assert fixed.count("48;2;253;231;37m") <= 1  # at most in the legend
    assert own.count("48;2;253;231;37m") >= 100
    assert "0.1000" in SGR.sub("", own).splitlines()[-2]  # the legend's end
    assert SGR.sub("", own).splitlines()[-1] != SGR.sub("", fixed).splitlines()[-1]


# Without colour, and in ASCII


@pytest.mark.parametrize("name", TEXTS)
def test_without_colour_there_is_no_escape_and_no_control_character(name: str) -> None:
    for style in ("numbers", "map"):
        shown = draw(inspected(name), Screen(80), style=style)
        assert "\x1b" not in shown
        odd = {c for c in shown if unicodedata.category(c)[0] == "C"} - {"\n", "\u200d"}
        assert not odd


def test_an_ascii_screen_gets_ascii_alone() -> None:
    words = inspected("sixty words")
    for colors in DEPTHS:
        for style in ("numbers", "map"):
            shown = draw(words, Screen(80, colors, ascii=True), style=style)  # type: ignore[arg-type]
            assert shown.isascii(), (colors, style)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("style", ["numbers", "map"])
def test_a_poor_encoding_keeps_columns_straight(encoding: str, style: str) -> None:
    ran = run(
        "inspect", "naïve 日本 café plain", "--show", "weights", "--style", style,
        env={"PYTHONIOENCODING": encoding, "COLUMNS": "60"},
    )  # fmt: skip
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.decode(encoding).splitlines()
    assert max(map(len, lines)) <= 60
    if style == "numbers":
        rows = [[m.end() for m in NUMBER.finditer(line)] for line in lines if NUMBER.search(line)]
        assert rows and len(rows) % 4 == 0  # escapes are long, so there may be several blocks
        for first in range(0, len(rows), 4):
            assert all(row == rows[first] for row in rows[first : first + 4])


# Text is data


def test_markup_and_shortcodes_are_shown_as_they_are() -> None:
    shown = draw(inspect("[bold] [/] :smile: [red]x[/red] \\[", split="whitespace"), Screen(120))
    for literal in ("[bold]", "[/]", ":smile:", "[red]x[/red]", "\\["):
        assert shown.count(literal) >= 3


@pytest.mark.parametrize("colors", DEPTHS)
def test_a_terminal_obeys_nothing_in_a_text(colors: str) -> None:
    text = "\x1b[31mred \x1b]0;pwned\x07t \x1b[2J\x1b[H \x1b[10A \x9b7m \x0e so \x08\x08 \u202erev"
    shown = draw(
        inspect(text, split="whitespace"),
        Screen(120, colors),
        style="numbers",  # type: ignore[arg-type]
    )
    for literal in (r"\x1b[31mred", r"\x1b]0;pwned\x07t", r"\x9b7m", r"\x0e", r"\u202erev"):
        assert literal in shown
    screen = emulate(shown, 120)
    assert screen.title == "" and screen.charset == 0
    assert screen.cursor.y == shown.count("\n") and screen.cursor.x == 0
    plain = SGR.sub("", shown).splitlines()
    for y, line in enumerate(plain):
        assert cells(screen.buffer[y], 120).rstrip() == line.rstrip()
    header = next(y for y, line in enumerate(plain) if line.startswith("tokens")) + 2
    labels = [screen.buffer[header][x] for x in range(120)]
    assert {(cell.fg, cell.bg, cell.reverse) for cell in labels} == {("default", "default", False)}


def test_towers_of_marks_are_cut() -> None:
    shown = draw(inspected("towers"), Screen(80))
    assert "\u0301" in shown and "\u0301" * 9 not in shown
    assert "\u20dd" * 9 not in shown  # an enclosing circle: a mark without a combining class
    assert max(map(len, shown.splitlines())) < 200


@given(
    st.text("ab  cd-", max_size=40).map(str.strip),
    st.integers(4, 20),
    st.sampled_from(["", "- "]),
    st.sampled_from(["", "  "]),
)
def test_remarks_are_folded_as_textwrap_does(
    text: str, width: int, first: str, indent: str
) -> None:
    options: Any = {"initial_indent": first, "subsequent_indent": indent}
    wrapped = textwrap.wrap(text, width, break_on_hyphens=False, **options)
    assert list(folded(text, width, first, indent)) == [line.rstrip() for line in wrapped]


@given(st.text("ab  長é\u0301👩👧ก็\u0e48", max_size=40), st.integers(4, 20))
@example("👩\u200d👩\u200d👧" * 5, 7)
def test_remarks_are_folded_by_cells(text: str, width: int) -> None:
    lines = list(folded(text, width))
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert not any(line.startswith("\u200d") or line.endswith("\u200d") for line in lines)


def test_blank_tokens_are_visible() -> None:
    shown = draw(inspect("a b\n\tc", split="characters"), Screen(120), "weights")
    for label in ("␣", r"\n", r"\t"):
        assert label in shown


def test_notebooks_get_escaped_html() -> None:
    html = inspect('<script>alert(1)</script> & "q" \x1b[31m', split="whitespace")._repr_html_()
    assert "<script" not in html and "&lt;script&gt;alert(1)" in html and "&amp;" in html
    assert "\x1b" not in html


def test_a_rich_console_shows_the_same_words() -> None:
    import io

    from rich.console import Console

    inspection = inspect("[bold] eats :smile:", split="whitespace")
    for color in (None, "truecolor"):
        console = Console(
            file=io.StringIO(),
            width=80,
            color_system=color,
            force_terminal=bool(color),  # type: ignore[arg-type]
        )
        console.print(inspection)
        shown = console.file.getvalue()  # type: ignore[attr-defined]
        depth = color or "none"
        expected = draw(inspection, Screen(80, depth), "tokens", "embedding", "weights")  # type: ignore[arg-type]
        strip = [line.rstrip() for line in SGR.sub("", shown).splitlines()]
        assert strip == [line.rstrip() for line in SGR.sub("", expected).splitlines()]
        assert ("\x1b[" in shown) == bool(color)


# The command decides by option, environment and terminal


def depth_of(shown: bytes) -> str:
    if b"\x1b" not in shown:
        return "none"
    if b"48;2;" in shown:
        return "truecolor"
    return "256" if b"48;5;" in shown else "16"


XTERM, DEEP = {"TERM": "xterm-256color"}, {"COLORTERM": "truecolor"}
PIPED: list[tuple[dict[str, str], list[str], str]] = [
    ({}, [], "none"),
    (XTERM | DEEP, [], "none"),
    ({"FORCE_COLOR": "1"}, [], "16"),
    ({"FORCE_COLOR": "1"} | XTERM, [], "256"),
    ({"FORCE_COLOR": "1"} | XTERM | DEEP, [], "truecolor"),
    ({"FORCE_COLOR": "0"} | XTERM, [], "none"),
    ({"FORCE_COLOR": "1", "NO_COLOR": "1"} | XTERM, [], "none"),
    ({"FORCE_COLOR": "1", "NO_COLOR": ""} | XTERM, [], "256"),
    ({"NO_COLOR": "1"} | XTERM, ["--color", "always"], "256"),
    ({"FORCE_COLOR": "0"} | XTERM | DEEP, ["--color", "always"], "truecolor"),
    ({"FORCE_COLOR": "1"} | XTERM, ["--color", "never"], "none"),
]
IN_TERMINAL: list[tuple[dict[str, str], list[str], str]] = [
    (XTERM, [], "256"),
    ({"TERM": "xterm"}, [], "16"),
    (XTERM | DEEP, [], "truecolor"),
    ({"TERM": "xterm", "COLORTERM": "24bit"}, [], "truecolor"),
    ({"TERM": "dumb"}, [], "none"),
    ({"TERM": "dumb"} | DEEP, [], "none"),
    ({"TERM": "dumb"}, ["--color", "always"], "16"),
    (XTERM | {"NO_COLOR": "1"}, [], "none"),
    (XTERM | {"NO_COLOR": ""}, [], "256"),
    (XTERM | {"FORCE_COLOR": "0"}, [], "none"),
    (XTERM | {"NO_COLOR": "1", "FORCE_COLOR": "1"}, [], "none"),
    (XTERM | {"NO_COLOR": "1"}, ["--color", "always"], "256"),
    (XTERM | DEEP, ["--color", "never"], "none"),
]


def test_colour_by_option_and_environment() -> None:
    command = ("inspect", TEXTS["article"], "--show", "weights")
    calls = [partial(run, *command, *more, env=env) for env, more, _ in PIPED]
    calls += [partial(run_in_terminal, *command, *more, env=env) for env, more, _ in IN_TERMINAL]
    ran = together(calls)
    assert {one.code for one in ran} == {0}
    for (env, more, expected), one in zip(PIPED + IN_TERMINAL, ran, strict=True):
        assert depth_of(one.out) == expected, (env, more)
    plain = next(one for (_, _, depth), one in zip(PIPED, ran, strict=False) if depth == "none")
    assert b"0.6870" in plain.out


NO_WIDTHS = ("0", "²", "-5", "abc", "")  # no screen is that wide: as if nothing were said


def test_width_by_environment_and_terminal() -> None:
    command = ("inspect", TEXTS["sixty words"], "--color", "never", "--style", "numbers")
    cases = [
        (partial(run_in_terminal, *command, columns=40), 40),
        (partial(run_in_terminal, *command, columns=133), 133),
        (partial(run_in_terminal, *command, columns=120, env={"COLUMNS": "50"}), 50),
        (partial(run, *command), 80),
        (partial(run, *command, env={"COLUMNS": "100"}), 100),
        *((partial(run, *command, env={"COLUMNS": odd}), 80) for odd in NO_WIDTHS),
        (partial(run_in_terminal, *command, columns=0, rows=0), 80),
    ]
    for ran, (_, width) in zip(together([call for call, _ in cases]), cases, strict=True):
        assert (ran.code, ran.err) == (0, "")
        longest = max(map(cell_len, ran.text.splitlines()))
        assert width - 12 < longest <= width, width


def test_odd_terminals_do_no_harm() -> None:
    odd = [
        {"COLUMNS": "1"},
        {"COLUMNS": "99999999999999999999"},
        {"TERMINAL_WIDTH": "abc"},
        {"TERMINAL_WIDTH": "0"},
        {"LINES": "x"},
        {"TERM": ""},
        {"COLUMNS": "200000"},
    ]
    calls = [
        partial(run, *command, env=env)
        for env in odd
        for command in (("inspect", "a b"), ("inspect", "--help"))
    ]
    failed = [
        (call.args, call.keywords["env"], ran.code, ran.err[:200], len(ran.out))
        for call, ran in zip(calls, together(calls), strict=True)
        if ran.code or ran.err or not 0 < len(ran.out) < 1_000_000
    ]
    assert failed == []


def test_json_in_a_terminal_is_plain(tmp_path: Path) -> None:
    colourful = XTERM | DEEP
    commands = [
        ("inspect", "a b", "--json"),
        ("vocab", "a b", "--json"),
        ("vocab", "a b", "--encode"),
        ("schema",),
        ("inspect", "a b", "--format", "csv"),
        ("inspect", "a b", "--format", "md"),
    ]
    shown = together([partial(run_in_terminal, *c, env=colourful) for c in commands])
    piped = together([partial(run, *c) for c in commands])
    assert [one.out for one in shown] == [one.out for one in piped]
    assert all(b"\x1b" not in one.out for one in shown)


def test_output_to_a_file_has_no_colour_though_a_terminal_is_near(tmp_path: Path) -> None:
    ran = run_in_terminal("inspect", "a b", env=XTERM | DEEP, out=tmp_path / "out.txt")
    assert (ran.code, ran.out) == (0, b"")
    written = (tmp_path / "out.txt").read_bytes()
    assert b"weights" in written and b"\x1b" not in written


def test_colour_does_not_change_a_word(tmp_path: Path) -> None:
    command = ("inspect", TEXTS["cjk"], "--show", "embedding,query,scores")
    plain, *coloured = together(
        [
            partial(run, *command),
            *(
                partial(run, *command, "--color", "always", env=env)
                for env in ({}, XTERM, XTERM | DEEP)
            ),
        ]
    )
    strip = [line.rstrip() for line in plain.text.splitlines()]
    for ran in coloured:
        lines = [line.rstrip() for line in SGR.sub("", ran.text).splitlines()]
        # Only the legend's bar of colours comes on top.
        assert [line for line in strip if line not in lines] == []


def test_a_slow_pipe_shows_progress_on_a_terminal_alone(tmp_path: Path) -> None:
    import os
    import subprocess
    import threading

    from conftest import ATTN, environment

    def feed(stdin: Any, done: threading.Event) -> None:
        for _ in range(25):  # longer than the bar waits, also where a process starts slowly
            stdin.write(b"word " * 100)
            stdin.flush()
            done.wait(0.1)
        stdin.close()

    import pty

    controller, line = pty.openpty()
    shown = {}
    for name, stderr in (("terminal", line), ("pipe", subprocess.PIPE)):
        process = subprocess.Popen(
            [ATTN, "vocab", "-", "--json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment(TERM="xterm-256color"),
        )
        done = threading.Event()
        feeder = threading.Thread(target=feed, args=(process.stdin, done))
        feeder.start()
        assert process.stdout is not None
        out = process.stdout.read()
        process.stdout.close()
        err = b""
        if process.stderr is not None:
            err = process.stderr.read()
            process.stderr.close()
        feeder.join()
        assert process.wait(60) == 0
        assert b'{"word": 2500}' in out and b"\x1b" not in out
        shown[name] = err
    os.close(line)
    while True:
        try:
            piece = os.read(controller, 1 << 16)
        except OSError:
            break
        if not piece:
            break
        shown["terminal"] += piece
    os.close(controller)
    assert b"reading" in shown["terminal"]
    assert shown["pipe"] == b""
