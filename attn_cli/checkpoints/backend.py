"""Backend: a tokenizer of the package `tokenizers`, made from JSON text; its panics are caught.

The only room that knows the package, and it imports it when one is made. It needs no numpy, so that
a tokenizer can be built while that is loaded; what a token means is in `tokenizer`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from attn_cli.checkpoints.growth import Growth, growth
from attn_cli.checkpoints.mapped import read_bounded
from attn_cli.errors import DataError, UsageError

_MAX_FILE = 256_000_000  # bytes; the largest in use are a seventh of it

_Result = TypeVar("_Result")


def read(path: Path) -> bytes:
    """The JSON text of a `tokenizer.json`.

    Raises:
        DataError: the file cannot be read, or is too large.
    """
    return read_bounded(path, _MAX_FILE)


def build(data: bytes, name: str) -> tuple[Any, Growth]:
    """What a `tokenizer.json` describes, with its padding, truncation and dropout switched off.

    What it makes of a text has no bound in the package: `Growth.require` is asked before each.

    Raises:
        UsageError: the package `tokenizers` is not installed.
        DataError: the text describes no tokenizer; the message begins with `name`.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UsageError(
            "a model's own tokens need the package `tokenizers`",
            "Install it with: pip install 'attn-cli[models]'",
        ) from None

    bound = growth(data, name)

    def made() -> Any:
        backend = Tokenizer.from_buffer(data)
        backend.no_padding()
        backend.no_truncation()
        if getattr(backend.model, "dropout", None) is not None:  # BPE's, for training
            backend.model.dropout = None
        with suppress(Exception):  # a panic over parts that contradict each other is none
            backend.encode("x", "x")
        return backend

    return guarded(made, f"{name} describes no tokenizer that can be used"), bound


def guarded(call: Callable[[], _Result], complaint: str) -> _Result:
    """Run something in the tokenizers package; whatever it raises is a complaint about the data.

    A panic in it is no Exception, but a BaseException of a class that cannot be imported. It is
    printed where it happens, on standard error, which is hushed meanwhile.
    """
    try:
        with _hushed():
            return call()
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise DataError(f"{complaint}: {_plain(str(error))}") from None


_EXPECTED = {
    "map": "an object",
    "sequence": "a list",
    "a map": "an object",
    "a sequence": "a list",
    "usize": "a whole number from 0 up",
    "u32": "a whole number from 0 to 4294967295",
    "f32": "a number",
    "f64": "a number",
    "struct Tokenizer": "an object",
}


def _plain(reason: str) -> str:
    """What the package says, in words of JSON; nothing of it that says where is lost."""
    reason = reason.partition("\n")[0].removeprefix("Cannot instantiate Tokenizer from buffer: ")
    if "retry-limit" in reason or "match-stack limit" in reason:
        return "one of its patterns takes too long"
    if re.match(r"called `|index out of bounds|.*(assertion|slice index|out of range)", reason):
        return "its parts contradict each other"
    reason, at, place = reason.partition(" at line ")
    if found := re.search(r"untagged enum (?:Py)?(\w+?)(?:Untagged|Wrapper|Helper|$)", reason):
        part = re.sub(r"(?<!^)(?=[A-Z])", "_", found[1]).lower().replace("merge_type", "merges")
        reason = f"its `{part}` is of no known kind, or lacks something,"
    elif found := re.match(r"invalid (?:type|value|length): ?(.+), expected (.+)", reason):
        given, wanted = (_EXPECTED.get(words, words) for words in found.groups())
        wanted = re.sub(r"^struct \w+$", "an object", wanted)
        reason = f"{given} stands where {wanted} belongs,"
    elif found := re.fullmatch(r"missing field (`.*`)", reason):
        reason = f"the field {found[1]} is missing"
    elif found := re.fullmatch(r"Unable to load vocab (\w+)", reason):
        problem = re.sub(r"(?<!^)(?=[A-Z])", " ", found[1]).lower()
        reason = f"its vocabulary cannot be loaded ({problem}),"
    reason = reason.replace("Oniguruma error:", "a pattern is wrong:")
    return f"{reason[:200]}{at}{place[:40]}".removesuffix(",")


@contextmanager
def _hushed() -> Iterator[None]:
    """Nothing comes out of standard error."""
    try:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # closed already
        yield
        return
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
