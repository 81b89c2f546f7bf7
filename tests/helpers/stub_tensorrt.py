"""An ONNX Runtime that says it has TensorRT and CUDA, and computes on the CPU."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TENSORRT, CUDA, CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"


@dataclass
class StubTensorRT:
    """What was asked of it.

    Attributes:
        sessions: the providers with their options, of every session.
        batches: images of every run.
        loaded: the providers that a session says it has; ``None`` for those asked for.
        error: raised instead of a session.
    """

    sessions: list[dict[str, dict[str, Any]]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    loaded: list[str] | None = None
    error: str = ""

    @property
    def options(self) -> dict[str, Any]:
        """TensorRT's options in the last session."""
        return self.sessions[-1][TENSORRT]


def stub_tensorrt(patch: pytest.MonkeyPatch, cache: Path, version: str = "10.9.0") -> StubTensorRT:
    """Put it in place, with TensorRT of a version, and a folder for the user's cache."""
    import onnxruntime

    stub, real = StubTensorRT(), onnxruntime.InferenceSession

    class Session:
        def __init__(self, path: object, options: object, **given: Any) -> None:
            if given["enable_fallback"]:
                raise AssertionError("a session that cannot have TensorRT would silently go on without")
            if stub.error:
                raise RuntimeError(stub.error)
            stub.sessions.append(dict(given["providers"]))
            self._session = real(path, options, providers=[CPU])

        def get_providers(self) -> list[str]:
            return list(stub.sessions[-1]) if stub.loaded is None else stub.loaded

        def run(self, names: object, inputs: dict[str, Any]) -> Any:
            stub.batches.append(len(inputs["images"]))
            return self._session.run(names, inputs)

    module = ModuleType("tensorrt")
    module.__spec__, module.__version__ = ModuleSpec("tensorrt", None), version  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "tensorrt", module)
    patch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    patch.setattr(onnxruntime, "InferenceSession", Session)
    patch.setattr(onnxruntime, "preload_dlls", lambda: None)
    patch.setenv("XDG_CACHE_HOME", str(cache))
    patch.setenv("NVIDIA_TF32_OVERRIDE", "1")  # so that it is put back
    patch.delenv("NVIDIA_TF32_OVERRIDE")
    return stub
