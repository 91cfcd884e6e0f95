"""Tensors that stay in memory: the same numbers, read once, within a budget."""

from __future__ import annotations

from collections import Counter

import numpy as np

from attn_cli.checkpoints.kept import Kept


class Counted:
    """Tensors that count how often each was read; `view` is one of a file, the others are made."""

    def __init__(self) -> None:
        self.reads: Counter[str] = Counter()
        self.view = np.arange(6, dtype=np.float32)
        self.view.flags.writeable = False

    def names(self) -> list[str]:
        return ["a", "b", "view"]

    def shape(self, name: str) -> tuple[int, ...]:
        return self.read(name).shape

    def read(self, name: str) -> np.ndarray:
        self.reads[name] += 1
        return self.view if name == "view" else np.full((5, 2), ord(name), np.float32)

    def rows(self, name: str, index: np.ndarray | slice) -> np.ndarray:
        self.reads[f"rows of {name}"] += 1
        return self.read(name)[index]


def test_each_is_converted_once_and_equal() -> None:
    source = Counted()
    kept = Kept(source)
    for _ in range(3):
        assert kept.read("a").tolist() == [[97, 97]] * 5
        assert kept.rows("a", slice(1, 3)).tolist() == [[97, 97]] * 2
    assert source.reads == {"a": 1}
    assert not kept.read("a").flags.writeable
    assert list(kept.names()) == ["a", "b", "view"] and kept.shape("b") == (5, 2)


def test_what_does_not_fit_is_read_anew() -> None:
    source = Counted()
    kept = Kept(source, budget=40)  # one of the two
    for _ in range(3):
        for name in "ab":
            assert kept.read(name)[0, 0] == ord(name)
    assert source.reads == {"a": 1, "b": 3}


def test_views_of_a_file_are_not_held() -> None:
    source = Counted()
    kept = Kept(source, budget=24)
    assert kept.read("view") is kept.read("view") is source.view
    assert source.reads == {"view": 2}


def test_rows_of_what_is_not_held_are_the_readers_own() -> None:
    source = Counted()
    assert Kept(source).rows("a", np.array([0, 4])).shape == (2, 2)
    assert source.reads == {"rows of a": 1, "a": 1}
