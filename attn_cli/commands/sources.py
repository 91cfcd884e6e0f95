"""Sources: where a command's Inspections come from, and what is doubtful about them.

The one place that a further source has to be added to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from attn_cli.commands import inputs
from attn_cli.commands.options import Group, in_range, option
from attn_cli.commands.streams import remark
from attn_cli.errors import AttnError, DataError, UsageError

if TYPE_CHECKING:
    from attn_cli.files.foreign import Hints, Reading
    from attn_cli.inspection import Inspection

_TENSORS = "Tensors of any origin"


class Tensors(Group):
    """What is known of tensors that another program saved."""

    axes: Annotated[
        str | None,
        option(
            "--axes",
            panel=_TENSORS,
            metavar="LETTERS",
            help="A letter for each axis: b batch, l layers, h heads, q queries, k keys (d width, "
            "of query, key and value). Else the shape tells.",
        ),
    ] = None
    tokens: Annotated[
        str | None,
        option(
            "--tokens",
            panel=_TENSORS,
            metavar="FILE",
            help="Tokens, one a line or a JSON array. Else those in the file, or positions.",
        ),
    ] = None
    batch: Annotated[
        int | None,
        option("--batch", panel=_TENSORS, metavar="N", help="Which text of a batch, from 0."),
    ] = None
    causal: Annotated[
        bool, option("--causal", panel=_TENSORS, help="No query looks at a later key.")
    ] = False
    rows: Annotated[
        Literal["softmax", "normalize"] | None,
        option(
            "--rows",
            panel=_TENSORS,
            help="Make weights of logits, or of rows that do not sum to 1.",
        ),
    ] = None
    strict: Annotated[
        bool, option("--strict", panel=_TENSORS, help="What is doubtful is an error.")
    ] = False

    def require_none(self) -> None:
        """Refuse these options where there is a model.

        Raises:
            UsageError: one of them is given.
        """
        for name, value in vars(self).items():
            if value is not None and value is not False:  # 0 is a batch
                raise UsageError(f"--{name} is for tensors in a file", "Leave it out.")

    def hints(self) -> Hints:
        """The same, for the reader of files."""
        from attn_cli.files.foreign import Hints

        in_range("--batch", self.batch, 0, 2**31 - 1)
        tokens = None
        if self.tokens is not None:
            from attn_cli.files.beginning import of_text
            from attn_cli.files.foreign.tokens import parse_list
            from attn_cli.files.whole import read_whole

            name, data = read_whole(self.tokens, of_text)
            tokens = parse_list(data, name)
        return Hints(self.axes, tokens, self.batch, self.causal, self.rows)


def inspections(file: str | None, tensors: Tensors | None = None) -> Iterator[Inspection]:
    """Every Inspection in a file of any origin, or (for None and `-`) on standard input.

    What was guessed and what is doubtful goes to standard error after each, when it is of use: of
    what is refused there is nothing to say but why.

    Args:
        tensors: None: the command has no such options, and no hint should name them as its own.

    Raises:
        DataError: it cannot be read, or is not what it should be; or it is doubtful, and
            `tensors` are to be strict.
    """
    from attn_cli.files import readings

    known = tensors or Tensors()
    hints = known.hints()
    try:
        if file is not None and file != "-":
            yield from _spoken(readings(file, hints), known.strict)
        else:
            with inputs.opened(None) as (_, stream):
                yield from _spoken(readings(stream, hints), known.strict)
    except AttnError as error:
        if tensors is not None or "`--" not in error.hint:
            raise
        first = f"First `attn show FILE -o READ.json`: {error.hint[:1].lower()}{error.hint[1:]}"
        raise type(error)(error.message, first) from None


def _spoken(readings: Iterator[Reading], strict: bool) -> Iterator[Inspection]:
    for reading in readings:
        if strict and reading.doubts:
            more = f" (and {len(reading.doubts) - 1} more)" * (len(reading.doubts) > 1)
            raise DataError(f"doubt: {reading.doubts[0]}{more}", "`--strict` allows none.")
        yield reading.inspection
        for note in reading.notes:
            remark(note)
        for doubt in reading.doubts:
            remark(f"doubt: {doubt}")
