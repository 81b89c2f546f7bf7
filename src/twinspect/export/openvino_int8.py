"""An OpenVINO graph whose networks compute in 8-bit integers, by NNCF."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import optional
from twinspect.export import openvino_file
from twinspect.export.quantizable_layers import passthrough_nodes
from twinspect.export.quiet import quiet
from twinspect.inference.openvino_engine import kept_signal_stack

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

OPERATIONS: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Those that OpenVINO has integer kernels for."""
_TELEMETRY: Final = "openvino_telemetry"


def encode(
    graph: Any,
    layers: Collection[str],
    images: Sequence[NDArray[np.uint8]],
    metadata: Mapping[str, Any],
) -> dict[str, bytes]:
    """Quantize, and give the contents of the two files by name; see :func:`quantize` and :mod:`.openvino_file`."""
    return openvino_file.encode_model(quantize(graph, layers, images), metadata)


def quantize(graph: Any, layers: Collection[str], images: Sequence[NDArray[np.uint8]]) -> Any:
    """Make layers compute in integers.

    Ranges and the 7 bits of weights are those of :func:`twinspect.export.onnx_int8.quantize`, for the same reasons.
    Weights are symmetric and activations asymmetric (NNCF's preset ``MIXED``), since not every network ends its
    layers with ReLU. A graph with attention is quantized as a transformer: NNCF smooths outlier channels, and
    leaves in floats what such networks cannot bear in integers.

    Args:
        graph: an ``onnx.ModelProto``; left as it is.
        layers: names of the nodes to quantize.
        images: (H, W, 3) uint8 normal images that the value ranges are measured on, one after the other.

    Returns:
        An ``openvino.Model``.

    Raises:
        MissingExtraError: OpenVINO or NNCF is not installed.
    """
    nncf = load_quantizer()
    model = openvino_file.convert(graph.SerializeToString())
    quantized = {*layers, *passthrough_nodes(graph, layers)}
    has_attention = any(node.op_type == "Softmax" for node in graph.graph.node)
    ranges = nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX
    with quiet(), kept_signal_stack():
        return nncf.quantize(
            model,
            nncf.Dataset(images, lambda rgb: rgb[None]),
            subset_size=len(images),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER if has_attention else None,
            ignored_scope=nncf.IgnoredScope(names=_float_operations(model, quantized)),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.ENABLE,
                activations_range_estimator_params=ranges,
            ),
        )


def load_quantizer() -> Any:
    """Import NNCF with its telemetry off.

    It reports its use through ``openvino_telemetry``, which comes with OpenVINO; where it cannot import that, it
    reports nothing.

    Raises:
        MissingExtraError: NNCF is not installed.
    """
    loaded = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # Python then finds no such module
    try:
        with quiet():
            return optional("nncf", "openvino")
    finally:
        del sys.modules[_TELEMETRY]
        if loaded is not None:
            sys.modules[_TELEMETRY] = loaded


def _float_operations(model: Any, quantized: Collection[str]) -> list[str]:
    """Name the operations that stay in floats. One ONNX node may become several, called ``<node>/<part>``."""
    names = [node.get_friendly_name() for node in model.get_ordered_ops() if _computes(node)]
    return [name for name in names if name.partition("/")[0] not in quantized]


def _computes(node: Any) -> bool:
    return node.get_type_name() not in ("Constant", "Parameter", "Result")
