"""Whether an exported graph says what the model says: both see the same images, and the differences are measured."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.stats import spearmanr

from twinspect.data.pixels import read_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twinspect.data.samples import Sample
    from twinspect.inference.pipeline import Engine

TOLERANCES: Final[dict[str, float | None]] = {"fp32": 1e-4, "fp16": 2e-2, "int8": None}
"""Largest relative difference of scores and of maps; ``None`` where ranks, decisions or metrics decide instead."""
ROUNDS: Final = 5
"""How often each engine judges one image for the time it takes; they take turns."""


@dataclass(frozen=True)
class Parity:
    """How far an export is from its model on real images.

    Attributes:
        images: how many were compared.
        sizes: their sizes, ``WxH``.
        score_absolute: the largest difference of raw scores.
        score_relative: likewise, as a share of the model's own score, or of the median one where that is smaller.
        map_absolute: the largest difference of any pixel of a map.
        map_relative: likewise, as a share of the highest pixel of the model's own map.
        rank_agreement: Spearman's rho of the scores; ``None`` for fewer than three images.
        tolerance: the largest relative difference allowed; ``None`` for any.
        worst: where the largest relative difference is, in words.
    """

    images: int
    sizes: list[str]
    score_absolute: float
    score_relative: float
    map_absolute: float
    map_relative: float
    rank_agreement: float | None
    tolerance: float | None
    worst: str

    @property
    def holds(self) -> bool:
        """Whether every difference is within tolerance; one that is no number is not."""
        allowed = sys.float_info.max if self.tolerance is None else self.tolerance
        return self.score_relative <= allowed and self.map_relative <= allowed

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class _Difference:
    """Of one image: relative differences, and where the larger is."""

    score: tuple[float, float]
    map: tuple[float, float]
    where: str


def compare(model: Engine, export: Engine, samples: Sequence[Sample], tolerance: float | None) -> Parity:
    """Let both judge images, one by one, and measure how far they are apart.

    Args:
        model: the reference.
        export: what is checked.
        samples: with their pixels; of several sizes, if the export takes several.
        tolerance: see :data:`TOLERANCES`.
    """
    theirs, ours = _judged(model, samples), _judged(export, samples)
    usual = statistics.median(abs(score) for score, _ in theirs)
    found = [_difference(sample, a, b, usual) for sample, a, b in zip(samples, theirs, ours, strict=True)]
    worst = max(found, key=lambda each: _largest(each.score[1], each.map[1]))
    return Parity(
        images=len(samples),
        sizes=sorted({size_of(sample) for sample in samples}),
        score_absolute=_largest(*(each.score[0] for each in found)),
        score_relative=_largest(*(each.score[1] for each in found)),
        map_absolute=_largest(*(each.map[0] for each in found)),
        map_relative=_largest(*(each.map[1] for each in found)),
        rank_agreement=_agreement([score for score, _ in theirs], [score for score, _ in ours]),
        tolerance=tolerance,
        worst=worst.where,
    )


def time_side_by_side(sample: Sample, *engines: Engine) -> list[float]:
    """Time engines on one image that is read already, in turns: the median of each, in milliseconds."""
    prepared = [engine.prepare(read_pixels(sample)) for engine in engines]
    times: list[list[float]] = [[] for _ in engines]
    for turn in range(ROUNDS + 1):
        for engine, image, own in zip(engines, prepared, times, strict=True):
            began = time.perf_counter()
            engine.score([image], maps=True)
            if turn:  # the first is for warming up
                own.append(1000 * (time.perf_counter() - began))
    return [statistics.median(own) for own in times]


def _judged(engine: Engine, samples: Sequence[Sample]) -> list[tuple[float, NDArray[np.float32]]]:
    pairs: list[tuple[float, NDArray[np.float32]]] = []
    for sample in samples:
        (score,), (anomaly_map,) = engine.score([engine.prepare(read_pixels(sample))], maps=True)
        pairs.append((score, np.zeros((0, 0), np.float32) if anomaly_map is None else anomaly_map))
    return pairs


def _difference(
    sample: Sample,
    model: tuple[float, NDArray[np.float32]],
    export: tuple[float, NDArray[np.float32]],
    usual: float,
) -> _Difference:
    apart = abs(model[0] - export[0])
    score = (apart, apart / max(abs(model[0]), usual, np.finfo(np.float32).tiny))
    pixels = np.abs(model[1] - export[1])
    row, column = np.unravel_index(np.argmax(pixels), pixels.shape)
    far = float(pixels[row, column])
    highest = max(float(np.abs(model[1]).max()), np.finfo(np.float32).tiny)
    where = (
        f"{sample.name} ({size_of(sample)}): score {export[0]:.7g} for {model[0]:.7g}; map at row {row}, column "
        f"{column}: {export[1][row, column]:.7g} for {model[1][row, column]:.7g}"
    )
    return _Difference(score, (far, far / highest), where)


def _largest(*values: float) -> float:
    """Give the largest value; one that is no number counts as largest of all."""
    return float(np.inf) if any(not np.isfinite(value) for value in values) else max(values)


def _agreement(theirs: Sequence[float], ours: Sequence[float]) -> float | None:
    if len(theirs) < 3 or not np.isfinite(ours).all():
        return None
    rho = float(spearmanr(theirs, ours).statistic)
    return None if np.isnan(rho) else rho


def size_of(sample: Sample) -> str:
    """Say how large the pixels of a sample are, as ``WxH``."""
    assert sample.pixels is not None  # noqa: S101 - they are what is compared
    return f"{sample.pixels.shape[1]}x{sample.pixels.shape[0]}"
