"""Recipes: every choice between words and attention, and the choices of each published source.

A recipe is a value; `tutorial` carries it out. It draws and computes nothing.
"""

from typing import Any, Literal, NamedTuple, get_args

from attn_cli.errors import UsageError, did_you_mean

Init = Literal["rand", "randn", "linear", "none"]
Positions = Literal["none", "learned", "sinusoidal", "rope", "alibi"]
Score = Literal["dot", "scaled", "additive"]
Normalize = Literal["softmax", "sum"]
DropoutGenerator = Literal["torch", "mkl"]

NO_MASK = "none"
LARGEST = 2**31 - 1
ROPE_BASE = 10_000.0


class Recipe(NamedTuple):
    """How a sentence becomes attention; the defaults are the article's.

    S. Raschka, "Understanding and Coding Self-Attention, Multi-Head Attention, Cross-Attention,
    and Causal-Attention in LLMs" (2024).
    """

    name: str = "article"
    seed: int = 123
    vocab_size: int | None = 50_000  # rows of the embedding; None: one a word of the vocabulary
    d_model: int = 3
    d_k: int = 2  # width of a head's query and key
    d_v: int = 4  # width of a head's value
    heads: int = 1
    kv_heads: int | None = None  # None: as many as heads
    init: Init = "rand"  # how weights are drawn; `none`: query, key and value are the embedding
    transposed: bool = False  # a weight is drawn (n, d_model) and used as W @ x
    out_proj: bool = False  # one projection for all heads together, and one more after them
    mask: str = NO_MASK  # as `attn_cli.masks` writes them
    positions: str = "none"  # a name of Positions; `rope:BASE` too
    max_positions: int = 1024  # rows of a learned position table
    score: Score = "scaled"
    softcap: float | None = None
    normalize: Normalize = "softmax"
    dropout: float = 0.0
    dropout_seed: int | None = None  # None: the recipe's seed
    dropout_generator: DropoutGenerator = "torch"
    cross_rand: int | None = None  # so many random vectors are looked at instead of the sentence
    # What a student may have done otherwise, for `attn check`; no option sets these.
    order: str = "qkv"  # in which the weights are drawn
    reseed: bool = True  # the generator is seeded again between embedding and weights
    sort: bool = True  # words are numbered in alphabetical order, else as they come

    @property
    def n_kv_head(self) -> int:
        """Key/value heads."""
        return self.heads if self.kv_heads is None else self.kv_heads

    @property
    def rope_base(self) -> float | None:
        """The base of the rotary frequencies; None where positions are not rotary."""
        name, _, base = self.positions.partition(":")
        if name != "rope":
            return None
        return float(base) if base else ROPE_BASE


# The article, its predecessor of 2023 ("Coding Self-Attention From Scratch"), the article with
# torch's Linear layers, and chapter 3 of the book ("Build a Large Language Model From Scratch").
RECIPES = {
    "article": Recipe(),
    "blog": Recipe(name="blog", vocab_size=None, d_model=16, d_k=24, d_v=28, transposed=True),
    "linear": Recipe(name="linear", init="linear"),
    "book": Recipe(name="book", d_k=2, d_v=2),
}

SENTENCE = "Life is short, eat dessert first"  # of all but the book

# The six vectors that the book gives for "Your journey starts with one step".
JOURNEY = {
    "Your": (0.43, 0.15, 0.89),
    "journey": (0.55, 0.87, 0.66),
    "starts": (0.57, 0.85, 0.64),
    "with": (0.22, 0.58, 0.33),
    "one": (0.77, 0.25, 0.10),
    "step": (0.05, 0.80, 0.55),
}

_AT_LEAST = {"d_model": 1, "d_k": 1, "d_v": 1, "heads": 1, "vocab_size": 1, "max_positions": 1}
_CHOICES: dict[str, tuple[str, ...]] = {
    "init": get_args(Init),
    "score": get_args(Score),
    "normalize": get_args(Normalize),
    "dropout_generator": get_args(DropoutGenerator),
}


def recipe(name: "str | Recipe" = "article", **choices: Any) -> Recipe:
    """A source's recipe with some choices made otherwise; a choice of None stays the source's.

    Raises:
        UsageError: there is no such recipe, or a choice is out of range or contradicts another.
    """
    if isinstance(name, str):
        if name not in RECIPES:
            raise UsageError(f"there is no recipe `{name}`", f"Use: {', '.join(RECIPES)}.")
        name = RECIPES[name]
    for choice in choices:
        if choice not in Recipe._fields:
            hint = did_you_mean(choice, Recipe._fields)
            raise UsageError(f"a recipe has no choice `{choice}`", hint)
    made = name._replace(**{k: v for k, v in choices.items() if v is not None})
    _check(made)
    return made


def require_use(name: str, *, draws_table: bool, **choices: Any) -> None:
    """Refuse a choice of how something is done that is not done.

    Args:
        draws_table: whether the embedding is drawn.

    Raises:
        UsageError: a choice would have no effect; or as `recipe`.
    """
    made = recipe(name, **choices)
    idle = {
        "vocab_size": ("a table that is drawn: the vectors are given", not draws_table),
        "dropout_seed": ("--dropout", not made.dropout),
        "dropout_generator": ("--dropout", not made.dropout),
        "max_positions": ("--positions learned", made.positions != "learned"),
        "d_k": ("weights (--init none)", made.init == "none"),
        "d_v": ("weights (--init none)", made.init == "none"),
    }
    for choice, (needed, is_idle) in idle.items():
        if is_idle and choices.get(choice) is not None:
            raise UsageError(f"{_option(choice)} has no effect without {needed}", "Leave it out.")


def _check(made: Recipe) -> None:
    for name, least in _AT_LEAST.items():
        value = getattr(made, name)
        if value is not None and not least <= value <= LARGEST:
            raise UsageError(f"{_option(name)} must be from {least} to {LARGEST}, not: {value}")
    for name, choices in _CHOICES.items():
        if getattr(made, name) not in choices:
            raise UsageError(
                f"{_option(name)} cannot be `{getattr(made, name)}`", f"Use: {', '.join(choices)}."
            )
    _check_heads(made)
    _check_positions(made)
    if made.softcap is not None and not 1e-30 < made.softcap < 1e30:
        raise UsageError(f"--softcap must be above 1e-30 and below 1e+30, not: {made.softcap}")
    if not 0 <= made.dropout < 1:
        raise UsageError(f"--dropout must be at least 0 and below 1, not: {made.dropout}")
    if made.cross_rand is not None and not 1 <= made.cross_rand <= LARGEST:
        raise UsageError(f"--cross-rand must be from 1 to {LARGEST}, not: {made.cross_rand}")


def _check_heads(made: Recipe) -> None:
    if made.kv_heads is not None and (made.kv_heads < 1 or made.heads % made.kv_heads):
        raise UsageError(
            f"--kv-heads {made.kv_heads} does not divide --heads {made.heads}",
            "Each key/value head serves the same number of query heads.",
        )
    if made.init == "none" and (made.heads > 1 or made.out_proj):
        raise UsageError(
            "without weights all heads are the same", "Use `--init none` with one head."
        )
    if made.init == "none" and made.score == "additive":
        raise UsageError("additive scores need weights", "Use another `--init`.")


def _check_positions(made: Recipe) -> None:
    name, colon, base = made.positions.partition(":")
    if name not in get_args(Positions) or (colon and name != "rope"):
        known = get_args(Positions)
        hint = did_you_mean(name, known, f"Use: {', '.join(known)}, rope:BASE.")
        raise UsageError(f"there are no positions `{made.positions}`", hint)
    if name == "rope":
        try:
            number = float(base) if colon else ROPE_BASE
        except ValueError:
            number = 0.0
        if not 1 < number < 1e30:
            wanted = "must be a number above 1 and below 1e+30"
            raise UsageError(f"the base in `{made.positions}` {wanted}")
        if made.init != "none" and made.d_k % 2:
            raise UsageError(f"rotary positions turn pairs: --d-k must be even, not: {made.d_k}")
    if name in ("rope", "alibi") and made.score == "additive":
        raise UsageError(f"`{name}` positions are for products, not for additive scores")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
