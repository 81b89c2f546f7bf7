"""Draw the picture of the README from what `twinspect demo` left: photographs, and what was found in them.

twinspect demo && python docs/pictures/heatmaps.py demo docs/pictures/heatmaps.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import twinspect as ts
from twinspect.drawing.heatmaps import overlay
from twinspect.images.reading import read_rgb

SHOWN = {
    "brick": ("demo.twin", "stain/000"),
    "coins": ("coins.twin", "missing/001"),
    "coffee": ("coffee.twin", "chip/000"),
}
"""The model of each product, and the test image that is shown."""
WIDTH, GAP = 400, 6


def main() -> None:
    """One column a product: the photograph, and below it the heat map with the ground truth outlined in white."""
    demo, out = Path(sys.argv[1]), Path(sys.argv[2])
    columns = [column(demo, product, *shown) for product, shown in SHOWN.items()]
    height = max(len(each) for each in columns)
    padded = [
        np.pad(each, ((0, height - len(each)), (0, 0), (0, 0)), constant_values=255) for each in columns
    ]
    picture = Image.fromarray(np.concatenate(padded, axis=1))
    picture.save(out, quality=88, subsampling=0, optimize=True)


def column(demo: Path, product: str, model: str, name: str) -> Any:
    """Draw the panels of a product, one below the other."""
    folder = demo / "data" / product
    detector = ts.load(demo / model)
    image = folder / "test" / f"{name}.png"
    rgb, scores = read_rgb(image), detector.score([str(image)])
    truth = read_rgb(folder / "ground_truth" / f"{name}_mask.png")[..., 0] > 0
    heat = overlay(rgb, np.asarray(scores.map)[0], detector.calibration_.map_range, truth)
    return np.concatenate([framed(panel) for panel in (rgb, heat)])


def framed(panel: Any) -> Any:
    """Bring a panel to its width, and put white around it up to a square."""
    height = round(WIDTH * panel.shape[0] / panel.shape[1])
    resized = np.asarray(Image.fromarray(panel).resize((WIDTH, height), Image.Resampling.BICUBIC))
    above = (WIDTH - height) // 2
    rows = (GAP + above, GAP + WIDTH - height - above)
    return np.pad(resized, (rows, (GAP, GAP), (0, 0)), constant_values=255)


if __name__ == "__main__":
    main()
