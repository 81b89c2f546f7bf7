"""One untrained model on a device: how fast it trains, how fast it scores, and what half precision changes."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from running.models import opened, scaled
from twinspect.data.samples import Sample
from twinspect.export.graph_builder import GraphBuilder
from twinspect.export.torch_to_onnx import to_onnx
from twinspect.inference.runtimes import RUNTIMES
from twinspect.inference.torch_engine import TorchEngine
from twinspect.methods import method_class
from twinspect.methods.config import make_config
from twinspect.model.whole_image import Model
from twinspect.teachers import create_teacher
from twinspect.training.trainer import Trainer
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from twinspect.inference.pipeline import Engine

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
WARM_UP = 3
"""Steps and calls that do not count."""
LENGTHS = {"aand": ("steps", "amplify_steps")}
"""Settings that say how long a fit is, where it has more than one stage."""


class Networks(NamedTuple):
    """A method and a teacher.

    Attributes:
        method: its name.
        teacher: likewise.
        size: of the images, in pixels.
    """

    method: str
    teacher: str
    size: int

    @property
    def named(self) -> str:
        """As it is printed."""
        return f"{self.method}, {self.teacher}, {self.size} px"


class EnoughError(Exception):
    """The time of a measurement is over."""


class Clock(NoProgress):
    """Notes when steps end, and ends a training after its time.

    Args:
        seconds: that it may take.
    """

    def __init__(self, seconds: float) -> None:
        self._steps: dict[str, list[float]] = {}
        self._end = time.monotonic() + seconds

    def start(self, stage: str, total: int, done: int) -> None:  # noqa: ARG002 - a protocol
        """Begin a stage."""
        self._current = self._steps.setdefault(stage, [])

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:  # noqa: ARG002 - as above
        """Note the end of a step."""
        self._current.append(time.perf_counter())
        if time.monotonic() > self._end:
            raise EnoughError

    def rates(self) -> dict[str, float]:
        """Give steps a second of every stage with more than those that do not count."""
        counted = {name: ends[WARM_UP - 1 :] for name, ends in self._steps.items() if len(ends) > WARM_UP}
        return {name: (len(ends) - 1) / (ends[-1] - ends[0]) for name, ends in counted.items()}


def build(networks: Networks, steps: int = 1, batch: int = 16) -> Model:
    """Make an untrained model on a teacher with random weights; every stage takes so many steps of so many images."""
    torch.manual_seed(0)
    cls = method_class(networks.method)
    lengths = dict.fromkeys(LENGTHS.get(networks.method, ("steps",)), steps)
    settings: dict[str, Any] = {"size": networks.size, "batch_size": batch, **lengths}
    weights = None if networks.teacher == "pocket" else "random"
    layers = cls.usual_layers(networks.teacher)
    teacher = create_teacher(networks.teacher, weights=weights, layers=layers)
    return scaled(Model.build(networks.method, make_config(cls.Config, None, settings), teacher))


def noise(count: int, side: int) -> NDArray[np.uint8]:
    """Make (count, side, side, 3) images."""
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def training(
    networks: Networks, device: str, precision: str, steps: int, batch: int, seconds: float
) -> dict[str, float]:
    """Train as `twinspect fit` does, on images that were read, and give images a second of every stage."""
    model, clock = build(networks, steps, batch), Clock(seconds)
    pixels = noise(2 * batch, networks.size)
    samples = [Sample(Path(f"{n}.png"), f"{n}.png", pixels=each) for n, each in enumerate(pixels)]
    trainer = Trainer(device=device, precision=precision, workers=8)
    with suppress(EnoughError):
        trainer.fit(model, trainer.read(model, samples), progress=clock)
    return {stage: batch * rate for stage, rate in clock.rates().items()}


def scoring(
    networks: Networks, device: str, count: int, halves: Sequence[str]
) -> dict[str, Callable[[], object]]:
    """Give what is timed: by graphs where the device has them, as it is, in half precision, and with preparing."""
    model, images = build(networks), noise(count, networks.size)
    engine, eager = TorchEngine(model, device), TorchEngine(model, device)
    prepared = [engine.prepare(image) for image in images]
    eager._infer = eager._model.infer  # noqa: SLF001 - what scores where there are no graphs

    def rounded(dtype: torch.dtype) -> object:
        with torch.autocast(device, dtype):
            return eager.score(prepared, maps=True)

    return {
        "torch": partial(engine.score, prepared, maps=True),
        "torch, images prepared too": lambda: engine.score(
            [engine.prepare(image) for image in images], maps=True
        ),
        "torch, no graph": partial(eager.score, prepared, maps=True),
        **{f"torch, no graph, {name}": partial(rounded, HALVES[name]) for name in halves},
    }


def exported(networks: Networks, runtime: str, precision: str, device: str) -> Engine:
    """Bring a model under another runtime, past its gate: the numbers of untrained networks say nothing."""
    record = {"runtime": runtime, "precision": precision, "fixed_size": None}
    builder = GraphBuilder(to_onnx(build(networks).exportable()[0]), record, {})
    return opened(record, builder.floats(precision), None, device)


def missing(runtime: str) -> str:
    """Say what a runtime lacks here; empty for nothing."""
    return RUNTIMES[runtime].missing()


def milliseconds(call: Callable[[], object], rounds: int) -> list[float]:
    """Time a call; results come back to the CPU, so that the device is done by then."""
    times = []
    for turn in range(WARM_UP + rounds):
        began = time.perf_counter()
        call()
        if turn >= WARM_UP:
            times.append(1e3 * (time.perf_counter() - began))
    return times


@torch.inference_mode()
def differences(networks: Networks, device: str, count: int, half: str) -> dict[str, float]:
    """Score in fp32 and in half precision: the largest differences, relative to the largest score or map in fp32."""
    model = build(networks).to(device)
    images = model.preprocessing.apply(torch.from_numpy(noise(count, networks.size)).permute(0, 3, 1, 2))
    exact = model.infer(images.to(device))
    with torch.autocast(device, HALVES[half]):
        rounded = model.infer(images.to(device))
    pairs = zip(("maps", "scores"), exact, rounded, strict=True)
    return {name: float((a - b.float()).abs().max() / a.abs().max()) for name, a, b in pairs}
