"""A thread that delivers what waits for one sink, and tries again for as long as it takes."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import SQLAlchemyError

from twinspect.errors import StoreError, in_one_line
from twinspect.serve.sinks.base import RefusedError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from twinspect.serve.sinks.base import Outgoing, Sink
    from twinspect.serve.store.line_records import DeliveryRow
    from twinspect.serve.store.outbox import Outbox

LOG = logging.getLogger(__name__)
GIVE_UP_AFTER: Final = timedelta(days=7)
"""How long a delivery is tried; after its next failure it is given up, and can be sent again by a person."""
POLL_SECONDS: Final = 1.0
"""Seconds between two looks at the outbox, at most: other processes write into it as well."""
_BATCH: Final = 32
_DEFECT: Final = "a defect of the server; its log says more"


@dataclass(frozen=True)
class Backoff:
    """How long to wait after a failure: twice as long each time, and by chance, so that not all come back at once.

    Attributes:
        first: seconds after the first failure, at most.
        most: seconds, at most.
    """

    first: float = 1.0
    most: float = 60.0

    def seconds(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row: between half of the time and all of it."""
        return min(self.most, self.first * 2.0 ** min(failures - 1, 60)) * random.uniform(0.5, 1)  # noqa: S311


class Sender:
    """Delivers what waits for a sink, the oldest result first, in a thread of its own.

    While nobody answers, nothing overtakes: after the sink as a whole has waited, the same delivery is tried again. A
    delivery that the receiver refuses waits for itself, and others go on.

    Args:
        sink_id: of the sink.
        name: what the log calls it.
        sink: where deliveries go.
        outbox: where they wait.
        compose: makes what is sent of a delivery.
        per_second: at most so many attempts; ``None`` for no limit.
        backoff: how long to wait after failures.
        now: returns the current time, UTC.
    """

    def __init__(
        self,
        sink_id: int,
        name: str,
        sink: Sink,
        outbox: Outbox,
        compose: Callable[[DeliveryRow], Outgoing],
        *,
        per_second: float | None,
        backoff: Backoff,
        now: Callable[[], datetime],
    ) -> None:
        self.error: str | None = None
        self.next_attempt_at: datetime | None = None
        self._sink_id, self._name, self._sink, self._outbox = sink_id, name, sink, outbox
        self._compose, self._pause = compose, 1 / per_second if per_second else 0.0
        self._backoff, self._now = backoff, now
        self._failures = 0
        self._stopping, self._woken = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sink-{sink_id}", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Look into the outbox now; after a failure, not before its time."""
        self._woken.set()

    def stop(self, timeout: float | None = None) -> None:
        """End after the attempt that is made now; what waits is delivered when another sender starts."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            seconds = self._turn()
            if seconds is not None:
                self._stopping.wait(seconds)
            else:
                self._woken.wait(min(POLL_SECONDS, self._backoff.first))
            self._woken.clear()
        self._sink.close()

    def _turn(self) -> float | None:
        """Deliver what is due; returns how long to wait after a failure, or ``None`` until there is something."""
        try:
            self._sink.open()
            while (due := self._outbox.due(self._sink_id, _BATCH)) and not self._stopping.is_set():
                self._deliver(due)
            if not due and self._failures:
                self._recovered()
        except UnreachableError as error:
            return self._failed(in_one_line(error))
        except (StoreError, SQLAlchemyError, OSError) as error:
            LOG.error("%s: the outbox cannot be used: %s", self._name, in_one_line(error))  # noqa: TRY400
            return POLL_SECONDS
        except Exception:
            LOG.exception("%s: delivering failed", self._name)
            return self._failed(_DEFECT)
        return None

    def _deliver(self, due: list[DeliveryRow]) -> None:
        for delivery in due:
            if self._stopping.is_set():
                return
            began = time.monotonic()
            if (begun := self._outbox.begin(delivery)) is not None:
                self._attempt(begun)
            self._stopping.wait(max(0.0, self._pause - (time.monotonic() - began)))

    def _attempt(self, delivery: DeliveryRow) -> None:
        try:
            self._sink.send(self._compose(delivery))
        except UnreachableError as error:
            self._keep(delivery, 0.0, in_one_line(error))
            raise
        except RefusedError as error:
            self.error = in_one_line(error)
            self._keep(delivery, self._backoff.seconds(delivery.attempts), self.error)
        except (StoreError, SQLAlchemyError, OSError):
            raise
        except Exception:  # one that cannot be described must not keep back all others
            LOG.exception("%s: delivery %s failed", self._name, delivery.uuid)
            self.error = _DEFECT
            self._keep(delivery, self._backoff.seconds(delivery.attempts), _DEFECT)
        else:
            self._outbox.mark_sent(delivery)
            self._recovered()

    def _keep(self, delivery: DeliveryRow, seconds: float, error: str) -> None:
        if self._now() - delivery.waiting_since > GIVE_UP_AFTER:
            self._outbox.expire(delivery, error)
        else:
            self._outbox.postpone(delivery, seconds, error)

    def _failed(self, error: str) -> float:
        if not self._failures:
            LOG.warning("%s: %s; what is to be delivered waits", self._name, error)
        self._failures += 1
        seconds = self._backoff.seconds(self._failures)
        self.error, self.next_attempt_at = error, self._now() + timedelta(seconds=seconds)
        return seconds

    def _recovered(self) -> None:
        if self._failures:
            LOG.warning("%s: delivers again", self._name)
        self.error = self.next_attempt_at = None
        self._failures = 0
