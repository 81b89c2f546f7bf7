"""Reading ahead with threads, in order and within bounds.

Decoding releases Python's lock, so threads are enough: there are no processes to fork, no workers that
die silently, and nothing differs on Windows.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from twinspect.errors import ConfigError, ImageError
from twinspect.utils.memory import TOO_LARGE, naming_exhaustion

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from twinspect.data.samples import Sample

T = TypeVar("T")
R = TypeVar("R")

_POLL = 0.5
"""Seconds between checks of a slow item: on Windows, Ctrl-C cannot end a wait without a limit."""


@dataclass(frozen=True)
class ReadFailure:
    """An image that could not be read.

    Attributes:
        sample: which one.
        message: why, in one line that starts with its path.
    """

    sample: Sample
    message: str


def default_workers() -> int:
    """Return how many threads should read images: the processors this process may use, at most 8."""
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Windows and macOS
        available = os.cpu_count() or 1
    return min(available, 8)


def prefetch(
    items: Iterable[T], work: Callable[[T], R], *, workers: int, ahead: int
) -> Generator[R, None, None]:
    """Do work on items in threads, a bounded number of items ahead, and give the results in order.

    An exception is raised at its item's turn and ends the iteration. Closing the iterator drops work that
    has not begun and does not wait for work that has.

    Args:
        items: what to work on; taken in the caller's thread, no further ahead than ``ahead``.
        work: called once an item, from several threads at once.
        workers: threads; 0 works in the caller's thread, one item at a time and nothing ahead.
        ahead: how many items at most are begun or done before their results are asked for.

    Raises:
        ConfigError: ``workers`` is negative or ``ahead`` is not positive.
    """
    if workers < 0 or ahead < 1:
        raise ConfigError(
            f"workers is {workers} and ahead is {ahead}; allowed are workers >= 0 and ahead >= 1"
        )
    if workers == 0:
        return (work(item) for item in items)
    return _in_threads(items, work, workers, ahead)


def read_samples(
    samples: Sequence[Sample],
    work: Callable[[Sample], R],
    *,
    workers: int | None = None,
    ahead: int | None = None,
) -> Generator[R | ReadFailure, None, None]:
    """Read samples ahead and in order; one that cannot be read becomes a `ReadFailure` in its place.

    Args:
        samples: what to read.
        work: reads one sample; an `ImageError` it raises becomes the failure's message, so does running out of
            memory; others are raised.
        workers: threads; ``None`` for `default_workers`.
        ahead: how many samples at most are read before they are asked for; ``None`` for twice the threads.
    """

    def attempt(sample: Sample) -> R | ReadFailure:
        try:
            with naming_exhaustion():
                return work(sample)
        except ImageError as error:
            return ReadFailure(sample, str(error))
        except MemoryError:
            return ReadFailure(sample, f"{sample.address}: {TOO_LARGE}")

    threads = default_workers() if workers is None else workers
    return prefetch(samples, attempt, workers=threads, ahead=ahead or max(1, 2 * threads))


def _in_threads(
    items: Iterable[T], work: Callable[[T], R], workers: int, ahead: int
) -> Generator[R, None, None]:
    pool = ThreadPoolExecutor(min(workers, ahead), thread_name_prefix="twinspect-read")
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == ahead:
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _result(future: Future[R]) -> R:
    while not future.done():
        wait((future,), timeout=_POLL)
    return future.result()
