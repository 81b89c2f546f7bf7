"""The images that a report shows, with what was decided on each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from twinspect.inference.results import ImageScore
    from twinspect.report.gallery import Gallery, Panel
    from twinspect.report.heatmaps import MapRange

VERDICTS: Final = {
    (True, False): ("fine", "passed"),
    (True, True): ("poor", "false alarm"),
    (False, True): ("fine", "found"),
    (False, False): ("poor", "missed"),
}
"""A class of the page's style and what a decision is called, by whether the image is good and was flagged."""


class ImageGroup(NamedTuple):
    """Images under one heading.

    Attributes:
        title: the heading.
        note: what comes first.
        images: one or more, each with its score, its pictures side by side, and one of :data:`VERDICTS`.
        columns: the most pictures that an image has.
    """

    title: str
    note: str
    images: list[tuple[ImageScore, list[Panel], tuple[str, str]]]
    columns: int


def image_groups(gallery: Gallery, map_range: MapRange, bits: int | None) -> list[ImageGroup]:
    """Prepare the images that are worth a look, in groups that are not empty.

    Raises:
        ImageError: an image cannot be read again.
    """
    groups = []
    for title, note, kept in (
        (
            "Anomalous images with the lowest scores",
            "Misses, if there are any, come first.",
            gallery.anomalous,
        ),
        ("Good images with the highest scores", "False alarms, if there are any, come first.", gallery.good),
        ("Surest finds", "Anomalous images with the highest scores.", gallery.hits),
    ):
        images = [(image.row, image.panels(map_range, bits), _verdict(image.row)) for image in kept]
        if images:
            groups.append(ImageGroup(title, note, images, max(len(panels) for _, panels, _ in images)))
    return groups


def _verdict(row: ImageScore) -> tuple[str, str]:
    if row.not_inspectable:
        return "poor", f"not inspectable: {row.not_inspectable}"
    return VERDICTS[row.sample.is_good, row.is_anomalous]
