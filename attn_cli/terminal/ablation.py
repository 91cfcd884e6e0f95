"""Ablation in the terminal: beside each weight what the model's output would be without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from attn_cli.tables import token_labels
from attn_cli.terminal import listing
from attn_cli.terminal.render import Line, wrapped
from attn_cli.terminal.show import heading
from attn_cli.terminal.styles import Screen

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection


def lines(
    inspection: Inspection, ablation: Any, likeliest: str, screen: Screen, *, precision: int = 4
) -> Iterator[Line]:
    """A line for every head and weight that was taken away.

    Args:
        ablation: an `attn_cli.checkpoints.ablation.Ablation`, which this room only reads.
        likeliest: the next token that the whole model finds likeliest; empty for an encoder.
    """
    yield from heading(inspection, screen)
    yield []
    predicts = ablation.likeliest is not None
    headings = ["without", "weight", "moved"]
    headings += ["bits", "likeliest then"] if predicts else []
    rows = [_row(inspection, effect, predicts, precision) for effect in ablation.effects]
    first = ablation.effects[0]
    if predicts:
        whole = f"next token: {likeliest!r}, probability {first.before:.{precision}f}"
        yield from wrapped(screen.clean(whole), screen)
    yield from listing.draw("ablation", headings, rows, screen)
    stands = {"zero": "zeros", "mean": "its mean over the text"}[ablation.replacement]
    note = (
        f"for a head stands {stands}, for a weight nothing, and the model is run again; moved: how "
        "far the last layer's representations go, as a share of their length, on average over the "
        "tokens"
    )
    if predicts:
        note += (
            "; bits: divergence of the next token's probabilities; likeliest then: what is left of "
            "that probability"
        )
    yield from wrapped(note, screen)


def _row(inspection: Inspection, effect: Any, predicts: bool, precision: int) -> tuple[str, ...]:
    if effect.edge is None:
        name = " and ".join(f"{layer}.{head}" for layer, head in effect.heads)
        name = f"head {name}" if len(effect.heads) == 1 else f"heads {name}"
        weight = ""
    else:
        query, key = effect.edge
        queries, keys = (token_labels(t) for t in (inspection.query_tokens, inspection.key_tokens))
        name = f"  {queries[query]} → {keys[key]}"
        weight = f"{effect.weight:.{precision}f}"
    cells = (name, weight, f"{effect.moved:.{precision}f}")
    if not predicts:
        return cells
    return (*cells, f"{effect.divergence:.{precision}f}", f"{effect.after:.{precision}f}")
