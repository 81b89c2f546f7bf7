"""Compute one of our metrics of the fabricated arrays; print value, seconds, and MiB that it added to the peak.

A few arrays go first, untimed, so that what a first call loads is not counted.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np

from twinspect.metrics import aupro, auroc

SCORES = {"image_auroc": "scores", "image_auroc_raw": "raw"}


def compute(name: str, truth: np.ndarray, values: np.ndarray) -> float:
    """Compute one metric."""
    return aupro(truth, values) if name == "aupro" else auroc(truth.ravel(), values.ravel())


def peak() -> float:
    """Give the peak resident memory of this process so far, in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    """Load, warm up, measure."""
    name, file = sys.argv[1:]
    with np.load(file) as arrays:
        truth = arrays["labels" if name in SCORES else "masks"]
        values = arrays[SCORES.get(name, "maps")]
    few = 1000 if name in SCORES else 2
    compute(name, truth[:few], values[:few])
    before = peak()
    began = time.perf_counter()
    value = compute(name, truth, values)
    seconds = time.perf_counter() - began
    print(json.dumps({"value": value, "seconds": seconds, "more": peak() - before}))


if __name__ == "__main__":
    main()
