"""One exact test of whether new images differ from reference images in any of several quantities.

Each quantity is compared by a Lepage statistic (Biometrika 58, 1971): the squared rank statistic of location plus
that of spread. Its null distribution comes from the images themselves: if nothing changed, the images of both groups
are exchangeable, so they are permuted between the groups and the statistics computed again. The p-value of a quantity
is the share of permutations in which the most extreme of *all* quantities is as extreme (Westfall & Young 1993,
single-step max T), so the false-alarm rate holds for all quantities together. This is valid for any numbers of
images, any distributions, ties, constant quantities and any dependence between quantities; the observed arrangement
counts as one of the permutations, hence no p-value is 0 (Phipson & Smyth 2010).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special, stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

PERMUTATIONS: Final = 2000
"""How many permutations, the observed one included: p-values are multiples of the reciprocal."""
_ROUNDING: Final = 1e-4
"""Relative difference below which statistics count as equal: sums in another order differ by less."""


@dataclass(frozen=True)
class Stratum:
    """Images that are compared only with each other, such as those of one product.

    Attributes:
        reference: (n, K) float64, K quantities of n images.
        fresh: (m, K) float64, the same quantities of m new images.
    """

    reference: NDArray[np.float64]
    fresh: NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """The result of a test.

    Attributes:
        p_values: (K,) in (0, 1]; if nothing changed, any of them is at most a with a probability of at most a.
        higher: (K,) how much higher the fresh values are, in standard deviations of the rank sum; negative for lower.
        wider: (K,) how much more spread out they are, in standard deviations of its rank statistic.
        smallest: the smallest p-value that these numbers of images allow.
        largest: (PERMUTATIONS,) the largest statistic of each permutation, in descending order.
    """

    p_values: NDArray[np.float64]
    higher: NDArray[np.float64]
    wider: NDArray[np.float64]
    smallest: float
    largest: NDArray[np.float64]

    def critical(self, rate: float) -> float:
        """Return what a statistic must exceed for a p-value of at most ``rate``; infinite if none can."""
        if rate < self.smallest:
            return math.inf
        return float(self.largest[math.floor(rate * PERMUTATIONS * (1 + _ROUNDING))])


def compare(strata: Sequence[Stratum], seed: int) -> Comparison:
    """Compare fresh with reference images, stratum by stratum, in all quantities at once.

    Args:
        strata: one or more, with the same quantities, of any number of images.
        seed: of the permutations; use another one for each test, so that tests are independent.
    """
    random = np.random.default_rng(seed)
    count = strata[0].fresh.shape[1]
    sums = np.zeros((PERMUTATIONS, 2 * count))
    variance = np.zeros(2 * count)
    for stratum in strata:
        old, new = len(stratum.reference), len(stratum.fresh)
        if old and new:
            scores = _rank_scores(stratum)
            sums += _permutations(random, old, new) @ scores
            variance += (
                old * new / ((old + new) * (old + new - 1)) * (scores.astype(np.float64) ** 2).sum(axis=0)
            )
    standardised = sums / np.sqrt(np.where(variance > 0, variance, 1.0))
    statistics = standardised[:, :count] ** 2 + standardised[:, count:] ** 2
    largest = statistics.max(axis=1)[:, None]
    p_values = (largest >= statistics[0] * (1 - _ROUNDING)).mean(axis=0)
    return Comparison(
        p_values,
        standardised[0, :count],
        standardised[0, count:],
        smallest_p(strata),
        np.sort(largest[:, 0])[::-1],
    )


def smallest_p(strata: Sequence[Stratum]) -> float:
    """Return the smallest p-value that these numbers of images allow: one over the number of ways to split them."""
    logarithms = [_log_ways(len(stratum.reference), len(stratum.fresh)) for stratum in strata]
    return max(1 / PERMUTATIONS, math.exp(-sum(logarithms)))


def _log_ways(old: int, new: int) -> float:
    return float(special.gammaln(old + new + 1) - special.gammaln(old + 1) - special.gammaln(new + 1))


def _rank_scores(stratum: Stratum) -> NDArray[np.float32]:
    """Score each image, the reference's first, by its rank and by its distance from the middle rank: (n + m, 2 K).

    The scores of a quantity add up to 0, and do not grow with the number of images (van Elteren's weights).
    """
    ranks = stats.rankdata(np.concatenate([stratum.reference, stratum.fresh]), axis=0)
    centred = ranks / (len(ranks) + 1) - 0.5
    distances = np.abs(centred)
    scores: NDArray[np.float32] = np.hstack([centred, distances - distances.mean(axis=0)]).astype(np.float32)
    return scores


def _permutations(random: Generator, old: int, new: int) -> NDArray[np.float32]:
    """Mark in every row which images count as fresh: (PERMUTATIONS, n + m); the first row is the observed one."""
    draws = random.random((PERMUTATIONS, old + new))
    draws[0] = np.arange(old + new, 0, -1)
    last = np.partition(draws, new - 1, axis=1)[:, new - 1 : new]
    return (draws <= last).astype(np.float32)  # the lowest draws count as fresh
