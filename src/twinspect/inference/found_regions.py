"""The regions of a scored image, by the peaks of the good images' maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.regions.finding import Levels, can_find_regions, find_regions

if TYPE_CHECKING:
    from twinspect.calibration.conformal import Calibration
    from twinspect.inference.results import ImageScore
    from twinspect.regions.finding import FoundRegion, RegionRules


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
    row: ImageScore, calibration: Calibration, rules: RegionRules
) -> tuple[FoundRegion, ...] | None:
    """Find the regions of an image that has been scored with its map.

    Returns:
        None of an image that cannot be inspected; ``None`` where nothing is known of good images' maps.
    """
    category = row.sample.category
    levels, of_maps = levels_of(calibration, category), calibration.of_maps
    if row.map is None or levels is None or of_maps is None or not can_find_regions():
        return None
    if row.not_inspectable:
        return ()
    return find_regions(row.map, levels, of_maps.of(category).p_values, rules, row.inside)
