"""An ONNX graph as two files: metadata beside the graph, and weights of 16 bits if wanted."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.errors import optional
from twinspect.inference.onnx_engine import FILE, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping

FEW = 16
"""Constants of fewer numbers stay as they are: nothing is gained, and sizes are among them."""


def encode(graph: Any, metadata: Mapping[str, Any], precision: str = "fp32") -> dict[str, bytes]:
    """Give the contents of the two files, by name: the graph, and its weights, which a runtime need not parse.

    Weights that are mapped into memory from a file of their own load in half the time.

    Args:
        graph: an ``onnx.ModelProto``; left as it is.
        metadata: kept beside the graph, under ``twinspect``, as JSON.
        precision: ``fp32``, or ``fp16`` for weights of 16 bits.
    """
    onnx = optional("onnx", "onnx")
    written = onnx.ModelProto()
    written.CopyFrom(graph)
    if precision == "fp16":
        _halve_weights(onnx, written)
    written.producer_name = "twinspect"
    entry = written.metadata_props.add()
    entry.key, entry.value = "twinspect", json.dumps(metadata)
    with tempfile.TemporaryDirectory() as folder:
        onnx.save_model(written, Path(folder) / FILE, save_as_external_data=True, location=WEIGHTS)
        return {name: (Path(folder) / name).read_bytes() for name in (FILE, WEIGHTS)}


def _halve_weights(onnx: Any, graph: Any) -> None:
    """Keep weights in 16 bits and cast them to 32 when the graph is loaded: half the file, the same kernels."""
    single, half = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
    limit = np.finfo(np.float16).max
    casts = []
    for weight in graph.graph.initializer:
        if weight.data_type != single or int(np.prod(weight.dims)) < FEW:
            continue
        name, values = weight.name, onnx.numpy_helper.to_array(weight)
        weight.CopyFrom(
            onnx.numpy_helper.from_array(values.clip(-limit, limit).astype(np.float16), f"{name}_half")
        )
        assert weight.data_type == half  # noqa: S101 - what the cast below starts from
        casts.append(onnx.helper.make_node("Cast", [weight.name], [name], to=single))
    for node in reversed(casts):
        graph.graph.node.insert(0, node)
