"""Draw the strip of the README from what `twinspect demo` left: image and region of interest, map, regions, truth.

twinspect demo && python docs/filmstrip.py demo docs/filmstrip.png
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import twinspect as ts
from twinspect.images.reading import read_rgb
from twinspect.report.heatmaps import overlay

SCALE, GAP = 3, 8
LOOK = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.72], [0.0, 0.72]]
"""The upper part of the image, in shares of its sides."""


def main() -> None:
    """One row a defect, the first test image of each."""
    demo, out = Path(sys.argv[1]), Path(sys.argv[2])
    brick = demo / "data" / "brick"
    detector = ts.load(demo / "demo.twin")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"look": [LOOK]}, file)
        file.flush()
        detector.calibrate(str(brick / "train"), roi=file.name, say=lambda _: None)
    rows = []
    for folder in sorted((brick / "test").iterdir()):
        if folder.name != "good":
            mask = brick / "ground_truth" / folder.name / "000_mask.png"
            rows.append(strip(detector, folder / "000.png", mask))
    Image.fromarray(np.concatenate(rows)).save(out, optimize=True)


def strip(detector: Any, image: Path, mask: Path) -> Any:
    """Draw one row."""
    scores = detector.score([str(image)])
    rgb = larger(read_rgb(image))
    heat = overlay(rgb, larger(np.asarray(scores.map)[0]), detector.calibration_.map_range)
    boxes = [region.box for region in (scores.regions or ((),))[0] or ()]
    panels = [outlined(rgb), heat, boxed(rgb, boxes), larger(read_rgb(mask))]
    return np.concatenate([framed(panel) for panel in panels], axis=1)


def outlined(rgb: Any) -> Any:
    """Draw the region of interest."""
    picture = Image.fromarray(rgb)
    points = [(x * (picture.width - 1), y * (picture.height - 1)) for x, y in LOOK]
    ImageDraw.Draw(picture).polygon(points, outline=(0, 200, 83), width=3)
    return np.asarray(picture)


def boxed(rgb: Any, boxes: list[tuple[int, int, int, int]]) -> Any:
    """Draw the boxes of regions."""
    picture = Image.fromarray(rgb)
    for x, y, width, height in boxes:
        corners = [SCALE * value for value in (x, y, x + width, y + height)]
        ImageDraw.Draw(picture).rectangle(corners, outline=(255, 61, 0), width=3)
    return np.asarray(picture)


def larger(values: Any) -> Any:
    """Enlarge an image or a map."""
    size = (values.shape[1] * SCALE, values.shape[0] * SCALE)
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))


def framed(image: Any) -> Any:
    """Put white around a panel."""
    return np.pad(image, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255)


if __name__ == "__main__":
    main()
