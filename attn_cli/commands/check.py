"""`attn check`: a student's matrix against the recipe's, and the mistake in it."""

import shlex
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from attn_cli.commands import inputs
from attn_cli.commands import recipe as tutorial
from attn_cli.commands.options import (
    INPUT,
    ColorOption,
    JsonOption,
    Words,
    grouped,
    option,
)
from attn_cli.commands.output import screen
from attn_cli.commands.streams import write_bytes, write_text
from attn_cli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from attn_cli.checking import Student, Verdict

EPILOG = """Examples:

attn inspect "Life is short, eat dessert first" --json | attn check -

attn check sample_inputs/student.json

attn check sample_inputs/student.json --json

attn check sample_inputs/context.csv --recipe book --mask causal --init linear
"""

WhatChoice = Literal[
    "embedding", "query", "key", "value", "scores", "logits", "weights", "dropped", "context",
    "output",
]  # fmt: skip


@grouped
def check(
    student: Annotated[
        str,
        typer.Argument(
            metavar="STUDENT",
            help="The matrix: .json, .csv, .npy, or as torch prints it; - reads standard input.",
        ),
    ],
    words: Words,
    sources: tutorial.Sources,
    choices: tutorial.Choices,
    text: Annotated[
        str | None,
        option(
            "--text",
            panel=INPUT,
            metavar="TEXT",
            help="What it was computed from: the source's own sentence.",
        ),
    ] = None,
    recipe: tutorial.RecipeOption = "article",
    what: Annotated[
        WhatChoice | None,
        option("--what", panel=INPUT, help="What the matrix is, where its shape does not tell."),
    ] = None,
    json: JsonOption = False,
    color: ColorOption = "auto",
) -> int:
    """Compare a matrix that you computed with the recipe's, and find the mistake in it.

    Exits with 0 where they are equal to the decimals that you printed, and with 1 where not.
    """
    from attn_cli.checking import check as compare

    text = _text(text, recipe, sources, student)
    run = partial(compare, _read(student, what), what=what)
    (verdict,) = tutorial.each(run, text, recipe, words, sources, choices)
    if json:
        from attn_cli.files import verdict as written

        write_bytes(b"".join(written.write(verdict)))
    else:
        from attn_cli.terminal import check as view
        from attn_cli.terminal.render import render

        on = screen(color)
        command = _explain(verdict, words, sources, choices)
        write_text(render(view.lines(verdict, on, command), on.colors))
    return ExitCode.DONE if verdict.equal else ExitCode.NO


def _text(text: str | None, recipe: str, sources: tutorial.Sources, student: str) -> str | None:
    """The text that is given, or the source's own.

    Raises:
        UsageError: two are given, or standard input is to be two things.
    """
    if text is not None and sources.file is not None:
        raise UsageError("both --text and --file are given", "Give one of them.")
    if student == "-" and "-" in (text, sources.file):
        raise UsageError("standard input cannot be both the matrix and the text")
    if text is not None or sources.file is not None or tutorial.has_vectors(recipe, sources):
        return text
    from attn_cli.recipes import SENTENCE

    return SENTENCE


def _read(student: str, what: WhatChoice | None) -> "Student":
    from attn_cli.files.matrix import load

    if student != "-":
        return load(student, what)
    with inputs.opened(None) as (_, stream):
        return load(stream, what)


def _explain(
    verdict: "Verdict", words: Words, sources: tutorial.Sources, choices: tutorial.Choices
) -> str:
    """The command line that shows the whole arithmetic of the cell that differs most."""
    from attn_cli.tables import cell_labels

    if verdict.what not in ("scores", "logits", "weights", "dropped"):
        return ""
    inspection, cell = verdict.inspection, verdict.worst
    query, key = cell_labels(inspection, verdict.what, cell.row, cell.column)
    given = {"recipe": verdict.recipe.name, **vars(words), **vars(sources), **vars(choices)}
    given |= {"file": None, "query": query, "key": key}
    if len(inspection.layers[0].weights) > 1:
        given["head"] = cell.head
    options: list[str] = []
    for name, value in given.items():
        if value is not None and value is not False and value != "words":  # 0 is a seed
            option, text = f"--{name.replace('_', '-')}", str(value)
            if value is True:
                options.append(option)
            elif text.startswith("-"):  # it would be taken for an option
                options.append(f"{option}={text}")
            else:
                options += [option, text]
    text = inspection.text
    rest = [*options, "--", text] if text.startswith("-") else [text, *options]
    return shlex.join(["attn", "explain", *rest])
