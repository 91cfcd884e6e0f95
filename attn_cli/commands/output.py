"""Output: Inspections to standard output or a file, as the shared options ask."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from attn_cli.commands.options import (
    LOOKS,
    OUTPUT,
    ColorChoice,
    ColorOption,
    Group,
    JsonOption,
    in_range,
    option,
)
from attn_cli.commands.streams import encoding_has, output_encoding, write_bytes, write_text
from attn_cli.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from attn_cli.checkpoints.ablation import Ablation
    from attn_cli.inspection import Inspection
    from attn_cli.terminal.render import Line
    from attn_cli.terminal.styles import ColorDepth, Screen


_UNABLE = ("", "dumb", "unknown")  # what TERM says of terminals that are not known to have colours
MOST_TABLES = 8  # heads; of more an overview is shown

FormatChoice = Literal[
    "table", "json", "jsonl", "csv", "npz", "safetensors", "md", "txt", "svg", "html"
]
StyleChoice = Literal["auto", "numbers", "map"]


class Output(Group):
    """Where the result goes and what it looks like there; the options as they were given.

    Raises:
        UsageError: options contradict each other, or name what there is not.
    """

    show: Annotated[
        list[str] | None,
        option(
            "--show",
            panel=OUTPUT,
            metavar="NAME",
            help="Parts, comma-separated: tokens, vocabulary, position_code, embedding, w_query, "
            "w_key, w_value, query, key, value, scores, logits, weights, dropout, dropped, "
            "context, w_output, output, all. Tables have tokens, embedding and weights; JSON has "
            "all.",
        ),
    ] = None
    out: Annotated[
        str | None,
        option("--out", "-o", panel=OUTPUT, metavar="FILE", help="Write a file, by its suffix."),
    ] = None
    json: JsonOption = False
    format: Annotated[
        FormatChoice | None, option("--format", panel=OUTPUT, help="What to print.")
    ] = None
    precision: Annotated[
        int | None,
        option(
            "--precision",
            panel=OUTPUT,
            metavar="N",
            help="Decimals: 4 in tables; in files all that float32 has.",
        ),
    ] = None
    color: ColorOption = "auto"
    style: Annotated[
        StyleChoice,
        option(
            "--style",
            panel=LOOKS,
            help="Matrices as figures or as a map of colours; auto takes a map for wide ones.",
        ),
    ] = "auto"
    own_scale: Annotated[
        bool,
        option(
            "--own-scale",
            panel=LOOKS,
            help="Colour weights from 0 to each table's largest, not from 0 to 1.",
        ),
    ] = False

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        in_range("--precision", self.precision, 0, 17)
        if self.json and self.format not in (None, "json", "jsonl"):
            raise UsageError(
                f"--json and --format {self.format} contradict each other", "Give one of them."
            )

    @cached_property
    def names(self) -> tuple[str, ...] | None:
        """The parts that --show asks for; None where it was not given."""
        if self.show is None or self.show == []:
            return None
        from attn_cli.tables import SHOWABLE

        names = [name.strip() for part in self.show for name in part.split(",") if name.strip()]
        for name in names:
            if name not in SHOWABLE and name != "all":
                hint = did_you_mean(name, SHOWABLE, f"Use: {', '.join(SHOWABLE)}, all.")
                raise UsageError(f"--show has no part `{name}`", hint)
        if not names:
            raise UsageError("--show names no part", f"Use: {', '.join(SHOWABLE)}, all.")
        return SHOWABLE if "all" in names else tuple(names)

    def deliver(
        self, inspections: "Iterable[Inspection]", *, many: bool, some: bool = False
    ) -> None:
        """Write every Inspection; to a stream, each one as soon as it is there.

        Args:
            many: there may be several, so that JSON is JSON Lines.
            some: heads were chosen, so that each of them is shown.
        """
        name = self._name(many)
        if self.out is not None:
            from attn_cli.files.whole import write_whole

            write_whole(self.out, self._pieces(inspections, name))
        elif name == "table":
            self._draw(inspections, some)
        else:
            self._stream(inspections, name)

    def compare(self, inspections: "Iterable[Inspection]", way: str) -> None:
        """Print every Inspection beside an approximation of it, as tables or JSON Lines."""
        from attn_cli.approximation import approximate

        if self.out is not None or self.format not in (None, "table", "json", "jsonl"):
            raise UsageError(
                "a comparison is printed as tables or as JSON", "Redirect what `--json` prints."
            )
        for index, inspection in enumerate(inspections):
            found = [approximate(inspection, layer, way) for layer in inspection.layers]
            if self.json or self.format in ("json", "jsonl"):
                from attn_cli.files import comparisons

                pieces = comparisons.write(inspection, way, found, self.precision)
                write_bytes(b"".join(pieces))
                continue
            from attn_cli.tables import PRECISION
            from attn_cli.terminal import approximation
            from attn_cli.terminal.render import render

            on = screen(self.color)
            drawn = approximation.lines(
                inspection,
                way,
                found,
                on,
                self._compared(approximation.COMPARED),
                precision=PRECISION if self.precision is None else self.precision,
                style=self.style,
            )
            write_text(("\n" if index else "") + render(drawn, on.colors))

    def _compared(self, known: "tuple[str, ...]") -> "list[str]":
        """Those of the tables that can be compared which --show asks for; the first by default."""
        names = [name for name in known if name in (self.names or known[:1])]
        if not names:
            raise UsageError("--show names nothing that is compared", f"Use: {', '.join(known)}.")
        return names

    def ablated(self, found: "Iterable[tuple[Inspection, Ablation, str]]") -> None:
        """Print what the ablation of heads did, as a table or as JSON Lines."""
        if self.out is not None or self.format not in (None, "table", "json", "jsonl"):
            raise UsageError(
                "an ablation is printed as a table or as JSON", "Redirect what `--json` prints."
            )
        for index, (inspection, ablation, likeliest) in enumerate(found):
            if self.json or self.format in ("json", "jsonl"):
                from attn_cli.files.ablation import write

                write_bytes(write(inspection, ablation, likeliest, self.precision))
                continue
            from attn_cli.tables import PRECISION
            from attn_cli.terminal import ablation as view
            from attn_cli.terminal.render import render

            on = screen(self.color)
            precision = PRECISION if self.precision is None else self.precision
            drawn = view.lines(inspection, ablation, likeliest, on, precision=precision)
            write_text(("\n" if index else "") + render(drawn, on.colors))

    def _name(self, many: bool) -> str:
        """The format, a key of `attn_cli.files.FORMATS` or `table`."""
        name: str | None = "json" if self.json and self.format is None else self.format
        if name is None and self.out is not None:
            from attn_cli.files import format_of

            name = format_of(self.out)
        if name == "table" and self.out is not None:
            raise UsageError("a table is for the terminal, not for a file", "Use `--format md`.")
        if name == "json" and many and self.out is None:
            return "jsonl"
        if name in (None, "table"):
            return "table"
        if self.out is None and sys.stdout is not None and sys.stdout.isatty():
            from attn_cli.files import FORMATS

            if FORMATS[name].binary:
                raise UsageError(
                    f"{name} is binary and a terminal would show noise", f"Use `-o FILE.{name}`."
                )
        return name

    def _pieces(self, inspections: "Iterable[Inspection]", name: str) -> Iterator[bytes]:
        from attn_cli.files import encode

        return encode(inspections, name, precision=self.precision, names=self.names)

    def _stream(self, inspections: "Iterable[Inspection]", name: str) -> None:
        if name != "jsonl":
            pieces = self._pieces(inspections, name)
            write_bytes(b"".join(pieces))
            return
        for inspection in inspections:
            write_bytes(b"".join(self._pieces([inspection], name)))

    def _draw(self, inspections: "Iterable[Inspection]", some: bool) -> None:
        from attn_cli.terminal.render import render

        on = screen(self.color)
        for index, inspection in enumerate(inspections):
            drawn = self._drawn(inspection, on, some, first=index == 0)
            between = index and "new_token" not in inspection.source.settings
            write_text(("\n" if between else "") + render(drawn, on.colors))

    def _drawn(
        self, inspection: "Inspection", on: "Screen", some: bool, first: bool
    ) -> "Iterator[Line]":
        """The view of an Inspection that says most of it."""
        from attn_cli.tables import PRECISION, SHOWN
        from attn_cli.terminal import show

        precision = PRECISION if self.precision is None else self.precision
        if self.names is None and "new_token" in inspection.source.settings:
            from attn_cli.terminal import generation

            return generation.lines(inspection, on, precision, first=first)
        if self.names is None and not some and _has_many_heads(inspection):
            from attn_cli.terminal import overview

            return overview.lines(inspection, on, _command_line())
        if self.names is not None:
            _require_something(inspection, self.names)
        return show.lines(
            inspection,
            on,
            SHOWN if self.names is None else self.names,
            precision=precision,
            style=self.style,
            own_scale=self.own_scale,
            strongest=some,
        )


def _require_something(inspection: "Inspection", names: "tuple[str, ...]") -> None:
    """Refuse parts of which there is none: an empty page answers nothing."""
    from attn_cli.tables import SHOWABLE, tables

    if next(tables(inspection, names), None) is None:
        there = [name for name in SHOWABLE if next(tables(inspection, (name,)), None) is not None]
        raise UsageError(
            f"there is no `{'`, no `'.join(names)}` to show", f"There is: {', '.join(there)}."
        )


def _has_many_heads(inspection: "Inspection") -> bool:
    """Whether an overview says more than a table of each head."""
    return sum(len(layer.weights) for layer in inspection.layers) > MOST_TABLES


def _command_line() -> str:
    """What was typed, for a hint on how to go on."""
    import shlex

    words = ["attn", *sys.argv[1:]]
    if "--" not in words:
        return shlex.join(words)
    end = words.index("--")  # what is added after it would be text
    return f"{shlex.join(words[:end])} ... {shlex.join(words[end:])}"


def screen(color: ColorChoice) -> "Screen":
    """What standard output can show, from the option, the environment and the terminal."""
    from attn_cli.terminal.styles import MAX_WIDTH, MIN_WIDTH, SHADES, Screen

    width = shutil.get_terminal_size((80, 24)).columns
    return Screen(
        width=min(max(width, MIN_WIDTH), MAX_WIDTH),
        colors=color_depth(color),
        ascii=not encoding_has(SHADES + "×·–…▀▄␣∅÷−≈√Σ∞→"),
        encoding=output_encoding(),
    )


def color_depth(choice: ColorChoice) -> "ColorDepth":
    """How many colours to use: --color before NO_COLOR before FORCE_COLOR before the terminal."""
    environment = os.environ
    term = environment.get("TERM", "").lower()
    forced = environment.get("FORCE_COLOR", "") not in ("", "0")
    if choice == "never":
        return "none"
    if choice == "auto":
        if environment.get("NO_COLOR") or environment.get("FORCE_COLOR") == "0":
            return "none"
        terminal = sys.stdout is not None and sys.stdout.isatty()
        able = term not in _UNABLE or (not term and os.name == "nt")
        if not (forced or (terminal and able)):
            return "none"
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "truecolor"
    if os.name == "nt":
        return "truecolor"
    return "256" if "256" in term else "16"
