"""Draw the picture of the README from what `twinspect demo` left: for each defect image, heat map, ground truth.

twinspect demo && python docs/pictures/heatmaps.py demo docs/pictures/heatmaps.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import twinspect as ts
from twinspect.drawing.heatmaps import overlay
from twinspect.images.reading import read_rgb

SCALE, GAP = 3, 8


def main() -> None:
    """One column a defect, the first test image of each."""
    demo, out = Path(sys.argv[1]), Path(sys.argv[2])
    detector = ts.load(demo / "demo.twin")
    columns = []
    for folder in sorted((demo / "data" / "brick" / "test").iterdir()):
        if folder.name != "good":
            image = folder / "000.png"
            mask = demo / "data" / "brick" / "ground_truth" / folder.name / "000_mask.png"
            scores = detector.score([image])
            rgb = _larger(read_rgb(image))
            values = _larger(np.asarray(scores.map)[0])
            heat = overlay(rgb, values, detector.calibration_.map_range)
            columns.append(np.concatenate([_framed(each) for each in (rgb, heat, _larger(read_rgb(mask)))]))
    Image.fromarray(np.concatenate(columns, axis=1)).save(out, optimize=True)


def _larger(values: np.ndarray) -> np.ndarray:
    size = (values.shape[1] * SCALE, values.shape[0] * SCALE)
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))


def _framed(image: np.ndarray) -> np.ndarray:
    return np.pad(image, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255)


if __name__ == "__main__":
    main()
