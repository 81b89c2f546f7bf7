"""Whether a frame can be inspected: not if it lies far outside the good images in brightness, contrast or sharpness.

Such a frame comes from a camera that lost its light or its focus. Whatever its score, it is neither good nor
anomalous.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from twinspect.images.quality import ImageQuality

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_WIDTH: Final = math.log(3)
"""The least width of a range: a factor of three in light, contrast or detail, about one and a half stops. Good images
that hardly differ do not make ordinary noise, a slightly different lamp or a defect a reason to refuse a frame."""
MIN_LIGHT: Final = 1.5
"""By this factor the grey level of all images may fall or rise, however alike the good ones are: lamps age, and are
replaced. It widens the least width of brightness; and a dark frame is one of less than a good image's grey level
divided by it, since near white, log-odds turn a fifth less light into a factor of three."""
FEW: Final = 16.0
"""How much the range of few images is widened: by a factor of 1 + 16 / (n - 1)^2, so 2 for five images, 5 for three
and 17 for two. Drawn from a normal distribution, a further image then lies beyond the limits of five images once in
190 cases, and of nineteen once in 25 000; without it, once in 34 cases of five."""
MIN_OVEREXPOSED: Final = 64.0
"""The least mean grey level of an overexposed frame: where good images are nearly black, a bright defect must not
pass for overexposure."""
_HALF_LEVEL: Final = 0.5
"""Half a grey level: smaller differences vanish when pixels are rounded, so all smaller values count as this one."""


class Limits(NamedTuple):
    """Beyond which a frame cannot be inspected; the quantities are those of :class:`.ImageQuality`.

    Attributes:
        darkest: the least brightness; 0 for any.
        brightest: the highest brightness; 255 for any.
        least_contrast: 0 for any.
        least_sharpness: 0 for any.
    """

    darkest: float
    brightest: float
    least_contrast: float
    least_sharpness: float


@dataclass(frozen=True)
class GoodRange:
    """What good images look like: the extremes of their brightness, contrast and sharpness.

    Attributes:
        images: how many images it comes from.
        lowest: the lowest value of each quantity.
        highest: the highest.
        light: the factor by which light may always change; 1 in the records of earlier versions.
    """

    images: int
    lowest: ImageQuality
    highest: ImageQuality
    light: float = MIN_LIGHT

    @cached_property
    def limits(self) -> Limits:
        """The limits of what can be inspected.

        A frame may lie outside the range by the range's own width, on a scale of ratios: the logarithm of contrast
        and sharpness, and the log-odds of brightness, which is stretched at white as at black. More contrast or more
        detail than in any good image is no reason: a defect can have both.
        """
        brightness, contrast, sharpness = map(self._width, ImageQuality._fields)
        darkest = _expit(_logit(self.lowest.brightness) - brightness)
        brightest = _expit(_logit(self.highest.brightness) + brightness)
        contrast, sharpness = (
            math.exp(_log(low) - width)
            for low, width in ((self.lowest.contrast, contrast), (self.lowest.sharpness, sharpness))
        )
        return Limits(
            darkest=_if_seen(min(darkest, self.lowest.brightness / self.light)),
            brightest=max(brightest, math.nextafter(MIN_OVEREXPOSED, 0))
            if brightest < 255 - _HALF_LEVEL
            else 255.0,
            least_contrast=_if_seen(contrast),
            least_sharpness=_if_seen(sharpness),
        )

    def reason_against(self, quality: ImageQuality) -> str:
        """Say why a frame cannot be inspected, by :attr:`limits`; empty if it can."""
        limits = self.limits
        if quality.brightness < limits.darkest:
            return "far darker than any good image"
        if quality.brightness > limits.brightest:
            return "far brighter than any good image"
        if quality.contrast < limits.least_contrast:
            return "far less contrast than any good image"
        if quality.sharpness < limits.least_sharpness:
            return "far less sharp than any good image"
        return ""

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        pairs = zip(ImageQuality._fields, self.lowest, self.highest, strict=True)
        ranges = {name: [low, high] for name, low, high in pairs}
        return {"images": self.images, **ranges, "light": self.light}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> GoodRange:
        """Rebuild from :meth:`to_record`."""
        lowest, highest = zip(*(record[name] for name in ImageQuality._fields), strict=True)
        return cls(record["images"], ImageQuality(*lowest), ImageQuality(*highest), record.get("light", 1.0))

    def _width(self, name: str) -> float:
        scale, least = (
            (_logit, MIN_WIDTH + math.log(self.light)) if name == "brightness" else (_log, MIN_WIDTH)
        )
        width = scale(getattr(self.highest, name)) - scale(getattr(self.lowest, name))
        return max(least, width * (1 + FEW / (self.images - 1) ** 2))


def good_ranges(qualities: Sequence[ImageQuality], categories: Sequence[str]) -> dict[str, GoodRange]:
    """Find the range of good images, under the empty name, and of each category.

    A single image has no range: what it would be the only one of is left out.

    Args:
        qualities: how each image was taken.
        categories: what each of them shows.
    """
    groups: dict[str, list[ImageQuality]] = {}
    for quality, category in zip(qualities, categories, strict=True):
        for name in {"", category}:
            groups.setdefault(name, []).append(quality)
    return {name: _range_of(group) for name, group in sorted(groups.items()) if len(group) > 1}


def _range_of(qualities: Sequence[ImageQuality]) -> GoodRange:
    columns = list(zip(*qualities, strict=True))
    return GoodRange(len(qualities), ImageQuality(*map(min, columns)), ImageQuality(*map(max, columns)))


def _log(value: float) -> float:
    return math.log(max(_HALF_LEVEL, value))


def _if_seen(limit: float) -> float:
    """Leave out a limit that no rounded pixels can tell from nothing."""
    return limit if limit > _HALF_LEVEL else 0.0


def _expit(odds: float) -> float:
    """Turn log-odds into a grey level."""
    return 255 / (1 + math.exp(-odds))


def _logit(brightness: float) -> float:
    level = min(max(_HALF_LEVEL, brightness), 255 - _HALF_LEVEL)
    return math.log(level / (255 - level))
