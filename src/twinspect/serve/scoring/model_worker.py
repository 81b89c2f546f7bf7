"""One served model: loaded once, run in one thread, replaced when its folder changes."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import SQLAlchemyError

from twinspect.calibration.map_peaks import map_notice
from twinspect.data.samples import Sample
from twinspect.errors import ConfigError, ImageError, NotStoredError, StoreError, TwinspectError, in_one_line
from twinspect.images.reading import read_rgb
from twinspect.inference.found_regions import regions_of
from twinspect.loading import AUTO, TORCH
from twinspect.regions.finding import RegionRules
from twinspect.serve.scoring.model_version import FolderState, ModelVersion, folder_state, load_version
from twinspect.serve.scoring.rescoring import rescored
from twinspect.serve.scoring.work_queue import WorkQueue
from twinspect.serve.store import Finished
from twinspect.serve.store.models import FROM_FOLDER, SELF

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.results import ImageScore
    from twinspect.regions.alignment import Alignment
    from twinspect.regions.areas import Region
    from twinspect.serve.store import CalibrationRow, InspectionRow, ModelRow, Store

LOG = logging.getLogger(__name__)
_STORE_RETRY: Final = 1.0
"""Seconds between tries to save results while the store does not respond."""
_TRIES_WHILE_STOPPING: Final = 3


@dataclass(frozen=True)
class ScoreRequest:
    """An accepted image that waits to be scored.

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


class ModelWorker:
    """A model that clients request by name, with its queue and the thread that scores.

    Args:
        name: what clients call it.
        folder: the model folder.
        store: where inspections and calibrations are kept.
        runtime: as for :func:`twinspect.load`.
        device: as for :func:`twinspect.load`.
        threads: as for :func:`twinspect.load`.
        queue_limit: how many images may wait.
        on_results: called with the model's name and the results of every batch.

    Raises:
        BundleError: the folder does not hold a model that can be loaded.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        store: Store,
        *,
        runtime: str,
        device: str,
        threads: int | None,
        queue_limit: int,
        on_results: Callable[[str, Sequence[Finished]], None],
    ) -> None:
        self.name, self.folder = name, folder
        self.error: str | None = None
        self._store, self._on_results = store, on_results
        self._runtime: str = runtime
        self._how: dict[str, Any] = {"device": device, "threads": threads}
        self._lock = threading.Lock()
        self._folder_lock = threading.Lock()  # nobody reads the folder while it gets another calibration
        self._calibrating = threading.Lock()
        self._version = self._load(folder)
        self._row = self._register(self._version)
        self._active = store.active(self._row.id)
        self._failed_state: FolderState | None = None
        self.queue: WorkQueue[ScoreRequest, Finished] = WorkQueue(
            f"score-{name}", self._score, limit=queue_limit, weigh=lambda request: request.weight
        )

    @property
    def version(self) -> ModelVersion:
        """The version that scores now."""
        return self._version

    @property
    def id(self) -> int:
        """The model's id in the store."""
        return self._row.id

    @property
    def active(self) -> CalibrationRow:
        """The calibration that decides now."""
        return self._active

    @property
    def categories(self) -> list[str]:
        """The categories of the active calibration, sorted."""
        return sorted(set(self._active.calibration.categories) - {""})

    @property
    def alignment(self) -> Alignment | None:
        """How images are brought to the place of a reference; ``None`` for images as they are."""
        scope = self._version.detector.scope_
        return scope.alignment if scope else None

    def refresh_calibration(self) -> None:
        """Read from the store which calibration is active."""
        with self._lock:
            self._active = self._store.active(self._row.id)

    def recover(self) -> int:
        """Queue the images that were accepted before and never scored; returns how many."""
        rows = self._store.queued(self._row.id)
        self.queue.recover(*(ScoreRequest(row) for row in rows))
        return len(rows)

    def reload_if_changed(self) -> bool:
        """Reload the folder if it changed; if that fails, the old version stays and ``error`` says why."""
        with self._folder_lock:
            return self._reload_if_changed()

    def _reload_if_changed(self, who: str = SELF, reason: str = FROM_FOLDER) -> bool:
        state = folder_state(self.folder)
        if state in (self._version.folder_state, self._failed_state):
            return False
        try:
            self._take(self._load(self.folder), who, reason)
        except (TwinspectError, OSError) as error:
            self.error, self._failed_state = f"the changed model could not be loaded: {error}", state
            LOG.warning("%s: %s; the previous version still scores", self.name, self.error)
            return False
        self.error = self._failed_state = None
        LOG.info("%s: reloaded from %s", self.name, self.folder)
        return True

    def use_folder(self, folder: Path, who: str, reason: str) -> None:
        """Score with the model of another folder from the next batch on.

        Args:
            folder: the model folder.
            who: asked for it.
            reason: for the audit.

        Raises:
            BundleError: it does not hold a model that can be loaded; the one before goes on.
        """
        with self._folder_lock:
            version = self._load(folder)
            self.folder = folder
            self._take(version, who, reason)
            self.error = self._failed_state = None
        LOG.info("%s: scores with %s now", self.name, folder)

    def _load(self, folder: Path) -> ModelVersion:
        return load_version(folder, self._runtime, **self._how)

    def _take(self, version: ModelVersion, who: str, reason: str) -> None:
        with self._lock:
            self._row = self._register(version, who, reason)
            self._version, self._active = version, self._store.active(self._row.id)

    def score_with_map(self, pixels: NDArray[np.uint8], name: str) -> ImageScore:
        """Score one image with its anomaly map, in the queue's thread and ahead of what waits there.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            name: what errors call the image.

        Returns:
            The raw score and the map, without a decision.
        """
        future = self.queue.call(
            lambda: next(iter(self._version.detector.raw_scores([_sample(name, pixels)], maps=True)))
        )
        result: Any = future.result()
        score: ImageScore = result
        return score

    def calibrate(
        self, samples: list[Sample], region: Region | None, rate: float, who: str, reason: str
    ) -> list[str]:
        """Score good images anew, and keep the new calibration in the folder, in force at once.

        Args:
            samples: good images that nothing was learnt from.
            region: the region of interest from now on; ``None`` to leave that as it is.
            rate: the false-alarm rate to promise.
            who: asked for it.
            reason: for the audit.

        Returns:
            What is to be said of the images, as sentences.

        Raises:
            TwinspectError: there are too few, it cannot look there, or the folder cannot be written or was changed.
        """
        if not self._calibrating.acquire(blocking=False):
            raise ConfigError(f"{self.name!r} is being calibrated already; wait until that is done")
        try:
            self._check_region(region)
            before = folder_state(self.folder)
            how = {**self._how, "runtime": self._version.runtime}
            detector, said = rescored(self.folder, samples, region, rate, how)
            with self._folder_lock:
                if folder_state(self.folder) != before:
                    raise ConfigError(f"{self.name!r} was changed while images were scored; try again")
                detector.save_calibration(self.folder)
                if not self._reload_if_changed(who, reason):
                    raise ConfigError(self.error or "the calibration is in force already")
        finally:
            self._calibrating.release()
        return said

    def _check_region(self, region: Region | None) -> None:
        if region is not None and self._runtime not in (AUTO, TORCH):
            raise ConfigError(
                f"this server scores by the export {self._runtime}, which looks where it did when it was made; type: "
                f"twinspect calibrate {self.name}.twin GOOD --roi roi.json, and then twinspect export "
                f"{self.name}.twin"
            )

    def _register(self, version: ModelVersion, who: str = SELF, reason: str = FROM_FOLDER) -> ModelRow:
        detector = version.detector
        return self._store.register(
            self.name,
            str(self.folder.resolve()),
            version.weights_sha256,
            detector.method_name,
            version.runtime,
            detector.calibration_,
            who=who,
            reason=reason,
        )

    def _score(self, requests: Sequence[ScoreRequest]) -> list[Finished]:
        with self._lock:  # one version and one calibration for the whole batch
            version, active = self._version, self._active
        finished = _score_safely(version, active, requests, self._store)
        self._save(finished)
        self._on_results(self.name, finished)
        return finished

    def _save(self, finished: Sequence[Finished]) -> None:
        """Save results; while the store does not respond they wait, and so does everything behind them."""
        tries = 0
        while not self._try_save(finished):
            tries += 1
            if self.queue.is_stopping and tries >= _TRIES_WHILE_STOPPING:
                # The rows are still queued: they are scored at the next start.
                raise StoreError("the store does not accept results")
            time.sleep(_STORE_RETRY)

    def _try_save(self, finished: Sequence[Finished]) -> bool:
        try:
            self._store.finish(finished)
        except (StoreError, SQLAlchemyError, OSError) as error:
            LOG.error("%s: the store does not accept results: %s", self.name, in_one_line(error))  # noqa: TRY400 - a full disk is no bug
            return False
        return True


def _score_safely(
    version: ModelVersion, active: CalibrationRow, requests: Sequence[ScoreRequest], store: Store
) -> list[Finished]:
    """Score a batch; if it fails as a whole, score each image alone, so that one bad image fails by itself."""
    try:
        return _score_batch(version, active, requests, store)
    except Exception:
        LOG.exception("scoring %d images failed", len(requests))
        if len(requests) == 1:
            return [_failed(requests[0], version, "scoring failed; the server's log says why")]
        return [
            finished for request in requests for finished in _score_safely(version, active, [request], store)
        ]


def _score_batch(
    version: ModelVersion, active: CalibrationRow, requests: Sequence[ScoreRequest], store: Store
) -> list[Finished]:
    """Score images, and decide once, by the calibration that is active."""
    began = time.perf_counter()
    images = [_read_pixels(request, version.detector, store) for request in requests]
    calibration = active.calibration
    samples = [
        _sample(request.row.name, image, request.row.category)
        for request, image in zip(requests, images, strict=True)
        if not isinstance(image, str)
    ]
    needs_maps = calibration.good_peaks is not None or calibration.of_maps is not None
    rows = version.detector.raw_scores(samples, maps=needs_maps, statistics=True)
    scores = iter([_without_map(row, calibration, version.detector) for row in rows])
    milliseconds = 1000 * (time.perf_counter() - began) / len(requests)
    return [
        _failed(request, version, image)
        if isinstance(image, str)
        else _finish(request, version, active, next(scores), milliseconds)
        for request, image in zip(requests, images, strict=True)
    ]


def _finish(
    request: ScoreRequest,
    version: ModelVersion,
    active: CalibrationRow,
    score: ImageScore,
    milliseconds: float,
) -> Finished:
    if score.statistics is None:
        return _failed(request, version, score.error.removeprefix(f"{score.sample.path}: "))
    decision = active.calibration.decide(score.score, request.row.category, score.quality, score.unaligned)
    found = () if decision.not_inspectable and score.regions is not None else score.regions
    return Finished(
        request.row.id,
        version.weights_sha256,
        active.id,
        score.score,
        decision.p_value,
        decision.is_anomalous,
        milliseconds,
        statistics=score.statistics._asdict(),
        not_inspectable=decision.not_inspectable,
        notice="" if decision.is_anomalous or decision.not_inspectable else score.notice,
        regions=None if found is None else [region.to_record() for region in found],
    )


def _without_map(row: ImageScore, calibration: Calibration, detector: BaseDetector) -> ImageScore:
    """Take from a map what it says, and let it go."""
    notice = map_notice(calibration.good_peaks, row.counted)
    found = regions_of(row, calibration, RegionRules(), detector.compared_images)
    return replace(row, map=None, inside=None, notice=notice, regions=found)


def _failed(request: ScoreRequest, version: ModelVersion, error: str) -> Finished:
    return Finished(request.row.id, version.weights_sha256, error=error)


def _read_pixels(request: ScoreRequest, detector: BaseDetector, store: Store) -> NDArray[np.uint8] | str:
    """Return an image's pixels, or the reason why it cannot be read."""
    if request.pixels is not None:
        return request.pixels
    try:
        path = store.archive.path(request.row.image_sha256)
        return read_rgb(path, bits=detector.bits)
    except NotStoredError as error:
        return str(error)
    except ImageError as error:
        return str(error).removeprefix(f"{path}: ")


def _sample(name: str, pixels: NDArray[np.uint8], category: str = "") -> Sample:
    """Make a sample of pixels in memory; its path is made up and never opened."""
    return Sample(Path("upload"), name, pixels=pixels, category=category)
