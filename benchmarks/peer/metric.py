"""Compute one of anomalib's metrics of the fabricated arrays."""

from __future__ import annotations

import torch
from anomalib.metrics.aupro import _AUPRO
from anomalib.metrics.auroc import _AUROC
from weighed import weigh


def compute(name: str, truth: torch.Tensor, values: torch.Tensor) -> float:
    """Compute one metric."""
    metric = _AUPRO(fpr_limit=0.3) if name == "aupro" else _AUROC()
    metric.update(values, truth.int())
    return float(metric.compute())


if __name__ == "__main__":
    weigh(compute, torch.from_numpy)
