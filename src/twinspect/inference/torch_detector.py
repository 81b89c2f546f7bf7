"""Detectors whose networks run under torch: they score by them, and are saved and loaded with them."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.folder import (
    RECORD,
    WEIGHTS,
    model_key,
    read_images,
    read_model_record,
    read_weights,
    write_bundle,
)
from twinspect.bundle.learnt_images import LearntImages
from twinspect.bundle.weights import deserialize_weights, serialize_weights
from twinspect.errors import BundleError, MissingExtraError, TwinspectError, in_one_line
from twinspect.inference.base_detector import BaseDetector
from twinspect.inference.runtimes import open_engine
from twinspect.inference.torch_engine import TorchEngine
from twinspect.model.folding import weights_version
from twinspect.model.whole_image import Model
from twinspect.teachers.wording import summarize_error
from twinspect.utils.distributed import SINGLE_PROCESS
from twinspect.utils.even_sampling import evenly_spaced

if TYPE_CHECKING:
    from typing_extensions import Self

    from twinspect.bundle.exports import Export
    from twinspect.inference.graph_engine import GraphEngine
    from twinspect.inference.pipeline import Engine
    from twinspect.model.base import ScoringModel
    from twinspect.model.folding import WeightsVersion
    from twinspect.regions.scope import Scope
    from twinspect.utils.distributed import ProcessGroup

MOST_LOSSES: Final = 500
"""Losses of a stage that a record keeps, evenly spaced."""


@dataclass(frozen=True)
class _Graph:
    """An export that scores, and the device and weights that it stands for."""

    export: Export
    threads: int | None
    engine: GraphEngine
    device: str
    version: WeightsVersion

    @property
    def made_for(self) -> tuple[str, WeightsVersion]:
        return self.device, self.version


class TorchDetector(BaseDetector):
    """A fitted detector under torch; a subclass says how it is fitted.

    Attributes:
        model_: the :class:`torch.nn.Module` that scores.
        record_sha256_: of ``model.json`` in the folder that it was loaded from; empty if it was not.
    """

    model_: ScoringModel
    record_sha256_: str = ""
    _processes: ProcessGroup = SINGLE_PROCESS
    _graph: _Graph | None = None

    @property
    def is_first(self) -> bool:
        """Whether this process should print and write, of those that fitted together."""
        return self._processes.is_first

    @abstractmethod
    def _settings_record(self) -> dict[str, Any]:
        """Return what :meth:`from_record` needs to build its networks, besides what every detector keeps."""

    @classmethod
    @abstractmethod
    def from_record(cls, record: dict[str, Any], *, device: str = "auto") -> Self:
        """Build what :meth:`to_record` described, without any weights."""

    def _model(self) -> ScoringModel:
        if not hasattr(self, "model_"):  # a joined detector has a model before its first calibration
            self._check_fitted()
        return self.model_

    def score_by(self, export: Export, threads: int | None = None) -> None:
        """Let an export of this detector score, on the CPU; until its weights or its device change.

        Args:
            export: of the same weights. If it cannot be opened, that is a warning, and torch scores.
            threads: that compute one image; ``None`` for the runtime's choice, all cores.
        """
        try:
            engine = open_engine(export, "cpu", threads)
        except TwinspectError as error:
            warnings.warn(f"{error}; scored by torch instead", stacklevel=2)
            return
        self._graph = _Graph(export, threads, engine, self.device, weights_version(self._model()))

    def __getstate__(self) -> dict[str, Any]:
        """Keep of an export that scores which one it is; a runtime's own objects cannot be copied."""
        graph = self._graph if self.export_name else None
        return {**self.__dict__, "_graph": graph and (graph.export, graph.threads)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        graph = state.pop("_graph", None)
        self.__dict__.update(state)
        if graph:
            self.score_by(*graph)

    @property
    def export_name(self) -> str:
        """The name of the export that scores; empty for the networks as they were trained."""
        graph = self._graph
        if graph is None or graph.made_for != (self.device, weights_version(self._model())):
            return ""
        return graph.export.name

    def _check_scope(self, scope: Scope | None) -> None:
        if scope is not None:
            self._model().check_region(blank=scope.blank)
        if (scope and scope.digest) != (self.scope_ and self.scope_.digest):
            self._graph = None  # an export looks where it did when it was made

    def _engine(self) -> Engine:
        if self._graph is not None and self.export_name:
            return self._graph.engine
        return TorchEngine(self._model(), self.device)

    def save(self, path: str | Path) -> None:
        """Write the detector to a folder: ``weights.safetensors`` and ``model.json``.

        Of several processes that fitted it together the first writes, and the others wait for it.

        Raises:
            BundleError: the place is taken by something else, or cannot be written; nothing is lost.
        """
        record = self.to_record()
        with self._processes.propagate_errors():
            if self.is_first:
                weights = serialize_weights(self._model().state_dict())
                learnt = self.learnt_.to_bytes() if self.learnt_ else None
                write_bundle(Path(path), record, weights, self.images_, learnt)

    def push(self, to: str, *, private: bool = True) -> str:
        """Upload the detector to the Hugging Face hub, with a card that describes it.

        The good images that it keeps go along (``keep_images`` of :class:`Detector`). Exports do not: ``twinspect
        push`` uploads a model folder with them.

        Args:
            to: ``hf://owner/name``; made if it is not there.
            private: of a repository that is made: whether only its owner sees it.

        Returns:
            The page of the model.

        Raises:
            ConfigError: no such address.
            BundleError: the hub cannot be reached, or refuses it.
        """
        from twinspect.inference.model_hub import HubAddress, push_folder  # noqa: PLC0415 - rarely needed

        HubAddress.parse(to)
        with TemporaryDirectory() as folder:
            path = Path(folder, "model.twin")
            self.save(path)
            return push_folder(path, to, private=private)

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values: all that is kept besides weights.

        Raises:
            NotFittedError: before :meth:`Detector.fit`.
        """
        self._model()
        return {
            "method": self.method_name,
            **self._settings_record(),
            **self._calibration_record(),
            "data": self.data_,
            "losses": {stage: evenly_spaced(values, MOST_LOSSES) for stage, values in self.losses_.items()},
            "curves": self.curves_,
            **({"fitted_at": self.fitted_at_} if self.fitted_at_ else {}),
            **({"detectability": self.detectability_.to_record()} if self.detectability_ else {}),
            **({"lineage": dict(self.lineage_)} if self.lineage_ else {}),
        }

    @classmethod
    def from_bundle(cls, path: str | Path, *, device: str = "auto") -> Self:
        """Load a detector from its folder; nothing else is needed, and no code in it is run.

        Raises:
            BundleError: a missing, damaged, altered or unknown file, by name.
        """
        folder = Path(path)
        record = read_model_record(folder)
        weights = read_weights(folder, record)
        detector = cls._built(folder, record, device)
        try:
            detector.model_.load_state_dict(deserialize_weights(weights, folder / WEIGHTS))
            for module in detector.model_.modules():
                if isinstance(module, Model):
                    module.check_gathered()
        except RuntimeError as error:
            raise BundleError(
                f"{folder / WEIGHTS} does not fit {RECORD}; if an earlier twinspect wrote them, "
                f"fit the model again: {in_one_line(error)}"
            ) from error
        detector.images_ = read_images(folder, record)
        detector.learnt_ = LearntImages.read(folder, record)
        detector.record_sha256_ = model_key(folder, "")
        return detector

    @classmethod
    def _built(cls, folder: Path, record: dict[str, Any], device: str) -> Self:
        """Build what a record describes; whatever fails at that is the record's fault, for it was edited."""
        try:
            return cls.from_record(record, device=device)
        except MissingExtraError:
            raise
        except Exception as error:
            raise BundleError(
                f"{folder / RECORD} describes networks that cannot be built: {summarize_error(error)}; "
                "copy the model again"
            ) from error


def to_json_value(value: Any) -> Any:
    """Turn a parameter into a JSON value; only paths and sequences need it."""
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
