"""What was found in the test images, written alike by both sides; and how long one image takes."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Found = tuple[str, float, NDArray[np.float32]]

SIDE = 256
"""Of the maps and masks that are compared, in pixels."""
WARM = 3
"""Calls that do not count: the first ones allocate and compile."""


def write_found(out: Path, rows: Iterable[Found]) -> None:
    """Write ``names``, ``scores`` (N,) and ``maps`` (N, SIDE, SIDE).

    Args:
        out: the file.
        rows: of each image its path in the set, its raw score and its map of any size.
    """
    names, scores, maps = zip(*((name, score, _resized(found)) for name, score, found in rows), strict=True)
    np.savez(out, names=np.array(names), scores=np.array(scores), maps=np.stack(maps))


def _resized(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring a map to the common size, linearly, and averaging where it is larger."""
    if found.shape == (SIDE, SIDE):
        return found
    return np.array(Image.fromarray(found).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def milliseconds(score: Callable[[Any], object], images: Sequence[Any]) -> float:
    """Time images one by one, from decoded pixels to score and map; give the median."""
    for image in images[:WARM]:
        score(image)
    taken = []
    for image in images:
        began = time.perf_counter()
        score(image)
        taken.append(time.perf_counter() - began)
    return 1000 * statistics.median(taken)
