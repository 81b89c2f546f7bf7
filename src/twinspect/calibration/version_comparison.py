"""Two versions of a model on the same labelled images, each at its own threshold; a drop is told from a gain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.metrics import auroc, binomial_interval

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN: Final = 3
"""Decimals of an AUROC that are shown, and so those in which a drop counts."""


@dataclass(frozen=True)
class Judged:
    """What a version says of images that could be read.

    Attributes:
        scores: raw scores.
        anomalous: its decisions.
        not_inspectable: whether it refuses to decide.
    """

    scores: tuple[float, ...] = ()
    anomalous: tuple[bool, ...] = ()
    not_inspectable: tuple[bool, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[tuple[float, bool, bool]]) -> Judged:
        """Collect score, decision and refusal of each image."""
        columns = tuple(zip(*rows, strict=True))
        return cls(*columns) if columns else cls()

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def refused(self) -> int:
        """How many images it does not decide on."""
        return sum(self.not_inspectable)

    @property
    def alarms(self) -> int:
        """How many images it calls anomalous."""
        return sum(self.anomalous)


def result(good: Judged, defects: Judged, threshold: float, rate: float, promise: str) -> dict[str, Any]:
    """Count what a version gets wrong, in plain JSON values.

    Rates are of the images that it decides on, with exact (Clopper-Pearson) intervals of 95 %.

    Args:
        good: good images.
        defects: images with defects.
        threshold: of the version.
        rate: the false-alarm rate that it promises.
        promise: the same in words.
    """
    decided, found = len(good) - good.refused, len(defects) - defects.refused
    both = bool(len(good) and len(defects))
    labels = [False] * len(good) + [True] * len(defects)
    return {
        "threshold": threshold,
        "promised_false_alarm_rate": rate,
        "promise": promise,
        "good": len(good),
        "good_not_inspectable": good.refused,
        "false_alarms": good.alarms,
        "false_alarm_interval": _interval(good.alarms, decided),
        "defects": len(defects),
        "defects_not_inspectable": defects.refused,
        "misses": found - defects.alarms,
        "miss_interval": _interval(found - defects.alarms, found),
        "image_auroc": auroc(labels, [*good.scores, *defects.scores]) if both else None,
    }


def drops(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Say in words where the new version is worse, by :func:`result` of both on the same images."""
    found = []
    for what, of, verb in (("misses", "defects", "missed"), ("false_alarms", "good", "called anomalous")):
        if new[what] > old[what]:
            images = "images with defects" if of == "defects" else "good images"
            more = new[what] - old[what]
            are = "is" if more == 1 else "are"
            found.append(f"{more} more of {new[of]} {images} {are} {verb}: {old[what]} -> {new[what]}")
    for of, images in (("defects", "images with defects"), ("good", "good images")):
        before, now = old[f"{of}_not_inspectable"], new[f"{of}_not_inspectable"]
        if now > before:
            found.append(f"more of {new[of]} {images} cannot be inspected: {before} -> {now}")
    if new["image_auroc"] is not None:
        before, now = (round(version["image_auroc"], SHOWN) for version in (old, new))
        if now < before:
            found.append(f"image AUROC falls: {before:.{SHOWN}f} -> {now:.{SHOWN}f}")
    before, now = (version["promised_false_alarm_rate"] for version in (old, new))
    if now > before:
        found.append(f"the promise is weaker: at most {100 * before:.3g} % -> {100 * now:.3g} % false alarms")
    return found


def _interval(count: int, of: int) -> list[float] | None:
    return list(binomial_interval(count, of)) if of else None
