"""Heat maps: anomaly maps as colours that mean the same thing on every image.

The scale is fixed by the good images held out for calibration, not by the map at hand, so a good image stays
pale and a bright spot is bright for a reason:

    ====================================  ==================  ===================================
    raw value                             place on the scale  on an image
    ====================================  ==================  ===================================
    typical good pixel, or below          0                   the image itself, untouched
    four fifths of the way to that peak   2/5                 the same; from here on colours fade in
    a good image's peak                   1/2                 a light tint
    that, and as far again above          1                   the strongest tint, yellow
    ====================================  ==================  ===================================

The colours are matplotlib's *plasma*: its lightness only ever rises, evenly, so more anomalous is lighter
for readers with any kind of colour vision and on a grey printer. A rainbow such as *turbo* is lightest in
its middle, which would make moderate values look like the extreme ones; *inferno* begins in black, which
cannot be told from a dark part.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

MapRange = tuple[float, float]
"""The typical pixel of held-out good images, and a good peak: 9 in 10 of their maps stay below it everywhere."""

COLOUR_MAP: Final = "plasma"
STRONGEST: Final = 0.8
"""The largest share of colour in a tinted pixel; the rest is the image, so that the part stays visible."""
BEGIN: Final = 0.4
"""Place on the scale up to which nothing is drawn: what every good image has would be a haze, above all on white."""
GROWTH: Final = 0.7
"""The share of colour is ``STRONGEST * ((place - BEGIN) / (1 - BEGIN))**GROWTH``: a power below 1, so that a weak
anomaly is seen at all."""
ABOVE_COLOUR: Final = (0, 229, 255)
"""Cyan, the outline of what lies above a good peak: a hue that plasma has nowhere."""
TRUTH_COLOUR: Final = (255, 255, 255)
"""White with a black rim, the outline of a ground-truth mask: seen on any image, even printed in grey."""
RIM_COLOUR: Final = (0, 0, 0)
THIN_UP_TO: Final = 512
"""Images of up to so many pixels on the longer side get outlines 1 pixel wide; larger ones, 2."""


def colourise(values: NDArray[np.float32], map_range: MapRange) -> NDArray[np.uint8]:
    """Colour an anomaly map on the fixed scale.

    Args:
        values: (H, W) raw anomaly map.
        map_range: (low, high), the typical pixel and the peak of held-out good images, from
            ``Calibration.map_range``. Low or less has the first colour, high the middle one, and
            high + (high - low) or more the last. Where low equals high, the span is |high|, or else 1.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        DataError: the map is not two-dimensional or holds NaN or infinity.
        ConfigError: low is above high.
    """
    colours: NDArray[np.uint8] = _palette()[_levels(values, map_range)]
    return colours


def overlay(
    rgb: NDArray[np.uint8],
    values: NDArray[np.float32],
    map_range: MapRange,
    contour: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """Lay an anomaly map over its image: the more anomalous, the more opaque.

    What good images have keeps its own colour; what lies above a good image's peak is outlined in cyan, but not along
    the image's frame.

    Args:
        rgb: (H, W, 3) uint8 image.
        values: (H, W) raw anomaly map.
        map_range: as for :func:`colourise`.
        contour: (H, W) ground-truth mask, outlined in white with a black rim.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        DataError: the shapes differ, or the map holds NaN or infinity.
        ConfigError: low is above high.
    """
    if rgb.shape != (*values.shape, 3):
        raise DataError(
            f"an image of shape {rgb.shape} came with a map of {values.shape}; allowed: (H, W, 3) and (H, W)"
        )
    levels = _levels(values, map_range)
    share = _shares()[levels][..., None]
    blend = (rgb * (255 - share) + _palette()[levels] * share + 127) // 255
    marked = draw_outline(blend.astype(np.uint8), values > map_range[1], ABOVE_COLOUR, framed=False)
    return marked if contour is None else draw_ground_truth(marked, contour)


def overlay_layer(values: NDArray[np.float32], map_range: MapRange) -> NDArray[np.uint8]:
    """Colour an anomaly map as a layer to lay over its image, as transparent as :func:`overlay` draws it.

    Args:
        values: (H, W) raw anomaly map.
        map_range: as for :func:`colourise`.

    Returns:
        (H, W, 4) uint8 RGBA; what good images have is fully transparent.

    Raises:
        DataError: the map is not two-dimensional or holds NaN or infinity.
        ConfigError: low is above high.
    """
    levels = _levels(values, map_range)
    alpha = _shares()[levels].astype(np.uint8)
    return np.concatenate([_palette()[levels], alpha[..., None]], axis=-1)


def draw_ground_truth(rgb: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Outline a ground-truth mask in white with a black rim.

    Args:
        rgb: (H, W, 3) uint8 image.
        mask: (H, W) bool.

    Returns:
        (H, W, 3) uint8 RGB; a new image.
    """
    width = _line_width(mask.shape)
    rimmed = draw_outline(rgb, mask, RIM_COLOUR, width + 1)
    return draw_outline(rimmed, mask, TRUTH_COLOUR, width)


def draw_boxes(
    rgb: NDArray[np.uint8], boxes: Iterable[tuple[int, int, int, int]], scale: float = 1.0
) -> NDArray[np.uint8]:
    """Draw a white frame with a black rim around each box.

    Args:
        rgb: (h, w, 3) uint8 image.
        boxes: x, y, width and height of each, in pixels of the original.
        scale: pixels of the image a pixel of the original.

    Returns:
        (h, w, 3) uint8 RGB; a new image.
    """
    drawn: NDArray[np.uint8] = rgb.copy()
    for left, top, width, height in boxes:
        box = np.zeros(rgb.shape[:2], dtype=np.bool_)
        rows = slice(math.floor(top * scale), math.ceil((top + height) * scale))
        box[rows, math.floor(left * scale) : math.ceil((left + width) * scale)] = True
        drawn = draw_ground_truth(drawn, box)
    return drawn


def draw_outline(
    rgb: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    line: tuple[int, int, int],
    width: int | None = None,
    *,
    framed: bool = True,
) -> NDArray[np.uint8]:
    """Draw a line around a region, outside it so that a small region is not covered.

    Args:
        rgb: (H, W, 3) uint8 image.
        mask: (H, W) bool region.
        line: the colour, RGB.
        width: of the line in pixels; by default 1, or 2 on images larger than 512 pixels.
        framed: whether the line runs inside the region along the edge of the image where the region touches it.

    Returns:
        (H, W, 3) uint8 RGB; a new image.
    """
    from scipy.ndimage import binary_dilation  # noqa: PLC0415 - the raw maps of `--map-format npy` need no SciPy

    width = width or _line_width(mask.shape)
    drawn: NDArray[np.uint8] = rgb.copy()
    if mask.any():
        inner = np.zeros_like(mask)
        inner[width:-width, width:-width] = True
        inner |= not framed
        grown = binary_dilation(mask, np.ones((3, 3), dtype=np.bool_), iterations=width)
        drawn[(grown & ~mask) | (mask & ~inner)] = line
    return drawn


def top_of_scale(map_range: MapRange) -> float:
    """Compute the raw value from which on a pixel has the last colour; see :func:`colourise`."""
    low, high = map_range
    return low + 2 * ((high - low) or abs(high) or 1.0)


def _levels(values: NDArray[np.float32], map_range: MapRange) -> NDArray[np.uint8]:
    """Place raw values on the scale, in 255 steps."""
    low, high = map_range
    if not low <= high:
        raise ConfigError(f"map_range=({low:g}, {high:g}); allowed: (low, high) with low not above high")
    if values.ndim != 2 or not np.isfinite(values).all():
        raise DataError(f"got an anomaly map of shape {values.shape}; allowed: (H, W) of finite numbers")
    top = top_of_scale(map_range)
    place = (np.clip(values, low, top) - low) / (top - low)
    levels: NDArray[np.uint8] = np.rint(place * 255).astype(np.uint8)
    return levels


@cache
def _palette() -> NDArray[np.uint8]:
    """Tabulate the 256 colours, (256, 3)."""
    from matplotlib import colormaps  # noqa: PLC0415 - the raw maps of `--map-format npy` need no matplotlib

    colours: NDArray[np.uint8] = colormaps[COLOUR_MAP](np.arange(256), bytes=True)[:, :3]
    return colours


@cache
def _shares() -> NDArray[np.uint16]:
    """Tabulate the share of colour of the 256 places on the scale, (256,), in 255ths."""
    place = np.clip((np.linspace(0, 1, 256) - BEGIN) / (1 - BEGIN), 0, None)
    shares: NDArray[np.uint16] = np.rint(255 * STRONGEST * place**GROWTH).astype(np.uint16)
    return shares


def _line_width(shape: tuple[int, ...]) -> int:
    return 1 if max(shape) <= THIN_UP_TO else 2
