"""The images that a report shows, with what was decided on each and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twinspect.report.formatting import explain_p_value

if TYPE_CHECKING:
    from twinspect.calibration.conformal import Calibration
    from twinspect.inference.results import ImageScore
    from twinspect.report.gallery import Gallery, KeptImage, Panel

VERDICTS: Final = {
    (True, False): ("fine", "passed"),
    (True, True): ("poor", "false alarm"),
    (False, True): ("fine", "found"),
    (False, False): ("poor", "missed"),
}
"""A class of the page's style and what a decision is called, by whether the image is good and was flagged."""


@dataclass(frozen=True)
class ShownImage:
    """One image on the page.

    Attributes:
        row: its score and decision.
        panels: the pictures of it, side by side.
        verdict: a class of the page's style, and what the decision is called.
        threshold: the one that decided.
        p_value: what its p-value means.
    """

    row: ImageScore
    panels: list[Panel]
    verdict: tuple[str, str]
    threshold: float
    p_value: str


@dataclass(frozen=True)
class ImageGroup:
    """Images under one heading.

    Attributes:
        title: the heading.
        note: what comes first.
        images: what it shows; none where there is nothing to show.
    """

    title: str
    note: str
    images: list[ShownImage]

    @property
    def columns(self) -> int:
        """The most panels that an image has."""
        return max(len(image.panels) for image in self.images)


def image_groups(gallery: Gallery, calibration: Calibration, bits: int | None) -> list[ImageGroup]:
    """Prepare the images that are worth a look, in groups that are not empty.

    Raises:
        ImageError: an image cannot be read again.
    """
    groups = (
        (
            "Anomalous images with the lowest scores",
            "Misses, if there are any, come first.",
            gallery.anomalous,
        ),
        ("Good images with the highest scores", "False alarms, if there are any, come first.", gallery.good),
        ("Surest finds", "Anomalous images with the highest scores.", gallery.hits),
    )
    return [
        ImageGroup(title, note, [_shown(image, calibration, bits) for image in images])
        for title, note, images in groups
        if images
    ]


def _shown(image: KeptImage, calibration: Calibration, bits: int | None) -> ShownImage:
    row, own = image.row, calibration.of(image.row.sample.category)
    return ShownImage(
        row,
        image.panels(calibration.map_range, bits),
        VERDICTS[row.sample.is_good, row.is_anomalous],
        own.threshold,
        explain_p_value(row.p_value, len(own.scores)),
    )
