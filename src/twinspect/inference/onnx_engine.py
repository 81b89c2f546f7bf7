"""ONNX Runtime as an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import BundleError, ConfigError, in_one_line, optional
from twinspect.inference.graph_engine import IMAGES, MAP, REGIONS, SCORE, GraphEngine
from twinspect.inference.onnx_references import check_references

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.bundle.exports import Export

Provider = tuple[str, dict[str, Any]]
"""What computes, and its options."""
ONNXRUNTIME: Final = "onnxruntime"
FILE, WEIGHTS = "model.onnx", "model.weights"
_PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_ERRORS_ONLY: Final = 3


class OnnxEngine(GraphEngine):
    """Scores by a graph under ONNX Runtime.

    Args:
        export: which graph.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. On CUDA fp32 is computed in fp32.
        threads: that compute one image; ``None`` for the runtime's choice, all cores.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        BundleError: the graph's file is missing, damaged or altered.
        ConfigError: ONNX Runtime does not have the device here.
    """

    def __init__(self, export: Export, device: str = "auto", threads: int | None = None) -> None:
        super().__init__(export)
        ort = optional(ONNXRUNTIME, "onnx")
        options = ort.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = threads or 0
        providers = self._providers(ort, export, device)
        paths = export.paths()
        if FILE not in paths:
            raise BundleError(f"{export.folder}: the record lists no {FILE}; export the model again")
        check_references(paths[FILE].read_bytes(), paths.keys(), paths[FILE])
        try:
            # By its path: the weights lie beside it, and are mapped into memory, not copied.
            self._session = self._open(ort, paths[FILE], options, providers)
        except ConfigError:
            raise
        except Exception as error:  # the runtime has an exception of its own for every kind of damage
            raise BundleError(
                f"{paths[FILE]} cannot be loaded ({in_one_line(error)}); export the model again"
            ) from error
        # ONNX Runtime leaves out in silence what it cannot load.
        if device.startswith("cuda") and _PROVIDERS["cuda"] not in self._session.get_providers():
            raise ConfigError(
                f"ONNX Runtime cannot load CUDA's libraries for {device!r}; type: pip install "
                "'onnxruntime-gpu[cuda,cudnn]', or choose --device cpu"
            )

    def run(
        self, images: NDArray[np.uint8], regions: NDArray[np.uint8] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score (B, H, W, 3) uint8 images of one size, perhaps with (B, H, W) uint8 regions."""
        inputs = {IMAGES: images} if regions is None else {IMAGES: images, REGIONS: regions}
        scores, maps = self._session.run([SCORE, MAP], inputs)
        return scores, maps

    def _open(self, ort: Any, path: Path, options: Any, providers: list[Provider]) -> Any:
        return ort.InferenceSession(path, options, providers=providers)

    def _providers(self, ort: Any, export: Export, device: str) -> list[Provider]:  # noqa: ARG002 - other runtimes look at it
        """List what computes: the chosen device, and the CPU for operations that it lacks."""
        available = ort.get_available_providers()
        present = [key for key, provider in _PROVIDERS.items() if provider in available]
        name = device.partition(":")[0]
        if name == "auto":
            name = "cuda" if "cuda" in present else "cpu"
        if name not in present:
            raise ConfigError(
                f"no device {device!r} for ONNX Runtime here; allowed: auto, {', '.join(present)}"
            )
        first = [cuda_provider(device_number(device))] if name == "cuda" else []
        return [*first, (_PROVIDERS["cpu"], {})]


def cuda_provider(number: int) -> Provider:
    """Give CUDA on a device, computing fp32 in fp32; by default inputs are rounded to 10 bits (TF32)."""
    return _PROVIDERS["cuda"], {"device_id": number, "use_tf32": 0}


def device_number(device: str) -> int:
    """Read the number of a CUDA device, 0 where none is given.

    Raises:
        ConfigError: what follows the colon is no number.

    >>> device_number("cuda:1"), device_number("auto")
    (1, 0)
    """
    number = device.partition(":")[2] or "0"
    if not number.isdecimal():
        raise ConfigError(f"no device {device!r}; allowed: auto, cuda, or one by its number, such as cuda:1")
    return int(number)
