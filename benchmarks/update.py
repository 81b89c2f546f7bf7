"""What an update is worth when the light or the lot changes, against a fit from nothing in the same time.

    python benchmarks/update.py --out benchmarks/results/update.jsonl --work /tmp/update
    python benchmarks/update.py --out benchmarks/results/update.jsonl --table

An old version is fitted with the defaults on some of the good training images of a set. The others are shifted, by
more light or as a new lot (colour cast, less contrast, blur, drawn once), and 10, 30 or 100 of them are added. Three
models are compared, each at its own threshold, on test images as they are and shifted: the old version, its update
with all good images, and a fit from nothing on the same images in as many seconds as the update took (`--full`: with
the defaults too). It goes on where it was stopped: a line of the results is one model.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import twinspect as ts
from twinspect.data.pixels import read_pixels
from twinspect.data.samples import Sample
from twinspect.images.camera_changes import blur, scale_light
from twinspect.metrics import auroc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = {"cookies": (21, (10,)), "ballscrew": (100, (10, 30, 100)), "deeppcb": (100, (10, 30, 100))}
"""Good images of the old version, and how many are added."""
BRIGHTER = 1.25
LOT_SEED = 28
TESTED = 60
"""Test images of each kind at most, the first by name."""
TEACHER = "pocket"


@dataclass(frozen=True)
class Cell:
    """One comparison."""

    data: str
    shift: str
    new: int


def main() -> None:
    """Measure what is missing, or print the table of what is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("/tmp/update"))
    parser.add_argument("--minutes", type=float, help="also an update and a fit in so many minutes")
    parser.add_argument("--new", type=int, help="only so many new images")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        print("\n".join(table(read(options.out))))
        return
    warnings.simplefilter("ignore")
    for name, (_, counts) in SETS.items():
        for new in counts:
            for shift in SHIFTS if options.new in (None, new) else ():
                measure(options, Cell(name, shift, new))


def measure(options: argparse.Namespace, cell: Cell) -> None:
    """Measure the models of a cell that are missing."""
    place = options.work / cell.data
    old, seconds = old_version(options.data / cell.data, place, SETS[cell.data][0])
    tests = test_images(options.data / cell.data, place, cell.shift)
    done = {row["model"]: row for row in read(options.out) if row["cell"] == vars(cell)}
    good = [*base(options.data / cell.data), *added(options.data / cell.data, place, cell)]

    def keep(model: str, detector: Any, took: float, **more: Any) -> dict[str, Any]:
        row = {"cell": vars(cell), "model": model, "seconds": round(took, 1), **more}
        calibration = detector.calibration_
        row |= {"rate": calibration.false_alarm_rate, "held_out": len(calibration.scores)}
        row |= {kind: judge(detector, *images) for kind, images in tests.items()}
        with options.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
        return row

    if "old" not in done:
        keep("old", old, seconds)
    if "update" not in done:
        began = time.monotonic()
        new = old.update(good, progress=False)  # without defects: a fit compares nothing either
        done["update"] = keep("update", new, time.monotonic() - began)
    if "fit" not in done:
        began = time.monotonic()
        minutes = done["update"]["seconds"] / 60
        detector = ts.Detector(teacher=TEACHER, minutes=minutes).fit(good, progress=False)
        keep("fit", detector, time.monotonic() - began)
    if options.minutes and "update in minutes" not in done:
        began = time.monotonic()
        new = old.update(good, minutes=options.minutes, progress=False)
        keep("update in minutes", new, time.monotonic() - began)
    if options.minutes and "fit in minutes" not in done:
        began = time.monotonic()
        detector = ts.Detector(teacher=TEACHER, minutes=options.minutes).fit(good, progress=False)
        keep("fit in minutes", detector, time.monotonic() - began)


def old_version(source: Path, place: Path, count: int) -> tuple[Any, float]:
    """Fit the old version, or load it if that was done."""
    folder, note = place / "old.twin", place / "old.json"
    if not note.exists():
        began = time.monotonic()
        detector = ts.Detector(teacher=TEACHER).fit(train(source)[:count], progress=False)
        seconds = time.monotonic() - began
        detector.save(folder)
        note.write_text(json.dumps(seconds))
    return ts.load(folder, runtime="torch"), json.loads(note.read_text())


def train(source: Path) -> list[Path]:
    """List good training images in an order drawn once: those of a set may come in the order of their parts."""
    paths = sorted((source / "train" / "good").iterdir())
    return [paths[index] for index in np.random.default_rng(0).permutation(len(paths))]


def base(source: Path) -> list[Path]:
    """List the images of the old version."""
    return train(source)[: SETS[source.name][0]]


def added(source: Path, place: Path, cell: Cell) -> list[Path]:
    """List the new images, shifted."""
    start = SETS[source.name][0]
    return shifted(train(source)[start : start + cell.new], place / cell.shift / "train", SHIFTS[cell.shift])


def test_images(source: Path, place: Path, shift: str) -> dict[str, tuple[list[Path], list[Path]]]:
    """List good and defective test images, as they are and shifted."""
    kinds = sorted(path for path in (source / "test").iterdir())
    good = sorted((source / "test" / "good").iterdir())[:TESTED]
    bad = [path for kind in kinds if kind.name != "good" for path in sorted(kind.iterdir())][:TESTED]
    moved = [
        shifted(images, place / shift / name, SHIFTS[shift])
        for name, images in (("good", good), ("bad", bad))
    ]
    return {"as they are": (good, bad), "shifted": (moved[0], moved[1])}


def shifted(paths: list[Path], folder: Path, change: Callable[[Pixels], Pixels]) -> list[Path]:
    """Write shifted images, those that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    targets = [folder / f"{path.stem}.png" for path in paths]
    for path, target in zip(paths, targets, strict=True):
        if not target.exists():
            Image.fromarray(change(read_pixels(Sample(path, path.name)))).save(target)
    return targets


def new_lot(rgb: Pixels) -> Pixels:
    """Change colours, contrast and focus as another delivery may."""
    random = np.random.default_rng(LOT_SEED)
    cast, contrast, sigma = random.uniform(0.85, 1.15, 3), random.uniform(0.75, 0.9), random.uniform(0.6, 1.2)
    flat = np.clip(np.rint(128 + contrast * (rgb.astype(np.float32) - 128)), 0, 255).astype(np.uint8)
    return blur(scale_light(flat, *map(float, cast)), float(sigma))


SHIFTS: dict[str, Callable[[Pixels], Pixels]] = {
    "brighter": partial(scale_light, red=BRIGHTER, green=BRIGHTER, blue=BRIGHTER),
    "new lot": new_lot,
}


def judge(detector: Any, good: list[Path], bad: list[Path]) -> dict[str, Any]:
    """Count false alarms and misses; what cannot be inspected counts as neither."""
    of_good, of_bad = (list(detector.stream(paths, maps=False)) for paths in (good, bad))
    labels = [False] * len(of_good) + [True] * len(of_bad)
    return {
        "good": len(of_good),
        "false_alarms": sum(row.is_anomalous for row in of_good),
        "good_refused": sum(bool(row.not_inspectable) for row in of_good),
        "defects": len(of_bad),
        "misses": sum(not row.is_anomalous and not row.not_inspectable for row in of_bad),
        "defects_refused": sum(bool(row.not_inspectable) for row in of_bad),
        "auroc": auroc(labels, [row.score for row in (*of_good, *of_bad)]),
    }


def read(path: Path) -> list[dict[str, Any]]:
    """Read the results so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a Markdown table, a cell a row: old, update, and the fit in the same time."""
    kinds = ("shifted", "as they are")
    heads = [f"{kind}: false alarms | misses | AUROC" for kind in kinds]
    yield f"| set, shift, new images | seconds | {' | '.join(heads)} |"
    yield "|---" * 8 + "|"
    cells: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        name = f"{row['cell']['data']}, {row['cell']['shift']}, {row['cell']['new']}"
        cells.setdefault(name, {})[row["model"]] = row
    for name, models in cells.items():
        if {"old", "update", "fit"} <= models.keys():
            parts = [name, f"{models['update']['seconds']:.0f}"]
            for kind in kinds:
                parts += [
                    " / ".join(_shown(models[model][kind][what]) for model in ("old", "update", "fit"))
                    for what in ("false_alarms", "misses", "auroc")
                ]
            yield f"| {' | '.join(parts)} |"


def _shown(number: float) -> str:
    return f"{100 * number:.1f}" if isinstance(number, float) else str(number)


if __name__ == "__main__":
    main()
