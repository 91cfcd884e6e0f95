"""Recipes: each source's choices, what overrides them, and every choice that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from attn_cli.errors import UsageError
from attn_cli.recipes import JOURNEY, RECIPES, Recipe, recipe


def test_the_sources_as_their_authors_have_them() -> None:
    article, blog, linear, book = (RECIPES[n] for n in ("article", "blog", "linear", "book"))
    sizes = [(r.vocab_size, r.d_model, r.d_k, r.d_v) for r in (article, blog, linear, book)]
    assert sizes == [(50_000, 3, 2, 4), (None, 16, 24, 28), (50_000, 3, 2, 4), (50_000, 3, 2, 2)]
    assert [r.seed for r in RECIPES.values()] == [123] * 4
    assert [r.init for r in RECIPES.values()] == ["rand", "rand", "linear", "rand"]
    assert [r.transposed for r in RECIPES.values()] == [False, True, False, False]
    assert all(name == made.name for name, made in RECIPES.items())
    assert JOURNEY["journey"] == (0.55, 0.87, 0.66) and len(JOURNEY) == 6


def test_a_choice_overrides_and_none_leaves_the_source_alone() -> None:
    assert recipe() is not None and recipe() == Recipe() == recipe("article")
    made = recipe("blog", d_k=3, d_v=None, heads=None)
    assert (made.d_k, made.d_v, made.transposed) == (3, 28, True)
    assert recipe(made, seed=5).d_k == 3
    assert recipe("article", dropout=0.0, seed=0).seed == 0


def test_key_value_heads_and_the_rotary_base_have_their_defaults() -> None:
    assert recipe(heads=4).n_kv_head == 4
    assert recipe(heads=4, kv_heads=1).n_kv_head == 1
    assert recipe(positions="alibi").rope_base is None
    assert recipe(positions="rope").rope_base == 10_000
    assert recipe(positions="rope:500.5").rope_base == 500.5


BAD: list[tuple[dict[str, Any], str]] = [
    ({"d_model": 0}, "--d-model must be from 1"),
    ({"d_k": -1}, "--d-k must be from 1"),
    ({"d_v": 2**31}, "--d-v must be from 1 to 2147483647, not: 2147483648"),
    ({"heads": 0}, "--heads must be from 1"),
    ({"vocab_size": 0}, "--vocab-size must be from 1"),
    ({"max_positions": 0}, "--max-positions must be from 1"),
    ({"cross_rand": 0}, "--cross-rand must be from 1"),
    ({"cross_rand": 2**31}, "--cross-rand must be from 1"),
    ({"init": "ones"}, "--init cannot be `ones`"),
    ({"score": "cosine"}, "--score cannot be `cosine`"),
    ({"normalize": "max"}, "--normalize cannot be `max`"),
    ({"dropout_generator": "cuda"}, "--dropout-generator cannot be `cuda`"),
    ({"heads": 4, "kv_heads": 3}, "--kv-heads 3 does not divide --heads 4"),
    ({"heads": 2, "kv_heads": 4}, "--kv-heads 4 does not divide --heads 2"),
    ({"kv_heads": 0}, "--kv-heads 0"),
    ({"kv_heads": -1}, "--kv-heads -1"),
    ({"init": "none", "heads": 2}, "all heads are the same"),
    ({"init": "none", "out_proj": True}, "without weights"),
    ({"init": "none", "score": "additive"}, "additive scores need weights"),
    ({"positions": "rotary"}, "there are no positions `rotary`"),
    ({"positions": "alibi:2"}, "there are no positions `alibi:2`"),
    ({"positions": ""}, "there are no positions ``"),
    ({"positions": "rope:"}, "the base in `rope:`"),
    ({"positions": "rope:x"}, "the base in `rope:x`"),
    ({"positions": "rope:1"}, "must be a number above 1"),
    ({"positions": "rope:nan"}, "must be a number above 1"),
    ({"positions": "rope:inf"}, "must be a number above 1"),
    ({"positions": "rope", "d_k": 3}, "--d-k must be even, not: 3"),
    ({"positions": "rope", "score": "additive"}, "for products, not for additive scores"),
    ({"positions": "alibi", "score": "additive"}, "for products, not for additive scores"),
    *(({"softcap": c}, "--softcap must be") for c in (0.0, -1.0, float("nan"), float("inf"))),
    *(({"softcap": c}, "--softcap must be") for c in (1e39, 1e-46)),  # ∞ and 0 in float32
    *(({"dropout": p}, "--dropout must be") for p in (-0.1, 1.0, 2.0, float("nan"))),
]


@pytest.mark.parametrize(("choices", "message"), BAD, ids=[str(choices) for choices, _ in BAD])
def test_choices_out_of_range_are_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipe(**choices)
    assert message in caught.value.message
    assert "\n" not in caught.value.message + caught.value.hint


def test_close_names_are_offered() -> None:
    with pytest.raises(UsageError, match="there is no recipe `artcle`"):
        recipe("artcle")
    with pytest.raises(UsageError) as caught:
        recipe(head=3)
    assert caught.value.message == "a recipe has no choice `head`"
    assert caught.value.hint == "Did you mean `heads`?"
    with pytest.raises(UsageError) as caught:
        recipe(positions="sinusiodal")
    assert "sinusoidal" in caught.value.hint


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        RECIPES["article"].seed = 7  # type: ignore[misc]
