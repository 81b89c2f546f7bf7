"""TensorRT as an engine, by ONNX Runtime's execution provider; where it is missing, nothing takes its place."""

from __future__ import annotations

import ctypes.util
import os
import sys
from contextlib import redirect_stdout, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.bundle.checksummed_json import sha256
from twinspect.bundle.export_cache import user_cache
from twinspect.errors import ConfigError, MissingExtraError, in_one_line, is_installed
from twinspect.inference.onnx_engine import ONNXRUNTIME, OnnxEngine, cuda_provider, device_number
from twinspect.utils.progress import interlude

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from twinspect.bundle.exports import Export
    from twinspect.inference.onnx_engine import Provider

PROVIDER: Final = "TensorrtExecutionProvider"
BATCH: Final = 8
"""Images that an engine is built for at most, as many as are scored at once; more are scored in turns."""
_OLDEST: Final = (1, 22)
"""The first ONNX Runtime whose provider can leave out operations."""
_REMEDY: Final = (
    "with an NVIDIA GPU, type: pip uninstall -y onnxruntime, then: pip install onnxruntime-gpu tensorrt; without, "
    "score with --runtime onnx"
)
_SIDE: Final = 64
"""Of the images that engines are built with, in pixels: no engine depends on the size of images."""
_SMALLEST_PART: Final = 10
"""Operations that a part of the graph must have to be worth an engine; what prepares images has fewer."""
_NO_TF32: Final = "NVIDIA_TF32_OVERRIDE"
"""The provider has no option against TF32; NVIDIA's libraries read this variable."""


class TensorRTEngine(OnnxEngine):
    """Scores by a graph whose networks TensorRT computes; resizing stays with CUDA, since images differ in size.

    Engines are built when a graph is opened, for 1 to ``BATCH`` images at once, and kept in the user's cache, by
    graph, precision and versions: building takes minutes, and they hold for one kind of GPU only.

    Args:
        export: which graph. An fp16 one is computed in fp16; any other in fp32, without TF32.
        device: ``auto``, ``cuda`` or ``cuda:N``.
        threads: that compute on the CPU what is computed there; ``None`` for the runtime's choice.

    Raises:
        MissingExtraError: ONNX Runtime has no TensorRT here, or is too old.
        BundleError: the graph's file is missing, damaged or altered.
        ConfigError: another device; or TensorRT cannot be loaded.
    """

    def __init__(self, export: Export, device: str = "auto", threads: int | None = None) -> None:
        if export.precision != "fp16":
            os.environ.setdefault(_NO_TF32, "0")
        super().__init__(export, device, threads)
        with interlude("building TensorRT engines, for minutes the first time"):
            self._build(export)

    def run(
        self, images: NDArray[np.uint8], regions: NDArray[np.uint8] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score (B, H, W, 3) uint8 images of one size, perhaps with (B, H, W) uint8 regions."""
        run, results = super().run, []
        for start in range(0, len(images), BATCH):
            part = slice(start, start + BATCH)
            results.append(run(images[part], None if regions is None else regions[part]))
        scores, maps = zip(*results, strict=True)
        return np.concatenate(scores), np.concatenate(maps)

    def _open(self, ort: Any, path: Path, options: Any, providers: list[Provider]) -> Any:
        try:
            session = ort.InferenceSession(path, options, providers=providers, enable_fallback=0)
        except Exception as error:  # whatever TensorRT and CUDA raise
            raise self._unusable(error) from error
        if PROVIDER not in session.get_providers():  # what cannot be loaded is left out in silence
            raise self._unusable("its libraries, or those of CUDA, could not be loaded")
        return session

    def _unusable(self, reason: Exception | str) -> ConfigError:
        return ConfigError(f"{self._name}: TensorRT cannot run it ({in_one_line(reason)}); {_REMEDY}")

    def _providers(self, ort: Any, export: Export, device: str) -> list[Provider]:
        if reason := missing():
            raise MissingExtraError(reason)
        if device.partition(":")[0] not in ("auto", "cuda"):
            raise ConfigError(f"no device {device!r} for TensorRT; allowed: auto, cuda, cuda:N")
        _load_libraries(ort)
        number = device_number(device)
        options = {"device_id": number, **_options(export, ort)}
        return [(PROVIDER, options), cuda_provider(number), ("CPUExecutionProvider", {})]

    def _build(self, export: Export) -> None:
        """Build engines for one image and for most: those for numbers between are the same."""
        height, width = export.fixed_size or (_SIDE, _SIDE)
        for count in (1,) if export.fixed_size else (1, BATCH):
            regions = np.ones((count, height, width), np.uint8) if export.takes_regions else None
            try:
                self.run(np.zeros((count, height, width, 3), np.uint8), regions)
            except Exception as error:
                raise self._unusable(error) from error


def missing() -> str:
    """Say in words what is missing to run TensorRT, and what to type; empty for nothing."""
    if not is_installed(ONNXRUNTIME):
        return f"TensorRT needs 'onnxruntime-gpu', which is not installed; {_REMEDY}"
    ort = import_module(ONNXRUNTIME)
    if PROVIDER not in ort.get_available_providers():
        return f"this ONNX Runtime, {ort.__version__}, has no TensorRT; {_REMEDY}"
    if tuple(map(int, ort.__version__.split(".")[:2])) < _OLDEST:
        return (
            f"TensorRT needs ONNX Runtime 1.22, not {ort.__version__}; type: pip install -U onnxruntime-gpu"
        )
    if not (is_installed("tensorrt") or ctypes.util.find_library("nvinfer")):
        return f"TensorRT is not installed; {_REMEDY}"
    return ""


def _load_libraries(ort: Any) -> None:
    """Load TensorRT and CUDA where pip has put them, which the dynamic linker does not know."""
    with suppress(ImportError, OSError):
        import_module("tensorrt")
    with redirect_stdout(sys.stderr):  # it prints what it does not find
        ort.preload_dlls()


def _options(export: Export, ort: Any) -> dict[str, Any]:
    """Choose the provider's options; see ONNX Runtime's documentation of it."""
    options: dict[str, Any] = {
        "trt_fp16_enable": export.precision == "fp16",
        "trt_op_types_to_exclude": "Resize",
        "trt_min_subgraph_size": _SMALLEST_PART,
    }
    folder = engine_folder(export, ort)
    if folder is None:
        return options
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:  # engines are built anew each time
        return options
    for kind in ("engine", "timing"):
        options |= {f"trt_{kind}_cache_enable": True, f"trt_{kind}_cache_path": str(folder)}
    return options


def engine_folder(export: Export, ort: Any) -> Path | None:
    """Say where the engines of a graph are kept, if anywhere; not with the model: one from elsewhere is code."""
    cache = user_cache()
    files = [file["sha256"] for file in export.record["files"]]
    tensorrt = import_module("tensorrt").__version__ if is_installed("tensorrt") else "of the system"
    key = "\n".join([*files, export.precision, f"onnxruntime {ort.__version__}", f"tensorrt {tensorrt}"])
    return cache and cache / "twinspect" / "tensorrt" / sha256(key.encode())[:32]
