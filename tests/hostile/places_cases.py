"""Places: what is named where a file should be: directories, devices, links in circles, nothing."""

from __future__ import annotations

import gzip
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

from hostile.case import Case

# Every option and argument that a file is read for; {} is its name.
READERS: dict[str, tuple[str, ...]] = {
    "show": ("show", "{}"),
    "heads": ("heads", "{}"),
    "diff": ("diff", "{}", "x.json"),
    "check": ("check", "{}"),
    "check-text": ("check", "x.json", "-f", "{}"),
    "inspect": ("inspect", "-f", "{}"),
    "explain": ("explain", "-f", "{}", "--query", "0"),
    "vocab": ("vocab", "-f", "{}"),
    "vocabulary": ("inspect", "a b", "--vocab", "{}"),
    "vectors": ("inspect", "a b", "--embeddings", "{}"),
    "tokens": ("show", "x.json", "--tokens", "{}"),
}
X = b'{"weights": [[[1, 0], [0.5, 0.5]]]}'


def _sparse(beginning: bytes) -> Callable[[Path], None]:
    def make(directory: Path) -> None:
        with (directory / "it").open("wb") as file:
            file.write(beginning)
            file.truncate(10 << 30)

    return make


def _circle(directory: Path) -> None:
    (directory / "it").symlink_to("other")
    (directory / "other").symlink_to("it")


def _dangling(directory: Path) -> None:
    (directory / "it").symlink_to("nowhere")


def _directory(directory: Path) -> None:
    (directory / "it").mkdir()


def _socket(directory: Path) -> None:
    os.mknod(directory / "it", 0o140644)


PLACES: dict[str, tuple[str, Callable[[Path], None] | None, str]] = {
    "missing": ("it", None, "no such file"),
    "empty-name": ("", None, "is empty"),
    "name-of-300": ("n" * 300, None, "name too long"),
    "path-of-5000": ("d/" * 2500, None, "name too long"),
    "hostile-name": ("\x1b[31m\u202e.json", None, r"\\x1b\[31m\\u202e\.json"),
    "through-a-file": ("x.json/it", None, "not a directory"),
    "directory": ("it", _directory, "is a directory"),
    "links-in-a-circle": ("it", _circle, "symbolic links"),
    "link-to-nowhere": ("it", _dangling, "no such file"),
    "socket": ("it", _socket, "no such device"),
    "memory-of-itself": ("/proc/self/mem", None, "input/output error"),
    "zeros": ("/dev/zero", None, ""),
    "random": ("/dev/urandom", None, ""),
    "nothing": ("/dev/null", None, ""),
    "ten-gigabytes": ("it", _sparse(b""), ""),
    "ten-gigabytes-of-JSON": ("it", _sparse(b'{"weights": [[1, '), ""),
}
# Other things than what is wanted, under a name that promises it.
DISGUISED = {
    "gzip": gzip.compress(X),
    "xz": b"\xfd7zXZ\x00\x00\x04" + bytes(40),
    "zstd": b"\x28\xb5\x2f\xfd" + bytes(40),
    "pickle": pickle.dumps(print, protocol=4),
    "pickle-0": b"cos\nsystem\n(S'touch pwned'\ntR.",
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(40),
    "GGUF": b"GGUF\x03\x00\x00\x00" + bytes(40),
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(40),
    "ELF": b"\x7fELF\x02\x01\x01" + bytes(40),
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "script": b"#!/bin/sh\ntouch pwned\n",
    "YAML": b"!!python/object/apply:os.system ['touch pwned']\n",
    "code": b"__import__('os').system('touch pwned')\n",
    "text": b"Life is short, eat dessert first\n",
}


def cases() -> Iterator[Case]:
    files = {"x.json": X}
    for reader, args in READERS.items():
        for place, (name, prepare, says) in PLACES.items():
            if reader == "inspect" and place == "zeros":
                continue  # is a word of four million characters, which is refused by its length
            if reader == "vocab" and place in ("ten-gigabytes", "zeros"):
                says = "a word of more than"
            given = tuple(name if arg == "{}" else arg for arg in args)
            yield Case(
                f"places/{reader}/{place}",
                given,
                files,
                prepare,
                stdin=b"\n",
                codes=(2,),
                says=says,
                in_terminal=place == "missing",
            )
    for name, data in DISGUISED.items():
        for suffix in ("json", "npz", "safetensors"):
            yield Case(
                f"places/disguised/{name}.{suffix}",
                ("show", f"it.{suffix}"),
                {f"it.{suffix}": data},
                codes=(2,),
                says=f"`it.{suffix}` (is|holds|looks like)",
                in_terminal=False,
            )
        yield Case(
            f"places/vectors/{name}",
            ("inspect", "a b", "--embeddings", "it"),
            {"it": data},
            codes=(2,),
        )
    yield from _streams()


def _streams() -> Iterator[Case]:
    """What never ends, on standard input."""
    for reader in ("show", "heads", "check", "inspect", "explain"):
        args = (reader, "-", "--query", "0") if reader == "explain" else (reader, "-")
        yield Case(
            f"places/endless/{reader}",
            args,
            stdin="endless",
            codes=(2,),
            memory=250,
            in_terminal=False,
        )
    yield Case("places/devices/stdin-by-name", ("show", "/dev/stdin"), stdin=X, codes=(0,))
    yield Case("places/devices/descriptor", ("show", "/dev/fd/0"), stdin=X, codes=(0,))
