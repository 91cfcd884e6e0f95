"""`attn explain`: the whole arithmetic of one weight, as one would write it on paper."""

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.commands import inputs
from attn_cli.commands import recipe as tutorial
from attn_cli.commands.model import RealModel
from attn_cli.commands.options import (
    OUTPUT,
    ColorOption,
    Group,
    JsonOption,
    Words,
    grouped,
    in_range,
    option,
    require_other_file,
)
from attn_cli.commands.output import screen
from attn_cli.commands.streams import write_bytes, write_text
from attn_cli.errors import DataError, UsageError
from attn_cli.text import recovered

if TYPE_CHECKING:
    from attn_cli.arithmetic import Explanation
    from attn_cli.inspection import Inspection
    from attn_cli.terminal.styles import Screen

EPILOG = """Examples:

attn explain "Life is short, eat dessert first" --query is --key eat

attn explain "to be or not to be" --query be@1 --key be@5 --positions rope

attn explain "Life is short, eat dessert first" --query 1 --steps score,logit,softmax

attn inspect "Life is short, eat dessert first" --json | attn explain - --query is --key is

attn explain "The cat sat" --model sample_inputs/tiny-llama --layer 1 --head 2 --query at@5
"""

_WHICH = "Which weight"
_SUFFIXES = (".json", ".md", ".txt")
_DATA = (".json", ".jsonl", ".npz", ".npy", ".safetensors")
_KEPT = ("query", "key", "value", "scores", "logits", "context")  # of a real model


class Which(Group):
    """Which weight is explained, and how much of the way to it."""

    query: Annotated[
        str | None,
        option(
            "--query",
            panel=_WHICH,
            metavar="W",
            help="Who looks: a word, a place from 0 (from the end below 0), or both, the@4. A "
            "number that is a word of the text is the word; @4 is the place.",
        ),
    ] = None
    key: Annotated[
        str | None,
        option(
            "--key",
            panel=_WHICH,
            metavar="W",
            help="Who is looked at, likewise; if not given, the one that weighs most.",
        ),
    ] = None
    layer: Annotated[
        int | None,
        option(
            "--layer",
            panel=_WHICH,
            metavar="N",
            help="Its number, or from the end below 0; the first.",
        ),
    ] = None
    head: Annotated[
        int, option("--head", panel=_WHICH, metavar="N", help="From the end below 0.")
    ] = 0
    steps: Annotated[
        str | None,
        option(
            "--steps",
            panel=_WHICH,
            metavar="NAME",
            help="Comma-separated: embedding, query, key, rotation, score, logit, softmax, "
            "context.",
        ),
    ] = None


class Paper(Group):
    """Where the arithmetic is written and how finely."""

    out: Annotated[
        str | None,
        option(
            "--out", "-o", panel=OUTPUT, metavar="FILE", help="Write a .json, .txt or .md file."
        ),
    ] = None
    json: JsonOption = False
    precision: Annotated[
        int | None,
        option("--precision", panel=OUTPUT, metavar="N", help="Decimals: 4; JSON has all."),
    ] = None
    terms: Annotated[
        int,
        option(
            "--terms",
            panel=OUTPUT,
            metavar="N",
            help="Lines of a sum; the smallest beyond become one. JSON has all.",
        ),
    ] = 8
    color: ColorOption = "auto"


@grouped
def explain(
    ctx: typer.Context,
    which: Which,
    words: Words,
    sources: tutorial.Sources,
    choices: tutorial.Choices,
    real: RealModel,
    paper: Paper,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT",
            help="The text; - or nothing reads standard input, also what attn wrote as JSON or "
            "NPZ.",
        ),
    ] = None,
    recipe: tutorial.RecipeOption = "article",
) -> int:
    """Show the arithmetic of one attention weight, every number on the way."""
    in_range("--precision", paper.precision, 0, 17)
    in_range("--terms", paper.terms, 1, 1_000_000)
    if not tutorial.has_vectors(recipe, sources):
        inputs.require_one_source(ctx, text, sources.file)
    _require_no_data_file(text)
    require_other_file(
        paper.out, sources.file or "-", sources.vocab, sources.embeddings, models=[real.model]
    )
    if paper.out is not None and Path(paper.out).suffix.lower() not in _SUFFIXES:
        raise UsageError(
            f"no format is known for `{paper.out}`", f"Use one of: {', '.join(_SUFFIXES)}."
        )
    real.require_model()
    if real.model is None:
        found = _inspection(text, recipe, words, sources, choices)
    else:
        tutorial.require_none(recipe, words, sources, choices)
        found = _of_model(text, sources.file, real, which)
    _deliver(_explained(found, which), paper)
    return 0


def _require_no_data_file(text: str | None) -> None:
    """Refuse the name of a file that is there in the place of a text: `-f` reads it."""
    if text is None or not text.lower().endswith(_DATA):
        return
    with suppress(OSError, ValueError):
        if Path(text).is_file():
            raise UsageError(f"`{text}` is a file, and stands where a text does", "Use `-f FILE`.")


def _explained(found: "Inspection", which: Which) -> "Explanation":
    from attn_cli import arithmetic
    from attn_cli.pointing import choices, token_place

    if which.query is None:
        raise UsageError(
            "which weight? Say who looks with --query",
            f"One of: {choices(found.query_tokens)}.",
        )
    steps = None
    if which.steps is not None:
        steps = [name.strip() for name in which.steps.split(",") if name.strip()]
        if not steps:
            raise UsageError("--steps names no step", f"Use: {', '.join(arithmetic.STEPS)}.")
    query = token_place(found.query_tokens, recovered(which.query), "--query")
    key = None
    if which.key is not None:
        key = token_place(found.key_tokens, recovered(which.key), "--key")
    return arithmetic.explain(found, query, key, layer=which.layer, head=which.head, steps=steps)


def _inspection(
    text: str | None,
    recipe: str,
    words: Words,
    sources: tutorial.Sources,
    choices: tutorial.Choices,
) -> "Inspection":
    """The Inspection of a text, or the one that a file or standard input holds."""
    given = None
    named = text is None and sources.file is None and tutorial.has_vectors(recipe, sources)
    if text in (None, "-") and not named:
        from attn_cli.files import decode, holds_inspection
        from attn_cli.files.beginning import of_text
        from attn_cli.files.whole import read_bounded

        with inputs.opened(sources.file) as (name, stream):
            data = read_bounded(stream, name, of_text)
        if holds_inspection(data):
            _require_no_recipe(name, recipe, words, sources, choices)
            found = list(decode(data, name))
            if len(found) != 1:
                raise DataError(
                    f"{name} holds {len(found)} Inspections, and one is explained at a time"
                )
            return found[0]
        given = [("", inputs.whole_text(BytesIO(data), name))]
    return next(tutorial.inspections(text, recipe, words, sources, choices, given=given))


def _of_model(text: str | None, file: str | None, real: RealModel, which: Which) -> "Inspection":
    """The Inspection of one layer of a real model, with all that an explanation can show."""
    if real.decoder is not None:
        raise UsageError(
            "with --decoder there are three attentions, and one is explained at a time",
            "Write them with `attn inspect … --show all --json` and give `attn explain` a line.",
        )
    layer = 0 if which.layer is None else which.layer
    return next(real.inspections(text, file, lines=False, layers=str(layer), keep=_KEPT))


def _require_no_recipe(name: str, recipe: str, *groups: Group) -> None:
    """Refuse options that could change nothing: an Inspection is what it is."""
    changed = ["recipe"] if recipe != "article" else []
    for group in groups:
        changed += [
            option_name
            for option_name, value in vars(group).items()
            if option_name != "file" and value != getattr(type(group), option_name)
        ]
    if changed:
        flag = f"--{changed[0].replace('_', '-')}"
        raise UsageError(
            f"{name} holds an Inspection, on which {flag} has no effect", "Leave it out."
        )


def _deliver(explanation: "Explanation", paper: Paper) -> None:
    if paper.out is None:
        if paper.json:
            write_bytes(_json(explanation, paper))
        else:
            write_text(_drawn(explanation, paper, screen(paper.color)))
        return
    from attn_cli.files.whole import write_whole

    suffix = Path(paper.out).suffix.lower()
    if suffix == ".json":
        page = _json(explanation, paper)
    else:
        from attn_cli.terminal.styles import Screen

        page = _drawn(explanation, paper, Screen()).encode()
        if suffix == ".md":
            page = b"```text\n" + page + b"```\n"
    write_whole(paper.out, [page])


def _json(explanation: "Explanation", paper: Paper) -> bytes:
    from attn_cli.files.explanation import write

    return write(explanation, paper.precision)


def _drawn(explanation: "Explanation", paper: Paper, on: "Screen") -> str:
    from attn_cli.terminal.arithmetic import lines
    from attn_cli.terminal.render import render

    drawn = lines(explanation, on, precision=paper.precision, terms=paper.terms)
    return render(drawn, on.colors)
