"""All models of a server, by name, and the thread that checks whether their folders changed."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import SQLAlchemyError

from twinspect.errors import ConfigError, StoreError, unknown_name
from twinspect.serve.api_errors import ApiError
from twinspect.serve.scoring.model_worker import ModelWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from twinspect.serve.store import Finished, Store

LOG = logging.getLogger(__name__)
CHECK_INTERVAL: Final = 1.0
"""Seconds between checks of the folders."""


class ModelRegistry:
    """The models of a server.

    Args:
        folders: model folders; clients call each model by its folder's name without the suffix. Others may be added
            under names of their own.
        store: where inspections and calibrations are kept.
        runtime: as for :func:`twinspect.load`.
        device: as for :func:`twinspect.load`.
        threads: as for :func:`twinspect.load`.
        queue_limit: how many images may wait, for each model.
        on_results: called with a model's name and the results of every batch.

    Raises:
        ConfigError: two models have the same name.
        BundleError: a folder does not hold a model that can be loaded.
    """

    def __init__(
        self,
        folders: Sequence[str | Path],
        store: Store,
        *,
        runtime: str = "auto",
        device: str = "auto",
        threads: int | None = None,
        queue_limit: int = 256,
        on_results: Callable[[str, Sequence[Finished]], None],
    ) -> None:
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="reload", daemon=True)
        self._workers: dict[str, ModelWorker] = {}
        self._make = partial(
            ModelWorker,
            store=store,
            runtime=runtime,
            device=device,
            threads=threads,
            queue_limit=queue_limit,
            on_results=on_results,
        )
        for name, folder in _folders_by_name(folders).items():
            self._workers[name] = self._make(name, folder)

    def add(self, name: str, folder: Path) -> ModelWorker:
        """Serve another model, and score what was accepted for it before.

        Args:
            name: what clients call it.
            folder: the model folder.

        Raises:
            ConfigError: another model has this name.
            BundleError: the folder does not hold a model that can be loaded.
        """
        if name in self._workers:
            raise ConfigError(f"a model {name!r} is served already")
        worker = self._make(name, folder)
        self._workers = {**self._workers, name: worker}  # a new dictionary: others may be reading the old one
        _recover(worker)
        return worker

    def remove(self, name: str) -> None:
        """Score what was accepted for a model, and serve it no more; one that is not served is left alone."""
        worker = self._workers.get(name)
        if worker is not None:
            self._workers = {other: kept for other, kept in self._workers.items() if other != name}
            worker.queue.stop()

    def __contains__(self, name: str) -> bool:
        return name in self._workers

    def __iter__(self) -> Iterator[ModelWorker]:
        return iter(self._workers.values())

    def start(self) -> None:
        """Queue what was accepted before and never scored, and start to check the folders."""
        for worker in self:
            _recover(worker)
        self._watcher.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Score what was accepted, and stop; returns whether that was done in time."""
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join(timeout)
        stopped = [
            worker.queue.stop(timeout) for worker in self
        ]  # every one, even if another was not in time
        return all(stopped)

    def get(self, name: str) -> ModelWorker:
        """Return a model.

        Raises:
            ApiError: ``unknown_model``.
        """
        if name not in self._workers:
            raise ApiError("unknown_model", str(unknown_name("model", name, self._workers)))
        return self._workers[name]

    def choose(self, name: str | None) -> ModelWorker:
        """Return the model that a request names, or the only one if it names none.

        Raises:
            ApiError: ``unknown_model``, or ``invalid_request`` if none is named and several are served.
        """
        if name is not None:
            return self.get(name)
        if not self._workers:
            raise ApiError("unknown_model", "no model is served yet; train a version of a product first")
        if len(self._workers) > 1:
            known = ", ".join(sorted(self._workers))
            raise ApiError("invalid_request", f"no model was named; give ?model=NAME, one of: {known}")
        return next(iter(self))

    def check_for_changes(self) -> None:
        """Reload models that changed on disk, and adopt calibrations that other processes activated."""
        for worker in self:
            if not worker.reload_if_changed():
                with suppress(StoreError, SQLAlchemyError):  # the store may respond at the next check
                    worker.refresh_calibration()

    def _watch(self) -> None:
        while not self._stopping.wait(CHECK_INTERVAL):
            self._check_safely()

    def _check_safely(self) -> None:
        try:
            self.check_for_changes()
        except Exception:
            LOG.exception("checking for changed models failed")


def _folders_by_name(folders: Sequence[str | Path]) -> dict[str, Path]:
    folders_by_name: dict[str, Path] = {}
    for folder in map(Path, folders):
        name = folder.resolve().name.removesuffix(".twin")
        if name in folders_by_name:
            raise ConfigError(
                f"{folders_by_name[name]} and {folder} are both called {name!r}; rename one of the folders"
            )
        folders_by_name[name] = folder
    return folders_by_name


def _recover(worker: ModelWorker) -> None:
    if count := worker.recover():
        LOG.info("%s: scoring %d images that were accepted before", worker.name, count)
