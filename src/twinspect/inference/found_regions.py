"""The regions of a scored image, by the peaks of the good images' maps, and what is different there."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from twinspect.data.pixels import read_pixels
from twinspect.errors import ImageError
from twinspect.regions.finding import Levels, can_find_regions, find_regions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.calibration.conformal import Calibration
    from twinspect.inference.results import ImageScore
    from twinspect.regions.finding import FoundRegion, RegionRules
    from twinspect.regions.good_patches import GoodImages

MOST_DESCRIBED: Final = 10
"""Of an image: the regions with the highest peaks."""


def levels_of(calibration: Calibration, category: str) -> Levels | None:
    """Say from which value on a pixel of a map belongs to a region.

    Args:
        calibration: of the model.
        category: what the image shows.

    Returns:
        ``None`` where nothing is known of good images' maps.
    """
    of_maps = calibration.of_maps
    return Levels.between(calibration.map_range[0], of_maps.of(category).threshold) if of_maps else None


def regions_of(
    row: ImageScore,
    calibration: Calibration,
    rules: RegionRules,
    images: tuple[bytes, ...] = (),
    bits: int | None = None,
) -> tuple[FoundRegion, ...] | None:
    """Find the regions of an image that has been scored with its map.

    Args:
        row: the image.
        calibration: of the model.
        rules: which regions count.
        images: good ones, as PNG files, to say what is different; the image itself is read again for it.
        bits: significant bits of 16-bit files.

    Returns:
        None of an image that cannot be inspected; ``None`` where nothing is known of good images' maps.
    """
    category = row.sample.category
    levels, of_maps = levels_of(calibration, category), calibration.of_maps
    if row.map is None or levels is None or of_maps is None or not can_find_regions():
        return None
    if row.not_inspectable:
        return ()
    found = find_regions(row.map, levels, of_maps.of(category).p_values, rules, row.inside)
    return _described(found, row, levels, _good_images(images), bits) if found and images else found


def _described(
    found: Sequence[FoundRegion], row: ImageScore, levels: Levels, good: GoodImages, bits: int | None
) -> tuple[FoundRegion, ...]:
    from twinspect.regions.describing import describe  # noqa: PLC0415 - few images show a region

    try:
        rgb = read_pixels(row.sample, bits=bits)
    except ImageError:  # it has been removed since; what was found stands
        return tuple(found)
    if row.map is None or row.map.shape != rgb.shape[:2]:
        return tuple(found)
    described = [
        replace(region, **describe(rgb, region.box, row.map, levels.low, good)._asdict())
        for region in found[:MOST_DESCRIBED]
    ]
    return (*described, *found[MOST_DESCRIBED:])


@lru_cache(maxsize=8)
def _good_images(images: tuple[bytes, ...]) -> GoodImages:
    from twinspect.bundle.kept_images import MOST_PIXELS  # noqa: PLC0415 - few images show a region
    from twinspect.images.png import decode_png  # noqa: PLC0415
    from twinspect.regions.good_patches import GoodImages  # noqa: PLC0415
    from twinspect.synthesis.foreground import foregrounds  # noqa: PLC0415

    decoded = [decode_png(image) for image in images]
    return GoodImages.of(decoded, foregrounds(decoded), MOST_PIXELS)
