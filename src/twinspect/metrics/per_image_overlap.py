"""AUPIMO: how much of each image's defects is found while good images show next to nothing.

The shared false-positive rate (FPR) of a threshold is the share of an image's pixels that score at or above it,
averaged over the good images; the per-image overlap is the share of an image's anomalous pixels that do. AUPIMO is
the mean overlap over the logarithm of the FPR, from 1e-5 to 1e-4: one value for each anomalous image (Bertoldo,
Ameln, Vaidya and Akçay 2024, AUPIMO: Redefining Visual Anomaly Detection Benchmarks with High Speed and Low
Tolerance, BMVC).

No thresholds are picked: at a given FPR, the lowest threshold counts that does not exceed it. A pixel is therefore
found from the FPR at its own score on, and adds the part of the range that lies above.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from twinspect.errors import ConfigError, DataError
from twinspect.metrics.regions import as_map, as_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Range = tuple[float, float]

AUPIMO_RANGE: Final = (1e-5, 1e-4)
"""The shared false-positive rates that are averaged over."""
_MOST_GOOD: Final = 2**20
"""Scores of good pixels that are held, the highest; twice as many before the lower ones are dropped."""
_MOST_ANOMALOUS: Final = 2**23
"""Scores of anomalous pixels that are held; of every further image only so many as the next says."""
_RANKS: Final = 1024


@dataclass(frozen=True, eq=False)
class AupimoScores:
    """AUPIMO of some images.

    Attributes:
        images: (N,) float64 in [0, 1], of each anomalous image in the order in which they came; all NaN without a
            good pixel.
        error_bound: how far each can be from the exact one; proven, not estimated. Zero with up to 2**23 anomalous
            pixels and 10**10 good ones.
    """

    images: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    error_bound: float = 0.0

    @property
    def mean(self) -> float:
        """The mean over the images; NaN without any."""
        return float(self.images.mean()) if self.images.size else float("nan")


class AupimoAccumulator:
    """Gathers masks and score maps image by image in bounded memory.

    >>> maps = AupimoAccumulator()
    >>> maps.add(np.array([[0, 1, 1]]), np.array([[0.1, 0.9, 0.2]]))
    >>> maps.add(None, np.array([[0.3, 0.1]]))
    >>> float(maps.compute().mean)
    0.5
    """

    def __init__(self) -> None:
        self._good = _HighestScores()
        self._anomalous: list[NDArray[Any]] = []
        self._held = 0
        self._is_thinned = False

    def add(self, mask: ArrayLike | None, score_map: ArrayLike, inside: ArrayLike | None = None) -> None:
        """Add one image.

        Args:
            mask: (H, W) bool or 0/1, 1 is anomalous; None, or no pixel, for a good image.
            score_map: (H, W) float, finite, unbounded; higher is more anomalous.
            inside: (H, W) bool or 0/1, the pixels that count; None for all. At least one in a good image.

        Raises:
            DataError: other shapes, masks other than 0/1, scores NaN or infinite. Nothing is added.
        """
        scores = as_map(score_map)
        flags = None if mask is None else as_mask(mask, scores)
        if inside is not None:
            counted = as_mask(inside, scores)
            scores, flags = scores[counted], None if flags is None else flags[counted]
        if flags is not None and flags.any():
            self._add_anomalous(np.sort(scores[flags]))
        else:
            self._good.add(scores.ravel())

    def _add_anomalous(self, scores: NDArray[Any]) -> None:
        """Add the ascending scores of one image's anomalous pixels."""
        if self._held + scores.size > _MOST_ANOMALOUS and scores.size > _RANKS:
            scores = scores[((np.arange(_RANKS) + 0.5) / _RANKS * scores.size).astype(np.int64)]
            self._is_thinned = True
        self._anomalous.append(scores)
        self._held += scores.size

    def merge(self, other: AupimoAccumulator) -> None:
        """Add all images of another accumulator, which stays as it is."""
        self._good.merge(other._good)
        self._anomalous += other._anomalous
        self._held += other._held
        self._is_thinned |= other._is_thinned

    def compute(self, between: Range = AUPIMO_RANGE) -> AupimoScores:
        """Compute the values of the images so far; more may be added afterwards.

        Args:
            between: lowest and highest shared false-positive rate.

        Raises:
            ConfigError: they are not in (0, 1], or not in this order.
        """
        low, high = between
        if not 0 < low < high <= 1:
            raise ConfigError(
                f"between={between!r}; allowed: 0 < lowest < highest <= 1, usually (1e-5, 1e-4)"
            )
        if not self._good.images:
            return AupimoScores(np.full(len(self._anomalous), np.nan))
        curve = self._good.curve()
        values = [_shares(curve.rates(scores), low, high).mean() for scores in self._anomalous]
        unknown = float(_shares(np.array(curve.least_unknown_rate), low, high))
        return AupimoScores(np.array(values, np.float64), unknown + self._is_thinned / _RANKS)


def aupimo(
    masks: Sequence[ArrayLike | None], maps: Sequence[ArrayLike], between: Range = AUPIMO_RANGE
) -> NDArray[np.float64]:
    """Compute AUPIMO of each anomalous image.

    Args:
        masks: for each image (H, W) bool or 0/1, 1 is anomalous; None, or no pixel, for a good image.
        maps: for each image (H, W) float32 or float64, finite, unbounded; higher is more anomalous. Sizes may differ:
            in the shared rate every good image counts the same.
        between: lowest and highest shared false-positive rate, in (0, 1].

    Returns:
        (N,) a value in [0, 1] for each image, NaN for good ones; all NaN without a good image.

    Raises:
        ConfigError: rates outside (0, 1] or not in this order.
        DataError: unequal numbers or shapes, masks other than 0/1, scores NaN or infinite.

    >>> aupimo([None, [[0, 1, 1]]], [[[0.3, 0.1]], [[0.1, 0.9, 0.2]]])
    array([nan, 0.5])
    """
    if len(masks) != len(maps):
        raise DataError(f"{len(masks)} masks came with {len(maps)} score maps; allowed: one mask a map")
    images = AupimoAccumulator()
    for mask, score_map in zip(masks, maps, strict=True):
        images.add(mask, score_map)
    values = np.full(len(maps), np.nan)
    values[np.array([mask is not None and np.any(mask) for mask in masks], np.bool_)] = images.compute(
        between
    ).images
    return values


def _shares(rates: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Give the share of the range of rates, on a logarithmic scale, that lies above each."""
    return np.asarray(np.log(high / np.clip(rates, low, high)) / np.log(high / low))


class _SharedRates(NamedTuple):
    """The shared false-positive rate as a function of the score.

    Attributes:
        scores: (N,) ascending.
        at_or_above: (N + 1,) the rate at each, and beyond the highest.
        known_above: scores up to this one were dropped.
        is_complete: whether none were.
    """

    scores: NDArray[Any]
    at_or_above: NDArray[np.float64]
    known_above: float
    is_complete: bool

    def rates(self, queries: NDArray[Any]) -> NDArray[np.float64]:
        """Give the rate at each of some scores; 1 where it depends on what was dropped."""
        rates = self.at_or_above[np.searchsorted(self.scores, queries, side="left")]
        return np.where(queries > self.known_above, rates, 1.0)

    @property
    def least_unknown_rate(self) -> float:
        """What rates that are not known are at least; 1 if all are known."""
        return 1.0 if self.is_complete else float(self.at_or_above[0])


class _HighestScores:
    """The highest scores of good images, each with the share of its image that its pixel is.

    Attributes:
        images: how many came.
    """

    def __init__(self) -> None:
        self.images = 0
        self._pieces: list[tuple[NDArray[Any], NDArray[np.float64]]] = []
        self._held = 0
        self._highest_dropped = -np.inf

    def add(self, scores: NDArray[Any]) -> None:
        """Add an image."""
        self.images += 1
        kept = scores[scores > self._highest_dropped]
        self._append(kept, np.full(kept.size, 1 / max(1, scores.size)))

    def merge(self, other: _HighestScores) -> None:
        """Add all images of another."""
        self.images += other.images
        self._highest_dropped = max(self._highest_dropped, other._highest_dropped)
        for scores, shares in other._pieces:
            self._append(scores, shares)

    def curve(self) -> _SharedRates:
        """Sort what is held."""
        scores, shares = self._whole()
        order = np.argsort(scores)[np.count_nonzero(scores <= self._highest_dropped) :]
        above = np.cumsum(shares[order][::-1])[::-1] / self.images
        is_complete = self._highest_dropped == -np.inf
        return _SharedRates(scores[order], np.append(above, 0.0), self._highest_dropped, is_complete)

    def _append(self, scores: NDArray[Any], shares: NDArray[np.float64]) -> None:
        self._pieces.append((scores, shares))
        self._held += scores.size
        if self._held > 2 * _MOST_GOOD:
            self._drop_lowest()

    def _drop_lowest(self) -> None:
        scores, shares = self._whole()
        # Scores equal to the highest that is dropped go too, so that what is known of those above is complete.
        highest = np.partition(scores, scores.size - _MOST_GOOD - 1)[scores.size - _MOST_GOOD - 1]
        self._highest_dropped = max(self._highest_dropped, highest)
        kept = scores > self._highest_dropped
        self._pieces = [(scores[kept], shares[kept])]
        self._held = int(kept.sum())

    def _whole(self) -> tuple[NDArray[Any], NDArray[np.float64]]:
        scores, shares = zip(*self._pieces, strict=True)
        self._pieces = [(np.concatenate(scores), np.concatenate(shares))]
        return self._pieces[0]
