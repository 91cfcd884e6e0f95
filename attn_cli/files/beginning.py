"""Beginning: what a file cannot be, told from its first bytes, before a large or endless one is
read to its end.

It reads nothing itself; `whole` asks it where more is to come.
"""

from __future__ import annotations

import re

from attn_cli.errors import DataError
from attn_cli.strict_json import decoded, refuse_beginning

_LONGEST_HEADER = 100_000_000  # bytes of a safetensors header, the format's own limit
_LOOKED_AT = 1 << 16  # bytes: who begins with more white space writes no JSON
LARGEST_DATA, LARGEST_TEXT = 1 << 30, 1 << 26  # bytes of a stream, which may have no end
_ARRAYS = (b"PK\x03\x04", b"\x93NUMPY")
_DOCUMENT = re.compile(rb'(\xef\xbb\xbf)?\s*\{.*?"schema"\s*:\s*"attn/', re.DOTALL)
_PICKLE = ("a pickle: reading it could run any program", "Save with `np.savez`.")
_DRAWN = ("written to be looked at, and not read back", "Save as `.json` or `.npz`.")
_SHUT = {  # first bytes of what is not opened, what it is, and what to do
    b"\x80\x02": _PICKLE,
    b"\x80\x03": _PICKLE,
    b"\x80\x04": _PICKLE,
    b"\x80\x05": _PICKLE,
    b"\x1f\x8b": ("compressed", "Unpack it: `gunzip -c FILE | attn show -`."),
    b"\xfd7zXZ\x00": ("compressed", "Unpack it: `xz -dc FILE | attn show -`."),
    b"\x28\xb5\x2f\xfd": ("compressed", "Unpack it: `zstd -dc FILE | attn show -`."),
    b"BZh": ("compressed", "Unpack it: `bzip2 -dc FILE | attn show -`."),
    b"\x89HDF": ("HDF5, which is not read", "Save with `np.savez`."),
    b"layer,head,query,key,": _DRAWN,
    b"<svg": _DRAWN,
    b"<!DOCTYPE html": _DRAWN,
    b"GGUF": ("a model in GGUF, and no attention of a text", "Run the model on a text."),
}


def is_safetensors(data: bytes) -> bool:
    """Whether bytes begin as this format does: a length that a header may have, then `{`."""
    return data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= _LONGEST_HEADER


def is_document(data: bytes, end: int | None = None) -> bool:
    """Whether bytes look like a JSON object with a schema of ours, however it is laid out.

    Args:
        end: how many of them to look at; None: all.
    """
    return _DOCUMENT.match(data, 0, len(data) if end is None else end) is not None


def refuse_shut(data: bytes, name: str) -> None:
    """Refuse a format that is known and not opened.

    Raises:
        DataError: it is one, or a safetensors file that is none; the message says which.
    """
    for magic, (what, hint) in _SHUT.items():
        if data.startswith(magic):
            raise DataError(f"{name} is {what}", hint)
    start = data[:_LOOKED_AT].removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if data.startswith(_ARRAYS) or start in (b"{", b"["):
        return
    called_so = name.lower().endswith(".safetensors`") and data
    if called_so or (data[8:9] == b"{" and b"\0" in data[:8]):  # which no text has
        length = int.from_bytes(data[:8], "little")
        why = "the header does not begin with `{` at byte 8"
        if length > _LONGEST_HEADER:
            why = f"the header would be {length:,} bytes, and {_LONGEST_HEADER:,} are the most"
        raise DataError(f"{name} looks like safetensors and is damaged: {why}")


def of_tensors(data: bytes, name: str) -> int:
    """Refuse what can be neither arrays nor JSON; how many bytes of a stream may come.

    Raises:
        DataError: it is neither; the message names the place.
    """
    # First: the length that safetensors begins with may be any other format's first bytes.
    if not _is_array(data, name) and not is_safetensors(data):
        refuse_shut(data, name)
        refuse_beginning(data, name)
    return LARGEST_DATA


def of_text(data: bytes, name: str) -> int:
    """Refuse what can be neither arrays nor text; how many bytes of a stream may come.

    Raises:
        DataError: it is neither; the message names the place.
    """
    if _is_array(data, name) or is_safetensors(data):
        return LARGEST_DATA
    decoded(data, name, is_whole=False)
    if b"\0" in data:
        raise DataError(f"{name} is no text: byte 0x00 at {data.index(0)}")
    if is_document(data, _LOOKED_AT):
        refuse_beginning(data, name)
        return LARGEST_DATA
    return LARGEST_TEXT


def _is_array(data: bytes, name: str) -> bool:
    """Whether bytes begin an archive, or an array whose header can be read.

    Raises:
        DataError: the header of an array is broken.
    """
    if data.startswith(b"\x93NUMPY"):
        from attn_cli.files import npy  # and numpy, which words do without

        npy.require_header(data, name)
    return data.startswith(_ARRAYS)
