"""Images as the same camera gives them on another day: other light, another focus, a part that lies elsewhere.

All is computed in floating point on grey levels of 0 to 255, rounded to the nearest level and cut off at both ends.
"""

from __future__ import annotations

import io
import math
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from twinspect.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Pixels = NDArray[np.uint8]


LONGEST_SIDE: Final = 65_500
"""Of a JPEG, in pixels, as libjpeg writes it."""


def scale_light(rgb: Pixels, red: float, green: float, blue: float) -> Pixels:
    """Multiply the channels: by one number as more light does, by several as light of another colour does.

    Args:
        rgb: (H, W, 3) uint8 RGB; not changed.
        red: factor of the red channel, positive.
        green: of the green one.
        blue: of the blue one.

    Returns:
        (H, W, 3) uint8.
    """
    return _rounded(rgb.astype(np.float32) * np.array([red, green, blue], dtype=np.float32))


def blur(rgb: Pixels, sigma: float) -> Pixels:
    """Blur each channel by a Gaussian of a standard deviation in pixels, mirrored at the border."""
    from scipy import ndimage  # noqa: PLC0415

    return _rounded(ndimage.gaussian_filter(rgb.astype(np.float32), (sigma, sigma, 0), mode="reflect"))


def add_noise(rgb: Pixels, sigma: float) -> Pixels:
    """Add Gaussian noise of a standard deviation in grey levels to each channel; equal images get equal noise."""
    random = np.random.default_rng(zlib.crc32(rgb.tobytes()))
    return _rounded(rgb + np.float32(sigma) * random.standard_normal(rgb.shape, dtype=np.float32))


def compress(rgb: Pixels, quality: int) -> Pixels:
    """Save as a JPEG of a quality from 1 to 95, with halved colour resolution as usual, and read that again.

    Raises:
        ImageError: it is larger than a JPEG can be.
    """
    if max(rgb.shape[:2]) > LONGEST_SIDE:
        raise ImageError(
            f"{rgb.shape[1]}x{rgb.shape[0]} pixels do not fit into a JPEG, which has at most {LONGEST_SIDE} a side"
        )
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.asarray(image)


def move(rgb: Pixels, down: float = 0.0, right: float = 0.0, degrees: float = 0.0) -> Pixels:
    """Turn an image counter-clockwise about its middle, then shift it; what comes into view is mirrored.

    Args:
        rgb: (H, W, 3) uint8 RGB; not changed.
        down: pixels that its content moves down; between pixels, values are interpolated linearly.
        right: pixels that it moves to the right.
        degrees: the angle.

    Returns:
        (H, W, 3) uint8.
    """
    from scipy import ndimage  # noqa: PLC0415

    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # Where in the image the value at (row, column) of the result comes from.
    matrix = np.array([[cosine, sine], [-sine, cosine]])
    middle = (np.array(rgb.shape[:2]) - 1) / 2
    offset = middle - matrix @ (middle + np.array([down, right]))
    channels = [
        ndimage.affine_transform(
            rgb[..., channel].astype(np.float32), matrix, offset, order=1, mode="reflect"
        )
        for channel in range(3)
    ]
    return _rounded(np.stack(channels, axis=-1))


def _rounded(values: Floats) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
