"""Drift: whether what comes down the line still looks like what the threshold was set by.

Windows of inspections, each as long as the others and none sharing an image, are compared with the calibration
images: raw scores and looks by one exact test over all of them (:mod:`.permutation_test`), and the number
of images called anomalous against what was promised. A window of unchanged production is flagged with a probability
of at most ``rate``, all tests together: ``1 - SHARE_PART`` of it is the first test's, the rest the second's.

Defects must not raise the first alarm, so it looks only at images that score below the threshold, on both sides. That
costs no exactness. Let t be the threshold, which is the k-th highest of n calibration scores. Given t, the
calibration images below it are as independent draws from good images that score below t (what lies above an order
statistic says nothing else of what lies below), and so is every good image of the window that scores below t. So the
two groups are exchangeable, also in their looks, also with ties, since those that score t itself are left out on both
sides. What scores t or more, defects above all, is only counted; a defect below the threshold is one that the
detector misses too.

The count is compared with that of good images, beta-binomial since the threshold is itself uncertain, and of a share
of defects that is taken for ordinary. It tells what the first test cannot: a change after which nothing is left below
the threshold.

The probability is one over windows and calibrations alike: with few calibration images, an unlucky one raises more
alarms than the rate, another fewer. Images of a burst that resemble each other more than those of different days are
no independent draws; where calibration images all come from one day, a window of another day may rightly be flagged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from scipy import stats

from twinspect.errors import ConfigError
from twinspect.images.statistics import ImageStatistics
from twinspect.serve.drift.permutation_test import PERMUTATIONS, Stratum, compare
from twinspect.serve.drift.wording import quantity_in_words, share_in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration

RATE: Final = 0.01
"""Of unchanged production, one window in a hundred is flagged at most."""
SHARE_PART: Final = 0.2
"""The part of the rate that goes to the number of anomalous images."""
DEFECTS: Final = 0.1
"""So many defects, as a share of all images, are taken for ordinary."""
SCORE, ANOMALIES = "score", "anomalies"
"""What is called by these names beside the looks: raw scores below the threshold, and the number above it."""
SMALLEST_RATE: Final = 2 / PERMUTATIONS


class ScoredInspections(Protocol):
    """Scored inspections in their order, such as :class:`twinspect.serve.store.Series`."""

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
        p_value: at most the rate exactly where the quantity is flagged; 1 where nothing could be compared.
        median: of all images of the window.
        reference: of the calibration images, in the window's mix of categories.
    """

    p_value: float
    median: float
    reference: float


@dataclass(frozen=True)
class Window:
    """So many inspections in a row.

    Attributes:
        first: id of the first inspection.
        last: id of the last one.
        count: how many of them could be compared.
        quantities: of scores and looks, by name.
        anomalous: how many lie above the threshold.
        share_p_value: of that number; at most the rate exactly where it is flagged.
        p_value: the smallest of all; the window is flagged where it is at most the rate.
        alarmed: names of what is flagged, the most certain first.
        words: what each of them means, in the same order.
    """

    first: int
    last: int
    count: int
    quantities: dict[str, DriftQuantity]
    anomalous: int
    share_p_value: float
    p_value: float
    alarmed: tuple[str, ...]
    words: tuple[str, ...]

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = {
            name: {"p_value": own.p_value, "median": own.median, "reference": own.reference}
            for name, own in self.quantities.items()
        }
        return {
            "from": self.first,
            "to": self.last,
            "count": self.count,
            "score": plain.pop(SCORE, None),
            "looks": plain,
            "anomaly_share": self.anomalous / self.count if self.count else None,
            "anomaly_p_value": self.share_p_value,
            "alarmed": list(self.alarmed),
            "words": list(self.words),
            "p_value": self.p_value,
        }


@dataclass(frozen=True)
class Drift:
    """Windows beside the calibration.

    Attributes:
        rate: how many windows of unchanged production are flagged at most.
        names: of the quantities.
        windows: in their order.
        images: calibration images.
        medians: of the calibration images, by quantity.
        note: what could not be compared, and why; empty where everything could.
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
        calibration: what decides now.
        windows: full ones, cut at places that later inspections do not move: who looks at moving windows looks more
            often than the rate allows for.
        rate: how many windows of unchanged production may be flagged, 0.001 to below 1.
        defects: share of images that may be defects without being an alarm, 0 to below 1.

    Raises:
        ConfigError: another rate or share.
    """
    if not SMALLEST_RATE <= rate < 1 or not 0 <= defects < 1:
        raise ConfigError(
            f"drift takes a rate from {SMALLEST_RATE:g} to below 1 and a share of defects from 0 to below 1; "
            f"got {rate:g} and {defects:g}"
        )
    reference = _Reference(calibration)
    found = [_WindowTest(reference, each) for each in windows]
    return Drift(
        rate,
        reference.names,
        tuple(each.window(rate, defects) for each in found),
        len(calibration.scores),
        dict(zip(reference.names, np.median(reference.values, axis=0).tolist(), strict=True)),
        _note(calibration, found, rate),
    )


class _Reference:
    """The calibration as a table: its quantities, and which images are compared with which."""

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
        """Put calibration images beside those of a window that show the same: what decides, and the places of both.

        With one category, or none, all are compared with all. With several each image is compared within its own,
        so that another mix of products is no drift; those of unknown categories are compared with nothing.
        """
        if not self.categories:
            return [(self.calibration, np.arange(len(self.values)), np.arange(len(categories)))]
        own, new = np.array(self.calibration.categories), np.array(categories, dtype=str)
        return [
            (self.calibration.of(name), np.flatnonzero(own == name), np.flatnonzero(new == name))
            for name in self.categories
            if (new == name).any()
        ]


class _WindowTest:
    """One window beside the calibration."""

    def __init__(self, reference: _Reference, seen: ScoredInspections) -> None:
        self._reference, self._seen = reference, seen
        self.groups = reference.groups(seen.categories)
        self.count = sum(len(new) for _, _, new in self.groups)
        self.unknown = len(seen.ids) - self.count
        self.names = (
            reference.names
            if all(each.keys() >= set(ImageStatistics._fields) for each in seen.statistics)
            else (SCORE,)
        )
        table = [
            [score, *(look[name] for name in self.names[1:])]
            for score, look in zip(seen.scores, seen.statistics, strict=True)
        ]
        self.values = np.array(table, dtype=np.float64).reshape(len(seen.ids), len(self.names))
        self.compared = compare(self._strata(), seed=int(seen.ids[0])) if self.count else None

    def _strata(self) -> list[Stratum]:
        old, new = self._reference.values[:, : len(self.names)], self.values
        return [
            Stratum(old[kept][old[kept, 0] < own.threshold], new[came][new[came, 0] < own.threshold])
            for own, kept, came in self.groups
        ]

    def window(self, rate: float, defects: float) -> Window:
        """Say what the window shows at a rate."""
        quantities = self._quantities()
        anomalous, explained = self._anomalous(), self._explained(defects)
        share = min(1.0, float(explained[anomalous:].sum()) / SHARE_PART) if self.count else 1.0
        p_values = {**{name: own.p_value for name, own in quantities.items()}, ANOMALIES: share}
        alarmed = sorted((name for name, p in p_values.items() if p <= rate), key=lambda name: p_values[name])
        return Window(
            first=int(self._seen.ids[0]),
            last=int(self._seen.ids[-1]),
            count=self.count,
            quantities=quantities,
            anomalous=anomalous,
            share_p_value=share,
            p_value=min(p_values.values()),
            alarmed=tuple(alarmed),
            words=tuple(self._words(name, quantities, anomalous, defects) for name in alarmed),
        )

    def _quantities(self) -> dict[str, DriftQuantity]:
        if self.compared is None:
            return {}
        p_values = np.minimum(1.0, self.compared.p_values / (1 - SHARE_PART))
        new = np.median(self.values[np.concatenate([came for _, _, came in self.groups])], axis=0)
        old = [self._usual(place) for place in range(len(self.names))]
        columns = zip(self.names, p_values.tolist(), new.tolist(), old, strict=True)
        return {name: DriftQuantity(p_value, median, usual) for name, p_value, median, usual in columns}

    def _usual(self, place: int) -> float:
        """Give the calibration's median of a quantity, each category weighing what it weighs in the window."""
        values = np.concatenate([self._reference.values[kept, place] for _, kept, _ in self.groups])
        weights = np.concatenate([np.full(len(kept), len(came) / len(kept)) for _, kept, came in self.groups])
        order = np.argsort(values, kind="stable")
        heavy = np.cumsum(weights[order])
        middle = np.searchsorted(heavy, [heavy[-1] * (0.5 - 1e-9), heavy[-1] * (0.5 + 1e-9)])
        return float(values[order][middle].mean())

    def _anomalous(self) -> int:
        return sum(int((self.values[came, 0] > own.threshold).sum()) for own, _, came in self.groups)

    def _explained(self, defects: float) -> NDArray[np.float64]:
        """Give the probability of every number of anomalous images, 0 to ``count``, where nothing changed."""
        images: dict[int, int] = {}
        deciders = {id(own): own for own, _, _ in self.groups}
        for own, _, came in self.groups:
            images[id(own)] = images.get(id(own), 0) + len(came)
        found = np.ones(1)
        for key, own in deciders.items():
            found = np.convolve(found, _anomalous_count_pmf(own, images[key], defects))
        return found

    def _words(
        self, name: str, quantities: Mapping[str, DriftQuantity], anomalous: int, defects: float
    ) -> str:
        if name == ANOMALIES:
            return share_in_words(anomalous, self.count, defects, self._outside(quantities))
        if self.compared is None:
            raise AssertionError("a quantity was flagged without being compared")
        place, own = self.names.index(name), quantities[name]
        moved = self.compared.higher[place], self.compared.wider[place]
        return quantity_in_words(name, own.median, own.reference, *map(float, moved))

    def _outside(self, quantities: Mapping[str, DriftQuantity]) -> list[tuple[str, float, float, float]]:
        """Find the looks whose median lies outside of all calibration images that the window is compared with."""
        old = self._reference.values[np.concatenate([kept for _, kept, _ in self.groups])]
        ends = zip(self.names, old.min(axis=0).tolist(), old.max(axis=0).tolist(), strict=False)
        return [
            (name, quantities[name].median, low, high)
            for name, low, high in ends
            if name != SCORE and not low <= quantities[name].median <= high
        ]


def _anomalous_count_pmf(own: Calibration, images: int, defects: float) -> NDArray[np.float64]:
    """Give the probability of 0 to ``images`` anomalous ones, a share of them defects that are all found.

    Among good images the number above the k-th highest of n calibration scores is beta-binomial with k and n + 1 - k.
    """
    count = len(own.scores)
    above = int(np.count_nonzero(np.asarray(own.scores) >= own.threshold))
    numbers = np.arange(images + 1)
    bad = numbers[:, None]
    among_good = stats.betabinom.pmf(numbers - bad, images - bad, above, count + 1 - above)
    found: NDArray[np.float64] = stats.binom.pmf(numbers, images, defects) @ among_good
    return found


def _note(calibration: Calibration, statistics: Iterable[_WindowTest], rate: float) -> str:
    """Say what could not be compared, and what no number of alarms would prove."""
    found = list(statistics)
    notes = []
    if any(each.compared is not None and each.compared.smallest > rate * (1 - SHARE_PART) for each in found):
        notes.append(
            f"{len(calibration.scores)} calibration images are too few to tell any change of scores or looks from "
            "chance at this rate; nothing is claimed: calibrate with more good images"
        )
    if not calibration.statistics:
        notes.append(
            "the calibration does not say what its images look like, so only scores are compared; type: "
            "twinspect calibrate M.twin GOOD"
        )
    elif any(len(each.names) == 1 for each in found):
        notes.append("some windows hold images whose looks were not kept; there only scores are compared")
    if unknown := sum(each.unknown for each in found):
        notes.append(
            f"{unknown} images are of no category that was calibrated, and are compared with nothing; give each "
            "its category"
        )
    if calibration.kind == "cv":
        notes.append(
            "the calibration scores come from other fits than the one that scores now, so scores may differ "
            "without any drift; looks are not concerned"
        )
    return "; ".join(notes)
