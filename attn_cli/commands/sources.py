"""Sources: where a command's Inspections come from.

The one place that a further source has to be added to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attn_cli.commands import inputs

if TYPE_CHECKING:
    from attn_cli.inspection import Inspection


def inspections(file: str | None) -> Iterator[Inspection]:
    """Every Inspection in a file, or (for None and `-`) on standard input.

    Raises:
        DataError: it cannot be read, or is not what it should be.
    """
    from attn_cli.files import load_all

    if file is not None and file != "-":
        yield from load_all(file)
    else:
        with inputs.opened(None) as (_, stream):
            yield from load_all(stream)
