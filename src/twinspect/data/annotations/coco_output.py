"""Writing COCO: what was found, as a file that annotation tools open beside the images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CATEGORY: Final = {"id": 1, "name": "anomaly"}
"""The only category."""


class FoundInImage(NamedTuple):
    """An image, and what was found in it.

    Attributes:
        name: of its file.
        size: its (height, width).
        regions: with the keys ``box`` (x, y, width, height), ``polygon`` ((x, y) each), ``area_px``, ``peak`` and
            ``p_value``.
    """

    name: str
    size: tuple[int, int]
    regions: Sequence[dict[str, Any]]


def coco_record(images: Iterable[FoundInImage]) -> dict[str, Any]:
    """Return COCO's plain JSON values; a region's peak is its ``score``."""
    listed: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images, start=1):
        height, width = image.size
        listed.append({"id": number, "file_name": image.name, "width": width, "height": height})
        for region in image.regions:
            annotations.append(_annotation(len(annotations) + 1, number, region))
    return {"images": listed, "annotations": annotations, "categories": [CATEGORY]}


def _annotation(number: int, image: int, region: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image,
        "category_id": CATEGORY["id"],
        "bbox": list(region["box"]),
        "segmentation": [[value for point in region["polygon"] for value in point]],
        "area": region["area_px"],
        "iscrowd": 0,
        "score": region["peak"],
        "p_value": region["p_value"],
    }
