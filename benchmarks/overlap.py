r"""How much of the bare inference rate is left when a folder of large JPEGs is scored end to end.

    python benchmarks/overlap.py --teacher resnet18 --size 256 --images 500
    python benchmarks/overlap.py --model parts.twin --runtime openvino-int8 --images 500

Photographs are enlarged to 1024 x 1024 and written as JPEG. *Bare* is the same engine on the same pixels, read
before the clock starts; *folder* is `Detector.stream` with maps, from file names to scores. They take turns: a part
of the folder between two measurements of bare, part by part. Without --model the networks are untrained RD's.
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
from twinspect.data.pixels import read_pixels
from twinspect.export import export
from twinspect.inference.exported_detector import ExportedDetector
from twinspect.inference.pipeline import SCORE_BATCH
from twinspect.inference.runtimes import RUNTIMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.data.samples import Sample

SIDE = 1024
SHARED = Path(__file__).resolve().parents[2] / "shared"
LEARNT = 8
"""Images of the shortest of fits, which makes everything that a model has."""


def main() -> None:
    """Print both rates of every part, and their ratio."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        photos = enlarged(options.photos, Path(folder) / "photos", options.images)
        model = options.model or untrained(options, photos[:LEARNT], Path(folder) / "m.twin")
        detector = ts.load(model, runtime=options.runtime)
        if not isinstance(detector, ExportedDetector):
            raise SystemExit("--runtime takes an export: onnx, openvino, or one's name")
        bare_rate(detector, open_data(photos[:SCORE_BATCH], split="test").samples)  # warms up
        shares = [turn(detector, photos[start :: options.parts]) for start in range(options.parts)]
    print(
        f"folder / bare, median of {len(shares)} parts of {options.images} images: {statistics.median(shares):.3f}"
    )


def enlarged(photos: Path, folder: Path, count: int) -> list[Path]:
    """Write JPEGs of one size, the photographs over and over."""
    folder.mkdir()
    paths = sorted(path for path in photos.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    made = [folder / f"{number:04}.jpg" for number in range(count)]
    for number, path in enumerate(made):
        with Image.open(paths[number % len(paths)]) as image:
            image.convert("RGB").resize((SIDE, SIDE)).save(path, quality=90)
    return made


def untrained(options: argparse.Namespace, photos: list[Path], path: Path) -> Path:
    """Save and export a model of random weights."""
    if options.runtime not in RUNTIMES:
        raise SystemExit(f"without --model allowed are --runtime {', '.join(RUNTIMES)}")
    detector = ts.Detector(
        "rd", teacher=options.teacher, weights="random", size=options.size, steps=1, batch_size=2, workers=1
    )
    detector.fit(photos).save(path)
    export(path, options.runtime)
    return path


def turn(detector: ExportedDetector, photos: list[Path]) -> float:
    """Measure one part: images a second from files, as a share of those without reading, before and after it."""
    data = open_data(photos, split="test")
    before = bare_rate(detector, data.samples)
    began = time.perf_counter()
    count = sum(1 for _ in detector.stream(data))
    folder = count / (time.perf_counter() - began)
    after = bare_rate(detector, data.samples)
    bare = 2 / (1 / before + 1 / after)
    print(f"bare {before:.2f}, folder {folder:.2f}, bare {after:.2f} images a second", flush=True)
    return folder / bare


def bare_rate(detector: ExportedDetector, samples: Sequence[Sample]) -> float:
    """Score a few batches that are in memory."""
    engine = detector._engine()  # noqa: SLF001 - there is no door to an engine without its reading
    pixels: Sequence[object] = [engine.prepare(read_pixels(sample)) for sample in samples[: 4 * SCORE_BATCH]]
    began = time.perf_counter()
    for start in range(0, len(pixels), SCORE_BATCH):
        engine.score(pixels[start : start + SCORE_BATCH], maps=True)  # type: ignore[arg-type]
    return len(pixels) / (time.perf_counter() - began)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", type=Path, help="a model with an export; if not given, one is made")
    add("--teacher", default="resnet18", help="of the model that is made")
    add("--size", type=int, default=256, help="likewise: what its teacher sees, in pixels")
    add("--runtime", default="openvino", help="onnx, openvino, or with --model an export's name")
    add("--photos", type=Path, default=SHARED / "data" / "photos", help="a folder of photographs")
    add("--images", type=int, default=500)
    add("--parts", type=int, default=5, help="that the images are divided into")
    options = parser.parse_args()
    if not options.photos.is_dir():
        parser.error(f"no folder {options.photos}; name one of photographs: --photos DIR")
    return options


if __name__ == "__main__":
    main()
