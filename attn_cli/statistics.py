"""Statistics: what the rows of a head look like, each as a number with a formula and a source.

It measures rows of weights; averaging them over a text and naming patterns is done in `profile`.

Every statistic is a function here whose docstring is what `attn heads --explain` prints. w_ij is
the weight that query i gives to key j, n_i the number of keys that query i may look at. A query
that may look at one key alone has no choice, so it is left out of every average.

Dimensions: n_statistic, n_target, n_head, n_row (a block of queries), n_key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from inspect import getdoc
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from attn_cli.inspection import Inspection, Token
from attn_cli.text import is_punctuation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.types import Booleans, Doubles, Floats

Unit = Literal["bits", "keys", "tokens", "share"]  # a share is from 0 to 1

TARGETS = (
    "self",
    "previous",
    "next",
    "first",
    "special",
    "duplicate",
    "induction",
    "punctuation",
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Block:
    """A run of queries, and all that its statistics need to know but the weights."""

    allowed: Booleans  # (n_row, n_key)
    targets: Booleans  # (n_target, n_row, n_key): the keys that each pattern is about
    distance: Floats | None  # (n_row, n_key): how many tokens apart; None between two texts

    @cached_property
    def n_allowed(self) -> Doubles:
        """(n_row,): how many keys each query may look at; NaN where it has no choice."""
        count = self.allowed.sum(axis=-1, dtype=np.float64)
        return np.where(count > 1, count, np.nan)

    @cached_property
    def n_target(self) -> Doubles:
        """(n_target, n_row): how many keys of each pattern there are; NaN where there are none."""
        count = self.targets.sum(axis=-1, dtype=np.float64)
        return np.where((count > 0) & ~np.isnan(self.n_allowed), count, np.nan)


class Rows:
    """The weights of a block of queries in all heads of a layer, and what is computed once."""

    def __init__(
        self,
        weights: Floats,
        block: Block,
        *,
        entropy: Doubles | None = None,
        squares: Doubles | None = None,
    ) -> None:
        self.weights = weights  # (n_head, n_row, n_key)
        self.block = block
        # (n_head, n_row): H in bits, and Σ w². Who knows them already gives them.
        self.entropy = _entropy(weights) if entropy is None else entropy
        self.squares = _squares(weights) if squares is None else squares

    @cached_property
    def masses(self) -> Doubles:
        """(n_target, n_head, n_row): the weight on the keys of each pattern; NaN without any."""
        by_row = self.block.targets.transpose(1, 2, 0).astype(np.float32)
        mass = (self.weights.transpose(1, 0, 2) @ by_row).transpose(2, 1, 0)
        return np.where(np.isnan(self.block.n_target)[:, None], np.nan, mass.astype(np.float64))

    def mass(self, target: str) -> Doubles:
        result: Doubles = self.masses[TARGETS.index(target)]
        return result

    def chance_variance(self) -> Doubles:
        """(n_target, n_head, n_row): the variance of a mass were the row shuffled.

        A shuffled row puts on k of its n keys the sum of k weights drawn without replacement, whose
        mean is k / n and whose variance is k (n - k) (n Σ w² - 1) / (n² (n - 1)) (Cochran 1977,
        Sampling Techniques, theorem 2.2).
        """
        n, k = self.block.n_allowed, self.block.n_target[:, None]
        unevenness = np.maximum(n * self.squares - 1, 0)
        variance: Doubles = k * (n - k) * unevenness / (n**2 * (n - 1))
        return variance


def _entropy(weights: Floats) -> Doubles:
    """-Σ w log₂ w over the last axis, with 0 log 0 = 0."""
    # numpy has a vector instruction for log and none for log2. ln 2 is rounded as log rounds it, so
    # that halves and quarters give whole bits.
    logarithm = np.log(np.maximum(weights, np.finfo(np.float32).tiny))
    logarithm *= weights
    total: Doubles = 0.0 - logarithm.sum(axis=-1, dtype=np.float64) / float(np.log(np.float32(2)))
    return total


def _squares(weights: Floats) -> Doubles:
    """Σ w² over the last axis."""
    total: Doubles = np.einsum("hik,hik->hi", weights, weights).astype(np.float64)
    return total


def entropy(rows: Rows) -> Doubles:
    """How undecided a row is, in bits.

    H_i = -Σ_j w_ij log2 w_ij. 0 where one key has all, log2 n_i where all keys have the same.

    Shannon 1948, section 6; for attention: Ghader & Monz 2017, "What does attention in neural
    machine translation pay attention to?"; Clark et al. 2019, "What does BERT look at?", section
    3.3.
    """
    return rows.entropy


def relative(rows: Rows) -> Doubles:
    """Entropy as a share of the largest that the row could have.

    H_i / log2 n_i. Causal rows differ in length, and so in the entropy that they can have; this
    share can be compared: 1 is uniform, 0 is one key alone.

    Shannon 1948, section 7 (relative entropy, in his sense of the word).
    """
    return np.clip(rows.entropy / np.log2(rows.block.n_allowed), 0.0, 1.0)


def largest(rows: Rows) -> Doubles:
    """The largest weight of a row.

    max_j w_ij. High in heads that are sure of one key, whichever it is.

    Voita et al. 2019, "Analyzing multi-head self-attention", who call its average the confidence
    of a head (theirs leaves out the end-of-sentence token).
    """
    share: Doubles = rows.weights.max(axis=-1).astype(np.float64)
    return share


def keys(rows: Rows) -> Doubles:
    """The effective number of keys: how many equal weights would be as undecided.

    2^H_i, from 1 to n_i.

    Hill 1973, "Diversity and evenness", the number of order 1; also known as perplexity.
    """
    return np.exp2(rows.entropy)


def distance(rows: Rows) -> Doubles:
    """How far a row looks, in tokens.

    Σ_j w_ij |i - j|.

    Vig & Belinkov 2019, "Analyzing the structure of attention in a transformer language model"
    (attention distance).
    """
    if rows.block.distance is None:
        return np.full(rows.weights.shape[:2], np.nan)
    apart: Doubles = np.einsum("hik,ik->hi", rows.weights, rows.block.distance).astype(np.float64)
    return apart


def self_(rows: Rows) -> Doubles:
    """The weight on the query's own token.

    w_ii.

    Clark et al. 2019, section 3.1.
    """
    return rows.mass("self")


def previous(rows: Rows) -> Doubles:
    """The weight on the token before.

    w_i,i-1, over the queries that have one.

    Clark et al. 2019, section 3.1; Voita et al. 2019 (positional heads); Olsson et al. 2022 (a
    previous-token head is the first half of an induction circuit).
    """
    return rows.mass("previous")


def next_(rows: Rows) -> Doubles:
    """The weight on the token after; causal heads have none.

    w_i,i+1, over the queries that may look at one.

    Clark et al. 2019, section 3.1; Voita et al. 2019 (positional heads).
    """
    return rows.mass("next")


def first(rows: Rows) -> Doubles:
    """The weight on the first token: the attention sink.

    w_i0. Large in many heads of most models whatever the token is; such a head is mostly idle.

    Xiao et al. 2023, "Efficient streaming language models with attention sinks", section 3.1; Vig
    & Belinkov 2019 (null attention).
    """
    return rows.mass("first")


def special(rows: Rows) -> Doubles:
    """The weight on the tokens that a tokenizer added, such as [CLS], [SEP] or <s>.

    Σ_j w_ij over the special keys j.

    Clark et al. 2019, section 3.2.
    """
    return rows.mass("special")


def duplicate(rows: Rows) -> Doubles:
    """The weight on earlier copies of the query's own token.

    Σ_j w_ij over j < i with t_j = t_i, over the queries whose token came before. Tokens are the
    same if their ids are, or without ids their texts.

    Wang et al. 2022, "Interpretability in the wild" (duplicate token heads).
    """
    return rows.mass("duplicate")


def induction(rows: Rows) -> Doubles:
    """The weight on the tokens that followed earlier copies of the query's own token.

    Σ_j w_ij over j < i with t_(j-1) = t_i, over the queries for which there is such a key. (After
    "A B … A" it is B that gets the weight; the query's own place, which follows where a token
    stands twice in a row, is not counted.)

    Olsson et al. 2022, "In-context learning and induction heads" (prefix matching score).
    """
    return rows.mass("induction")


def punctuation(rows: Rows) -> Doubles:
    """The weight on punctuation.

    Σ_j w_ij over the keys that are of Unicode's category P throughout, special tokens not counted.

    Clark et al. 2019, section 3.2 (periods and commas).
    """
    return rows.mass("punctuation")


def sparsity(rows: Rows) -> Doubles:
    """How few keys share the weight, from 0 (all alike) to 1 (one has all).

    (√n_i - 1 / √(Σ_j w_ij²)) / (√n_i - 1).

    Hoyer 2004, "Non-negative matrix factorization with sparseness constraints", section 3.1, for a
    row that sums to 1; compared with other measures by Hurley & Rickard 2009.
    """
    root = np.sqrt(rows.block.n_allowed)
    with np.errstate(divide="ignore"):  # a row that may look at nothing
        value = (root - 1 / np.sqrt(rows.squares)) / (root - 1)
    share: Doubles = np.clip(value, 0.0, 1.0)
    return share


def similarity(rows: Rows) -> Doubles:
    """How alike a head's rows are to those of the heads beside it in its layer.

    1 - JS(w_i, w'_i), averaged over the head before and the head after; JS is the Jensen-Shannon
    divergence in bits, H((w + w') / 2) - (H(w) + H(w')) / 2. 1: the same rows; 0: no key in common.
    Heads have no natural order: a run of similar ones is a chance to share, not a law.

    Lin 1991, equation 4.1; between heads: Clark et al. 2019, section 6.
    """
    n_head = len(rows.weights)
    if n_head == 1:
        return np.full(rows.weights.shape[:2], np.nan)
    total, pairs = np.zeros(rows.weights.shape[:2]), np.zeros((n_head, 1))
    for one in range(n_head - 1):
        both = [one, one + 1]
        middle = _entropy((rows.weights[one] + rows.weights[one + 1]) * np.float32(0.5))
        divergence = np.clip(middle - rows.entropy[both].mean(axis=0), 0.0, 1.0)
        total[both] += 1 - divergence
        pairs[both] += 1
    return total / pairs


@dataclass(frozen=True)
class Statistic:
    """A number that every row has."""

    name: str
    unit: Unit
    of: Callable[[Rows], Doubles]  # (n_head, n_row); NaN where the row has none

    @property
    def explanation(self) -> str:
        """What it is, its formula and its source."""
        return getdoc(self.of) or ""


_ALL: tuple[tuple[str, Unit, Callable[[Rows], Doubles]], ...] = (
    ("entropy", "bits", entropy),
    ("relative", "share", relative),
    ("largest", "share", largest),
    ("keys", "keys", keys),
    ("distance", "tokens", distance),
    ("self", "share", self_),
    ("previous", "share", previous),
    ("next", "share", next_),
    ("first", "share", first),
    ("special", "share", special),
    ("duplicate", "share", duplicate),
    ("induction", "share", induction),
    ("punctuation", "share", punctuation),
    ("sparsity", "share", sparsity),
    ("similarity", "share", similarity),
)
STATISTICS = {name: Statistic(name, unit, of) for name, unit, of in _ALL}


def measure(rows: Rows) -> Doubles:
    """Every statistic of every row: (n_statistic, n_head, n_row), NaN where there is none."""
    measured = np.stack([statistic.of(rows) for statistic in STATISTICS.values()])
    measured[:, :, np.isnan(rows.block.n_allowed)] = np.nan
    return measured


def block_of(inspection: Inspection, first_row: int, end: int) -> Block:
    """What the queries `first_row` … `end` - 1 may look at, and where the patterns lie in it."""
    n_query, n_key = len(inspection.query_tokens), len(inspection.key_tokens)
    allowed = np.ones((end - first_row, n_key), dtype=bool)
    if inspection.mask.allowed is not None:
        allowed = inspection.mask.allowed[first_row:end]
    offset = None
    if inspection.kind != "cross" and n_query == n_key:
        offset = np.arange(n_key) - np.arange(first_row, end)[:, None]  # (n_row, n_key): j - i
    found = _key_targets(inspection.key_tokens)
    if offset is not None:
        found |= {"self": offset == 0, "previous": offset == -1, "next": offset == 1}
        found |= _copies(_identities(inspection), offset, first_row)
    none = np.zeros(n_key, dtype=bool)
    targets = np.stack([allowed & found.get(name, none) for name in TARGETS])
    distance = None if offset is None else np.abs(offset).astype(np.float32)
    return Block(allowed=allowed, targets=targets, distance=distance)


def _key_targets(tokens: tuple[Token, ...]) -> dict[str, Booleans]:
    """The patterns that are columns, whoever looks: (n_key,) each."""
    special = np.array([token.special for token in tokens])
    marks = np.array([_is_punctuation(token.text) for token in tokens])
    return {
        "first": np.arange(len(tokens)) == 0,
        "special": special,
        "punctuation": marks & ~special,
    }


def _copies(identity: NDArray[Any], offset: NDArray[Any], first_row: int) -> dict[str, Booleans]:
    """The earlier copies of each query's token, and the tokens after those."""
    asked = identity[first_row : first_row + len(offset), None]
    duplicate = (identity == asked) & (offset < 0)
    after = np.zeros_like(duplicate)
    after[:, 1:] = duplicate[:, :-1]
    return {"duplicate": duplicate, "induction": after & (offset < 0)}


def _identities(inspection: Inspection) -> NDArray[Any]:
    """One integer for each token, equal where the model sees the same token."""
    if inspection.token_ids is not None:
        return inspection.token_ids
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(t.text, len(numbers)) for t in inspection.query_tokens])


def _is_punctuation(text: str) -> bool:
    text = text.strip()
    return bool(text) and all(map(is_punctuation, text))
