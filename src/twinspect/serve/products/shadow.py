"""Versions on trial: they score what is inspected, after it was decided on, and decide nothing."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twinspect.data.samples import Sample
from twinspect.serve.scoring.model_version import load_version
from twinspect.serve.store.product_records import ShadowScore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twinspect.serve.scoring.model_version import ModelVersion
    from twinspect.serve.store import Finished, InspectionRow, Store
    from twinspect.serve.store.product_store import ProductStore

LOG = logging.getLogger(__name__)
MOST_WAITING: Final = 500
"""Where inspections come faster than they are scored a second time, the oldest are left out."""


@dataclass
class _Trial:
    """A version on trial.

    Attributes:
        version_id: its row in the store.
        folder: its model folder.
        loaded: ``None`` until the first image.
    """

    version_id: int
    folder: Path
    loaded: ModelVersion | None = None


class ShadowScorer:
    """Scores inspections a second time, in a thread of its own.

    Args:
        store: where inspections and images are.
        products: where the scores go.
        device: to score on.
    """

    def __init__(self, store: Store, products: ProductStore, device: str) -> None:
        self._store, self._products, self._device = store, products, device
        self._trials: dict[str, _Trial] = {}
        self._waiting: deque[tuple[str, int]] = deque(maxlen=MOST_WAITING)
        self._wake, self._stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the current image; what waits is left out."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def watch(self, model: str, version_id: int | None, folder: Path | None) -> None:
        """Put a version on trial, or end the trial.

        Args:
            model: the product's name.
            version_id: of the version; ``None`` for none.
            folder: its model folder.
        """
        if version_id is None or folder is None:
            self._trials.pop(model, None)
        else:
            self._trials[model] = _Trial(version_id, folder)

    def add(self, model: str, results: Sequence[Finished]) -> None:
        """Take what was decided on, if a version of this product is on trial."""
        if model in self._trials:
            self._waiting.extend((model, result.id) for result in results if result.error is None)
            self._wake.set()

    def _work(self) -> None:
        while not self._stopping:
            if not self._waiting:
                self._wake.wait()
                self._wake.clear()
            else:
                self._score_safely(*self._waiting.popleft())

    def _score_safely(self, model: str, inspection_id: int) -> None:
        trial = self._trials.get(model)
        if trial is None:
            return
        try:
            self._score(trial, self._store.inspection(inspection_id))
        except Exception:  # whatever it is, inspection goes on
            LOG.exception("%s: the version on trial could not score inspection %d", model, inspection_id)

    def _score(self, trial: _Trial, row: InspectionRow) -> None:
        if trial.loaded is None:
            trial.loaded = load_version(trial.folder, "auto", self._device, threads=1)
        detector = trial.loaded.detector
        path = self._store.archive.path(row.image_sha256)
        found = next(iter(detector.raw_scores([Sample(path, row.name, category=row.category)])))
        if found.error:
            return
        calibration = detector.calibration_
        decision = calibration.decide(found.score, row.category, found.quality, found.unaligned)
        if decision.not_inspectable:
            return
        threshold = calibration.of(row.category).threshold
        said = ShadowScore(row.id, found.score, threshold, decision.p_value, decision.is_anomalous)
        self._products.add_shadow_scores(trial.version_id, [said])
