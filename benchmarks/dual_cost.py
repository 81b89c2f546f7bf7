r"""What the dual students cost: time beside teacher and students measured apart, and memory of a training step.

    python benchmarks/dual_cost.py --teachers resnet18 vit_tiny_patch16_224
    python benchmarks/dual_cost.py --memory vit_base_patch14_reg4_dinov2.lvd142m

Random weights: only time and size are measured, on prepared images of 224 px, the parts taking turns. --memory makes
training steps of 16 images instead, and prints the most memory that the process ever held.
"""

from __future__ import annotations

import argparse
import resource
import time
from functools import partial

import torch

from teachers import alternate
from twinspect.methods.base import Batch
from twinspect.methods.dual import Dual, DualConfig
from twinspect.model.whole_image import Model
from twinspect.teachers import create_teacher
from twinspect.teachers.base import describe

BATCHES = (1, 8)
TRAINED = 16


def main() -> None:
    """Print a row for each teacher and batch size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--teachers", nargs="+", default=["resnet18", "vit_tiny_patch16_224"])
    parser.add_argument("--memory", metavar="TEACHER", help="make training steps with this one instead")
    options = parser.parse_args()
    if options.memory:
        step(build(options.memory))
        return
    print("| teacher | batch | teacher | local student | semantic student | sum | dual | dual / sum |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.teachers:
        model = build(name)
        for batch in BATCHES:
            times = timed(model.method, batch)
            parts = sum(times[part] for part in ("teacher", "local", "semantic"))
            cells = [f"{1e3 * times[part] / batch:.1f} ms" for part in ("teacher", "local", "semantic")]
            cells += [f"{1e3 * parts / batch:.1f} ms", f"{1e3 * times['dual'] / batch:.1f} ms"]
            print(f"| {name} | {batch} | {' | '.join(cells)} | {times['dual'] / parts:.3f} |", flush=True)


def build(name: str) -> Model:
    """Make an untrained model."""
    torch.manual_seed(0)
    teacher = create_teacher(name, weights="random", layers=Dual.usual_layers(name))
    return Model.build("dual", DualConfig(), teacher)


def timed(method: Dual, batch: int) -> dict[str, float]:
    """Time the whole, and its parts on what they would be given, in seconds."""
    images = picture(batch, method.config.size)
    with torch.inference_mode():
        targets = method.targets(images)
    maps = [target for target in targets if target.shape[-1] > 1]
    calls = {
        "teacher": partial(method.teacher.describe, images),
        "local": partial(method.students["local"], maps),
        "semantic": partial(describe, method.students["semantic"], images),
        "dual": partial(method, images),
    }
    return alternate(calls)


def step(model: Model) -> None:
    """Make one training step and say what it took."""
    method, images = model.method, picture(TRAINED, model.method.config.size)
    optimizer = method.stages()[0].optimizer(method.students.parameters())
    method.students.train()
    for _ in range(2):  # the optimiser's state is made in the first
        began = time.perf_counter()
        with torch.no_grad():
            targets = method.targets(images)
        method.loss(Batch(images, targets)).backward()
        optimizer.step()
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    count = sum(parameter.numel() for parameter in method.students.parameters()) / 1e6
    print(f"a training step of {TRAINED} images: {seconds:.1f} s; {count:.0f} M parameters learn")
    print(f"most memory held by the process: {peak:.1f} GiB")


def picture(batch: int, side: int) -> torch.Tensor:
    """Make prepared images of noise."""
    return torch.randn(batch, 3, side, side).contiguous(memory_format=torch.channels_last)


if __name__ == "__main__":
    main()
