"""A scored image by matplotlib: itself, and its heat map with the regions outlined."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

from twinspect.data.pixels import read_pixels
from twinspect.drawing.heatmaps import overlay
from twinspect.errors import DataError
from twinspect.inference.verdicts import in_thresholds, verdict
from twinspect.utils.spelling import spell

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration
    from twinspect.inference.results import ImageScore

WIDTH: Final = 48
"""Letters of a line where a reason stands in place of a picture."""
OUTLINE: Final = "white"
RIM: Final = "black"


def plot_result(
    result: ImageScore,
    values: NDArray[np.float32] | None,
    calibration: Calibration | None,
    *,
    bits: int | None = None,
    axes: Any = None,
) -> Any:
    """Draw into two axes, or into a new figure.

    Args:
        result: of the image.
        values: (H, W), its map; ``None`` without one, and then the second picture is the image again.
        calibration: that decided; ``None`` if not known.
        bits: significant bits of a 16-bit image file.
        axes: two ``matplotlib.axes.Axes``; ``None`` for a new figure of ``pyplot``.

    Returns:
        Both axes.
    """
    if axes is None:
        from matplotlib import pyplot as plt  # noqa: PLC0415 - it looks for a display

        _, axes = plt.subplots(1, 2, figsize=(10, 5), layout="compressed")
    for each, title in zip(axes, (_escaped(result.sample.address), _title(result, calibration)), strict=True):
        each.set_title(title, fontsize="medium", wrap=True)
        each.set_axis_off()
    try:
        rgb, heat = _pictures(result, values, calibration, bits)
    except DataError as error:
        reason = "\n".join(textwrap.wrap(_escaped(str(error)), WIDTH))
        axes[0].text(0.5, 0.5, reason, ha="center", va="center", transform=axes[0].transAxes)
        return axes
    height, width = rgb.shape[:2]
    for each, picture in zip(axes, (rgb, heat), strict=True):
        each.imshow(picture, extent=(0, width, height, 0))
    for region in result.regions or ():
        closed = [*region.polygon, region.polygon[0]]
        for colour, line in ((RIM, 2.5), (OUTLINE, 1.0)):
            axes[1].plot(*zip(*closed, strict=True), color=colour, linewidth=line)
    return axes


def _pictures(
    result: ImageScore, values: NDArray[np.float32] | None, calibration: Calibration | None, bits: int | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    if result.error:
        raise DataError(result.error)
    rgb = read_pixels(result.sample, bits=bits)
    return rgb, rgb if values is None or calibration is None else overlay(rgb, values, calibration.map_range)


def _title(result: ImageScore, calibration: Calibration | None) -> str:
    """Say the verdict, and how the score compares with the threshold."""
    word = verdict(None if result.error else result.is_anomalous, is_inspectable=result.is_inspectable)
    if result.error or calibration is None:
        return word
    own = calibration.of(result.sample.category)
    words = f"{word}: {in_thresholds(result.score, own.threshold)}, p {result.p_value:.3g}"
    return f"{words}\n{_escaped(result.not_inspectable)}" if result.not_inspectable else words


def _escaped(text: str) -> str:
    """Spell a name, and keep matplotlib from reading mathematics between its dollar signs."""
    return spell(text).replace("$", r"\$")
