"""The queue of a model: batches form by themselves, room is limited, and nothing accepted is dropped."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.rate_limit import RateLimit
from twinspect.serve.scoring.work_queue import MAX_RETRY_AFTER, WorkQueue

if TYPE_CHECKING:
    from collections.abc import Sequence


class Bench:
    """Work that waits until it may go on, and notes its batches."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.started = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.started.set()
        assert self.go.wait(10)
        self.batches.append(list(items))
        return [10 * item for item in items]


def put(queue: WorkQueue[int, int], *items: int) -> list[int]:
    queue.reserve(len(items))
    futures = queue.put(*items)
    return [future.result(10) for future in futures]


def test_what_arrives_during_a_batch_is_the_next_batch() -> None:
    bench = Bench()
    queue = WorkQueue("test", bench, batch=4)
    queue.reserve(8)
    (first,) = queue.put(0)
    assert bench.started.wait(10)
    later = queue.put(*range(1, 8))
    bench.go.set()
    assert [future.result(10) for future in (first, *later)] == [0, 10, 20, 30, 40, 50, 60, 70]
    assert bench.batches == [[0], [1, 2, 3, 4], [5, 6, 7]]
    assert queue.stop(10)


def test_a_full_queue_says_when_to_come_back() -> None:
    bench = Bench()
    queue = WorkQueue("test", bench, limit=3)
    queue.reserve(3)
    futures = queue.put(*range(3))
    with pytest.raises(ApiError) as raised:
        queue.reserve(1)
    assert raised.value.code == "queue_full"
    assert raised.value.status == 429
    assert 1 <= int(raised.value.headers["Retry-After"]) <= MAX_RETRY_AFTER
    bench.go.set()
    assert [future.result(10) for future in futures] == [0, 10, 20]
    assert put(queue, 5) == [50]
    queue.stop(10)


def test_places_that_were_not_used_are_free_again() -> None:
    bench = Bench()
    bench.go.set()
    queue = WorkQueue("test", bench, limit=2)
    queue.reserve(2)
    assert queue.length == 2
    queue.release(2)
    assert queue.length == 0
    assert put(queue, 1, 2) == [10, 20]
    queue.stop(10)


def test_too_many_pixels_in_memory_is_full_too() -> None:
    bench = Bench()
    queue = WorkQueue("test", bench, weigh=lambda item: item, max_weight=100)
    queue.reserve(1)
    (future,) = queue.put(101)
    with pytest.raises(ApiError, match="wait"):
        queue.reserve(1)
    bench.go.set()
    future.result(10)
    assert put(queue, 2) == [20]
    queue.stop(10)


def test_stopping_finishes_what_was_accepted_and_nothing_else() -> None:
    bench = Bench()
    queue = WorkQueue("test", bench)
    queue.reserve(3)
    futures = queue.put(1, 2)
    assert not queue.stop(0.01)
    with pytest.raises(ApiError) as raised:
        queue.reserve(1)
    assert raised.value.code == "stopping"
    bench.go.set()
    assert [future.result(10) for future in futures] == [10, 20]
    assert not queue.stop(0.05)  # a place is reserved still: its image may be accepted any moment
    (last,) = queue.put(3)
    assert last.result(10) == 30
    assert queue.stop(10)


def test_recovered_work_needs_no_room() -> None:
    bench = Bench()
    queue = WorkQueue("test", bench, limit=1)
    futures = queue.recover(*range(5))
    with pytest.raises(ApiError):
        queue.reserve(1)
    bench.go.set()
    assert [future.result(10) for future in futures] == [0, 10, 20, 30, 40]
    queue.stop(10)


def test_calls_come_before_the_next_batch_and_in_the_same_thread() -> None:
    bench = Bench()
    queue = WorkQueue("test", bench, batch=1)
    queue.reserve(2)
    queue.put(1)
    assert bench.started.wait(10)
    (last,) = queue.put(2)
    call = queue.call(lambda: (threading.current_thread().name, len(bench.batches)))
    bench.go.set()
    assert call.result(10) == ("test", 1)
    assert last.result(10) == 20
    queue.stop(10)


def test_a_failing_batch_does_not_end_the_queue() -> None:
    def work(items: Sequence[int]) -> list[int]:
        if 1 in items:
            raise ValueError("broken")
        return list(items)

    queue = WorkQueue("test", work)
    queue.reserve(1)
    with pytest.raises(ValueError, match="broken"):
        queue.put(1)[0].result(10)
    assert put(queue, 2) == [2]
    queue.stop(10)


def test_a_client_may_ask_so_often_and_no_more() -> None:
    now = 0.0
    limit = RateLimit(2, clock=lambda: now)
    for _ in range(8):
        limit.check("a")
    with pytest.raises(ApiError) as raised:
        limit.check("a")
    assert raised.value.code == "rate_limited"
    assert raised.value.headers["Retry-After"] == "1"
    limit.check("b")
    now = 0.5
    limit.check("a")
    with pytest.raises(ApiError):
        limit.check("a")
    for _ in range(1000):
        RateLimit(0).check("a")
