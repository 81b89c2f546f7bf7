"""The folder that a page of the documentation is run in: the images, tables and models that guides speak of.

In it are `parts/good`, `parts/broken` and `parts/masks` (photographs of a piece of a wall, some with a spot), the
same as `parts.csv`, `today` (good and spotted ones), `more/good`, `line-1/good` and `line-2/good` with
`cameras.csv`, and `region.json`. A page that begins with a model asks for it: `<!-- needs: parts.twin -->`, or
`line-1.twin`.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import skimage
from PIL import Image

from drawn_parts import quick
from twinspect.methods.default import method_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twinspect.detector import Detector

Grey = np.ndarray[Any, np.dtype[np.uint8]]

SIDE: Final = 96
GOOD, BROKEN, TODAY, MORE, LINE = 24, 6, 4, 20, 8
"""How many images there are of each; twice `TODAY` in `today`."""
STEPS: Final = 2
"""Of each stage of a fit whose length is not said."""


def write_images(folder: Path) -> None:
    """Write images and tables."""
    wall = np.asarray(Image.open(Path(skimage.__file__).parent / "data" / "brick.png").convert("L"))
    pieces = _pieces(wall, np.random.default_rng(0))
    _write(folder / "parts" / "good", [next(pieces) for _ in range(GOOD)])
    broken = [_spotted(next(pieces)) for _ in range(BROKEN)]
    _write(folder / "parts" / "broken", [image for image, _ in broken])
    _write(folder / "parts" / "masks", [mask for _, mask in broken], ending="_mask")
    _write(
        folder / "today", [each for _ in range(TODAY) for each in (next(pieces), _spotted(next(pieces))[0])]
    )
    _write(folder / "more" / "good", [next(pieces) for _ in range(MORE)])
    for line in ("line-1", "line-2"):
        _write(folder / line / "good", [next(pieces) for _ in range(LINE)])
    _write_tables(folder)


def give(model: str, folder: Path) -> None:
    """Fit a small model of the images in a folder, which is named as they are."""
    from twinspect.detector import Detector

    shorten(detector := Detector(seed=0))
    detector.fit(folder / model.removesuffix(".twin")).save(folder / model)


def shorten(detector: Detector) -> None:
    """Take the length of a fit down to some steps of a small teacher, unless whoever wrote it says the length."""
    if detector.teacher == "auto":
        detector.teacher = "pocket"
    if detector.steps is detector.epochs is detector.minutes is detector.length is None:
        small = {
            name: value
            for name, value in quick(method_name(detector.method), STEPS).items()
            if not hasattr(detector, name)
        }
        detector.steps = STEPS * (1 + sum(name.endswith("_steps") for name in small))
        detector.settings = {**small, **detector.settings}
    if detector.size is detector.tile is detector.preset is None:
        detector.size = SIDE


def copy_of(folder: Path, place: Path, models: Sequence[str]) -> Path:
    """Copy what a page finds."""
    for path in folder.iterdir():
        if path.suffix != ".twin":
            (shutil.copytree if path.is_dir() else shutil.copy)(path, place / path.name)
    for model in models:
        shutil.copytree(folder / model, place / model)
    return place


def _pieces(wall: Grey, random: np.random.Generator) -> Iterator[Grey]:
    """Take photographs of one place, as a fixed camera does of parts that lie a little differently."""
    while True:
        top, left = random.integers(200, 208, 2)
        piece = wall[top : top + SIDE, left : left + SIDE] + random.normal(0, 4, (SIDE, SIDE))
        yield piece.round().clip(0, 255).astype(np.uint8)


def _spotted(image: Grey) -> tuple[Grey, Grey]:
    rows, columns = np.ogrid[:SIDE, :SIDE]
    spot = (rows - 40) ** 2 + (columns - 56) ** 2 <= 12**2
    return np.where(spot, 20, image).astype(np.uint8), np.where(spot, 255, 0).astype(np.uint8)


def _write(folder: Path, images: Sequence[Grey], ending: str = "") -> None:
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}{ending}.png")


def _write_tables(folder: Path) -> None:
    good = [(f"parts/good/{number}.png", "train", "good", "") for number in range(GOOD)]
    broken = [
        (f"parts/broken/{number}.png", "test", "spot", f"parts/masks/{number}_mask.png")
        for number in range(BROKEN)
    ]
    tables: dict[str, list[tuple[str, ...]]] = {
        "parts.csv": [("path", "split", "label", "mask"), *good, *broken],
        "cameras.csv": [("name", "data"), ("camera 1", "line-1/good"), ("camera 2", "line-2/good")],
    }
    for name, rows in tables.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    region = {"look": [[[0.05, 0.05], [0.95, 0.05], [0.95, 0.95], [0.05, 0.95]]]}
    (folder / "region.json").write_text(json.dumps(region), encoding="utf-8")
