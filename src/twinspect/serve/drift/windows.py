"""Drift: whether current production still looks like the images that the threshold was set by.

Disjoint windows of equally many inspections are compared with the calibration images: raw scores and image statistics
by one exact test over all of them (:mod:`.permutation_test`), and the number of anomalous images with the promised
rate. A window of unchanged production is flagged with a probability of at most ``rate`` by both tests together:
``1 - SHARE_PART`` of it belongs to the first test, the rest to the second.

Defects must not raise the first alarm, so that test uses only images that score below the threshold, on both sides,
and is still exact. Let t be the threshold, which is the k-th highest of n calibration scores. Given t, the
calibration images below it are distributed as independent draws from good images that score below t (given an order
statistic, the values below it are independent of those above), and so is every good image of the window that scores
below t. The two groups are therefore exchangeable, in their image statistics as well, and with ties, since images
that score exactly t are left out on both sides. Images that score t or more, above all defects, are only counted; a
defect below the threshold is one that the detector misses as well.

The count is compared with that expected of good images, which is beta-binomial since the threshold is itself
uncertain, and of an ordinary share of defects. It detects what the first test cannot: a change after which no image
scores below the threshold any more.

The probability is taken over windows and calibrations alike: with few calibration images, an unlucky calibration
raises more alarms than the rate, another one fewer. Images of a burst that resemble each other more than images of
different days are not independent draws; if all calibration images come from one day, a window of another day may
rightly be flagged.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from scipy import stats

from twinspect.errors import ConfigError
from twinspect.images.statistics import ImageStatistics
from twinspect.serve.drift.permutation_test import PERMUTATIONS, Stratum, compare
from twinspect.serve.drift.sensitivity import noticeable_shift
from twinspect.serve.drift.wording import quantity_in_words, share_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration

RATE: Final = 0.01
"""At most one window in a hundred of unchanged production is flagged."""
SHARE_PART: Final = 0.2
"""The part of the rate that belongs to the test of the number of anomalous images."""
DEFECTS: Final = 0.1
"""The share of defects among all images that is considered ordinary."""
SCORE, ANOMALIES = "score", "anomalies"
"""Names beside those of the image statistics: raw scores below the threshold, and the number above it."""
SMALLEST_RATE: Final = 2 / PERMUTATIONS


class ScoredInspections(Protocol):
    """Scored inspections in their order, such as :class:`twinspect.serve.store.InspectionSeries`."""

    @property
    def ids(self) -> NDArray[np.int64]:
        """(N,) of the inspections."""

    @property
    def scores(self) -> NDArray[np.float64]:
        """(N,) raw scores, finite."""

    @property
    def categories(self) -> Sequence[str]:
        """N; empty where none was given."""

    @property
    def statistics(self) -> Sequence[Mapping[str, float]]:
        """N, by the names of :class:`twinspect.images.statistics.ImageStatistics`; empty where they were not kept."""


@dataclass(frozen=True)
class DriftQuantity:
    """One quantity of a window.

    Attributes:
        p_value: at most the rate if and only if the quantity is flagged; 1 if nothing could be compared.
        median: of all images of the window.
        reference: median of the calibration images, in the window's mix of categories.
        noticeable: shift that would have raised an alarm 9 times out of 10; ``None`` if not even the largest would.
    """

    p_value: float
    median: float
    reference: float
    noticeable: float | None


@dataclass(frozen=True)
class Window:
    """Consecutive inspections, compared with the calibration.

    Attributes:
        first: id of the first inspection.
        last: id of the last one.
        count: how many inspections could be compared.
        quantities: scores and image statistics, by name.
        anomalous: how many score above the threshold.
        share_p_value: of that number; at most the rate if and only if it is flagged.
        flagged_from: the smallest number of anomalous images that is flagged; ``None`` if not even all are.
        p_value: the smallest of all; the window is flagged if it is at most the rate.
        alarmed: names of the flagged quantities, the most certain first.
        words: what each of them means, in the same order.
    """

    first: int
    last: int
    count: int
    quantities: dict[str, DriftQuantity]
    anomalous: int
    share_p_value: float
    flagged_from: int | None
    p_value: float
    alarmed: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def can_notice(self) -> bool:
        """Whether any change would have raised an alarm."""
        shifts = (quantity.noticeable for quantity in self.quantities.values())
        return self.flagged_from is not None or any(shift is not None for shift in shifts)

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = {name: asdict(quantity) for name, quantity in self.quantities.items()}
        return {
            "from": self.first,
            "to": self.last,
            "count": self.count,
            "score": plain.pop(SCORE, None),
            "looks": plain,
            "anomaly_share": self.anomalous / self.count if self.count else None,
            "anomaly_p_value": self.share_p_value,
            "anomaly_share_flagged": self.flagged_from / self.count if self.flagged_from else None,
            "alarmed": list(self.alarmed),
            "words": list(self.words),
            "p_value": self.p_value,
        }


@dataclass(frozen=True)
class Drift:
    """Windows, compared with the calibration.

    Attributes:
        rate: the highest share of windows of unchanged production that is flagged.
        names: of the quantities.
        windows: in their order.
        images: how many calibration images there are.
        medians: of the calibration images, by quantity.
        note: what could not be compared, and why; empty if everything could.
    """

    rate: float
    names: tuple[str, ...]
    windows: tuple[Window, ...]
    images: int
    medians: dict[str, float]
    note: str

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "false_alarm_rate": self.rate,
            "features": list(self.names),
            "windows": [window.to_record() for window in self.windows],
            "reference": {"count": self.images, "medians": self.medians},
            "note": self.note,
        }


def find_drift(
    calibration: Calibration,
    windows: Sequence[ScoredInspections],
    *,
    rate: float = RATE,
    defects: float = DEFECTS,
) -> Drift:
    """Compare windows of inspections with the calibration.

    Args:
        calibration: the active one.
        windows: full ones, at fixed positions that later inspections do not shift: sliding windows would be tested
            more often than the rate allows for.
        rate: the share of windows of unchanged production that may be flagged, 0.001 to below 1.
        defects: the share of defects that raises no alarm, 0 to below 1.

    Raises:
        ConfigError: the rate or the share is out of range.
    """
    if not SMALLEST_RATE <= rate < 1 or not 0 <= defects < 1:
        raise ConfigError(
            f"drift takes a rate from {SMALLEST_RATE:g} to below 1 and a share of defects from 0 to below 1; "
            f"got {rate:g} and {defects:g}"
        )
    reference = _Reference(calibration)
    tests = [_WindowTest(reference, window) for window in windows]
    return Drift(
        rate,
        reference.names,
        tuple(test.result(rate, defects) for test in tests),
        len(calibration.scores),
        dict(zip(reference.names, np.median(reference.values, axis=0).tolist(), strict=True)),
        _note(calibration, tests, rate),
    )


class _Reference:
    """The calibration as a table of quantities, and which images are compared with which."""

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self.names = (SCORE, *ImageStatistics._fields) if calibration.statistics else (SCORE,)
        self.values = np.array(calibration.scores)[:, None]
        if calibration.statistics:
            self.values = np.hstack([self.values, np.array(calibration.statistics)])
        known = sorted(set(calibration.categories))
        self.categories = known if len(known) > 1 else []

    def groups(
        self, categories: Sequence[str]
    ) -> list[tuple[Calibration, NDArray[np.intp], NDArray[np.intp]]]:
        """Group calibration images and those of a window by category: the calibration, and the indices of both.

        With one category, or none, all images are one group. With several, images are compared within their category,
        so that another mix of products is not drift; those of unknown categories are not compared.
        """
        if not self.categories:
            return [(self.calibration, np.arange(len(self.values)), np.arange(len(categories)))]
        old, new = np.array(self.calibration.categories), np.array(categories, dtype=str)
        return [
            (self.calibration.of(name), np.flatnonzero(old == name), np.flatnonzero(new == name))
            for name in self.categories
            if (new == name).any()
        ]


class _WindowTest:
    """The comparison of one window with the calibration."""

    def __init__(self, reference: _Reference, inspections: ScoredInspections) -> None:
        self._reference, self._inspections = reference, inspections
        self.groups = reference.groups(inspections.categories)
        self.count = sum(len(new) for _, _, new in self.groups)
        self.unknown = len(inspections.ids) - self.count
        self.names = (
            reference.names
            if all(statistics.keys() >= set(ImageStatistics._fields) for statistics in inspections.statistics)
            else (SCORE,)
        )
        table = [
            [score, *(statistics[name] for name in self.names[1:])]
            for score, statistics in zip(inspections.scores, inspections.statistics, strict=True)
        ]
        self.values = np.array(table, dtype=np.float64).reshape(len(inspections.ids), len(self.names))
        self.comparison = compare(self._strata(), seed=int(inspections.ids[0])) if self.count else None

    def _strata(self) -> list[Stratum]:
        old, new = self._reference.values[:, : len(self.names)], self.values
        return [
            Stratum(old[rows][old[rows, 0] < by.threshold], new[rows_new][new[rows_new, 0] < by.threshold])
            for by, rows, rows_new in self.groups
        ]

    def result(self, rate: float, defects: float) -> Window:
        """Return the window's result at a false-alarm rate."""
        quantities = self._quantities(rate)
        anomalous, probabilities = self._anomalous(), self._count_probabilities(defects)
        shares = np.minimum(1.0, np.cumsum(probabilities[::-1])[::-1] / SHARE_PART)
        flagged = np.flatnonzero(shares <= rate)
        share = float(shares[anomalous]) if self.count else 1.0
        p_values = {**{name: quantity.p_value for name, quantity in quantities.items()}, ANOMALIES: share}
        alarmed = sorted((name for name, p in p_values.items() if p <= rate), key=lambda name: p_values[name])
        return Window(
            first=int(self._inspections.ids[0]),
            last=int(self._inspections.ids[-1]),
            count=self.count,
            quantities=quantities,
            anomalous=anomalous,
            share_p_value=share,
            flagged_from=int(flagged[0]) if len(flagged) else None,
            p_value=min(p_values.values()),
            alarmed=tuple(alarmed),
            words=tuple(self._words(name, quantities, anomalous, defects) for name in alarmed),
        )

    def _quantities(self, rate: float) -> dict[str, DriftQuantity]:
        if self.comparison is None:
            return {}
        p_values = np.minimum(1.0, self.comparison.p_values / (1 - SHARE_PART))
        new = np.median(self.values[np.concatenate([rows for _, _, rows in self.groups])], axis=0)
        old = [self._reference_median(column) for column in range(len(self.names))]
        shifts = self._noticeable(self.comparison.critical(rate * (1 - SHARE_PART)))
        columns = zip(self.names, p_values.tolist(), new.tolist(), old, shifts, strict=True)
        return {name: DriftQuantity(*values) for name, *values in columns}

    def _noticeable(self, critical: float) -> list[float | None]:
        """Return the shift of each quantity that would be noticed, in its own unit."""
        strata = self._strata()
        shift = noticeable_shift(critical, [(len(each.reference), len(each.fresh)) for each in strata])
        if shift is None:
            return [None] * len(self.names)
        centred = [each.reference - each.reference.mean(axis=0) for each in strata if len(each.reference)]
        spread: list[float] = (shift * np.concatenate(centred).std(axis=0)).tolist()
        return [*spread]

    def _reference_median(self, column: int) -> float:
        """Return the calibration's median of a quantity, with categories weighted as they occur in the window."""
        values = np.concatenate([self._reference.values[old, column] for _, old, _ in self.groups])
        weights = np.concatenate([np.full(len(old), len(new) / len(old)) for _, old, new in self.groups])
        order = np.argsort(values, kind="stable")
        total = np.cumsum(weights[order])
        middle = np.searchsorted(total, [total[-1] * (0.5 - 1e-9), total[-1] * (0.5 + 1e-9)])
        return float(values[order][middle].mean())

    def _anomalous(self) -> int:
        return sum(int((self.values[new, 0] > by.threshold).sum()) for by, _, new in self.groups)

    def _count_probabilities(self, defects: float) -> NDArray[np.float64]:
        """Return the probability of every number of anomalous images, 0 to ``count``, if nothing changed."""
        images: dict[int, int] = {}
        calibrations = {id(by): by for by, _, _ in self.groups}  # several categories may share the pooled one
        for by, _, new in self.groups:
            images[id(by)] = images.get(id(by), 0) + len(new)
        probabilities = np.ones(1)
        for key, by in calibrations.items():
            probabilities = np.convolve(probabilities, _anomalous_count_pmf(by, images[key], defects))
        return probabilities

    def _words(
        self, name: str, quantities: Mapping[str, DriftQuantity], anomalous: int, defects: float
    ) -> str:
        if name == ANOMALIES:
            return share_in_words(anomalous, self.count, defects, self._outside(quantities))
        if self.comparison is None:
            raise AssertionError("a quantity was flagged without a comparison")
        column, quantity = self.names.index(name), quantities[name]
        shift = self.comparison.higher[column], self.comparison.wider[column]
        return quantity_in_words(name, quantity.median, quantity.reference, *map(float, shift))

    def _outside(self, quantities: Mapping[str, DriftQuantity]) -> list[tuple[str, float, float, float]]:
        """Find image statistics whose median lies outside the range of the calibration images compared with."""
        old = self._reference.values[np.concatenate([rows for _, rows, _ in self.groups])]
        ranges = zip(self.names, old.min(axis=0).tolist(), old.max(axis=0).tolist(), strict=False)
        return [
            (name, quantities[name].median, low, high)
            for name, low, high in ranges
            if name != SCORE and not low <= quantities[name].median <= high
        ]


def _anomalous_count_pmf(calibration: Calibration, images: int, defects: float) -> NDArray[np.float64]:
    """Return the probability of 0 to ``images`` anomalous ones, with a share of defects that are all detected.

    Among good images the number above the k-th highest of n calibration scores is beta-binomial with k and n + 1 - k.
    """
    count = len(calibration.scores)
    above = int(np.count_nonzero(np.asarray(calibration.scores) >= calibration.threshold))
    counts = np.arange(images + 1)
    bad = counts[:, None]
    among_good = stats.betabinom.pmf(counts - bad, images - bad, above, count + 1 - above)
    probabilities: NDArray[np.float64] = stats.binom.pmf(counts, images, defects) @ among_good
    return probabilities


def _note(calibration: Calibration, tests: Sequence[_WindowTest], rate: float) -> str:
    """State what could not be compared, and what alarms cannot show."""
    notes = []
    if any(
        test.comparison is not None and test.comparison.smallest > rate * (1 - SHARE_PART) for test in tests
    ):
        notes.append(
            f"{len(calibration.scores)} calibration images are too few to tell a change of scores or images from "
            "chance at this rate, so only the number of anomalous images is tested: calibrate with more good images"
        )
    if not calibration.statistics:
        notes.append(
            "the calibration has no image statistics, so only scores are compared; type: "
            "twinspect calibrate M.twin GOOD"
        )
    elif any(len(test.names) == 1 for test in tests):
        notes.append("some windows contain images without image statistics; there only scores are compared")
    if unknown := sum(test.unknown for test in tests):
        notes.append(
            f"{unknown} images are of no calibrated category and are not compared; give each its category"
        )
    if calibration.kind == "cv":
        notes.append(
            "the calibration scores come from other fits than the one that scores now, so scores may differ "
            "without drift; image statistics are not affected"
        )
    return "; ".join(notes)
