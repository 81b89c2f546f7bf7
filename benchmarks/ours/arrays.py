"""Fabricate what the metrics are computed of: smooth noise raised inside rectangles, and image scores."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))

from metrics import images  # the maps of the metrics' own benchmark

IMAGE_SCORES = 100_000
PLACE, SCALE = 20, 5
"""Of the raw scores: about where distances between features lie."""


def main() -> None:
    """Write masks, maps and scores in 0..1, labels, and the same scores raw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--maps", type=int, required=True)
    parser.add_argument("--side", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    masks, maps = map(np.stack, zip(*images(options.maps, options.side), strict=True))
    rng = np.random.default_rng(0)
    labels = rng.random(IMAGE_SCORES) < 0.1
    raw = (PLACE + SCALE * (rng.normal(size=IMAGE_SCORES) + labels)).astype(np.float32)
    np.savez(options.out, masks=masks, maps=unit(maps), labels=labels, scores=unit(raw), raw=raw)


def unit(values: np.ndarray) -> np.ndarray:
    """Bring values into 0..1."""
    low, high = values.min(), values.max()
    return ((values - low) / (high - low)).astype(np.float32)


if __name__ == "__main__":
    main()
