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
        spectra: (4, H, W // 2 + 1): of the three channels and of their summed squares, at :func:`_padded` size.
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
        planes = np.concatenate([lab, (lab**2).sum(axis=2, keepdims=True)], axis=2)
        spectra = _spectra(planes, lab.shape)
        return cls((rgb.shape[0], rgb.shape[1]), lab, None if mask.all() else reduced, spectra)


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
        place = corner[1] - self._cut(shape[0]), corner[0] - self._cut(shape[1])
        fitting = [
            (number, image)
            for number, image in enumerate(self.images)
            if image.size == size and _fits(context, image.lab)
        ]
        if not fitting:
            return []
        searched = _Searched.of(lab, context, fitting[0][1].lab.shape)
        found = [_nearest(number, image, searched, place) for number, image in fitting]
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


@dataclass(frozen=True)
class _Searched:
    """A region's surroundings, prepared for looking them up in good images of one size.

    Attributes:
        lab: (h, w, 3), the region with its surroundings.
        context: (h, w), the surroundings.
        spectra: (4, H, W // 2 + 1), conjugate: of the three channels, weighted by -2, and of the weights.
        squares: the summed squares of the surroundings.
    """

    lab: Floats
    context: Mask
    spectra: NDArray[np.complex64]
    squares: float

    @classmethod
    def of(cls, lab: Floats, context: Mask, shape: tuple[int, ...]) -> _Searched:
        """Prepare them for images of a shape."""
        weights = context.astype(np.float32)[..., None]
        planes = np.concatenate([-2 * lab * weights, weights], axis=2)
        return cls(lab, context, _spectra(planes, shape).conj(), float((lab[context] ** 2).sum()))


def _nearest(number: int, good: GoodImage, searched: _Searched, place: tuple[int, int]) -> GoodPatch:
    context = searched.context
    height, width = context.shape
    row, column = _choose(_squared_distances(good, searched), *place)
    window = slice(row, row + height), slice(column, column + width)
    patch = good.lab[window]
    distance = float(np.sqrt(((patch - searched.lab)[context] ** 2).sum() / np.count_nonzero(context)))
    is_object = None if good.object is None else good.object[window]
    return GoodPatch(number, (column, row), distance, patch, is_object)


def _fits(context: Mask, lab: Floats) -> bool:
    return bool(np.less_equal(context.shape, lab.shape[:2]).all())


def _spectra(planes: Floats, shape: tuple[int, ...]) -> NDArray[np.complex64]:
    """Transform planes, (h, w, n), as parts of an image of a shape."""
    from scipy.fft import rfft2  # noqa: PLC0415

    spectra: NDArray[np.complex64] = rfft2(planes.transpose(2, 0, 1), s=_padded(shape))
    return spectra


def _padded(shape: tuple[int, ...]) -> tuple[int, int]:
    """Give the least size, not below that of an image, at which Fourier transforms are fast."""
    from scipy.fft import next_fast_len  # noqa: PLC0415

    return next_fast_len(shape[0], real=True), next_fast_len(shape[1], real=True)


def _squared_distances(good: GoodImage, searched: _Searched) -> Floats:
    """Give the summed squared distance at every place where the patch fits, by the correlation theorem."""
    from scipy.fft import irfft2  # noqa: PLC0415

    shape, patch = good.lab.shape, searched.context.shape
    sums = irfft2((good.spectra * searched.spectra).sum(axis=0), s=_padded(shape))
    squared: Floats = sums[: shape[0] - patch[0] + 1, : shape[1] - patch[1] + 1] + searched.squares
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
