"""`attn heads`: what every head does, measured beside chance, named where it is clear."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from attn_cli.commands import inputs, sources
from attn_cli.commands.model import RealModel
from attn_cli.commands.options import (
    OUTPUT,
    ColorOption,
    FileOption,
    Group,
    JsonOption,
    LinesOption,
    grouped,
    in_range,
    option,
    require_other_file,
)
from attn_cli.commands.streams import write_bytes, write_text
from attn_cli.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from attn_cli.profile import Profile

EPILOG = """Examples:

attn heads sample_inputs/inspection.json

attn heads sample_inputs/inspection.json --sort largest --where "entropy < 2.5 and layer = 0"

attn heads -f sample_inputs/sentences.txt --lines --model sample_inputs/tiny-llama

attn heads sample_inputs/inspection.json --grid previous

attn heads --explain induction
"""

_WHICH = "Which heads"
_LISTED = 12  # heads, where nothing says how many
_LINE = 100  # cells of a line of words, however wide the screen is

FormatChoice = Literal["table", "json", "csv"]


class Which(Group):
    """Which heads are listed, and in which order."""

    sort: Annotated[
        str | None,
        option(
            "--sort",
            panel=_WHICH,
            metavar="NAME",
            help="By a statistic, the largest first. Without it the clearest of each pattern.",
        ),
    ] = None
    reverse: Annotated[
        bool, option("--reverse", panel=_WHICH, help="With --sort the smallest first.")
    ] = False
    top: Annotated[
        int | None,
        option("--top", panel=_WHICH, metavar="N", help="How many; tables have 12, files all."),
    ] = None
    where: Annotated[
        str | None,
        option(
            "--where",
            panel=_WHICH,
            metavar="CONDITION",
            help="Only heads such as 'induction > 0.5 and layer >= 3' or 'pattern = first'.",
        ),
    ] = None

    def select(self, profile: "Profile", least: int | None) -> list[int]:
        """The indices of the heads, no more than --top or else `least`."""
        from attn_cli.profile import order, worth_a_look

        if self.sort is not None:
            indices = order(profile, self.sort, smallest_first=self.reverse)
        elif least is None:
            indices = list(range(len(profile.heads)))
        else:
            place = {head: index for index, head in enumerate(profile.heads)}
            found = worth_a_look(profile, len(profile.heads))
            indices = [place[finding.head] for finding in found]
        if self.where is not None:
            from attn_cli.where import matching

            held = matching(profile, self.where)
            indices = [index for index in indices if held[index]]
        return indices[: least if self.top is None else self.top]


class Printed(Group):
    """Where the result goes and what it looks like there."""

    grid: Annotated[
        str | None,
        option(
            "--grid", panel=OUTPUT, metavar="NAME", help="One statistic of all heads, and no list."
        ),
    ] = None
    out: Annotated[
        str | None,
        option("--out", "-o", panel=OUTPUT, metavar="FILE", help="Write a .json or .csv file."),
    ] = None
    json: JsonOption = False
    format: Annotated[
        FormatChoice | None, option("--format", panel=OUTPUT, help="What to print.")
    ] = None
    precision: Annotated[
        int | None,
        option(
            "--precision", panel=OUTPUT, metavar="N", help="Decimals: 2 in tables, all in files."
        ),
    ] = None
    color: ColorOption = "auto"

    def kind(self) -> str:
        """`table`, `json` or `csv`.

        Raises:
            UsageError: options contradict each other, or name what there is not.
        """
        if self.json and self.format not in (None, "json"):
            raise UsageError(
                f"--json and --format {self.format} contradict each other", "Give one of them."
            )
        name: str | None = "json" if self.json else self.format
        if name is None and self.out is not None:
            name = self.out.rpartition(".")[2].lower()
            if name not in ("json", "csv"):
                raise UsageError(f"no format is known for `{self.out}`", "Use `.json` or `.csv`.")
        if name == "table" and self.out is not None:
            raise UsageError("a table is for the terminal, not for a file", "Use `--format csv`.")
        if self.grid is not None and name not in (None, "table"):
            raise UsageError("--grid draws, and a file is to be written", "Give one of them.")
        return name or "table"

    def deliver(self, measured: "Profile", which: Which, kind: str) -> None:
        """Draw, print or write what was measured."""
        if kind == "table":
            self._draw(measured, which)
            return
        from attn_cli.files import results

        indices = which.select(measured, None)
        if kind == "json":
            pieces: Iterable[bytes] = [results.heads_json(measured, indices, self.precision)]
        else:
            pieces = results.heads_csv(measured, indices, self.precision)
        if self.out is None:
            write_bytes(b"".join(pieces))
        else:
            from attn_cli.files.whole import write_whole

            write_whole(self.out, pieces)

    def _draw(self, measured: "Profile", which: Which) -> None:
        from attn_cli.commands.output import screen
        from attn_cli.terminal import grid
        from attn_cli.terminal import heads as view
        from attn_cli.terminal.render import render

        on, precision = screen(self.color), self.precision
        precision = grid.PRECISION if precision is None else precision
        if self.grid is not None:
            drawn = view.grid_lines(measured, self.grid, on, precision=precision)
        else:
            plain = which.sort is None and which.where is None
            listed = which.select(measured, _LISTED)
            drawn = view.lines(measured, listed, on, precision=precision, overview=plain)
        write_text(render(drawn, on.colors))


@grouped
def heads(
    ctx: typer.Context,
    real: RealModel,
    tensors: sources.Tensors,
    which: Which,
    printed: Printed,
    given: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE|TEXT",
            help="A file of one text or of many, by attn or by anybody; with --model a text. - or "
            "nothing reads standard input.",
        ),
    ] = None,
    file: FileOption = None,
    lines: LinesOption = False,
    explain: Annotated[
        str | None,
        option(
            "--explain",
            panel=OUTPUT,
            metavar="NAME",
            help="What a statistic is, its formula and its source; all explains every one.",
        ),
    ] = None,
) -> int:
    """Measure what every head does, averaged over texts, beside what chance would do."""
    if explain is not None:
        pages = _pages(explain)
        _require_nothing_else(given, file, printed)
        write_text(_told(pages))
        return 0
    for name in (which.sort, printed.grid):
        if name is not None:
            _require_statistic(name)
    if printed.grid is not None and (which.where or which.sort):
        what = "--where" if which.where else "--sort"
        raise UsageError(f"--grid shows every head, and {what} is given", "Give one of them.")
    if which.reverse and which.sort is None:
        raise UsageError("--reverse is given without --sort", "Name a statistic with `--sort`.")
    if lines and real.model is None:
        raise UsageError("--lines is for texts", "Give `--model` with them, or leave it out.")
    in_range("--top", which.top, 1, 2**31 - 1)
    in_range("--precision", printed.precision, 0, 17)
    kind = printed.kind()
    inputs.require_one_source(ctx, given, file, "text" if real.model else "file")
    read = file or (given if real.model is None else None) or "-"
    require_other_file(printed.out, read, tensors.tokens, models=[real.model])
    real.require_model()
    from attn_cli.profile import profile

    if real.model is not None:
        tensors.require_none()
        found = real.inspections(given, file, lines=lines)
    else:
        found = sources.inspections(given or file, tensors)
    printed.deliver(profile(found), which, kind)
    return 0


def _require_nothing_else(given: str | None, file: str | None, printed: Printed) -> None:
    """`--explain` measures nothing: refuse what asks for it, or for another form."""
    others = {
        "an input": given or file,
        "--out": printed.out,
        "--json": printed.json,
        "--format": printed.format,
        "--grid": printed.grid,
    }
    for name, value in others.items():
        if value:
            raise UsageError(
                f"--explain explains in words, and {name} is given", "Give one of them."
            )


def _pages(name: str) -> dict[str, str]:
    """What to explain, by the names of the statistics."""
    from attn_cli.statistics import STATISTICS

    if name != "all":
        _require_statistic(name)
    return {each: s.explanation for each, s in STATISTICS.items() if name in (each, "all")}


def _told(pages: dict[str, str]) -> str:
    """Explanations, with lines as long as the screen has room for and the eye can follow."""
    from attn_cli.commands.output import screen
    from attn_cli.terminal.render import folded

    width = min(screen("never").width, _LINE)
    told = []
    for name, page in pages.items():
        paragraphs = (" ".join(part.split()) for part in page.split("\n\n"))
        lines = "\n\n".join("\n".join(folded(part, width)) for part in paragraphs)
        told.append(f"{name}\n{lines}\n")
    return "\n".join(told)


def _require_statistic(name: str) -> None:
    from attn_cli.statistics import STATISTICS

    if name not in STATISTICS:
        known = did_you_mean(name, STATISTICS, f"Use: {', '.join(STATISTICS)}.")
        raise UsageError(f"there is no statistic `{name}`", known)
