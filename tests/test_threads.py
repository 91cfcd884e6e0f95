"""Threads: every item once, errors carried over, and none where BLAS has its own."""

from __future__ import annotations

import threading

import pytest

from attn_cli import threads


@pytest.fixture(params=[1, 2, 5])
def n_core(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(threads, "cores", lambda: request.param)
    return int(request.param)


def test_every_item_once(n_core: int) -> None:
    seen: list[int] = []
    threads.each(seen.append, range(100))
    assert sorted(seen) == list(range(100))
    threads.each(seen.append, [])
    assert len(seen) == 100


def test_as_many_threads_as_cores(n_core: int) -> None:
    together = threading.Barrier(n_core, timeout=10)  # nobody passes before all are there
    threads.each(lambda _: together.wait() and None, range(n_core))


def test_an_error_is_raised_where_it_is_waited_for(n_core: int) -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item == 3:
            raise ValueError("three")
        done.append(item)

    with pytest.raises(ValueError, match="three"):
        threads.each(work, range(1000))
    assert len(done) < 1000


def test_blas_with_threads_of_its_own_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, most in (("4", 1), (None, 1), ("1", 10_000)):
        threads.cores.cache_clear()
        if value is None:
            monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
        else:
            monkeypatch.setenv("OPENBLAS_NUM_THREADS", value)
        assert 1 <= threads.cores() <= most
    threads.cores.cache_clear()
