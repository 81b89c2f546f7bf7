"""The process's one OpenVINO core, and the signal stack that cores leave behind."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twinspect.bundle.exports import write_export
from twinspect.inference.openvino_engine import BIN, XML, OpenVINOEngine, openvino_core
from twinspect.inference.openvino_resize import cut_enlargement, split_input_resizes

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.bundle.exports import Export

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


def test_no_antialiased_resize_is_left_to_openvino() -> None:
    model = resize_model((64, 48))
    resizes = split_input_resizes(model)
    assert resizes is not None
    assert resizes.sides is None  # the images are floats already
    for part in (model, resizes.before):
        assert "Interpolate" not in [node.get_type_name() for node in part.get_ordered_ops()]
    assert model.input(1).get_partial_shape()[1:].to_shape() == [3, 64, 48]
    assert split_input_resizes(model) is None


@pytest.mark.parametrize("is_rgb", [True, False])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_what_is_split_off_computes_what_the_graph_did(mode: str, is_rgb: bool) -> None:
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (2, 90, 31, 3), dtype=np.uint8)
    images = rgb if is_rgb else rgb.transpose(0, 3, 1, 2).astype(np.float32)
    model = resize_model((64, 48), mode, is_rgb=is_rgb)
    (expected,) = (
        openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(images).values()
    )
    resizes = split_input_resizes(model)
    assert resizes is not None
    assert resizes.sides == ((64, 48) if is_rgb else None)
    assert (resizes.before is None) == is_rgb
    before = None if is_rgb else openvino_core().compile_model(resizes.before, "CPU")
    (found,) = resizes.compute([images], before)
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-4)  # OpenVINO rounds


def test_a_map_that_is_only_enlarged_at_the_end_is_given_as_the_networks_have_it() -> None:
    images = np.random.default_rng(0).random((2, 1, 16, 12), dtype=np.float32)
    model = map_model()
    assert cut_enlargement(model, "map")
    (found,) = (
        openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(images).values()
    )
    np.testing.assert_array_equal(found, images[:, 0])
    assert not cut_enlargement(model, "map")
    assert not cut_enlargement(map_model(is_confined=True), "map")


def test_threads_that_score_by_one_engine_get_their_own_scores(tmp_path: Path) -> None:
    engine = OpenVINOEngine(write_means(tmp_path), threads=2)
    images = [np.full((1 + value % 3, 150, 200, 3), value, np.uint8) for value in range(48)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(engine.run, images))
    for value, (scores, maps) in enumerate(found):
        assert scores.tolist() == pytest.approx([value] * (1 + value % 3))
        assert maps.shape == (1 + value % 3, 150, 200)
        np.testing.assert_allclose(maps, value, rtol=1e-6)


def write_means(folder: Path) -> Export:
    """An export whose map is the mean of the channels, and whose score is the mean of that."""
    import openvino
    from openvino import opset13 as ops

    value = ops.parameter([-1, -1, -1, 3], np.uint8, name="images")
    means = ops.reduce_mean(ops.convert(value, np.float32), ops.constant(np.array([3])))
    score = ops.reduce_mean(means, ops.constant(np.array([1, 2])))
    for node, name in ((means, "map"), (score, "score")):
        node.output(0).set_names({name})
    openvino.serialize(openvino.Model([score, means], [value]), folder / XML, folder / BIN)
    files = {name: (folder / name).read_bytes() for name in (XML, BIN)}
    return write_export(folder, "openvino-fp32", {"runtime": "openvino", "precision": "fp32"}, files)


def map_model(*, is_confined: bool = False) -> Any:
    import openvino
    from openvino import opset13 as ops

    value = ops.parameter([-1, 1, -1, -1], np.float32)
    enlarged = interpolated(value, (40, 30), "linear_onnx")
    chosen = ops.gather(enlarged, ops.constant(np.int64(0)), ops.constant(np.int64(1)))
    chosen = ops.relu(chosen) if is_confined else chosen
    chosen.output(0).set_names({"map"})
    return openvino.Model([chosen], [value])


def resize_model(side: tuple[int, int], mode: str = "bilinear", *, is_rgb: bool = False) -> Any:
    import openvino
    from openvino import opset13 as ops

    value = ops.parameter([-1, -1, -1, 3] if is_rgb else [-1, 3, -1, -1], np.uint8 if is_rgb else np.float32)
    planes = ops.convert(ops.transpose(value, ops.constant(np.array([0, 3, 1, 2]))), np.float32)
    return openvino.Model([interpolated(planes if is_rgb else value, side, f"{mode}_pillow")], [value])


def interpolated(value: Any, side: tuple[int, int], mode: str) -> Any:
    from openvino import opset13 as ops

    return ops.interpolate(
        value,
        ops.constant(np.array(side)),
        mode,
        "sizes",
        axes=[2, 3],
        pads_begin=[0] * 4,
        pads_end=[0] * 4,
        coordinate_transformation_mode="half_pixel",
        cube_coeff=-0.5,
    )
