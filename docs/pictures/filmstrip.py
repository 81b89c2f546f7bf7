"""Draw the strip of the README from what `twinspect demo` left: image and region of interest, map, regions, truth.

twinspect demo && python docs/pictures/filmstrip.py demo docs/pictures/filmstrip.png
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import twinspect as ts
from twinspect.drawing.heatmaps import overlay
from twinspect.images.reading import read_rgb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.regions.finding import FoundRegion

SCALE, GAP = 1, 8
HEADINGS = ("region of interest", "heat map", "regions found", "ground truth")
LOOK = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.72], [0.0, 0.72]]
"""The upper part of the image, in shares of its sides."""
ORANGE = (255, 61, 0)


def main() -> None:
    """One row a defect, the first test image of each."""
    demo, out = Path(sys.argv[1]), Path(sys.argv[2])
    brick = demo / "data" / "brick"
    detector = ts.load(demo / "demo.twin")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"look": [LOOK]}, file)
        file.flush()
        detector.calibrate(str(brick / "train"), roi=file.name, say=lambda _: None)
    rows: list[Any] = []
    for folder in sorted((brick / "test").iterdir()):
        if folder.name != "good":
            mask = brick / "ground_truth" / folder.name / "000_mask.png"
            rows.append(strip(detector, folder / "000.png", mask))
    width = rows[0].shape[1]
    Image.fromarray(np.concatenate([headings(width), *rows])).save(out, optimize=True)


def strip(detector: Any, image: Path, mask: Path) -> Any:
    """Draw one row."""
    scores = detector.score([str(image)])
    rgb = larger(read_rgb(image))
    heat = overlay(rgb, larger(np.asarray(scores.map)[0]), detector.calibration_.map_range)
    regions = (scores.regions or ((),))[0] or ()
    panels = [outlined(rgb), heat, marked(rgb, regions), larger(read_rgb(mask))]
    return np.concatenate([framed(panel) for panel in panels], axis=1)


def headings(width: int) -> Any:
    """Write over each column what it shows."""
    picture = Image.new("RGB", (width, 32), "white")
    font = ImageFont.load_default(size=18)
    for column, text in enumerate(HEADINGS):
        middle = (2 * column + 1) * width / (2 * len(HEADINGS))
        ImageDraw.Draw(picture).text((middle, 20), text, "black", font, anchor="mm")
    return np.asarray(picture)


def outlined(rgb: Any) -> Any:
    """Draw the region of interest."""
    picture = Image.fromarray(rgb)
    points = [(x * (picture.width - 1), y * (picture.height - 1)) for x, y in LOOK]
    ImageDraw.Draw(picture).polygon(points, outline=(0, 200, 83), width=3)
    return np.asarray(picture)


def marked(rgb: Any, regions: Sequence[FoundRegion]) -> Any:
    """Draw the boxes and outlines of regions."""
    picture = Image.fromarray(rgb)
    for region in regions:
        x, y, width, height = region.box
        corners = [SCALE * value for value in (x, y, x + width, y + height)]
        ImageDraw.Draw(picture).rectangle(corners, outline=ORANGE, width=3)
        ImageDraw.Draw(picture).polygon([(SCALE * x, SCALE * y) for x, y in region.polygon], outline=ORANGE)
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
