r"""Images a second while training RD: the project's loop beside a plain eager fp32 loop of the same networks.

    python benchmarks/training.py --teachers resnet18 wide_resnet50_2

Random weights: only time is measured. Both loops see the same images (batch 16, 256 px), take turns, and are timed
from the prepared model to the last step; the project's loop pays for its cache of teacher features within its time.
The share of the peak is that of the project's loop: the operations of its convolutions and matrix products a second,
by those of a product of two large matrices in the same precision in the same round. The last two columns are the
project's loop with the preset ``edge``, whose student is light, and how many times more images that is.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from running.arguments import in_one_line, positive
from running.peaks import torch_peak
from twinspect.data.pixels import read_pixels
from twinspect.data.samples import Sample
from twinspect.methods.config import make_config
from twinspect.methods.rd import RDConfig
from twinspect.model.preprocessing import as_batch
from twinspect.model.whole_image import Model
from twinspect.teachers import create_teacher
from twinspect.training.trainer import Trainer
from twinspect.utils.devices import choose_precision

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGES, BATCH = 32, 16


def main() -> None:
    """Print a row a teacher."""
    options = _options()
    print(
        "| teacher | plain eager fp32, images/s | twinspect, images/s | ratio | share of the peak | edge, images/s | "
        "ratio to twinspect |\n|---|---|---|---|---|---|---|"
    )
    for name in options.teachers:
        work = operations(name, options)
        rounds = [one_round(name, options, work) for _ in range(options.rounds)]
        print(f"| {name} | {' | '.join(spread(each) for each in zip(*rounds, strict=True))} |", flush=True)


def spread(values: Sequence[float]) -> str:
    """Write the median of the rounds, and the least and the most."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def operations(name: str, options: argparse.Namespace) -> int:
    """Count what the project's loop has to compute: the teacher on each image once, and the student's steps."""
    method = build(name, options).method
    images = torch.rand(BATCH, 3, options.size, options.size)
    with FlopCounterMode(display=False) as teacher:
        levels = [level.detach() for level in method.teacher(images)]
    with FlopCounterMode(display=False) as step:
        sum(each.sum() for each in method.student(levels)).backward()
    return int(teacher.get_total_flops()) * IMAGES // BATCH + int(step.get_total_flops()) * options.steps


def one_round(name: str, options: argparse.Namespace, work: int) -> tuple[float, ...]:
    """Time each loop once, and give the columns after the teacher's name."""
    random = np.random.default_rng(0)
    pixels = [random.integers(0, 256, (options.size, options.size, 3), dtype=np.uint8) for _ in range(IMAGES)]
    samples = [Sample(Path(f"{n}.png"), f"{n}.png", pixels=each) for n, each in enumerate(pixels)]
    count = options.steps * BATCH
    plain, ours = plain_loop(name, samples, options), project_loop(name, samples, options)
    edge = project_loop(name, samples, options, "edge")
    dtype = torch.bfloat16 if choose_precision("auto", torch.device("cpu")) == "bf16" else torch.float32
    share = work / ours / (2 * torch_peak(dtype).rate)
    return count / plain, count / ours, plain / ours, share, count / edge, ours / edge


def project_loop(
    name: str, samples: list[Sample], options: argparse.Namespace, preset: str | None = None
) -> float:
    """Train as `twinspect fit` does."""
    model = build(name, options, preset)
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


def build(name: str, options: argparse.Namespace, preset: str | None = None) -> Model:
    """Make RD on a teacher with random weights."""
    torch.manual_seed(0)
    settings = {"size": options.size, "steps": options.steps, "batch_size": BATCH}
    config = make_config(RDConfig, preset, settings)
    return Model.build("rd", config, create_teacher(name, weights="random"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--teachers", nargs="+", default=["resnet18", "wide_resnet50_2"])
    parser.add_argument("--steps", type=positive, default=10)
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--size", type=positive, default=256)
    return parser.parse_args()


if __name__ == "__main__":
    in_one_line(main)
