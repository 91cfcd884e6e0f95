"""Writing: targets that are no plain files, that are inputs, that cannot be, and half-written."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from conftest import ROOT

from hostile.case import Case

TEXT = "Life is short, eat dessert first"
INSPECTION = (ROOT / "sample_inputs" / "inspection.json").read_bytes()
OLD = b"what was there"
SUFFIXES = ("json", "jsonl", "npz", "safetensors", "csv", "md", "txt", "svg", "html")
WRITERS: dict[str, tuple[str, ...]] = {  # to each, where it writes is added
    "inspect": ("inspect", TEXT),
    "vocab": ("vocab", TEXT),
    "explain": ("explain", TEXT, "--query", "is"),
    "heads": ("heads", "in.json"),
    "diff": ("diff", "in.json", "in.json"),
    "show": ("show", "in.json"),
}
NAMES = {  # that no file can have, or none should, and what the complaint must say
    "empty": ("", "empty"),
    "dash": ("-", "standard output"),
    "no suffix": ("x", "`x`"),
    "only a suffix": (".json", r"\.json"),
    "unknown suffix": ("x.xlsx", "xlsx"),
    "long": ("x" * 300 + ".json", "name too long"),
    "long path": ("d/" * 3000 + "x.json", "name too long"),
    "no directory": ("none/x.json", "`none`"),
    "below a file": ("in.json/x.json", "not a directory"),
    "trailing slash": ("x.json/", "x.json"),
    "directory": ("d.json", "directory"),
    "current directory": (".", r"`\."),
    "loop": ("loop.json", "symbolic links"),
    "full device": ("/dev/full", "no space"),
}
ODD = ("a\nb.json", "\x1b[31m.json", "\u202ex.json", "日本.json", " .json", "--x.json", "x.JSON")


def cases() -> Iterator[Case]:
    yield from _of_names()
    yield from _of_targets()
    yield from _of_inputs()
    yield from _of_full_disks()
    for suffix in SUFFIXES:
        yield Case(
            f"writing/old kept/{suffix}",
            ("inspect", "-", "--lines", "-o", f"x.{suffix}"),
            stdin=b"a b\n...\n",
            files={f"x.{suffix}": OLD},
            codes=(2,),
            says="line 2|one text",
        )


def _of_names() -> Iterator[Case]:
    for kind, (name, says) in NAMES.items():
        for writer in WRITERS if kind in ("empty", "dash", "directory") else ("inspect", "vocab"):
            more = ("--format", "json") if name == "/dev/full" and writer == "inspect" else ()
            if name == "/dev/full" and not more:
                continue
            yield Case(
                f"writing/{kind}/{writer}",
                (*WRITERS[writer], "-o", name, *more),
                files={"in.json": INSPECTION},
                prepare=_directories,
                codes=(2,),
                says=says if writer == "inspect" else "",
            )
    for name in ODD:
        yield Case(
            f"writing/odd name/{name!r}",
            ("inspect", TEXT, f"--out={name}"),
            codes=(0,),
            makes=(name,),
            check=lambda directory, name=name: _same(directory / name),  # type: ignore[misc]
        )
    yield Case(
        "writing/not UTF-8",
        ("inspect", TEXT, "-o", b"a\xff.json"),
        codes=(0,),
        makes=(os.fsdecode(b"a\xff.json"),),
    )
    yield Case("writing/twice", ("inspect", TEXT, "-o", "a.json", "-o", "b.json"), codes=(2,))


def _directories(directory: Path) -> None:
    (directory / "d.json").mkdir()
    (directory / "loop.json").symlink_to("loop.json")


def _same(path: Path) -> str | None:
    return None if path.read_bytes().endswith(b"}\n") else "it is not whole"


def _of_targets() -> Iterator[Case]:
    """What stands there already keeps what it is."""

    def linked(directory: Path) -> None:
        (directory / "link.json").symlink_to("x.json")

    def dangling(directory: Path) -> None:
        (directory / "link.json").symlink_to("y.json")

    def protected(mode: int) -> Callable[[Path], None]:
        return lambda directory: (directory / "x.json").chmod(mode)

    def has_mode(mode: int) -> Callable[[Path], str | None]:
        def check(directory: Path) -> str | None:
            got = stat.S_IMODE((directory / "x.json").stat().st_mode)
            return None if got == mode else f"its permissions are {got:o}"

        return check

    def owned(directory: Path) -> None:
        if os.geteuid() == 0:
            os.chown(directory / "x.json", 12345, 54321)

    def has_owner(directory: Path) -> str | None:
        state = (directory / "x.json").stat()
        mine = (os.geteuid(), os.getegid())
        wanted = (12345, 54321) if os.geteuid() == 0 else mine
        return None if (state.st_uid, state.st_gid) == wanted else "its owner is another"

    old = {"x.json": OLD}
    write = ("inspect", TEXT, "-o")
    for mode in (0o600, 0o640, 0o604, 0o755):
        yield Case(
            f"writing/permissions/{mode:o}",
            (*write, "x.json"),
            files=old,
            prepare=protected(mode),
            changes=("x.json",),
            codes=(0,),
            check=has_mode(mode),
        )
    yield Case(
        "writing/owner", (*write, "x.json"), files=old, prepare=owned, changes=("x.json",),
        codes=(0,), check=has_owner,
    )  # fmt: skip
    yield Case(
        "writing/link", (*write, "link.json"), files=old, prepare=linked, changes=("x.json",),
        codes=(0,), check=lambda directory: _same(directory / "x.json"),
    )  # fmt: skip
    yield Case(
        "writing/link to nothing", (*write, "link.json"), prepare=dangling, makes=("y.json",),
        codes=(0,), check=lambda directory: _same(directory / "y.json"),
    )  # fmt: skip
    for device, code in (("/dev/null", 0), ("/dev/stdout", 0), ("/dev/full", 2)):
        yield Case(
            f"writing/device/{device[5:]}",
            (*write, device, "--format", "csv"),
            codes=(code,),
            makes=("nothing",),
            shows="layer,head" if device == "/dev/stdout" else "",
        )


def _of_inputs() -> Iterator[Case]:
    """An input is never written over, by whatever name."""

    def names(directory: Path) -> None:
        (directory / "hard.json").hardlink_to(directory / "in.json")
        (directory / "link.json").symlink_to("in.json")
        (directory / "d").mkdir()

    places = ("in.json", "./in.json", "d/../in.json", "hard.json", "link.json")
    reading: dict[str, tuple[str, ...]] = {
        "show": ("show", "in.json"),
        "heads": ("heads", "in.json"),
        "heads file": ("heads", "-f", "in.json"),
        "diff": ("diff", "in.json", "other.json"),
        "diff other": ("diff", "other.json", "in.json"),
        "explain": ("explain", "-f", "in.json", "--query", "is"),
        "inspect": ("inspect", "-f", "in.json"),
        "inspect vocab": ("inspect", TEXT, "--vocab", "in.json"),
        "inspect vectors": ("inspect", "--embeddings", "in.json"),
        "vocab": ("vocab", "in.json"),
        "vocab file": ("vocab", "-f", "in.json"),
        "vocab vocab": ("vocab", "--vocab", "in.json"),
        "show tokens": ("show", "other.json", "--tokens", "in.json"),
    }
    for number, (name, args) in enumerate(reading.items()):
        for place in places if name in ("show", "vocab") else (places[number % len(places)],):
            yield Case(
                f"writing/input/{name} {place}",
                (*args, "-o", place),
                files={"in.json": INSPECTION, "other.json": INSPECTION},
                prepare=names,
                codes=(2,),
                says="written over",
            )


def _of_full_disks() -> Iterator[Case]:
    """A file that may not grow: what was there stays, and nothing else does."""
    for suffix in SUFFIXES:
        for existing in (False, True):
            yield Case(
                f"writing/full disk {'old' if existing else 'new'}/{suffix}",
                ("inspect", " ".join(map(str, range(60))), "-o", f"x.{suffix}"),
                files={f"x.{suffix}": OLD} if existing else {},
                largest_file=1024,
                codes=(2,),
                says=rf"cannot write `x\.{suffix}`",
                in_terminal=False,
            )
