"""The room of the one value: what an Inspection refuses, keeps, equals and shows."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields, replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from attn_cli import inspect
from attn_cli.attention import attend
from attn_cli.errors import DataError
from attn_cli.inspection import Inspection, Layer, Mask, Source, Token, arrays
from attn_cli.vocabulary import Vocabulary

QUERIES = tuple(Token(text, word=i) for i, text in enumerate(("one", "two", "three")))
KEYS = tuple(Token(text) for text in ("un", "deux", "trois", "quatre"))
ALLOWED = np.array([[1, 0, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0]], dtype=bool)
N_QUERY, N_KEY, N_HEAD, N_KV_HEAD, D_HEAD, D_VALUE, D_MODEL = 3, 4, 4, 2, 5, 6, 7
SIZES = {
    "n_query": N_QUERY,
    "n_key": N_KEY,
    "n_head": N_HEAD,
    "n_kv_head": N_KV_HEAD,
    "d_head": D_HEAD,
    "d_value": D_VALUE,
    "d_model": D_MODEL,
    "d_out": 8,
    "n_rotary": 9,
}


def layer(
    index: int = 0, allowed: np.ndarray | None = ALLOWED, own: np.ndarray | None = None
) -> Layer:
    """A layer with every array, of which no two axes are of one size."""
    random = np.random.default_rng(index)
    query = random.normal(size=(N_HEAD, N_QUERY, D_HEAD)).astype(np.float32)
    key = random.normal(size=(N_KV_HEAD, N_KEY, D_HEAD)).astype(np.float32)
    value = random.normal(size=(N_KV_HEAD, N_KEY, D_VALUE)).astype(np.float32)
    dropout = random.choice([0, 2], size=(N_HEAD, N_QUERY, N_KEY)).astype(np.float32)
    run = attend(query, key, value, allowed=allowed, dropout=dropout)
    others = {
        item.name: random.normal(size=[SIZES[axis] for axis in item.metadata["axes"]])
        for item in fields(Layer)
        if "axes" in item.metadata and item.name not in ("query", "key", "value", *run._fields)
    }
    others |= {"allowed": own, "head_index": np.arange(N_HEAD) + 1}
    made = {"query": query, "key": key, "value": value, **run._asdict()}
    return Layer(index=index, scale=0.5, softcap=50.0, **others | made | {"dropout": dropout})


def parts() -> dict[str, Any]:
    """The arguments of a whole Inspection: two layers, grouped heads, a wholly masked row."""
    random = np.random.default_rng(9)
    return {
        "text": "one two three",
        "kind": "cross",
        "query_tokens": QUERIES,
        "key_tokens": KEYS,
        "token_ids": np.array([3, 1, 2]),
        "vocabulary": Vocabulary({"one": 3, "two": 1, "three": 2}),
        "embedding": random.normal(size=(N_QUERY, D_MODEL)).astype(np.float32),
        "position_code": random.normal(size=(N_QUERY, D_MODEL)).astype(np.float32),
        "key_text": "un deux trois quatre",
        "key_ids": np.array([5, 6, 7, 8]),
        "key_embedding": random.normal(size=(N_KEY, D_MODEL)).astype(np.float32),
        "mask": Mask(name="given", allowed=ALLOWED),
        "layers": (layer(0), layer(1)),
        "source": Source(model="by hand", settings={"seed": 1}),
    }


def whole(**changes: Any) -> Inspection:
    return Inspection(**parts() | changes)


def with_layer(**changes: Any) -> Inspection:
    """The same with its second layer changed."""
    return whole(layers=(layer(0), replace(layer(1), **changes)))


def put(array: np.ndarray, place: tuple[int, ...], value: float) -> np.ndarray:
    changed = array.copy()
    changed[place] = value
    return changed


# What it refuses --------------------------------------------------------------------------------

F = np.float32
AXES: list[tuple[str, Mapping[str, Any], str, int, int]] = [
    # changed, what it is changed to, axis, size found, size wanted
    ("embedding", {"embedding": np.zeros((2, D_MODEL), F)}, "n_query", 2, N_QUERY),
    ("token_ids", {"token_ids": np.zeros(5, np.int64)}, "n_query", 5, N_QUERY),
    ("mask.allowed", {"mask": Mask(allowed=ALLOWED.T)}, "n_query", N_KEY, N_QUERY),
    ("mask.allowed", {"mask": Mask(allowed=ALLOWED[:, 1:])}, "n_key", 3, N_KEY),
    ("weights", {"weights": layer(1).weights[:, 1:]}, "n_query", 2, N_QUERY),
    ("weights", {"weights": layer(1).weights[..., 1:]}, "n_key", 3, N_KEY),
    ("query", {"query": np.zeros((N_HEAD, 9, D_HEAD), F)}, "n_query", 9, N_QUERY),
    ("query", {"query": np.zeros((2, N_QUERY, D_HEAD), F)}, "n_head", 2, N_HEAD),
    ("key", {"key": np.zeros((N_KV_HEAD, N_KEY, 8), F)}, "d_head", 8, D_HEAD),
    ("key", {"key": np.zeros((N_KV_HEAD, 9, D_HEAD), F)}, "n_key", 9, N_KEY),
    ("value", {"value": np.zeros((3, N_KEY, D_VALUE), F)}, "n_kv_head", 3, N_KV_HEAD),
    ("value", {"value": np.zeros((N_KV_HEAD, 2, D_VALUE), F)}, "n_key", 2, N_KEY),
    ("scores", {"scores": np.zeros((1, N_QUERY, N_KEY), F)}, "n_head", 1, N_HEAD),
    ("logits", {"logits": np.zeros((N_HEAD, N_QUERY, 1), F)}, "n_key", 1, N_KEY),
    ("context", {"context": np.zeros((N_HEAD, N_QUERY, 2), F)}, "d_value", 2, D_VALUE),
    ("lse", {"lse": np.zeros((N_HEAD, 1), F)}, "n_query", 1, N_QUERY),
]


@pytest.mark.parametrize(
    ("name", "change", "axis", "found", "wanted"),
    AXES,
    ids=[f"{name}-{axis}" for name, _, axis, *_ in AXES],
)
def test_axes_that_contradict(
    name: str, change: Mapping[str, Any], axis: str, found: int, wanted: int
) -> None:
    in_layer = name in {item.name for item in fields(Layer)}
    with pytest.raises(DataError) as caught:
        with_layer(**change) if in_layer else whole(**change)
    place = f"layers[1].{name}" if in_layer else name
    expected = f"`{place}` has {found} on axis {axis}; it should have {wanted}"
    assert caught.value.message == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"embedding": np.zeros(3, F)},
            "`embedding` has 1 axes; it should have 2: (n_query, d_model)",
        ),
        (
            {"layers": (Layer(weights=np.zeros((3, 4), F)),)},
            "`layers[0].weights` has 2 axes; it should have 3: (n_head, n_query, n_key)",
        ),
        (
            {"token_ids": np.zeros((3, 1), np.int64)},
            "`token_ids` has 2 axes; it should have 1: (n_query)",
        ),
        ({"layers": (Layer(),)}, "`layers[0].weights` is missing"),
        (
            {"layers": (layer(0), Layer(index=1, query=layer(1).query))},
            "`layers[1].weights` is missing",
        ),
    ],
)
def test_arrays_that_have_other_axes_or_none(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        whole(**change)
    assert caught.value.message == message


def test_a_weight_where_the_mask_allows_none_is_refused() -> None:
    half = np.full((1, 2, 2), 0.5, F)
    triangle = np.tri(2, dtype=bool)
    two = (Token("a"), Token("b"))
    for mask, own in ((triangle, None), (None, triangle)):
        with pytest.raises(DataError) as caught:
            Inspection(
                query_tokens=two,
                mask=Mask(name="causal", allowed=mask),
                layers=(Layer(weights=half, allowed=own),),
            )
        assert caught.value.message == (
            "`layers[0].weights[0][0][1]` is 0.5, and the mask does not allow that key"
        )
    with pytest.raises(
        DataError, match=r"\[0\]\[0\]\[1\]` is 0\.5, and in causal attention no key"
    ):
        Inspection(kind="causal", query_tokens=two, layers=(Layer(weights=half),))
    nothing = Mask(name="none at all", allowed=np.zeros((2, 2), bool))
    with pytest.raises(DataError, match="does not allow that key"):
        Inspection(query_tokens=two, mask=nothing, layers=(Layer(weights=half),))
    Inspection(query_tokens=two, mask=nothing, layers=(Layer(weights=half * 0),))


def test_layers_have_numbers_of_their_own() -> None:
    for second, message in (
        (0, "`layers[1].index` is 0, as `layers[0].index` is"),
        (-5, "`layers[1].index` is negative: -5"),
    ):
        with pytest.raises(DataError) as caught:
            whole(layers=(layer(0), replace(layer(1), index=second)))
        assert caught.value.message == message


def test_key_heads_divide_the_query_heads() -> None:
    changes = {
        "key": np.zeros((3, N_KEY, D_HEAD), F),
        "value": np.zeros((3, N_KEY, D_VALUE), F),
        "w_key": None,
        "w_value": None,
    }
    with pytest.raises(DataError) as caught:
        with_layer(**changes)
    assert caught.value.message == (
        "`layers[1].key` has 3 heads, which do not divide the 4 heads of `weights`"
    )


PER_LAYER = [item.name for item in fields(Layer) if "axes" in item.metadata]
FLOATS = [
    item.name for item in fields(Layer) if item.metadata.get("dtype", np.dtype(bool)).kind == "f"
]
ALWAYS = {"weights", "head_index"}
PER_TEXT = [item.name for item in fields(Inspection) if "axes" in item.metadata]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["embedding", *FLOATS])
def test_numbers_that_are_not_finite(name: str, value: float) -> None:
    """The one infinity that has a meaning is that of a masked logit, and of a row of them."""
    array = parts()["embedding"] if name == "embedding" else getattr(layer(1), name)
    changed = put(array, (1, 2, 3)[: array.ndim], value)

    def make() -> Inspection:
        return whole(embedding=changed) if name == "embedding" else with_layer(**{name: changed})

    if value == -np.inf and name in ("logits", "lse"):
        assert np.isneginf(getattr(make().layers[1], name)[(1, 2, 3)[: array.ndim]])
        return
    with pytest.raises(DataError) as caught:
        make()
    place = "".join(f"[{index}]" for index in (1, 2, 3)[: array.ndim])
    owner = "" if name == "embedding" else "layers[1]."
    assert caught.value.message == f"`{owner}{name}{place}` is not a finite number: {value}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query_tokens": ()}, "there are no tokens on axis n_query"),
        ({"key_tokens": ()}, "there are no tokens on axis n_key"),
        ({"embedding": np.zeros((3, 0), F)}, "`embedding` has nothing on axis d_model"),
        (
            {"layers": (Layer(weights=np.zeros((0, N_QUERY, N_KEY), F)),)},
            "`layers[0].weights` has nothing on axis n_head",
        ),
        (
            {"layers": (replace(layer(0), key=np.zeros((0, N_KEY, D_HEAD), F)),)},
            "`layers[0].key` has nothing on axis n_kv_head",
        ),
        ({"source": Source(precision=-1)}, "`source.precision` must be from 0 to 17, not: -1"),
        ({"source": Source(precision=400)}, "`source.precision` must be from 0 to 17, not: 400"),
    ],
)
def test_nothing_at_all_and_impossible_precision(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        whole(**change)
    assert caught.value.message == message


@pytest.mark.parametrize(
    "change",
    [
        {"text": "half \ud83d"},
        {"query_tokens": (*QUERIES[:2], Token("\udce9"))},
        {"key_tokens": (*KEYS[:3], Token("\ud83d"))},
    ],
)
def test_half_characters(change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="not valid UTF-8"):
        whole(**change)


def test_numbers_beyond_float32() -> None:
    with pytest.raises(DataError, match=r"`embedding\[0\]\[1\]` is not a finite number"):
        whole(embedding=put(np.zeros((N_QUERY, D_MODEL)), (0, 1), 1e39))


@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
def test_a_scale_that_is_not_finite(scale: float) -> None:
    with pytest.raises(DataError, match="scale"):
        with_layer(scale=scale)


@pytest.mark.parametrize("softcap", [0.0, -5.0, 1e-320, 1e300, float("nan"), float("inf")])
def test_a_softcap_that_bends_nothing(softcap: float) -> None:
    with pytest.raises(DataError, match="the softcap of"):
        Inspection(
            query_tokens=(Token("a"),), layers=(Layer(weights=np.ones((1, 1, 1)), softcap=softcap),)
        )


def test_rows_that_do_not_sum_to_one() -> None:
    weights = layer(1).weights.copy()
    weights[2, 1] = [0.25, 0.125, 0.125, 0]
    with pytest.raises(DataError) as caught:
        with_layer(weights=weights)
    assert caught.value.message == "`layers[1].weights[2][1]` sums to 0.5, not to 1"


def test_more_heads_than_any_model_has() -> None:
    token = (Token("a"),)
    layers = [Layer(index=i, weights=np.ones((1 << 13, 1, 1), np.float32)) for i in range(2)]
    assert len(Inspection(query_tokens=token, layers=tuple(layers)).layers) == 2
    layers.append(Layer(index=2, weights=np.ones((1, 1, 1), np.float32)))
    with pytest.raises(DataError) as caught:
        Inspection(query_tokens=token, layers=tuple(layers))
    assert caught.value.message == (
        "`layers[2].weights` brings the heads to 16,385; 16,384 are the most"
    )


def test_weights_that_are_negative() -> None:
    weights = layer(1).weights.copy()
    weights[0, 1] = [0.75, 0.75, -0.5, 0]
    with pytest.raises(DataError) as caught:
        with_layer(weights=weights)
    assert caught.value.message == "`layers[1].weights` holds a negative number: -0.5"


def test_a_row_of_zeros_is_a_row_that_may_look_at_nothing() -> None:
    assert (whole().layers[0].weights[:, 2] == 0).all()
    zeros = layer(1).weights.copy()
    zeros[3, 1] = 0
    with pytest.raises(DataError) as caught:  # the mask lets query 1 look
        with_layer(weights=zeros)
    assert caught.value.message == "`layers[1].weights[3][1]` sums to 0, not to 1"
    with pytest.raises(DataError, match=r"weights\[0\]\[2\]` sums to 0, not to 1"):
        whole(mask=Mask())  # and without a mask every query may


@pytest.mark.parametrize(
    ("source", "error", "accepted"),
    [
        (Source(), 5e-6, True),
        (Source(), 5e-5, False),
        (Source(dtype="float64"), 5e-5, False),
        (Source(dtype="of our own"), 5e-5, False),
        (Source(dtype="float16"), 2e-3, True),
        (Source(dtype="float16"), 2e-2, False),
        (Source(dtype="bfloat16"), 2e-2, True),
        (Source(dtype="bfloat16"), 2e-1, False),
        # Rounded to p decimals, each of 4 weights is off by 0.5 · 10^-p at the most.
        (Source(precision=2), 0.0199, True),
        (Source(precision=2), 0.0201, False),
        (Source(precision=4), 0.000199, True),
        (Source(precision=4), 0.00025, False),
        (Source(precision=0), 1.9, True),
    ],
)
def test_rows_may_be_off_by_the_rounding_of_their_dtype(
    source: Source, error: float, accepted: bool
) -> None:
    weights = np.full((1, 1, N_KEY), 0.25 + error / N_KEY)
    run = {"query_tokens": QUERIES[:1], "key_tokens": KEYS, "layers": (Layer(weights=weights),)}
    if accepted:
        assert Inspection(**run, source=source).layers[0].weights.shape == (1, 1, N_KEY)
    else:
        with pytest.raises(DataError, match=r"`layers\[0\].weights\[0\]\[0\]` sums to 1\."):
            Inspection(**run, source=source)


# What it is -------------------------------------------------------------------------------------


def test_arrays_are_of_their_dtype_and_read_only() -> None:
    run = whole(embedding=np.ones((N_QUERY, D_MODEL)), token_ids=np.arange(3, dtype=np.int32))
    found = [array for owner in (run, run.mask, *run.layers) for _, array, _ in arrays(owner)]
    assert len(found) == len(PER_TEXT) + 1 + 2 * (len(PER_LAYER) - 1)  # no mask of its own
    for array in found:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert run.embedding.dtype == np.float32
    assert run.token_ids.dtype == np.int64
    assert run.mask.allowed.dtype == np.bool_
    assert all(getattr(run.layers[1], name).dtype == np.float32 for name in FLOATS)


def test_the_given_array_stays_writable() -> None:
    given = np.zeros((N_QUERY, D_MODEL), dtype=np.float32)
    whole(embedding=given)
    given[0, 0] = 1


def test_every_part_is_frozen() -> None:
    run = whole()
    for owner in (run, run.mask, run.source, run.layers[0]):
        for item in fields(owner):
            with pytest.raises(FrozenInstanceError):
                setattr(owner, item.name, None)
            with pytest.raises(FrozenInstanceError):
                delattr(owner, item.name)
    with pytest.raises(TypeError):
        hash(run)


def test_equal_by_value() -> None:
    assert whole() == whole()
    assert whole() is not whole()
    assert whole() != "one two three"


CHANGES: dict[str, Any] = {
    "text": "one two  three",
    "query_tokens": (*QUERIES[:2], Token("Three", word=2)),
    "key_tokens": (*KEYS[:3], Token("quatre", special=True)),
    "token_ids": np.array([3, 1, 4]),
    "vocabulary": None,
    "embedding": np.nextafter(parts()["embedding"], F(9)),
    "position_code": None,
    "key_text": "un",
    "key_ids": np.array([5, 6, 7, 9]),
    "key_embedding": None,
    "mask": Mask(name="other", allowed=ALLOWED),
    "layers": (layer(0),),
    "source": Source(model="by hand", settings={"seed": 2}),
    "kind": "self",
}


@pytest.mark.parametrize("name", CHANGES)
def test_any_change_makes_it_unequal(name: str) -> None:
    assert CHANGES.keys() == {item.name for item in fields(Inspection)}
    assert whole(**{name: CHANGES[name]}) != whole()
    assert whole() != whole(**{name: CHANGES[name]})


@pytest.mark.parametrize("name", [item.name for item in fields(Layer)])
def test_any_change_of_a_layer_makes_it_unequal(name: str) -> None:
    if name == "weights":
        changed: Any = layer(1).weights[::-1]
    elif name == "index":
        changed = 5
    elif name == "allowed":
        changed = np.ones((N_QUERY, N_KEY), dtype=bool) & ALLOWED
    else:
        changed = None  # an absent array is not equal to one of zeros, or to any
    assert with_layer(**{name: changed}) != whole()
    assert whole() != with_layer(**{name: changed})


def test_dimensions() -> None:
    expected = {
        "n_layer": 2,
        "n_head": N_HEAD,
        "n_kv_head": N_KV_HEAD,
        "n_query": N_QUERY,
        "n_key": N_KEY,
        "d_model": D_MODEL,
        "d_head": D_HEAD,
        "d_value": D_VALUE,
        "d_out": SIZES["d_out"],
        "n_rotary": SIZES["n_rotary"],
        "n_vocab": 3,
    }
    assert whole().dimensions == expected
    bare = Inspection(query_tokens=QUERIES)
    assert bare.dimensions == {"n_layer": 0, "n_query": 3, "n_key": 3}


def test_self_attention_has_one_tuple_of_tokens() -> None:
    run = Inspection(query_tokens=QUERIES)
    assert run.key_tokens is run.query_tokens
    with pytest.raises(DataError, match="no tokens on axis n_key"):
        Inspection(kind="cross", query_tokens=QUERIES)


@pytest.mark.parametrize("names", [set(), {"value", "embedding"}, {"logits", "vocabulary"}])
def test_keeping(names: set[str]) -> None:
    run = whole()
    kept = run.keeping(names)
    assert (kept.embedding is not None) == ("embedding" in names)
    assert kept.vocabulary == (run.vocabulary if "vocabulary" in names else None)
    assert np.array_equal(kept.token_ids, run.token_ids)
    assert np.array_equal(kept.mask.allowed, ALLOWED)
    for before, after in zip(run.layers, kept.layers, strict=True):
        assert {name for name, _, _ in arrays(after)} == names & set(PER_LAYER) | ALWAYS
        for name, array, _ in arrays(after):
            assert np.array_equal(array, getattr(before, name))
        assert (after.index, after.scale) == (before.index, before.scale)
    assert run == whole()  # the first is as it was
    assert run.keeping({*PER_LAYER, *PER_TEXT, "vocabulary"}) == run


def test_a_layer_may_have_a_mask_of_its_own() -> None:
    narrower = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]], dtype=bool)
    run = whole(layers=(layer(0), layer(1, narrower, own=narrower)))
    assert np.array_equal(run.allowed(run.layers[0]), ALLOWED)
    assert np.array_equal(run.allowed(run.layers[1]), narrower)
    other = layer(1, narrower)
    with pytest.raises(DataError, match="sums to 0"):
        whole(mask=Mask(), layers=(replace(other, weights=other.weights),))


def test_some_arrays_go_where_another_goes() -> None:
    kept = whole().keeping({"query", "w_output", "embedding"})
    found = {name for name, _, _ in arrays(kept.layers[0])}
    assert found == {"query", "rotation", "w_output", "b_output"} | ALWAYS
    assert kept.key_embedding is not None
    assert whole().keeping({"weights"}).key_embedding is None


# How it shows itself ----------------------------------------------------------------------------

HOSTILE = "<script>alert('1')</script> &amp;\" \x1b[31mred \u202eRTL [bold]b[/bold]"


def hostile() -> Inspection:
    return inspect(HOSTILE, split="whitespace", seed=1)


class Page(HTMLParser):
    """The tags, attributes and text of a fragment."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_repr_names_the_text_and_the_sizes() -> None:
    shown = repr(whole())
    assert "'one two three'" in shown
    assert "n_head=4" in shown
    assert "cross" in shown
    assert "\x1b" not in repr(hostile())


def test_html_escapes_what_a_user_wrote() -> None:
    html = hostile()._repr_html_()
    page, plain = Page(html), Page(inspect("a b c d e f", seed=1)._repr_html_())
    assert set(page.tags) == set(plain.tags)
    assert "script" not in page.tags
    assert page.attributes <= {"class", "style"}
    assert "<script>alert('1')</script> &amp;\" \\x1b[31mred \\u202eRTL" in page.text
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_html_holds_the_numbers() -> None:
    page = Page(inspect("Life is short, eat dessert first")._repr_html_())
    assert page.tags.count("table") == 3
    assert "0.6870" in page.text
    assert "weights" in page.text
    assert all(word in page.text for word in ("Life", "dessert"))


def printed(run: Inspection, width: int, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=width, legacy_windows=False, **options)
    console.print(run)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_rich_console_prints_it() -> None:
    shown = printed(inspect("Life is short, eat dessert first"), 80, color_system=None)
    assert "\x1b" not in shown
    assert "0.6870" in shown
    assert "weights" in shown
    assert "dessert" in shown
    assert max(map(len, shown.splitlines())) <= 80
    narrow = printed(inspect("Life is short, eat dessert first"), 40, color_system=None)
    assert max(map(len, narrow.splitlines())) <= 40
    assert "0.6870" in narrow


def test_a_rich_console_with_colours() -> None:
    run = hostile()
    shown = printed(run, 80, color_system="truecolor", force_terminal=True)
    assert "\x1b[" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "\x1b" not in plain
    assert "\u202e" not in plain
    assert "[bold]b[/bold]" in plain  # markup is text
    assert "\\x1b[31mred" in plain


def test_masked_cells_look_masked() -> None:
    run = whole().keeping(set())
    masked = int((~ALLOWED).sum()) * N_HEAD * len(run.layers)
    assert len(re.findall(r"<td[^>]*>·</td>", run._repr_html_())) == masked
    rows = re.findall(r"^\s*2 three\s+(.*)$", printed(run, 80, color_system=None), re.MULTILINE)
    assert [row.split() for row in rows] == [["·"] * N_KEY] * N_HEAD * len(run.layers)
