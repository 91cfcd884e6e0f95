"""Shading: the steps of a whole table are those of its numbers one by one."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attn_cli import palette, shading
from attn_cli.tables import Table

EXAMPLES = settings(max_examples=60, deadline=None, database=None)
MATRIX = arrays(
    np.float32, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(-2, 2, width=32)
)


def table(values: np.ndarray, scale: Literal["weight", "signed"], allowed: Any = None) -> Table:
    rows, columns = ([""] * size for size in values.shape)
    return Table(
        name="",
        where="",
        rows="",
        columns="",
        row_labels=rows,
        column_labels=columns,
        values=values,
        scale=scale,
        allowed=allowed,
    )


@given(MATRIX, st.sampled_from(["weight", "signed"]))
@EXAMPLES
def test_steps_are_those_of_the_palette(values: np.ndarray, scale: Any) -> None:
    one = table(values, scale)
    expected = [
        palette.step(v) if scale == "weight" else palette.signed_step(v, one.largest)
        for v in values.ravel().tolist()
    ]
    assert shading.steps(one).ravel().tolist() == expected


@given(MATRIX, st.integers(1, 3), st.integers(1, 3), st.randoms())
@EXAMPLES
def test_pooling_takes_the_largest_that_is_not_masked(
    values: np.ndarray, down: int, across: int, random: Any
) -> None:
    allowed = np.array([random.random() < 0.7 for _ in values.flat]).reshape(values.shape)
    one = table(values, "signed", allowed)
    found = shading.steps(one, down, across)
    for (row, column), step in np.ndenumerate(found):
        place = np.s_[row * down : (row + 1) * down, column * across : (column + 1) * across]
        tile = values[place][allowed[place]]
        if not tile.size:
            assert step == shading.MASK
        else:
            size = np.abs(tile).max()
            ends = {palette.signed_step(s * float(size), one.largest) for s in (1, -1)}
            assert step in ends


@pytest.mark.parametrize("scale", ["weight", "signed"])
def test_what_is_not_finite_gets_an_end(scale: Any) -> None:
    steps = shading.steps(table(np.array([[-np.inf, 1, 0]], np.float32), scale))
    assert steps[0, 0] == 0 and steps[0, 1] == 255
