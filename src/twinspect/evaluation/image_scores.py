"""ImageScore images of a labelled test set: grouped, selected, counted, and as arrays of labels and scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from twinspect.inference.results import ImageScore


def by_category(images: Iterable[ImageScore]) -> dict[str, list[ImageScore]]:
    """Group images by category, in the order of the names."""
    groups: dict[str, list[ImageScore]] = {}
    for image in images:
        groups.setdefault(image.sample.category, []).append(image)
    return dict(sorted(groups.items()))


def of_label_or_good(images: Iterable[ImageScore], label: str) -> list[ImageScore]:
    """Select the images of one label, and the good ones."""
    return [image for image in images if image.sample.is_good or image.sample.label == label]


def labels_and_scores(images: Iterable[ImageScore]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which of the readable images are anomalous, and their raw scores.

    Returns:
        Two (N,) arrays; unreadable images are left out.
    """
    readable = [image for image in images if not image.error]
    labels = np.array([not image.sample.is_good for image in readable], dtype=np.bool_)
    return labels, np.array([image.score for image in readable], dtype=np.float64)


def count_images(images: Sequence[ImageScore]) -> dict[str, int]:
    """Count the good, the anomalous and the unreadable images."""
    return {
        "good": sum(image.sample.is_good and not image.error for image in images),
        "anomalous": sum(not image.sample.is_good and not image.error for image in images),
        "unreadable": sum(bool(image.error) for image in images),
    }


def count_regions(images: Iterable[ImageScore]) -> dict[str, int]:
    """Count inspectable images that show a region, and those in which regions and decision disagree.

    Returns:
        Empty where no regions were looked for.
    """
    rows = [image for image in images if image.regions is not None and not image.not_inspectable]
    if not rows:
        return {}
    good = [row for row in rows if row.sample.is_good]
    return {
        "good": len(good),
        "good_with_region": sum(bool(row.regions) for row in good),
        "anomalous": len(rows) - len(good),
        "anomalous_with_region": sum(bool(row.regions) for row in rows if not row.sample.is_good),
        "flagged_without_region": sum(row.is_anomalous and not row.regions for row in rows),
        "passed_with_region": sum(not row.is_anomalous and bool(row.regions) for row in rows),
    }


def count_not_inspectable(images: Sequence[ImageScore]) -> dict[str, int]:
    """Count the good and the anomalous images that could not be inspected."""
    refused = [image for image in images if image.not_inspectable]
    good = sum(image.sample.is_good for image in refused)
    return {"good": good, "anomalous": len(refused) - good}
