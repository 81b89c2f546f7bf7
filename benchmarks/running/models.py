"""The contestants that are ours: one untrained model under every runtime, in floats and in integers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from both.pictures import SIDE, pictures
from running.turns import timed
from twinspect.bundle.exports import write_export
from twinspect.export.graph_builder import GraphBuilder
from twinspect.export.torch_to_onnx import to_onnx
from twinspect.inference.runtimes import open_engine
from twinspect.methods import method_class
from twinspect.methods.config import make_config
from twinspect.model.folding import folded
from twinspect.model.whole_image import Model
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from running.turns import Timed
    from twinspect.inference.graph_engine import GraphEngine

TORCH, AS_TRAINED = "our torch", "our torch, BatchNorm not folded"
RUNTIMES = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}
OPENVINO_FP32, OPENVINO_BF16 = "OpenVINO fp32", "OpenVINO bf16"
COLUMNS = (
    TORCH,
    AS_TRAINED,
    "ONNX Runtime fp32",
    "ONNX Runtime int8",
    OPENVINO_FP32,
    OPENVINO_BF16,
    "OpenVINO int8",
)
RANGES = 4
"""Images that the ranges of integers are measured on; they decide no time."""


@dataclass(frozen=True)
class Ours:
    """One model under all runtimes.

    Attributes:
        calls: what is timed, by column.
        multiplications: of one image, those of convolutions and matrix products.
        notes: what a reader must know.
    """

    calls: dict[str, Timed]
    multiplications: int
    notes: list[str]


def ours(
    method: str,
    teacher: str,
    *,
    threads: int,
    bf16: bool,
    fixed: bool,
    torch_only: bool,
    clock: Callable[[], float],
) -> Ours:
    """Build a model and bring it under every runtime.

    Args:
        method: its name.
        teacher: likewise.
        threads: that every runtime gets.
        bf16: whether there is such here.
        fixed: whether graphs take one image of one size alone.
        torch_only: whether to leave exports out.
        clock: gives seconds.
    """
    model = build(method, teacher)
    calls = {
        TORCH: timed(partial(under_torch, folded(model)), clock),
        AS_TRAINED: timed(partial(under_torch, model), clock),
    }
    if torch_only:
        return Ours(calls, multiplications(model), [])
    size = (SIDE, SIDE) if fixed else None
    graph, notes = to_onnx(model.exportable()[0], size), []
    for runtime, name in RUNTIMES.items():
        builder = GraphBuilder(graph, {"runtime": runtime, "precision": "fp32", "fixed_size": size}, {})
        floats, layers = builder.floats(), builder.layers()
        calls[f"{name} fp32"] = timed(opened(builder.record, floats, threads).run, clock)
        if bf16 and runtime == "openvino":
            # What makes our engine compute in bf16 is the record of a 16-bit export.
            halves = opened({**builder.record, "precision": "fp16"}, floats, threads)
            calls[OPENVINO_BF16] = timed(halves.run, clock)
        integers = builder.integers(layers, list(pictures(RANGES)))
        calls[f"{name} int8"] = timed(opened(builder.record, integers, threads).run, clock)
        notes.append(
            f"{method}, {teacher}: {name} int8 has all {len(layers)} layers that it can have in integers"
        )
    return Ours(calls, multiplications(model), notes)


def build(method: str, teacher: str) -> Model:
    """Make an untrained model."""
    torch.manual_seed(0)
    cls = method_class(method)
    made = create_teacher(teacher, weights="random", layers=cls.usual_layers(teacher))
    return scaled(Model.build(method, make_config(cls.Config, None, {"size": SIDE}), made))


def scaled(model: Model) -> Model:
    """Let no BatchNorm hide what comes before: timm begins with zeros in some, for which integers have no scale."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
    return model


def under_torch(model: Model, images: NDArray[np.uint8]) -> object:
    """Score by torch."""
    with torch.inference_mode():
        return model(torch.from_numpy(images).permute(0, 3, 1, 2))


def opened(
    record: dict[str, Any], files: dict[str, bytes], threads: int | None, device: str = "cpu"
) -> GraphEngine:
    """Load a graph into its runtime."""
    with TemporaryDirectory() as aside:
        return open_engine(write_export(Path(aside), "graph", record, files), device, threads)


def multiplications(model: Model) -> int:
    """Count those of one image; torch's counter takes a multiply-add for two operations."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.from_numpy(pictures(1)).permute(0, 3, 1, 2))
    return counter.get_total_flops() // 2
