"""How often good images count as not inspectable, and how often frames do that a camera without light or focus takes.

Of each set of images, the range comes from good training images alone, as many as a fit would hold out, drawn anew in
each of 20 rounds. What is counted: good and defective test images, and good ones made black, white, blank grey, ten
times darker, ten times brighter, and out of focus (a Gaussian blur of 5 % of the shorter side; the same with sensor
noise of 1.5 grey levels added). Nothing is trained.

    python benchmarks/not_inspectable.py DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from twinspect.calibration.hold_out import count_to_hold_out
from twinspect.calibration.inspectable import good_ranges
from twinspect.images.quality import image_quality
from twinspect.images.reading import IMAGE_SUFFIXES, read_rgb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from twinspect.images.quality import ImageQuality

    Pixels = NDArray[np.uint8]

ROUNDS = 20
CHANGED = 60
"""Good test images that are spoilt, at most."""
FOLDERS = {
    "aliens": "defect",
    "cookies": "broken",
    "deeppcb": "defect",
    "brain_mri": "tumor",
    "ballscrew": "pitting",
}
CLASSES = (0, 3, 6)


def blurred(rgb: Pixels, noise: float = 0.0) -> Pixels:
    """Take an image out of focus; what the sensor adds comes after the lens."""
    image = Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(0.05 * min(rgb.shape[:2])))
    sensor = np.random.default_rng(0).normal(0, noise, rgb.shape)
    return np.clip(np.rint(np.asarray(image) + sensor), 0, 255).astype(np.uint8)


SPOILT: dict[str, Callable[[Pixels], Pixels]] = {
    "black": np.zeros_like,
    "white": lambda rgb: np.full_like(rgb, 255),
    "grey": lambda rgb: np.full_like(rgb, 128),
    "x 0.1": lambda rgb: np.rint(0.1 * rgb).astype(np.uint8),
    "x 10": lambda rgb: np.clip(10.0 * rgb, 0, 255).astype(np.uint8),
    "blur": blurred,
    "blur+noise": lambda rgb: blurred(rgb, 1.5),
}


def read(folder: Path) -> list[Pixels]:
    """Read all images of a folder."""
    return [read_rgb(path) for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES]


def sets(root: Path) -> Iterable[tuple[str, list[Pixels], list[Pixels], list[Pixels]]]:
    """Give the name, the good training images, and the good and the defective test images of each set."""
    for name, defect in FOLDERS.items():
        parts = ("train/good", "test/good", f"test/{defect}")
        train, good, bad = (read(root / name / part) for part in parts)
        yield name, train, good, bad
    for file in ("fashion_mnist", "cifar10_subset"):
        arrays = np.load(root / f"{file}.npz")
        for number in CLASSES:
            train = _pixels(arrays["x_train"][arrays["y_train"] == number][:600])
            is_good = arrays["y_test"] == number
            test = [_pixels(arrays["x_test"][rows][:1000]) for rows in (is_good, ~is_good)]
            yield f"{file.partition('_')[0]} {number}", train, *test


def _pixels(images: NDArray[np.uint8]) -> list[Pixels]:
    return [np.repeat(each[..., None], 3, axis=2) if each.ndim == 2 else each for each in images]


def share_refused(train: list[ImageQuality], held: int, test: list[ImageQuality]) -> float:
    """Average over rounds the share of images that cannot be inspected, in percent."""
    random, refused = np.random.default_rng(0), 0
    for _ in range(ROUNDS):
        drawn = [train[index] for index in random.choice(len(train), held, replace=False)]
        (good,) = good_ranges(drawn, [""] * held).values()
        refused += sum(bool(good.reason_against(quality)) for quality in test)
    return 100 * refused / (ROUNDS * max(1, len(test)))


def main() -> None:
    """Measure all sets and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, metavar="DIR", help="the folder of the sets")
    columns = ("set", "held out", "good, of 5", "good", "defective", *SPOILT)
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name, *images in sets(parser.parse_args().root):
        train, good, bad = ([image_quality(rgb) for rgb in part] for part in images)
        held = count_to_hold_out(len(train), None)
        cells = [share_refused(train, 5, good)] + [share_refused(train, held, part) for part in (good, bad)]
        for spoil in SPOILT.values():
            spoilt = [image_quality(spoil(rgb)) for rgb in images[1][:CHANGED]]
            cells.append(share_refused(train, held, spoilt))
        print(f"| {name} | {held} | {' | '.join(f'{cell:.3g}' for cell in cells)} |", flush=True)


if __name__ == "__main__":
    main()
