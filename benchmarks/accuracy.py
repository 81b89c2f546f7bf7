r"""RD against AAND and its ablations on folders in MVTec layout: accuracy and seconds to fit, over seeds.

    python benchmarks/accuracy.py --teacher resnet18 --weights ../shared/weights/resnet18_layers1-3.safetensors \
        --textures ../shared/data/textures ../shared/data/cookies ../shared/data/deeppcb

As in the papers, all training images are learnt from and no threshold is set; maps and masks are compared at each
image's own size. Every run is kept under --out, so that an interrupted benchmark goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from twinspect.data import open_data
from twinspect.data.truth import read_truth
from twinspect.methods import method_class
from twinspect.methods.config import make_config, with_length
from twinspect.metrics import PixelAccumulator, auroc
from twinspect.model import Model
from twinspect.scoring import Scorer
from twinspect.teachers import create_teacher
from twinspect.torch_engine import TorchEngine
from twinspect.training import Trainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.data.samples import Sample

METRICS = ("image_auroc", "pixel_auroc", "aupro_30")
NAMES = ("rd", "aand")
"""Methods; every other name of --methods is a preset of aand."""


def main() -> None:
    """Fit and measure what has no result yet, then print a table."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        for data in options.data:
            for name in options.methods:
                kept = _file(data, name, seed, options)
                if not kept.is_file():
                    found = measure(data, name, seed, options)
                    kept.write_text(json.dumps(found))
                    print(f"{kept.stem}: {found}", flush=True)
    table(options)


def measure(data: Path, name: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """Train on every training image and score the test images: metrics in percent, and seconds to fit."""
    everything = open_data(data)
    model = build(name, seed, options)
    began = time.perf_counter()
    Trainer(seed=seed, device="cpu", precision=options.precision).fit(model, everything.split("train"))
    seconds = time.perf_counter() - began
    return {**score(model, everything.split("test")), "seconds": seconds}


def build(name: str, seed: int, options: argparse.Namespace) -> Model:
    """Make an untrained model."""
    method, preset = (name, None) if name in NAMES else ("aand", name)
    settings = {"textures": str(options.textures)} if method == "aand" and options.textures else {}
    if options.amplify_steps and method == "aand":
        settings["amplify_steps"] = options.amplify_steps
    config = make_config(method_class(method).Config, preset, settings)
    config = with_length(config, steps=options.steps, epochs=None)
    teacher = create_teacher(options.teacher, weights=options.weights, seed=seed)
    torch.manual_seed(seed)
    return Model.build(method, config, teacher)


def score(model: Model, samples: list[Sample]) -> dict[str, float]:
    """Compute the metrics, in percent; pixel metrics only where there are masks."""
    pixels = PixelAccumulator(exact_up_to=2**27)
    labels, scores = [], []
    masked = any(sample.mask for sample in samples)
    for row in Scorer(workers=1).stream(TorchEngine(model, "cpu"), samples, maps=masked):
        labels.append(not row.sample.is_good)
        scores.append(row.score)
        if row.map is not None and (row.sample.mask or row.sample.is_good):
            pixels.add(read_truth(row.sample, row.map.shape), row.map)
    found = {"image_auroc": auroc(np.array(labels), np.array(scores))}
    if masked:
        areas = pixels.compute()
        found |= {"pixel_auroc": areas.auroc, "aupro_30": areas.aupro_30}
    return {name: 100 * value for name, value in found.items()}


def table(options: argparse.Namespace) -> None:
    """Print mean and standard deviation over the seeds."""
    print(
        f"\n| data | method | {' | '.join(METRICS)} | seconds to fit |\n|---|---|{'---|' * (len(METRICS) + 1)}"
    )
    for data in options.data:
        for name in options.methods:
            runs = [json.loads(_file(data, name, seed, options).read_text()) for seed in range(options.seeds)]
            cells = [spread([run[metric] for run in runs]) for metric in METRICS if metric in runs[0]]
            cells += ["-"] * (len(METRICS) - len(cells))
            seconds = statistics.mean(run["seconds"] for run in runs)
            print(f"| {data.name} | {name} | {' | '.join(cells)} | {seconds:.0f} |")


def spread(values: Sequence[float]) -> str:
    """Print the mean, and the standard deviation where there are several values."""
    deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"


def _file(data: Path, name: str, seed: int, options: argparse.Namespace) -> Path:
    what = [data.name, name, options.teacher, options.precision, options.steps or "usual", seed]
    return options.out / f"{'-'.join(map(str, what))}.json"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path, help="folders in MVTec layout")
    parser.add_argument("--methods", nargs="+", default=["rd", "aand"], help="rd, aand, or presets of aand")
    parser.add_argument("--teacher", default="resnet18")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--textures", type=Path, help="folder that AAND draws anomalies from")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each, with seeds 0, 1, ...")
    parser.add_argument("--steps", type=int, help="of the distillation")
    parser.add_argument("--amplify-steps", type=int, help="of the amplification")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"], help="of training")
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy"), help="where results are kept")
    return parser.parse_args()


if __name__ == "__main__":
    main()
