"""Measure raw scores and maps by anomalib's metrics, in percent; pixels only of images whose mask is known."""

from __future__ import annotations

import json
import sys

import torch
from anomalib.metrics.aupro import _AUPRO
from told import judged
from torchmetrics.functional.classification import binary_auroc

NAMES = ("scores", "maps", "anomalous", "masks", "known")


def main() -> None:
    """Print image AUROC, pixel AUROC and AUPRO."""
    found = {name: torch.from_numpy(values) for name, values in judged(*sys.argv[1:]).items()}
    scores, maps, anomalous, masks, known = (found[name] for name in NAMES)
    values = {"image_auroc": area_under(scores, anomalous)}
    if masks.any():
        area = _AUPRO(fpr_limit=0.3)
        area.update(maps[known], masks[known].int())
        values["pixel_auroc"] = area_under(maps[known].flatten(), masks[known].flatten())
        values["aupro"] = float(area.compute())
    print(json.dumps({name: 100 * value for name, value in values.items()}))


def area_under(scores: torch.Tensor, truth: torch.Tensor) -> float:
    """Give the AUROC; scores are moved into 0..1, where torchmetrics does not apply a sigmoid to them."""
    unit = (scores.double() - scores.min()) / (scores.max() - scores.min())
    return float(binary_auroc(unit, truth.int()))


if __name__ == "__main__":
    main()
