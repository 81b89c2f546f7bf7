r"""Which teacher is worth its time: the same method with several teachers on several data sets, in one run.

    python benchmarks/teachers.py --shared ../shared --out runs/teachers

Folders in MVTec layout are taken whole. Fashion-MNIST is one-vs-rest at 64 px: each class in turn is normal and every
fifth test image of all classes is scored. Results are kept, so that an interrupted run goes on. Milliseconds are
measured last, the teachers taking turns on images of 256 px.

Pocket's weights are chosen on other images than those of its card's table:

    python benchmarks/teachers.py --sets cifar10 demo/brick demo/coins --size 128 --steps 100 --seeds 2 \
        --teachers pocket candidate --candidate runs/pocket/best.safetensors --out runs/choice
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import twinspect as ts
from twinspect.data.demo import write_demo
from twinspect.metrics import auroc
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDERS = ("cookies", "deeppcb", "aliens", "brain_mri")
DEMO = ("demo/brick", "demo/coins")
CLASSES = {"fashion_mnist": ("fashion_mnist.npz", range(10)), "cifar10": ("cifar10_subset.npz", range(3))}
"""Files of classes, and those of them that are normal in turn."""
USUAL = (*FOLDERS, "fashion_mnist")
TEACHERS = {
    "pocket, random": ("pocket", "random"),
    "pocket": ("pocket", None),
    "candidate": ("pocket", "candidate"),
    "resnet18": ("resnet18", "resnet18_layers1-3.safetensors"),
    "resnet50": ("resnet50_caffe", "resnet50_caffe_layers1-3.safetensors"),
}
SIDE, ROUNDS, REPEATS = 256, 5, 6


def main() -> None:
    """Fit and evaluate what has no result yet, then print the tables."""
    options = _options()
    kept = options.out / "results.json"
    results: dict[str, dict[str, float]] = json.loads(kept.read_text()) if kept.is_file() else {}
    kept.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        for data in options.sets:
            for teacher in options.teachers:
                key = _key(data, teacher, seed, options)
                if key not in results:
                    began = time.perf_counter()
                    results[key] = measure(data, teacher, seed, options)
                    kept.write_text(json.dumps(results, indent=1))
                    print(f"{key}: {results[key]} in {time.perf_counter() - began:.0f} s", flush=True)
    table(results, options)
    speed(options)


def measure(data: str, teacher: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """Fit one detector, or one for each of some classes, and give its AUROCs in percent."""
    detector = ts.Detector(
        options.method, **parameters(teacher, options), seed=seed, steps=options.steps, device=options.device
    )
    detector.set_params(size=_size(data, options))
    if data in CLASSES:
        return {"image_auroc": one_vs_rest(detector, data, options)}
    folder = demo(data, options) if data in DEMO else options.shared / "data" / data
    found = ts.evaluate(detector.fit(folder), folder).pooled
    wanted = {name: found[name] for name in ("image_auroc", "pixel_auroc")}
    return {name: 100 * value for name, value in wanted.items() if value is not None}


def parameters(teacher: str, options: argparse.Namespace) -> dict[str, Any]:
    """Name the teacher and its weights as a detector takes them."""
    name, weights = TEACHERS[teacher]
    if weights == "candidate":
        return {"teacher": name, "weights": options.candidate}
    file = weights if weights in (None, "random") else options.shared / "weights" / weights
    return {"teacher": name, "weights": file}


def demo(data: str, options: argparse.Namespace) -> Path:
    """Write what `twinspect demo` is judged on, and give one of its products."""
    if not (options.out / data).is_dir():
        write_demo(options.out / "demo")
    return Path(options.out / data)


def one_vs_rest(detector: ts.Detector, name: str, options: argparse.Namespace) -> float:
    """Average the image AUROC over the classes that are normal in turn."""
    values = []
    file, labels = CLASSES[name]
    with np.load(options.shared / "data" / file) as data:
        spread = slice(None, None, max(1, len(data["y_test"]) // options.tests))  # they lie class by class
        for label in labels:
            normal = data["x_train"][data["y_train"] == label][: options.images]
            scores = detector.fit(normal).score(data["x_test"][spread], maps=False).image
            values.append(auroc(data["y_test"][spread] != label, scores))
    return 100 * statistics.mean(values)


def table(results: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    """Print image AUROC / pixel AUROC in percent, averaged over the seeds, and their means over the sets."""
    print(f"\n| data | {' | '.join(options.teachers)} |\n|---|{'---|' * len(options.teachers)}")
    means: dict[str, list[float]] = {teacher: [] for teacher in options.teachers}
    for data in options.sets:
        cells = []
        for teacher in options.teachers:
            runs = [results[_key(data, teacher, seed, options)] for seed in range(options.seeds)]
            names = [name for name in ("image_auroc", "pixel_auroc") if name in runs[0]]
            averages = [statistics.mean(run[name] for run in runs) for name in names]
            means[teacher].append(averages[0])
            cells.append(" / ".join(f"{value:.1f}" for value in averages))
        print(f"| {data} | {' | '.join(cells)} |")
    print(
        f"| mean image AUROC | {' | '.join(f'{statistics.mean(means[t]):.1f}' for t in options.teachers)} |"
    )


def speed(options: argparse.Namespace) -> None:
    """Print milliseconds an image, and the ratio to ResNet-18's."""
    networks = {name: create(name, options) for name in options.teachers}
    for batch in (1, 8):
        images = torch.rand(batch, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
        calls = {name: partial(network, images) for name, network in networks.items()}
        row = alternate(calls)
        base = row.get("resnet18", float("nan"))
        cells = [f"{name} {1e3 * row[name] / batch:.2f} ms ({row[name] / base:.2f})" for name in row]
        print(f"teacher alone, {SIDE} px, batch {batch}: {', '.join(cells)}")


def create(name: str, options: argparse.Namespace) -> torch.nn.Module:
    """Make a teacher for timing."""
    given = parameters(name, options)
    return create_teacher(given["teacher"], weights=given["weights"]).to(memory_format=torch.channels_last)


@torch.inference_mode()
def alternate(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Time calls in turns: the median of the rounds' medians, in seconds."""
    rounds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            call()
            times = []
            for _ in range(REPEATS):
                began = time.perf_counter()
                call()
                times.append(time.perf_counter() - began)
            rounds[name].append(statistics.median(times))
    return {name: statistics.median(values) for name, values in rounds.items()}


def _key(data: str, teacher: str, seed: int, options: argparse.Namespace) -> str:
    """Name a result by what it depends on and what is varied between calls."""
    return f"{data} | {teacher} | {_size(data, options)} px | {seed}"


def _size(data: str, options: argparse.Namespace) -> int:
    return 64 if data == "fashion_mnist" else int(options.size)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--shared", type=Path, default=Path("../shared"), help="folder with data/ and weights/"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/teachers"), help="where results are kept")
    parser.add_argument("--method", default="rd")
    parser.add_argument("--device", default="cpu", help="what is fitted on; milliseconds are always a CPU's")
    parser.add_argument("--sets", nargs="+", default=list(USUAL), choices=[*USUAL, "cifar10", *DEMO])
    parser.add_argument(
        "--teachers",
        nargs="+",
        default=[name for name in TEACHERS if name != "candidate"],
        choices=list(TEACHERS),
    )
    parser.add_argument("--candidate", type=Path, help="other weights of pocket, for the teacher `candidate`")
    parser.add_argument("--size", type=int, default=SIDE, help="of the folders' images")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each, with seeds 0, 1, ...")
    parser.add_argument("--steps", type=int, default=150, help="optimiser steps of every fit")
    parser.add_argument("--images", type=int, default=500, help="training images of a class, at most")
    parser.add_argument("--tests", type=int, default=2000, help="test images of all classes, at least")
    options = parser.parse_args()
    if "candidate" in options.teachers and options.candidate is None:
        parser.error(
            "the teacher candidate needs --candidate FILE; without it pocket's own weights would be measured"
        )
    return options


if __name__ == "__main__":
    main()
