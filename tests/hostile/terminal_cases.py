"""Terminals: sizes that are no sizes, kinds that are unknown, colour that nobody wants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hostile.case import Case
from hostile.payloads import ONE_BY_ONE

TEXT = "Life is short, eat dessert first"
MIXED = f"漢字 {ONE_BY_ONE['emoji']} é\x1b[1m שלום z\u0301\u0301 plain"
SAMPLES = "../../sample_inputs"

SIZES = ("0", "1", "2", "7", "79", "10000", "-1", "²", "abc", "", " 80", "8e1", "9" * 30, "80\n")
COMMANDS: dict[str, tuple[str, ...]] = {
    "inspect": ("inspect", MIXED, "--show", "all", "--heads", "2"),
    "map": ("inspect", f"{MIXED} " * 9, "--style", "map", "--split", "whitespace"),
    "overview": ("inspect", MIXED, "--heads", "16"),
    "head": ("inspect", f"{MIXED} " * 5, "--head", "0"),
    "explain": ("explain", MIXED, "--query", "0", "--heads", "2", "--positions", "rope"),
    "explain-sum": ("explain", "a b c d e f", "--query", "0", "--d-model", "64", "--d-k", "64"),
    "compare": ("inspect", MIXED, "--compare-with", "performer:4"),
    "vocab": ("vocab", MIXED),
    "replay": ("replay",),
    "models": ("models",),
    "check": ("check", "m.csv", "--text", MIXED, "--split", "whitespace"),
    "heads": ("heads", "a.json"),
    "diff": ("diff", "a.json", "b.json"),
    "help": ("--help",),
    "command-help": ("inspect", "--help"),
    "error": ("inspect", "a", "--mask", "none of them"),
    "statistics": ("heads", "--explain", "all"),
}
LOOKS: tuple[Mapping[str, str], ...] = (
    {"NO_COLOR": "1"},
    {"NO_COLOR": "0"},
    {"NO_COLOR": " "},
    {"NO_COLOR": ""},
    {"NO_COLOR": "1", "FORCE_COLOR": "1"},
    {"NO_COLOR": "1", "COLORTERM": "truecolor", "CLICOLOR_FORCE": "1", "PY_COLORS": "1"},
    {"NO_COLOR": "", "FORCE_COLOR": "3"},
    {"FORCE_COLOR": "0"},
    {"FORCE_COLOR": ""},
    {"FORCE_COLOR": "1"},
    {"FORCE_COLOR": "2", "TERM": "dumb"},
    {"FORCE_COLOR": "3", "TERM": ""},
    {"FORCE_COLOR": "false"},
    {"PY_COLORS": "1"},
    {"GITHUB_ACTIONS": "true"},
    {"TTY_COMPATIBLE": "1"},
    {"TTY_COMPATIBLE": "yes", "TTY_INTERACTIVE": "²"},
    {"CLICOLOR": "0"},
    {"CLICOLOR_FORCE": "1"},
    {"COLORTERM": "truecolor"},
    {"COLORTERM": "\x1b[31m"},
    {"TERM": "dumb"},
    {"TERM": "dumb", "COLORTERM": "24bit"},
    {"TERM": "dumb", "COLUMNS": "33"},
    {"TERM": "dumb", "GITHUB_ACTIONS": "1", "PY_COLORS": "1"},
    {"TERM": "unknown"},
    {"TERM": ""},
    {"TERM": "no-such-terminal"},
    {"TERM": "x" * 10_000},
    {"TERM": "../../../etc/passwd"},
    {"TERM": "xterm-\x1b[31m\u202e256color"},
    {"TERM": "vt100", "TERMINFO": "/dev/zero"},
    {"JPY_PARENT_PID": "1", "JUPYTER_COLUMNS": "x", "JUPYTER_LINES": "²"},
    {"DATABRICKS_RUNTIME_VERSION": "1"},
    {"_TYPER_STANDARD_TRACEBACK": "1", "TYPER_USE_RICH": "0"},
    {"TYPER_USE_RICH": "²"},
    {"UNICODE_VERSION": "abc"},
    {"UNICODE_VERSION": "999.9"},
    {"UNICODE_VERSION": "-1"},
)
ENCODINGS = (
    *("ascii", "latin-1", "cp1252", "cp437", "shift_jis", "utf-8-sig", "utf-16", "utf-32-be"),
    *("utf-7", "ascii:strict", "utf-8:surrogateescape"),
)
LOCALES: tuple[Mapping[str, str], ...] = (
    {"LANG": "C"},
    {"LC_ALL": "POSIX"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "xx_YY.nothing"},
    {"LC_ALL": "en_US.ISO-8859-1", "PYTHONUTF8": "0"},
    {"LANG": "\x1b[31m", "LANGUAGE": "../x", "LC_MESSAGES": "²"},
    {"LANG": "", "LC_ALL": ""},
)
COMPLETIONS: tuple[Mapping[str, str], ...] = (
    {"_ATTN_COMPLETE": "complete_bash", "COMP_WORDS": "attn ins", "COMP_CWORD": "1"},
    {"_ATTN_COMPLETE": "complete_bash", "COMP_WORDS": "attn inspect --co", "COMP_CWORD": "2"},
    {"_ATTN_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "attn ins"},
    {"_ATTN_COMPLETE": "complete_bash", "COMP_WORDS": "attn 'ins", "COMP_CWORD": "²"},
    {"_ATTN_COMPLETE": "complete_bash"},
    {"_ATTN_COMPLETE": "source_bash"},
    {"_ATTN_COMPLETE": "garbage"},
    {"_ATTN_COMPLETE": "complete_\x1b[31m"},
    {"_ATTN_COMPLETE": ""},
)


def cases() -> Iterator[Case]:
    yield from _sizes()
    yield from _looks()
    yield from _encodings()
    for number, env in enumerate(COMPLETIONS):
        yield Case(f"terminal/completion-{number}", (), env=env, codes=(0,))


def _sizes() -> Iterator[Case]:
    for name in ("COLUMNS", "TERMINAL_WIDTH", "LINES"):
        for size in SIZES:
            args = ("inspect", TEXT) if name == "COLUMNS" else ("heads", "--help")
            yield Case(f"terminal/{name}={size!r}", args, env={name: size}, codes=(0,))
    for command in COMMANDS:
        for width in ("1", "20", "43", "10000"):
            yield _command(command, f"width-{width}", {"COLUMNS": width})
    for columns in (0, 1, 19, 9_999, 65_535):
        for command in ("inspect", "explain", "command-help"):
            yield _command(command, f"window-{columns}", {}, columns=columns)


def _looks() -> Iterator[Case]:
    for number, env in enumerate(LOOKS):
        name = ",".join(f"{key}={value[:12]!a}" for key, value in env.items())
        for command in ("inspect", "help" if number % 2 else "command-help"):
            yield _command(command, f"looks/{name}", env)
    for choice in ("always", "never", "auto"):
        for number, env in enumerate(({}, {"NO_COLOR": "1"}, {"TERM": "dumb"})):
            yield Case(
                f"terminal/--color-{choice}-{number}",
                ("inspect", MIXED, "--color", choice),
                env=env,
                codes=(0,),
            )
    for choice in ("", "ALWAYS", "²", "\x1b[31m"):
        yield Case(f"terminal/--color-{choice!a}", ("inspect", "a", "--color", choice), codes=(2,))


def _encodings() -> Iterator[Case]:
    for encoding in ENCODINGS:
        for command in ("inspect", "command-help", "explain", "error"):
            yield _command(command, f"encoding-{encoding}", {"PYTHONIOENCODING": encoding})
        yield Case(
            f"terminal/encoding-{encoding}/lines",
            ("inspect", "-", "--lines"),
            stdin=f"{MIXED}\n".encode() * 3,
            env={"PYTHONIOENCODING": encoding},
            codes=(0,),
        )
        yield Case(
            f"terminal/encoding-{encoding}/json",
            ("inspect", MIXED, "--json"),
            env={"PYTHONIOENCODING": encoding},
            codes=(0,),
            in_terminal=False,
        )
    for number, env in enumerate(LOCALES):
        for command in ("inspect", "help", "map"):
            yield _command(command, f"locale-{number}", env)


def _command(command: str, name: str, env: Mapping[str, str], columns: int = 80) -> Case:
    weights = b'{"schema": "attn/1", "text": "\\u6f22 b", "kind": "self", "query_tokens": ['
    weights += b'{"text": "\\u6f22\\u5b57"}, {"text": "\\u001b[31mb"}], "key_tokens": null, '
    weights += b'"mask": {"name": "none", "parameters": {}}, "source": {"kind": "x", "model": "m",'
    weights += b'"architecture": "x", "settings": {}}, "layers": [{"index": 0, "weights": [[['
    files = {}
    if command == "check":
        files["m.csv"] = b"\n".join([b",".join([b"0.125"] * 6)] * 6)
    elif command in ("heads", "diff"):
        files = {
            "a.json": weights + b"0.5, 0.5], [0.25, 0.75]]]}]}",
            "b.json": weights + b"0.5, 0.5], [0.75, 0.25]]]}]}",
        }
    return Case(
        f"terminal/{name}/{command}",
        COMMANDS[command],
        files=files,
        env=env,
        columns=columns,
        codes={"error": (2,), "check": (0, 1), "diff": (1,)}.get(command, (0,)),
    )
