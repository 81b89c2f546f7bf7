"""A model's queue: images wait while others are scored, and are then scored together.

Nothing waits for a batch to fill: whatever arrived while the last batch was scored is the next one. A full queue
says how long it will take, by the pace that was measured.
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
"""Seconds after which a refused client is asked to come back at the latest."""
_SMOOTHING: Final = 0.2
"""Weight of the newest batch in the measured pace."""
_INITIAL_PACE: Final = 0.1
"""Seconds an image, until one was measured."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class QueuedItem(Generic[Item, Result]):
    """One piece of work, and where its result will be."""

    item: Item
    weight: int = 0
    result: Future[Result] = field(default_factory=Future)


class WorkQueue(Generic[Item, Result]):
    """Works on items in one thread, several at once.

    Args:
        name: of the thread.
        work: takes items, gives as many results; must not raise for what one item does wrong.
        limit: items that may wait.
        weigh: how much memory an item holds, in bytes.
        most_weight: what they may weigh together, in bytes; one item alone may weigh more.
        batch: items that are worked on at once.
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
        """How many items wait or are worked on."""
        return len(self._waiting) + self._reserved + self._busy

    @property
    def is_memory_full(self) -> bool:
        """Whether what waits takes all the memory it may."""
        return self._weight > self._max_weight

    @property
    def pace(self) -> float:
        """Seconds an item, as measured of late."""
        return self._pace

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more is accepted."""
        return self._stopping

    def reserve(self, count: int) -> None:
        """Take places for items that are about to come, before anything is written of them.

        Raises:
            Refusal: ``queue_full`` with the time to wait, or ``stopping_error``.
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
        """Give places back that were not used."""
        with self._changed:
            self._reserved -= count
            self._changed.notify_all()

    def put(self, *items: Item) -> list[Future[Result]]:
        """Put items in reserved places, to be worked on together if they can be; results come with the futures."""
        return self._append(items, reserved=len(items))

    def recover(self, *items: Item) -> list[Future[Result]]:
        """Put in items from before, whether or not there is room for more."""
        return self._append(items, reserved=0)

    def call(self, function: Callable[[], object]) -> Future[object]:
        """Run something in the same thread, before the next batch: two things never use what it uses at once."""
        result: Future[object] = Future()
        with self._changed:
            if self._stopping and not self.length:
                raise stopping_error()
            self._calls.append((function, result))
            self._changed.notify_all()
        return result

    def stop(self, timeout: float | None = None) -> bool:
        """Accept nothing more, finish what was accepted, and end the thread.

        Args:
            timeout: seconds to wait; ``None`` for as long as it takes.

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
            self._weight += sum(each.weight for each in waiting)
            self._waiting += waiting
            self._changed.notify_all()
        return [each.result for each in waiting]

    def _full(self, excess: int) -> ApiError:
        seconds = min(MAX_RETRY_AFTER, max(1, math.ceil(excess * self._pace)))
        return ApiError(
            "queue_full",
            f"{self.length} images wait, {self.limit} may; nothing was kept of yours: send it again "
            f"in {seconds} s",
            retry_after=seconds,
        )

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work_or_ends)
                if not (self._waiting or self._calls):
                    return
                call = self._calls.popleft() if self._calls else None
                batch = [] if call else self._next_batch()
            if call:
                _set_result(*call)
            else:
                self._finish(batch)

    def _has_work_or_ends(self) -> bool:
        return bool(self._waiting or self._calls or (self._stopping and not self._reserved))

    def _next_batch(self) -> list[QueuedItem[Item, Result]]:
        batch = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
        self._busy = len(batch)
        return batch

    def _finish(self, batch: list[QueuedItem[Item, Result]]) -> None:
        began = time.perf_counter()
        try:
            results = self._work([each.item for each in batch])
        except Exception as error:
            LOG.exception("a batch of %d failed", len(batch))
            for each in batch:
                each.result.set_exception(error)
        else:
            for each, result in zip(batch, results, strict=True):
                each.result.set_result(result)
        self._account(batch, (time.perf_counter() - began) / len(batch))

    def _account(self, batch: list[QueuedItem[Item, Result]], seconds: float) -> None:
        with self._changed:
            self._pace += _SMOOTHING * (seconds - self._pace)
            self._weight -= sum(each.weight for each in batch)
            self._busy = 0
            self._changed.notify_all()


def stopping_error() -> ApiError:
    """Say that the server goes down."""
    return ApiError(
        "stopping", "the server is stopping; what it accepted is being scored: try again", retry_after=10
    )


def _set_result(function: Callable[[], object], result: Future[object]) -> None:
    try:
        result.set_result(function())
    except Exception as error:  # noqa: BLE001 - whoever waits gets it
        result.set_exception(error)
