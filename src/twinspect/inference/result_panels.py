"""Pictures of a scored image: the image, and its anomaly map laid over it with the regions framed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.data.pixels import read_pixels
from twinspect.drawing.heatmaps import draw_boxes, overlay
from twinspect.drawing.panels import SHOWN_SIDE, Panel, shown_scale, shrink_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twinspect.drawing.heatmaps import MapRange
    from twinspect.inference.results import ImageScore

MOST_BOXES: Final = 20
"""Of an image: those of the regions with the highest peaks."""


def result_panels(
    row: ImageScore,
    values: NDArray[np.float32] | None,
    shape: tuple[int, ...] | None,
    map_range: MapRange,
    *,
    bits: int | None = None,
    side: int = SHOWN_SIDE,
) -> list[Panel]:
    """Draw an image and, if it has a map, its heat map.

    Args:
        row: its result.
        values: (h, w), its map at the size that :func:`.shrink_map` gives for the same side; ``None`` without one.
        shape: of the map as it was; ``None`` without one.
        map_range: of the colours, from ``Calibration.map_range``.
        bits: significant bits of a 16-bit image file.
        side: the longer side in pixels, at most.

    Raises:
        ImageError: the image cannot be read again.
        DataError: it is no longer as large as its map.
    """
    rgb = shrink_image(read_pixels(row.sample, bits=bits), shape, side)
    if values is None or shape is None:
        return [Panel("image", rgb)]
    boxes = [region.box for region in row.regions or ()][:MOST_BOXES]
    heat = draw_boxes(overlay(rgb, values, map_range), boxes, shown_scale(shape, side))
    return [Panel("image", rgb), Panel("heat map", heat)]
