"""Prometheus metrics, served at ``/metrics``."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from twinspect.errors import StoreError
from twinspect.serve.http.connections import TimedProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from twinspect.serve.scoring.model_registry import ModelRegistry
    from twinspect.serve.scoring.model_worker import ModelWorker
    from twinspect.serve.sinks.delivering import Delivering
    from twinspect.serve.store import Finished

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCHES: Final = (1, 2, 3, 4, 5, 6, 7, 8)


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "twinspect_http_requests", "answers", ["method", "route", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "twinspect_http_seconds",
            "time to answer",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.accepted = Counter(
            "twinspect_images_accepted", "images taken", ["model", "source"], registry=self._registry
        )
        self.refused = Counter(
            "twinspect_images_refused", "images not taken", ["code"], registry=self._registry
        )
        self._inspections = Counter(
            "twinspect_inspections", "images scored", ["model", "decision"], registry=self._registry
        )
        self._batches = Histogram(
            "twinspect_batch_images",
            "images scored at once",
            ["model"],
            buckets=_BATCHES,
            registry=self._registry,
        )
        self._scoring = Histogram(
            "twinspect_scoring_seconds",
            "time an image took in its batch",
            ["model"],
            buckets=_SECONDS,
            registry=self._registry,
        )

        self._registry.register(_ConnectionCollector())

    def add_models(self, registry: ModelRegistry) -> None:
        """Add the state of all models."""
        self._registry.register(_ModelCollector(registry))

    def add_drift(self, registry: ModelRegistry, is_drifting: Callable[[ModelWorker], bool]) -> None:
        """Add whether each model's newest full window raises an alarm."""
        self._registry.register(_DriftCollector(registry, is_drifting))

    def add_sinks(self, delivering: Delivering) -> None:
        """Add what is in the outbox for each sink."""
        self._registry.register(_DeliveryCollector(delivering))

    def count_batch(self, model: str, finished: Sequence[Finished]) -> None:
        """Count a scored batch."""
        self._batches.labels(model).observe(len(finished))
        for result in finished:
            self._inspections.labels(model, _decision(result)).inc()
            if result.milliseconds is not None:
                self._scoring.labels(model).observe(result.milliseconds / 1000)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _ConnectionCollector(Collector):
    """Reads how many connections of this process were closed, which are counted before there is a request."""

    def collect(self) -> Iterable[CounterMetricFamily]:
        closed = CounterMetricFamily(
            "twinspect_connections_closed", "connections closed without a whole header", labels=["reason"]
        )
        for reason, count in TimedProtocol.closed.items():
            closed.add_metric([reason], count)
        return (closed,)


class _ModelCollector(Collector):
    """Reads the models' state whenever metrics are collected."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._models = registry

    def collect(self) -> Iterable[GaugeMetricFamily]:
        length = GaugeMetricFamily("twinspect_queue_length", "images that wait", labels=["model"])
        limit = GaugeMetricFamily("twinspect_queue_limit", "images that may wait", labels=["model"])
        stale = GaugeMetricFamily(
            "twinspect_model_stale", "1 if the folder's newest version could not be loaded", labels=["model"]
        )
        for worker in self._models:
            length.add_metric([worker.name], worker.queue.length)
            limit.add_metric([worker.name], worker.queue.limit)
            stale.add_metric([worker.name], worker.error is not None)
        return (length, limit, stale)


class _DriftCollector(Collector):
    """Tests the newest windows whenever metrics are collected; each window is tested once."""

    def __init__(self, registry: ModelRegistry, is_drifting: Callable[[ModelWorker], bool]) -> None:
        self._models, self._is_drifting = registry, is_drifting

    def collect(self) -> Iterable[GaugeMetricFamily]:
        alarm = GaugeMetricFamily(
            "twinspect_drift_alarm", "1 if the newest full window raises an alarm", labels=["model"]
        )
        for worker in self._models:
            with suppress(StoreError, SQLAlchemyError):  # the store may respond at the next collection
                alarm.add_metric([worker.name], self._is_drifting(worker))
        return (alarm,)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name nothing before it is collected: the store need not respond yet."""
        return ()


class _DeliveryCollector(Collector):
    """Counts what is in the outbox whenever metrics are collected."""

    def __init__(self, delivering: Delivering) -> None:
        self._delivering = delivering

    def collect(self) -> Iterable[GaugeMetricFamily]:
        labels = ["model", "sink"]
        waiting = GaugeMetricFamily(
            "twinspect_deliveries_waiting", "results not delivered yet", labels=labels
        )
        given_up = GaugeMetricFamily("twinspect_deliveries_given_up", "results given up", labels=labels)
        with suppress(StoreError, SQLAlchemyError):  # the store may respond at the next collection
            for row in self._delivering.sinks.all():
                state, names = self._delivering.outbox.state(row.id), [row.model, str(row.id)]
                waiting.add_metric(names, state.waiting)
                given_up.add_metric(names, state.given_up)
        return (waiting, given_up)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name nothing before it is collected: the store need not respond yet."""
        return ()


class RequestCounter:
    """Counts responses by route, never by path: clients choose paths, and each would be a series of its own."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                self._metrics.requests.labels(scope["method"], route, message["status"]).inc()
                self._metrics.seconds.labels(scope["method"], route).observe(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, counting)


def _decision(finished: Finished) -> str:
    if finished.error is not None:
        return "failed"
    if finished.not_inspectable:
        return "not_inspectable"
    return "anomalous" if finished.is_anomalous else "good"
