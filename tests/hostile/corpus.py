"""Corpus: every case of every class."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from hostile.case import Case

HERE = Path(__file__).parent


def classes() -> list[str]:
    """The names of the modules that make cases: those that end in `_cases`."""
    return sorted(path.stem for path in HERE.glob("*_cases.py"))


def cases(only: tuple[str, ...] = ()) -> Iterator[Case]:
    """All cases, or those whose name begins with one of some beginnings."""
    for name in classes():
        whole = f"{name.removesuffix('_cases')}/"
        if only and not any(whole.startswith(it) or it.startswith(whole) for it in only):
            continue
        for case in import_module(f"hostile.{name}").cases():
            if not only or case.name.startswith(only):
                yield case
