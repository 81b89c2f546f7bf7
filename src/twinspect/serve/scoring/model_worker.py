"""One model as it is served: loaded once, asked from one thread, replaced when its folder changes."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import SQLAlchemyError

from twinspect.bundle.exports import EXPORT, FOLDER
from twinspect.bundle.folder import RECORD, read_record
from twinspect.data.samples import DataSet, Sample
from twinspect.errors import ConfigError, ImageError, StoreError, TwinspectError
from twinspect.images.reading import read_rgb
from twinspect.loading import AUTO, choose_runtime, load
from twinspect.serve.scoring.work_queue import WorkQueue
from twinspect.serve.store import Finished

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.results import ImageScore
    from twinspect.serve.store import CalibrationRow, InspectionRow, ModelRow, Store

LOG = logging.getLogger(__name__)
_STORE_RETRY: Final = 1.0
"""Seconds between tries to keep results while the store does not answer."""
_TRIES_WHILE_STOPPING: Final = 3
_FULL_PRECISION: Final = "fp32"
"""Exports of this precision say what the trained networks say; others are models of their own."""

FolderState = tuple[tuple[str, int, int], ...]
"""What tells versions of a model folder apart without reading them: name, time and size of its records."""


@dataclass(frozen=True)
class ScoreRequest:
    """An accepted image on its way to be scored.

    Attributes:
        row: its row in the store.
        pixels: (H, W, 3) uint8 RGB, or ``None`` to read it from the archive when its turn comes.
    """

    row: InspectionRow
    pixels: NDArray[np.uint8] | None = None

    @property
    def weight(self) -> int:
        """Bytes that it holds in memory."""
        return 0 if self.pixels is None else self.pixels.nbytes


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model in memory.

    Attributes:
        judge: what scores; used in the queue's thread alone.
        weights_sha256: of what scores.
        stamp: of the folder as it was read.
    """

    detector: BaseDetector
    weights_sha256: str
    folder_state: FolderState

    @property
    def runtime(self) -> str:
        """What it scores with: ``torch``, or the name of an export."""
        return self.detector.by or "torch"


class ModelWorker:
    """A model that clients ask for by name.

    Args:
        name: what clients call it.
        folder: the bundle.
        store: where everything is kept.
        runtime: as for :func:`twinspect.load`.
        device: likewise.
        queue_limit: images that may wait.
        told: called with the results of every batch.

    Raises:
        BundleError: the folder holds no model that can be loaded.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        store: Store,
        *,
        runtime: str,
        device: str,
        queue_limit: int,
        on_results: Callable[[str, Sequence[Finished]], None],
    ) -> None:
        self.name, self.folder = name, folder
        self.error: str | None = None
        self._store, self._asked, self._told = store, (runtime, device), on_results
        self._lock = threading.Lock()
        self._version = load_version(folder, runtime, device)
        self._row = self._register(self._version)
        self._active = store.active(self._row.id)
        self._failed: FolderState | None = None
        self.queue: WorkQueue[ScoreRequest, Finished] = WorkQueue(
            f"score-{name}", self._score, limit=queue_limit, weigh=lambda job: job.weight
        )

    @property
    def version(self) -> ModelVersion:
        """The version that scores now."""
        return self._version

    @property
    def id(self) -> int:
        """Its number in the store."""
        return self._row.id

    @property
    def active(self) -> CalibrationRow:
        """The calibration that decides now."""
        return self._active

    @property
    def categories(self) -> list[str]:
        """What it was calibrated on, sorted."""
        return sorted(set(self._active.calibration.categories) - {""})

    def refresh(self) -> None:
        """Take up the calibration that the store says is active."""
        with self._lock:
            self._active = self._store.active(self._row.id)

    def recover(self) -> int:
        """Put into the queue what was accepted before and never scored; says how many."""
        rows = self._store.queued(self._row.id)
        self.queue.recover(*(ScoreRequest(row) for row in rows))
        return len(rows)

    def reload_if_changed(self) -> bool:
        """Load the folder anew if it changed; where that fails the old version stays, and ``error`` says why."""
        found = folder_state(self.folder)
        if found in (self._version.folder_state, self._failed):
            return False
        try:
            fresh = load_version(self.folder, *self._asked)
            with self._lock:
                self._row = self._register(fresh)
                self._version, self._active = fresh, self._store.active(self._row.id)
        except (TwinspectError, OSError) as error:
            self.error, self._failed = f"the changed model could not be loaded: {error}", found
            LOG.warning("%s: %s; the version before still scores", self.name, self.error)
            return False
        self.error = self._failed = None
        LOG.info("%s: loaded anew from %s", self.name, self.folder)
        return True

    def maps(self, pixels: NDArray[np.uint8], name: str) -> ImageScore:
        """Score one image with its map, in the queue's thread and before what waits there.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            name: what the image is called in an error.
        """
        future = self.queue.call(
            lambda: next(self._version.detector.stream(_data_set([_sample(name, pixels)]), maps=True))
        )
        result: Any = future.result()
        found: ImageScore = result
        return found

    def _register(self, version: ModelVersion) -> ModelRow:
        detector = version.detector
        return self._store.register(
            self.name,
            str(self.folder.resolve()),
            version.weights_sha256,
            detector.method,
            version.runtime,
            detector.calibration_,
        )

    def _score(self, jobs: Sequence[ScoreRequest]) -> list[Finished]:
        with self._lock:  # one version for the whole batch
            version, active = self._version, self._active
        finished = _score_safely(version, active, jobs, self._store)
        self._keep(finished)
        self._told(self.name, finished)
        return finished

    def _keep(self, finished: Sequence[Finished]) -> None:
        """Commit results; while the store does not answer they wait, and so does everything behind them."""
        tries = 0
        while not self._is_kept(finished):
            tries += 1
            if self.queue.is_stopping and tries >= _TRIES_WHILE_STOPPING:
                # The rows are still queued: they are scored at the next start.
                raise StoreError("the store does not take results")
            time.sleep(_STORE_RETRY)

    def _is_kept(self, finished: Sequence[Finished]) -> bool:
        try:
            self._store.finish(finished)
        except (StoreError, SQLAlchemyError, OSError):
            LOG.exception("%s: the store does not take results", self.name)
            return False
        return True


def load_version(folder: Path, runtime: str, device: str) -> ModelVersion:
    """Load a model as it is on the disk now.

    Raises:
        BundleError: a missing, damaged, altered or unknown file.
        ConfigError: no such runtime; or the folder changed meanwhile.
    """
    before = folder_state(folder)
    record = read_record(folder)
    chosen = choose_runtime(folder) if runtime == AUTO else runtime
    detector = load(folder, device=device, runtime=chosen).set_params(workers=0)
    if folder_state(folder) != before:
        raise ConfigError(f"{folder} changed while it was read; it is read again at once")
    return ModelVersion(detector, _identity_sha256(record, detector.by), before)


def folder_state(folder: Path) -> FolderState:
    """Tell versions of a model folder apart; empty where there is none."""
    found = []
    for path in (folder / RECORD, *sorted((folder / FOLDER).glob(f"*/{EXPORT}"))):
        try:
            about = path.stat()
        except OSError:
            continue
        found.append((path.relative_to(folder).as_posix(), about.st_mtime_ns, about.st_size))
    return tuple(found)


def _identity_sha256(record: dict[str, Any], export: str) -> str:
    """Name what scores: its weights; of fewer bits, an export of them is another model."""
    weights: str = record["weights"]["sha256"]
    if not export or _FULL_PRECISION in export:
        return weights
    return hashlib.sha256(f"{weights} {export}".encode()).hexdigest()


def _score_safely(
    version: ModelVersion, active: CalibrationRow, jobs: Sequence[ScoreRequest], store: Store
) -> list[Finished]:
    """Score a batch; where that fails as a whole, each image by itself, so that one cannot spoil the others."""
    try:
        return _score_batch(version, active, jobs, store)
    except Exception:
        LOG.exception("scoring %d images failed", len(jobs))
        if len(jobs) == 1:
            error = "scoring failed; the server's log says why"
            return [Finished(jobs[0].row.id, version.weights_sha256, error=error)]
        return [each for job in jobs for each in _score_safely(version, active, [job], store)]


def _score_batch(
    version: ModelVersion, active: CalibrationRow, jobs: Sequence[ScoreRequest], store: Store
) -> list[Finished]:
    began = time.perf_counter()
    read = [(job, _read_pixels(job, version.detector, store)) for job in jobs]
    fine = [(job, pixels) for job, pixels in read if not isinstance(pixels, str)]
    found = {job.row.id: pixels for job, pixels in read if isinstance(pixels, str)}
    samples = [_sample(job.row.name, pixels) for job, pixels in fine]
    scored = list(version.detector.stream(_data_set(samples), maps=False, statistics=True)) if fine else []
    milliseconds = 1000 * (time.perf_counter() - began) / len(jobs)
    done = {
        job.row.id: _finish(job.row, result, version, active, milliseconds)
        for (job, _), result in zip(fine, scored, strict=True)
    }
    failed = {key: Finished(key, version.weights_sha256, error=reason) for key, reason in found.items()}
    both = {**done, **failed}
    return [both[job.row.id] for job in jobs]


def _finish(
    row: InspectionRow,
    result: ImageScore,
    version: ModelVersion,
    active: CalibrationRow,
    milliseconds: float,
) -> Finished:
    if result.statistics is None:
        return Finished(row.id, version.weights_sha256, error=_without_path(result))
    return Finished(
        row.id,
        version.weights_sha256,
        active.id,
        result.score,
        *active.calibration.decide(result.score, row.category),
        milliseconds,
        statistics=result.statistics._asdict(),
    )


def _read_pixels(job: ScoreRequest, detector: BaseDetector, store: Store) -> NDArray[np.uint8] | str:
    """Give an image's pixels, or why there are none."""
    if job.pixels is not None:
        return job.pixels
    try:
        path = store.archive.path(job.row.image_sha256)
        return read_rgb(path, bits=detector.bits)
    except ImageError as error:
        return str(error).rpartition(": ")[2]
    except TwinspectError as error:
        return str(error)


def _data_set(samples: Sequence[Sample]) -> DataSet:
    return DataSet("served", None, tuple(samples))


def _sample(name: str, pixels: NDArray[np.uint8]) -> Sample:
    """Make a sample of pixels in memory; its path is made up and never opened."""
    return Sample(Path("upload"), name, pixels=pixels)


def _without_path(result: ImageScore) -> str:
    return result.error.removeprefix(f"{result.sample.path}: ")
