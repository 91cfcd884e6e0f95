"""Mapped files: bytes by place, and a name for whatever a file cannot give."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from attn_cli.checkpoints.mapped import MappedFile, opened, read_bounded
from attn_cli.errors import DataError

HINT = "Fetch the file again; something wrote over it while it was read."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "x").write_bytes(bytes(range(100)))
    return tmp_path / "x"


def test_views_are_read_only_and_no_copies(path: Path) -> None:
    file = MappedFile(path)
    assert (file.path, file.size) == (path, 100)
    for start, length in ((0, 100), (0, 1), (99, 1), (7, 20)):
        view = file.view(start, length, "all")
        assert view.readonly and view.tolist() == list(range(start, start + length))
    assert file.view(100, 0, "nothing").tolist() == []
    assert file.view(0, 9, "a").obj is file.view(50, 9, "b").obj


def test_what_was_released_is_read_again(path: Path) -> None:
    file = MappedFile(path)
    file.release()
    assert "_map" not in vars(file)  # nothing was mapped, and nothing is for this
    view = file.view(0, 4, "all")
    file.release()
    assert view.tolist() == [0, 1, 2, 3]


def test_released_pages_leave_memory(path: Path) -> None:
    file = MappedFile(path)
    vars(file)["_map"] = pages = Mock()
    file.release()
    pages.madvise.assert_called_once_with(mmap.MADV_DONTNEED)


def test_a_file_that_shrinks_before_it_is_mapped(path: Path) -> None:
    file = MappedFile(path)
    os.truncate(path, 99)
    with pytest.raises(DataError) as caught:
        file.view(0, 1, "the first")
    assert caught.value.message == f"{path} has shrunk from 100 to 99 bytes"
    assert caught.value.hint == HINT


def test_a_file_that_shrinks_while_it_is_mapped(path: Path) -> None:
    path.write_bytes(bytes(5_000))
    file = MappedFile(path)
    file.view(0, 1, "the first")
    os.truncate(path, 4_000)
    assert file.view(3_990, 10, "what is left").tolist() == [0] * 10
    with pytest.raises(DataError) as caught:
        file.view(3_990, 11, "the last")
    assert caught.value.message == (
        f"{path} has shrunk: the last ends at byte 4,001, the file at 4,000"
    )
    assert caught.value.hint == HINT


def test_a_file_that_grows_is_as_it_was(path: Path) -> None:
    file = MappedFile(path)
    path.write_bytes(bytes(200))
    assert file.view(0, 100, "all").tolist() == [0] * 100


def test_bounded_is_at_most_the_limit(path: Path) -> None:
    assert read_bounded(path, 100) == read_bounded(path, 10**15) == bytes(range(100))
    with pytest.raises(DataError) as caught:
        read_bounded(path, 99)
    assert caught.value.message == f"{path} is too large: 100 bytes, where 99 are the most"


def test_a_file_that_grows_past_the_limit_is_read_no_further(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fstat", lambda _: SimpleNamespace(st_size=10))
    assert read_bounded(path, 10) == bytes(range(10))


def test_what_cannot_be_opened_is_named(path: Path, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    reasons = {
        path / "x": "cannot read {}: not a directory",
        tmp_path / "missing": "cannot read {}: no such file or directory",
        tmp_path / ("n" * 300): "cannot read {}: file name too long",
        tmp_path / "circle": "cannot read {}: too many levels of symbolic links",
        tmp_path / "directory": "{} is not a regular file",
        Path("/dev/null"): "{} is not a regular file",
        tmp_path / "a\0b": "cannot read {}: embedded null byte",
    }
    for where, reason in reasons.items():
        with pytest.raises(DataError) as caught, opened(where):
            pass
        assert caught.value.message == reason.format(where)


def test_what_fails_while_it_is_read_is_named(path: Path) -> None:
    with pytest.raises(DataError) as caught, opened(path):
        raise OSError(5, "Input/output error")
    assert caught.value.message == f"cannot read {path}: input/output error"
