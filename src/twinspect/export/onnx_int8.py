"""An ONNX graph whose networks compute in 8-bit integers: values are rounded between operations (QDQ)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import optional
from twinspect.export import onnx_file
from twinspect.export.quantizable_layers import passthrough_nodes
from twinspect.export.quiet import quiet
from twinspect.inference.graph_engine import IMAGES
from twinspect.inference.onnx_engine import FILE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

OPERATIONS: Final = frozenset({"Conv", "Gemm", "MatMul"})
"""Those that ONNX Runtime has integer kernels for; it has none for ``ConvTranspose``."""


def encode(
    graph: Any,
    layers: Collection[str],
    images: Sequence[NDArray[np.uint8]],
    metadata: Mapping[str, Any],
) -> dict[str, bytes]:
    """Quantize, and give the contents of the two files by name; see :func:`quantize` and :mod:`.onnx_file`."""
    return onnx_file.encode(quantize(graph, layers, images), metadata)


def quantize(graph: Any, layers: Collection[str], images: Sequence[NDArray[np.uint8]]) -> Any:
    """Make layers compute in integers.

    Ranges are the lowest and the highest value that any image gives: an anomaly's values lie beyond those of normal
    images, and a narrower range would cut off what is looked for. Weights have a scale for each output channel, and
    use 7 of their 8 bits: a processor without VNNI adds two products of 8 bits in 16, which would overflow.

    Args:
        graph: an ``onnx.ModelProto``; left as it is.
        layers: names of the nodes to quantize.
        images: (H, W, 3) uint8 normal images that the value ranges are measured on, one after the other.

    Returns:
        Another ``onnx.ModelProto`` of the same opset.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
    """
    quantizer = load_quantizer()
    onnx = optional("onnx", "onnx")
    quantized = {*layers, *passthrough_nodes(graph, layers)}
    with quiet(), tempfile.TemporaryDirectory() as folder:
        # By files: given a graph in memory, the quantizer moves its weights out of it.
        source, target = Path(folder) / "float.onnx", Path(folder) / FILE
        source.write_bytes(graph.SerializeToString())
        quantizer.quantize_static(
            source,
            target,
            _reader(quantizer, images),
            quant_format=quantizer.QuantFormat.QDQ,
            op_types_to_quantize=sorted(
                {node.op_type for node in graph.graph.node if node.name in quantized}
            ),
            nodes_to_quantize=sorted(quantized),
            activation_type=quantizer.QuantType.QUInt8,
            weight_type=quantizer.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            calibrate_method=quantizer.CalibrationMethod.MinMax,
        )
        return onnx.load(target)


def load_quantizer() -> Any:
    """Import ONNX Runtime's quantizer.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
    """
    return optional("onnxruntime.quantization", "onnx")


def _reader(quantizer: Any, images: Sequence[NDArray[np.uint8]]) -> Any:
    """Hand out images one at a time, through the class that the quantizer expects."""
    remaining = iter(images)

    class Reader(quantizer.CalibrationDataReader):  # type: ignore[misc]  # a base that is there only with the extra
        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            rgb = next(remaining, None)
            return None if rgb is None else {IMAGES: rgb[None]}

    return Reader()
