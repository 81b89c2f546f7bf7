"""Measure raw scores and maps by anomalib's metrics, in percent; pixels only of images whose mask is known."""

from __future__ import annotations

import json
import sys

import numpy as np
import torch
from anomalib.metrics.aupro import _AUPRO
from torchmetrics.functional.classification import binary_auroc


def main() -> None:
    """Print image AUROC, pixel AUROC and AUPRO."""
    with np.load(sys.argv[1]) as truth, np.load(sys.argv[2]) as found:
        places = {name: place for place, name in enumerate(found["names"].tolist())}
        if set(places) != set(truth["names"].tolist()):
            raise SystemExit("masks and maps are of different images; remove --out")
        order = [places[name] for name in truth["names"].tolist()]
        scores, maps = (torch.from_numpy(found[name][order]) for name in ("scores", "maps"))
        anomalous, masks, known = (torch.from_numpy(truth[name]) for name in ("anomalous", "masks", "known"))
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
