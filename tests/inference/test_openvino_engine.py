"""The process's one OpenVINO core, and the signal stack that cores leave behind."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from twinspect.inference.openvino_engine import openvino_core
from twinspect.inference.openvino_resize import split_resizes

pytest.importorskip("openvino")

INTERRUPTED = """
import signal
import openvino
from openvino import opset13 as ops
from twinspect.inference.openvino_engine import kept_signal_stack, openvino_core

def made(core):
    value = ops.parameter([1, 4])
    return core.compile_model(openvino.Model([ops.relu(value)], [value]), "CPU")

signal.signal(signal.SIGINT, lambda *_: print("interrupted"))
{body}
signal.raise_signal(signal.SIGINT)
print("goes on")
"""
OURS = """
first, second = made(openvino_core()), made(openvino_core())
del first, second
"""
OTHERS = """
with kept_signal_stack():
    first, second = made(openvino.Core()), made(openvino.Core())
del first
del second
"""


@pytest.mark.parametrize(
    "body", [OURS, OTHERS, OURS + OTHERS, OTHERS + OURS], ids=["ours", "others", "1", "2"]
)
def test_an_interruption_after_several_graphs_is_handled(body: str) -> None:
    code = [sys.executable, "-c", INTERRUPTED.format(body=body)]
    found = subprocess.run(code, capture_output=True, text=True, check=False, timeout=120)
    assert (found.returncode, found.stdout.split()) == (0, ["interrupted", "goes", "on"]), found.stderr


def test_there_is_one_core() -> None:
    assert openvino_core() is openvino_core()


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("side", [(64, 64), (96, 40)])
@pytest.mark.parametrize("size", [(48, 31), (64, 64), (65, 200), (97, 96), (500, 333), (2, 1001)])
def test_the_resize_is_torchs(size: tuple[int, int], side: tuple[int, int], mode: str) -> None:
    """The images are smaller, as large, larger and much larger than the network's input."""
    import torch

    images = np.random.default_rng(0).integers(0, 256, (2, 3, *size)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(images).double(), size=side, mode=mode, antialias=True, align_corners=False
    )
    found = next(iter(compiled_resize(side, mode)(images).values()))
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=2e-4 if mode == "bilinear" else 5e-4)


def test_no_antialiased_resize_is_left_to_openvino() -> None:
    model = resize_model((64, 48))
    resizes = split_resizes(model)
    for part in (model, resizes):
        assert "Interpolate" not in [node.get_type_name() for node in part.get_ordered_ops()]
    assert model.input(1).get_partial_shape()[1:].to_shape() == [3, 64, 48]
    assert split_resizes(model) is None


def resize_model(side: tuple[int, int], mode: str = "bilinear") -> Any:
    import openvino
    from openvino import opset13 as ops

    value = ops.parameter([-1, 3, -1, -1], np.float32)
    resized = ops.interpolate(
        value,
        ops.constant(np.array(side)),
        f"{mode}_pillow",
        "sizes",
        axes=[2, 3],
        pads_begin=[0] * 4,
        pads_end=[0] * 4,
        coordinate_transformation_mode="half_pixel",
    )
    return openvino.Model([resized], [value])


def compiled_resize(side: tuple[int, int], mode: str) -> Any:
    resizes = split_resizes(resize_model(side, mode))
    return openvino_core().compile_model(resizes, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
