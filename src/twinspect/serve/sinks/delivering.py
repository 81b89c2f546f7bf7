"""The sinks of a server: a sender for each, started and stopped as they are added and removed."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from sqlalchemy.exc import SQLAlchemyError

from twinspect.errors import MissingExtraError, StoreError, in_one_line
from twinspect.serve.sinks.base import Outgoing, RefusedError, UnreachableError
from twinspect.serve.sinks.mqtt import Mqtt
from twinspect.serve.sinks.result_folder import ResultFolder
from twinspect.serve.sinks.result_record import made_up_record, result_record
from twinspect.serve.sinks.sender import Backoff, Sender
from twinspect.serve.sinks.targets import FolderTarget, MqttTarget, read_target
from twinspect.serve.sinks.webhook import Webhook
from twinspect.serve.store.endpoints import Endpoints, sinks
from twinspect.serve.store.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from twinspect.calibration.conformal import Calibration
    from twinspect.serve.sinks.base import Sink
    from twinspect.serve.sinks.result_folder import Pictures
    from twinspect.serve.sinks.targets import WebhookTarget
    from twinspect.serve.store import Store
    from twinspect.serve.store.line_records import DeliveryRow, SinkRow

LOG = logging.getLogger(__name__)
STOP_SECONDS: Final = 5.0
"""Seconds that deliveries may still take when their sink stops; one that is cut off is made again."""


@dataclass(frozen=True)
class Composer:
    """Makes what is sent of a delivery.

    Attributes:
        store: where inspections are.
        calibration: returns a calibration by its id.
        address: in front of the path of an inspection, such as ``https://plant.local``; empty for the path alone.
        version: returns the number of a product's version by its weights; ``None`` where it has no versions.
    """

    store: Store
    calibration: Callable[[int], Calibration]
    address: str = ""
    version: Callable[[str, str | None], int | None] = lambda _model, _weights: None

    def compose(self, delivery: DeliveryRow) -> Outgoing:
        """Describe the result.

        Raises:
            StoreError, SQLAlchemyError: the store does not respond.
        """
        row = self.store.inspection(delivery.inspection_id)
        threshold = None
        if row.calibration_id is not None:
            threshold = self.calibration(row.calibration_id).of(row.category).threshold
        record = result_record(
            row,
            delivery.uuid,
            threshold=threshold,
            version=self.version(row.model, row.weights_sha256),
            url=f"{self.address}/v1/inspections/{row.id}",
        )
        return Outgoing(delivery.uuid, delivery.attempts, record, row)


@dataclass
class Delivering:
    """Delivers the results of a server.

    Attributes:
        store: where sinks and the outbox are.
        composer: makes what is sent.
        pictures: where images of folders come from.
        backoff: how long senders wait after failures.
    """

    store: Store
    composer: Composer
    pictures: Pictures
    backoff: Backoff = field(default_factory=Backoff)

    def __post_init__(self) -> None:
        """Make access to the store."""
        self.sinks: Endpoints[SinkRow] = sinks(self.store)
        self.outbox = Outbox(self.store)
        self._running: dict[int, tuple[SinkRow, Sender]] = {}
        self._problems: dict[int, str] = {}
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Start and stop senders, so that those run that the store has, each as the store has it."""
        with self._lock:
            rows = {row.id: row for row in self.sinks.all() if row.enabled}
            for number, (row, sender) in list(self._running.items()):
                if rows.get(number) != row:
                    del self._running[number]
                    sender.stop(STOP_SECONDS)
            for number in rows.keys() - self._running.keys():
                self._start(rows[number])

    def wake(self, model: str) -> None:
        """Deliver the new results of a model."""
        for row, sender in list(self._running.values()):
            if row.model == model:
                sender.wake()

    def error(self, sink_id: int) -> str | None:
        """Say what went wrong last with a sink; ``None`` if nothing did since something was sent."""
        _, sender = self._running.get(sink_id, (None, None))
        return sender.error if sender else self._problems.get(sink_id)

    def test(self, model: str, target: WebhookTarget | MqttTarget | FolderTarget) -> tuple[str | None, float]:
        """Send a record that says it is a test, beside the outbox and once.

        Returns:
            What went wrong, or ``None``; and the milliseconds it took.

        Raises:
            MissingExtraError: a package is not installed.
        """
        began, error = time.perf_counter(), None
        if isinstance(target, MqttTarget):  # a test's end must not be told as the server's
            target = target.model_copy(update={"status_topic": ""})
        sink, uuid = self.make(model, target), str(uuid4())
        try:
            sink.open()
            sink.send(Outgoing(uuid, 1, made_up_record(model, uuid, self.store.now())))
        except (UnreachableError, RefusedError) as problem:
            error = in_one_line(problem)
        finally:
            sink.close()
        return error, 1000 * (time.perf_counter() - began)

    def make(self, model: str, target: WebhookTarget | MqttTarget | FolderTarget) -> Sink:
        """Make a sink.

        Raises:
            MissingExtraError: a package is not installed.
        """
        if isinstance(target, MqttTarget):
            return Mqtt(target, model)
        if isinstance(target, FolderTarget):
            return ResultFolder(target, self.pictures)
        return Webhook(target)

    def stop(self) -> None:
        """Deliver for some seconds what can be delivered, and stop; the rest is delivered after the next start."""
        end = time.monotonic() + STOP_SECONDS
        while self._is_delivering() and time.monotonic() < end:
            time.sleep(0.05)
        with self._lock:
            senders = [sender for _, sender in self._running.values()]
            self._running.clear()
            for seconds in (0.0, STOP_SECONDS):  # all are told before the first is waited for
                for sender in senders:
                    sender.stop(seconds)

    def _is_delivering(self) -> bool:
        """Tell whether something waits for a receiver that takes what it is sent."""
        with suppress(StoreError, SQLAlchemyError):
            return any(
                sender.error is None and self.outbox.state(number).waiting
                for number, (_, sender) in list(self._running.items())
            )
        return False

    def _start(self, row: SinkRow) -> None:
        try:
            target = read_target(row.kind, row.settings | row.secrets)
            sink = self.make(row.model, target)
        except (ValueError, MissingExtraError) as error:
            self._problems[row.id] = in_one_line(error)
            LOG.error("sink %d cannot be started: %s", row.id, in_one_line(error))  # noqa: TRY400 - a user's mistake
            return
        sender = Sender(
            row.id,
            f"sink {row.id} ({row.kind} {target.address})",
            sink,
            self.outbox,
            self.composer.compose,
            per_second=row.per_second,
            backoff=self.backoff,
            now=self.store.now,
        )
        self._running[row.id] = (row, sender)
        sender.start()
