"""How much of a marked region is enough: the rules that come with a category, and the regions they are for.

The layout is that of MVTec LOCO AD, and your own folder may have it, too: beside ``train``, ``test`` and
``ground_truth`` lies ``defects_config.json``, and each image's regions are files of their own,
``ground_truth/<kind>/<image>/<nnn>.png``, all marked pixels of one file having the value of one rule.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from twinspect.data.listing import FoundFiles, Listing
from twinspect.data.masks import attach_masks
from twinspect.errors import DataError
from twinspect.images.bounded import stored_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from twinspect.data.samples import Sample

RULES: Final = "defects_config.json"
Attach: TypeAlias = Callable[[Listing, FoundFiles, Path], Listing]
"""Gives the images of a product the masks that were found in its folder."""
_KEYS: Final = ("defect_name", "pixel_value", "saturation_threshold", "relative_saturation")


@dataclass(frozen=True)
class Saturation:
    """How much of a region must be found for the whole of it to count as found.

    Attributes:
        defect: the kind of defect.
        pixel_value: the value that marks it in a mask, 1 to 255.
        threshold: an area in pixels, or a share of the region in (0, 1] if ``relative``.
        relative: whether ``threshold`` is a share.
    """

    defect: str
    pixel_value: int
    threshold: float
    relative: bool

    def __post_init__(self) -> None:
        if not 1 <= self.pixel_value <= 255:
            raise ValueError(f"pixel_value is {self.pixel_value}; allowed are 1 to 255")
        if not 0 < self.threshold <= (1 if self.relative else float("inf")):
            raise ValueError(
                f"saturation_threshold is {self.threshold:g}; allowed: above 0, a share at most 1"
            )

    def area(self, region: int) -> int:
        """Return the area in pixels at which a region of so many, 1 or more, is saturated.

        Never more than the region has. A share is rounded down, as by the evaluation code that comes with the data
        set, but to one pixel at least, where that code divides by zero.
        """
        enough = self.threshold * region if self.relative else self.threshold
        return min(max(int(enough), 1), region)


@dataclass(frozen=True)
class Region:
    """One annotated region of an image.

    Attributes:
        marked: (H, W) bool, its pixels, at least one, which need not be connected.
        saturation: the rule for its kind of defect.
    """

    marked: NDArray[np.bool_]
    saturation: Saturation

    @property
    def enough(self) -> int:
        """The area in pixels at which it is saturated."""
        return self.saturation.area(int(np.count_nonzero(self.marked)))


def read_rules(path: Path) -> dict[int, Saturation]:
    """Read a ``defects_config.json``, by the value that marks a defect in masks.

    Raises:
        DataError: it is missing, or not what it should be.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        rules = [
            Saturation(name, int(value), float(threshold), bool(relative))
            for name, value, threshold, relative in ([row[key] for key in _KEYS] for row in rows)
        ]
    except (OSError, ValueError, TypeError, KeyError) as error:
        expected = f"a list of objects with {', '.join(_KEYS)}"
        raise DataError(
            f"{path}: cannot be read ({type(error).__name__}: {error}); expected {expected}"
        ) from error
    return {rule.pixel_value: rule for rule in rules}


def read_regions(sample: Sample, rules: Mapping[int, Saturation]) -> list[Region]:
    """Read the annotated regions of an image, one a mask file.

    Args:
        sample: an image; one without masks has none.
        rules: those of its category, as :func:`read_rules` gives them.

    Raises:
        ImageError: a mask cannot be read.
        DataError: a mask holds another number of values than one, or a value without a rule.
    """
    return [_region(mask, rules) for mask in sample.masks]


def mask_attacher(category: Path, found: FoundFiles) -> Attach:
    """Choose how the images of a category get their masks: with their rules, where there are some.

    Args:
        category: the folder that holds ``test`` and ``ground_truth``.
        found: its masks and annotations; the rules are no longer among them.
    """
    rules = category / RULES
    if not rules.is_file():
        return attach_masks
    found.annotations = [path for path in found.annotations if path != rules]
    return attach_regions


def attach_regions(images: Listing, found: FoundFiles, category: Path) -> Listing:
    """Give each image for testing its masks, and the rules that lie in the category's folder.

    Arguments and result are those of :func:`twinspect.data.masks.attach_masks`.
    """
    result = attach_masks(images, found, category)
    rules = category / RULES
    samples = [
        replace(sample, rules=rules) if sample.split == "test" else sample for sample in result.samples
    ]
    return replace(result, samples=samples)


def _region(path: Path, rules: Mapping[int, Saturation]) -> Region:
    values = stored_values(path, indices=True).values[..., 0]
    present = [int(value) for value in np.unique(values) if value]
    if len(present) != 1 or present[0] not in rules:
        allowed = ", ".join(str(value) for value in sorted(rules))
        raise DataError(f"{path}: marks pixels with {present}; allowed is one of {allowed}, as in {RULES}")
    return Region(values == present[0], rules[present[0]])
