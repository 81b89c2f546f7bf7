"""Running a server: from settings to a process that loses nothing it accepted when it stops."""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from twinspect.errors import ConfigError, DataError
from twinspect.serve.app import build_app, guard_app
from twinspect.serve.drift.latest import latest_drift
from twinspect.serve.http.connections import TimedProtocol, most_connections
from twinspect.serve.http.context import Context
from twinspect.serve.http.lingering import Lingering
from twinspect.serve.http.monitoring import Metrics
from twinspect.serve.http.rate_limit import RateLimit
from twinspect.serve.http.request_guard import Hosts
from twinspect.serve.http.root_path import UnderRootPath
from twinspect.serve.http.tokens import read_tokens
from twinspect.serve.logs import log_to_stderr
from twinspect.serve.scoring.model_registry import ModelRegistry
from twinspect.serve.served_pictures import ServedPictures
from twinspect.serve.sinks.delivering import Composer, Delivering
from twinspect.serve.sources.folder_scan import folder_names
from twinspect.serve.sources.running_sources import RunningSources
from twinspect.serve.sources.watcher import FolderWatch, Intake, watch
from twinspect.serve.starting_app import StartingApp
from twinspect.serve.store import Retention, Store
from twinspect.utils.locks import single_writer
from twinspect.utils.progress import finish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import FrameType

    from starlette.types import ASGIApp

    from twinspect.serve.products.studio import Studio
    from twinspect.serve.settings import Settings
    from twinspect.serve.store import Finished

    Listener = Callable[[str, Sequence[Finished]], None]

LOG = logging.getLogger(__name__)
RETENTION_INTERVAL: Final = 600.0
"""Seconds between runs of the retention."""


@dataclass(frozen=True)
class RunningServer:
    """A server that is ready to respond.

    Attributes:
        context: its state: the store, the models and more.
        app: the application behind its guard.
    """

    context: Context
    app: ASGIApp


@contextmanager
def running_server(settings: Settings) -> Iterator[RunningServer]:
    """Open the store, load the models and resume queued work; at the end, score what was accepted and close.

    Raises:
        ConfigError, BundleError, StoreError, MissingExtraError: a setting is wrong; the message says which.
    """
    tokens = read_tokens(settings.token_file) if settings.token_file else None
    metrics = Metrics()
    listeners: list[Listener] = [metrics.count_batch]

    def tell(model: str, results: Sequence[Finished]) -> None:
        for listener in listeners:
            listener(model, results)

    with (
        only_studio(settings) if settings.studio else nullcontext(),
        Store(settings.db, settings.data) as store,
    ):
        registry = ModelRegistry(
            settings.models,
            store,
            runtime=settings.runtime,
            device=settings.device,
            threads=settings.threads,
            queue_limit=settings.queue,
            on_results=tell,
        )
        metrics.add_models(registry)
        context = Context(
            store,
            registry,
            metrics,
            tokens,
            settings.limits,
            _watched_folders(settings, registry),
            settings.allowed_folders,
            settings.root_path,
            studio=_studio(settings, store, registry),
        )
        context.delivering = _delivering(context, settings)
        metrics.add_sinks(context.delivering)
        context.sources = RunningSources(store, registry, tell, (settings.data,))
        listeners.append(lambda model, _: context.delivering.wake(model))
        metrics.add_drift(registry, lambda worker: latest_drift(context, worker) is not None)
        hosts = Hosts.of(settings.host, settings.allow_hosts)
        app = guard_app(build_app(context), context, hosts, RateLimit(settings.rate_limit))
        registry.start()
        context.delivering.refresh()
        if context.studio:
            listeners.append(context.studio.shadow.add)
            context.studio.start()
        stop = _start_retention(store, settings)
        _watch_folders(context, settings, stop, tell)
        context.sources.refresh()
        try:
            yield RunningServer(context, app)
        finally:
            stop.set()
            context.stopping = True
            context.sources.stop()
            if context.studio:
                context.studio.stop()
            registry.stop()
            context.delivering.stop()


class Server(uvicorn.Server):
    """A server that listens at once, and on a signal to stop first scores what it accepted, and responds until then.

    Args:
        settings: where it listens, and what it loads.
        parts: the application and its state, if they are there already; they are loaded otherwise.
    """

    def __init__(self, settings: Settings, parts: RunningServer | None = None) -> None:
        self._settings, self._parts = settings, parts
        self._answering = StartingApp(parts.app if parts else None)
        self._resources = ExitStack()
        self._error: BaseException | None = None
        TimedProtocol.most = most_connections()
        super().__init__(
            uvicorn.Config(
                Lingering(UnderRootPath(self._answering, settings.root_path)),
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                lifespan="off",
                http=TimedProtocol,
                backlog=TimedProtocol.most
                // 4,  # all that wait are accepted at once, before one can be closed
                ws="none",
                server_header=False,
                # Unless it is a known proxy, the client is whoever connects, whatever its headers claim.
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
            )
        )

    @property
    def address(self) -> str:
        """The URL that it listens at, once it has started."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def startup(self, sockets: Any = None) -> None:
        """Listen, say so, and load the models."""
        await super().startup(sockets)
        if self.started and self._parts:
            self._say_ready(self._parts)
        elif self.started:
            _say(f"listening on {self.address}; loading {', '.join(self._settings.models) or 'products'}")
            # With its context, so that the thread reports its progress as this one would.
            load = partial(copy_context().run, self._load)
            threading.Thread(target=load, name="load", daemon=True).start()

    def serve_until_stopped(self) -> None:
        """Serve until a signal, and close what was opened.

        Raises:
            ConfigError, BundleError, StoreError, MissingExtraError: see :func:`running_server`.
            KeyboardInterrupt: it was stopped before its models were loaded.
        """
        self.run()
        if self._error is not None:
            raise self._error
        if self._parts is None:
            raise KeyboardInterrupt("its models were not loaded yet")
        self._resources.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Refuse new uploads and exit once all is scored; on a second signal exit at once, with the rest stored."""
        if self._parts is None or self._parts.context.stopping:
            self.should_exit = self.force_exit = True
            return
        self._parts.context.stopping = True
        threading.Thread(target=self._drain_and_exit, args=(self._parts,), name="drain", daemon=True).start()

    def _load(self) -> None:
        try:
            parts = self._resources.enter_context(running_server(self._settings))
        except BaseException as error:  # noqa: BLE001 - raised by the main thread
            self._error, self.should_exit = error, True
            return
        finish()
        self._parts, self._answering.app = parts, parts.app
        self._say_ready(parts)

    def _say_ready(self, parts: RunningServer) -> None:
        # For whoever started the server, and for scripts that wait for it.
        names = ", ".join(worker.name for worker in parts.context.registry) or "no model yet"
        _say(f"{names} at {self.address} (Ctrl-C ends it)")

    def _drain_and_exit(self, parts: RunningServer) -> None:
        LOG.info("stopping: scoring what was accepted first")
        parts.context.registry.stop()
        self.should_exit = True


def run(settings: Settings) -> None:
    """Serve until stopped by a signal."""
    log_to_stderr("%(asctime)s %(levelname)s %(name)s: %(message)s")
    Server(settings).serve_until_stopped()


def _say(text: str) -> None:
    sys.stderr.write(f"twinspect: {text}\n")
    sys.stderr.flush()


@contextmanager
def only_studio(settings: Settings) -> Iterator[None]:
    """Keep other servers from training in the same folder.

    Raises:
        ConfigError: one does already.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(single_writer(settings.data, settings.data / ".studio.lock"))
        except DataError:
            raise ConfigError(
                f"{settings.data} is used by another studio that runs; stop that one, or choose another folder"
            ) from None
        yield


def _studio(settings: Settings, store: Store, registry: ModelRegistry) -> Studio | None:
    if not settings.studio:
        return None
    from twinspect.serve.products.studio import Studio  # noqa: PLC0415 - it needs more packages than inspecting does

    quota = None if settings.quota_gigabytes is None else settings.quota_gigabytes * 1e9
    return Studio(store, registry, settings.data, settings.device, quota)


def _watched_folders(settings: Settings, registry: ModelRegistry) -> tuple[tuple[str, str, Path], ...]:
    """Name the watched folders; images that arrive there are scored by the first model."""
    if not settings.watched:
        return ()
    model = next(iter(registry)).name
    folders = list(dict.fromkeys(folder.resolve() for folder in settings.watched))
    return tuple((name, model, folder) for name, folder in zip(folder_names(folders), folders, strict=True))


def _delivering(context: Context, settings: Settings) -> Delivering:
    composer = Composer(context.store, context.calibration, settings.public_url or settings.root_path)
    if context.studio:
        composer = replace(composer, version=context.studio.version_number)
    return Delivering(context.store, composer, ServedPictures(context))


def _watch_folders(context: Context, settings: Settings, stop: threading.Event, on_results: Listener) -> None:
    """Score images that arrive in the watched folders, each file once, until the event is set."""
    for _, model, folder in context.watched:
        intake = Intake(context.store, context.registry.get(model), "", stop, on_results)
        source = FolderWatch(intake, folder, leave_out=(settings.data,))
        threading.Thread(target=watch, args=(source, stop), name=f"watch-{folder.name}", daemon=True).start()


def _start_retention(store: Store, settings: Settings) -> threading.Event:
    """Remove old images periodically, in a thread, until the returned event is set."""
    stop = threading.Event()
    retention = Retention(settings.keep_days, settings.keep_gigabytes, settings.keep_days)

    def run_retention() -> None:
        while not stop.is_set():
            try:
                retention.run(store)
            except Exception:
                LOG.exception("removing old images failed")
            stop.wait(RETENTION_INTERVAL)

    threading.Thread(target=run_retention, name="retention", daemon=True).start()
    return stop
