"""The tutorial's options, shared by every command that runs it, and the Inspections they give.

Its annotations are values, not strings, which typer would compile at every start.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from attn_cli.commands import inputs
from attn_cli.commands.options import INPUT, FileOption, Group, Words, option
from attn_cli.errors import UsageError
from attn_cli.text import recovered

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection

T = TypeVar("T")
RECIPE, MECHANISM = "Tutorial model (defaults: the recipe's)", "Mechanisms"

# As `attn_cli.recipes` has them; written out, so that help needs no import of what it describes.
RecipeChoice = Literal["article", "blog", "linear", "book"]
InitChoice = Literal["rand", "randn", "linear", "none"]
ScoreChoice = Literal["dot", "scaled", "additive"]
NormalizeChoice = Literal["softmax", "sum"]
DropoutChoice = Literal["torch", "mkl"]


class Sources(Group):
    """Where the words, their ids and their vectors come from."""

    file: FileOption = None
    vocab: Annotated[
        str | None,
        option("--vocab", panel=INPUT, metavar="FILE", help="Ids from a .json or .txt file."),
    ] = None
    cross: Annotated[
        str | None,
        option(
            "--cross",
            panel=INPUT,
            metavar="TEXT",
            help="Look at the words of this text instead (Vaswani et al. 2017, 3.2.3).",
        ),
    ] = None
    embeddings: Annotated[
        str | None,
        option(
            "--embeddings",
            panel=INPUT,
            metavar="FILE",
            help="The vectors, from .json, .csv or .npy; without a TEXT their names are the text.",
        ),
    ] = None


class Choices(Group):
    """What a recipe can be told to do otherwise; named as in `attn_cli.recipes.Recipe`."""

    seed: Annotated[
        int | None,
        option("--seed", panel=RECIPE, metavar="N", help="As for torch.manual_seed: 123."),
    ] = None
    vocab_size: Annotated[
        int | None,
        option(
            "--vocab-size",
            panel=RECIPE,
            metavar="N",
            help="Rows of the embedding: 50000; blog: one a word.",
        ),
    ] = None
    d_model: Annotated[
        int | None,
        option("--d-model", panel=RECIPE, metavar="N", help="Width of an embedding: 3; blog: 16."),
    ] = None
    d_k: Annotated[
        int | None,
        option(
            "--d-k", panel=RECIPE, metavar="N", help="Width of a head's query and key: 2; blog: 24."
        ),
    ] = None
    d_v: Annotated[
        int | None,
        option(
            "--d-v",
            panel=RECIPE,
            metavar="N",
            help="Width of a head's value: 4; blog 28, book 2.",
        ),
    ] = None
    init: Annotated[
        InitChoice | None,
        option(
            "--init",
            panel=RECIPE,
            help="Weights by torch.rand or randn, as Linear without bias, or none at all.",
        ),
    ] = None
    out_proj: Annotated[
        bool | None,
        option(
            "--out-proj",
            panel=RECIPE,
            help="One projection for all heads, and one after them, as in the book's "
            "MultiHeadAttention.",
        ),
    ] = None
    heads: Annotated[
        int | None,
        option(
            "--heads",
            panel=MECHANISM,
            metavar="H",
            help="Heads, drawn one after the other (Vaswani et al. 2017, 3.2.2).",
        ),
    ] = None
    kv_heads: Annotated[
        int | None,
        option(
            "--kv-heads",
            panel=MECHANISM,
            metavar="G",
            help="Key/value heads that the heads share: grouped-query attention (Ainslie et al. "
            "2023), with 1 multi-query (Shazeer 2019).",
        ),
    ] = None
    mask: Annotated[
        str | None,
        option(
            "--mask",
            panel=MECHANISM,
            metavar="MASK",
            help="causal (Vaswani et al. 2017), window:W (Jiang et al. 2023), local:R, "
            "global:I,J (Beltagy et al. 2020), prefix:P (Raffel et al. 2020), strided:S (Child "
            "et al. 2019), bigbird:W,G,R (Zaheer et al. 2020), hide:I,J. Join with + (any) and & "
            "(all).",
        ),
    ] = None
    cross_rand: Annotated[
        int | None,
        option(
            "--cross-rand",
            panel=MECHANISM,
            metavar="N",
            help="Look at N random vectors instead, drawn after the weights, as the article does.",
        ),
    ] = None
    positions: Annotated[
        str | None,
        option(
            "--positions",
            panel=MECHANISM,
            metavar="KIND",
            help="none, learned (Gehring et al. 2017), sinusoidal (Vaswani et al. 2017, 3.5), "
            "rope or rope:BASE (Su et al. 2021, equation 34), alibi (Press et al. 2022).",
        ),
    ] = None
    max_positions: Annotated[
        int | None,
        option(
            "--max-positions",
            panel=MECHANISM,
            metavar="N",
            help="Rows of the learned position table: 1024.",
        ),
    ] = None
    score: Annotated[
        ScoreChoice | None,
        option(
            "--score",
            panel=MECHANISM,
            help="q·k (Luong et al. 2015), scaled by 1/√d_k (Vaswani et al. 2017, equation 1), or "
            "v·tanh(q + k) (Bahdanau et al. 2015).",
        ),
    ] = None
    softcap: Annotated[
        float | None,
        option(
            "--softcap",
            panel=MECHANISM,
            metavar="C",
            help="Bend logits to C·tanh(x/C) (Gemma Team 2024).",
        ),
    ] = None
    normalize: Annotated[
        NormalizeChoice | None,
        option(
            "--normalize", panel=MECHANISM, help="Logits to weights: softmax, or each by their sum."
        ),
    ] = None
    dropout: Annotated[
        float | None,
        option(
            "--dropout",
            panel=MECHANISM,
            metavar="P",
            help="Drop weights with this probability (Srivastava et al. 2014).",
        ),
    ] = None
    dropout_seed: Annotated[
        int | None,
        option("--dropout-seed", panel=MECHANISM, metavar="N", help="The recipe's seed."),
    ] = None
    dropout_generator: Annotated[
        DropoutChoice | None,
        option(
            "--dropout-generator",
            panel=MECHANISM,
            help="Whose mask: torch's own, or that of torch with MKL on x86. Both are in print.",
        ),
    ] = None


RecipeOption = Annotated[RecipeChoice, option("--recipe", panel=RECIPE, help="Whose numbers.")]


def require_none(recipe: str, words: Words, sources: Sources, choices: Choices) -> None:
    """Refuse the tutorial's options beside a real model.

    Raises:
        UsageError: one of them is given.
    """
    given = [name for name, value in vars(choices).items() if value is not None]
    given += [
        name for name in ("vocab", "cross", "embeddings") if getattr(sources, name) is not None
    ]
    given += ["lowercase"] if words.lowercase else []
    given += ["unk"] if words.unk is not None else []
    given += ["split"] if words.split != "words" else []
    given += ["recipe"] if recipe != "article" else []
    if given:
        name = given[0].replace("_", "-")
        raise UsageError(f"--{name} is the tutorial's: a model has its own", "Leave it out.")


def has_vectors(recipe: str, sources: Sources) -> bool:
    """Whether the words come with the vectors, so that no text need be given."""
    return recipe == "book" or sources.embeddings is not None


def inspections(
    text: str | None,
    recipe: str,
    words: Words,
    sources: Sources,
    choices: Choices,
    *,
    lines: bool = False,
    given: Iterable[tuple[str, str]] | None = None,
) -> "Iterator[Inspection]":
    """The Inspection of every text that the options name, each made when it is asked for.

    Texts that are `given`, with their places, are taken instead of those that the options name.
    """
    from attn_cli.tutorial import inspect

    return each(inspect, text, recipe, words, sources, choices, lines=lines, given=given)


def each(
    run: Callable[..., T],
    text: str | None,
    recipe: str,
    words: Words,
    sources: Sources,
    choices: Choices,
    *,
    lines: bool = False,
    given: Iterable[tuple[str, str]] | None = None,
) -> Iterator[T]:
    """What `run`, called as `attn_cli.tutorial.inspect` is, makes of every text."""
    from attn_cli.recipes import require_use

    require_use(recipe, draws_table=not has_vectors(recipe, sources), **vars(choices))
    known = vectors = None
    if sources.vocab is not None:
        from attn_cli.files import vocabulary

        known = vocabulary.load(sources.vocab)
    if sources.embeddings is not None:
        from attn_cli.files.vectors import load

        vectors = load(sources.embeddings)
    named = text is None and sources.file is None and has_vectors(recipe, sources)
    if given is None:
        given = inputs.texts(text, sources.file, by_lines=lines)
    for place, one in [("", None)] if named else given:
        with inputs.placed(place):
            made = run(
                one,
                recipe,
                split=words.split,
                lowercase=words.lowercase,
                vocabulary=known,
                unknown=words.unk,
                cross=None if sources.cross is None else recovered(sources.cross),
                vectors=vectors,
                **vars(choices),
            )
        yield made
