"""What is written for each runtime: one row each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.export import onnx_file, onnx_int8, openvino_file, openvino_int8

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Int8Writer:
    """How a graph is written whose networks compute in 8-bit integers.

    Attributes:
        operations: ONNX operations that the runtime has integer kernels for.
        packages: those of the quantizer whose versions are recorded, beside :attr:`Writer.packages`.
        load_quantizer: imports the quantizer; raises ``MissingExtraError`` where it is not installed.
        encode: takes an ``onnx.ModelProto``, the names of the nodes to quantize, normal images (H, W, 3) uint8 that
            the value ranges are measured on, and metadata; gives the contents of the files by name.
    """

    operations: frozenset[str]
    packages: tuple[str, ...]
    load_quantizer: Callable[[], Any]
    encode: Callable[[Any, Sequence[str], Sequence[NDArray[np.uint8]], Mapping[str, Any]], dict[str, bytes]]


@dataclass(frozen=True)
class Writer:
    """How a graph becomes the files of a runtime.

    Attributes:
        packages: those whose versions decide what is written, and are recorded.
        encode: takes an ``onnx.ModelProto``, which it leaves as it is, metadata, and ``fp32`` or ``fp16``; gives the
            contents of the files by name.
        int8: the same for int8; ``None`` where the runtime has no int8.
    """

    packages: tuple[str, ...]
    encode: Callable[[Any, Mapping[str, Any], str], dict[str, bytes]]
    int8: Int8Writer | None = None


WRITERS: Final = {
    "onnx": Writer(
        ("torch", "onnx", "onnxruntime"),
        onnx_file.encode,
        Int8Writer(onnx_int8.OPERATIONS, (), onnx_int8.load_quantizer, onnx_int8.encode),
    ),
    "openvino": Writer(
        ("torch", "onnx", "openvino"),
        openvino_file.encode,
        Int8Writer(openvino_int8.OPERATIONS, ("nncf",), openvino_int8.load_quantizer, openvino_int8.encode),
    ),
    "tensorrt": Writer(("torch", "onnx", "onnxruntime"), onnx_file.encode),
}
"""By the names in :data:`twinspect.inference.runtimes.RUNTIMES`."""
