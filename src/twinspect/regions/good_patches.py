"""Where good images look most like the surroundings of a region: what would be there if the part were good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from PIL import Image

from twinspect.synthesis.foreground import foregrounds

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
class GoodImages:
    """A few good images, prepared for looking up patches.

    Attributes:
        step: by which images are reduced.
        lab: of each, (h, w, 3) in CIELAB, reduced.
        objects: of each, (h, w), where the object is; ``None`` where none stands out from a background.
        spectra: of each, (4, h, w // 2 + 1): of the three channels and of their summed squares.
    """

    step: int
    lab: tuple[Floats, ...]
    objects: tuple[Mask | None, ...]
    spectra: tuple[NDArray[np.complex64], ...]

    @classmethod
    def of(cls, images: Sequence[Pixels]) -> GoodImages:
        """Prepare images, (H, W, 3) uint8 RGB each."""
        step = -(-max(max(image.shape[:2]) for image in images) // SIDE)
        lab = tuple(to_lab(image, step) for image in images)
        objects = tuple(_reduced_object(mask, step) for mask in foregrounds(images))
        return cls(step, lab, objects, tuple(map(_spectra, lab)))

    def like(
        self, lab: Floats, context: Mask, corner: tuple[int, int], shape: tuple[int, int]
    ) -> list[GoodPatch]:
        """Find in each image the patch whose surroundings are most alike, the nearest first.

        Args:
            lab: (h, w, 3), the region with its surroundings.
            context: (h, w), the surroundings, at least one pixel.
            corner: (x, y) of the patch in its image, reduced.
            shape: (height, width) of that image, reduced; a good image that is smaller is the middle of one as large.
        """
        found = [self._nearest(number, lab, context, corner, shape) for number in range(len(self.lab))]
        return sorted((patch for patch in found if patch), key=lambda patch: patch.distance)

    def _nearest(
        self, number: int, lab: Floats, context: Mask, corner: tuple[int, int], shape: tuple[int, int]
    ) -> GoodPatch | None:
        height, width = context.shape
        image = self.lab[number]
        left, top = (
            corner[0] - max(0, shape[1] - image.shape[1]) // 2,
            corner[1] - max(0, shape[0] - image.shape[0]) // 2,
        )
        if height > image.shape[0] or width > image.shape[1]:
            return None
        errors = _squared_distances(self.spectra[number], image.shape, lab, context)
        row, column = _choose(errors, top, left)
        window = slice(row, row + height), slice(column, column + width)
        patch, mask = image[window], self.objects[number]
        distance = float(np.sqrt(((patch - lab)[context] ** 2).sum(axis=1).mean()))
        return GoodPatch(number, (column, row), distance, patch, None if mask is None else mask[window])


def to_lab(rgb: Pixels, step: int) -> Floats:
    """Reduce an image and bring it to CIELAB."""
    from skimage.color import rgb2lab  # noqa: PLC0415 - slow to import

    reduced = np.asarray(Image.fromarray(rgb).reduce(step))
    lab: Floats = rgb2lab(reduced).astype(np.float32)
    return lab


def _reduced_object(mask: Mask, step: int) -> Mask | None:
    if mask.all():
        return None
    return np.asarray(Image.fromarray(mask.astype(np.uint8)).reduce(step)) > 0


def _spectra(lab: Floats) -> NDArray[np.complex64]:
    from scipy.fft import rfft2  # noqa: PLC0415

    planes = np.concatenate([lab, (lab**2).sum(axis=2, keepdims=True)], axis=2).transpose(2, 0, 1)
    spectra: NDArray[np.complex64] = rfft2(planes)
    return spectra


def _squared_distances(
    spectra: NDArray[np.complex64], shape: tuple[int, ...], lab: Floats, context: Mask
) -> Floats:
    """Give the summed squared distance at every place where the patch fits, by the correlation theorem."""
    from scipy.fft import irfft2, rfft2  # noqa: PLC0415

    weights = context.astype(np.float32)
    planes = np.concatenate([-2 * lab * weights[..., None], weights[..., None]], axis=2).transpose(2, 0, 1)
    patch = rfft2(planes, s=shape[:2])
    sums = irfft2((spectra * patch.conj()).sum(axis=0), s=shape[:2])
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
