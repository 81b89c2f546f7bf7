"""What a detector would find: from which size on nine of ten synthetic defects of a kind are above its threshold.

Kept are raw scores, so that the answer follows every new threshold. Synthetic defects never choose a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from twinspect.calibration.conformal import Calibration

FOUND_SHARE: Final = 0.9
"""The share of defects of a kind and size that has to be found."""
NOT_REAL: Final = "synthetic defects, not real ones"
SIZE_MEANING: Final = "sizes as a share of the image's side, the square root of its area"


@dataclass(frozen=True)
class Trial:
    """Defects of one kind and size, each on a good image that was held out.

    Attributes:
        size: the longest extent of each, as a share of the square root of the image's area.
        scores: the raw score of each image.
    """

    size: float
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Finding:
    """What is found of one kind at a threshold.

    Attributes:
        plural: what several defects of this kind are called.
        size: the smallest size tried from which on nine of ten or more are found; ``None`` where there is none.
        found: how many were found, of that size, or else of the largest.
        tried: of how many.
        tried_size: that size, or else the largest.
        or_less: whether the next smaller size was not tried, so that smaller ones may be found too.
        pixels: that size in pixels of a typical image; 0 if not known.
    """

    plural: str
    size: float | None
    found: int
    tried: int
    tried_size: float
    or_less: bool
    pixels: int = 0

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends of the exact 95 % interval of the rate at ``tried_size``."""
        from twinspect.metrics import binomial_interval  # noqa: PLC0415 - SciPy, which scoring exports does without

        return binomial_interval(self.found, self.tried)

    def in_words(self) -> str:
        """Say from which size on, with the rate there and its interval."""
        low, high = (round(100 * end) for end in self.interval)
        rate = f"{self.found} of {self.tried}; 95 % interval {low} to {high} %"
        size = f"{100 * self.tried_size:.3g} %" + (f", {self.pixels} px" if self.pixels else "")
        if self.size is None:
            return f"{self.plural}: not even the largest ({size}: {rate})"
        return f"{self.plural} from {size}{' or less' if self.or_less else ''} ({rate})"


@dataclass(frozen=True)
class Detectability:
    """Scores of good images with synthetic defects, by kind and size.

    Attributes:
        kinds: what several defects of each kind are called, by its name.
        trials: by kind, in ascending order of sizes; none for a kind that there was no time for.
        categories: the product that each image of a trial shows; the same images in every trial.
        smallest: the smallest size that might have been tried.
        sizes: all that might have been tried; empty in the records of earlier versions.
        side: square root of a typical image's area, in pixels; 0 in those records.
        seconds: what it took.
    """

    kinds: dict[str, str]
    trials: dict[str, tuple[Trial, ...]]
    categories: tuple[str, ...]
    smallest: float
    seconds: float
    sizes: tuple[float, ...] = ()
    side: float = 0.0

    def findings(self, calibration: Calibration) -> list[Finding]:
        """Judge the kinds that were tried by the thresholds of a calibration."""
        return [
            self._finding(plural, self.trials[kind], calibration)
            for kind, plural in self.kinds.items()
            if self.trials[kind]
        ]

    def is_useless(self, calibration: Calibration) -> bool:
        """Tell whether it finds nine of ten of no kind, not even of the largest."""
        return all(finding.size is None for finding in self.findings(calibration))

    def in_words(self, calibration: Calibration) -> str:
        """Say in one sentence what is found of each kind."""
        head, *kinds = self.lines(calibration)
        return f"{head} {'; '.join(kinds)}"

    def lines(self, calibration: Calibration) -> list[str]:
        """Say what is found of each kind: a line that says what this is, and one for each kind."""
        kinds = [finding.in_words() for finding in self.findings(calibration)]
        where = ", on images that it was fitted on" if calibration.kind != "split" else ""
        return [f"would find 9 of 10 ({NOT_REAL}{where}; {SIZE_MEANING}):", *kinds]

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "kinds": self.kinds,
            "trials": {
                kind: [{"size": trial.size, "scores": list(trial.scores)} for trial in trials]
                for kind, trials in self.trials.items()
            },
            "categories": list(self.categories),
            "smallest": self.smallest,
            "seconds": self.seconds,
            "sizes": list(self.sizes),
            "side": self.side,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Detectability:
        """Rebuild from :meth:`to_record`."""
        trials = {
            kind: tuple(Trial(trial["size"], tuple(trial["scores"])) for trial in rows)
            for kind, rows in record["trials"].items()
        }
        return cls(
            record["kinds"],
            trials,
            tuple(record["categories"]),
            record["smallest"],
            record["seconds"],
            tuple(record.get("sizes", ())),
            record.get("side", 0.0),
        )

    def _finding(self, plural: str, trials: tuple[Trial, ...], calibration: Calibration) -> Finding:
        chosen, size = trials[-1], None
        for trial in reversed(trials):
            if not is_found(trial, self.categories, calibration):
                break
            chosen, size = trial, trial.size
        found = count_found(chosen, self.categories, calibration)
        below = max((each for each in self.sizes or (self.smallest,) if each < chosen.size), default=None)
        or_less = size is not None and below not in [trial.size for trial in trials]
        pixels = round(self.side * chosen.size)
        return Finding(plural, size, found, len(chosen.scores), chosen.size, or_less, pixels)


def count_found(trial: Trial, categories: tuple[str, ...], calibration: Calibration) -> int:
    """Count the images of a trial whose scores lie above the thresholds of their categories."""
    pairs = zip(trial.scores, categories, strict=True)
    return sum(score > calibration.of(category).threshold for score, category in pairs)


def is_found(trial: Trial, categories: tuple[str, ...], calibration: Calibration) -> bool:
    """Tell whether nine of ten defects of a trial, or more, are found."""
    return count_found(trial, categories, calibration) >= FOUND_SHARE * len(trial.scores)


def findings_record(detectability: Detectability, calibration: Calibration) -> dict[str, Any]:
    """Give the findings at the thresholds of a calibration in plain JSON values, for machines."""
    return {
        "synthetic": True,
        "sizes": SIZE_MEANING,
        "usable": not detectability.is_useless(calibration),
        "kinds": [
            {
                "kind": finding.plural,
                "from_size": finding.size,
                "or_less": finding.or_less,
                "tried_size": finding.tried_size,
                "tried_pixels": finding.pixels,
                "found": finding.found,
                "tried": finding.tried,
                "interval_95": list(finding.interval),
            }
            for finding in detectability.findings(calibration)
        ],
        "seconds": detectability.seconds,
    }
