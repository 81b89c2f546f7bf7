"""Whether an exported graph gives the model's results: both score the same images, and differences are measured."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from twinspect.data.pixels import read_pixels
from twinspect.inference.graph_engine import GraphEngine
from twinspect.regions.areas import Region
from twinspect.regions.scope import look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twinspect.data.samples import Sample
    from twinspect.inference.pipeline import Engine
    from twinspect.regions.scope import Scope

TOLERANCES: Final[dict[str, float | None]] = {"fp32": 1e-4, "fp16": 2e-2, "int8": None}
"""Largest relative difference of scores and of maps; ``None`` where ranks, decisions or metrics decide instead."""
ROUNDS: Final = 5
"""How often each engine scores one image to be timed; they take turns."""


@dataclass(frozen=True)
class Parity:
    """How far an export is from its model on real images.

    Attributes:
        images: how many were compared.
        sizes: their sizes, ``WxH``.
        score_absolute: the largest difference of raw scores.
        score_relative: the largest as a share of the model's own score, or of the median score where that is larger.
        map_absolute: the largest difference of any pixel of a map.
        map_relative: the largest as a share of the highest pixel of the model's own map, or of the median of those
            where that is larger: an image whose patches are all in a memory has a map of zeros.
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
        """Whether every difference is within tolerance; NaN is not."""
        allowed = sys.float_info.max if self.tolerance is None else self.tolerance
        return self.score_relative <= allowed and self.map_relative <= allowed

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


class _Usual(NamedTuple):
    """Medians over the images: of the model's scores, and of the highest pixels of its maps."""

    score: float
    peak: float


@dataclass(frozen=True)
class _ImageDifference:
    """Absolute and relative differences on one image, and where they are, in words."""

    score: tuple[float, float]
    map: tuple[float, float]
    where: str


def compare(
    model: Engine,
    export: Engine,
    samples: Sequence[Sample],
    tolerance: float | None,
    scope: Scope | None = None,
) -> Parity:
    """Score images by both engines, one by one, and measure how far apart they are.

    Args:
        model: the reference.
        export: what is checked.
        samples: with their pixels; of several sizes, if the export takes several.
        tolerance: see :data:`TOLERANCES`.
        scope: where to look; ``None`` for everywhere.
    """
    expected, actual = _score_each(model, samples, scope), _score_each(export, samples, scope)
    usual = _Usual(
        statistics.median(abs(score) for score, _ in expected),
        statistics.median(float(np.abs(pixels).max(initial=0)) for _, pixels in expected),
    )
    differences = [
        _difference(sample, a, b, usual) for sample, a, b in zip(samples, expected, actual, strict=True)
    ]
    worst = max(differences, key=lambda image: _largest(image.score[1], image.map[1]))
    return Parity(
        images=len(samples),
        sizes=sorted({size_of(sample) for sample in samples}),
        score_absolute=_largest(*(image.score[0] for image in differences)),
        score_relative=_largest(*(image.score[1] for image in differences)),
        map_absolute=_largest(*(image.map[0] for image in differences)),
        map_relative=_largest(*(image.map[1] for image in differences)),
        rank_agreement=_rank_agreement([score for score, _ in expected], [score for score, _ in actual]),
        tolerance=tolerance,
        worst=worst.where,
    )


def time_side_by_side(sample: Sample, *engines: Engine, scope: Scope | None = None) -> list[float]:
    """Time engines on one image that is read already, in turns: the median of each, in milliseconds."""
    prepared = [_prepare(engine, sample, scope) for engine in engines]
    times: list[list[float]] = [[] for _ in engines]
    for turn in range(ROUNDS + 1):
        for engine, image, milliseconds in zip(engines, prepared, times, strict=True):
            began = time.perf_counter()
            engine.score([image], maps=True)
            if turn:  # the first is for warming up
                milliseconds.append(1000 * (time.perf_counter() - began))
    return [statistics.median(milliseconds) for milliseconds in times]


def _prepare(engine: Engine, sample: Sample, scope: Scope | None) -> Any:
    """Prepare an image; where each has a region of its own, the left two thirds of it stand for one."""
    rgb = read_pixels(sample)
    if scope and not scope.shared:
        inside = np.zeros(rgb.shape[:2], np.bool_)
        inside[:, : -(-2 * rgb.shape[1] // 3)] = True
        scope = replace(scope, fixed=Region(inside, any_size=False), alignment=None)
    seen = look(scope, sample, rgb)
    paints = isinstance(engine, GraphEngine)  # its graph does
    return engine.prepare(rgb if paints else seen.painted, seen.region)


def _score_each(
    engine: Engine, samples: Sequence[Sample], scope: Scope | None
) -> list[tuple[float, NDArray[np.float32]]]:
    results: list[tuple[float, NDArray[np.float32]]] = []
    for sample in samples:
        (score,), (anomaly_map,) = engine.score([_prepare(engine, sample, scope)], maps=True)
        results.append((score, np.zeros((0, 0), np.float32) if anomaly_map is None else anomaly_map))
    return results


def _difference(
    sample: Sample,
    model: tuple[float, NDArray[np.float32]],
    export: tuple[float, NDArray[np.float32]],
    usual: _Usual,
) -> _ImageDifference:
    tiny = np.finfo(np.float32).tiny
    score = abs(model[0] - export[0])
    pixels = np.abs(model[1] - export[1])
    row, column = np.unravel_index(np.argmax(pixels), pixels.shape)
    pixel = float(pixels[row, column])
    where = (
        f"{sample.name} ({size_of(sample)}): score {export[0]:.7g} instead of {model[0]:.7g}; map at row {row}, "
        f"column {column}: {export[1][row, column]:.7g} instead of {model[1][row, column]:.7g}"
    )
    return _ImageDifference(
        (score, score / max(abs(model[0]), usual.score, tiny)),
        (pixel, pixel / max(float(np.abs(model[1]).max()), usual.peak, tiny)),
        where,
    )


def _largest(*values: float) -> float:
    """Give the largest value; infinity if one of them is not a finite number."""
    return float(np.inf) if any(not np.isfinite(value) for value in values) else max(values)


def _rank_agreement(expected: Sequence[float], actual: Sequence[float]) -> float | None:
    is_constant = np.ptp(expected) == 0 or np.ptp(actual) == 0
    if len(expected) < 3 or is_constant or not np.isfinite(actual).all():
        return None
    rho = float(spearmanr(expected, actual).statistic)
    return None if np.isnan(rho) else rho


def size_of(sample: Sample) -> str:
    """Give the size of a sample's pixels as ``WxH``."""
    assert sample.pixels is not None  # noqa: S101 - they are what is compared
    return f"{sample.pixels.shape[1]}x{sample.pixels.shape[0]}"
