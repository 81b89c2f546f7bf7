"""What finding regions costs: `score` with maps and regions beside `score` with maps, in turns, in one run.

    python benchmarks/region_cost.py parts.twin IMAGES [--rounds 5]

Processor seconds an image, lowest, median and highest of the rounds, and of the ratio of both in a round.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import TYPE_CHECKING

import twinspect as ts
from twinspect.data import open_data
from twinspect.regions.finding import RegionRules

if TYPE_CHECKING:
    from twinspect.data import DataSet
    from twinspect.inference.base_detector import BaseDetector


def main() -> None:
    """Measure both in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("images")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    detector, images = ts.load(options.model), open_data(options.images, split="test")
    seconds(detector, images, None)
    without, beside = [], []
    for _ in range(options.rounds):
        without.append(seconds(detector, images, None))
        beside.append(seconds(detector, images, RegionRules()))
    found = sum(bool(row.regions) for row in detector.stream(images, regions=RegionRules()))
    print(f"{len(images)} images, {found} with regions; milliseconds of processor time an image")
    for name, values in (("maps", without), ("maps and regions", beside)):
        print(f"{name}: {spread([1e3 * value / len(images) for value in values])}")
    print(f"ratio: {spread([b / a for a, b in zip(without, beside, strict=True)])}")


def seconds(detector: BaseDetector, images: DataSet, rules: RegionRules | None) -> float:
    """Score all images."""
    began = time.process_time()
    for _ in detector.stream(images, maps=True, regions=rules):
        pass
    return time.process_time() - began


def spread(values: list[float]) -> str:
    """Give lowest, median and highest."""
    return f"{min(values):.3f} / {median(values):.3f} / {max(values):.3f}"


if __name__ == "__main__":
    main()
