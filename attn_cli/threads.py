"""Threads: independent pieces of work on the cores that there are.

numpy lets other threads run while it computes. It knows nothing of what is computed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TypeVar

T = TypeVar("T")


@cache
def cores() -> int:
    """How many threads to work with: 1 where the BLAS library has been given threads of its own."""
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        return 1
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def each(work: Callable[[T], None], items: Sequence[T]) -> None:
    """Call `work` with every item, in no order; the first exception of any is raised."""
    n_thread = min(cores(), len(items))
    left, failed = iter(items), list[BaseException]()

    def run() -> None:
        for item in _until(left, failed):
            try:
                work(item)
            except BaseException as error:  # carried to the thread that waits
                failed.append(error)

    others = [threading.Thread(target=run, daemon=True) for _ in range(n_thread - 1)]
    for thread in others:
        thread.start()
    run()
    for thread in others:
        thread.join()
    if failed:
        raise failed[0]


def _until(items: Iterator[T], failed: list[BaseException]) -> Iterator[T]:
    """The items that no other thread has taken, until one has failed."""
    while not failed:
        try:
            yield next(items)
        except StopIteration:
            return
