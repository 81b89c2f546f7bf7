"""An OpenVINO graph whose networks compute in 8-bit integers, by NNCF."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import optional
from twinspect.export import openvino_file
from twinspect.export.quantizable_layers import carriers
from twinspect.export.quiet import quiet
from twinspect.inference.openvino_engine import kept_signal_stack

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np
    from numpy.typing import NDArray

KINDS: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Layers that OpenVINO has integer kernels for."""
_TELEMETRY: Final = "openvino_telemetry"


def quantise(graph: Any, layers: Collection[str], images: Sequence[NDArray[np.uint8]]) -> Any:
    """Let layers compute in integers.

    Ranges and the 7 bits of weights are those of :func:`twinspect.export.onnx_int8.quantise`, for the same
    reasons. Weights are symmetric and values may be lopsided (NNCF's preset ``MIXED``), for not every network ends
    its layers with ReLU. Where there is attention, NNCF takes the graph for a transformer: it smooths channels that
    stick out, and leaves alone what such networks cannot bear.

    Args:
        graph: an ``onnx.ModelProto``; left as it is.
        layers: names of the nodes that do.
        images: (H, W, 3) uint8 normal images that the ranges are measured on, one after the other.

    Returns:
        An ``openvino.Model``.

    Raises:
        MissingExtraError: OpenVINO or NNCF is not installed.
    """
    nncf = load_nncf()
    model = openvino_file.convert(graph.SerializeToString())
    attention = any(node.op_type == "Softmax" for node in graph.graph.node)
    ranges = nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX
    with quiet(), kept_signal_stack():
        return nncf.quantize(
            model,
            nncf.Dataset(images, lambda rgb: rgb[None]),
            subset_size=len(images),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER if attention else None,
            ignored_scope=nncf.IgnoredScope(names=_others(model, {*layers, *carriers(graph, layers)})),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.ENABLE,
                activations_range_estimator_params=ranges,
            ),
        )


def load_nncf() -> Any:
    """Import NNCF so that it reports to nobody.

    It counts its users through ``openvino_telemetry``, which comes with OpenVINO; where it cannot import that, it
    counts nothing.

    Raises:
        MissingExtraError: it is not installed.
    """
    there = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # how Python is told that there is no such module
    try:
        with quiet():
            return optional("nncf", "openvino")
    finally:
        del sys.modules[_TELEMETRY]
        if there is not None:
            sys.modules[_TELEMETRY] = there


def _others(model: Any, chosen: Collection[str]) -> list[str]:
    """Name the operations that stay in floats. One node may become several, called ``<node>/<part>``."""
    names = [node.get_friendly_name() for node in model.get_ordered_ops() if _computes(node)]
    return [name for name in names if name.partition("/")[0] not in chosen]


def _computes(node: Any) -> bool:
    return node.get_type_name() not in ("Constant", "Parameter", "Result")
