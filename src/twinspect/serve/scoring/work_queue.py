"""A model's queue: images wait while others are scored, and are then scored together.

No batch waits to be filled: whatever arrived while the last batch was scored becomes the next one. A full queue tells
clients how long to wait, by the measured pace.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from twinspect.inference.pipeline import SCORE_BATCH
from twinspect.serve.api_errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOG = logging.getLogger(__name__)
MAX_RETRY_AFTER: Final = 60
"""Upper limit of the seconds after which a refused client is asked to retry."""
_SMOOTHING: Final = 0.2
"""Weight of the newest batch in the moving average of the pace."""
_INITIAL_PACE: Final = 0.1
"""Seconds per image, before any batch was timed."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class QueuedItem(Generic[Item, Result]):
    """An item that waits, with the future of its result."""

    item: Item
    weight: int = 0
    result: Future[Result] = field(default_factory=Future)


class WorkQueue(Generic[Item, Result]):
    """Processes items in one thread, in batches.

    Args:
        name: the thread's name.
        work: takes a batch of items and returns as many results; must not raise because of a single item.
        limit: how many items may wait.
        weigh: returns how much memory an item holds, in bytes.
        max_weight: upper limit of the memory of all items, in bytes; a single item may exceed it.
        batch: how many items are processed at once.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        limit: int = 256,
        weigh: Callable[[Item], int] = lambda _: 0,
        max_weight: int = 2**30,
        batch: int = SCORE_BATCH,
    ) -> None:
        self.limit = limit
        self._work, self._batch = work, batch
        self._weigh, self._max_weight = weigh, max_weight
        self._waiting: deque[QueuedItem[Item, Result]] = deque()
        self._calls: deque[tuple[Callable[[], object], Future[object]]] = deque()
        self._reserved = self._busy = self._weight = 0
        self._pace = _INITIAL_PACE
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def length(self) -> int:
        """How many items wait or are processed now."""
        return len(self._waiting) + self._reserved + self._busy

    @property
    def is_memory_full(self) -> bool:
        """Whether the items exceed the memory limit."""
        return self._weight > self._max_weight

    @property
    def pace(self) -> float:
        """Seconds per item, a moving average."""
        return self._pace

    @property
    def is_stopping(self) -> bool:
        """Whether new items are refused."""
        return self._stopping

    def reserve(self, count: int) -> None:
        """Reserve places for items that will be put in, before anything is written to disk.

        Raises:
            ApiError: ``queue_full`` with the time to wait, or ``stopping_error``.
        """
        with self._changed:
            if self._stopping:
                raise stopping_error()
            excess = self.length + count - self.limit
            if excess > 0 and (self.length or count > self.limit):
                raise self._full(excess)
            if self.is_memory_full:
                raise self._full(1)
            self._reserved += count

    def release(self, count: int) -> None:
        """Release places that were reserved and not used."""
        with self._changed:
            self._reserved -= count
            self._changed.notify_all()

    def put(self, *items: Item) -> list[Future[Result]]:
        """Put items into reserved places, to be processed together if possible; returns futures of their results."""
        return self._append(items, reserved=len(items))

    def recover(self, *items: Item) -> list[Future[Result]]:
        """Put in items of an earlier run, whether or not there is room."""
        return self._append(items, reserved=0)

    def call(self, function: Callable[[], object]) -> Future[object]:
        """Run a function in the same thread, before the next batch, so that it never runs beside one."""
        result: Future[object] = Future()
        with self._changed:
            if self._stopping and not self.length:
                raise stopping_error()
            self._calls.append((function, result))
            self._changed.notify_all()
        return result

    def stop(self, timeout: float | None = None) -> bool:
        """Refuse new items, finish those that were accepted, and end the thread.

        Args:
            timeout: seconds to wait; ``None`` for no limit.

        Returns:
            Whether everything was finished in that time.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _append(self, items: Sequence[Item], reserved: int) -> list[Future[Result]]:
        waiting: list[QueuedItem[Item, Result]] = [QueuedItem(item, self._weigh(item)) for item in items]
        with self._changed:
            self._reserved -= reserved
            self._weight += sum(queued.weight for queued in waiting)
            self._waiting += waiting
            self._changed.notify_all()
        return [queued.result for queued in waiting]

    def _full(self, excess: int) -> ApiError:
        seconds = min(MAX_RETRY_AFTER, max(1, math.ceil(excess * self._pace)))
        return ApiError(
            "queue_full",
            f"the queue is full: {self.length} of {self.limit} images wait; nothing of this request was kept: retry "
            f"in {seconds} s",
            retry_after=seconds,
        )

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work_or_is_done)
                if not (self._waiting or self._calls):
                    return
                call = self._calls.popleft() if self._calls else None
                batch = [] if call else self._next_batch()
            if call:
                _set_result(*call)
            else:
                self._process(batch)

    def _has_work_or_is_done(self) -> bool:
        return bool(self._waiting or self._calls or (self._stopping and not self._reserved))

    def _next_batch(self) -> list[QueuedItem[Item, Result]]:
        batch = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
        self._busy = len(batch)
        return batch

    def _process(self, batch: list[QueuedItem[Item, Result]]) -> None:
        began = time.perf_counter()
        try:
            results = self._work([queued.item for queued in batch])
        except Exception as error:
            LOG.exception("a batch of %d failed", len(batch))
            for queued in batch:
                queued.result.set_exception(error)
        else:
            for queued, result in zip(batch, results, strict=True):
                queued.result.set_result(result)
        self._update_pace(batch, (time.perf_counter() - began) / len(batch))

    def _update_pace(self, batch: list[QueuedItem[Item, Result]], seconds: float) -> None:
        with self._changed:
            self._pace += _SMOOTHING * (seconds - self._pace)
            self._weight -= sum(queued.weight for queued in batch)
            self._busy = 0
            self._changed.notify_all()


def stopping_error() -> ApiError:
    """Return the error of a server that is shutting down."""
    return ApiError(
        "stopping", "the server is stopping; what it accepted is being scored: retry later", retry_after=10
    )


def _set_result(function: Callable[[], object], result: Future[object]) -> None:
    try:
        result.set_result(function())
    except Exception as error:  # noqa: BLE001 - raised where the result is awaited
        result.set_exception(error)
