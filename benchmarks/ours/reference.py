"""Compute the metrics of the fabricated arrays by other means: scikit-learn, and a count of pairs of pixels.

AUPRO up to a false-positive rate L is, for every pixel of a region, the share of the L * N highest of the N good
pixels that it scores above (a tie counts half), averaged within the region, then over the regions: no curve is drawn.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage
from sklearn.metrics import roc_auc_score

LIMIT = 0.3


def main() -> None:
    """Print all values."""
    with np.load(Path(sys.argv[1])) as file:
        arrays = dict(file)
    labels, masks, maps = arrays["labels"], arrays["masks"], arrays["maps"]
    shares = region_shares(masks, maps)
    found = {
        "image_auroc": roc_auc_score(labels, arrays["scores"]),
        "image_auroc_raw": roc_auc_score(labels, arrays["raw"]),
        "pixel_auroc": roc_auc_score(masks.ravel(), maps.ravel()),
        "aupro": float(np.mean(shares)),
        "regions": len(shares),
        "scores": len(labels),
    }
    print(json.dumps(found))


def region_shares(masks: np.ndarray, maps: np.ndarray, limit: float = LIMIT) -> list[float]:
    """Give each 8-connected region's share of the pairs."""
    good = np.sort(maps[~masks])
    counted = limit * len(good)
    shares = []
    for mask, values in zip(masks, maps, strict=True):
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        for region in range(1, count + 1):
            scores = values[labels == region]
            below, to = np.searchsorted(good, scores, "left"), np.searchsorted(good, scores, "right")
            above = len(good) - (below + to) / 2
            shares.append(float(np.maximum(0, counted - above).mean() / counted))
    return shares


if __name__ == "__main__":
    main()
