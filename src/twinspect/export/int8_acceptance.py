"""Whether an int8 graph is as good as the same graph in floats: both score images under the same runtime."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.stats import spearmanr

from twinspect.errors import ImageError
from twinspect.evaluation.image_scores import by_category
from twinspect.evaluation.labelled_set import PixelTally, compute_metrics
from twinspect.evaluation.metric_row import MetricRow, mean_row
from twinspect.utils.even_sampling import evenly_spaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration
    from twinspect.data.samples import Sample
    from twinspect.inference.pipeline import Engine, ScoringPipeline
    from twinspect.inference.results import ImageScore

LEAST_RHO: Final = 0.99
"""Least rank correlation of scores, and of pixels, where there are no labels."""
MAX_DROP: Final = 0.003
"""Most that a metric of :data:`METRICS` may fall where there are labels: 0.3 points."""
METRICS: Final = ("image_auroc", "pixel_auroc", "aupro_30")
ON_THRESHOLD: Final = 1e-3
"""A score closer to the threshold than this share of it lies on it, and its decision is not compared. The good image
that set the threshold lies there, which is often among those given, and so do faint anomalies drawn on it."""
PIXELS: Final = 1000
"""Pixels of every map that are compared, evenly spaced."""


@dataclass(frozen=True)
class GraphResults:
    """The results of one graph on the images of an acceptance test.

    Attributes:
        scores: (N,) float64.
        pixels: float64, those of all maps that are compared.
        flagged: (N,) bool, the decisions.
        certain: (N,) bool, whether the score lies off the threshold.
        metrics: of :data:`METRICS`; ``None`` where one is undefined, empty without labels.
    """

    scores: NDArray[np.float64]
    pixels: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    certain: NDArray[np.bool_]
    metrics: MetricRow


@dataclass(frozen=True)
class Int8Comparison:
    """How an int8 graph compares with the graph in floats.

    Attributes:
        score_rho: Spearman's rank correlation of both graphs' scores; NaN where one of them is constant.
        pixel_rho: the same of the pixels of all maps.
        changed_decisions: images decided differently; those whose score lies on the threshold do not count.
        metrics: each metric by name, in floats and in int8; empty without labels.
        failures: what is out of bounds, in words with figures; empty if the int8 graph is accepted.
    """

    score_rho: float
    pixel_rho: float
    changed_decisions: int
    metrics: dict[str, tuple[float, float]]
    failures: tuple[str, ...] = field(default=())

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "score_rho": _number_or_none(self.score_rho),
            "pixel_rho": _number_or_none(self.pixel_rho),
            "other_decisions": self.changed_decisions,
            "metrics": {name: {"fp32": a, "int8": b} for name, (a, b) in self.metrics.items()},
        }


@dataclass(frozen=True)
class Int8Acceptance:
    """The acceptance test of an int8 graph: images, and how far results on them may differ.

    Attributes:
        samples: the images.
        labelled: whether their labels, and masks, are the truth: then metrics are compared, else ranks and decisions.
        calibration: the thresholds that decide.
        pipeline: reads and scores the images.
        max_drop: see :data:`MAX_DROP`.
    """

    samples: Sequence[Sample]
    labelled: bool
    calibration: Calibration
    pipeline: ScoringPipeline
    max_drop: float = MAX_DROP

    def evaluate(self, engine: Engine) -> GraphResults:
        """Score every image by a graph.

        Raises:
            ImageError: one cannot be read, or is of a size that the graph does not take.
            DataError: a mask does not fit its image.
        """
        tally = PixelTally(self.samples if self.labelled else ())
        rows, pixels = [], []
        for row in self.pipeline.stream_unchecked(engine, self.samples, maps=True):
            if row.map is None:
                raise ImageError(row.error)
            tally.add(row)
            pixels.append(_sample_pixels(row.map))
            rows.append(replace(row, map=None))
        scores = np.array([row.score for row in rows])
        thresholds = np.array([self.calibration.of(row.sample.category).threshold for row in rows])
        return GraphResults(
            scores,
            np.concatenate(pixels),
            scores > thresholds,
            np.abs(scores - thresholds) > ON_THRESHOLD * np.abs(thresholds),
            _metrics(rows, tally) if self.labelled else {},
        )

    def compare(self, floats: GraphResults, integers: GraphResults) -> Int8Comparison:
        """Compare the results of both graphs."""
        metrics = {
            name: (before, after)
            for name, before in floats.metrics.items()
            if before is not None and (after := integers.metrics[name]) is not None
        }
        comparison = Int8Comparison(
            _rank_correlation(floats.scores, integers.scores),
            _rank_correlation(floats.pixels, integers.pixels),
            int(((floats.flagged != integers.flagged) & floats.certain).sum()),
            metrics,
        )
        return replace(comparison, failures=tuple(self._failures(comparison)))

    def _failures(self, comparison: Int8Comparison) -> list[str]:
        if self.labelled:
            return [
                f"{name} {after:.4f} instead of {before:.4f}, allowed is a drop of {self.max_drop:g}"
                for name, (before, after) in comparison.metrics.items()
                if before - after > self.max_drop
            ]
        rhos = {"scores": comparison.score_rho, "pixels": comparison.pixel_rho}
        # Not "rho < LEAST_RHO": NaN is a failure.
        failures = [
            f"rank correlation of {name} {rho:.4f}, allowed is {LEAST_RHO:g} or more"
            for name, rho in rhos.items()
            if not rho >= LEAST_RHO
        ]
        if comparison.changed_decisions:
            failures.append(
                f"{comparison.changed_decisions} of {len(self.samples)} images decided differently, allowed is none"
            )
        return failures


def _metrics(rows: Sequence[ImageScore], tally: PixelTally) -> MetricRow:
    """Compute each metric, averaged over categories."""
    pixel_metrics = tally.compute()
    categories = [
        compute_metrics(own, pixel_metrics.categories.get(name)) for name, own in by_category(rows).items()
    ]
    means = mean_row(categories)
    return {name: means[name] for name in METRICS}


def _sample_pixels(values: NDArray[np.float32]) -> NDArray[np.float64]:
    flat = values.ravel()
    return np.asarray(flat[evenly_spaced(range(len(flat)), PIXELS)], dtype=np.float64)


def _rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    if not (np.isfinite(one).all() and np.isfinite(other).all()) or min(np.ptp(one), np.ptp(other)) == 0:
        return float("nan")
    return float(spearmanr(one, other).statistic)


def _number_or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
