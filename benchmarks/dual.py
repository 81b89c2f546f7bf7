r"""The dual students beside RD and MKD: defects of several products in one model, and classes against classes.

    python benchmarks/dual.py --shared ../shared --out runs/dual

Image AUROC in percent of each branch of one dual model, of their Noisy-OR, with its own tail and with each there is,
and of the other methods trained as long on as many images of the same size, with ResNet-18's weights. `products` is
one model of cookies, DeepPCB and aliens, judged within each and, as nobody may tell it what it sees, over all their
images at once. The others take a class of Fashion-MNIST or CIFAR-10 (a subset) for the good one, or for the only
anomalous one. Dual keeps a fifth of its training images for measuring its branches. Results are kept, so that an
interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import twinspect as ts
from accuracy import spread
from twinspect import evidence
from twinspect.methods import method_class
from twinspect.methods.config import make_config, parse_setting
from twinspect.methods.dual import Dual
from twinspect.metrics import auroc
from twinspect.model import Model
from twinspect.nets.spreads import Spreads
from twinspect.scoring import Scorer
from twinspect.teachers import create_teacher
from twinspect.torch_engine import TorchEngine
from twinspect.training import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from twinspect.data import DataSet, Sample

WEIGHTS = "resnet18_layers1-3.safetensors"
PRODUCTS = ("cookies", "deeppcb", "aliens")
CLASSES = (0, 2, 4, 6, 8)
"""Every second class of the ten."""
FILES = {"fashion": "fashion_mnist.npz", "cifar": "cifar10_subset.npz"}
SETS = ("products", *(f"{name} {how}" for name in FILES for how in ("one-vs-rest", "all-but-one")))
METHODS = ("dual", "rd", "mkd")
TAILED = tuple(f"dual, {tail}" for tail in evidence.TAILS)
COLUMNS = ("local", "semantic", "dual", *TAILED, "rd", "mkd")


def main() -> None:
    """Fit and measure what has no result yet, then print the table."""
    options = _options()
    kept = options.out / "results.json"
    results: dict[str, dict[str, float]] = json.loads(kept.read_text()) if kept.is_file() else {}
    options.out.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        for name in options.sets:
            for part, data, settings in tasks(name, options):
                for method in options.methods:
                    key = f"{part} | {method} | {seed}"
                    if key not in results:
                        began = time.perf_counter()
                        results[key] = measure(method, data, settings, seed, options)
                        kept.write_text(json.dumps(results, indent=1))
                        print(f"{key}: {results[key]} in {time.perf_counter() - began:.0f} s", flush=True)
    table(results, options)


def tasks(name: str, options: argparse.Namespace) -> list[tuple[str, DataSet, dict[str, Any]]]:
    """List what is fitted for a set: its name, data, and settings."""
    if name == "products":
        return [(name, products(options.shared), {"size": 224, "steps": options.steps})]
    kind, how = name.split()
    protocol: Callable[..., DataSet] = ts.data.one_vs_rest if how == "one-vs-rest" else ts.data.all_but_one
    file = options.shared / "data" / FILES[kind]
    with np.load(file) as arrays:
        classes = [str(arrays["classes"][number]) for number in CLASSES]
    settings = {"size": 64, "steps": options.steps // (2 if how == "one-vs-rest" else 1)}
    return [(f"{name} {own}", fewer(protocol(file, own), options), settings) for own in classes]


def products(shared: Path) -> DataSet:
    """Put several folders in MVTec layout into one data set, a category each."""
    samples: list[Sample] = []
    for name in PRODUCTS:
        found = ts.data.open_data(shared / "data" / name)
        samples += [replace(sample, category=name, name=f"{name}/{sample.name}") for sample in found]
    return replace(found, name="products", samples=tuple(samples))


def fewer(data: DataSet, options: argparse.Namespace) -> DataSet:
    """Keep the first training images of every class, and so many test images, evenly spaced."""
    seen: Counter[str] = Counter()
    train = []
    for sample in data.split("train"):
        own = sample.name.split("/")[1]
        seen[own] += 1
        if seen[own] <= options.images:
            train.append(sample)
    test = data.split("test")
    return data.with_samples([*train, *test[:: max(1, len(test) // options.tests)]])


def measure(
    method: str, data: DataSet, settings: dict[str, Any], seed: int, options: argparse.Namespace
) -> dict[str, float]:
    """Train on the training images and score the test images: AUROCs in percent, and seconds to fit."""
    cls = method_class(method)
    own = dict(each.split("=") for each in options.dual) if method == "dual" else {}
    own = {name: parse_setting(cls.Config, name, text) for name, text in own.items()}
    config = make_config(cls.Config, None, {**settings, **own})
    teacher = create_teacher("resnet18", weights=options.shared / "weights" / WEIGHTS)
    torch.manual_seed(seed)
    model = Model.build(method, config, teacher)
    good = watch(model) if method == "dual" else []
    began = time.perf_counter()
    Trainer(seed=seed, device="cpu").fit(model, data.split("train"))
    seconds = time.perf_counter() - began
    branches = watch(model) if method == "dual" else []
    rows = list(Scorer(workers=1).stream(TorchEngine(model, "cpu"), data.split("test"), maps=False))
    labels = np.array([not row.sample.is_good for row in rows])
    categories = np.array([row.sample.category for row in rows])
    columns = {method: np.array([row.score for row in rows])}
    if branches:
        columns["local"], columns["semantic"] = torch.cat([scores for scores, _ in branches]).numpy().T
        columns |= {f"dual, {tail}": joined(model, good, branches, tail) for tail in evidence.TAILS}
    found = {"seconds": seconds}
    for column, scores in columns.items():
        found |= {
            f"{column} {name}".strip(): 100 * auroc(labels[where], scores[where])
            for name, where in groups(categories).items()
        }
    return found


def watch(model: Model) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Note what each branch says of every batch from now on, and how the teacher describes it."""
    noted: list[tuple[torch.Tensor, torch.Tensor]] = []
    judged = Dual.judged

    def noting(images: torch.Tensor, targets: Any) -> Any:
        found, scores = judged(model.method, images, targets)
        noted.append((scores.clone(), model.method.description(targets)))
        return found, scores

    model.method.judged = noting
    return noted


def joined(model: Model, good: Any, branches: Any, tail: evidence.Tail) -> np.ndarray:
    """Join the branches as the model would with another tail."""
    spreads = Spreads(2, tail)
    scores, descriptions = (torch.cat(each) for each in zip(*good, strict=True))
    known = model.method.spreads
    kinds = (
        known.kinds(descriptions) if len(known.centres) > 1 else torch.zeros(len(scores), dtype=torch.long)
    )
    spreads.measure(scores, descriptions, kinds)
    return torch.cat([spreads(own, text) for own, text in branches]).numpy()


def groups(categories: np.ndarray) -> dict[str, np.ndarray]:
    """Say which images are judged together: those of each category, and all."""
    known = sorted(set(categories))
    if len(known) == 1:
        return {"": categories == known[0]}
    return {**{name: categories == name for name in known}, "pooled": categories != ""}


def method_of(column: str) -> str:
    """Name the method whose result holds a column."""
    return column if column in METHODS else "dual"


def table(results: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    """Print a row a set, its mean over classes; the last row is the mean over sets."""
    shown = [column for column in COLUMNS if method_of(column) in options.methods]
    print(f"\n| set | {' | '.join(shown)} |\n|---|{'---|' * len(shown)}")
    means: dict[str, list[float]] = {column: [] for column in shown}
    for name in options.sets:
        suffixes = [*PRODUCTS, "pooled"] if name == "products" else [""]
        parts = [part for part, _, _ in tasks(name, options)]
        for suffix in suffixes:
            cells = []
            for column in shown:
                method = method_of(column)
                values = [
                    statistics.mean(
                        results[f"{part} | {method} | {seed}"][f"{column} {suffix}".strip()] for part in parts
                    )
                    for seed in range(options.seeds)
                ]
                cells.append(spread(values))
                if suffix != "pooled":
                    means[column].append(statistics.mean(values))
            print(f"| {name} {suffix} | {' | '.join(cells)} |")
    print(f"| mean | {' | '.join(f'{statistics.mean(means[c]):.1f}' for c in shown)} |")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--shared", type=Path, default=Path("../shared"), help="folder with data/ and weights/"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/dual"), help="where results are kept")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument(
        "--dual", nargs="*", default=[], metavar="NAME=VALUE", help="settings; use another --out"
    )
    parser.add_argument("--seeds", type=int, default=1, help="runs of each, with seeds 0, 1, ...")
    parser.add_argument("--steps", type=int, default=300, help="optimiser steps; half as many for one class")
    parser.add_argument("--images", type=int, default=500, help="training images of a class")
    parser.add_argument("--tests", type=int, default=1000, help="test images, all classes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
