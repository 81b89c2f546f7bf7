r"""Images a second while training RD: the project's loop beside a plain eager fp32 loop of the same networks.

    python benchmarks/training.py --teachers resnet18 wide_resnet50_2

Random weights: only time is measured. Both loops see the same images (batch 16, 256 px), take turns, and are timed
from the prepared model to the last step; the project's loop pays for its cache of teacher features within its time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from twinspect.data.pixels import read_pixels
from twinspect.data.samples import Sample
from twinspect.methods.rd import RDConfig
from twinspect.model.preprocessing import as_batch
from twinspect.model.whole_image import Model
from twinspect.teachers import create_teacher
from twinspect.training.trainer import Trainer

IMAGES, BATCH = 32, 16


def main() -> None:
    """Print a row a teacher."""
    options = _options()
    print("| teacher | plain eager fp32, images/s | twinspect, images/s | ratio |\n|---|---|---|---|")
    for name in options.teachers:
        rounds = [one_round(name, options) for _ in range(options.rounds)]
        plain, ours = (statistics.median(each) for each in zip(*rounds, strict=True))
        print(f"| {name} | {plain:.2f} | {ours:.2f} | {ours / plain:.2f} |", flush=True)


def one_round(name: str, options: argparse.Namespace) -> tuple[float, float]:
    """Time both loops once: images a second of each."""
    random = np.random.default_rng(0)
    pixels = [random.integers(0, 256, (options.size, options.size, 3), dtype=np.uint8) for _ in range(IMAGES)]
    samples = [Sample(Path(f"{n}.png"), f"{n}.png", pixels=each) for n, each in enumerate(pixels)]
    count = options.steps * BATCH
    return count / plain_loop(name, samples, options), count / project_loop(name, samples, options)


def project_loop(name: str, samples: list[Sample], options: argparse.Namespace) -> float:
    """Train as `twinspect fit` does."""
    model = build(name, options)
    began = time.perf_counter()
    trainer = Trainer(device="cpu")
    trainer.fit(model, trainer.read(model, samples))
    return time.perf_counter() - began


def plain_loop(name: str, samples: list[Sample], options: argparse.Namespace) -> float:
    """Train as a first script would: fp32, PyTorch's usual memory layout, the teacher run anew in every step."""
    model = build(name, options).to(memory_format=torch.contiguous_format)
    images = torch.cat([model.preprocessing.apply(as_batch(read_pixels(sample))) for sample in samples])
    method, stage = model.method, model.method.stages()[0]
    optimizer = stage.optimizer(stage.parameters())
    for module in stage.trained:
        module.train()
    began = time.perf_counter()
    for step in range(options.steps):
        batch = images[torch.arange(step * BATCH, (step + 1) * BATCH) % IMAGES]
        with torch.no_grad():
            levels = method.teacher(batch)
        rebuilt = method.student(levels)
        pairs = zip(levels, rebuilt, strict=True)
        loss = sum(1 - torch.cosine_similarity(a.flatten(1), b.flatten(1)).mean() for a, b in pairs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - began


def build(name: str, options: argparse.Namespace) -> Model:
    """Make RD on a teacher with random weights."""
    torch.manual_seed(0)
    config = replace(RDConfig(), size=options.size, steps=options.steps, batch_size=BATCH)
    return Model.build("rd", config, create_teacher(name, weights="random"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--teachers", nargs="+", default=["resnet18", "wide_resnet50_2"])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=256)
    return parser.parse_args()


if __name__ == "__main__":
    main()
