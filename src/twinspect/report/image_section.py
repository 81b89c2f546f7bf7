"""The images that a report shows, with what was decided on each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.drawing.heatmaps import MapRange
    from twinspect.drawing.panels import Panel
    from twinspect.inference.results import ImageScore
    from twinspect.report.gallery import Gallery, KeptImage

VERDICTS: Final = {
    (True, False): ("good", "good, passed"),
    (True, True): ("good", "good, false alarm"),
    (False, True): ("anomalous", "defective, found"),
    (False, False): ("anomalous", "defective, missed"),
}
"""A class of the page's style, which colours by truth, and what a decision is called; by whether the image is good
and was flagged."""


class ShownImage(NamedTuple):
    """An image of the report.

    Attributes:
        row: its score.
        panels: its pictures side by side.
        verdict: one of :data:`VERDICTS`.
        regions: each beside the good patch that it is most like; the title says what is different.
    """

    row: ImageScore
    panels: list[Panel]
    verdict: tuple[str, str]
    regions: list[Panel]


class ImageGroup(NamedTuple):
    """Images under one heading.

    Attributes:
        title: the heading.
        note: what comes first.
        images: one or more.
        columns: the most pictures that an image has.
    """

    title: str
    note: str
    images: list[ShownImage]
    columns: int


def image_groups(
    gallery: Gallery, map_range: MapRange, good: Sequence[bytes], bits: int | None
) -> list[ImageGroup]:
    """Prepare the images that are worth a look, in groups that are not empty.

    Args:
        gallery: those images.
        map_range: of the colours.
        good: the good images that regions were compared with, as PNG files.
        bits: significant bits of 16-bit image files.

    Raises:
        ImageError: an image cannot be read again.
    """
    groups = []
    missed, barely_found = _by_decision(gallery.anomalous)
    barely_passed, false_alarms = _by_decision(gallery.good)
    for title, note, kept in (
        ("Missed", "Anomalous images at or below the threshold, the lowest scores first.", missed),
        ("False alarms", "Good images above the threshold, the highest scores first.", false_alarms),
        ("Nearly missed", "Anomalous images that were found, with the lowest scores.", barely_found),
        ("Nearly a false alarm", "Good images that passed, with the highest scores.", barely_passed),
        ("Surest finds", "Anomalous images with the highest scores.", gallery.hits),
    ):
        images = [
            ShownImage(
                image.row, image.panels(map_range, bits), verdict_of(image.row), image.regions(good, bits)
            )
            for image in kept
        ]
        if images:
            groups.append(ImageGroup(title, note, images, max(len(image.panels) for image in images)))
    return groups


def _by_decision(images: Sequence[KeptImage]) -> tuple[list[KeptImage], list[KeptImage]]:
    """Divide images into those that passed and those that were flagged."""
    passed = [image for image in images if not image.row.is_anomalous]
    return passed, [image for image in images if image.row.is_anomalous]


def verdict_of(row: ImageScore) -> tuple[str, str]:
    """Say what was decided on an image of known truth: a class of the page's style, and words."""
    if row.not_inspectable:
        return "poor", f"not inspectable: {row.not_inspectable}"
    return VERDICTS[row.sample.is_good, row.is_anomalous]
