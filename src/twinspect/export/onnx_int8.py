"""An ONNX graph whose networks compute in 8-bit integers: values are rounded between operations (QDQ)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import optional
from twinspect.export.quantizable_layers import carriers
from twinspect.export.quiet import quiet
from twinspect.inference.graph_engine import IMAGES
from twinspect.inference.onnx_engine import FILE

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np
    from numpy.typing import NDArray

KINDS: Final = frozenset({"Conv", "Gemm", "MatMul"})
"""Layers that ONNX Runtime has integer kernels for; it has none for ``ConvTranspose``."""


def quantise(graph: Any, layers: Collection[str], images: Sequence[NDArray[np.uint8]]) -> Any:
    """Let layers compute in integers.

    Ranges are the lowest and the highest value that any image gives: an anomaly's values lie beyond those of normal
    images, and a narrower range would cut off what is looked for. Weights, a scale for each output channel, have 7
    of their 8 bits, for a processor without VNNI adds two products of 8 bits in 16, which overflow.

    Args:
        graph: an ``onnx.ModelProto``; left as it is.
        layers: names of the nodes that do.
        images: (H, W, 3) uint8 normal images that the ranges are measured on, one after the other.

    Returns:
        Another ``onnx.ModelProto`` of the same opset.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
    """
    tool = optional("onnxruntime.quantization", "onnx")
    onnx = optional("onnx", "onnx")
    chosen = {*layers, *carriers(graph, layers)}
    with quiet(), tempfile.TemporaryDirectory() as folder:
        # By files: of a graph in memory the tool moves the weights elsewhere.
        source, target = Path(folder) / "float.onnx", Path(folder) / FILE
        source.write_bytes(graph.SerializeToString())
        tool.quantize_static(
            source,
            target,
            _reader(tool, images),
            quant_format=tool.QuantFormat.QDQ,
            op_types_to_quantize=sorted({node.op_type for node in graph.graph.node if node.name in chosen}),
            nodes_to_quantize=sorted(chosen),
            activation_type=tool.QuantType.QUInt8,
            weight_type=tool.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            calibrate_method=tool.CalibrationMethod.MinMax,
        )
        return onnx.load(target)


def _reader(tool: Any, images: Sequence[NDArray[np.uint8]]) -> Any:
    """Hand out images one at a time, as the tool wants it."""
    rest = iter(images)

    class Reader(tool.CalibrationDataReader):  # type: ignore[misc]  # a base that is there only with the extra
        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            rgb = next(rest, None)
            return None if rgb is None else {IMAGES: rgb[None]}

    return Reader()
