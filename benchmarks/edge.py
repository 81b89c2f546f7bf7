r"""What the preset `edge` costs for a photograph at the line: beside the full student and beside the teacher alone.

    python benchmarks/edge.py --rounds 11

A JPEG of 576 x 768 is decoded, and its pixels go to score and map at 256 px, in integers (int8) under either runtime,
one image at a time; all take turns in one run. Decoding is timed by itself. The teacher alone computes its features
and nothing else. Weights of students are random: only time is measured. A time is the median of the rounds, with the
lowest and the highest; a ratio is the median of those within rounds. Beside other work, --processor-time with one
thread counts that instead.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from both.pictures import pictures
from running.arguments import in_one_line, positive
from running.machine import described
from running.models import RANGES, RUNTIMES, opened, scaled
from running.turns import faster, in_turns, timed
from twinspect.export.graph_builder import GraphBuilder
from twinspect.export.torch_to_onnx import to_onnx
from twinspect.images.reading import read_rgb
from twinspect.methods import method_class
from twinspect.methods.base import Output
from twinspect.methods.config import make_config
from twinspect.methods.rd import RD, RDConfig
from twinspect.model.preprocessing import Preprocessing
from twinspect.model.whole_image import Model
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Run = Callable[[NDArray[np.uint8]], object]

METHODS = ("rd", "aand", "stfpm")
ALONE = "teacher alone"
SIZE, SHAPE = 256, (576, 768)


class Alone(RD):
    """A teacher without a student: its coarsest level, which needs all others, is the map."""

    def forward(self, images: Tensor) -> Output:
        """Compute the teacher's features."""
        return Output(self.targets(images)[-1].mean(dim=1))


def main() -> None:
    """Print a table for each runtime."""
    options = _options()
    torch.set_num_threads(options.threads)
    print(f"{described()}; {options.threads} threads; teacher {options.teacher}, {SIZE} px, int8, batch 1")
    photograph = jpeg()
    clock = time.process_time if options.processor_time else time.perf_counter
    decode = timed(lambda _: read_rgb("part.jpg", content=photograph), clock)
    for runtime in options.runtimes:
        runs = contestants(runtime, options.teacher, options.threads)
        calls = {name: timed(run, clock) for name, run in runs.items()} | {"decoding the JPEG": decode}
        times = in_turns(calls, read_rgb("part.jpg", content=photograph)[None], options.rounds)
        print(f"\n| {RUNTIMES[runtime]} | ms | times the teacher alone |\n|---|---|---|")
        for name, seconds in times.items():
            print(f"| {name} | {spread(seconds)} | {1 / faster(seconds, times[ALONE]):.2f} |")


def spread(seconds: list[float]) -> str:
    """Write milliseconds: the median of the rounds, the lowest and the highest."""
    middle, low, high = (1000 * each for each in (statistics.median(seconds), min(seconds), max(seconds)))
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


def jpeg() -> bytes:
    """Make a JPEG that is as hard to decode as a photograph: coarse noise and a little fine one."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (18, 24, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize(SHAPE[::-1], Image.Resampling.BICUBIC), np.float32)
    pixels: NDArray[np.uint8] = (smooth + random.normal(0, 3, smooth.shape)).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def contestants(runtime: str, teacher: str, threads: int) -> dict[str, Run]:
    """Bring the teacher alone, and every method with its light and its full student, under a runtime."""
    models = {ALONE: alone(teacher)}
    for method in METHODS:
        models |= {
            f"{method}, {preset or 'full'}": build(method, teacher, preset) for preset in ("edge", None)
        }
    return {name: in_integers(model, runtime, threads) for name, model in models.items()}


def in_integers(model: Model, runtime: str, threads: int) -> Run:
    """Quantise a model on images of noise and load it: what scores images."""
    graph = to_onnx(model.exportable()[0])
    builder = GraphBuilder(graph, {"runtime": runtime, "precision": "fp32", "fixed_size": None}, {})
    files = builder.integers(builder.layers(), list(pictures(RANGES)))
    return opened(builder.record, files, threads).run


def alone(teacher: str) -> Model:
    """Make the teacher without a student."""
    config, network = RDConfig(size=SIZE, student="light"), create_teacher(teacher)
    return scaled(Model(Alone(network, config), Preprocessing.of(config, network)))


def build(method: str, teacher: str, preset: str | None) -> Model:
    """Make an untrained model."""
    torch.manual_seed(0)
    config = make_config(method_class(method).Config, preset, {"size": SIZE})
    return scaled(Model.build(method, config, create_teacher(teacher)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--teacher", default="pocket")
    parser.add_argument("--runtimes", nargs="+", choices=RUNTIMES, default=list(RUNTIMES))
    parser.add_argument("--rounds", type=positive, default=11)
    parser.add_argument("--threads", type=positive, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--processor-time", action="store_true", help="instead of that on the clock")
    return parser.parse_args()


if __name__ == "__main__":
    in_one_line(main)
