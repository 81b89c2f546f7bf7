"""OpenVINO as an engine."""

from __future__ import annotations

import ctypes
import sys
import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import BundleError, ConfigError, in_one_line, optional
from twinspect.inference.graph_engine import MAP, SCORE, GraphEngine
from twinspect.inference.openvino_resize import ENLARGING, cut_enlargement, split_input_resizes
from twinspect.inference.resizing import resize

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.bundle.exports import Export


XML, BIN = "model.xml", "model.bin"
_CPU: Final = "CPU"


class OpenVINOEngine(GraphEngine):
    """Scores by a graph under OpenVINO, on the CPU.

    Args:
        export: which graph. An fp16 one computes in bf16 where the processor has it, any other in fp32 or int8.
        device: ``auto`` or ``cpu``.
        threads: that compute one image; ``None`` for the runtime's choice, all cores.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        BundleError: a file of the graph is missing, damaged or altered.
        ConfigError: another device.
    """

    def __init__(self, export: Export, device: str = "auto", threads: int | None = None) -> None:
        super().__init__(export)
        # A compiled model computes one request at a time, and refuses or mixes up those of other threads.
        self._running = threading.Lock()
        if device not in ("auto", "cpu"):
            raise ConfigError(f"no device {device!r} for OpenVINO; allowed: auto, cpu")
        core = openvino_core()
        files = export.contents()
        # It would take other formats, too, which may name files elsewhere.
        if not {XML, BIN} <= files.keys() or not files[XML].lstrip().startswith(b"<"):
            raise BundleError(f"{export.folder} holds no graph in OpenVINO's format; export the model again")
        hints: dict[str, Any] = {"INFERENCE_PRECISION_HINT": _float_type(core, export.precision)}
        if threads:
            hints["INFERENCE_NUM_THREADS"] = threads
        try:
            model = core.read_model(files[XML], files[BIN])
            self._resizes = split_input_resizes(model)
            self._is_small = cut_enlargement(model, MAP)
            exact = {**hints, "INFERENCE_PRECISION_HINT": "f32"}
            before = self._resizes and self._resizes.before
            self._before: Any = before and core.compile_model(before, _CPU, exact)
            self._compiled = core.compile_model(model, _CPU, hints)
        except Exception as error:  # of an altered graph, the runtime says what it likes
            raise BundleError(
                f"{export.folder / XML} cannot be loaded ({in_one_line(error)}); export the model again"
            ) from error

    def run(
        self, images: NDArray[np.uint8], regions: NDArray[np.uint8] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score (B, H, W, 3) uint8 images of one size, perhaps with (B, H, W) uint8 regions."""
        inputs = [images] if regions is None else [images, regions]
        with self._running:
            resized = self._resizes.compute(inputs, self._before) if self._resizes else ()
            outputs = self._compiled([*inputs, *resized], share_inputs=True)
            scores, maps = outputs[SCORE], outputs[MAP]
        if self._is_small:
            maps = resize(maps, images.shape[1], images.shape[2], ENLARGING)
        return scores, maps


def _float_type(core: Any, precision: str) -> str:
    """Choose the floats to compute in; by itself OpenVINO takes bf16 for fp32 graphs too, where there is bf16."""
    has_bf16 = "BF16" in core.get_property(_CPU, "OPTIMIZATION_CAPABILITIES")
    return "bf16" if precision == "fp16" and has_bf16 else "f32"


class _SignalStack(ctypes.Structure):
    """``stack_t`` of Linux."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@cache
def openvino_core() -> Any:
    """Give the process's ``openvino.Core``.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    openvino = optional("openvino", "openvino")
    with kept_signal_stack():
        core = openvino.Core()
        core.get_property("CPU", "FULL_DEVICE_NAME")  # loads the CPU plugin, which sets the signal stack
    return core


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Restore the thread's signal stack afterwards; a core that is destroyed later leaves it alone."""
    if sys.platform != "linux":
        yield
        return
    change, before = ctypes.CDLL(None).sigaltstack, _SignalStack()
    change(None, ctypes.byref(before))
    try:
        yield
    finally:
        change(ctypes.byref(before), None)
