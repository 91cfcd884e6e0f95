"""Which layers, heads and tokens: the options that every command with Inspections shares."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

from attn_cli.commands.options import Group, option

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection

_WHICH = "Which layers, heads and tokens"


class Selected(Group):
    """Some layers and heads, and tokens put together."""

    layer: Annotated[
        str | None,
        option("--layer", panel=_WHICH, metavar="L", help="Layers: 3, 0-3, -1 (the last), 0,5."),
    ] = None
    head: Annotated[
        str | None, option("--head", panel=_WHICH, metavar="H", help="Heads, written likewise.")
    ] = None
    words: Annotated[
        bool,
        option(
            "--words",
            panel=_WHICH,
            help="Put the pieces of a word together: sums over keys, means over queries.",
        ),
    ] = False
    fold_special: Annotated[
        bool,
        option(
            "--fold-special",
            panel=_WHICH,
            help="Put special tokens (or the first, where there are none) into one key.",
        ),
    ] = False

    @property
    def some(self) -> bool:
        """Whether layers or heads were named."""
        return self.layer is not None or self.head is not None

    def of(self, inspections: "Iterable[Inspection]") -> "Iterator[Inspection]":
        """The Inspections with what is selected of them.

        Raises:
            UsageError: there is no such layer or head.
        """
        for inspection in inspections:
            yield self.folded(self._chosen(inspection) if self.some else inspection)

    def _chosen(self, inspection: "Inspection") -> "Inspection":
        from attn_cli import selection

        if self.layer is not None:
            places = selection.numbers(self.layer, len(inspection.layers), "layer")
            inspection = selection.select_layers(inspection, places)
        if self.head is not None:
            inspection = selection.select_heads(inspection, self.head)
        return inspection

    def folded(self, inspection: "Inspection") -> "Inspection":
        """An Inspection with its tokens put together as asked."""
        if not (self.words or self.fold_special):
            return inspection
        from attn_cli import folding

        if self.words:
            inspection = folding.by_words(inspection)
        if self.fold_special:
            inspection = folding.fold_special(inspection)
        return inspection
