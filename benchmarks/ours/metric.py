"""Compute one of our metrics of the fabricated arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighed import weigh

from twinspect.metrics import aupro, auroc

if TYPE_CHECKING:
    import numpy as np


def compute(name: str, truth: np.ndarray, values: np.ndarray) -> float:
    """Compute one metric."""
    return aupro(truth, values) if name == "aupro" else auroc(truth.ravel(), values.ravel())


if __name__ == "__main__":
    weigh(compute)
