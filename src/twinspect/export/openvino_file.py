"""An ONNX graph as OpenVINO's two files."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.errors import optional
from twinspect.inference.openvino_engine import BIN, XML, openvino_core

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEIGHT_WIDTH = (2, 3)


def convert(content: bytes) -> Any:
    """Turn an ONNX file into an ``openvino.Model`` that computes the same.

    OpenVINO takes ``Resize`` with antialias for one without; what it calls Pillow's bilinear mode is torch's.

    Args:
        content: of the ONNX file.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    model = openvino_core().read_model(content)
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Interpolate" and node.get_attributes()["antialias"]:
            _antialias(node)
    model.validate_nodes_and_infer_types()
    return model


def encode(model: Any, metadata: Mapping[str, Any], *, half: bool) -> dict[str, bytes]:
    """Give the contents of the two files, by name.

    Args:
        model: an ``openvino.Model``; changed in place.
        metadata: kept beside the graph, under ``twinspect``, as JSON.
        half: whether weights are kept in 16 bits.
    """
    openvino = optional("openvino", "openvino")
    model.set_rt_info(json.dumps(metadata), ["twinspect"])
    with tempfile.TemporaryDirectory() as folder:
        openvino.save_model(model, Path(folder) / XML, compress_to_fp16=half)
        return {name: (Path(folder) / name).read_bytes() for name in (XML, BIN)}


def _antialias(node: Any) -> None:
    """Put an operation in a resize's place that antialiases."""
    opset = optional("openvino.opset11", "openvino")
    axes = opset.constant(np.array(_HEIGHT_WIDTH))
    size = opset.gather(node.input_value(1), axes, opset.constant(np.array(0)))
    none = [0, 0, 0, 0]
    resized = opset.interpolate(
        node.input_value(0),
        size,
        "bilinear_pillow",
        "sizes",
        axes=list(_HEIGHT_WIDTH),
        pads_begin=none,
        pads_end=none,
        coordinate_transformation_mode="half_pixel",
    )
    resized.set_friendly_name(node.get_friendly_name())
    for reader in node.output(0).get_target_inputs():
        reader.replace_source_output(resized.output(0))
