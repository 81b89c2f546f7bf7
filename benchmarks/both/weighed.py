"""A metric of the fabricated arrays, timed and weighed alike on both sides."""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

SCORES = {"image_auroc": "scores", "image_auroc_raw": "raw"}


def weigh(compute: Callable[[str, Any, Any], float], taken: Callable[[np.ndarray], Any] = np.asarray) -> None:
    """Compute a metric; print value, seconds, and MiB that it added to the peak.

    A few arrays go first, untimed, so that what a first call loads is not counted.

    Args:
        compute: takes the metric's name, truth and values.
        taken: brings an array into the side's own form.
    """
    name, file = sys.argv[1:]
    with np.load(file) as arrays:
        truth = taken(arrays["labels" if name in SCORES else "masks"])
        values = taken(arrays[SCORES.get(name, "maps")])
    few = 1000 if name in SCORES else 2
    compute(name, truth[:few], values[:few])
    before = _peak()
    began = time.perf_counter()
    value = compute(name, truth, values)
    seconds = time.perf_counter() - began
    print(json.dumps({"value": value, "seconds": seconds, "more": _peak() - before}))


def _peak() -> float:
    """Give the peak resident memory of this process so far, in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
