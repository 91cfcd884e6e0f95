"""Seeded numbers: torch's CPU generator and the layers that are drawn from it, in numpy.

It draws; it computes no attention and knows no model. `rand` and `linear` agree with torch bit for
bit, `randn` and `embedding` within 5e-7 (torch's vectorised logarithm and cosine differ from
numpy's in the last bits). Checked against torch 2.13.0 on the CPU.
"""

from __future__ import annotations

import math
import random
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.types import Floats, Integers, Words32

MIN_SEED, MAX_SEED = -(2**63), 2**64 - 1
_BLOCK = 16  # torch fills normals sixteen at a time: eight cosines, then eight sines
_MOST_SKIPPED = 1 << 29  # numbers: 50,000 words in 10,000 dimensions
_WORDS_AT_ONCE, _BLOCKS_AT_ONCE = 1 << 20, 1 << 12


class Generator:
    """A stream of random numbers equal to `torch.Generator("cpu").manual_seed(seed)`.

    The engine is MT19937 (Matsumoto & Nishimura 1998), which the standard library runs too; only
    the seeding differs, so torch's state is computed here and handed to it.

    Raises:
        UsageError: the seed is outside -2**63 … 2**64 - 1, torch's own range.

    >>> Generator(123).rand(2).tolist()
    [0.2961119413375854, 0.516562283039093]
    """

    def __init__(self, seed: int) -> None:
        if not MIN_SEED <= seed <= MAX_SEED:
            raise UsageError(f"the seed must be between -2**63 and 2**64 - 1, not: {seed}")
        self._engine = random.Random()
        self._engine.setstate((3, _state(seed & 0xFFFFFFFF), None))
        self._spare_normal: float | None = None

    def words(self, count: int) -> Words32:
        """The next `count` 32-bit words of the stream, (count,) uint32."""
        drawn = self._engine.getrandbits(32 * count)
        return np.frombuffer(drawn.to_bytes(4 * count, "little"), dtype="<u4").astype(np.uint32)

    def skip(self, count: int) -> None:
        """Pass over `count` words in bounded memory."""
        for start in range(0, count, _WORDS_AT_ONCE):
            self._engine.getrandbits(32 * min(_WORDS_AT_ONCE, count - start))

    def rand(self, *shape: int) -> Floats:
        """`torch.rand(shape)`: uniform in [0, 1), float32, one word a value, 24 bits of it."""
        words = self.words(math.prod(shape))
        values: Floats = (words & 0xFFFFFF).astype(np.float32) * np.float32(2**-24)
        return values.reshape(shape)

    def uniform(self, low: float, high: float, *shape: int) -> Floats:
        """`torch.empty(shape).uniform_(low, high)`: one rounding, at the end, as torch's FMA."""
        low32, high32 = np.float32(low), np.float32(high)
        width = np.float64(high32 - low32)
        values: Floats = (self.rand(*shape) * width + np.float64(low32)).astype(np.float32)
        return values

    def randn(self, *shape: int) -> Floats:
        """`torch.randn(shape)`: standard normal, float32, by Box & Muller (1958).

        From 16 values on, blocks of sixteen uniforms give sixteen normals, and a last block that
        is not full is drawn afresh and laid over the end. Below 16 each pair comes from two
        53-bit uniforms, in float64.
        """
        count = math.prod(shape)
        if count < _BLOCK:
            values = np.array([self._normal() for _ in range(count)], dtype=np.float32)
            return values.reshape(shape)
        uniforms = self.rand(count)
        full = count - count % _BLOCK
        values = np.empty(count, dtype=np.float32)
        values[:full] = normal_blocks(uniforms[:full].reshape(-1, _BLOCK)).ravel()
        if full < count:
            values[-_BLOCK:] = normal_blocks(self.rand(1, _BLOCK))
        return values.reshape(shape)

    def rand53(self, count: int) -> NDArray[np.float64]:
        """`count` uniforms in [0, 1) as torch draws them for float64: 53 bits of two words each."""
        high, low = self.words(2 * count).astype(np.uint64).reshape(count, 2).T
        bits = (high << np.uint64(32) | low) & np.uint64(2**53 - 1)
        uniforms: NDArray[np.float64] = bits.astype(np.float64) * 2.0**-53
        return uniforms

    def _normal(self) -> float:
        if self._spare_normal is not None:
            value, self._spare_normal = self._spare_normal, None
            return value
        u1, u2 = self.rand53(2).tolist()
        radius = math.sqrt(-2.0 * math.log1p(-u2))
        angle = 2.0 * math.pi * u1
        self._spare_normal = radius * math.sin(angle)
        return radius * math.cos(angle)


@lru_cache(maxsize=16)
def _state(seed: int) -> tuple[int, ...]:
    """MT19937's 624 words after init_genrand(seed), and the place in them: all are used."""
    state = [seed]
    for index in range(1, 624):
        previous = state[-1]
        state.append((1812433253 * (previous ^ previous >> 30) + index) & 0xFFFFFFFF)
    return (*state, 624)


def normal_blocks(uniforms: Floats) -> Floats:
    """Box & Muller on rows of sixteen: (blocks, 16) uniforms to (blocks, 16) normals.

    The intermediate values are rounded to float32 where torch rounds them; the logarithm and the
    cosine themselves are taken in float64, nearer to the truth than either library's float32.
    """
    u1 = np.float32(1) - uniforms[:, :8]
    angle = (np.float32(2 * math.pi) * uniforms[:, 8:]).astype(np.float64)
    radius = np.sqrt(np.float32(-2) * np.log(u1.astype(np.float64)).astype(np.float32))
    normals = np.concatenate((radius * np.cos(angle), radius * np.sin(angle)), axis=1)
    return normals.astype(np.float32)


def skip_normals(generator: Generator, count: int) -> None:
    """Pass over what `randn(count)` draws, in bounded memory.

    Raises:
        UsageError: they are so many that it would take many seconds.
    """
    if count > _MOST_SKIPPED:
        raise UsageError(
            f"{count:,} numbers would have to be drawn before those that are needed",
            f"Use a smaller `--vocab-size` or `--d-model`: {_MOST_SKIPPED:,} are the most.",
        )
    if count < _BLOCK:
        generator.randn(count)  # one of them may be kept for the next call
    else:
        generator.skip(count + (_BLOCK if count % _BLOCK else 0))


def linear(
    generator: Generator, d_in: int, d_out: int, *, bias: bool = True
) -> tuple[Floats, Floats | None]:
    """`torch.nn.Linear(d_in, d_out)`: weight (d_out, d_in), then bias (d_out,) or None.

    Both are uniform in ±1/√d_in (He et al. 2015 with a = √5, torch's default).
    """
    bound = 1.0 / math.sqrt(d_in)
    weight = generator.uniform(-bound, bound, d_out, d_in)
    return weight, generator.uniform(-bound, bound, d_out) if bias else None


def embedding(generator: Generator, n_vocab: int, d_model: int, ids: Integers) -> Floats:
    """Rows `ids` of `torch.nn.Embedding(n_vocab, d_model).weight`: (len(ids), d_model) float32.

    Only the blocks of the stream that those rows lie in are turned into numbers, so a row is the
    same whichever others are asked for, and a table of any size costs no memory. The generator
    is left somewhere inside the table: seed again before drawing what follows it.

    Raises:
        UsageError: an id is outside the table.
    """
    wanted = sorted(set(ids.tolist()))  # not np.unique: it imports numpy.ma, a tenth of start-up
    for index in wanted:
        if not 0 <= index < n_vocab:
            raise UsageError(f"id {index} is outside the embedding, which has {n_vocab} rows")
    if n_vocab * d_model < _BLOCK:
        return generator.randn(n_vocab, d_model)[ids]
    rows = np.empty((len(wanted), d_model), dtype=np.float32)
    _fill_rows(generator, n_vocab * d_model, wanted, rows)
    return rows[np.searchsorted(wanted, ids)]


def _fill_rows(generator: Generator, total: int, wanted: list[int], rows: Floats) -> None:
    """Fill `rows` with the rows `wanted` (ascending) of a table of `total` normals."""
    d_model, full = rows.shape[1], total - total % _BLOCK
    flat, position = rows.ravel(), 0
    block = flat[:0]  # the blocks drawn last: the next row may begin in them
    for place, index in enumerate(wanted):
        start, stop = index * d_model, min((index + 1) * d_model, full)
        while start < stop:
            if start >= position:
                first = start - start % _BLOCK
                generator.skip(first - position)
                count = min(-(-(stop - first) // _BLOCK), _BLOCKS_AT_ONCE)
                block = normal_blocks(generator.rand(count, _BLOCK)).ravel()
                position = first + count * _BLOCK
            begin = position - len(block)
            end = min(stop, position)
            to = place * d_model + start - index * d_model
            flat[to : to + end - start] = block[start - begin : end - begin]
            start = end
    # A last block that is not full is drawn afresh and laid over the end of the table.
    if wanted and total > full and (tail := total - _BLOCK) < (wanted[-1] + 1) * d_model:
        generator.skip(total - position)
        last = normal_blocks(generator.rand(1, _BLOCK))[0]
        for place, index in enumerate(wanted):
            begin = max(tail - index * d_model, 0)
            if begin < d_model:
                first = index * d_model + begin - tail
                rows[place, begin:] = last[first : first + d_model - begin]
