"""Graphs of methods that gather: what they keep is part of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import QUICK, blemish, quick, stripes

if TYPE_CHECKING:
    from pathlib import Path

onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'twinspect[onnx]'")
pytest.importorskip("openvino", reason="pip install 'twinspect[openvino]'")

from twinspect.export.exporter import export  # noqa: E402 - needs ONNX
from twinspect.export.openvino_file import convert  # noqa: E402 - needs OpenVINO
from twinspect.export.quantizable_layers import layers_of  # noqa: E402
from twinspect.export.torch_to_onnx import to_onnx  # noqa: E402
from twinspect.inference.openvino_engine import openvino_core  # noqa: E402 - needs OpenVINO


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("patchcore", {"coreset": 0.1, "channels": 48}),
        ("patchcore", {"preset": "anomalydino", "rotations": 2}),
        ("padim", {}),
        pytest.param("patchcore", {"tile": 32, "overlap": 8}, marks=pytest.mark.slow),
    ],
)
def test_a_graph_scores_as_the_model_does(method: str, settings: dict[str, Any], parts: Path) -> None:
    detector = ts.Detector(method, **{**quick(method), **settings}).fit(parts)
    model, _ = detector.model_.exportable()
    graph = to_onnx(model, (48, 48) if "tile" in settings else None)
    layers = layers_of(graph, {"Conv", "Gemm", "MatMul"})
    assert {layer.module.split(".")[0] for layer in layers} == {"teacher"}  # all else stays in floats
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino_core().compile_model(convert(graph.SerializeToString()), "CPU", exact)
    for image in (stripes(300), blemish(stripes(301))):
        expected = detector.score(image[None])
        by_openvino = compiled({"images": image[None]})
        by_onnxruntime = session.run(["score", "map"], {"images": image[None]})
        for score, shown in (by_onnxruntime, (by_openvino["score"], by_openvino["map"])):
            np.testing.assert_allclose(score, expected.image, rtol=1e-3)
            np.testing.assert_allclose(shown, expected.map, atol=1e-3 * float(np.max(expected.map)))


@pytest.mark.parametrize("images", [1, 2])
def test_a_memory_of_all_patches_is_exported_though_its_own_images_have_maps_of_zeros(
    images: int, tmp_path: Path
) -> None:
    settings = {key: value for key, value in QUICK.items() if key not in ("steps", "batch_size")}
    detector = ts.Detector(**settings).fit(np.stack([stripes(number) for number in range(images)]))
    detector.save(tmp_path / "m.twin")
    for runtime in ("onnx", "openvino"):
        made = export(tmp_path / "m.twin", runtime)
        assert made.record["parity"]["map_relative"] < 1e-4
