r"""How cost grows with the work: seconds and memory over image sides, images, categories, good images and map pixels.

    python benchmarks/growth.py [--only images] [--quick]

Each figure comes from a process of its own, with one thread. The exponent is the slope of the logarithms of seconds
over those of the size, through all sizes (least squares) and between the two largest: 1 is linear. The sizes of
images and maps are pixels. Memory is the most that the process held beyond what it held before. Images are made up:
only cost is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twinspect.data.samples import DataSet
    from twinspect.detector import Detector

SIDE, MANY_SIDES = 64, (128, 256, 512, 1024)
COUNTS, CATEGORIES, GOOD_SCORES = (50, 250, 1000, 5000), (1, 3, 10, 30), (19, 200, 2000, 20000)


class Cost(NamedTuple):
    """What one size costs.

    Attributes:
        size: of the work.
        seconds: of wall-clock time.
        mebibytes: the most held beyond the start.
    """

    size: int
    seconds: float
    mebibytes: float


class Growth(NamedTuple):
    """Work that grows.

    Attributes:
        name: what it is, in words.
        sizes: how large it is made.
        prepare: makes the work of a size in a folder, outside the time that is measured.
        amount: what a size counts as: pixels for sides.
    """

    name: str
    sizes: tuple[int, ...]
    prepare: Callable[[int, Path], Callable[[], object]]
    amount: Callable[[int], int] = int


def main() -> None:
    """Measure each size in a process of its own and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=GROWTHS, default=list(GROWTHS))
    parser.add_argument(
        "--quick", action="store_true", help="the two smallest sizes of each, to see that it works"
    )
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], int(options.one[1]))))
        return
    print(
        "| what grows | sizes | seconds | exponent | of the two largest | memory, MiB |\n|---|---|---|---|---|---|"
    )
    for key in options.only:
        sizes = GROWTHS[key].sizes[: 2 if options.quick else None]
        print(row(GROWTHS[key].name, [in_own_process(key, size) for size in sizes]), flush=True)


def in_own_process(key: str, size: int) -> Cost:
    """Measure one size in a new process."""
    command = [sys.executable, __file__, "--one", key, str(size)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=one_thread)
    return Cost(*json.loads(done.stdout.splitlines()[-1]))


def measure(key: str, size: int) -> Cost:
    """Measure one size here."""
    from twinspect.utils import peak_memory

    growth = GROWTHS[key]
    with TemporaryDirectory() as folder:
        work = growth.prepare(size, Path(folder))
        peak_memory.reset()
        before, began = peak_memory.resident_bytes() or 0, time.perf_counter()
        work()
        seconds = time.perf_counter() - began
    return Cost(growth.amount(size), seconds, ((peak_memory.resident_bytes() or 0) - before) / 2**20)


def row(name: str, costs: Sequence[Cost]) -> str:
    """Write a row of the table."""
    listed = (
        " / ".join(str(cost.size) for cost in costs),
        " / ".join(f"{cost.seconds:.3g}" for cost in costs),
        f"{exponent(costs):.2f}",
        f"{exponent(costs[-2:]):.2f}",
        " / ".join(f"{cost.mebibytes:.0f}" for cost in costs),
    )
    return f"| {name} | {' | '.join(listed)} |"


def exponent(costs: Sequence[Cost]) -> float:
    """Fit the slope of the logarithms of seconds over those of sizes."""
    sizes, seconds = np.log([(cost.size, cost.seconds) for cost in costs]).T
    return float(np.polyfit(sizes, seconds, 1)[0])


def images(count: int, side: int, folder: Path, categories: int = 1) -> DataSet:
    """Write images of coarse noise as PNG files and list them as training images."""
    from PIL import Image

    from twinspect.data.samples import DataSet, Sample

    random, samples = np.random.default_rng(0), []
    for number in range(count):
        noise = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        path = folder / f"{number}.png"
        Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC).save(path, compress_level=1)
        samples.append(Sample(path, path.name, split="train", category=f"product {number % categories}"))
    return DataSet("made up", folder, tuple(samples))


def fitted(method: str, side: int, folder: Path) -> Detector:
    """Fit a model whose networks see images of a size, as quickly as can be."""
    import twinspect as ts

    detector = ts.Detector(method, teacher="pocket", size=side, device="cpu", **STEPS.get(method, {}))
    few = folder / "few"
    few.mkdir()
    return detector.fit(images(24, side, few))


def scoring(count: int, side: int, folder: Path) -> Callable[[], object]:
    """Score images with maps, one after the other, and keep nothing."""
    detector, data = fitted("rd", side, folder), images(count, side, folder)
    return lambda: sum(1 for _ in detector.stream(data, maps=True))


def fitting(method: str, count: int, folder: Path, categories: int = 1) -> Callable[[], object]:
    """Fit a method on images, with the same number of steps whatever their number."""
    import twinspect as ts

    data = images(count, SIDE, folder, categories)
    settings = {"teacher": "pocket", "size": SIDE, "device": "cpu", **STEPS.get(method, {})}
    return lambda: ts.Detector(method, **settings).fit(data)


def calibrating(count: int, _: Path) -> Callable[[], object]:
    """Set the threshold from good images and rank a thousand scores among them."""
    from twinspect.calibration.conformal import Calibration

    scores = np.random.default_rng(0).gamma(4, size=count)
    others = np.random.default_rng(1).gamma(4, size=1000)

    def work() -> None:
        calibration = Calibration(tuple(sorted(scores.tolist())), 0.1)
        calibration.p_values(others)
        calibration.is_anomalous(others)

    return work


def blobs(side: int) -> np.ndarray:
    """Make a map with a region in each quarter; (side, side) float32."""
    rows, columns = np.indices((side, side), dtype=np.float32) / side
    waves: np.ndarray = (np.sin(4 * np.pi * rows) * np.sin(4 * np.pi * columns)).astype(np.float32)
    return waves


def finding_regions(side: int, _: Path) -> Callable[[], object]:
    """Find the regions of a map."""
    from twinspect.regions.finding import Levels, RegionRules, find_regions

    levels, anomaly_map = Levels(0.5, 0.3), blobs(side)
    return lambda: find_regions(anomaly_map, levels, lambda peaks: np.ones(len(peaks)), RegionRules())


def measuring_regions(side: int, _: Path) -> Callable[[], object]:
    """Compute the exact AUPRO of four maps."""
    from twinspect.metrics import aupro

    noise = np.random.default_rng(0).normal(0, 0.3, (4, side, side)).astype(np.float32)
    masks, maps = [blobs(side) > 0.5] * 4, list(blobs(side) + noise)
    return lambda: aupro(masks, maps)


def pixels(side: int) -> int:
    """Count the pixels of a square."""
    return side**2


STEPS = {"rd": {"steps": 20, "batch_size": 8}}
GROWTHS = {
    "side": Growth("pixels of 8 images, `score` (rd)", MANY_SIDES, lambda n, at: scoring(8, n, at), pixels),
    "images": Growth("images, `score` (rd, 64 px)", COUNTS, lambda n, at: scoring(n, SIDE, at)),
    "fit": Growth("images, `fit` (rd, 20 steps)", COUNTS, lambda n, at: fitting("rd", n, at)),
    "default": Growth("images, `fit` (default)", COUNTS[:3], lambda n, at: fitting("hybrid", n, at)),
    "memory": Growth("images, `fit` (patchcore)", COUNTS[:3], lambda n, at: fitting("patchcore", n, at)),
    "categories": Growth(
        "categories of 24 images, `fit` (rd)", CATEGORIES, lambda n, at: fitting("rd", 24 * n, at, n)
    ),
    "calibration": Growth("good images of a calibration", GOOD_SCORES, calibrating),
    "regions": Growth("pixels of a map, regions", MANY_SIDES, finding_regions, pixels),
    "aupro": Growth("pixels of 4 maps, AUPRO", MANY_SIDES, measuring_regions, pixels),
}
"""What grows, by its name on the command line."""

if __name__ == "__main__":
    main()
