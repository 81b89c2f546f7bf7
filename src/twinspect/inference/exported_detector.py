"""A detector whose networks are an exported graph: the scores and decisions of the trained one, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.bundle.description import describe_model
from twinspect.bundle.folder import read_images, read_model_record
from twinspect.bundle.learnt_images import LearntImages
from twinspect.errors import ConfigError
from twinspect.inference.base_detector import BaseDetector
from twinspect.inference.runtimes import find_export, open_engine

if TYPE_CHECKING:
    from typing_extensions import Self

    from twinspect.bundle.exports import Export
    from twinspect.inference.graph_engine import GraphEngine
    from twinspect.regions.scope import Scope


class ExportedDetector(BaseDetector):
    """A detector that scores by an exported graph; :func:`twinspect.load` makes one.

    Everything else, above all its calibration, comes from ``model.json``: a recalibrated model needs no new export.

    Args:
        record: ``model.json``.
        export: which graph.
        device: ``auto``, ``cpu``, or another device of the runtime.
        workers: threads that read images; ``None`` for the number of processors, at most 8.
        threads: that compute one image; ``None`` for the runtime's choice, all cores.

    Attributes:
        export: the graph that scores.
    """

    def __init__(
        self,
        record: dict[str, Any],
        export: Export,
        *,
        device: str = "auto",
        workers: int | None = None,
        threads: int | None = None,
    ) -> None:
        self.method = record["method"]
        self.bits = record["parameters"]["bits"]
        self.device = device
        self.workers = workers
        self.export = export
        self._record = record
        self._compute_threads = threads
        self._graph = open_engine(export, device, threads)
        self._restore_fitted_state(record)

    def __repr__(self) -> str:
        return f"<{self.method} by {self.export.name}>"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_graph"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the graph again: a runtime's own objects cannot be copied."""
        self.__dict__.update(state)
        self._graph = open_engine(self.export, self.device, self._compute_threads)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn's signature
        """Return what may be changed: how images are read."""
        return {"bits": self.bits, "workers": self.workers}

    @property
    def export_name(self) -> str:
        """The name of its export."""
        return self.export.name

    def about(self) -> dict[str, Any]:
        """Describe the model: teacher, settings, seed, and the graph that scores."""
        return {**describe_model(self._record), "export": self.export.name}

    def _check_scope(self, scope: Scope | None) -> None:
        if (scope.digest if scope else None) != (self.scope_.digest if self.scope_ else None):
            raise ConfigError(
                "an export looks where its model did when it was exported; calibrate the model under torch "
                "(--runtime torch), and export it again"
            )

    def _engine(self) -> GraphEngine:
        return self._graph

    @classmethod
    def from_bundle(
        cls, path: str | Path, runtime: str, *, device: str = "auto", threads: int | None = None
    ) -> Self:
        """Load a bundle's export.

        Args:
            path: the model folder.
            runtime: ``onnx``, ``openvino``, ``tensorrt``, or an export's name.
            device: as for the class.
            threads: as for the class.

        Raises:
            BundleError: a missing, damaged or altered file, by name.
            ConfigError: there is no such export.
            MissingExtraError: its runtime is not installed.
        """
        folder = Path(path)
        record = read_model_record(folder)
        export = find_export(folder, record, runtime)
        detector = cls(record, export, device=device, threads=threads)
        detector.images_ = read_images(folder, record)
        detector.learnt_ = LearntImages.read(folder, record)
        return detector
