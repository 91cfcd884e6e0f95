"""The attention inspector: words in, the numbers of attention out.

The Python face of the `attn` command; each name is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it; importing typing doubles the time of --version
if TYPE_CHECKING:
    from typing import Any

    from attn_cli.files import load, load_all, load_tensors
    from attn_cli.inspection import Inspection
    from attn_cli.tutorial import inspect
    from attn_cli.vocabulary import Vocabulary

__version__ = "0.1.0"
__all__ = ["Inspection", "Vocabulary", "__version__", "inspect", "load", "load_all", "load_tensors"]

_HOMES = {
    "Inspection": "attn_cli.inspection",
    "Vocabulary": "attn_cli.vocabulary",
    "inspect": "attn_cli.tutorial",
    "load": "attn_cli.files",
    "load_all": "attn_cli.files",
    "load_tensors": "attn_cli.files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
