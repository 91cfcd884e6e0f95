"""Progress: a bar on standard error, only for what takes long and only where somebody looks."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from attn_cli.ending import undoing

_PATIENCE = 1.0  # seconds before a bar appears


class Meter(AbstractContextManager["Meter"]):
    """Counts the bytes read through it, and shows a bar to a terminal after the first second."""

    def __init__(self, files: list[Path]) -> None:
        self._total = sum(path.stat().st_size for path in files if path.is_file())
        self._wanted = sys.stderr is not None and sys.stderr.isatty()
        self._start, self._done = time.monotonic(), 0
        self._bar: Any = None

    def reading(self, stream: BinaryIO) -> Metered:
        """The same stream, counted."""
        return Metered(stream, self)

    def advance(self, count: int) -> None:
        """So many bytes more are read."""
        self._done += count
        if self._bar is None and self._wanted and time.monotonic() - self._start > _PATIENCE:
            self._show()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

        console = Console(stderr=True, force_jupyter=False)
        self._bar = Progress(
            "reading",
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._bar.add_task("reading", total=self._total or None)
        self._hidden = undoing(self._bar.stop)  # the cursor is
        self._hidden.__enter__()
        self._bar.start()

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._hidden.__exit__(None, None, None)


class Metered:
    """A stream whose reads are counted."""

    def __init__(self, stream: BinaryIO, meter: Meter) -> None:
        self._read = getattr(stream, "read1", stream.read)
        self._meter = meter

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._read(size)
        self._meter.advance(len(data))
        return data
