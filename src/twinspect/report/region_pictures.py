"""Pictures of regions: the mask of an image, and what each region shows beside the good patch it is most like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageOps

from twinspect.data.pixels import read_pixels
from twinspect.errors import ConfigError, DataError
from twinspect.images.png import decode_png, encode_png
from twinspect.inference.found_regions import levels_of
from twinspect.regions.finding import label_regions
from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration
    from twinspect.inference.results import ImageScore
    from twinspect.regions.finding import RegionRules

    Box = tuple[int, int, int, int]
    GoodPlace = tuple[int, int, int]

MARGIN: Final = 0.25
"""What a crop shows around its region, as a share of the longer side of its box."""
LEAST_MARGIN: Final = 8
"""The same in pixels, at least."""
GAP: Final = 4
"""Pixels between a region and the good patch beside it."""
_CROPS: Final = "region-*.png"


def mask_of(result: ImageScore, calibration: Calibration, rules: RegionRules) -> NDArray[np.bool_]:
    """Mark the regions of an image.

    Args:
        result: a scored image with its map.
        calibration: that its regions were found by.
        rules: likewise.

    Returns:
        (H, W).

    Raises:
        ConfigError: there is no map, or nothing is known of good images' maps.
    """
    levels = levels_of(calibration, result.sample.category)
    if result.map is None or levels is None:
        raise ConfigError(f"{result.sample.name} has no map, or no regions were looked for in it")
    if not result.regions:
        return np.zeros(result.map.shape, dtype=np.bool_)
    labels = label_regions(result.map, levels, inside=result.inside, min_area=rules.min_area)
    return labels > 0


def write_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    """Write a mask, (H, W), as a grey PNG: 255 in a region, else 0.

    Raises:
        OSError: the disk is full or not writable.
    """
    _write_png(path, mask.astype(np.uint8) * 255)


def write_crops(
    folder: Path, result: ImageScore, good: Sequence[bytes] = (), *, bits: int | None = None
) -> None:
    """Write what each region of an image shows, ``region-1.png`` and on; those of an earlier run are removed.

    The good patch that it is most like, if there is one, is ``region-1-good.png``.

    Args:
        folder: of this image; it is made if there is a region.
        result: a scored image with its regions.
        good: the good images that it was compared with, as PNG files.
        bits: significant bits of a 16-bit image file, as the detector has them.

    Raises:
        ImageError: the image cannot be read again.
        DataError: it is no longer as large as it was.
        OSError: the disk is full or not writable.
    """
    for old in folder.glob(_CROPS):
        old.unlink()
    if not result.regions:
        return
    rgb = read_pixels(result.sample, bits=bits)
    if result.map is not None and rgb.shape[:2] != result.map.shape:
        raise DataError(f"{result.sample.address}: is no longer as large as it was")
    for number, region in enumerate(result.regions, start=1):
        _write_png(folder / _CROPS.replace("*", str(number)), crop(rgb, region.box))
        patch = good_crop(good, region.box, region.good_patch)
        if patch is not None:
            _write_png(folder / _CROPS.replace("*", f"{number}-good"), patch)


def beside_good(
    rgb: NDArray[np.uint8], box: Box, images: Sequence[bytes], patch: GoodPlace | None, side: int
) -> NDArray[np.uint8]:
    """Show a region and, to its right, the good patch that it is most like, if there is one.

    Args:
        rgb: (H, W, 3), the image.
        box: of the region.
        images: the good images that it was compared with, as PNG files.
        patch: the region's ``good_patch``.
        side: the longer side of both, in pixels.

    Returns:
        (h, w, 3), with white between them.
    """
    crops = [each for each in (crop(rgb, box), good_crop(images, box, patch)) if each is not None]
    shown = [np.asarray(ImageOps.contain(Image.fromarray(each), (side, side))) for each in crops]
    height = max(each.shape[0] for each in shown)
    padded = [
        np.pad(each, ((0, height - each.shape[0]), (GAP * bool(at), 0), (0, 0)), constant_values=255)
        for at, each in enumerate(shown)
    ]
    return np.concatenate(padded, axis=1)


def good_crop(images: Sequence[bytes], box: Box, patch: GoodPlace | None) -> NDArray[np.uint8] | None:
    """Cut out the good patch that a region is most like; ``None`` where none is alike or known any more."""
    if patch is None or patch[0] >= len(images):
        return None
    number, left, top = patch
    return crop(decode_png(images[number]), (left, top, *box[2:]))


def crop(rgb: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Cut a box (x, y, width, height) out of an image, (H, W, 3), with a margin."""
    left, top, width, height = box
    margin = max(LEAST_MARGIN, round(MARGIN * max(width, height)))
    rows = slice(max(0, top - margin), top + height + margin)
    return rgb[rows, max(0, left - margin) : left + width + margin]


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, encode_png(pixels))
