"""Whether a piece of an object is missing, or something lies beside it, told from the background around a region."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Mask = NDArray[np.bool_]

MISSING: Final = "something missing"
ADDED: Final = "something added"
LEAST_GROUND: Final = 20
"""Pixels of background that must be around a region to know what it looks like."""
LEAST_SPREAD: Final = 2.0
"""What a background varies by at least, in CIELAB."""
LIKE: Final = 3.0
"""How many standard deviations a pixel that looks like background lies off its mean."""
UNLIKE: Final = 6.0
"""How many one that does not."""
MOST_ALIKE: Final = 0.1
"""Share of the object around a region that may look like background: more, and the two cannot be told apart."""
LEAST_SHARE: Final = 0.1
"""Share of a region that must be missing or added."""
LEAST_PIXELS: Final = 8
MOSTLY: Final = 0.9
"""Share of a region that must lie beside the object before something is said to be added there."""


def missing_or_added(lab: Floats, inside: Mask, around: Mask, objects: Sequence[Mask]) -> str:
    """Tell whether the background shows where an object should be, or something else where background should be.

    Args:
        lab: (h, w, 3) in CIELAB, the region with its surroundings.
        inside: (h, w), the region.
        around: (h, w), its surroundings.
        objects: (h, w) each, where the object is in good images.

    Returns:
        The word; empty if neither is sure.
    """
    if not objects:
        return ""
    is_object, is_ground = np.all(objects, axis=0), ~np.any(objects, axis=0)
    if np.count_nonzero(is_ground & around) < LEAST_GROUND:
        return ""
    ground = lab[is_ground & around]
    deviations = np.abs(lab - ground.mean(axis=0)) / np.maximum(ground.std(axis=0), LEAST_SPREAD)
    deviation = reduce(np.maximum, np.moveaxis(deviations, 2, 0))
    least = max(LEAST_PIXELS, LEAST_SHARE * np.count_nonzero(inside))
    if np.count_nonzero(_shown(deviation <= LIKE, is_ground) & inside & is_object) >= least:
        seen = deviation[is_object & around] <= LIKE
        return MISSING if seen.size and seen.mean() <= MOST_ALIKE else ""
    beside = np.count_nonzero(inside & is_ground) >= MOSTLY * np.count_nonzero(inside)
    return ADDED if beside and np.count_nonzero(inside & (deviation > UNLIKE)) >= least else ""


def _shown(alike: Mask, is_ground: Mask) -> Mask:
    """Select what looks like background and is joined to it: a hole within an object may be a spot as well."""
    from scipy import ndimage  # noqa: PLC0415 - slow to import

    labels, _ = ndimage.label(alike)
    joined: Mask = alike & np.isin(labels, np.unique(labels[alike & is_ground]))
    return joined
