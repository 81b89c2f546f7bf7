"""The runtimes that score exported graphs: one row each, and from what a user typed to an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.export_cache import find_exports
from twinspect.bundle.exports import PRECISIONS
from twinspect.bundle.folder import RECORD
from twinspect.errors import ConfigError, MissingExtraError, is_installed, unknown_name
from twinspect.inference.onnx_engine import ONNXRUNTIME, OnnxEngine
from twinspect.inference.openvino_engine import OpenVINOEngine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twinspect.bundle.exports import Export
    from twinspect.inference.graph_engine import GraphEngine


CPU: Final = "cpu"


@dataclass(frozen=True)
class Runtime:
    """What can run a graph.

    Attributes:
        name: what to type; also the beginning of its exports' names.
        package: what must be installed.
        engine: opens an export, given a device and a number of threads. Its module must import without ``package``,
            and without torch.
        extra: what installs its package, and those that write its exports; its name if empty.
        device: where its exports are made and checked.
        missing: says what is missing beside the package, and what to type; empty for nothing.
    """

    name: str
    package: str
    engine: Callable[[Export, str, int | None], GraphEngine]
    extra: str = ""
    device: str = CPU
    missing: Callable[[], str] = str

    @property
    def is_installed(self) -> bool:
        """Whether it can run here."""
        return is_installed(self.package) and not self.missing()


def _tensorrt(export: Export, device: str, threads: int | None) -> GraphEngine:
    from twinspect.inference.tensorrt_engine import TensorRTEngine  # noqa: PLC0415 - few have it

    return TensorRTEngine(export, device, threads)


def _missing_tensorrt() -> str:
    from twinspect.inference.tensorrt_engine import missing  # noqa: PLC0415 - as above

    return missing()


RUNTIMES: Final = {
    runtime.name: runtime
    for runtime in (
        Runtime("onnx", ONNXRUNTIME, OnnxEngine),
        Runtime("openvino", "openvino", OpenVINOEngine),
        Runtime(
            "tensorrt",
            ONNXRUNTIME,
            _tensorrt,
            extra="onnx",
            device="cuda",
            missing=_missing_tensorrt,
        ),
    )
}
"""By name."""


def is_for_cpu(export: Export) -> bool:
    """Tell whether an export is of a known runtime, and made for a CPU."""
    return export.runtime in RUNTIMES and RUNTIMES[export.runtime].device == CPU


def open_engine(export: Export, device: str = "auto", threads: int | None = None) -> GraphEngine:
    """Load an export's graph into its runtime.

    Args:
        export: which graph.
        device: ``auto``, ``cpu``, or another device of the runtime.
        threads: that compute one image; ``None`` for the runtime's choice, all cores.

    Raises:
        MissingExtraError: the runtime is not installed.
        BundleError: a file of the graph is missing, damaged or altered.
        ConfigError: the runtime is unknown, or does not have the device.
    """
    if export.runtime not in RUNTIMES:
        raise unknown_name("runtime", export.runtime, RUNTIMES)
    return RUNTIMES[export.runtime].engine(export, device, threads)


def find_export(model: Path, record: dict[str, Any], runtime: str) -> Export:
    """Find the export that a user asked for.

    Args:
        model: the model folder.
        record: its ``model.json``.
        runtime: ``onnx``, ``openvino`` or ``tensorrt``, for the most precise export of that runtime; or an export's
            name.

    Raises:
        ConfigError: there is none of that name; says what there is and what to type.
        MissingExtraError: there is none, and the runtime could not make or run one here.
        BundleError: a record is damaged or altered.
    """
    exports = find_exports(model, record)
    named = [export for export in exports if export.name == runtime]
    of_runtime = [export for export in exports if export.runtime == runtime]
    of_runtime.sort(key=lambda export: (export.fixed_size is not None, PRECISIONS.index(export.precision)))
    if found := [*named, *of_runtime]:
        return found[0]
    names = ", ".join(export.name for export in exports) or "none"
    kind = runtime.partition("-")[0]
    if kind in RUNTIMES and (reason := RUNTIMES[kind].missing()):
        raise MissingExtraError(reason)
    remedy = f"; type: twinspect export {model} --to {kind}" if kind in RUNTIMES else ""
    raise ConfigError(
        f"{model}: no export {runtime!r} of the weights and the region in {RECORD}; allowed are torch, auto, and of "
        f"exports: {names}{remedy}"
    )
