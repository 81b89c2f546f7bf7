"""Metrics of objects shown in several images: one is anomalous where any of its images is, and scores their maximum.

The AUROC of objects is the sample-level AUROC (S-AUROC) of Real-IAD, whose objects are photographed from five sides
(Wang, Zhu, Gao, Zhang, Zhou, Liu, Wang and others 2024, Real-IAD, CVPR).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.evaluation.metric_row import MetricRow, compute_row, mean_row
from twinspect.metrics import FURTHER_DEFINITIONS
from twinspect.metrics.definitions import MetricInputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


def objects_record(rows: Mapping[str, MetricRow]) -> dict[str, Any] | None:
    """Return plain JSON values, what ``metrics.json`` holds as ``objects``; ``None`` without any."""
    if not rows:
        return None
    definition = FURTHER_DEFINITIONS[OBJECT_AUROC]
    return {"categories": dict(rows), "mean": mean_row(list(rows.values())), "definition": definition}
