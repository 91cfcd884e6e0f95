"""Pace: a guard against what grows without end; how fast anything is, `benchmarks/` measures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

# Seconds of processor time. A second is what people are promised on a quiet machine; what this
# guards against takes minutes anywhere.
SLOW = 5


@contextmanager
def promptly() -> Iterator[None]:
    """Fail where what is done within takes longer than any sound program would."""
    started = time.process_time()
    yield
    assert time.process_time() - started < SLOW
