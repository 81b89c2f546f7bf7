r"""The dual students beside RD and MKD: defects of several products in one model, and classes against classes.

    python benchmarks/dual.py --shared ../shared --out runs/dual

Image AUROC in percent of each branch of one dual model, of their Noisy-OR, with its own tail and with each there is,
of the larger of the two instead, and of the other methods trained as long on as many images of the same size, with
ResNet-18's weights. `products` is one model of cookies, DeepPCB and aliens, judged within each and, as nobody may
tell it what it sees, over all their images at once. The others take a class of Fashion-MNIST or CIFAR-10 (a subset)
for the good one, or for the only anomalous one. Dual keeps a fifth of its training images for measuring its branches.
Results are kept, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

import twinspect as ts
from twinspect.benchmark.mean_std import MeanStd
from twinspect.benchmark.trial import run_trial
from twinspect.evaluation.image_scores import labels_and_scores
from twinspect.methods import method_class, noisy_or
from twinspect.methods.config import parse_setting
from twinspect.methods.dual import Dual
from twinspect.methods.networks.branch_normalizer import BranchNormalizer
from twinspect.metrics import auroc
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from twinspect.data import DataSet, Sample
    from twinspect.methods.base import Output

WEIGHTS = "resnet18_layers1-3.safetensors"
PRODUCTS = ("cookies", "deeppcb", "aliens")
CLASSES = (0, 2, 4, 6, 8)
"""Every second class of the ten."""
FILES = {"fashion": "fashion_mnist.npz", "cifar": "cifar10_subset.npz"}
SETS = ("products", *(f"{name} {how}" for name in FILES for how in ("one-vs-rest", "all-but-one")))
METHODS = ("dual", "rd", "mkd")
Noted = tuple[torch.Tensor, torch.Tensor]
"""Of a batch: the raw scores of its branches, (B, branches), and its descriptions."""
TAILED = tuple(f"dual, {tail}" for tail in noisy_or.TAILS)
LARGER = "dual, the larger"
COLUMNS = ("local", "semantic", "dual", *TAILED, LARGER, "rd", "mkd")


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
    own = dict(each.split("=") for each in options.dual) if method == "dual" else {}
    own = {name: parse_setting(method_class(method).Config, name, text) for name, text in own.items()}
    weights = options.shared / "weights" / WEIGHTS
    detector = ts.Detector(
        method, teacher="resnet18", weights=weights, seed=seed, device="cpu", workers=1, **settings, **own
    )
    with Watch() as watch:
        trial = run_trial(detector, data, progress=watch)
    labels, scores = labels_and_scores(trial.rows)
    categories = np.array([row.sample.category for row in trial.rows])
    columns = {method: scores}
    if watch.scoring:
        said = torch.cat([scores for scores, _ in watch.scoring]).numpy()
        columns["local"], columns["semantic"] = said.T
        columns |= {f"dual, {tail}": joined(watch, tail) for tail in noisy_or.TAILS}
        columns[LARGER] = joined(watch, watch.model.config.tail, "larger")
    found = {"seconds": trial.costs.fit_seconds}
    for column, values in columns.items():
        found |= {
            f"{column} {name}".strip(): 100 * auroc(labels[where], values[where])
            for name, where in groups(categories).items()
        }
    return found


class Watch(NoProgress):
    """Notes, of every batch that a dual model judges, what each branch says and how the teacher describes it."""

    def __init__(self) -> None:
        self.model: Dual | None = None
        self.fitting: list[Noted] = []
        self.scoring: list[Noted] = []
        self._noted = self.fitting

    def start(self, stage: str, total: int, done: int) -> None:
        """Keep branch scores of the fit apart from those of the test images."""
        del total, done
        self._noted = self.scoring if stage == "score" else self.fitting

    def __enter__(self) -> Watch:  # noqa: PYI034 - nobody derives from it
        self._branch_scores = branch_scores = Dual.branch_scores

        def noting(model: Dual, output: Output) -> torch.Tensor:
            scores = branch_scores(model, output)
            self.model = model
            self._noted.append((scores.clone(), output.context[1]))
            return scores

        Dual.branch_scores = noting
        return self

    def __exit__(self, *_: object) -> None:
        Dual.branch_scores = self._branch_scores


def joined(watch: Watch, tail: noisy_or.Tail, join: Literal["noisy_or", "larger"] = "noisy_or") -> np.ndarray:
    """Join the branches as the model would with another tail, or in another way."""
    spreads = BranchNormalizer(2, tail, logarithm=watch.model.config.logarithm, join=join)
    scores, descriptors = (torch.cat(column) for column in zip(*watch.fitting, strict=True))
    fitted = watch.model.spreads
    categories = torch.zeros(len(scores), dtype=torch.long)
    if len(fitted.centres) > 1:
        categories = fitted.nearest_category(descriptors)
    spreads.measure(scores, descriptors, categories)
    return torch.cat([spreads(*batch) for batch in watch.scoring]).numpy()


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
                cells.append(MeanStd(tuple(values), options.seeds).format())
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
