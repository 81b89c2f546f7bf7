"""What a first model finds, nothing chosen: the default beside former ones, on the teacher that ships.

For each set: the area under the ROC curve of images, defective images missed and false alarms at the model's own
threshold, seconds of the fit, and from which size on the model says that it finds nine of ten synthetic defects of
each kind. Where there are masks, this is compared with real defects: their sizes, measured alike (the longest extent
of the largest connected part, as a share of the square root of the image's area), and how many of those at least as
large as the smallest size stated are found. A model of two steps shows what the statement says of a useless one.

Of sets of classes, the first, fourth and seventh class are good in turn: 500 training images, and 100 test images of
each class. All run one after the other on the same processors.

    python benchmarks/first_model.py DIR [--sets cookies,aliens] [--models default]
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

import twinspect as ts
from twinspect.data import open_data
from twinspect.data.class_protocols import read_classes
from twinspect.data.pixels import read_pixels, read_truth
from twinspect.evaluation.detectability import measure_detectability

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from twinspect.data.samples import DataSet, Sample

FOLDERS = ("cookies", "aliens", "brain_mri", "deeppcb", "ballscrew")
CLASSES = (0, 3, 6)
MOST_TRAIN, MOST_TEST = 500, 100
MODELS: dict[str, dict[str, Any]] = {
    "mkd": {"method": "mkd", "teacher": "pocket"},
    "rd": {"method": "rd", "teacher": "pocket", "size": 128, "steps": 100},
    "default": {"teacher": "pocket"},
    "two steps": {"teacher": "pocket", "steps": 2},
}
"""The first two were defaults: MKD at 128 px, 2400 steps of 64 images, and RD at 128 px, 100 steps."""


def sets(root: Path) -> Iterator[tuple[str, DataSet, DataSet]]:
    """Give the name, the training images and the test images of each set."""
    for name in FOLDERS:
        yield name, open_data(root / name, split="train"), open_data(root / name, split="test")
    for file in ("fashion_mnist", "cifar10_subset"):
        names = sorted({sample.label for sample in read_classes(root / f"{file}.npz")})
        for number in CLASSES:
            data = ts.data.one_vs_rest(root / f"{file}.npz", names[number])
            train = data.with_samples(data.split("train")[:MOST_TRAIN])
            labels = sorted({sample.label for sample in data.split("test")})
            of_label = {label: [s for s in data.split("test") if s.label == label] for label in labels}
            test = data.with_samples([s for label in labels for s in of_label[label][:MOST_TEST]])
            yield f"{file.partition('_')[0]} {names[number]}", train, test


def extent(mask: NDArray[np.bool_]) -> float:
    """Measure the largest connected part of a mask: its longest side, as a share of the root of the image's area."""
    parts, _ = ndimage.label(mask)
    sides = [max(y.stop - y.start, x.stop - x.start) for y, x in ndimage.find_objects(parts)]
    return float(max(sides, default=0) / mask.size**0.5)


def real_sizes(samples: list[Sample]) -> NDArray[np.float64]:
    """Measure the real defects; NaN where there is no mask."""
    return np.array([extent(read_truth(s, read_pixels(s).shape[:2])) if s.masks else np.nan for s in samples])


def measure(train: DataSet, test: DataSet, settings: dict[str, Any]) -> list[str]:
    """Fit a model and fill a row of the table."""
    began = time.monotonic()
    detector = ts.Detector(device="cpu", **settings).fit(train)
    seconds = time.monotonic() - began
    tried = measure_detectability(detector, train, seconds=0.15 * seconds)
    findings = tried.findings(detector.calibration_)
    evaluation = ts.evaluate(detector, test)
    rows = {row.sample.name: row for row in evaluation.rows}
    good = [rows[s.name] for s in test if s.is_good and s.name in rows]
    defective = [s for s in test if not s.is_good and s.name in rows]
    found = np.array([rows[s.name].is_anomalous for s in defective])
    stated = " ".join(f"{100 * (finding.size or np.nan):.3g}" for finding in findings)
    cells = [
        f"{100 * (evaluation.pooled['image_auroc'] or np.nan):.1f}",
        f"{(~found).sum()} of {len(found)}",
        f"{sum(row.is_anomalous for row in good)} of {len(good)}",
        f"{seconds:.0f}",
        stated + (" (not usable yet)" if tried.is_useless(detector.calibration_) else ""),
    ]
    sizes = real_sizes(defective)
    if np.isnan(sizes).all():
        return [*cells, "-", "-"]
    cells.append(
        f"{100 * np.nanmin(sizes):.2g} / {100 * np.nanmedian(sizes):.2g} / {100 * np.nanmax(sizes):.2g}"
    )
    is_large = sizes >= min(f.size or np.inf for f in findings)
    return [*cells, f"{found[is_large].sum()} of {is_large.sum()}"]


def main() -> None:
    """Measure all sets and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, metavar="DIR", help="the folder of the sets")
    parser.add_argument("--sets", default="", help="beginnings of their names, by commas")
    parser.add_argument("--models", default=",".join(MODELS), help="which, by commas")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    columns = (
        "set", "model", "image AUROC", "missed", "false alarms", "fit, s", "says: spots, scratches, ... from, %",
        "real sizes: least / median / most, %", "found of those as large as the smallest size",
    )  # fmt: skip
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name, train, test in sets(options.root):
        if name.startswith(tuple(options.sets.split(","))):
            for model in options.models.split(","):
                print(f"| {name} | {model} | {' | '.join(measure(train, test, MODELS[model]))} |", flush=True)


if __name__ == "__main__":
    main()
