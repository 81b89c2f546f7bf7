r"""How much of the bare inference rate is left when a folder of large JPEGs is scored end to end.

    python benchmarks/overlap.py --model parts.twin --runtime openvino --photos PHOTOS --images 200

Photographs are enlarged to 1024 x 1024 and written as JPEG. *Bare* is the same engine on the same pixels, read
before the clock starts; *folder* is `Detector.stream` with maps, from file names to scores. They take turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

import twinspect as ts
from twinspect.data import open_data
from twinspect.runtime.exported import ExportedDetector
from twinspect.scoring import SCORE_BATCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.data import DataSet

SIDE = 1024
ROUNDS = 3


def main() -> None:
    """Print both rates of every round, and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--runtime", default="openvino")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--images", type=int, default=200)
    options = parser.parse_args()
    detector = ts.load(options.model, runtime=options.runtime)
    if not isinstance(detector, ExportedDetector):
        raise SystemExit("--runtime takes an export: onnx, openvino, or one's name")
    with tempfile.TemporaryDirectory() as folder:
        data = enlarged(options.photos, Path(folder), options.images)
        shares = [turn(detector, data) for _ in range(ROUNDS)]
    print(f"folder / bare, median of {ROUNDS}: {statistics.median(shares):.3f}")


def enlarged(photos: Path, folder: Path, count: int) -> DataSet:
    """Write JPEGs of one size, the photographs over and over."""
    paths = sorted(path for path in photos.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    for number in range(count):
        with Image.open(paths[number % len(paths)]) as image:
            image.convert("RGB").resize((SIDE, SIDE)).save(folder / f"{number:04}.jpg", quality=90)
    return open_data(folder, split="test")


def turn(detector: ExportedDetector, data: DataSet) -> float:
    """Measure one round: images a second from the folder, as a share of those without reading."""
    bare, folder = bare_rate(detector, data), folder_rate(detector, data)
    print(f"bare {bare:.2f}, folder {folder:.2f} images a second", flush=True)
    return folder / bare


def bare_rate(detector: ExportedDetector, data: DataSet) -> float:
    """Score a few batches that are in memory."""
    engine = detector._engine()  # noqa: SLF001 - there is no door to an engine without its reading
    pixels: Sequence[object] = [engine.read(sample) for sample in data.samples[: 4 * SCORE_BATCH]]
    began = time.perf_counter()
    for start in range(0, len(pixels), SCORE_BATCH):
        engine.score(pixels[start : start + SCORE_BATCH], maps=True)  # type: ignore[arg-type]
    return len(pixels) / (time.perf_counter() - began)


def folder_rate(detector: ExportedDetector, data: DataSet) -> float:
    """Score the folder."""
    began = time.perf_counter()
    count = sum(1 for _ in detector.stream(data))
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
