"""Finding a checkpoint: directories, GGUF files, the hub's cache; what is missing is said."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from checkpoint_files import CONFIG, cached, gguf_file, model

from attn_cli.checkpoints import hub
from attn_cli.checkpoints.locate import open_checkpoint, open_path
from attn_cli.errors import AttnError, DataError, UsageError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and no variable that says otherwise."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "xdg" / "huggingface" / "hub"


def refusal(name: str | Path, **options: Any) -> AttnError:
    with pytest.raises(AttnError) as caught:
        open_checkpoint(str(name), **options)
    return caught.value


# Directories


def test_a_directory_is_a_checkpoint(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(str(model(tmp_path / "small")))
    assert checkpoint.name == "small" and checkpoint.path == tmp_path / "small"
    assert checkpoint.config == CONFIG and checkpoint.dtype == "float32"
    assert list(checkpoint.tensors.names()) == ["w0"]
    assert checkpoint.tensors.read("w0").tolist() == [[1, 1, 1], [1, 1, 1]]
    assert checkpoint.tokenizer.encode("The").pieces == ("<s>", "▁The")
    assert checkpoint.tokenizer is checkpoint.tokenizer
    assert checkpoint.n_bytes == (tmp_path / "small" / "model.safetensors").stat().st_size


def test_a_directory_is_named_as_people_type_it(tmp_path: Path) -> None:
    model(tmp_path / "small")
    for name in ("small", "./small", "small/", str(tmp_path / "small" / ".." / "small")):
        assert open_checkpoint(name).name == "small"
    os.chdir(tmp_path / "small")
    assert open_checkpoint(".").name == "small"


def test_shards_are_read_as_one(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(str(model(tmp_path / "m", shards=3)))
    assert sorted(checkpoint.tensors.names()) == ["w0", "w1", "w2"]
    assert checkpoint.tensors.read("w2").tolist() == [2, 2]
    assert len(checkpoint.files) == 3


def test_one_file_of_another_name_is_the_model(tmp_path: Path) -> None:
    directory = model(tmp_path / "m")
    (directory / "model.safetensors").rename(directory / "weights.safetensors")
    assert list(open_checkpoint(str(directory)).tensors.names()) == ["w0"]


def test_other_files_do_no_harm(tmp_path: Path) -> None:
    directory = model(tmp_path / "m", shards=2)
    for name in ("pytorch_model.bin", "README.md", "onnx", "consolidated.safetensors"):
        (directory / name).write_bytes(b"junk")
    assert len(open_checkpoint(str(directory)).files) == 2


def without(*names: str) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        for name in names:
            (directory / name).unlink()

    return change


def replaced(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda directory: (directory / name).write_bytes(data) and None


SHARD = "model-00002-of-00003.safetensors"

MISSING: dict[str, tuple[int, Callable[[Path], None], str, str]] = {
    "config": (1, without("config.json"), "has no config.json", "kind of model"),
    "weights": (1, without("model.safetensors"), "has no weights", "attn models"),
    "a shard": (3, without(SHARD), f"lacks 1 of 3 shards, the first: {SHARD}", "Fetch"),
    "the index": (
        3,
        without("model.safetensors.index.json"),
        "has 3 safetensors files and no model.safetensors.index.json",
        "index",
    ),
    "shards beyond count": (
        3,
        replaced(
            "model.safetensors.index.json",
            json.dumps({"weight_map": {f"{n}": f"{n}.safetensors" for n in range(1001)}}).encode(),
        ),
        "names more than 1,000 files",
        "",
    ),
    "config is a list": (1, replaced("config.json", b"[]"), "is not a JSON object", ""),
    "config is broken": (1, replaced("config.json", b"{"), "config.json is not JSON", ""),
    "config is huge": (1, replaced("config.json", b" " * 5_000_000), "too large", ""),
    "weights are broken": (1, replaced("model.safetensors", b"x" * 9), "header", ""),
}


@pytest.mark.parametrize("case", MISSING)
def test_what_is_missing_or_broken_is_named(case: str, tmp_path: Path) -> None:
    shards, change, message, hint = MISSING[case]
    directory = model(tmp_path / "m", shards=shards)
    change(directory)
    error = refusal(directory)
    assert message in error.message and hint in error.hint
    assert str(directory) in error.message


def test_a_missing_tokenizer_is_missed_when_it_is_needed(tmp_path: Path) -> None:
    directory = model(tmp_path / "m")
    (directory / "tokenizer.json").unlink()
    checkpoint = open_checkpoint(str(directory))
    with pytest.raises(DataError, match=r"has no tokenizer\.json"):
        _ = checkpoint.tokenizer


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth", "m.ckpt"])
def test_a_pickle_is_never_opened(name: str, tmp_path: Path) -> None:
    directory = model(tmp_path / "m")
    (directory / "model.safetensors").unlink()
    os.mkfifo(directory / name)  # opening it would wait for ever
    for given in (directory, directory / name):
        error = refusal(given)
        assert "is a pickle, which can run code: it is never opened" in error.message
        assert name in error.message and "safe_serialization=True" in error.hint


def test_one_file_of_a_model_leads_to_its_directory(tmp_path: Path) -> None:
    directory = model(tmp_path / "m")
    for name in ("model.safetensors", "config.json"):
        error = refusal(directory / name)
        assert "is one file of a model" in error.message and str(directory) in error.hint
    (directory / "notes.txt").write_text("x")
    assert "neither a directory nor a .gguf file" in refusal(directory / "notes.txt").message


# Links


def test_links_within_a_directory_are_followed_and_out_of_it_are_not(tmp_path: Path) -> None:
    directory = model(tmp_path / "m")
    (directory / "model.safetensors").rename(directory / "real")
    (directory / "model.safetensors").symlink_to("real")
    assert list(open_checkpoint(str(directory)).tensors.names()) == ["w0"]

    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        other = model(tmp_path / f"other-{name}")
        outside = tmp_path / f"outside-{name}"
        (other / name).rename(outside)
        (other / name).symlink_to(outside)
        with pytest.raises(DataError) as caught:
            _ = open_checkpoint(str(other)).tokenizer
        assert f"{other / name} is a link out of its directory" in caught.value.message
        assert str(outside) in caught.value.message


def test_a_directory_may_be_a_link_itself(tmp_path: Path) -> None:
    model(tmp_path / "m")
    (tmp_path / "link").symlink_to("m")
    assert open_checkpoint("link").config == CONFIG


def test_links_in_a_circle_and_to_nowhere_are_refused(tmp_path: Path) -> None:
    directory = model(tmp_path / "m")
    (directory / "config.json").unlink()
    (directory / "config.json").symlink_to("config.json")
    refusal(directory)
    (directory / "config.json").unlink()
    (directory / "config.json").symlink_to("nowhere")
    assert "has no config.json" in refusal(directory).message


def test_a_link_to_nowhere_names_its_file_as_it_is_written(tmp_path: Path) -> None:
    made = model(tmp_path / "A Model")
    (made / "model.safetensors").unlink()
    for target, said in (
        ("Nothing", "no such file or directory"),
        ("model.safetensors", "in a circle|symbolic links"),
    ):
        (made / "model.safetensors").symlink_to(target)
        with pytest.raises(DataError, match=f"cannot read .*({said})$") as caught:
            open_path(made)
        assert str(made / "model") in caught.value.message and "errno" not in caught.value.message
        (made / "model.safetensors").unlink()


def test_a_cached_snapshot_may_link_into_its_blobs_and_no_other_models(
    cache: Path, tmp_path: Path
) -> None:
    snapshot = cached(cache, "org/one")
    other = cached(cache, "org/two")
    assert open_checkpoint("org/one").config == CONFIG
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").symlink_to((other / "config.json").resolve())
    assert "is a link out of its directory" in refusal("org/one").message


# GGUF


def test_a_gguf_file_is_a_checkpoint(tmp_path: Path) -> None:
    path = gguf_file(tmp_path / "small.gguf")
    for given in (path, tmp_path):  # also as the only one in a directory
        checkpoint = open_checkpoint(str(given))
        assert checkpoint.config["model_type"] == "llama" and checkpoint.files == (path,)
        assert list(checkpoint.tensors.names()) == ["model.embed_tokens.weight"]
        assert checkpoint.tokenizer.encode("The was").pieces == ("The", "Ġwas")
    assert open_checkpoint(str(path)).name == "small"


# Names on the hub


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"),
        ({"HUGGINGFACE_HUB_CACHE": "/a"}, "/a"),
        ({"HF_HOME": "/b"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
        ({"XDG_CACHE_HOME": "", "HOME": "/d"}, "/d/.cache/huggingface/hub"),
        ({"HF_HOME": "~/x", "HOME": "/d"}, "/d/x/hub"),
        ({"HF_HUB_CACHE": "~nobody-at-all/x"}, "~nobody-at-all/x"),
    ],
)
def test_the_cache_is_where_huggingface_hub_has_it(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert hub.cache_directory() == Path(expected)


def test_a_name_is_looked_up_in_the_cache(cache: Path) -> None:
    snapshot = cached(cache, "org/name")
    checkpoint = open_checkpoint("org/name", offline=True)
    assert checkpoint.name == "org/name" and checkpoint.path == snapshot
    assert checkpoint.tokenizer.encode("The").pieces == ("<s>", "▁The")
    cached(cache, "gpt2")
    assert open_checkpoint("gpt2").name == "gpt2"
    assert [found.name for found in hub.repositories()] == ["gpt2", "org/name"]


def test_main_is_what_its_reference_says(cache: Path) -> None:
    cached(cache, "org/name", commit="aaaa")
    cached(cache, "org/name", commit="bbbb", ref="v2")
    assert open_checkpoint("org/name").path.name == "aaaa"
    assert open_checkpoint("org/name@v2").path.name == "bbbb"
    assert open_checkpoint("org/name@bbbb").path.name == "bbbb"
    assert "`org/name@v3` is not on this machine" in refusal("org/name@v3", offline=True).message


def test_without_a_reference_the_newest_snapshot_is_taken(cache: Path) -> None:
    old = cached(cache, "org/name", commit="aaaa", ref=None)
    new = cached(cache, "org/name", commit="bbbb", ref=None)
    os.utime(old, (1, 1))
    assert open_checkpoint("org/name").path == new


@pytest.mark.parametrize("text", ["../../../../tmp", "", "a b", "x" * 300, "\xff\xfe"])
def test_a_reference_that_is_no_commit_is_not_followed(text: str, cache: Path) -> None:
    snapshot = cached(cache, "org/name")
    (snapshot.parent.parent / "refs" / "main").write_text(text, encoding="latin-1")
    assert open_checkpoint("org/name").path == snapshot


NO_NAMES = ["../x", "./x", "/x/y", "~/x", "a/b/c", "x.gguf", "a/x.safetensors", "a--b/c", "a/..b"]
NO_NAMES += ["", "a b/c", "org/näme", "x" * 5000, "a\x00b", "-x/y", "a/b@../c"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_is_never_looked_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "find", lambda name: pytest.fail("looked up"))
    error = refusal(name)
    assert error.message.startswith("there is no model") and "org/name" in error.hint


def test_offline_nothing_is_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "fetch", lambda *_, **__: pytest.fail("fetched"))
    error = refusal("org/name", offline=True)
    assert "not on this machine, and --offline forbids" in error.message
    assert str(cache) in error.hint
    for value in ("1", "true", "YES", "on"):
        monkeypatch.setenv("HF_HUB_OFFLINE", value)
        assert "HF_HUB_OFFLINE forbids" in refusal("org/name").message


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    error = refusal("org/name")
    assert isinstance(error, UsageError) and "pip install 'attn-cli[hub]'" in error.hint


class FakeHub(ModuleType):
    """The package huggingface_hub as far as it is called: fetches from a directory."""

    def __init__(self, files: list[str], cache: Path, error: Exception | None = None) -> None:
        super().__init__("huggingface_hub")
        self.asked: list[Any] = []
        self.bars = True
        quiet = SimpleNamespace(set_verbosity_error=lambda: self.asked.append("quiet"))
        self.utils = SimpleNamespace(disable_progress_bars=self._no_bars, logging=quiet)
        self._files, self._cache, self._error = files, cache, error

    def _no_bars(self) -> None:
        self.bars = False

    def HfApi(self) -> Any:
        def model_info(name: str, revision: str | None, timeout: float) -> Any:
            if self._error is not None:
                raise self._error
            return SimpleNamespace(siblings=[SimpleNamespace(rfilename=f) for f in self._files])

        return SimpleNamespace(model_info=model_info)

    def snapshot_download(self, name: str, revision: str | None, allow_patterns: list[str]) -> str:
        self.asked.append((name, revision, allow_patterns))
        return str(cached(self._cache, name))


def install(package: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", package)


def test_what_is_not_there_is_fetched_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ["README.md", "config.json", "model.safetensors", "pytorch_model.bin", "tokenizer.json"]
    package = FakeHub(files, cache)
    install(package, monkeypatch)
    for _ in range(2):  # the second finds it in the cache
        assert open_checkpoint("org/name").config == CONFIG
    assert package.asked == [
        "quiet",
        ("org/name", None, ["config.json", "tokenizer.json", "model.safetensors"]),
    ]
    assert not package.bars
    open_checkpoint("org/other", progress=True)


def test_a_progress_bar_is_theirs_and_only_if_asked_for(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = FakeHub(["config.json", "model.safetensors"], cache)
    install(package, monkeypatch)
    open_checkpoint("org/name@v1", progress=True)
    assert package.bars and package.asked[1][:2] == ("org/name", "v1")


def test_a_cached_model_without_weights_is_fetched(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = cached(cache, "org/name")
    (snapshot / "model.safetensors").unlink()
    assert "not on this machine" in refusal("org/name", offline=True).message
    shutil.rmtree(snapshot.parent.parent)
    install(FakeHub(["config.json", "model.safetensors"], cache), monkeypatch)
    assert open_checkpoint("org/name").config == CONFIG


def test_a_directory_of_nearly_that_name_is_suggested(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny-llama").mkdir()
    install(FakeHub([], cache, OSError("no route")), monkeypatch)
    for offline in (True, False):
        assert "`tiny-llama`" in refusal("tiny-lama", offline=offline).hint


def test_of_many_files_the_model_is_chosen() -> None:
    both = ["config.json", "tokenizer.json"]
    shards = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    index = "model.safetensors.index.json"
    listed = [*both, index, *shards, "consolidated.safetensors", "pytorch_model.bin", "x.md"]
    assert hub.choose(listed, "m") == [*both, index, *shards]
    assert hub.choose([*both, "onnx/model.safetensors", "a.safetensors"], "m") == [
        *both,
        "a.safetensors",
    ]
    assert hub.choose(["m.gguf", "README.md"], "m") == ["m.gguf"]
    with pytest.raises(DataError, match="has 2 GGUF files"):
        hub.choose(["a.gguf", "b.gguf"], "m")
    with pytest.raises(DataError, match="has no safetensors on the hub") as caught:
        hub.choose([*both, "pytorch_model.bin"], "m")
    assert "never opened" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "message", "hint"),
    [
        ("GatedRepoError", "only for those who accepted its terms", "hf auth login"),
        ("RepositoryNotFoundError", "there is no model `org/name` on the hub", "attn models"),
        ("ConnectError", "cannot fetch `org/name`: no route", "attn models"),
        ("Unreachable", "cannot fetch `org/name`: name not known", "attn models"),
    ],
)
def test_what_the_network_says_is_said_in_plain_words(
    kind: str, message: str, hint: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "[Errno -2] Name not known" if kind == "Unreachable" else "no route\nTraceback and more"
    error = type(kind, (Exception,), {})(said)
    install(FakeHub([], cache, error), monkeypatch)
    refused = refusal("org/name")
    assert message in refused.message and hint in refused.hint
    assert "\n" not in refused.message and kind not in refused.message


# The hash


def test_the_hash_is_of_the_weights(tmp_path: Path) -> None:
    one, same = model(tmp_path / "one"), model(tmp_path / "same")
    other, sharded = model(tmp_path / "other"), model(tmp_path / "sharded", shards=2)
    data = bytearray((other / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (other / "model.safetensors").write_bytes(data)
    (same / "config.json").write_text(json.dumps({**CONFIG, "more": 1}))
    hashes = [open_path(path).file_hash for path in (one, same, other, sharded)]
    assert hashes[0] == hashes[1] and len(set(hashes)) == 3
    assert all(len(h.removeprefix("sampled-sha256:")) == 64 for h in hashes)


def test_the_hash_samples_a_large_file_all_over(tmp_path: Path) -> None:
    directory = model(tmp_path / "m")
    path = directory / "model.safetensors"
    header = json.dumps(
        {"x": {"dtype": "U8", "shape": [1 << 20], "data_offsets": [0, 1 << 20]}}
    ).encode()
    found = set()
    for changed in (None, 0, 1 << 19, (1 << 20) - 1):
        data = bytearray(1 << 20)
        if changed is not None:
            data[changed] = 1
        path.write_bytes(len(header).to_bytes(8, "little") + header + data)
        found.add(open_path(directory).file_hash)
    assert len(found) >= 3  # the first and the last are always seen
