"""Locate: what `--model` names, as files: a directory, a GGUF file, or a name in the hub's cache.

It finds and checks files and hands them over as a Checkpoint; what the weights mean is not known
here. Pickles are never opened: they can run code. A file of a model's directory may be a link
within that directory, or within the hub cache's folder of that model, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attn_cli.checkpoints import hub, safetensors
from attn_cli.checkpoints.checkpoint import Checkpoint
from attn_cli.checkpoints.mapped import is_directory, read_bounded
from attn_cli.errors import DataError, UsageError, did_you_mean_file
from attn_cli.strict_json import parse

_CONFIG, _TOKENIZER, _INDEX = "config.json", "tokenizer.json", "model.safetensors.index.json"
_MAX_CONFIG = 4_000_000  # bytes
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}


def open_checkpoint(name: str, *, offline: bool = False, progress: bool = False) -> Checkpoint:
    """The checkpoint that a `--model` value names; of its weights only the headers are read.

    Args:
        name: a directory, a `.gguf` file, or a name on the hub, `org/name` or `org/name@revision`,
            which is looked up in the local cache and fetched only if it is not there.
        offline: never use the network; HF_HUB_OFFLINE=1 says the same.
        progress: show a bar on standard error while fetching.

    Raises:
        UsageError: what it names does not exist here and cannot be fetched.
        DataError: a file is missing, damaged, of another kind, or a link out of its directory.
    """
    path = Path(name)
    if name and _exists(path):
        return open_path(path)
    if _looks_like_path(name) or not hub.is_name(name):
        raise UsageError(
            f"there is no model `{name[:200]}`",
            did_you_mean_file(
                name.rstrip("/"),
                "Give a directory with config.json and safetensors, a .gguf file, or `org/name`.",
            ),
        )
    snapshot = hub.find(name)
    if snapshot is None or not _has_weights(snapshot):
        snapshot = _fetched(name, offline, progress)
    return open_path(snapshot, name)


def open_path(path: Path, name: str | None = None) -> Checkpoint:
    """The checkpoint in a directory or a file.

    Raises:
        DataError: as `open_checkpoint`.
    """
    if is_directory(path):
        packed = sorted(path.glob("*.gguf"))
        if len(packed) == 1 and not any(path.glob("*.safetensors")):
            return open_path(_inside(path, packed[0].name), name)
        return _open_directory(path, name or _name_of(path))
    if path.suffix.lower() == ".gguf":
        from attn_cli.checkpoints.gguf_model import open_gguf

        return open_gguf(path, name or path.stem)
    if path.suffix.lower() in _PICKLES:
        raise _pickle_error(path)
    if path.suffix.lower() in (".safetensors", ".json"):
        raise DataError(
            f"{path} is one file of a model", f"Give its directory: {path.parent or '.'}"
        )
    raise DataError(
        f"{path} is neither a directory nor a .gguf file",
        "Give a directory with config.json and safetensors, or a .gguf file.",
    )


def _name_of(directory: Path) -> str:
    """What a person calls a directory: a name that says nothing takes the one above it along."""
    place = _resolved(directory)
    if place.parent.name == "snapshots" and place.parent.parent.name.startswith("models--"):
        return place.parent.parent.name.removeprefix("models--").replace("--", "/", 1)
    if place.name.lower() in ("model", "models", "checkpoint", "weights"):
        return f"{place.parent.name}/{place.name}"
    return place.name


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # in a directory that is gone, or a circle of links
        return path


def in_place(place: Path) -> Iterator[tuple[str, Path]]:
    """What looks like a checkpoint at a place, or directly in it, as name and path.

    Raises:
        DataError: there is no such place, or it cannot be read.
    """
    if is_directory(place) and not _looks_like_model(place):
        for path in _inside_of(place):
            if is_directory(path):
                if _looks_like_model(path):
                    yield path.name, path
            elif path.suffix.lower() == ".gguf":
                yield path.stem, path
    elif _exists(place):
        yield (_resolved(place).name if is_directory(place) else place.stem), place
    else:
        raise DataError(f"there is no directory `{place}`")


def _inside_of(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot read {directory}: {reason}") from None


def _open_directory(directory: Path, name: str) -> Checkpoint:
    weights = _weights(directory)
    if not _exists(directory / _CONFIG):
        raise DataError(
            f"{directory} has no {_CONFIG}", "It says what kind of model the weights are of."
        )
    place = _inside(directory, _CONFIG)
    config = parse(read_bounded(place, _MAX_CONFIG), str(place))
    if not isinstance(config, dict):
        raise DataError(f"{place} is not a JSON object")
    tensors = safetensors.Safetensors([_inside(directory, file) for file in weights])
    index = directory / _INDEX
    if len(weights) > 1 or weights[0] != "model.safetensors":
        if _exists(index):
            safetensors.check_index(tensors, safetensors.read_index(index), index)
    return Checkpoint(
        name=name,
        path=directory,
        config=config,
        tensors=tensors,
        dtype=_DTYPES.get(tensors.dtype, tensors.dtype),
        files=tuple(file.path for file in tensors.files),
        _tokenizer_json=lambda: _tokenizer(directory),
    )


def _weights(directory: Path) -> list[str]:
    """The names of the safetensors files that make up a directory's model.

    As its makers do: one `model.safetensors`, else what the index lists, else the only file.
    """
    if _exists(directory / "model.safetensors"):
        return ["model.safetensors"]
    if _exists(directory / _INDEX):
        files = sorted(set(safetensors.read_index(_inside(directory, _INDEX)).values()))
        missing = [file for file in files if not _exists(directory / file)]
        if missing:
            raise DataError(
                f"{directory} lacks {len(missing)} of {len(files)} shards, the first: "
                f"{missing[0][:200]}",
                "Fetch the missing files into it.",
            )
        return files
    found = sorted(path.name for path in directory.glob("*.safetensors"))
    if len(found) == 1:
        return found
    if found:
        raise DataError(
            f"{directory} has {len(found)} safetensors files and no {_INDEX}",
            "The index says which of them belong together: fetch it too.",
        )
    pickles = [path for path in _inside_of(directory) if path.suffix.lower() in _PICKLES]
    if pickles:
        raise _pickle_error(pickles[0])
    raise DataError(
        f"{directory} has no weights: no model.safetensors, no {_INDEX}, no .gguf",
        "Give a model's directory; what is on this machine is listed by `attn models`.",
    )


def _tokenizer(directory: Path) -> tuple[bytes, str]:
    from attn_cli.checkpoints.backend import read

    if not _exists(directory / _TOKENIZER):
        raise DataError(
            f"{directory} has no {_TOKENIZER}",
            "transformers writes it: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)",
        )
    path = _inside(directory, _TOKENIZER)
    return read(path), str(path)


def _fetched(name: str, offline: bool, progress: bool) -> Path:
    if offline or hub.is_offline():
        why = "--offline" if offline else "HF_HUB_OFFLINE"
        raise UsageError(
            f"`{name}` is not on this machine, and {why} forbids to fetch it",
            did_you_mean_file(
                name,
                f"Looked in {hub.cache_directory()}; what is there is listed by `attn models`.",
            ),
        )
    return hub.fetch(name, progress=progress)


def _inside(directory: Path, name: str) -> Path:
    """A file of a model's directory.

    Raises:
        DataError: it is a link that leads out of the directory, and not into the hub cache's
            folder of the same model.
    """
    path = directory / name
    try:
        home, target = directory.resolve(), path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before 3.13
        reason = getattr(error, "strerror", None) or "its links go in a circle"
        raise DataError(f"cannot read {path}: {reason.lower()}") from None
    if home.parent.name == "snapshots" and home.parent.parent.name.startswith("models--"):
        home = home.parent.parent
    if not target.is_relative_to(home):
        raise DataError(
            f"{path} is a link out of its directory, to {target}",
            "Put the file itself there, or give the directory that it is in.",
        )
    return path


def _pickle_error(path: Path) -> DataError:
    return DataError(
        f"{path} is a pickle, which can run code: it is never opened",
        "Convert it where you trust it: in transformers, "
        "AutoModel.from_pretrained(DIR).save_pretrained(NEW, safe_serialization=True).",
    )


def _looks_like_model(directory: Path) -> bool:
    return _exists(directory / _CONFIG) and _has_weights(directory)


def _has_weights(directory: Path) -> bool:
    return any(any(directory.glob(f"*.{suffix}")) for suffix in ("safetensors", "gguf"))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, or with a character no name has
        return False


def _looks_like_path(name: str) -> bool:
    suffixes = (".gguf", ".safetensors", ".json", *_PICKLES)
    return name.startswith(("/", "./", "../", "~")) or name.lower().endswith((*suffixes, "/"))
