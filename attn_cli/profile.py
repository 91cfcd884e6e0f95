"""Profile: the heads of a model over one text or many: averages, chance, patterns, and an order.

It averages what `statistics` measures and draws nothing.

Chance is measured twice under the same mask: on rows that are uniform, and on each head's own
rows shuffled (the weights of a row change places among the keys that it may look at; the shuffle
is seeded, so it is the same at every run).

Dimensions: n_statistic, n_head (all heads of all layers, in order), n_target.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attn_cli.errors import DataError
from attn_cli.inspection import Inspection
from attn_cli.statistics import STATISTICS, TARGETS, Block, Rows, block_of, measure
from attn_cli.torch_random import Generator

if TYPE_CHECKING:
    from attn_cli.types import Doubles, Floats, Integers

SEED = 0
_CELLS = 1 << 21  # weights of one layer that are measured at a time
_NAMES = tuple(STATISTICS)
_TARGET_ROWS = [_NAMES.index(target) for target in TARGETS]

# A head gets a pattern's name if it does it at least half of the way from chance to always, and
# if that is further above chance than three standard deviations of its own rows shuffled.
LEAST_LIFT, LEAST_DEVIATIONS, LEAST_BROAD = 0.5, 3.0, 0.9

BROAD, MIXED = "uniform", "mixed"
LETTERS = {
    "self": "S",
    "previous": "P",
    "next": "N",
    "first": "F",
    "special": "X",
    "duplicate": "D",
    "induction": "I",
    "punctuation": "M",  # marks
    BROAD: "U",
    MIXED: ".",
}


class Head(NamedTuple):
    """Where a head is: the layer's own number, and the head's in it."""

    layer: int
    head: int

    def __str__(self) -> str:
        return f"{self.layer}.{self.head}"


class Finding(NamedTuple):
    """A head worth a look, and why."""

    head: Head
    pattern: str
    letter: str
    value: float  # the statistic of that name; of `mixed` and `uniform` heads `relative`
    chance: float  # the same of uniform rows


@dataclass(frozen=True, eq=False, kw_only=True)
class Profile:
    """Every statistic of every head, averaged over texts; NaN where no text has what it is about.

    Each text counts the same, whatever its length.
    """

    heads: tuple[Head, ...]
    n_texts: int
    mean: Doubles  # (n_statistic, n_head)
    std: Doubles  # (n_statistic, n_head), over texts; NaN where fewer than two have it
    shuffled: Doubles  # (n_statistic, n_head): the mean of each head's shuffled rows
    uniform: Doubles  # (n_statistic,): the mean of uniform rows
    texts: Integers  # (n_statistic,): how many texts have what it is about
    chance_std: Doubles  # (n_target, n_head): of a mass, were each row shuffled anew

    def values(self, name: str) -> Doubles:
        """(n_head,): one statistic of every head."""
        found: Doubles = self.mean[_NAMES.index(name)]
        return found

    def chance(self, name: str) -> float:
        """What uniform rows have of a statistic."""
        return float(self.uniform[_NAMES.index(name)])

    @cached_property
    def lift(self) -> Doubles:
        """(n_target, n_head): how far each mass is from chance (0) to always (1); or below (< 0).

        (mean - uniform) / (1 - uniform), agreement corrected for chance as in Cohen 1960, eq. 1.
        """
        chance = self.uniform[_TARGET_ROWS][:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(chance < 1, (self.mean[_TARGET_ROWS] - chance) / (1 - chance), np.nan)

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        """What each head mostly does, where it clearly beats chance; else `uniform` or `mixed`."""
        excess = self.mean[_TARGET_ROWS] - self.uniform[_TARGET_ROWS][:, None]
        # Errors of single precision are no evidence: hence the least that an excess may be.
        beaten = excess > np.maximum(LEAST_DEVIATIONS * self.chance_std, 1e-6)
        lift = np.where(beaten & (self.lift >= LEAST_LIFT), self.lift, -np.inf)
        best, broad = lift.argmax(axis=0), self.values("relative") >= LEAST_BROAD
        return tuple(
            TARGETS[best[i]] if lift[best[i], i] > 0 else BROAD if broad[i] else MIXED
            for i in range(len(self.heads))
        )

    @cached_property
    def letters(self) -> str:
        """One letter a head."""
        return "".join(map(letter, self.patterns))


def letter(pattern: str) -> str:
    """The letter of a pattern in a grid; `.` where a head has none."""
    return LETTERS[pattern]


def profile(inspections: Inspection | Iterable[Inspection]) -> Profile:
    """Measure every head on one text or on many, one after the other.

    Raises:
        DataError: there is no text or no layer, or two texts differ in their layers and heads.
    """
    if isinstance(inspections, Inspection):
        inspections = [inspections]
    total: _Total | None = None
    for number, inspection in enumerate(inspections, start=1):
        heads = heads_of(inspection)
        if total is None:
            total = _Total(heads)
        elif heads != total.heads:
            raise DataError(
                f"text {number} has {_count(heads)}, and the first has {_count(total.heads)}",
                "Average over texts from one model.",
            )
        total.add(*_measure(inspection, len(heads)))
    if total is None:
        raise DataError("there is no text to measure")
    return total.profile()


def heads_of(inspection: Inspection) -> tuple[Head, ...]:
    """All heads of all layers.

    Raises:
        DataError: there is none.
    """
    heads = tuple(
        Head(layer.index, head) for layer in inspection.layers for head in range(len(layer.weights))
    )
    if not heads:
        raise DataError("there are no layers, so there are no heads to measure")
    return heads


def order(profile: Profile, name: str, *, smallest_first: bool = False) -> list[int]:
    """The heads by one statistic, the largest first; those that have none come last."""
    values = profile.values(name) * (1 if smallest_first else -1)
    return [int(index) for index in np.argsort(values, kind="stable")]  # NaN goes to the end


def worth_a_look(profile: Profile, n: int = 10) -> list[Finding]:
    """The heads to look at first: the clearest of each pattern, rare patterns before common ones.

    After the best head of every pattern comes the second best of every pattern, and so on; heads
    that are broad or mixed come last, the most concentrated of them first.
    """
    times = Counter(profile.patterns)
    ranked: list[tuple[int, int, int]] = []
    for pattern in LETTERS:
        for place, index in enumerate(_clearest(profile, pattern)):
            unnamed = pattern in (BROAD, MIXED)
            ranked.append((place + len(profile.heads) * unnamed, times[pattern], index))
    return [_finding(profile, index) for _, _, index in sorted(ranked)[:n]]


def _clearest(profile: Profile, pattern: str) -> list[int]:
    """The heads of a pattern, the clearest first."""
    indices = [i for i, found in enumerate(profile.patterns) if found == pattern]
    clear = (
        profile.lift[TARGETS.index(pattern)] if pattern in TARGETS else -profile.values("relative")
    )
    return sorted(indices, key=lambda i: -clear[i])


def _finding(profile: Profile, index: int) -> Finding:
    pattern = profile.patterns[index]
    name = pattern if pattern in TARGETS else "relative"
    value = float(profile.values(name)[index])
    return Finding(profile.heads[index], pattern, letter(pattern), value, profile.chance(name))


class _Total:
    """Sums over texts, in which a text without what a statistic is about does not count."""

    def __init__(self, heads: tuple[Head, ...]) -> None:
        self.heads, self.n_texts = heads, 0
        shape = (len(STATISTICS), len(heads))
        self.count = np.zeros(shape)
        self.mean, self.squares, self.shuffled = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self.uniform = np.zeros((len(STATISTICS), 1))
        self.chance_variance = np.zeros((len(TARGETS), len(heads)))

    def add(
        self,
        mean: Doubles,
        shuffled: Doubles,
        uniform: Doubles,
        chance_variance: Doubles,
    ) -> None:
        """Take in one text (Welford 1962, so that a small spread is not lost in a large sum)."""
        self.n_texts += 1
        there = ~np.isnan(mean)
        self.count += there
        count = np.maximum(self.count, 1)
        step = np.where(there, mean - self.mean, 0)
        self.mean += step / count
        self.squares += step * np.where(there, mean - self.mean, 0)
        self.shuffled += np.where(there, shuffled, 0)
        self.uniform += np.where(there.any(axis=1, keepdims=True), uniform, 0)
        self.chance_variance += np.where(np.isnan(chance_variance), 0, chance_variance)

    def profile(self) -> Profile:
        with np.errstate(invalid="ignore", divide="ignore"):
            some = np.where(self.count > 0, self.count, np.nan)
            texts = self.count.max(axis=1)
            return Profile(
                heads=self.heads,
                n_texts=self.n_texts,
                mean=np.where(self.count > 0, self.mean, np.nan),
                std=np.sqrt(self.squares / np.where(self.count > 1, self.count - 1, np.nan)),
                shuffled=self.shuffled / some,
                uniform=self.uniform[:, 0] / np.where(texts > 0, texts, np.nan),
                texts=texts.astype(np.int64),
                chance_std=np.sqrt(self.chance_variance) / some[_TARGET_ROWS],
            )


def _measure(inspection: Inspection, n_head: int) -> tuple[Doubles, ...]:
    """One text: mean and shuffled (n_statistic, n_head), uniform, and the variance of chance."""
    shape = (len(STATISTICS), n_head)
    mean, shuffled, uniform = _Mean(shape), _Mean(shape), _Mean((len(STATISTICS), 1))
    chance = _Mean((len(TARGETS), n_head))
    generator = Generator(SEED)
    for start, end in _spans(inspection):
        block = block_of(inspection, start, end)
        shuffle = _Shuffle(block, generator)
        # Two heads alike, so that `similarity`, which compares neighbours, has a value too.
        even = np.repeat(_uniform_rows(block)[None], 2, axis=0)
        uniform.add(measure(Rows(even, block))[:, :1], slice(0, 1))
        at = 0
        for layer in inspection.layers:
            weights = layer.weights[:, start:end]
            heads = slice(at, at + len(weights))
            rows = Rows(weights, block)
            mean.add(measure(rows), heads)
            chance.add(rows.chance_variance(), heads)
            shuffled.add(measure(shuffle(rows)), heads)
            at = heads.stop
    # The variance of an average over rows is that of a row, averaged and divided by their number.
    variance = chance.value() / np.where(chance.count > 0, chance.count, np.nan)
    return mean.value(), shuffled.value(), uniform.value(), variance


class _Mean:
    """Averages over rows, block by block, in which a row without a value does not count."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.total, self.count = np.zeros(shape), np.zeros(shape)

    def add(self, rows: Doubles, heads: slice) -> None:
        there = ~np.isnan(rows)
        self.total[:, heads] += np.where(there, rows, 0).sum(axis=-1)
        self.count[:, heads] += there.sum(axis=-1)

    def value(self) -> Doubles:
        return self.total / np.where(self.count > 0, self.count, np.nan)


def _spans(inspection: Inspection) -> Iterator[tuple[int, int]]:
    """Runs of queries that are measured at a time, so that memory does not grow with the text."""
    n_query, n_key = len(inspection.query_tokens), len(inspection.key_tokens)
    n_head = max(len(layer.weights) for layer in inspection.layers)
    step = max(_CELLS // (n_head * n_key), 1)
    for start in range(0, n_query, step):
        yield start, min(start + step, n_query)


def _uniform_rows(block: Block) -> Floats:
    """The same weight on every key that a query may look at; float64, so that their sum is 1."""
    count = block.allowed.sum(axis=-1, keepdims=True)
    even: Floats = (block.allowed / np.maximum(count, 1)).astype(np.float32)
    return even


class _Shuffle:
    """Two ways to shuffle each row among its allowed keys, one for even heads, one for odd ones.

    Two are enough for neighbours to be shuffled differently; one for each head would cost as much
    memory as the heads.
    """

    def __init__(self, block: Block, generator: Generator) -> None:
        # The k-th allowed key gets what the k-th key of a random order had.
        place = np.argsort(np.argsort(~block.allowed, axis=-1, kind="stable"), axis=-1)
        self.sources = []
        for _ in range(2):
            noise = np.where(block.allowed, generator.rand(*block.allowed.shape), np.float32(2))
            order = np.argsort(noise, axis=-1, kind="stable")
            self.sources.append(np.take_along_axis(order, place, axis=-1))

    def __call__(self, rows: Rows) -> Rows:
        """The same rows with their weights in other places."""
        shuffled = np.empty_like(rows.weights)
        for head, weights in enumerate(rows.weights):
            shuffled[head] = np.take_along_axis(weights, self.sources[head % 2], axis=-1)
        return Rows(shuffled, rows.block, entropy=rows.entropy, squares=rows.squares)


def _count(heads: Sequence[Head]) -> str:
    n_layer = len({head.layer for head in heads})
    return f"{len(heads)} heads in {n_layer} layer{'s' * (n_layer != 1)}"
