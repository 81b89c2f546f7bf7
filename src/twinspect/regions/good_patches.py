"""Where good images look most like the surroundings of a region: what would be there if the part were good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Mask = NDArray[np.bool_]

SIDE: Final = 256
"""Images are compared at this size, on the longer side: more than the networks of most models see."""
REACH: Final = 8
"""How far off the same place a part may lie, at that size."""
NEAR_ENOUGH: Final = 2.0
"""The same place is preferred to another one up to so many times nearer."""


class GoodPatch(NamedTuple):
    """A part of a good image.

    Attributes:
        image: its number, from 0.
        corner: (x, y) of the upper left corner in that image, reduced.
        distance: root mean square distance of the surroundings in CIELAB.
        lab: (h, w, 3), reduced.
        object: (h, w), where the object is; ``None`` where none stands out from a background.
    """

    image: int
    corner: tuple[int, int]
    distance: float
    lab: Floats
    object: Mask | None


@dataclass(frozen=True)
class GoodImage:
    """A good image, prepared for looking up patches.

    Attributes:
        size: its (height, width).
        lab: (h, w, 3) in CIELAB, reduced.
        object: (h, w), where the object is; ``None`` where none stands out from a background.
        spectra: (4, h, w // 2 + 1): of the three channels and of their summed squares.
    """

    size: tuple[int, int]
    lab: Floats
    object: Mask | None
    spectra: NDArray[np.complex64]

    @classmethod
    def of(cls, rgb: Pixels, mask: Mask, step: int) -> GoodImage:
        """Prepare an image, (H, W, 3) uint8 RGB; its object, (H, W), is everywhere where none stands out."""
        lab = to_lab(rgb, step)
        reduced = np.asarray(Image.fromarray(mask.astype(np.uint8)).reduce(step)) > 0
        return cls((rgb.shape[0], rgb.shape[1]), lab, None if mask.all() else reduced, _spectra(lab))


@dataclass(frozen=True)
class GoodImages:
    """A few good images of one scale.

    Attributes:
        step: by which images are reduced.
        images: those.
        most: longest side that was kept of a good image, in pixels: it is the middle of one as large as others.
    """

    step: int
    images: tuple[GoodImage, ...]
    most: int

    @classmethod
    def of(cls, images: Sequence[Pixels], objects: Sequence[Mask], most: int) -> GoodImages:
        """Prepare images.

        Args:
            images: (H, W, 3) uint8 RGB each.
            objects: of each, (H, W) bool, where the object is; everywhere if none stands out from a background.
            most: see the class.
        """
        step = -(-max(max(image.shape[:2]) for image in images) // SIDE)
        prepared = (GoodImage.of(image, mask, step) for image, mask in zip(images, objects, strict=True))
        return cls(step, tuple(prepared), most)

    def like(
        self, lab: Floats, context: Mask, corner: tuple[int, int], shape: tuple[int, ...]
    ) -> list[GoodPatch]:
        """Find in each image the patch whose surroundings are most alike, the nearest first.

        Images of another size are passed over: their scale may be another.

        Args:
            lab: (h, w, 3), the region with its surroundings.
            context: (h, w), the surroundings, at least one pixel.
            corner: (x, y) of the patch in its image, reduced.
            shape: (height, width, …) of that image.
        """
        size = min(shape[0], self.most), min(shape[1], self.most)
        top, left = corner[1] - self._cut(shape[0]), corner[0] - self._cut(shape[1])
        found = [
            _nearest(number, image, lab, context, (top, left))
            for number, image in enumerate(self.images)
            if image.size == size and _fits(context, image.lab)
        ]
        return sorted(found, key=lambda patch: patch.distance)

    def _cut(self, side: int) -> int:
        """Say how much was cut off a good image before its middle, reduced."""
        return max(0, side - self.most) // 2 // self.step


def to_lab(rgb: Pixels, step: int) -> Floats:
    """Reduce an image and bring it to CIELAB."""
    from skimage.color import rgb2lab  # noqa: PLC0415 - slow to import

    reduced = np.asarray(Image.fromarray(rgb).reduce(step))
    lab: Floats = rgb2lab(reduced).astype(np.float32)
    return lab


def _nearest(number: int, good: GoodImage, lab: Floats, context: Mask, place: tuple[int, int]) -> GoodPatch:
    height, width = context.shape
    row, column = _choose(_squared_distances(good, lab, context), *place)
    window = slice(row, row + height), slice(column, column + width)
    patch = good.lab[window]
    distance = float(np.sqrt(((patch - lab)[context] ** 2).sum(axis=1).mean()))
    is_object = None if good.object is None else good.object[window]
    return GoodPatch(number, (column, row), distance, patch, is_object)


def _fits(context: Mask, lab: Floats) -> bool:
    return bool(np.less_equal(context.shape, lab.shape[:2]).all())


def _spectra(lab: Floats) -> NDArray[np.complex64]:
    from scipy.fft import rfft2  # noqa: PLC0415

    planes = np.concatenate([lab, (lab**2).sum(axis=2, keepdims=True)], axis=2).transpose(2, 0, 1)
    spectra: NDArray[np.complex64] = rfft2(planes)
    return spectra


def _squared_distances(good: GoodImage, lab: Floats, context: Mask) -> Floats:
    """Give the summed squared distance at every place where the patch fits, by the correlation theorem."""
    from scipy.fft import irfft2, rfft2  # noqa: PLC0415

    shape = good.lab.shape
    weights = context.astype(np.float32)
    planes = np.concatenate([-2 * lab * weights[..., None], weights[..., None]], axis=2).transpose(2, 0, 1)
    patch = rfft2(planes, s=shape[:2])
    sums = irfft2((good.spectra * patch.conj()).sum(axis=0), s=shape[:2])
    fitting = sums[: shape[0] - lab.shape[0] + 1, : shape[1] - lab.shape[1] + 1]
    squared: Floats = fitting + (lab[context] ** 2).sum()
    return squared


def _choose(errors: Floats, row: int, column: int) -> tuple[int, int]:
    """Choose the best place near the one that is expected, unless another is far better."""
    best = np.unravel_index(int(errors.argmin()), errors.shape)
    top, left = max(0, row - REACH), max(0, column - REACH)
    near = errors[top : max(0, row + REACH + 1), left : max(0, column + REACH + 1)]
    if near.size and near.min() <= NEAR_ENOUGH**2 * errors[best]:
        nearest = np.unravel_index(int(near.argmin()), near.shape)
        return top + int(nearest[0]), left + int(nearest[1])
    return int(best[0]), int(best[1])
