"""One version of a served model: what is loaded of its folder, and what tells it from others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.calibration_history import ROI
from twinspect.bundle.exports import EXPORT, FOLDER
from twinspect.bundle.folder import RECORD, read_model_record
from twinspect.errors import ConfigError
from twinspect.loading import AUTO, choose_runtime, load

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.inference.base_detector import BaseDetector

_FULL_PRECISION: Final = "fp32"
"""Exports of this precision score as the trained networks do; others count as models of their own."""
FolderState = tuple[tuple[str, int, int], ...]
"""Name, modification time and size of a model folder's records: tells its versions apart without reading them."""


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model in memory.

    Attributes:
        detector: computes raw scores; used in the queue's thread only.
        weights_sha256: of the weights that score.
        folder_state: of the folder when it was read.
        loaded_at: when that was, UTC.
    """

    detector: BaseDetector
    weights_sha256: str
    folder_state: FolderState
    loaded_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    @property
    def runtime(self) -> str:
        """``torch``, or the name of the export that scores."""
        return self.detector.export_name or "torch"


def load_version(folder: Path, runtime: str, device: str, threads: int | None = None) -> ModelVersion:
    """Load a model as its folder is now.

    Raises:
        BundleError: a file is missing, damaged, altered or unknown.
        ConfigError: the runtime does not exist, or the folder changed meanwhile.
    """
    before = folder_state(folder)
    record = read_model_record(folder)
    chosen = choose_runtime(folder, device) if runtime == AUTO else runtime
    detector = load(folder, device=device, runtime=chosen, threads=threads).set_params(workers=0)
    if folder_state(folder) != before:
        raise ConfigError(f"{folder} changed while it was read; it will be read again")
    return ModelVersion(detector, _identity_sha256(record, detector.export_name), before)


def folder_state(folder: Path) -> FolderState:
    """Return what tells versions of a model folder apart; empty if there is no folder."""
    state = []
    for path in (folder / RECORD, *sorted((folder / FOLDER).glob(f"*/{EXPORT}"))):
        try:
            stat = path.stat()
        except OSError:
            continue
        state.append((path.relative_to(folder).as_posix(), stat.st_mtime_ns, stat.st_size))
    return tuple(state)


def _identity_sha256(record: dict[str, Any], export: str) -> str:
    """Return the weights' digest.

    An export of reduced precision counts as another model and has another digest, and so has a model that looks at
    another region: their scores are not comparable.
    """
    weights: str = record["weights"]["sha256"]
    reduced = "" if not export or _FULL_PRECISION in export else f" {export}"
    region = f" {record[ROI]['sha256']}" if ROI in record else ""
    if not (reduced or region):
        return weights
    return hashlib.sha256(f"{weights}{reduced}{region}".encode()).hexdigest()
