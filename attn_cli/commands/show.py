"""`attn show`: an Inspection from a file or a pipe, drawn as `attn inspect` draws it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from attn_cli.commands import inputs
from attn_cli.commands.options import Group, grouped, option, require_other_file
from attn_cli.commands.output import Output
from attn_cli.commands.selected import Selected
from attn_cli.commands.sources import Tensors, inspections

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection

EPILOG = """Examples:

attn inspect "Life is short, eat dessert first" --json | attn show -

attn show sample_inputs/inspection.json --show weights

attn show sample_inputs/attentions.npz --axes lhqk --strict

attn show sample_inputs/inspection.json --weigh value-norm --aggregate rollout
"""

_ACROSS = "Across layers"

AggregateChoice = Literal["mean", "max", "rollout", "flow"]
WeighChoice = Literal["value-norm", "output-norm"]


class Across(Group):
    """All layers and heads as one matrix, and weights by what they let through."""

    aggregate: Annotated[
        AggregateChoice | None,
        option(
            "--aggregate",
            panel=_ACROSS,
            help="All layers and heads as one: their mean or largest weight, attention rollout, or "
            "attention flow (slow: for some 30 tokens). None of them is what a token matters.",
        ),
    ] = None
    weigh: Annotated[
        WeighChoice | None,
        option(
            "--weigh",
            panel=_ACROSS,
            help="Before that, each weight times the length of what it lets through: the value, or "
            "the value after the output projection; rows sum to 1 again.",
        ),
    ] = None

    def of(self, inspections: "Iterator[Inspection]") -> "Iterator[Inspection]":
        """The Inspections, weighed and aggregated as asked."""
        for inspection in inspections:
            if self.weigh is not None or self.aggregate is not None:
                from attn_cli.aggregation import aggregate, weigh

                if self.weigh is not None:
                    inspection = weigh(inspection, self.weigh)
                if self.aggregate is not None:
                    inspection = aggregate(inspection, self.aggregate)
            yield inspection


@grouped
def show(
    ctx: typer.Context,
    tensors: Tensors,
    across: Across,
    selected: Selected,
    output: Output,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="A .json, .jsonl, .npz, .npy or .safetensors, by attn or by anybody; - or "
            "nothing reads standard input.",
        ),
    ] = None,
) -> int:
    """Show attention from a file: what attn inspected, or tensors of any origin."""
    inputs.require_one_source(ctx, None, file, "file")
    require_other_file(output.out, file or "-", tensors.tokens)
    found = across.of(selected.of(inspections(file, tensors)))
    output.deliver(found, many=True, some=selected.some)
    return 0
