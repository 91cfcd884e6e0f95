"""The hub's cache: places that are none, references that lead nowhere or out, names that are no
names, and a cache full of broken models.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hostile import gguf
from hostile.case import Case
from hostile.checkpoints import AWKWARD, TEXT, good, weights

CACHE = {"HF_HUB_CACHE": "cache"}
COMMIT = "0123456789abcdef"
HOME = "cache/models--org--name"

NAMES = (
    "org/name",
    "../x",
    "a/../b",
    "a/b/c",
    "a@../../x",
    "a@..",
    "org/name@",
    "org/name@main@main",
    "@main",
    "/",
    "//",
    "a//b",
    "-x/y",
    ".hidden/y",
    "a--b/c",
    "org/na me",
    "org/name\n",
    "org/näme",
    "models--org--name",
    "x" * 201,
    "x" * 5000 + "/y",
    f"org/{AWKWARD}",
    "https://example.org/org/name",
    "hf://org/name",
    "file:///etc/passwd",
    "~/model",
    "~nobody-at-all/model",
    "$HOME",
    "C:\\model",
    "con",
    "org/name.gguf",
    "org/name:latest",
)


def cases() -> Iterator[Case]:
    for name in NAMES:
        yield naming(f"name {name[:40]!r} of {len(name)}", name, says="attn: ")
    for value in (
        "cache",
        "nowhere",
        "file",
        "/dev/null",
        "/proc/self/mem",
        "loop",
        "~",
        "~nobody-at-all",
        "x" * 5000,
        AWKWARD,
        "\udcff",
        " ",
        "relative/../../..",
    ):
        for variable in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
            if variable == "HF_HUB_CACHE" or len(value) < 9:
                yield from _somewhere(variable, value)
    yield from _references()
    yield from _environment()
    yield from _full()


def naming(what: str, name: str, **more: Any) -> Case:
    args = ("inspect", TEXT, "--model", name, "--offline")
    return Case(f"hub/{what}", args, env=CACHE, codes=(2,), **more)


def _somewhere(variable: str, value: str) -> Iterator[Case]:
    def prepare(directory: Path) -> None:
        (directory / "file").write_bytes(b"x")
        (directory / "loop").symlink_to("loop")

    env = {variable: value}
    name = f"hub/{variable}={value[:20]!r}"
    yield Case(f"{name}, listed", ("models",), prepare=prepare, env=env, codes=(0,))
    args = ("inspect", TEXT, "--model", "org/name", "--offline")
    yield Case(name, args, prepare=prepare, env=env, codes=(2,), says="not on this machine")


def snapshot(home: str = HOME, commit: str = COMMIT, ref: bytes | None = None) -> dict[str, bytes]:
    """A sound model in the cache, without links."""
    found = {f"{home}/snapshots/{commit}/{n.split('/')[1]}": d for n, d in good().items()}
    return found | {f"{home}/refs/main": commit.encode() if ref is None else ref}


def _references() -> Iterator[Case]:
    args = ("inspect", TEXT, "--model", "org/name", "--offline")
    references = {
        "sound": COMMIT.encode(),
        "with a line end": COMMIT.encode() + b"\n",
        "missing": b"fedcba",
        "empty": b"",
        "above": b"../../..",
        "absolute": b"/etc",
        "of NUL": b"\0" * 40,
        "not text": b"\xff\xfe" * 20,
        "of a megabyte": b"a" * 1_000_000,
    }
    for what, ref in references.items():
        yield Case(f"hub/a reference {what}", args, snapshot(ref=ref), env=CACHE, codes=(0,))
    for revision in ("main", "nothing", COMMIT, COMMIT[:6], "refs", "snapshots", "-", "."):
        own = (*args[:3], f"org/name@{revision}", "--offline")
        codes = (0,) if revision in ("main", COMMIT) else (2,)
        yield Case(f"hub/revision {revision}", own, snapshot(), env=CACHE, codes=codes)

    def links(change: Callable[[Path], Any]) -> Callable[[Path], None]:
        def prepare(directory: Path) -> None:
            home = directory / "cache" / "models--org--name"
            change(home)

        return prepare

    def outward(home: Path) -> None:
        place = home / "snapshots" / COMMIT / "model.safetensors"
        (home.parent.parent / "elsewhere").write_bytes(weights())
        place.unlink()
        place.symlink_to(Path(*[".."] * 4, "elsewhere"))

    def in_blobs(home: Path) -> None:
        place = home / "snapshots" / COMMIT / "model.safetensors"
        (home / "blobs").mkdir()
        place.rename(home / "blobs" / "b")
        place.symlink_to("../../blobs/b")

    def to_another(home: Path) -> None:
        in_blobs(home)
        other = home.parent / "models--org--other" / "blobs"
        other.mkdir(parents=True)
        (home / "blobs" / "b").rename(other / "b")
        (home / "snapshots" / COMMIT / "model.safetensors").unlink()
        (home / "snapshots" / COMMIT / "model.safetensors").symlink_to(
            "../../../models--org--other/blobs/b"
        )

    def pipe(home: Path) -> None:
        (home / "refs" / "main").unlink()
        os.mkfifo(home / "refs" / "main")

    def circle(home: Path) -> None:
        place = home / "snapshots" / COMMIT / "config.json"
        place.unlink()
        place.symlink_to("config.json")

    def gone(home: Path) -> None:
        (home / "snapshots" / COMMIT / "model.safetensors").unlink()

    for what, change, codes, says in (
        ("a link out of the cache", outward, (2,), "link out of"),
        ("a link into its blobs", in_blobs, (0,), ""),
        ("a link into another model's blobs", to_another, (2,), "link out of"),
        ("a reference that is a pipe", pipe, (0,), ""),
        ("a configuration in a circle", circle, (2,), "config.json"),
        ("a snapshot without weights", gone, (2,), "not on this machine"),
    ):
        files = snapshot()
        for listed in (False, True):
            yield Case(
                f"hub/{what}{', listed' * listed}",
                ("models",) if listed else args,
                files,
                prepare=links(change),
                env=CACHE,
                codes=(0,) if listed else codes,
                says="" if listed else says,
            )


def _environment() -> Iterator[Case]:
    """What says that there is no network, and what says so strangely."""
    for value in ("1", "yes", "ON", "2", " ", AWKWARD):
        args = ("inspect", TEXT, "--model", "org/nothing")
        env = CACHE | {"HF_HUB_OFFLINE": value}
        said = "HF_HUB_OFFLINE forbids"
        yield Case(f"hub/HF_HUB_OFFLINE={value!r}", args, env=env, codes=(2,), says=said)


def _full() -> Iterator[Case]:
    """Every kind of broken model at once: each is listed with its trouble, or passed over."""
    files = snapshot()
    spoilt: dict[str, dict[str, bytes | None]] = {
        "empty": dict.fromkeys(("config.json", "model.safetensors", "tokenizer.json")),
        "no-config": {"config.json": None},
        "list": {"config.json": b"[]"},
        "deep": {"config.json": b"[" * 100_000},
        "binary": {"config.json": b"\xff\xfe\0"},
        "awkward": {"config.json": b'{"model_type": "\\u001b[31m\\u202e", "n_layer": 3}'},
        "strange": {"config.json": b'{"model_type": 3, "n_layer": [], "text_config": {"a": 1}}'},
        "cut": {"model.safetensors": weights()[:-5]},
        "header": {"model.safetensors": b"\xff" * 100},
        "zero": {"model.safetensors": b""},
        "pickle": {"model.safetensors": None, "pytorch_model.bin": b"x"},
        "index": {"model.safetensors": None, "model.safetensors.index.json": b"{}"},
        "gguf": {"model.safetensors": None, "config.json": None, "m.gguf": b"GGUF"},
        "packed": {
            "model.safetensors": None,
            "config.json": None,
            "m.gguf": gguf.file(gguf.keys(), gguf.tensors()),
        },
    }
    for name, changes in spoilt.items():
        home = f"cache/models--a--{name}/snapshots/{COMMIT}"
        sound = {n.split("/")[1]: d for n, d in good().items()}
        files |= {f"{home}/{n}": d for n, d in (sound | changes).items() if d is not None}
    for strange in (AWKWARD, "..a", "x" * 200, "a--b--c", "\udcff", "a b", "-"):
        home = f"cache/models--{strange}"
        files |= {n: d for n, d in snapshot(home).items() if "tokenizer" not in n}
    files |= {"cache/models--file": b"x", "cache/version.txt": b"1", "cache/.locks/x": b""}
    broken = f"cache/models--a--list/snapshots/{COMMIT}"
    yield Case("hub/a broken model", ("models", broken), files, codes=(2,), says="not a JSON")
    for options in ((), ("--json",), ("cache",)):
        yield Case(
            f"hub/a cache of broken models {' '.join(options)}",
            ("models", *options),
            files,
            env=CACHE,
            codes=(0,),
            shows="org/name" if options != ("cache",) else "",
        )
    places = [f"{n.rpartition('/')[0]}" for n in files if n.endswith("config.json")]
    yield Case("hub/many places", ("models", *places), files, codes=(0,))
    for place in ("nowhere", "cache/version.txt", "/dev/null", "x" * 5000, AWKWARD, ""):
        yield Case(f"hub/models in {place[:20]!r}", ("models", place), files, codes=(0, 2))
