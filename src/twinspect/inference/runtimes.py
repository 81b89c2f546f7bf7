"""The runtimes that score exported graphs: one row each, and from what a user typed to an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.export_cache import find_exports
from twinspect.bundle.exports import PRECISIONS
from twinspect.bundle.folder import RECORD
from twinspect.errors import ConfigError, is_installed, unknown_name
from twinspect.inference.onnx_engine import OnnxEngine
from twinspect.inference.openvino_engine import OpenVINOEngine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twinspect.bundle.exports import Export
    from twinspect.inference.graph_engine import GraphEngine


@dataclass(frozen=True)
class Runtime:
    """What can run a graph.

    Attributes:
        name: what to type; also the extra that installs it, and the beginning of its exports' names.
        package: what must be installed.
        engine: opens an export, given a device and a number of threads. Its module must import without ``package``,
            and without torch.
    """

    name: str
    package: str
    engine: Callable[[Export, str, int | None], GraphEngine]

    @property
    def is_installed(self) -> bool:
        """Whether its package is."""
        return is_installed(self.package)


RUNTIMES: Final = {
    runtime.name: runtime
    for runtime in (
        Runtime("onnx", "onnxruntime", OnnxEngine),
        Runtime("openvino", "openvino", OpenVINOEngine),
    )
}
"""By name."""


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
        runtime: ``onnx`` or ``openvino``, for the most precise export of that runtime; or an export's name.

    Raises:
        ConfigError: there is none of that name; says what there is and what to type.
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
    remedy = f"; type: twinspect export {model} --to {kind}" if kind in RUNTIMES else ""
    raise ConfigError(
        f"{model}: no export {runtime!r} of the weights and the region in {RECORD}; allowed are torch, auto, and of "
        f"exports: {names}{remedy}"
    )
