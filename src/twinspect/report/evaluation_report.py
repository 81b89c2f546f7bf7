"""Evaluating a detector into a folder: ``metrics.json`` for machines and ``report.html`` for people."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from twinspect._version import __version__
from twinspect.bundle.folder import is_model
from twinspect.calibration.detectability import findings_record
from twinspect.data import open_data
from twinspect.errors import ConfigError, optional
from twinspect.evaluation.patch_features import require_single_teacher, sample_patches
from twinspect.report.shown_evaluation import PAGE, as_bytes, evaluate
from twinspect.report.tsne_section import EXTRA
from twinspect.utils.files import write_atomically
from twinspect.utils.json_values import without_nan
from twinspect.utils.progress import announce

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twinspect.calibration.conformal import Calibration
    from twinspect.data import DataSource
    from twinspect.evaluation.evaluation import Evaluation
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.report.shown_evaluation import EvaluationReport

FORMAT: Final = 1
"""Format number of ``metrics.json``."""
FILES: Final = ("metrics.json", PAGE, "scores.csv")
"""What an evaluation leaves in its folder; the first is written first and says so."""


def write_evaluation(
    detector: BaseDetector,
    data: DataSource,
    out: Path,
    *,
    model: str,
    tick: Callable[[], None] | None = None,
    features: bool = False,
    shifts: bool = False,
    held_out: bool = False,
) -> EvaluationReport:
    """Evaluate a detector and write ``metrics.json`` and ``report.html``.

    Args:
        detector: a fitted detector.
        data: a data set with a ``test`` split.
        out: the folder to write into; created if missing. Files of an earlier evaluation are replaced, each as a
            whole or not at all.
        model: where the detector comes from, for the record.
        tick: called once for every test image, for instance to advance a progress bar.
        features: whether the report lays out the features of patches on a plane; needs scikit-learn and takes a
            while.
        shifts: whether all images are scored again as lamps, cameras and parts change, see
            :func:`twinspect.evaluate`.
        held_out: as there.

    Returns:
        The metrics and every image's score.

    Raises:
        DataError: there is no test split, or a mask does not fit its image.
        ConfigError: ``out`` cannot be a folder, or holds files of these names that no evaluation has written; or
            features are asked of a detector that has no single teacher.
        OSError: the disk is full.
        MissingExtraError: features are asked for and scikit-learn is not installed.
    """
    make_folder(out)
    _refuse_foreign(out)
    shown = require_single_teacher(detector) if features else None  # say so before the work, not after it
    if shown:
        optional("sklearn", EXTRA)
    test = open_data(data, split="test")
    watch = (lambda *_: tick()) if tick else None
    evaluation = evaluate(detector, test, watch=watch, shifts=shifts, held_out=held_out, progress=None)
    if tick:
        for _ in evaluation.overlap.left_out:
            tick()
    announce("writing the report")
    described = {**evaluation.report.model, "path": model}
    record = metrics_record(described, detector.calibration_, test.name, evaluation)
    if detector.detectability_:
        record["would_find"] = findings_record(detector.detectability_, detector.calibration_)
    write_atomically(out / "metrics.json", (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    patches = sample_patches(shown, test) if shown else None
    evaluation.report = replace(evaluation.report, model=described, patches=patches)
    evaluation.path = out / PAGE
    write_atomically(evaluation.path, as_bytes(evaluation.to_html()))
    return evaluation


def metrics_record(
    model: dict[str, Any], calibration: Calibration, data: str, evaluation: Evaluation
) -> dict[str, Any]:
    """Build the content of ``metrics.json``: plain JSON values, ``None`` for undefined metrics.

    Args:
        model: which model was evaluated.
        calibration: what its threshold promises.
        data: the name of the test set.
        evaluation: the metrics and every image's score.
    """
    record: dict[str, Any] = without_nan(
        {
            "format": FORMAT,
            "twinspect": __version__,
            "model": model,
            "calibration": {
                "kind": calibration.kind,
                "false_alarm_rate": calibration.false_alarm_rate,
                "threshold": calibration.threshold,
                "n": len(calibration.part_scores),
            },
            "data": data,
            **evaluation.to_record(),
        }
    )
    return record


def make_folder(out: Path) -> None:
    """Create the folder of an evaluation unless it is there.

    Raises:
        ConfigError: it cannot be created, or is a model.
    """
    if is_model(out):
        raise ConfigError(f"{out} is a model; a report needs a folder of its own: choose another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{out} cannot be created as a folder ({error.strerror}); choose another --out"
        ) from error


def _refuse_foreign(out: Path) -> None:
    """Refuse to replace files that no evaluation has written."""
    taken = [name for name in FILES if (out / name).exists()]
    if taken and not _is_ours(out / FILES[0]):
        raise ConfigError(
            f"{out} holds {' and '.join(taken)}, which no evaluation has written; choose another --out, or move "
            f"{'it' if len(taken) == 1 else 'them'} away"
        )


def _is_ours(path: Path) -> bool:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and {"format", "twinspect"} <= record.keys()
