"""Whether a region shows something that good images have beside its place, and no longer have there."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Mask = NDArray[np.bool_]

DISPLACED: Final = "displaced"
REACH: Final = 8
"""How far something may have moved along an axis, in pixels of the reduced images."""
LEAST_MOVE: Final = 2
"""How far it must have moved: by less, edges and how parts lie differ anyway."""
SAME: Final = 8.0
"""Distance in CIELAB up to which two pixels show the same, and beyond which they do not."""
TELLING: Final = 0.5
"""Share of all moves at which a pixel may look the same: plain surfaces look the same wherever they lie."""
LEAST_PIXELS, MOST_PIXELS = 12, 1500
"""How many pixels must differ; more are not one piece that moved a little."""
EXPLAINED: Final = 0.4
"""Share of what differs that must be the new place of something or the one that it left."""
NEARLY: Final = 0.9
"""Of moves that explain so much of what the best one does, the shortest is taken: one edge looks like the next."""
AGREEING: Final = 1
"""By how many pixels along an axis the moves from two good images may differ."""
_STEPS: Final = range(-REACH, REACH + 1)
_OFFSETS: Final = np.array([(row, column) for row in _STEPS for column in _STEPS])


def displaced(lab: Floats, inside: Mask, patches: Sequence[Floats]) -> str:
    """Tell whether all good patches show what a region shows, at one and the same distance from it.

    Args:
        lab: (h, w, 3) in CIELAB, the region with its surroundings.
        inside: (h, w), the region.
        patches: (h, w, 3) each, of good images.

    Returns:
        The word; empty if it is not sure.
    """
    found = []
    for patch in patches:
        move = _move(lab, inside, patch)
        if move is None:
            return ""
        found.append(move)
    return DISPLACED if found and np.ptp(found, axis=0).max() <= AGREEING else ""


def _move(lab: Floats, inside: Mask, good: Floats) -> NDArray[np.int64] | None:
    """Find by how many rows and columns something in the region has moved; ``None`` if nothing has."""
    differing = inside & _differs_from_neighbours(lab, good)
    places = np.argwhere(differing)
    if not LEAST_PIXELS <= len(places) <= MOST_PIXELS:
        return None
    left = places + _OFFSETS[:, None]
    alike = ~_differ(lab[tuple(places.T)], _at(good, left, np.nan))
    alike &= alike.mean(axis=0) <= TELLING
    came = alike & _at(differing, left, fill=False)
    if 2 * came.mean(axis=1).max() < EXPLAINED:  # nearly always, and the rest takes as long again
        return None
    shares = _explained(differing, places, left, came)
    near = np.flatnonzero(shares >= NEARLY * shares.max())
    best = near[np.square(_OFFSETS[near]).sum(axis=1).argmin()]
    far = np.abs(_OFFSETS[best]).max() >= LEAST_MOVE
    return -_OFFSETS[best] if far and shares[best] >= EXPLAINED else None


def _explained(
    differing: Mask, places: NDArray[np.int64], left: NDArray[np.int64], came: Mask
) -> NDArray[np.float64]:
    """Say for each move which share of what differs is where something came to lie, or where it had lain.

    Args:
        differing: (h, w).
        places: (n, 2), row and column of what differs.
        left: (m, n, 2), where each would have lain before each move.
        came: (m, n), whether it lay there.
    """
    number = np.full(differing.shape, -1)
    number[tuple(places.T)] = np.arange(len(places))
    lain = _at(number, left, -1)
    explained = came.copy()
    moves, pixels = np.nonzero(came)
    explained[moves, lain[moves, pixels]] = True
    shares: NDArray[np.float64] = explained.mean(axis=1)
    return shares


def _at(values: NDArray[Any], places: NDArray[np.int64], fill: float) -> NDArray[Any]:
    """Look up values, (h, w, …), at rows and columns, (…, 2); ``fill`` beyond the border."""
    margin = [(REACH, REACH)] * 2 + [(0, 0)] * (values.ndim - 2)
    padded = np.pad(values, margin, constant_values=fill)
    width = padded.shape[1]
    flat = padded.reshape(-1, *padded.shape[2:])  # one index instead of two takes half the time
    found: NDArray[Any] = flat.take(places @ (width, 1) + REACH * (width + 1), axis=0)
    return found


def _differs_from_neighbours(lab: Floats, good: Floats) -> Mask:
    """Say which pixels look like none of the good patch's within a pixel of them: edges lie a little otherwise."""
    padded = np.pad(good, ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = lab.shape[:2]
    moved = (padded[row : row + height, column : column + width] for row in range(3) for column in range(3))
    return reduce(np.logical_and, (_differ(lab, neighbours) for neighbours in moved))


def _differ(first: Floats, second: Floats) -> Mask:
    lightness, green_red, blue_yellow = np.moveaxis((first - second) ** 2, -1, 0)
    same: Mask = lightness + green_red + blue_yellow <= SAME**2
    return ~same
