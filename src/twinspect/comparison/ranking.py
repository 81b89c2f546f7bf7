"""Which candidate separates good images from defects best, and which of the others cannot be told from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from twinspect.metrics import auroc, auroc_interval, compare_aurocs, mean_interval, paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from twinspect.comparison.results import ImageRecord, Result

LEAST: Final = 5
"""Good and defective labelled images that a ranking needs; of fewer, an AUROC says nothing."""
FOLDS: Final = 5
CHANCE: Final = 0.05
"""Two candidates whose difference has a larger p-value cannot be told apart."""


class Auroc(NamedTuple):
    """An AUROC, on average over the categories, and both ends of its 95 % interval."""

    value: float
    low: float
    high: float


class Difference(NamedTuple):
    """A difference of two AUROCs on the same images, both ends of its 95 % interval, and its two-sided p-value."""

    value: float
    low: float
    high: float
    p_value: float

    @property
    def is_clear(self) -> bool:
        """Whether the two can be told apart."""
        return self.p_value < CHANCE


@dataclass(frozen=True)
class Evidence:
    """Images that all candidates have scored.

    Attributes:
        names: of the images.
        labels: (N,) whether each is defective.
        categories: of each.
        scores: (N,) raw scores by candidate.
    """

    names: tuple[str, ...]
    labels: NDArray[np.bool_]
    categories: NDArray[np.str_]
    scores: Mapping[str, NDArray[np.float64]]

    @classmethod
    def of(cls, images: Mapping[str, Sequence[ImageRecord]]) -> Evidence:
        """Take the images that every candidate has scored, by name, of categories that have good and defective ones.

        Args:
            images: by candidate.
        """
        by_name = {text: {image.name: image for image in rows} for text, rows in images.items()}
        first, *others = by_name.values()
        rows = [image for name, image in first.items() if all(name in other for other in others)]
        kinds = {(image.category, image.label == "good") for image in rows}
        used = [image for image in rows if {(image.category, True), (image.category, False)} <= kinds]
        return cls(
            tuple(image.name for image in used),
            np.array([image.label != "good" for image in used], dtype=np.bool_),
            np.array([image.category for image in used], dtype=np.str_),
            {text: np.array([known[image.name].score for image in used]) for text, known in by_name.items()},
        )

    @property
    def is_enough(self) -> bool:
        """Whether a ranking by these images says anything."""
        return bool(min(np.count_nonzero(self.labels), np.count_nonzero(~self.labels)) >= LEAST)

    def auroc(self, text: str) -> Auroc:
        """Compute the AUROC of a candidate."""
        parts = [auroc_interval(self.labels[at], self.scores[text][at]) for at in self.groups]
        value = float(np.mean([part.auroc for part in parts]))
        lows, highs = [part.low for part in parts], [part.high for part in parts]
        return Auroc(value, *mean_interval([part.auroc for part in parts], lows, highs))

    def difference(self, first: str, second: str) -> Difference:
        """Compare two candidates on the same images: by DeLong's test, or the bootstrap for several categories."""
        a, b = self.scores[first], self.scores[second]
        if len(self.groups) == 1:
            one = compare_aurocs(self.labels, a, b)
            return Difference(one.difference, one.low, one.high, one.p_value)
        # Numbers of the images take the place of scores, so that a draw knows each image's category.
        both, numbers = np.concatenate([a, b]), np.arange(len(a), dtype=np.float64)

        def mean(labels: NDArray[np.bool_], drawn: NDArray[np.float64]) -> float:
            index = drawn.astype(np.int64)
            return _mean_auroc(labels, both[index], self.categories[index % len(a)])

        draws = paired_bootstrap(mean, self.labels, numbers, numbers + len(a), draws=500)
        return Difference(draws.difference, draws.low, draws.high, draws.p_value)

    def ranked(self) -> list[str]:
        """List the candidates from the best to the worst."""
        return sorted(
            self.scores, key=lambda text: -_mean_auroc(self.labels, self.scores[text], self.categories)
        )

    def chosen_elsewhere(self, seed: int) -> float | None:
        """Estimate the AUROC of the best candidate on images that did not choose it.

        Each fold's AUROC is that of the candidate which is best on the other folds; returned is their mean, ``None``
        where no category has enough images for two folds.
        """
        folds = self._folds(seed)
        values = []
        for fold in range(int(folds.max()) + 1):
            inside = folds == fold
            others, these = self._only(~inside), self._only(inside)
            if others.groups and these.groups:
                best = others.ranked()[0]
                values.append(_mean_auroc(these.labels, these.scores[best], these.categories))
        return float(np.mean(values)) if values else None

    def disagreement(self) -> dict[str, float]:
        """Say by how much the candidates differ on each image: in the share of good images that score lower."""
        shares = []
        for scores in self.scores.values():
            good = np.sort(scores[~self.labels])
            shares.append(np.searchsorted(good, scores) / len(good))
        return dict(zip(self.names, np.ptp(shares, axis=0).tolist(), strict=True))

    def _only(self, at: NDArray[np.bool_]) -> Evidence:
        chosen = {text: scores[at] for text, scores in self.scores.items()}
        names = tuple(name for name, is_in in zip(self.names, at, strict=True) if is_in)
        return Evidence(names, self.labels[at], self.categories[at], chosen)

    def _folds(self, seed: int) -> NDArray[np.int64]:
        """Assign images to folds, good and defective ones of each category evenly."""
        folds, random = np.zeros(len(self.labels), dtype=np.int64), np.random.default_rng(seed)
        for category in np.unique(self.categories):
            for label in (False, True):
                index = np.flatnonzero((self.categories == category) & (self.labels == label))
                folds[random.permutation(index)] = np.arange(len(index)) % FOLDS
        return folds

    @property
    def groups(self) -> list[NDArray[np.bool_]]:
        """Select the images of each category that has good and defective ones, (N,) each."""
        return _groups(self.labels, self.categories)


def drawn_evidence(results: Mapping[str, Result]) -> Evidence:
    """Take the good images that were held out, and the same with synthetic defects."""
    return Evidence.of({text: [*result.good, *result.drawn] for text, result in results.items()})


def labelled_evidence(results: Mapping[str, Result]) -> Evidence | None:
    """Take the labelled images, with the held-out ones in place of good ones where there are none; or nothing."""
    if not any(result.labelled for result in results.values()):
        return None
    rows = {text: list(result.labelled) for text, result in results.items()}
    if not any(image.label == "good" for images in rows.values() for image in images):
        rows = {text: [*images, *results[text].good] for text, images in rows.items()}
    evidence = Evidence.of(rows)
    return evidence if evidence.is_enough else None


def _mean_auroc(
    labels: NDArray[np.bool_], scores: NDArray[np.float64], categories: NDArray[np.str_]
) -> float:
    values = [auroc(labels[at], scores[at]) for at in _groups(labels, categories)]
    return float(np.mean(values)) if values else float("nan")


def _groups(labels: NDArray[np.bool_], categories: NDArray[np.str_]) -> list[NDArray[np.bool_]]:
    """Select the images of each category that has good and defective ones."""
    groups = [categories == name for name in np.unique(categories)]
    return [at for at in groups if labels[at].any() and not labels[at].all()]
