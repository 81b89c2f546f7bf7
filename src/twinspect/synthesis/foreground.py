"""Where the object is in an image, without a threshold or polarity chosen per product.

A blurred grey image is split by Otsu's threshold, and the side that holds most of the image's border is the
background. Where that makes no sense, for a texture or an object that runs out of the frame, all is foreground: an
anomaly may then be anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

BLURS_PER_SIDE = 32
"""The blur's sigma is the image's mean side divided by this: 8 pixels at 256."""
MIN_SEPARABILITY = 0.7
"""Least share of the variance that lies between the two sides; a single Gaussian, cut in two, has 0.64."""
MIN_CONTRAST = 16.0
"""Least difference between the means of the two sides, in grey levels of 255."""
SHARES = (0.03, 0.9)
"""An object smaller or larger than these shares of the image is rejected."""
MAX_BORDER = 0.15
"""So is one that holds a larger share of the image's border: it runs out of the frame."""
MIN_PART = 0.1
"""Parts smaller than this share of the largest one are crumbs beside the object."""
_SIGMA = 2.0
_BAY_WIDTH = 3


def foreground(image: NDArray[np.uint8]) -> Mask:
    """Find the object in an image.

    The whole image is returned unless two groups of grey levels are apart (``MIN_SEPARABILITY``, ``MIN_CONTRAST``)
    and the one with less of the border is neither tiny nor nearly everything (``SHARES``) nor cut off by the border
    (``MAX_BORDER``). Holes and narrow bays in the object belong to it, crumbs (``MIN_PART``) do not.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (H, W) bool, True on the object.
    """
    blurred = blurred_grey(image)
    threshold, separability, contrast = otsu(blurred)
    darker = blurred <= threshold
    candidate = darker if _border(darker).mean() < 0.5 else ~darker
    credible = SHARES[0] <= candidate.mean() <= SHARES[1] and _border(candidate).mean() <= MAX_BORDER
    if separability < MIN_SEPARABILITY or contrast < MIN_CONTRAST or not credible:
        return np.ones(image.shape[:2], np.bool_)
    tidied = _enlarge(_tidy(candidate), (image.shape[0], image.shape[1]))
    # Of many thin parts the smooth outline may leave nothing.
    return tidied if tidied.mean() >= SHARES[0] else np.ones_like(tidied)


def foregrounds(
    images: Iterable[NDArray[np.uint8]], products: Sequence[Hashable] | None = None
) -> list[Mask]:
    """Find the objects in a set of images.

    Parts of a texture sometimes look like an object: where most images of a product show none, none counts.

    Args:
        images: each (H, W, 3) uint8 RGB.
        products: what each image shows; ``None`` if all show the same.

    Returns:
        One (H, W) bool an image.
    """
    masks = [foreground(image) for image in images]
    shown = [None] * len(masks) if products is None else products
    votes: dict[Hashable, list[bool]] = {}
    for product, mask in zip(shown, masks, strict=True):
        votes.setdefault(product, []).append(bool(mask.all()))
    whole = {product for product, all_of_it in votes.items() if 2 * sum(all_of_it) > len(all_of_it)}
    return [
        np.ones_like(mask) if product in whole else mask for product, mask in zip(shown, masks, strict=True)
    ]


def blurred_grey(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Reduce an image to grey, blurred and so small that the blur's sigma is 2 pixels.

    A blurred image holds nothing that fewer pixels could not show, and they are blurred in a hundredth of the time.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (h, w) float32 in 0..255, about 64 x 64.
    """
    from scipy import ndimage  # noqa: PLC0415

    height, width = image.shape[:2]
    scale = min(1.0, 2 * _SIGMA * BLURS_PER_SIDE / (height + width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = Image.fromarray(image).convert("L").resize(size, Image.Resampling.BOX)
    sigma = scale * (height + width) / 2 / BLURS_PER_SIDE
    blurred: NDArray[np.float32] = ndimage.gaussian_filter(np.asarray(small, np.float32), sigma)
    return blurred


def otsu(values: NDArray[Any]) -> tuple[float, float, float]:
    """Split values into two groups by the threshold with the largest variance between them (Otsu, 1979).

    Args:
        values: any shape.

    Returns:
        The threshold, which belongs to the lower group; the variance between the groups as a share of all
        variance, in 0..1; and the difference between the groups' means. Both are 0 where all values are equal.
    """
    from skimage.filters import threshold_otsu  # noqa: PLC0415

    exact = np.asarray(values, np.float64)
    threshold = float(threshold_otsu(exact))  # type: ignore[no-untyped-call]
    upper = exact > threshold
    share = float(upper.mean())
    if share in (0, 1):
        return threshold, 0.0, 0.0
    contrast = float(exact[upper].mean() - exact[~upper].mean())
    return threshold, share * (1 - share) * contrast**2 / float(exact.var()), contrast


def _tidy(mask: Mask) -> Mask:
    """Fill holes and bays, and remove crumbs."""
    from scipy import ndimage  # noqa: PLC0415

    # Beyond the border the object goes on, or closing would take it away from there.
    around = np.pad(mask, _BAY_WIDTH, mode="edge")
    closed = ndimage.binary_closing(around, iterations=_BAY_WIDTH)[
        _BAY_WIDTH:-_BAY_WIDTH, _BAY_WIDTH:-_BAY_WIDTH
    ]
    parts, _ = ndimage.label(ndimage.binary_fill_holes(closed))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0  # the background
    kept: Mask = (sizes >= MIN_PART * sizes.max())[parts] & (parts > 0)
    return kept


def _enlarge(mask: Mask, shape: tuple[int, int]) -> Mask:
    """Enlarge with a smooth outline."""
    from scipy import ndimage  # noqa: PLC0415

    soft = ndimage.gaussian_filter(mask.astype(np.float32), 1, mode="nearest")
    enlarged = np.asarray(Image.fromarray(soft).resize(shape[::-1], Image.Resampling.BICUBIC))
    smooth: Mask = enlarged > 0.5
    return smooth


def _border(mask: Mask) -> Mask:
    """Return the outermost pixels, in one row."""
    return np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
