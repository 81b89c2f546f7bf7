"""Metrics of objects shown in several images: one is anomalous where any of its images is, and scores their maximum.

The AUROC of objects is the sample-level AUROC (S-AUROC) of Real-IAD, whose objects are photographed from five sides
(Wang, Zhu, Gao, Zhang, Zhou, Liu, Wang and others 2024, Real-IAD, CVPR).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.evaluation.metric_row import MetricRow, compute_row, mean_row
from twinspect.inference.part_scores import score_parts
from twinspect.metrics import FURTHER_DEFINITIONS
from twinspect.metrics.definitions import MetricInputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from twinspect.inference.results import ImageScore

OBJECT_AUROC = "object_auroc"


def object_rows(groups: Mapping[str, Iterable[ImageScore]]) -> dict[str, MetricRow]:
    """Compute the metrics of objects, of each category whose images say which object they show.

    Args:
        groups: all images by category; those that are unreadable or say nothing of an object do not count.
    """
    rows = {}
    for category, images in groups.items():
        objects: dict[str, tuple[bool, float]] = {}
        for image in images:
            name = image.sample.group
            if name and not image.error:
                anomalous, score = objects.get(name, (False, -np.inf))
                objects[name] = anomalous or not image.sample.is_good, max(score, image.score)
        if objects:
            labels, scores = map(np.array, zip(*objects.values(), strict=True))
            rows[category] = compute_row(["object ids"], MetricInputs(labels, scores))
    return rows


@dataclass(frozen=True)
class ObjectErrors:
    """The decisions on the objects of a category: wrong ones, and those that could not be made.

    Attributes:
        false_alarms: good objects called anomalous.
        good: good objects that were decided on.
        misses: anomalous objects called good.
        anomalous: anomalous objects that were decided on.
        not_inspectable: objects of either kind, of which an image could not be inspected and none was anomalous.
    """

    false_alarms: int
    good: int
    misses: int
    anomalous: int
    not_inspectable: int


def object_errors(groups: Mapping[str, Sequence[ImageScore]]) -> dict[str, ObjectErrors]:
    """Count wrong decisions on objects, of each category whose images say which object they show."""
    errors = {}
    for category, images in groups.items():
        defective = {image.sample.group for image in images if not image.sample.is_good}
        parts = score_parts(images)
        decided = [part for part in parts if part.is_inspectable]
        of_good = [part.is_anomalous for part in decided if part.part not in defective]
        of_defective = [part.is_anomalous for part in decided if part.part in defective]
        if parts:
            errors[category] = ObjectErrors(
                sum(of_good),
                len(of_good),
                len(of_defective) - sum(of_defective),
                len(of_defective),
                len(parts) - len(decided),
            )
    return errors


def objects_record(
    rows: Mapping[str, MetricRow], errors: Mapping[str, ObjectErrors]
) -> dict[str, Any] | None:
    """Return plain JSON values, what ``metrics.json`` holds as ``objects``; ``None`` without any."""
    if not rows:
        return None
    return {
        "categories": dict(rows),
        "mean": mean_row(list(rows.values())),
        "decisions": {name: asdict(of_category) for name, of_category in errors.items()},
        "definition": FURTHER_DEFINITIONS[OBJECT_AUROC],
    }
