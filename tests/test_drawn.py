"""Only visible text is drawn: every view, with poison in every string that it could be given.

What a view yields is looked at before `render` makes safe what was forgotten: the text has to be
visible where its width is measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len
from rich.segment import Segment

from attn_cli import Inspection, arithmetic, inspect
from attn_cli.approximation import approximate
from attn_cli.checking import Student, Verdict, check
from attn_cli.checkpoints.ablation import Ablation, Effect, Head
from attn_cli.comparison import compare
from attn_cli.files import longform, markdown
from attn_cli.inspection import Mask, Source, Token
from attn_cli.profile import profile
from attn_cli.report import notebook, page, svg
from attn_cli.tables import SHOWABLE
from attn_cli.terminal import ablation as ablation_view
from attn_cli.terminal import approximation as approximation_view
from attn_cli.terminal import arithmetic as arithmetic_view
from attn_cli.terminal import check as check_view
from attn_cli.terminal import diff, generation, heads, listing, overview, show
from attn_cli.terminal.render import render, safe
from attn_cli.terminal.styles import Screen
from attn_cli.text import visible

POISON = "\x1b[31m\u202e\x9b2J\u200b漢\r\n\t\ue000\u0378<b>&\"'[/]|" + "\u0301" * 40
DIRTY = set("\x1b\u202e\x9b\u200b\r\n\t\ue000\u0378")


@cache
def poisoned() -> Inspection:
    """An Inspection with everything that the tutorial computes, and poison for every string."""
    text = f"{POISON.split()[0]} and {POISON.split()[-1]} and {POISON.split()[0]}"
    found = inspect(text, split="whitespace", heads=2)
    tokens = tuple(
        Token(f"{token.text}{POISON}", special=place == 2, word=place)
        for place, token in enumerate(found.query_tokens)
    )
    settings = dict(found.source.settings)
    for name in ("positions", "score", "dropout", "stored", "new_token", "new_id", POISON):
        settings[name] = POISON
    settings |= {"doubts": [POISON], "n_layer": 5}
    strings = dict.fromkeys(("model", "architecture", "recipe"), POISON)
    return dataclasses.replace(
        found,
        text=POISON,
        query_tokens=tokens,
        key_tokens=tokens,
        vocabulary={POISON: 0, f"{POISON}2": 1},
        mask=Mask(name=POISON, parameters={POISON: POISON}),
        source=Source(**strings, settings=settings),  # type: ignore[arg-type]
    )


def _explained(screen: Screen) -> Iterable[list[Segment]]:
    found = dataclasses.replace(arithmetic.explain(poisoned(), 0, 1), text=POISON)
    return arithmetic_view.lines(found, screen)


def _ablated(screen: Screen) -> Iterable[list[Segment]]:
    effects = [
        Effect(
            heads=(Head(0, 0),), edge=e, weight=w, moved=0.5, divergence=1.0, before=0.5, after=0.25
        )
        for e, w in ((None, None), ((0, 1), 0.5))
    ]
    done = Ablation(replacement="zero", likeliest=3, effects=tuple(effects))
    return ablation_view.lines(poisoned(), done, POISON, screen)


def _approximated(screen: Screen) -> Iterable[list[Segment]]:
    found = [approximate(poisoned(), layer, "linear") for layer in poisoned().layers]
    return approximation_view.lines(poisoned(), "linear", found, screen, ["weights", "context"])


@cache
def _verdict() -> Verdict:
    verdict = check(Student(np.eye(5) + 0.1, 4, "weights"), "a b c d e", heads=2)
    return dataclasses.replace(verdict, inspection=poisoned())


def _checked(screen: Screen) -> Iterable[list[Segment]]:
    return check_view.lines(_verdict(), screen, POISON)


def _compared(screen: Screen) -> Iterable[list[Segment]]:
    both = compare(poisoned(), dataclasses.replace(poisoned(), layers=poisoned().layers[::-1]))
    return diff.lines(both, screen, tolerance=0.1, chosen=(0, 0), top=2)


VIEWS: dict[str, Callable[[Screen], Iterable[list[Segment]]]] = {
    "show": lambda screen: show.lines(poisoned(), screen, SHOWABLE),
    "map": lambda screen: show.lines(poisoned(), screen, SHOWABLE, style="map"),
    "strongest": lambda screen: show.lines(poisoned(), screen, strongest=True),
    "overview": lambda screen: overview.lines(poisoned(), screen, f"attn {POISON}"),
    "heads": lambda screen: heads.lines(profile([poisoned()]), [0, 1], screen),
    "generation": lambda screen: generation.lines(poisoned(), screen),
    "listing": lambda screen: listing.draw(
        "words", ("word", "count"), [(POISON, "1"), (POISON * 9, "2")], screen
    ),
    "explain": _explained,
    "check": _checked,
    "ablation": _ablated,
    "approximation": _approximated,
    "diff": _compared,
}
SCREENS = (
    Screen(width=20),
    Screen(width=33, colors="16", ascii=True, encoding="latin-1"),
    Screen(width=80, colors="truecolor"),
    Screen(width=300),
)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_yields_visible_text_no_wider_than_the_screen(name: str) -> None:
    for screen in SCREENS:
        drawn = list(VIEWS[name](screen))
        assert drawn
        for line in drawn:
            text = "".join(segment.text for segment in line)
            assert not DIRTY & set(text), (screen, text)
            assert visible(text) == text, (screen, text)
            if screen.width > 50 or name in ("show", "map", "explain", "listing"):
                assert cell_len(text.rstrip()) <= screen.width, (screen, text)
        assert render(drawn, "none")


def test_the_gate_makes_safe_what_a_view_forgot() -> None:
    forgot = [[Segment(f"a{POISON}"), Segment("plain")]]
    for colors in ("none", "16", "truecolor"):
        assert not (DIRTY - {"\n"}) & set(render(forgot, colors))  # type: ignore[arg-type]
    assert safe(Segment("\u202e")).text == "\\u202e"
    assert safe(segment := Segment("plain")) is segment


@pytest.mark.parametrize("form", [page, svg, markdown, longform])
def test_a_file_holds_visible_text(form: Any) -> None:
    names = () if form is longform else (SHOWABLE,)
    written = b"".join(form.write(poisoned(), None, *names)).decode()
    assert not (DIRTY - {"\n"}) & set(written)
    assert "<b>" not in written or form is longform
    assert not DIRTY - {"\n"} & set(notebook.notebook_html(poisoned()))


def test_a_narrow_listing_cuts_words_and_never_a_number() -> None:
    rows = [("a long name", "123.4 KiB"), ("another", "5.6 MiB")]
    drawn = render(listing.draw("it", ("name", "how many bytes"), rows, Screen(width=20)), "none")
    assert drawn.splitlines() == [
        "it",
        "name       how many…",
        "a long n…  123.4 KiB",
        "another    5.6 MiB",
    ]
    digits = [("7" * 500, "1")]  # a word of a text
    for line in listing.draw("it", ("word", "count"), digits, Screen(width=20)):
        assert sum(cell_len(segment.text.rstrip()) for segment in line) <= 20
