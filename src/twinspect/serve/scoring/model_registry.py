"""All models of a server, by name, and the thread that looks whether their folders changed."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
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
"""Seconds between looks at the folders."""


class ModelRegistry:
    """The models of a server.

    Args:
        folders: bundles; clients know each by its folder's name without the ending.
        store: where everything is kept.
        runtime: as for :func:`twinspect.load`.
        device: likewise.
        queue_limit: images that may wait, for each model.
        told: called with a model's name and the results of every batch.

    Raises:
        ConfigError: two models of one name.
        BundleError: a folder holds no model that can be loaded.
    """

    def __init__(
        self,
        folders: Sequence[str | Path],
        store: Store,
        *,
        runtime: str = "auto",
        device: str = "auto",
        queue_limit: int = 256,
        on_results: Callable[[str, Sequence[Finished]], None],
    ) -> None:
        self._ending = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="reload", daemon=True)
        self._workers: dict[str, ModelWorker] = {}
        for name, folder in _folders_by_name(folders).items():
            self._workers[name] = ModelWorker(
                name,
                folder,
                store,
                runtime=runtime,
                device=device,
                queue_limit=queue_limit,
                on_results=on_results,
            )

    def __iter__(self) -> Iterator[ModelWorker]:
        return iter(self._workers.values())

    def start(self) -> None:
        """Take up what was accepted before and never scored, and begin to watch the folders."""
        for worker in self:
            if count := worker.recover():
                LOG.info("%s: %d images that were accepted before are scored now", worker.name, count)
        self._watcher.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Score what was accepted, and end; says whether that was done in time."""
        self._ending.set()
        if self._watcher.is_alive():
            self._watcher.join(timeout)
        ended = [
            worker.queue.stop(timeout) for worker in self
        ]  # each is stopped, whatever became of the others
        return all(ended)

    def get(self, name: str) -> ModelWorker:
        """Find a model.

        Raises:
            Refusal: ``unknown_model``.
        """
        if name not in self._workers:
            raise ApiError("unknown_model", str(unknown_name("model", name, self._workers)))
        return self._workers[name]

    def choose(self, name: str | None) -> ModelWorker:
        """Find the model that a request names, or the only one there is.

        Raises:
            Refusal: ``unknown_model``, or ``invalid_request`` where none is named among several.
        """
        if name is not None:
            return self.get(name)
        if len(self._workers) > 1:
            known = ", ".join(sorted(self._workers))
            raise ApiError("invalid_request", f"no model was named; give ?model=NAME, one of: {known}")
        return next(iter(self))

    def look(self) -> None:
        """Load again what changed on the disk, and take up calibrations that others made active."""
        for worker in self:
            if not worker.reload_if_changed():
                with suppress(StoreError, SQLAlchemyError):  # it may be back at the next look
                    worker.refresh()

    def _watch(self) -> None:
        while not self._ending.wait(CHECK_INTERVAL):
            self._look_safely()

    def _look_safely(self) -> None:
        try:
            self.look()
        except Exception:
            LOG.exception("looking for changed models failed")


def _folders_by_name(folders: Sequence[str | Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in map(Path, folders):
        name = folder.resolve().name.removesuffix(".twin")
        if name in found:
            raise ConfigError(
                f"{found[name]} and {folder} are both called {name!r}; rename one of the folders"
            )
        found[name] = folder
    if not found:
        raise ConfigError("no model to serve; type: twinspect serve M.twin")
    return found
