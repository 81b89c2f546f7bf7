"""Which synthetic defects a fitted detector finds at its own threshold, on the good images that were held out.

Defects of five kinds (:data:`twinspect.synthesis.defects.DEFECTS`) are drawn on held-out good images and scored as
any image is. First the largest of each kind are tried, then others by bisection: each time the middle of the sizes
that are still in question. The images, places and shapes of a kind are the same at all its sizes, and follow from
the detector's seed. Only when to give up follows from the clock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from twinspect.calibration.detectability import Detectability, Trial, is_found
from twinspect.data.opening import open_good
from twinspect.errors import DataError
from twinspect.evaluation.defect_images import DefectImages
from twinspect.model.whole_image import Model
from twinspect.synthesis.defects import DEFECTS
from twinspect.utils.even_sampling import evenly_spaced
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.data import DataSource
    from twinspect.data.samples import Sample
    from twinspect.detector import Detector
    from twinspect.utils.progress import Progress

SIZES: Final = (0.01, 0.015, 0.025, 0.04, 0.06, 0.1, 0.16, 0.25)
"""The sizes in question. After the largest, three halvings lead to one of them."""
TRIED: Final = 30
"""Defects of each kind and size."""
SHARE_OF_FIT: Final = 0.15
"""Share of a fit's time that :func:`measure_detectability` may take. The largest defects of each kind are always
tried, as nothing can be said without them: 150 images, which is more than this share of a fit of a few seconds."""
MARGIN: Final = 1.3
"""The next defects are assumed to take this many times what the last ones took."""
REDUCED: Final = 2
"""Images are reduced to sides of this many times the model's input before defects are drawn: the networks see no
more than the input, and preparing a large photograph anew for every defect would take longer than scoring it.
Models of tiles see every pixel, so nothing is reduced for them."""


def measure_detectability(
    detector: Detector,
    data: DataSource,
    *,
    seconds: float | None = None,
    progress: Progress | None = None,
) -> Detectability:
    """Find the sizes from which on a detector finds nine of ten synthetic defects of each kind.

    Args:
        detector: fitted; it is not changed. What is assigned to its ``detectability_`` is kept with the model.
        data: what it was fitted on; only good images that its threshold comes from are read.
        seconds: how long it may take, but for the largest defects, which are always tried; ``None`` for as long as
            it takes.
        progress: told of each image scored.

    Raises:
        NotFittedError: before :meth:`Detector.fit`.
        DataError: none of the images that the threshold comes from is in the data, or all are above it.
        ImageError: one of them cannot be read.
    """
    began = time.monotonic()
    bench = _Bench(detector, _held_out(detector, data))
    search = _Search(bench, progress or NoProgress())
    search.run(None if seconds is None else began + seconds)
    return search.result(time.monotonic() - began)


def _held_out(detector: Detector, data: DataSource) -> list[Sample]:
    """Choose good images that set the threshold and are not above it themselves, from low to high scores."""
    calibration = detector.calibration_
    by_name = {sample.name: sample for sample in open_good(data)}
    categories = calibration.categories or ("",) * len(calibration.scores)
    chosen = [
        by_name[name]
        for name, score, category in zip(calibration.names, calibration.scores, categories, strict=True)
        if name in by_name and score <= calibration.of(category).threshold
    ]
    if not chosen:
        raise DataError("none of the good images that the threshold comes from is there to draw defects on")
    return evenly_spaced(chosen, TRIED)


class _Bench:
    """Good images ready for defects, and the detector that scores them.

    Args:
        detector: fitted.
        samples: at most :data:`TRIED` good images.
    """

    def __init__(self, detector: Detector, samples: Sequence[Sample]) -> None:
        self.detector = detector
        self._images = DefectImages(
            samples, detector.bits, _least_side(detector), detector.seed, detector.scope_
        )
        self.side = self._images.side
        self.categories = tuple(samples[number % len(samples)].category for number in range(TRIED))

    def score(self, kind: str, size: float) -> Trial:
        """Draw defects of a kind and size and score them."""
        samples = self._images.draw(kind, size, TRIED)
        return Trial(size, tuple(row.score for row in self.detector.raw_scores(samples, maps=False)))


@dataclass
class _Search:
    """Bisection of the sizes, of all kinds side by side.

    Attributes:
        bench: draws and scores.
        progress: told of each image.
        trials: what was tried, by kind.
    """

    bench: _Bench
    progress: Progress
    trials: dict[str, list[Trial]] = field(default_factory=lambda: {kind: [] for kind in DEFECTS})

    def run(self, until: float | None) -> None:
        """Try sizes until each kind is decided, or time would run out."""
        rounds = 1 + (len(SIZES) - 1).bit_length()
        self.progress.start("would find", total=rounds * len(DEFECTS) * TRIED, done=0)
        took = 0.0
        while undecided := [(kind, size) for kind in DEFECTS if (size := self._next(kind)) is not None]:
            for kind, size in undecided:
                began = time.monotonic()
                if until is not None and self.trials[kind] and began + MARGIN * took > until:
                    return
                self.trials[kind].append(self.bench.score(kind, size))
                self.progress.advance(steps=TRIED)
                took = time.monotonic() - began
        self.progress.finish()

    def result(self, seconds: float) -> Detectability:
        """Put together what was tried."""
        trials = {
            kind: tuple(sorted(tried, key=lambda trial: trial.size)) for kind, tried in self.trials.items()
        }
        plurals = {kind: defect.plural for kind, defect in DEFECTS.items()}
        categories, side = self.bench.categories, round(self.bench.side, 1)
        return Detectability(plurals, trials, categories, SIZES[0], round(seconds, 2), SIZES, side)

    def _next(self, kind: str) -> float | None:
        """Choose the size to try next: the largest, then the middle of those in question."""
        tried = {trial.size: self._is_found(trial) for trial in self.trials[kind]}
        if not tried:
            return SIZES[-1]
        found = min((SIZES.index(size) for size, is_found in tried.items() if is_found), default=None)
        missed = max((SIZES.index(size) for size, is_found in tried.items() if not is_found), default=-1)
        if found is None or found - missed <= 1:
            return None
        return SIZES[(found + missed) // 2]

    def _is_found(self, trial: Trial) -> bool:
        return is_found(trial, self.bench.categories, self.bench.detector.calibration_)


def _least_side(detector: Detector) -> int | None:
    model, scope = detector.model_, detector.scope_
    if scope and not (scope.shared and scope.shared.any_size):  # a mask fits images as they are
        return None
    return REDUCED * max(model.preprocessing.size) if isinstance(model, Model) else None
