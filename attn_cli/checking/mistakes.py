"""Mistakes: what students are known to do otherwise, each a row that changes an attempt.

It declares; carrying an attempt out is `attempts`' part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import permutations
from typing import Any, NamedTuple

from attn_cli.checking.attempts import Attempt, Scale, What
from attn_cli.recipes import Recipe


class Mistake(NamedTuple):
    """One way to go wrong. Two of the same step exclude each other."""

    name: str
    step: str
    what: str  # was done, as the student would say it
    fix: str  # what to write; {seed}, {init}, {rows} and {scale} stand for the recipe's own
    change: Callable[[Attempt], Attempt | None]  # None where it cannot be made

    def mend(self, made: Recipe) -> str:
        """The fix, with the recipe's own code in it."""
        rows = "one a word" if made.vocab_size is None else f"{made.vocab_size:_} rows"
        scale = {"scaled": "q @ k.T / d_k**0.5"}.get(made.score, "no scale")
        return self.fix.format(seed=made.seed, init=_CODE[made.init], rows=rows, scale=scale)


_CODE = {
    "rand": "torch.rand",
    "randn": "torch.randn",
    "linear": "nn.Linear(d_in, d_out, bias=False)",
    "none": "no weights",
}


def mistakes(attempt: Attempt, after: Mistake | None = None) -> Iterator[tuple[Mistake, Attempt]]:
    """Every mistake that can be made in an attempt, and the attempt with it.

    Args:
        after: only those that stand after this one in the table.

    >>> [m.name for m, _ in mistakes(Attempt(recipe=Recipe())) if m.step == "scale"]
    ['no-scale', 'scale-d-model', 'scale-d-k', 'scale-times', 'scale-d-v']
    """
    start = 0 if after is None else MISTAKES.index(after) + 1
    for mistake in MISTAKES[start:]:
        changed = mistake.change(attempt)
        if changed is not None and changed != attempt:
            yield mistake, changed


_Condition = Callable[[Attempt], bool]


def _always(attempt: Attempt) -> bool:
    return True


def _recipe(when: _Condition = _always, **choices: Any) -> Callable[[Attempt], Attempt | None]:
    """Change choices of the recipe, where `when` holds."""

    def change(attempt: Attempt) -> Attempt | None:
        if not when(attempt):
            return None
        return replace(attempt, recipe=replace(attempt.recipe, **choices))

    return change


def _step(when: _Condition = _always, **fields: Any) -> Callable[[Attempt], Attempt | None]:
    """Change how a step is carried out, where `when` holds."""

    def change(attempt: Attempt) -> Attempt | None:
        return replace(attempt, **fields) if when(attempt) else None

    return change


def _weighted(attempt: Attempt) -> bool:
    return attempt.recipe.init != "none"


def _drawn_table(attempt: Attempt) -> bool:
    return attempt.draws_table


def _own_numbers(attempt: Attempt) -> bool:
    return attempt.draws_table and attempt.numbers_words


def _squares(attempt: Attempt) -> bool:
    """Whether queries and keys can change places."""
    made = attempt.recipe
    return attempt.alone and made.n_kv_head == made.heads and made.score != "additive"


def _has_mask(attempt: Attempt) -> bool:
    return attempt.mask != "none"


def _after_softmax(attempt: Attempt) -> bool:
    return attempt.what in ("weights", "dropped", "context", "output", "joined", "unprojected")


def _mixes(attempt: Attempt) -> bool:
    return attempt.what in ("context", "output", "joined", "unprojected")


def _many_heads(attempt: Attempt) -> bool:
    return attempt.recipe.heads > 1


def _beside(step: int) -> Callable[[Attempt], Attempt | None]:
    """The number of a mask, `window:4`, one off."""

    def change(attempt: Attempt) -> Attempt | None:
        name, _, number = attempt.mask.partition(":")
        if name not in ("window", "local", "prefix", "strided") or not number.isdigit():
            return None
        wanted = int(number) + step
        return replace(attempt, mask=f"{name}:{wanted}") if wanted > 0 else None

    return change


_SEEDS = (0, 1, 42, 123, 789, 1234, 1337, 2024)
_ROWS = (50_000, 50_257, 10_000, 6)
_NAMES = {"q": "W_query", "k": "W_key", "v": "W_value"}
_P = (0.1, 0.2, 0.5)

_TEXT = (
    Mistake(
        "lowercase", "case", "the words are lower-cased before they are numbered",
        "leave the words as they are: no .lower()", _step(_own_numbers, lowercase=True),
    ),
    Mistake(
        "not-lowercase", "case", "the words are not lower-cased",
        "call .lower() on the text first",
        _step(lambda a: _own_numbers(a) and a.lowercase, lowercase=False),
    ),
    Mistake(
        "punctuation", "split", "punctuation stays on the words: `short,` is not `short`",
        "take it off before splitting: sentence.replace(',', '').split()",
        _step(lambda a: _own_numbers(a) and a.split == "words", split="whitespace"),
    ),
    Mistake(
        "unsorted", "numbering", "words are numbered as they come, not in alphabetical order",
        "number sorted(words): {{word: i for i, word in enumerate(sorted(set(words)))}}",
        _recipe(_own_numbers, sort=False),
    ),
    Mistake(
        "gaps", "numbering",
        "repeated words are counted in the numbering, which leaves gaps: set() is missing",
        "number distinct words: enumerate(sorted(set(words)))",
        _step(_own_numbers, numbering="gaps"),
    ),
    Mistake(
        "caseless", "numbering", "words are sorted without regard to capitals",
        "sort them as Python does, capitals first: sorted(set(words))",
        _step(_own_numbers, numbering="caseless"),
    ),
    Mistake(
        "from-one", "numbering", "words are numbered from 1", "number them from 0: enumerate(words)",
        _step(_own_numbers, numbering="from-one"),
    ),
)  # fmt: skip

_TABLE = (
    Mistake(
        "table-words", "table", "the embedding has one row a word",
        "make the embedding as large as the source's: {rows}",
        _recipe(_drawn_table, vocab_size=None),
    ),
    *(
        Mistake(
            f"table-{rows}", "table", f"the embedding has {rows:_} rows",
            "make the embedding as large as the source's: {rows}",
            _recipe(_drawn_table, vocab_size=rows),
        )
        for rows in _ROWS
    ),
    *(
        Mistake(
            f"seed-{seed}", "seed", f"the seed is {seed}", "torch.manual_seed({seed})",
            _recipe(seed=seed),
        )
        for seed in _SEEDS
    ),
)  # fmt: skip

_WEIGHTS = (
    Mistake(
        "not-reseeded", "reseed", "the seed is not set again between the embedding and the weights",
        "call torch.manual_seed({seed}) once more before drawing the weights",
        _recipe(lambda a: a.draws_table and _weighted(a), reseed=False),
    ),
    Mistake(
        "reseeded-each", "reseed", "the seed is set again before each of the three weights, "
        "so that all begin with the same numbers",
        "call torch.manual_seed({seed}) once, before the first of the three",
        _step(
            lambda a: _weighted(a) and (a.recipe.heads == 1 or a.recipe.out_proj),
            reseeds_each=True,
        ),
    ),
    *(
        Mistake(
            f"order-{''.join(order)}", "order",
            f"the weights are drawn in the order {', '.join(_NAMES[name] for name in order)}",
            "draw W_query, then W_key, then W_value",
            _recipe(_weighted, order="".join(order)),
        )
        for order in permutations("qkv")
    ),
    Mistake(
        "transposed", "orientation", "W is drawn as (d_out, d_in) and used as W @ x (or, if it is "
        "square, as x @ W.T)",
        "draw (d_in, d_out) and multiply from the other side: x @ W",
        _recipe(
            lambda a: a.recipe.init in ("rand", "randn") and not a.recipe.transposed,
            transposed=True,
        ),
    ),
    Mistake(
        "not-transposed", "orientation", "W is drawn as (d_in, d_out) and used as x @ W (or, if it "
        "is square, as W.T @ x)",
        "draw (d_out, d_in) and multiply from the other side: W @ x",
        _recipe(lambda a: a.recipe.transposed, transposed=False),
    ),
    Mistake(
        "rand", "init", "the weights are drawn by torch.rand", "draw them by {init}",
        _recipe(_weighted, init="rand"),
    ),
    Mistake(
        "randn", "init", "the weights are drawn by torch.randn", "draw them by {init}",
        _recipe(_weighted, init="randn"),
    ),
    Mistake(
        "linear", "init", "the weights are those of nn.Linear, which draws another range and "
        "stores them transposed", "draw them by {init}", _recipe(_weighted, init="linear"),
    ),
    Mistake(
        "bias", "init", "the weights are nn.Linear layers that keep their bias",
        "draw them by {init}",
        _step(
            lambda a: _weighted(a) and a.recipe.rope_base is None and not a.recipe.out_proj
            and a.recipe.n_kv_head == a.recipe.heads and a.recipe.score != "additive",
            bias=True,
        ),
    ),
    Mistake(
        "no-weights", "init", "query, key and value are the embedding itself: no weights are used",
        "multiply by W_query, W_key and W_value first",
        _recipe(
            lambda a: a.recipe.heads == 1 and not a.recipe.out_proj
            and a.recipe.score != "additive", init="none",
        ),
    ),
    Mistake(
        "fused", "fusion", "the weights of all heads are drawn as one matrix and then split",
        "draw W_query, W_key and W_value of one head after the other",
        lambda a: replace(
            a, recipe=replace(a.recipe, out_proj=True), what="joined" if a.what == "output" else a.what
        ) if _many_heads(a) and not a.recipe.out_proj else None,
    ),
    Mistake(
        "separate", "fusion", "every head draws weights of its own, and nothing projects the result",
        "draw one matrix for all heads, split it, and project the heads' contexts at the end",
        _recipe(lambda a: a.recipe.out_proj and _many_heads(a), out_proj=False),
    ),
)  # fmt: skip


def _wrong_scale(name: str, scale: Scale, what: str, when: _Condition = _always) -> Mistake:
    """A row of the scale; `when` tells where it differs from the recipe's own."""
    return Mistake(
        name, "scale", what, "scale the scores by the source's rule: {scale}",
        _step(lambda a: _weighted(a) and when(a), scale=scale),
    )  # fmt: skip


def _is_scaled(attempt: Attempt) -> bool:
    return attempt.recipe.score == "scaled"


_STEPS = (
    Mistake(
        "roles-swapped", "roles", "query and key have changed places: the scores are k @ q.T",
        "multiply queries @ keys.T", _step(_squares, roles="kq"),
    ),
    Mistake(
        "query-query", "roles", "the scores are queries with queries: q @ q.T",
        "multiply queries @ keys.T", _step(_squares, roles="qq"),
    ),
    Mistake(
        "key-key", "roles", "the scores are keys with keys: k @ k.T", "multiply queries @ keys.T",
        _step(_squares, roles="kk"),
    ),
    Mistake(
        "no-scale", "scale", "the scores are not divided by √d_k", "scale them: {scale}",
        _step(_is_scaled, scale="1"),
    ),
    _wrong_scale("scaled", "√d_k", "the scores are divided by √d_k, and the source does not",
                 lambda a: a.recipe.score == "dot"),
    _wrong_scale("scale-d-model", "√d_model",
                 "the scores are divided by √d_model, the width of an embedding"),
    _wrong_scale("scale-d-k", "d_k", "the scores are divided by d_k itself, without the root"),
    _wrong_scale("scale-times", "×√d_k", "the scores are multiplied with √d_k, not divided by it"),
    _wrong_scale("scale-heads", "√(heads·d_k)",
                 "the scores are divided by the root of all heads' width, not of one head's",
                 _many_heads),
    _wrong_scale("scale-d-v", "√d_v", "the scores are divided by √d_v, the width of a value"),
    Mistake(
        "mask-missing", "mask", "nothing is masked", "mask the scores before the softmax",
        _step(_has_mask, mask="none"),
    ),
    Mistake(
        "causal", "mask", "later words are masked (causal)", "leave all words visible",
        _step(lambda a: a.alone and not _has_mask(a), mask="causal"),
    ),
    Mistake(
        "causal-ahead", "mask", "the causal mask is one off: every word sees the next one, too",
        "mask from the first diagonal above the main one: torch.triu(ones, diagonal=1)",
        _step(lambda a: a.mask == "causal", mask="ahead"),
    ),
    Mistake(
        "causal-behind", "mask", "the causal mask is one off: no word sees itself",
        "mask from the first diagonal above the main one: torch.triu(ones, diagonal=1)",
        _step(lambda a: a.mask == "causal", mask="behind"),
    ),
    Mistake(
        "causal-reversed", "mask", "the causal mask is the wrong triangle: words see later ones",
        "keep the lower triangle: torch.tril(ones)",
        _step(lambda a: a.mask == "causal", mask="later"),
    ),
    Mistake("mask-wider", "mask", "the mask is one place too wide", "take one less", _beside(1)),
    Mistake("mask-narrower", "mask", "the mask is one place too narrow", "take one more",
            _beside(-1)),
    Mistake(
        "mask-after", "masking", "the mask is laid over the weights after the softmax, and the rows "
        "are not normalised again",
        "fill masked scores with -inf before the softmax, or divide each row by its sum after",
        _step(lambda a: _has_mask(a) and _after_softmax(a), mask_place="after"),
    ),
    Mistake(
        "mask-zero", "masking", "masked scores are set to 0 before the softmax: e⁰ is 1, not 0",
        "fill them with -inf: scores.masked_fill(mask, -torch.inf)",
        _step(_has_mask, mask_place="zero"),
    ),
    Mistake(
        "softmax-queries", "softmax", "the softmax goes over the wrong axis: columns sum to 1",
        "torch.softmax(scores, dim=-1)",
        _step(lambda a: a.softmax == "keys" and _after_softmax(a), softmax="queries"),
    ),
    Mistake(
        "softmax-heads", "softmax", "the softmax goes over the heads", "torch.softmax(scores, dim=-1)",
        _step(lambda a: a.softmax == "keys" and _after_softmax(a) and _many_heads(a),
              softmax="heads"),
    ),
    Mistake(
        "softmax-all", "softmax", "the softmax goes over the whole matrix, not over each row",
        "torch.softmax(scores, dim=-1)",
        _step(lambda a: a.softmax == "keys" and _after_softmax(a), softmax="all"),
    ),
    Mistake(
        "no-softmax", "softmax", "there is no softmax: the scaled scores serve as weights",
        "torch.softmax(scores, dim=-1)", _step(_after_softmax, softmax="none"),
    ),
    Mistake(
        "by-sum", "softmax", "each score is divided by the sum of its row instead of a softmax",
        "torch.softmax(scores, dim=-1)",
        _step(lambda a: a.softmax == "keys" and _after_softmax(a), softmax="sum"),
    ),
    Mistake(
        "softmax", "softmax", "there is a softmax where the source divides by the sum",
        "divide each score by the sum of its row",
        _step(lambda a: a.softmax == "sum" and _after_softmax(a), softmax="keys"),
    ),
    Mistake(
        "dropout-missing", "dropout", "dropout is off", "call .train(), and set the seed before",
        _step(lambda a: a.recipe.dropout > 0, dropout=0.0),
    ),
    Mistake(
        "dropout", "dropout", "dropout is left on: some weights are 0, the others larger by 1/(1 - p)",
        "call .eval(), or set dropout to 0",
        _step(lambda a: not a.recipe.dropout and a.what == "weights", dropout="inferred"),
    ),
    *(
        Mistake(
            f"dropout-{p}", "dropout", f"dropout of {p} is left on", "call .eval(), or set dropout to 0",
            _step(lambda a: not a.recipe.dropout and _mixes(a), dropout=p),
        )
        for p in _P
    ),
    Mistake(
        "columns-mix", "mixing", "columns of the weights mix the values: weights.T @ values",
        "multiply weights @ values", _step(lambda a: a.alone and _mixes(a), mixing="columns"),
    ),
)  # fmt: skip


def _other(what: What, said: str) -> Mistake:
    """A row for handing in another matrix than the one that was asked for."""
    return Mistake(
        f"is-{what}", "matrix", f"this is {said}", "hand in the matrix that was asked for",
        _step(lambda a: a.dropout != "inferred", what=what),
    )  # fmt: skip


_MATRICES = (
    _other("embedding", "the embedding"),
    _other("query", "the query"),
    _other("key", "the key"),
    _other("value", "the value"),
    _other("scores", "the scores q @ k.T, neither scaled nor through a softmax"),
    _other("logits", "the scaled scores, before the softmax"),
    _other("weights", "the weights"),
    _other("dropped", "the weights after dropout"),
    _other("context", "the context"),
    _other("joined", "the contexts of all heads side by side, before the output projection"),
    _other("unprojected", "the embedding mixed by the weights: values are not multiplied by W_value"),
    Mistake(
        "turned", "turn", "the matrix is transposed: rows should look, columns be looked at",
        "hand in its transpose", _step(turned=True),
    ),
    Mistake(
        "mean-heads", "heads", "this is the mean over the heads",
        "ask for each head: nn.MultiheadAttention(…)(…, average_attn_weights=False)",
        _step(_many_heads, heads="mean"),
    ),
    Mistake(
        "permuted-heads", "heads", "the heads are in another order", "stack them as they are drawn",
        _step(_many_heads, heads="permuted"),
    ),
)  # fmt: skip

MISTAKES = (*_TEXT, *_TABLE, *_WEIGHTS, *_STEPS, *_MATRICES)
