"""Mistakes before attention begins: in words, their numbers, the embedding and the weights.

A table; `rows` says what a row means.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from attn_cli.checking.rows import (
    Mistake,
    by_recipe,
    by_step,
    drawn_table,
    many_heads,
    own_numbers,
    weighted,
)

_SEEDS = (0, 1, 42, 123, 789, 1234, 1337, 2024)
_ROWS = (50_000, 50_257, 10_000, 6)
_NAMES = {"q": "W_query", "k": "W_key", "v": "W_value"}

_TEXT = (
    Mistake(
        "lowercase",
        "case",
        "the words are lower-cased before they are numbered",
        "leave the words as they are: no .lower()",
        by_step(own_numbers, lowercase=True),
    ),
    Mistake(
        "not-lowercase",
        "case",
        "the words are not lower-cased",
        "call .lower() on the text first",
        by_step(lambda a: own_numbers(a) and a.lowercase, lowercase=False),
    ),
    Mistake(
        "punctuation",
        "split",
        "punctuation stays on the words: `short,` is not `short`",
        "take it off before splitting: sentence.replace(',', '').split()",
        by_step(lambda a: own_numbers(a) and a.split == "words", split="whitespace"),
    ),
    Mistake(
        "unsorted",
        "numbering",
        "words are numbered as they come, not in alphabetical order",
        "number sorted(words): {{word: i for i, word in enumerate(sorted(set(words)))}}",
        by_recipe(own_numbers, sort=False),
    ),
    Mistake(
        "gaps",
        "numbering",
        "repeated words are counted in the numbering, which leaves gaps: set() is missing",
        "number distinct words: enumerate(sorted(set(words)))",
        by_step(own_numbers, numbering="gaps"),
    ),
    Mistake(
        "caseless",
        "numbering",
        "words are sorted without regard to capitals",
        "sort them as Python does, capitals first: sorted(set(words))",
        by_step(own_numbers, numbering="caseless"),
    ),
    Mistake(
        "from-one",
        "numbering",
        "words are numbered from 1",
        "number them from 0: enumerate(words)",
        by_step(own_numbers, numbering="from-one"),
    ),
)

_TABLE = (
    Mistake(
        "table-words",
        "table",
        "the embedding has one row a word",
        "make the embedding as large as the source's: {rows}",
        by_recipe(drawn_table, vocab_size=None),
    ),
    *(
        Mistake(
            f"table-{rows}",
            "table",
            f"the embedding has {rows:_} rows",
            "make the embedding as large as the source's: {rows}",
            by_recipe(drawn_table, vocab_size=rows),
        )
        for rows in _ROWS
    ),
    *(
        Mistake(
            f"seed-{seed}",
            "seed",
            f"the seed is {seed}",
            "torch.manual_seed({seed})",
            by_recipe(seed=seed),
        )
        for seed in _SEEDS
    ),
)

_WEIGHTS = (
    Mistake(
        "not-reseeded",
        "reseed",
        "the seed is not set again between the embedding and the weights",
        "call torch.manual_seed({seed}) once more before drawing the weights",
        by_recipe(lambda a: a.draws_table and weighted(a), reseed=False),
    ),
    Mistake(
        "reseeded-each",
        "reseed",
        "the seed is set again before each of the three weights, "
        "so that all begin with the same numbers",
        "call torch.manual_seed({seed}) once, before the first of the three",
        by_step(
            lambda a: weighted(a) and (a.recipe.heads == 1 or a.recipe.out_proj),
            reseeds_each=True,
        ),
    ),
    *(
        Mistake(
            f"order-{''.join(order)}",
            "order",
            f"the weights are drawn in the order {', '.join(_NAMES[name] for name in order)}",
            "draw W_query, then W_key, then W_value",
            by_recipe(weighted, order="".join(order)),
        )
        for order in list(permutations("qkv"))[1:]
    ),
    Mistake(
        "transposed",
        "orientation",
        "W is drawn as (d_out, d_in) and used as W @ x (or, if it is square, as x @ W.T)",
        "draw (d_in, d_out) and multiply from the other side: x @ W",
        by_recipe(
            lambda a: a.recipe.init in ("rand", "randn") and not a.recipe.transposed,
            transposed=True,
        ),
    ),
    Mistake(
        "not-transposed",
        "orientation",
        "W is drawn as (d_in, d_out) and used as x @ W (or, if it is square, as W.T @ x)",
        "draw (d_out, d_in) and multiply from the other side: W @ x",
        by_recipe(lambda a: a.recipe.transposed, transposed=False),
    ),
    Mistake(
        "rand",
        "init",
        "the weights are drawn by torch.rand",
        "draw them by {init}",
        by_recipe(weighted, init="rand"),
    ),
    Mistake(
        "randn",
        "init",
        "the weights are drawn by torch.randn",
        "draw them by {init}",
        by_recipe(weighted, init="randn"),
    ),
    Mistake(
        "linear",
        "init",
        "the weights are those of nn.Linear, which draws another range and stores them transposed",
        "draw them by {init}",
        by_recipe(weighted, init="linear"),
    ),
    Mistake(
        "bias",
        "init",
        "the weights are nn.Linear layers that keep their bias",
        "draw them by {init}",
        by_step(
            lambda a: (
                weighted(a)
                and a.recipe.rope_base is None
                and not a.recipe.out_proj
                and a.recipe.n_kv_head == a.recipe.heads
                and a.recipe.score != "additive"
            ),
            bias=True,
        ),
    ),
    Mistake(
        "no-weights",
        "init",
        "query, key and value are the embedding itself: no weights are used",
        "multiply by W_query, W_key and W_value first",
        by_recipe(
            lambda a: (
                a.recipe.heads == 1 and not a.recipe.out_proj and a.recipe.score != "additive"
            ),
            init="none",
        ),
    ),
    Mistake(
        "fused",
        "fusion",
        "the weights of all heads are drawn as one matrix and then split",
        "draw W_query, W_key and W_value of one head after the other",
        lambda a: (
            replace(
                a,
                recipe=a.recipe._replace(out_proj=True),
                what="joined" if a.what == "output" else a.what,
            )
            if many_heads(a) and not a.recipe.out_proj
            else None
        ),
    ),
    Mistake(
        "separate",
        "fusion",
        "every head draws weights of its own, and nothing projects the result",
        "draw one matrix for all heads, split it, and project the heads' contexts at the end",
        by_recipe(lambda a: a.recipe.out_proj and many_heads(a), out_proj=False),
    ),
)

DRAWING = (*_TEXT, *_TABLE, *_WEIGHTS)
