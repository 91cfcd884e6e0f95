"""Hub: checkpoints by name, `org/name`, in the cache that huggingface_hub keeps, or fetched.

The cache's layout is read directly; the package itself is asked only to fetch what is missing.
Nothing is opened here but the cache's own references.

Layout: `models--org--name/refs/main` holds a commit; `snapshots/COMMIT/` has the files, as links
into `blobs/`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from attn_cli.checkpoints.mapped import is_directory, read_bounded
from attn_cli.errors import DataError, UsageError, did_you_mean_file

_NAME = re.compile(
    r"(?!.*(?:--|\.\.))[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@[\w.-]+)?", re.ASCII
)
_FALSE = ("", "0", "false", "no", "off")

_PATIENCE = 10  # seconds that the hub may take to say which files a model has
_INDEX = "model.safetensors.index.json"
_BESIDE = ("config.json", "tokenizer.json")


class Repository(NamedTuple):
    """A model in the cache: its name and the directory with its files."""

    name: str
    directory: Path


def is_name(text: str) -> bool:
    """Whether a text could name a model on the hub: `org/name`, `name`, either with `@revision`."""
    return len(text) <= 200 and _NAME.fullmatch(text) is not None


def cache_directory() -> Path:
    """Where huggingface_hub keeps its files: HF_HUB_CACHE, or under HF_HOME or XDG_CACHE_HOME."""
    environment = os.environ
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environment.get(variable):
            return _at_home(environment[variable])
    if environment.get("HF_HOME"):
        return _at_home(environment["HF_HOME"]) / "hub"
    return _at_home(environment.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def _at_home(place: str) -> Path:
    """A path whose `~` is a home, if there is such a home."""
    try:
        return Path(place).expanduser()
    except RuntimeError:
        return Path(place)


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids the network."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() not in _FALSE


def find(name: str) -> Path | None:
    """A model's snapshot in the cache, of `main` or of its `@revision`; None if there is none."""
    repository, _, revision = name.partition("@")
    home = cache_directory() / f"models--{repository.replace('/', '--')}"
    snapshots = home / "snapshots"
    for commit in (_commit(home, revision or "main"), revision):
        if commit and is_directory(snapshots / commit):
            return snapshots / commit
    if revision:
        return None
    try:
        found = [path for path in snapshots.iterdir() if path.is_dir()]
        return max(found, key=lambda path: path.stat().st_mtime, default=None)
    except OSError:
        return None


def repositories() -> Iterator[Repository]:
    """Every model of which the cache has a snapshot, by name."""
    try:
        homes = sorted(cache_directory().iterdir())
    except OSError:
        return
    for home in homes:
        name = home.name.removeprefix("models--").replace("--", "/")
        if home.name.startswith("models--") and is_name(name):
            snapshot = find(name)
            if snapshot is not None:
                yield Repository(name, snapshot)


def fetch(name: str, *, progress: bool = True) -> Path:
    """Fetch a model's configuration, tokenizer and safetensors; its snapshot.

    Raises:
        UsageError: the package huggingface_hub is not installed.
        DataError: there is no such model, it has no safetensors, or the network fails.
    """
    try:
        import huggingface_hub
        from huggingface_hub import utils
    except ImportError:
        raise UsageError(
            f"`{name}` is not on this machine, and fetching it needs the package huggingface_hub",
            "Install it with: pip install 'attn-cli[hub]'. Or give a directory.",
        ) from None
    if not progress:
        utils.disable_progress_bars()
    utils.logging.set_verbosity_error()  # what goes wrong is said here, in plain words
    repository, _, revision = name.partition("@")
    try:
        # Asked once: `list_repo_files` tries again for half a minute where there is no network.
        info = huggingface_hub.HfApi().model_info(
            repository, revision=revision or None, timeout=_PATIENCE
        )
        wanted = choose([file.rfilename for file in info.siblings or ()], name)
        path = huggingface_hub.snapshot_download(
            repository, revision=revision or None, allow_patterns=wanted
        )
    except DataError:
        raise
    except Exception as error:  # a dozen classes of three packages, all of them the network's
        raise _not_fetched(name, error) from None
    return Path(path)


def choose(listed: Sequence[str], name: str) -> list[str]:
    """Of a repository's files those that are needed: no second copy of the weights, no pickle.

    Raises:
        DataError: it has no safetensors.
    """
    wanted = [file for file in _BESIDE if file in listed]
    if _INDEX in listed:
        shards = [file for file in listed if re.fullmatch(r"model-\d+-of-\d+\.safetensors", file)]
        return [*wanted, _INDEX, *shards]
    if "model.safetensors" in listed:
        return [*wanted, "model.safetensors"]
    weights = [file for file in listed if file.endswith(".safetensors") and "/" not in file]
    if len(weights) == 1:
        return [*wanted, *weights]
    packed = [file for file in listed if file.endswith(".gguf")]
    if len(packed) == 1:
        return packed
    if packed:
        raise DataError(
            f"`{name}` has {len(packed)} GGUF files, and no safetensors",
            "Fetch the one you want, and give its path.",
        )
    raise DataError(
        f"`{name}` has no safetensors on the hub",
        "Pickles (`.bin`, `.pt`) are never opened. Find the same model in safetensors.",
    )


def _commit(home: Path, revision: str) -> str:
    """The commit that a reference of a cached repository holds; empty if there is none."""
    try:
        commit = read_bounded(home / "refs" / revision, 200).decode("ascii").strip()
    except (DataError, UnicodeDecodeError):
        return ""
    return commit if re.fullmatch(r"\w+", commit) else ""


def _not_fetched(name: str, error: Any) -> DataError:
    kind = type(error).__name__
    if kind == "GatedRepoError":
        return DataError(
            f"`{name}` is only for those who accepted its terms",
            "Accept them on its page on the hub, then log in with: hf auth login",
        )
    if kind in ("RepositoryNotFoundError", "RevisionNotFoundError", "HFValidationError"):
        return DataError(
            f"there is no model `{name}` on the hub, nor on this machine",
            "Check the name; what is here is listed by `attn models`.",
        )
    said = str(error).partition("\n")[0][:200]
    reason = re.sub(r"^\[Errno -?\d+\] ", "", said) or "no reason is given"
    return DataError(
        f"cannot fetch `{name}`: {reason[:1].lower()}{reason[1:]}",
        did_you_mean_file(
            name,
            "What is on this machine is listed by `attn models`; `--offline` uses nothing else.",
        ),
    )
