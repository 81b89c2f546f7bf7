r"""What runtimes take for the same model: torch, ONNX Runtime and OpenVINO, in turns, in one run.

    python benchmarks/runtimes.py --methods rd aand --teachers resnet18 wide_resnet50_2 --out runs/runtimes

Random weights: only time is measured, of images of 256 px that were read already, from uint8 to score and map.
*plain torch* is the model in eager fp32 as torch lays it out by itself; *torch* is ours, channels last. The time is
the median of rounds in which every runtime has its turn; a ratio is plain torch's time by the runtime's own.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

import twinspect as ts
from twinspect.export import export
from twinspect.methods import method_class
from twinspect.methods.config import make_config
from twinspect.model import Model
from twinspect.runtime.exported import open_engine
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIDE = 256
BATCHES = (1, 8)
EXPORTS = (("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "fp16"))


def main() -> None:
    """Print a row for each method, teacher and batch size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", default=["rd", "aand"])
    parser.add_argument("--teachers", nargs="+", default=["resnet18", "wide_resnet50_2"])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/runtimes"), help="where models are exported to"
    )
    options = parser.parse_args()
    names = ["plain torch", "torch", *("-".join(each) for each in EXPORTS)]
    print(f"| method | teacher | batch | {' | '.join(names)} |")
    print(f"|---|---|---|{'---|' * len(names)}")
    for method in options.methods:
        for teacher in options.teachers:
            calls = runtimes(method, teacher, options.out / f"{method}-{teacher}.twin")
            for batch in BATCHES:
                times = measured(calls, pictures(batch), options.rounds)
                cells = [f"{1e3 * own / batch:.1f} ms ({times[0] / own:.2f} x)" for own in times]
                print(f"| {method} | {teacher} | {batch} | {' | '.join(cells)} |", flush=True)


def runtimes(method: str, teacher: str, path: Path) -> list[Callable[[NDArray[np.uint8]], object]]:
    """Build a model, export it, and give what scores (B, H, W, 3) images, in the order of the columns."""
    save(method, teacher, path)
    made = [export(path, runtime, precision=precision) for runtime, precision in EXPORTS]
    ours = ts.load(path).model_
    plain = build(method, teacher).to(memory_format=torch.contiguous_format)
    return [
        partial(under_torch, plain),
        partial(under_torch, ours),
        *(open_engine(each).run for each in made),
    ]


def build(method: str, teacher: str) -> Model:
    """Make an untrained model."""
    torch.manual_seed(0)
    cls = method_class(method)
    made = create_teacher(teacher, weights="random", layers=cls.usual_layers(teacher))
    return Model.build(method, make_config(cls.Config, None, {"size": SIDE}), made)


def save(method: str, teacher: str, path: Path) -> None:
    """Put such a model where it can be exported; the shortest of fits makes everything that a model has."""
    detector = ts.Detector(
        method, teacher=teacher, weights="random", size=SIDE, steps=1, batch_size=2, workers=1
    )
    detector.set_params(**({"amplify_steps": 1} if method == "aand" else {}))
    detector.fit(pictures(8)).save(path)


def under_torch(model: Model, images: NDArray[np.uint8]) -> object:
    """Score by torch."""
    with torch.inference_mode():
        return model(torch.from_numpy(images).permute(0, 3, 1, 2))


def pictures(count: int) -> NDArray[np.uint8]:
    """Make images whose sides need no resizing."""
    return np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def measured(
    calls: list[Callable[[NDArray[np.uint8]], object]], images: NDArray[np.uint8], rounds: int
) -> list[float]:
    """Time all in turns; the first round only warms up."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds + 1):
        for call, own in zip(calls, times, strict=True):
            began = time.perf_counter()
            call(images)
            if turn:
                own.append(time.perf_counter() - began)
    return [statistics.median(own) for own in times]


if __name__ == "__main__":
    main()
