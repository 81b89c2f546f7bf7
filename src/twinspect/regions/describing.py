"""What is different in a region from good images, in a few words.

A region is compared with the patches of good images whose surroundings are most like its own. A word is said only
if it holds beside every one of these patches, moved by a pixel at most, and beside the region's own surroundings too;
how often words are right is in ``docs/measured.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from twinspect.regions.displacement import DISPLACED, displaced
from twinspect.regions.good_patches import to_lab
from twinspect.regions.presence import ADDED, MISSING, missing_or_added

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twinspect.regions.good_patches import GoodImages, GoodPatch

    Box = tuple[int, int, int, int]
    Floats = NDArray[np.float32]
    Mask = NDArray[np.bool_]

DARKER: Final = "darker"
BRIGHTER: Final = "brighter"
OTHER_COLOUR: Final = "other colour"
LESS_TEXTURE: Final = "less texture"
MORE_TEXTURE: Final = "more texture"
WORDS: Final = (MISSING, ADDED, DISPLACED, DARKER, BRIGHTER, OTHER_COLOUR, LESS_TEXTURE, MORE_TEXTURE)

# Lengths are pixels of the reduced images, differences CIELAB's, where the eye sees 2. All were chosen on synthetic
# defects, so that words are rarely wrong rather than often said.
MARGIN: Final = 0.5
"""What is seen of the surroundings, as a share of the longer side of the box."""
LEAST_MARGIN: Final = 8
CORE: Final = 0.6
"""The defect is where the map lies above this share of the way from the level that regions reach down to, to the
region's peak: maps are smooth, and reach beyond it."""
HALO: Final = 2
"""How far a defect may reach beyond its region."""
ALIKE: Final = 25.0
"""Surroundings farther apart than this, as a root mean square, say nothing of what should be there."""
STRONGEST: Final = 0.1
"""Share of a region's pixels that must be different: a defect covers a part of its region."""
LIGHTER_BY: Final = 6.0
"""How far in lightness these lie beyond all good patches, on average; beyond the surroundings, :data:`AROUND`."""
AROUND: Final = 3.0
"""Likewise beyond all but the darkest and brightest tenth of the surroundings."""
ONE_WAY: Final = 4.0
"""How many times the differences of one sign outweigh those of the other."""
COLOUR_BY: Final = 10.0
"""How far the mean colour of the region lies from that of each good patch."""
COLOUR_SPREAD: Final = 2.5
"""Likewise, in units of how far these lie apart."""
SMOOTHER: Final = 1.3
"""By what factor a region has less texture than all good patches."""
ROUGHER: Final = 2.5
"""By what factor it has more than they and its surroundings."""
_FLAT: Final = 0.3
"""Added to both sides of such a comparison: below it is what JPEG leaves."""


class Description(NamedTuple):
    """What is said of a region; see :class:`.FoundRegion`."""

    words: tuple[str, ...] = ()
    good_patch: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class _Window:
    """A region with its surroundings, reduced.

    Attributes:
        lab: (h, w, 3) in CIELAB.
        inside: (h, w), the core of the region.
        around: (h, w), what surely belongs to no region.
        corner: (x, y) of its upper left corner in the reduced image.
    """

    lab: Floats
    inside: Mask
    around: Mask
    corner: tuple[int, int]

    @classmethod
    def of(
        cls, rgb: NDArray[np.uint8], box: Box, anomaly_map: NDArray[np.float32], low: float, step: int
    ) -> _Window:
        """Cut it out of its image; arguments as for :func:`describe`."""
        from scipy import ndimage  # noqa: PLC0415 - slow to import

        left, top, width, height = box
        margin = max(LEAST_MARGIN * step, round(MARGIN * max(width, height)))
        rows = _reduced_range(top, height, margin, step, rgb.shape[0])
        columns = _reduced_range(left, width, margin, step, rgb.shape[1])
        window = (
            slice(rows.start * step, rows.stop * step),
            slice(columns.start * step, columns.stop * step),
        )
        values = _highest(anomaly_map[window], step)
        boxed = np.zeros(values.shape, dtype=np.bool_)
        boxed[
            top // step - rows.start : -(-(top + height) // step) - rows.start,
            left // step - columns.start : -(-(left + width) // step) - columns.start,
        ] = True
        core = low + CORE * (values[boxed].max(initial=low) - low)
        around = np.logical_not(ndimage.binary_dilation(values > low, iterations=HALO))
        return cls(to_lab(rgb[window], step), boxed & (values > core), around, (columns.start, rows.start))


def describe(
    rgb: NDArray[np.uint8], box: Box, anomaly_map: NDArray[np.float32], low: float, good: GoodImages
) -> Description:
    """Say what is different in a region.

    Args:
        rgb: (H, W, 3) uint8, the image.
        box: (x, y, width, height) of the region.
        anomaly_map: (H, W).
        low: above which a pixel belongs to a region.
        good: what to compare it with.

    Returns:
        No words where it is not sure, and no patch where good images have no surroundings like the region's.
    """
    if min(rgb.shape[:2]) < good.step:
        return Description()
    window = _Window.of(rgb, box, anomaly_map, low, good.step)
    if not (window.inside.any() and window.around.any()):
        return Description()
    patches = good.like(window.lab, window.around, window.corner, rgb.shape)
    if not patches or patches[0].distance > ALIKE:
        return Description()
    return Description(tuple(_words(window, patches)), _place(box, window, patches[0], good.step))


def _highest(anomaly_map: Floats, step: int) -> Floats:
    """Reduce a map to its highest values; along axes of a few values, NumPy's own maximum is slow."""
    parts = (anomaly_map[row::step, column::step] for row in range(step) for column in range(step))
    return reduce(np.maximum, parts)


def _reduced_range(start: int, length: int, margin: int, step: int, side: int) -> range:
    """Give the rows or columns of the reduced image that show a part of a side and its surroundings."""
    return range(max(0, start - margin) // step, min(side // step, -(-(start + length + margin) // step)))


def _place(box: Box, window: _Window, patch: GoodPatch, step: int) -> tuple[int, int, int]:
    """Say where in the good image the corner of the box would be."""
    left, top = (at - step * corner for at, corner in zip(box[:2], window.corner, strict=True))
    return patch.image, step * patch.corner[0] + left, step * patch.corner[1] + top


def _words(window: _Window, good: Sequence[GoodPatch]) -> list[str]:
    patches = [patch.lab for patch in good]
    objects = [patch.object for patch in good if patch.object is not None]
    presence = missing_or_added(window.lab, window.inside, window.around, objects)
    moved = displaced(window.lab, window.inside, patches)
    beyond = _Beyond.of(window, patches)
    colour = OTHER_COLOUR if _has_other_colour(window, patches) else ""
    words = (
        moved or presence,
        _lightness(window, patches, beyond),
        colour,
        _texture(window, patches, beyond.good),
    )
    return [word for word in words if word]


class _Beyond(NamedTuple):
    """How far each pixel of a region is brighter, or darker (negative), moved by a pixel.

    Attributes:
        good: than all good patches.
        all: than the surroundings too.
    """

    good: Floats
    all: Floats

    @classmethod
    def of(cls, window: _Window, patches: Sequence[Floats]) -> _Beyond:
        from scipy import ndimage  # noqa: PLC0415

        lightness = np.stack([patch[..., 0] for patch in patches])
        own, inside = window.lab[..., 0], window.inside
        high = ndimage.maximum_filter(lightness.max(axis=0), 3)[inside]
        low = ndimage.minimum_filter(lightness.min(axis=0), 3)[inside]
        darkest, brightest = np.percentile(own[window.around], (10, 90))
        return cls(
            _outside(own[inside], low, high),
            _outside(own[inside], np.minimum(low, darkest), np.maximum(high, brightest)),
        )


def _outside(values: Floats, low: Floats, high: Floats) -> Floats:
    """Say how far values lie above a range, or below it (negative)."""
    outside: Floats = np.clip(values - high, 0, None) - np.clip(low - values, 0, None)
    return outside


def _lightness(window: _Window, patches: Sequence[Floats], beyond: _Beyond) -> str:
    medians = [float(np.median(lab[window.inside, 0])) for lab in (window.lab, *patches)]
    for word, sign in ((DARKER, -1), (BRIGHTER, 1)):
        is_so = _one_way(sign * beyond.good, LIGHTER_BY) and _one_way(sign * beyond.all, AROUND)
        if is_so and all(sign * medians[0] > sign * median for median in medians[1:]):
            return word
    return ""


def _one_way(beyond: Floats, least: float) -> bool:
    """Whether the strongest differences reach ``least``, and few are of the other sign."""
    return _strongest(beyond) >= least and float(np.clip(beyond, 0, None).sum()) >= ONE_WAY * float(
        np.clip(-beyond, 0, None).sum()
    )


def _strongest(values: Floats) -> float:
    return float(np.sort(np.clip(values, 0, None))[-max(4, int(STRONGEST * values.size)) :].mean())


def _has_other_colour(window: _Window, patches: Sequence[Floats]) -> bool:
    own = window.lab[window.inside, 1:].mean(axis=0)
    others = np.array([patch[window.inside, 1:].mean(axis=0) for patch in patches])
    spread = np.linalg.norm(others - others.mean(axis=0), axis=1).max()
    nearest = np.linalg.norm(others - own, axis=1).min()
    return bool(nearest >= max(COLOUR_BY, COLOUR_SPREAD * spread))


def _texture(window: _Window, patches: Sequence[Floats], beyond: Floats) -> str:
    from scipy import ndimage  # noqa: PLC0415

    core = ndimage.binary_erosion(window.inside)
    core = core if core.any() else window.inside
    own, *others = (_FLAT + _roughness(lab, core) for lab in (window.lab, *patches))
    if own * SMOOTHER < min(others):
        return LESS_TEXTURE
    around = _FLAT + _roughness(window.lab, window.around)
    return MORE_TEXTURE if own > ROUGHER * max(*others, around) and _both_ways(beyond) else ""


def _roughness(lab: Floats, where: Mask) -> float:
    """Measure texture: the median deviation of the lightness from its mean in 3 x 3 pixels, which edges leave."""
    from scipy import ndimage  # noqa: PLC0415

    lightness = lab[..., 0]
    return float(np.median(np.abs(lightness - ndimage.uniform_filter(lightness, 3))[where]))


def _both_ways(beyond: Floats) -> bool:
    """Whether there are darker and brighter pixels, as in a texture, and not only the edge of something."""
    brighter, darker = np.clip(beyond, 0, None).sum(), np.clip(-beyond, 0, None).sum()
    return (
        bool(min(brighter, darker) >= 0.1 * max(brighter, darker) > 0)
        and min(_strongest(beyond), _strongest(-beyond)) >= 1
    )
