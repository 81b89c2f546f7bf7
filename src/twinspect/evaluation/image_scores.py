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


def count_not_inspectable(images: Sequence[ImageScore]) -> dict[str, int]:
    """Count the good and the anomalous images that could not be inspected."""
    refused = [image for image in images if image.not_inspectable]
    good = sum(image.sample.is_good for image in refused)
    return {"good": good, "anomalous": len(refused) - good}
