r"""What AAND costs beside RD: parameters and inference time in one run (table VIII of the paper).

    python benchmarks/aand.py --teachers resnet18 wide_resnet50_2

Random weights: only size and time are measured, on the whole path from 256 px uint8 images to map and score. The
paper counts the teacher's last stage, which neither method uses; both ways of counting are printed. The ratio of
multiplications says what the ratio of times would be if all of them took the same time and nothing else took any.
"""

from __future__ import annotations

import argparse
import statistics
import time

import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from twinspect.methods.aand import AANDConfig
from twinspect.methods.rd import RDConfig
from twinspect.model.whole_image import Model
from twinspect.teachers import create_teacher

SIDE, ROUNDS, REPEATS = 256, 5, 4


def main() -> None:
    """Print a row a teacher."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--teachers", nargs="+", default=["resnet18", "wide_resnet50_2"])
    options = parser.parse_args()
    print(
        "| teacher | parameters RD, AAND | ratio | with the last stage | multiplications RD, AAND | ratio "
        "| ms an image RD, AAND | ratio |\n|---|---|---|---|---|---|---|---|"
    )
    for name in options.teachers:
        models = build(name)
        counts = [count(model) for model in models]
        rest = count(timm.create_model(name, num_classes=0)) - count(models[0].method.teacher)
        whole = [each + rest for each in counts]
        sizes = ", ".join(f"{each / 1e6:.2f} M" for each in counts)
        published = f"{whole[0] / 1e6:.2f} M, {whole[1] / 1e6:.2f} M: {whole[1] / whole[0]:.3f}"
        work = [multiplications(model) for model in models]
        counted = f"{work[0] / 1e9:.2f} G, {work[1] / 1e9:.2f} G | {work[1] / work[0]:.3f}"
        for batch in (1, 8):
            rd, aand = times(models, batch)
            spent = f"{rd:.1f}, {aand:.1f} (batch {batch}) | {aand / rd:.3f}"
            shares = f"{counts[1] / counts[0]:.3f} | {published} | {counted}"
            print(f"| {name} | {sizes} | {shares} | {spent} |", flush=True)


def build(name: str) -> tuple[Model, Model]:
    """Make both methods on one teacher."""
    teacher = create_teacher(name, weights="random")
    return Model.build("rd", RDConfig(size=SIDE), teacher), Model.build(
        "aand", AANDConfig(size=SIDE), teacher
    )


def count(module: torch.nn.Module) -> int:
    """Count parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


@torch.no_grad()
def multiplications(model: Model) -> float:
    """Count those of one image."""
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8))
    return counter.get_total_flops() / 2  # a multiplication and an addition each


@torch.inference_mode()
def times(models: tuple[Model, Model], batch: int) -> list[float]:
    """Milliseconds an image of each, the models taking turns: the median of the rounds' medians."""
    images = torch.randint(0, 256, (batch, 3, SIDE, SIDE), dtype=torch.uint8)
    rounds: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for model, spent in zip(models, rounds, strict=True):
            model(images)
            each = []
            for _ in range(REPEATS):
                began = time.perf_counter()
                model(images)
                each.append(time.perf_counter() - began)
            spent.append(statistics.median(each) / batch * 1e3)
    return [statistics.median(spent) for spent in rounds]


if __name__ == "__main__":
    main()
