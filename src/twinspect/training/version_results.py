"""What two versions of a detector say of the same images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.learnt_images import LearntImages, split_known
from twinspect.calibration.version_comparison import Judged, drops, result
from twinspect.data.samples import GOOD
from twinspect.utils.progress import tracked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twinspect.calibration.conformal import Calibration
    from twinspect.calibration.good_scores import GoodScores
    from twinspect.data.samples import Sample
    from twinspect.inference.base_detector import BaseDetector

DEFECT: Final = "defect"
"""What defects are called whose folder does not say which they are."""
Row = tuple[float, bool, bool]
"""Score, whether it is anomalous, and whether the image cannot be inspected."""
Version = tuple["Calibration", "Mapping[str, Row]"]
"""Its calibration, and what it says of each image that can be read."""


def judged(detector: BaseDetector, samples: Sequence[Sample]) -> dict[str, Row]:
    """Let a version decide on images; those that cannot be read are missing."""
    scored = detector.raw_scores(samples, maps=False)
    rows = [row for row in tracked("compare versions", scored, total=len(samples)) if not row.error]
    decide = detector.calibration_.decide
    decisions = (decide(row.score, row.sample.category, row.quality, row.unaligned) for row in rows)
    return {
        _key(row.sample): (row.score, decision.is_anomalous, bool(decision.not_inspectable))
        for row, decision in zip(rows, decisions, strict=True)
    }


def judged_good(calibration: Calibration, good: GoodScores) -> dict[str, Row]:
    """Do the same to good images that were scored for a calibration."""
    decisions = map(calibration.decide, good.scores, good.categories, good.qualities)
    return {
        f"{GOOD}:{name}": (score, decision.is_anomalous, bool(decision.not_inspectable))
        for name, score, decision in zip(good.names, good.scores, decisions, strict=True)
    }


def compare_versions(
    old: Version,
    new: Version,
    kept: Sequence[Sample],
    held: Sequence[Sample],
    defects: Sequence[Sample],
) -> dict[str, Any]:
    """Compare both versions, in plain JSON values.

    Args:
        old: what the old version says.
        new: what the new one says.
        kept: good images that earlier versions held out.
        held: those held out now.
        defects: images with defects.
    """

    def results(good: Sequence[Sample], bad: Sequence[Sample]) -> dict[str, Any]:
        return {"old": _result(old, good, bad), "new": _result(new, good, bad)}

    on_kept, on_added = results(kept, defects), results(held, defects)
    deciding = on_kept if kept else on_added  # a first version of few images has held none out
    reasons = drops(deciding["old"], deciding["new"])
    return {
        "worse": bool(reasons),
        "reasons": reasons,
        "kept": on_kept,
        "added": on_added,
        "unreadable_defects": len(defects) - on_kept["new"]["defects"],
    }


def compare_unlearnt(old: BaseDetector, new: BaseDetector, samples: Sequence[Sample]) -> dict[str, Any]:
    """Compare two versions on the images that neither has learnt from, as :func:`compare_versions` does.

    Args:
        old: a version.
        new: another one.
        samples: good images and images with defects.
    """
    learnt = LearntImages.union(version.learnt_ for version in (old, new) if version.learnt_)
    fair, _, _ = split_known(samples, learnt.digests)
    good = [sample for sample in fair if sample.is_good]
    defects = [sample for sample in fair if not sample.is_good]
    before, after = ((version.calibration_, judged(version, fair)) for version in (old, new))
    return compare_versions(before, after, good, (), defects)


def _result(version: Version, good: Sequence[Sample], defects: Sequence[Sample]) -> dict[str, Any]:
    calibration, rows = version
    of_good, of_defects = (
        Judged.of(rows[key] for key in map(_key, samples) if key in rows) for samples in (good, defects)
    )
    promise = calibration.threshold, calibration.false_alarm_rate, calibration.promise()
    return result(of_good, of_defects, *promise)


def _key(sample: Sample) -> str:
    """Tell a good image from one with a defect that has the same name in another folder."""
    return f"{GOOD if sample.is_good else DEFECT}:{sample.name}"
