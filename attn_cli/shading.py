"""Shading: which of its scale's 256 steps each number of a table gets; pooled where too many.

Which colour a step has is in `palette`; nothing is drawn here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from attn_cli.palette import STEPS
from attn_cli.tables import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.types import Floats, Integers

MASK = -1  # the step of what is masked


def steps(table: Table, pool_rows: int = 1, pool_columns: int = 1) -> Integers:
    """The colour step of every cell, -1 where masked; pooled by the largest absolute value."""
    values: Floats = table.values
    if table.allowed is not None:
        values = np.where(table.allowed, values, np.nan)
    if pool_rows * pool_columns > 1:
        values = _pooled(values, pool_rows, pool_columns)
    return _steps(table, values.astype(np.float64))


def _pooled(values: Floats, pool_rows: int, pool_columns: int) -> Floats:
    n_rows, n_columns = (
        -(-size // pool) for size, pool in zip(values.shape, (pool_rows, pool_columns), strict=True)
    )
    padded = np.full((n_rows * pool_rows, n_columns * pool_columns), np.nan, dtype=np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    tiles = padded.reshape(n_rows, pool_rows, n_columns, pool_columns).swapaxes(1, 2)
    tiles = tiles.reshape(n_rows, n_columns, -1)
    size = np.where(np.isnan(tiles), -1, np.abs(tiles))
    chosen: Floats = np.take_along_axis(tiles, size.argmax(axis=2)[..., None], axis=2)[..., 0]
    return chosen


def _steps(table: Table, values: NDArray[np.float64]) -> Integers:
    """As `palette.step` and `palette.signed_step`, for many numbers at once."""
    end = table.end if table.scale == "weight" else table.largest
    if not end:
        places = np.full(values.shape, 0 if table.scale == "weight" else STEPS // 2)
    else:
        with np.errstate(invalid="ignore", over="ignore"):
            share = values / end if table.scale == "weight" else (values / end + 1) / 2
            places = np.clip(np.nan_to_num(share) * STEPS, 0, STEPS - 1).astype(np.int64)
    places[np.isnan(values)] = MASK
    return places
