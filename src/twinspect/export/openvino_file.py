"""An ONNX graph as the two files of OpenVINO."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.errors import optional
from twinspect.inference.openvino_engine import BIN, XML, openvino_core
from twinspect.inference.openvino_resize import ANTIALIASED

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEIGHT_WIDTH = (2, 3)


def encode(graph: Any, metadata: Mapping[str, Any], precision: str = "fp32") -> dict[str, bytes]:
    """Give the contents of the two files, by name.

    Args:
        graph: an ``onnx.ModelProto``; left as it is.
        metadata: kept beside the graph, under ``twinspect``, as JSON.
        precision: ``fp32``, or ``fp16`` for weights of 16 bits.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    return encode_model(convert(graph.SerializeToString()), metadata, precision)


def encode_model(model: Any, metadata: Mapping[str, Any], precision: str = "fp32") -> dict[str, bytes]:
    """Do the same for an ``openvino.Model``, which is changed in place."""
    openvino = optional("openvino", "openvino")
    model.set_rt_info(json.dumps(metadata), ["twinspect"])
    with tempfile.TemporaryDirectory() as folder:
        openvino.save_model(model, Path(folder) / XML, compress_to_fp16=precision == "fp16")
        return {name: (Path(folder) / name).read_bytes() for name in (XML, BIN)}


def convert(content: bytes) -> Any:
    """Turn an ONNX file into an ``openvino.Model`` that computes the same.

    OpenVINO reads ``Resize`` with antialias as one without; torch's are the modes that it calls Pillow's.

    Args:
        content: the bytes of an ONNX file.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    model = openvino_core().read_model(content)
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Interpolate" and node.get_attributes()["antialias"]:
            _antialias(node)
    model.validate_nodes_and_infer_types()
    return model


def _antialias(node: Any) -> None:
    """Replace a resize by one that antialiases."""
    opset = optional("openvino.opset11", "openvino")
    of = node.get_attributes()
    axes = opset.constant(np.array(_HEIGHT_WIDTH))
    size = opset.gather(node.input_value(1), axes, opset.constant(np.array(0)))
    no_padding = [0, 0, 0, 0]
    resized = opset.interpolate(
        node.input_value(0),
        size,
        ANTIALIASED[of["mode"]],
        "sizes",
        axes=list(_HEIGHT_WIDTH),
        pads_begin=no_padding,
        pads_end=no_padding,
        coordinate_transformation_mode="half_pixel",
        cube_coeff=of["cube_coeff"],
    )
    resized.set_friendly_name(node.get_friendly_name())
    for reader in node.output(0).get_target_inputs():
        reader.replace_source_output(resized.output(0))
