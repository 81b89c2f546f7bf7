"""How an image is moved onto a reference, and what is found there back into the image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class AlignmentError(ImageError):
    """An image in which the part of the reference is not found."""


@dataclass(frozen=True)
class Placement:
    """A turn about an image's middle and a shift.

    Attributes:
        degrees: by which the part is turned in the image, counter-clockwise.
        shift: by which it is shifted there, down and to the right, in pixels.
    """

    degrees: float
    shift: tuple[float, float]

    def align(self, image: NDArray[Any]) -> NDArray[Any]:
        """Move an image, (H, W) or (H, W, C), onto the reference; beyond its border its outermost pixels go on."""
        turned = self._turn.T
        centre = _centre(image)
        return _resampled(image, turned, centre + self.shift - turned @ centre, mode="nearest")

    def is_shown(self, height: int, width: int) -> NDArray[np.bool_]:
        """Say which pixels of the reference, (H, W), an image of this size shows."""
        shown = np.ones((height, width), np.float32)
        centre, turned = _centre(shown), self._turn.T
        offset = centre + self.shift - turned @ centre
        return _resampled(shown, turned, offset, mode="constant") > _MOSTLY

    def to_image(self, found: NDArray[np.float32]) -> NDArray[np.float32]:
        """Move a map of the reference, (H, W), back into the image; what it does not show is 0."""
        centre = _centre(found)
        return _resampled(found, self._turn, centre - self._turn @ (centre + self.shift), mode="constant")

    def mask_to_image(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Move a mask of the reference, (H, W), back into the image."""
        return self.to_image(mask.astype(np.float32)) > _MOSTLY

    @property
    def _turn(self) -> NDArray[np.float64]:
        """The matrix that leads from a place in the image to that in the reference, both from the middle."""
        cosine, sine = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        return np.array([[cosine, sine], [-sine, cosine]])


_MOSTLY = 0.5


def _centre(image: NDArray[Any]) -> NDArray[np.float64]:
    return (np.array(image.shape[:2]) - 1) / 2


def _resampled(image: NDArray[Any], matrix: NDArray[Any], offset: NDArray[Any], *, mode: str) -> NDArray[Any]:
    """Interpolate an image, (H, W) or (H, W, C), linearly where an affine map leads."""
    from scipy import ndimage  # noqa: PLC0415 - only where images are aligned

    channels = [image] if image.ndim == 2 else np.moveaxis(image, 2, 0)
    moved = [ndimage.affine_transform(each, matrix, offset, order=1, mode=mode) for each in channels]
    return moved[0] if image.ndim == 2 else np.stack(moved, axis=2)
