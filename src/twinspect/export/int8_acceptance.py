"""Whether an integer graph is as good as the same graph in floats: both judge images under the same runtime."""

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
"""A score this near the threshold, as a share of it, lies on it, and no decision is compared. There lie the good
image that the threshold was taken from, which is often among those given, and faint anomalies drawn on it."""
PIXELS: Final = 1000
"""Pixels of every map that are compared, evenly spaced."""


@dataclass(frozen=True)
class GraphResults:
    """What a graph makes of the images of a gate.

    Attributes:
        scores: (N,) float64.
        pixels: float64, those of all maps that are compared.
        flagged: (N,) bool, the decisions.
        certain: (N,) bool, whose score does not lie on the threshold.
        metrics: of :data:`METRICS`; ``None`` where one is undefined, empty without labels.
    """

    scores: NDArray[np.float64]
    pixels: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    certain: NDArray[np.bool_]
    metrics: MetricRow


@dataclass(frozen=True)
class Verdict:
    """How an integer graph compares.

    Attributes:
        score_rho: Spearman's rank correlation of its scores with those of floats; NaN where one of them is constant.
        pixel_rho: likewise of the pixels of all maps.
        decisions: images on which the model's threshold decides otherwise, but for scores that lie on it.
        metrics: each metric by name, in floats and in integers; empty without labels.
        faults: what is over the gate, in words with figures; none if it passes.
    """

    score_rho: float
    pixel_rho: float
    decisions: int
    metrics: dict[str, tuple[float, float]]
    faults: tuple[str, ...] = field(default=())

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "score_rho": _number(self.score_rho),
            "pixel_rho": _number(self.pixel_rho),
            "other_decisions": self.decisions,
            "metrics": {name: {"fp32": a, "int8": b} for name, (a, b) in self.metrics.items()},
        }


@dataclass(frozen=True)
class Int8Acceptance:
    """Images to judge by, and what is asked for.

    Attributes:
        samples: the images.
        labelled: whether their labels, and masks, are the truth: then metrics are compared, else ranks and decisions.
        calibration: the thresholds that decide.
        scorer: how images are read.
        max_drop: see :data:`MAX_DROP`.
    """

    samples: Sequence[Sample]
    labelled: bool
    calibration: Calibration
    scorer: ScoringPipeline
    max_drop: float = MAX_DROP

    def see(self, engine: Engine) -> GraphResults:
        """Let a graph judge every image.

        Raises:
            ImageError: one cannot be read, or is of a size that the graph does not take.
            DataError: a mask does not fit its image.
        """
        tally = PixelTally(self.samples if self.labelled else ())
        rows, pixels = [], []
        for row in self.scorer.stream(engine, self.samples, maps=True):
            if row.map is None:
                raise ImageError(row.error)
            tally.add(row)
            pixels.append(_some(row.map))
            rows.append(replace(row, map=None))
        scores = np.array([row.score for row in rows])
        limits = np.array([self.calibration.of(row.sample.category).threshold for row in rows])
        return GraphResults(
            scores,
            np.concatenate(pixels),
            scores > limits,
            np.abs(scores - limits) > ON_THRESHOLD * np.abs(limits),
            _metrics(rows, tally) if self.labelled else {},
        )

    def judge(self, floats: GraphResults, integers: GraphResults) -> Verdict:
        """Compare what both graphs saw."""
        known = {
            name: (before, after)
            for name, before in floats.metrics.items()
            if before is not None and (after := integers.metrics[name]) is not None
        }
        verdict = Verdict(
            _rho(floats.scores, integers.scores),
            _rho(floats.pixels, integers.pixels),
            int(((floats.flagged != integers.flagged) & floats.certain).sum()),
            known,
        )
        return replace(verdict, faults=tuple(self._faults(verdict)))

    def _faults(self, verdict: Verdict) -> list[str]:
        if self.labelled:
            return [
                f"{name} {after:.4f} for {before:.4f}, allowed is {self.max_drop:g} less"
                for name, (before, after) in verdict.metrics.items()
                if before - after > self.max_drop
            ]
        rhos = {"scores": verdict.score_rho, "pixels": verdict.pixel_rho}
        # Not ">=" turned round: a rho that is no number is a fault.
        faults = [
            f"rank correlation of {name} {rho:.4f}, least is {LEAST_RHO:g}"
            for name, rho in rhos.items()
            if not rho >= LEAST_RHO
        ]
        if verdict.decisions:
            faults.append(
                f"{verdict.decisions} of {len(self.samples)} images decided otherwise, allowed is none"
            )
        return faults


def _metrics(rows: Sequence[ImageScore], tally: PixelTally) -> MetricRow:
    """Compute each metric, averaged over categories."""
    measured = tally.compute()
    lines = [compute_metrics(own, measured.categories.get(name)) for name, own in by_category(rows).items()]
    means = mean_row(lines)
    return {name: means[name] for name in METRICS}


def _some(values: NDArray[np.float32]) -> NDArray[np.float64]:
    flat = values.ravel()
    return np.asarray(flat[evenly_spaced(range(len(flat)), PIXELS)], dtype=np.float64)


def _rho(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    if not (np.isfinite(one).all() and np.isfinite(other).all()) or min(np.ptp(one), np.ptp(other)) == 0:
        return float("nan")
    return float(spearmanr(one, other).statistic)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
