"""Mistakes in attention itself, from the scores to the matrix that is handed in.

A table; `rows` says what a row means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from attn_cli.checking.attempts import Attempt, Scale, What
from attn_cli.checking.rows import (
    Condition,
    Mistake,
    after_softmax,
    always,
    by_step,
    has_mask,
    many_heads,
    mixes,
    squares,
    weighted,
)

_P = (0.1, 0.2, 0.5)  # of dropout


def _beside(step: int) -> Callable[[Attempt], Attempt | None]:
    """The number of a mask, `window:4`, one off."""

    def change(attempt: Attempt) -> Attempt | None:
        name, _, number = attempt.mask.partition(":")
        if name not in ("window", "local", "prefix", "strided") or not number.isdigit():
            return None
        wanted = int(number) + step
        return replace(attempt, mask=f"{name}:{wanted}") if wanted > 0 else None

    return change


def _wrong_scale(name: str, scale: Scale, what: str, when: Condition = always) -> Mistake:
    """A row of the scale; `when` tells where it differs from the recipe's own."""
    return Mistake(
        name,
        "scale",
        what,
        "scale the scores by the source's rule: {scale}",
        by_step(lambda a: weighted(a) and when(a), scale=scale),
    )


def _is_scaled(attempt: Attempt) -> bool:
    return attempt.recipe.score == "scaled"


_STEPS = (
    Mistake(
        "roles-swapped",
        "roles",
        "query and key have changed places: the scores are k @ q.T",
        "multiply queries @ keys.T",
        by_step(squares, roles="kq"),
    ),
    Mistake(
        "query-query",
        "roles",
        "the scores are queries with queries: q @ q.T",
        "multiply queries @ keys.T",
        by_step(squares, roles="qq"),
    ),
    Mistake(
        "key-key",
        "roles",
        "the scores are keys with keys: k @ k.T",
        "multiply queries @ keys.T",
        by_step(squares, roles="kk"),
    ),
    Mistake(
        "no-scale",
        "scale",
        "the scores are not divided by √d_k",
        "scale them: {scale}",
        by_step(_is_scaled, scale="1"),
    ),
    _wrong_scale(
        "scaled",
        "√d_k",
        "the scores are divided by √d_k, and the source does not",
        lambda a: a.recipe.score == "dot",
    ),
    _wrong_scale(
        "scale-d-model", "√d_model", "the scores are divided by √d_model, the width of an embedding"
    ),
    _wrong_scale("scale-d-k", "d_k", "the scores are divided by d_k itself, without the root"),
    _wrong_scale("scale-times", "×√d_k", "the scores are multiplied with √d_k, not divided by it"),
    _wrong_scale(
        "scale-heads",
        "√(heads·d_k)",
        "the scores are divided by the root of all heads' width, not of one head's",
        many_heads,
    ),
    _wrong_scale("scale-d-v", "√d_v", "the scores are divided by √d_v, the width of a value"),
    Mistake(
        "mask-missing",
        "mask",
        "nothing is masked",
        "mask the scores before the softmax",
        by_step(has_mask, mask="none"),
    ),
    Mistake(
        "causal",
        "mask",
        "later words are masked (causal)",
        "leave all words visible",
        by_step(lambda a: a.alone and not has_mask(a), mask="causal"),
    ),
    Mistake(
        "causal-ahead",
        "mask",
        "the causal mask is one off: every word sees the next one, too",
        "mask from the first diagonal above the main one: torch.triu(ones, diagonal=1)",
        by_step(lambda a: a.mask == "causal", mask="ahead"),
    ),
    Mistake(
        "causal-behind",
        "mask",
        "the causal mask is one off: no word sees itself",
        "mask from the first diagonal above the main one: torch.triu(ones, diagonal=1)",
        by_step(lambda a: a.mask == "causal", mask="behind"),
    ),
    Mistake(
        "causal-reversed",
        "mask",
        "the causal mask is the wrong triangle: words see later ones",
        "keep the lower triangle: torch.tril(ones)",
        by_step(lambda a: a.mask == "causal", mask="later"),
    ),
    Mistake("mask-wider", "mask", "the mask is one place too wide", "take one less", _beside(1)),
    Mistake(
        "mask-narrower", "mask", "the mask is one place too narrow", "take one more", _beside(-1)
    ),
    Mistake(
        "mask-after",
        "masking",
        "the mask is laid over the weights after the softmax, and the rows "
        "are not normalised again",
        "fill masked scores with -inf before the softmax, or divide each row by its sum after",
        by_step(lambda a: has_mask(a) and after_softmax(a), mask_place="after"),
    ),
    Mistake(
        "mask-zero",
        "masking",
        "masked scores are set to 0 before the softmax: e⁰ is 1, not 0",
        "fill them with -inf: scores.masked_fill(mask, -torch.inf)",
        by_step(has_mask, mask_place="zero"),
    ),
    Mistake(
        "softmax-queries",
        "softmax",
        "the softmax goes over the wrong axis: columns sum to 1",
        "torch.softmax(scores, dim=-1)",
        by_step(lambda a: a.softmax == "keys" and after_softmax(a), softmax="queries"),
    ),
    Mistake(
        "softmax-heads",
        "softmax",
        "the softmax goes over the heads",
        "torch.softmax(scores, dim=-1)",
        by_step(
            lambda a: a.softmax == "keys" and after_softmax(a) and many_heads(a), softmax="heads"
        ),
    ),
    Mistake(
        "softmax-all",
        "softmax",
        "the softmax goes over the whole matrix, not over each row",
        "torch.softmax(scores, dim=-1)",
        by_step(lambda a: a.softmax == "keys" and after_softmax(a), softmax="all"),
    ),
    Mistake(
        "no-softmax",
        "softmax",
        "there is no softmax: the scaled scores serve as weights",
        "torch.softmax(scores, dim=-1)",
        by_step(after_softmax, softmax="none"),
    ),
    Mistake(
        "by-sum",
        "softmax",
        "each score is divided by the sum of its row instead of a softmax",
        "torch.softmax(scores, dim=-1)",
        by_step(lambda a: a.softmax == "keys" and after_softmax(a), softmax="sum"),
    ),
    Mistake(
        "softmax",
        "softmax",
        "there is a softmax where the source divides by the sum",
        "divide each score by the sum of its row",
        by_step(lambda a: a.softmax == "sum" and after_softmax(a), softmax="keys"),
    ),
    Mistake(
        "dropout-missing",
        "dropout",
        "dropout is off",
        "call .train(), and set the seed before",
        by_step(lambda a: a.recipe.dropout > 0, dropout=0.0),
    ),
    Mistake(
        "dropout",
        "dropout",
        "dropout is left on: some weights are 0, the others larger by 1/(1 - p)",
        "call .eval(), or set dropout to 0",
        by_step(lambda a: not a.recipe.dropout and a.what == "weights", dropout="inferred"),
    ),
    *(
        Mistake(
            f"dropout-{p}",
            "dropout",
            f"dropout of {p} is left on",
            "call .eval(), or set dropout to 0",
            by_step(lambda a: not a.recipe.dropout and mixes(a), dropout=p),
        )
        for p in _P
    ),
    Mistake(
        "columns-mix",
        "mixing",
        "columns of the weights mix the values: weights.T @ values",
        "multiply weights @ values",
        by_step(lambda a: a.alone and mixes(a), mixing="columns"),
    ),
)


def _other(what: What, said: str) -> Mistake:
    """A row for handing in another matrix than the one that was asked for."""
    return Mistake(
        f"is-{what}",
        "matrix",
        f"this is {said}",
        "hand in the matrix that was asked for",
        by_step(lambda a: a.dropout != "inferred", what=what),
    )


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
    _other("joined", "the contexts of all heads side by side, before any output projection"),
    _other(
        "unprojected", "the embedding mixed by the weights: values are not multiplied by W_value"
    ),
    Mistake(
        "turned",
        "turn",
        "the matrix is transposed: rows should look, columns be looked at",
        "hand in its transpose",
        by_step(turned=True),
    ),
    Mistake(
        "mean-heads",
        "heads",
        "this is the mean over the heads",
        "ask for each head: nn.MultiheadAttention(…)(…, average_attn_weights=False)",
        by_step(many_heads, heads="mean"),
    ),
    Mistake(
        "permuted-heads",
        "heads",
        "the heads are in another order",
        "stack them as they are drawn",
        by_step(many_heads, heads="permuted"),
    ),
)

STEPS = (*_STEPS, *_MATRICES)
