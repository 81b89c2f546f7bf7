"""What the bounds on decoding cost: images scored with and without them, in turns, in one run.

Photographs of five megapixels as each format writes them, scored by a model of the pocket teacher, the lightest there
is, so that decoding weighs most. "Bounded" is how twinspect scores: by the header's proof, or in a child process.
"Unbounded" decodes everything in the scoring process and looks at nothing but the header's size. A file is read once
before the clock starts. Prints, for each format, images a second both ways, and the ratio of a round with the bounds
to the round without: of time on the clock, and of processor time of all processes, which neighbours disturb less.

Run: python benchmarks/decoding_bound.py
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import numpy as np
import psutil
from PIL import Image, features
from skimage import data

import twinspect as ts
from twinspect.images import bounded, decoding

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

SIZE: Final = (2592, 1944)
IMAGES: Final = 8
ROUNDS: Final = 7
FORMATS: Final[dict[str, dict[str, Any]]] = {
    "a.png": {},
    "a.jpg": {"quality": 90},
    "progressive.jpg": {"quality": 90, "progressive": True},
    "a.bmp": {},
    "a.tif": {},
    "lzw.tif": {"compression": "tiff_lzw"},
    "a.webp": {"quality": 90},
    **({"a.avif": {"quality": 80}} if features.check("avif") else {}),
}


def unbounded() -> list[AbstractContextManager[object]]:
    """Give what takes the bounds away."""
    names = ("check_scans", "check_memory", "check_directories")
    return [patch.object(decoding, name, lambda *_: None) for name in names] + [
        patch.object(bounded, "IS_LIMITED", new=False)
    ]


def cost(detector: ts.Detector, paths: list[Path], *, is_bounded: bool) -> tuple[float, float]:
    """Score the images once; return seconds on the clock and of processor time."""
    with ExitStack() as stack:
        for each in [] if is_bounded else unbounded():
            stack.enter_context(each)
        began, spent = time.perf_counter(), processor_seconds()
        scores = [row.score for row in detector.stream(paths)]
        taken = time.perf_counter() - began, processor_seconds() - spent
    if not np.isfinite(scores).all():
        raise SystemExit(f"{paths[0]} was not scored")
    return taken


def processor_seconds() -> float:
    """Return the processor time that this process and its children have taken."""
    this = psutil.Process()
    return sum(sum(process.cpu_times()[:2]) for process in (this, *this.children()))


def main() -> None:
    """Measure each format, in turns."""
    photograph = Image.fromarray(data.astronaut()).resize(SIZE)
    good = [np.asarray(photograph.crop((9 * n, 9 * n, 900 + 9 * n, 900 + 9 * n))) for n in range(24)]
    with TemporaryDirectory() as folder:
        detector = ts.Detector(method="rd", teacher="pocket", size=128, steps=5).fit(good)
        for name, options in FORMATS.items():
            paths = [Path(folder) / f"{number}-{name}" for number in range(IMAGES)]
            for path in paths:
                photograph.save(path, **options)
            cost(detector, paths, is_bounded=True)
            with_bounds, without = [], []
            for _ in range(ROUNDS):
                with_bounds.append(cost(detector, paths, is_bounded=True))
                without.append(cost(detector, paths, is_bounded=False))
            report(name, np.array(with_bounds), np.array(without))


def report(name: str, with_bounds: NDArray[np.float64], without: NDArray[np.float64]) -> None:
    """Print the medians over the rounds."""
    clock, processor = np.median(with_bounds / without, axis=0)
    rates = [IMAGES / np.median(rounds[:, 0]) for rounds in (with_bounds, without)]
    print(
        f"{name:16s} bounded {rates[0]:6.2f} images/s, unbounded {rates[1]:6.2f}; "
        f"clock x {clock:.3f}, processor x {processor:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
