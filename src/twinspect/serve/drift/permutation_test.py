"""One exact test of whether new images differ from reference images in any of several quantities.

Each quantity is compared by Lepage's idea (Biometrika 58, 1971): the squared rank statistic of location plus that of
spread. What such a sum is worth comes from the images themselves: if nothing changed, any of them might as well have
been the new ones, so they are shuffled between the two groups and measured again. The p-value of a quantity counts
the shufflings in which the most extreme of *all* quantities is as extreme (Westfall & Young 1993, single-step max T),
so that all of them together raise a false alarm at most so often as one number says. This holds for any numbers of
images, any distributions, ties, constant quantities and any dependence between quantities; the arrangement found
counts as one of the shufflings, hence no p-value is 0 (Phipson & Smyth 2010).
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
"""How often images are shuffled, the arrangement found included: p-values are multiples of one in so many."""
_ROUNDING: Final = 1e-4
"""Sums in another order differ by less than this, relatively; such statistics count as equal."""


@dataclass(frozen=True)
class Stratum:
    """Images that are only compared with each other, such as those of one product.

    Attributes:
        reference: (n, K) float64, K quantities of each.
        fresh: (m, K) likewise.
    """

    reference: NDArray[np.float64]
    fresh: NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """What was found.

    Attributes:
        p_values: (K,) in (0, 1]; where nothing changed, any of them is at most a with a probability of at most a.
        higher: (K,) how much higher the fresh values lie, in standard deviations of the rank sum; negative for lower.
        wider: (K,) how much further from the middle they lie, likewise.
        smallest: the smallest p-value that so few images can give at all.
    """

    p_values: NDArray[np.float64]
    higher: NDArray[np.float64]
    wider: NDArray[np.float64]
    smallest: float


def compare(strata: Sequence[Stratum], seed: int) -> Comparison:
    """Compare fresh with reference images, stratum by stratum, in all quantities at once.

    Args:
        strata: one or more; each has the same quantities, in any number of images.
        seed: decides the shufflings. Another one for each test, or the tests share the luck of one.
    """
    random = np.random.default_rng(seed)
    kinds = strata[0].fresh.shape[1]
    sums = np.zeros((PERMUTATIONS, 2 * kinds))
    variance = np.zeros(2 * kinds)
    for each in strata:
        old, new = len(each.reference), len(each.fresh)
        if old and new:
            marks = _rank_scores(each)
            sums += _permutations(random, old, new) @ marks
            variance += (
                old * new / ((old + new) * (old + new - 1)) * (marks.astype(np.float64) ** 2).sum(axis=0)
            )
    steps = sums / np.sqrt(np.where(variance > 0, variance, 1.0))
    extremes = steps[:, :kinds] ** 2 + steps[:, kinds:] ** 2
    most = extremes.max(axis=1)[:, None]
    p_values = (most >= extremes[0] * (1 - _ROUNDING)).mean(axis=0)
    return Comparison(p_values, steps[0, :kinds], steps[0, kinds:], smallest_p(strata))


def smallest_p(strata: Sequence[Stratum]) -> float:
    """Say the smallest p-value that these numbers of images allow: one over the number of ways to part them."""
    logarithms = [_log_ways(len(each.reference), len(each.fresh)) for each in strata]
    return max(1 / PERMUTATIONS, math.exp(-sum(logarithms)))


def _log_ways(old: int, new: int) -> float:
    return float(special.gammaln(old + new + 1) - special.gammaln(old + 1) - special.gammaln(new + 1))


def _rank_scores(stratum: Stratum) -> NDArray[np.float32]:
    """Mark every image, the reference's first, by its rank and by its distance from the middle rank: (n + m, 2 K).

    The marks of a quantity add up to 0, and do not grow with the number of images (van Elteren's weights).
    """
    ranks = stats.rankdata(np.concatenate([stratum.reference, stratum.fresh]), axis=0)
    places = ranks / (len(ranks) + 1) - 0.5
    distances = np.abs(places)
    marks: NDArray[np.float32] = np.hstack([places, distances - distances.mean(axis=0)]).astype(np.float32)
    return marks


def _permutations(random: Generator, old: int, new: int) -> NDArray[np.float32]:
    """Say in every row which images count as fresh; the first row is the arrangement found."""
    lots = random.random((PERMUTATIONS, old + new))
    lots[0] = np.arange(old + new, 0, -1)
    last = np.partition(lots, new - 1, axis=1)[:, new - 1 : new]
    return (lots <= last).astype(np.float32)  # the lowest lots count as fresh
