"""Objects seen in several images: one is anomalous where any image of it is, and scores what its highest image does.

It is the sample-level AUROC (S-AUROC) of Real-IAD, whose objects are photographed from five sides (Wang, Zhu, Gao,
Zhang, Zhou, Liu, Wang and others 2024, Real-IAD, CVPR).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.evaluation.metric_row import MetricRow, defined, mean_row
from twinspect.metrics import FURTHER_DEFINITIONS, auroc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from twinspect.inference.results import ImageScore

OBJECT_AUROC: Final = "object_auroc"


def object_rows(groups: Mapping[str, Iterable[ImageScore]]) -> dict[str, MetricRow]:
    """Compute the AUROC of objects, of each category whose images say which object they show.

    Args:
        groups: all images by category; those that could not be read, or say nothing of an object, do not count.
    """
    lines = {}
    for category, rows in groups.items():
        objects: dict[str, tuple[bool, float]] = {}
        for row in rows:
            if row.sample.group and not row.error:
                anomalous, score = objects.get(row.sample.group, (False, -np.inf))
                objects[row.sample.group] = anomalous or not row.sample.is_good, max(score, row.score)
        if objects:
            labels, scores = map(np.array, zip(*objects.values(), strict=True))
            lines[category] = {OBJECT_AUROC: defined(auroc(labels, scores))}
    return lines


def objects_record(lines: Mapping[str, MetricRow]) -> dict[str, Any] | None:
    """Return plain JSON values, what ``metrics.json`` holds as ``objects``; ``None`` without any."""
    if not lines:
        return None
    definition = FURTHER_DEFINITIONS[OBJECT_AUROC]
    return {"categories": dict(lines), "mean": mean_row(list(lines.values())), "definition": definition}
