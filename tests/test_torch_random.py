"""The room of seeded numbers: torch's own values as literals, properties, and torch itself.

The literals come from torch 2.13.0 on the CPU. Where torch is installed the last part compares with
it: `rand`, `uniform` and `linear` bit for bit, `randn` and `embedding` within 5e-7.
"""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attn_cli.errors import UsageError
from attn_cli.torch_random import (
    MAX_SEED,
    MIN_SEED,
    Generator,
    embedding,
    linear,
    normal_blocks,
    skip_normals,
)

CLOSE = 5e-7  # what is promised for normal numbers; no equality of bits
EXAMPLES = settings(max_examples=80, deadline=None, database=None)

# `randn 5` is whole; of the longer ones the first value, the ninth (the first sine), for 33 also
# the first of the block that is laid over the end, and the last. `uniform` is from -0.3 to 1.7,
# `weight` and `bias` are of Linear(3, 2), `embedding` rows 0, 21 and 49 of Embedding(50, 3).
PLACES = {"randn 16": [0, 8, 15], "randn 17": [0, 8, 16], "randn 33": [0, 8, 17, 32]}
KNOWN: dict[int, dict[str, Any]] = {
    0: {
        "rand": (0.4962566, 0.7682218, 0.08847743, 0.13203049),
        "uniform": (0.69251317, 1.2364435, -0.12304515, -0.035939038),
        "randn 5": (1.5409961, -0.2934289, -2.1787894, 0.56843126, -1.0845224),
        "randn 16": (-1.1258398, 0.32227492, -0.24727815),
        "randn 17": (-1.1258398, 0.4680964, 0.9318266),
        "randn 33": (-1.1258398, 0.32227492, 0.03159274, 1.2032237),
        "weight": (-0.0043225177, 0.30971584, -0.47518533, -0.4248946, -0.22236897, 0.15482073),
        "bias": (-0.011439145, 0.45777494),
        "embedding": (
            (-1.1258398, -1.1523602, -0.25057858),
            (-0.5515287, -0.5692481, 0.9199714),
            (0.07880439, 0.8628601, -0.019489635),
        ),
    },
    123: {
        "rand": (0.29611194, 0.5165623, 0.25167072, 0.6885568),
        "uniform": (0.29222387, 0.73312455, 0.20334142, 1.0771136),
        "randn 5": (-0.111467116, 0.120362945, -0.3696345, -0.24041797, -1.1969243),
        "randn 16": (0.3373702, 0.76710707, 0.26919857),
        "randn 17": (0.3373702, -0.16056378, -0.78485334),
        "randn 33": (0.3373702, 0.76710707, 0.17842844, -0.343038),
        "weight": (-0.23542964, 0.019124476, -0.28674594, 0.21772662, -0.4919342, 0.42322308),
        "bias": (-0.4196414, -0.45901766),
        "embedding": (
            (0.3373702, -0.17777722, -0.3035276),
            (0.22934741, 0.514629, 0.9937638),
            (-1.2075641, -0.3016247, -0.70743823),
        ),
    },
    -1: {
        "rand": (0.9937994, 0.57130635, 0.57000804, 0.049503744),
        "uniform": (1.6875987, 0.8426127, 0.84001607, -0.20099252),
        "randn 5": (1.219763, -0.39297947, 1.0230751, -0.37342113, -0.0755102),
        "randn 16": (-2.6642976, -1.7514946, 0.14090961),
        "randn 17": (-2.6642976, -2.8437643, 1.6243832),
        "randn 33": (-2.6642976, -1.7514946, 1.7220553, 0.04037104),
        "weight": (0.5701904, 0.08233748, 0.08083832, -0.5201883, 0.5693106, 0.27511266),
        "bias": (0.20890953, -0.25706646),
        "embedding": (
            (-2.6642976, -1.0910486, 0.45144743),
            (-0.118878, -0.16030806, 0.2257737),
            (-0.6528709, 0.884775, 0.73098),
        ),
    },
    2**32 + 5: {
        "rand": (0.8302519, 0.12611091, 0.9074697, 0.81992704),
        "uniform": (1.3605037, -0.04777819, 1.5149393, 1.339854),
        "randn 5": (-0.48678076, -0.6038216, -0.55809623, 0.6675243, -0.1974151),
        "randn 16": (1.8423299, 0.39076823, -0.7823351),
        "randn 17": (1.8423299, 2.614577, 0.74477696),
        "randn 33": (1.8423299, 0.39076823, -0.7323887, -1.0364671),
        "weight": (0.381342, -0.4317299, 0.47050548, 0.3694199, 0.48509365, -0.44265997),
        "bias": (-0.3875273, 0.27472565),
        "embedding": (
            (1.8423299, 0.51888716, -1.7119213),
            (1.3227199, -0.5181142, 1.5632744),
            (-0.10523792, -0.29967082, -0.08142745),
        ),
    },
    -(2**40) - 3: {
        "rand": (0.62486476, 0.50756115, 0.01567775, 0.8557098),
        "uniform": (0.9497295, 0.7151223, -0.2686445, 1.4114196),
        "randn 5": (0.5177019, -0.0035185246, -1.5476308, -0.5234539, -0.45336273),
        "randn 16": (-0.3122223, -1.365084, -0.87304115),
        "randn 17": (-0.3122223, -1.0247337, 0.6526306),
        "randn 33": (-0.3122223, -1.365084, 0.15665527, -1.2019646),
        "weight": (0.1441814, 0.00873086, -0.55924714, 0.4107383, 0.07966106, 0.0044052457),
        "bias": (-0.47101223, 0.13392983),
        "embedding": (
            (-0.3122223, -0.49657878, 0.1118231),
            (2.2106981, -1.1100769, -0.64440286),
            (-1.1107796, -0.3949806, 0.61523765),
        ),
    },
}


def same_bits(found: np.ndarray, expected: Any) -> bool:
    """Equal to the last bit, in float32."""
    wanted = np.asarray(expected, dtype=np.float32).reshape(found.shape)
    return found.dtype == np.float32 and found.tobytes() == wanted.tobytes()


def test_the_words_of_the_stream() -> None:
    # As karpathy/llm.c prints them in llmc/rand.h for torch's seed 137.
    expected = [4053805790, 2173880614, 380293709, 1237255315, 2986595568]
    assert Generator(137).words(5).tolist() == expected


@pytest.mark.parametrize("seed", KNOWN)
def test_uniform_numbers_are_torchs_to_the_bit(seed: int) -> None:
    known = KNOWN[seed]
    assert same_bits(Generator(seed).rand(2, 2), known["rand"])
    assert same_bits(Generator(seed).uniform(-0.3, 1.7, 4), known["uniform"])
    weight, bias = linear(Generator(seed), 3, 2)
    assert weight.shape == (2, 3)
    assert same_bits(weight, known["weight"])
    assert bias is not None
    assert same_bits(bias, known["bias"])
    without, none = linear(Generator(seed), 3, 2, bias=False)
    assert none is None
    assert same_bits(without, known["weight"])


@pytest.mark.parametrize("seed", KNOWN)
def test_normal_numbers_are_torchs(seed: int) -> None:
    known = KNOWN[seed]
    assert np.abs(Generator(seed).randn(5) - known["randn 5"]).max() < CLOSE
    for name, places in PLACES.items():
        values = Generator(seed).randn(int(name.split()[1]))
        assert values.dtype == np.float32
        assert np.abs(values[places] - known[name]).max() < CLOSE
    rows = embedding(Generator(seed), 50, 3, np.array([0, 21, 49]))
    assert rows.dtype == np.float32
    assert np.abs(rows - known["embedding"]).max() < CLOSE


def test_numbers_of_53_bits() -> None:
    found = Generator(0).rand53(4)
    assert found.dtype == np.float64
    assert found.tolist() == [
        0.9700530018065531, 0.707819864399788, 0.45938294312745087, 0.9207476841219603,
    ]  # fmt: skip
    assert set((found * 2.0**53 % 2).tolist()) == {0, 1}  # to the last of the bits


def test_the_logarithm_is_rounded_as_torchs() -> None:
    """Six of torch's values that come out otherwise when it is not."""
    expected = {
        39: 0.44115627, 58: 1.5209795, 102: -0.22824179,
        137: 0.11639865, 150: -0.20106392, 152: 0.19219905,
    }  # fmt: skip
    found = Generator(0).randn(160)[list(expected)]
    assert same_bits(found, list(expected.values()))
    assert same_bits(normal_blocks(Generator(0).rand(10, 16)).ravel()[[39]], [0.44115627])


def test_only_the_low_32_bits_of_a_seed_count() -> None:
    for seed, low in ((-1, 2**32 - 1), (MAX_SEED, 2**32 - 1), (MIN_SEED, 0), (2**32 + 5, 5)):
        assert np.array_equal(Generator(seed).words(700), Generator(low).words(700))


@pytest.mark.parametrize("seed", [MIN_SEED - 1, MAX_SEED + 1, 10**30])
def test_seeds_out_of_range_are_refused(seed: int) -> None:
    with pytest.raises(UsageError) as caught:
        Generator(seed)
    assert caught.value.message.endswith(f"not: {seed}")
    assert "-2**63 and 2**64 - 1" in caught.value.message


def test_shapes() -> None:
    assert Generator(1).rand(2, 3, 4).shape == (2, 3, 4)
    assert Generator(1).randn(4, 5).shape == (4, 5)
    assert Generator(1).rand(0).shape == Generator(1).randn(0).shape == (0,)
    assert np.array_equal(Generator(1).rand(6), Generator(1).rand(2, 3).ravel())


@given(st.integers(MIN_SEED, MAX_SEED), st.lists(st.integers(0, 700), max_size=5))
@EXAMPLES
def test_words_are_one_stream(seed: int, counts: list[int]) -> None:
    generator = Generator(seed)
    pieces = [generator.words(count) for count in counts]
    whole = Generator(seed).words(sum(counts))
    assert whole.dtype == np.uint32
    assert [word for piece in pieces for word in piece.tolist()] == whole.tolist()


@given(st.integers(MIN_SEED, MAX_SEED), st.integers(0, 2000))
@example(5, (1 << 21) + 7)  # more than is skipped at once
@EXAMPLES
def test_skipping_is_drawing_and_throwing_away(seed: int, count: int) -> None:
    skipped, drawn = Generator(seed), Generator(seed)
    skipped.skip(count)
    drawn.words(count)
    assert np.array_equal(skipped.words(5), drawn.words(5))


@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 31, 32, 33, 160])
def test_skipping_normals_is_drawing_and_throwing_away(count: int) -> None:
    """An odd one of a few is kept for the next call, and a last block is drawn twice."""
    skipped, drawn = Generator(11), Generator(11)
    skip_normals(skipped, count)
    drawn.randn(count)
    assert np.array_equal(skipped.randn(3), drawn.randn(3))
    assert np.array_equal(skipped.words(3), drawn.words(3))


def test_more_than_can_be_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attn_cli.torch_random._MOST_SKIPPED", 1_000)
    skip_normals(Generator(1), 1_000)
    with pytest.raises(UsageError) as caught:
        skip_normals(Generator(1), 1_001)
    assert (caught.value.message, caught.value.hint) == (
        "1,001 numbers would have to be drawn before those that are needed",
        "Use a smaller `--vocab-size` or `--d-model`: 1,000 are the most.",
    )


@given(st.integers(0, 2**32), st.floats(-100, 100, width=32), st.floats(0.125, 100, width=32))
@EXAMPLES
def test_uniform_numbers_stay_in_their_range(seed: int, low: float, width: float) -> None:
    values = Generator(seed).uniform(low, low + width, 200)
    assert np.float32(low) <= values.min() <= values.max() <= np.float32(low + width)
    whole = Generator(seed).rand(200)
    assert 0 <= whole.min() <= whole.max() < 1


@st.composite
def tables_and_rows(draw: st.DrawFn) -> tuple[int, int, list[int]]:
    """An embedding's sizes, many of them not a multiple of 16, and rows to ask it for."""
    n_vocab, d_model = draw(st.integers(1, 70)), draw(st.integers(1, 40))
    return n_vocab, d_model, draw(st.lists(st.integers(0, n_vocab - 1), min_size=1, max_size=9))


@given(st.integers(0, 2**32 - 1), tables_and_rows())
@example(123, (5, 3, [4, 0]))  # 15 values: in pairs, in float64
@example(123, (31, 1, [30, 14, 15, 16]))  # one block, and one laid over its end
@example(123, (11, 3, [10, 5, 4]))  # a row that the last block's border cuts
@example(123, (3, 40, [2, 2, 0]))  # rows longer than a block
@example(123, (16, 2, [15, 0]))  # whole blocks alone
@settings(EXAMPLES, max_examples=250)
def test_a_row_is_the_same_whichever_are_asked_for(
    seed: int, sizes: tuple[int, int, list[int]]
) -> None:
    n_vocab, d_model, ids = sizes
    table = Generator(seed).randn(n_vocab, d_model)
    rows = embedding(Generator(seed), n_vocab, d_model, np.array(ids))
    assert rows.dtype == np.float32
    assert np.array_equal(rows, table[ids])


def test_rows_longer_than_what_is_drawn_at_once() -> None:
    table = Generator(9).randn(4, 70_001)
    for ids in ([3, 0], [2], [1, 1, 2]):
        rows = embedding(Generator(9), 4, 70_001, np.array(ids))
        assert np.array_equal(rows, table[ids])


def test_a_table_costs_no_memory() -> None:
    tracemalloc.start()
    rows = embedding(Generator(5), 8_000, 2_000, np.array([1, 0, 1]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(rows[[1, 0]].ravel(), Generator(5).randn(16_000)[:4_000])
    assert peak < 1e6  # the table itself is 64 MB


def test_no_rows_of_a_table() -> None:
    for n_vocab in (3, 100):
        assert embedding(Generator(1), n_vocab, 4, np.array([], dtype=np.int64)).shape == (0, 4)


@pytest.mark.parametrize(("ids", "wrong"), [([0, 50, 3], 50), ([7, 2**40], 2**40), ([2, -1], -1)])
def test_rows_outside_the_table_are_refused(ids: list[int], wrong: int) -> None:
    with pytest.raises(UsageError) as caught:
        embedding(Generator(1), 50, 3, np.array(ids))
    assert caught.value.message == f"id {wrong} is outside the embedding, which has 50 rows"


def test_linear_is_bounded_by_its_width() -> None:
    weight, bias = linear(Generator(3), 400, 30)
    assert weight.shape == (30, 400)
    assert bias is not None
    assert bias.shape == (30,)
    bound = 1 / math.sqrt(400)
    assert 0.99 * bound < np.abs(weight).max() <= bound
    assert np.abs(bias).max() <= bound


# With torch itself ------------------------------------------------------------------------------

SEEDS = [0, 1, 123, 137, -1, 2**32, 2**32 + 5, -(2**40) - 3, MIN_SEED, MAX_SEED]
SEEDS += [number * 0x9E3779B97F4A7C15 % 2**64 for number in range(1, 31)]


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="torch is not installed: literals alone are checked")


@pytest.mark.parametrize("shape", [(1,), (7,), (0,), (3, 5), (2, 3, 4), (1000,), (40, 625)])
def test_rand_is_torchs(torch: Any, shape: tuple[int, ...]) -> None:
    for seed in SEEDS:
        torch.manual_seed(seed)
        assert same_bits(Generator(seed).rand(*shape), torch.rand(shape).numpy()), seed


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (-0.3, 1.7), (0, 1e-3), (5, 6), (-1e6, 3)])
def test_uniform_is_torchs(torch: Any, low: float, high: float) -> None:
    for seed in SEEDS:
        torch.manual_seed(seed)
        expected = torch.empty(500).uniform_(low, high).numpy()
        assert same_bits(Generator(seed).uniform(low, high, 500), expected), seed


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 2), (2, 7), (16, 16), (24, 28), (100, 333)])
def test_linear_is_torchs(torch: Any, sizes: tuple[int, int], bias: bool) -> None:
    for seed in SEEDS:
        torch.manual_seed(seed)
        layer = torch.nn.Linear(*sizes, bias=bias)
        weight, offset = linear(Generator(seed), *sizes, bias=bias)
        assert same_bits(weight, layer.weight.detach().numpy()), seed
        if bias:
            assert offset is not None
            assert same_bits(offset, layer.bias.detach().numpy()), seed


@pytest.mark.parametrize("counts", [range(0, 16), range(16, 66), (1000, 4096 + 3, 50_000)])
def test_randn_is_torchs(torch: Any, counts: Any) -> None:
    for seed in SEEDS:
        for count in counts:
            torch.manual_seed(seed)
            difference = np.abs(Generator(seed).randn(count) - torch.randn(count).numpy())
            assert difference.max(initial=0) < CLOSE, (seed, count)


@pytest.mark.parametrize(
    "sizes", [(1, 1), (5, 3), (6, 3), (11, 3), (50, 3), (6, 16), (1001, 7), (50_000, 3)]
)
def test_embedding_is_torchs(torch: Any, sizes: tuple[int, int]) -> None:
    ids = np.array(sorted({0, sizes[0] // 2, max(sizes[0] - 6, 0), sizes[0] - 2, sizes[0] - 1}))
    ids = ids[ids >= 0]
    for seed in SEEDS:
        torch.manual_seed(seed)
        expected = torch.nn.Embedding(*sizes).weight.detach().numpy()[ids]
        assert np.abs(embedding(Generator(seed), *sizes, ids) - expected).max() < CLOSE, seed


def test_the_stream_goes_on_as_torchs(torch: Any) -> None:
    """One generator drawn from again and again: a sine that is left over is kept, as in torch."""
    for seed in SEEDS:
        ours, theirs = Generator(seed), torch.Generator().manual_seed(seed)
        for draw, count in enumerate((3, 2, 1, 16, 3, 17, 5, 33, 1, 1, 4)):
            name = "rand" if draw % 3 == 1 else "randn"
            found = getattr(ours, name)(count)
            expected = getattr(torch, name)(count, generator=theirs).numpy()
            assert np.abs(found - expected).max() < CLOSE, (seed, draw)
