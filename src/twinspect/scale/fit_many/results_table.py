"""``models.csv``: one row for each model, with its state."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.folder import read_model_record
from twinspect.calibration.conformal import Calibration
from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from twinspect.benchmark.store import RunStore
    from twinspect.scale.fit_many.plan import FitJob

FILE: Final = "models.csv"
COLUMNS: Final = (
    *("name", "model", "state", "method", "images", "threshold"),
    *("false_alarm_rate", "image_auroc", "seconds", "error"),
)


def write_models(store: RunStore, jobs: Sequence[FitJob]) -> Path:
    """Write the table of all models of a plan, in its order, beside the store.

    ``images`` counts the training images; ``image_auroc`` is the mean over the categories of the test images, if any;
    ``seconds`` is the wall clock of the fit, empty if it was resumed from a checkpoint.

    Raises:
        OSError: the disk is full.
    """
    rows = {row["key"]: row for row in store.rows(job.run.key for job in jobs)}
    aurocs = store.means("image_auroc")
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for job in jobs:
        writer.writerow(_row(job, rows[job.run.key]) | {"image_auroc": aurocs.get(job.run.key)})
    path = store.folder / FILE
    write_atomically(path, text.getvalue().encode(errors="backslashreplace"))
    return path


def _row(job: FitJob, row: sqlite3.Row) -> dict[str, Any]:
    values = {"name": job.name, "state": row["state"], "method": row["method"], "error": row["error"]}
    if row["state"] != "done":
        return values
    calibration = Calibration.from_record(read_model_record(job.model)["calibration"])
    return {
        **values,
        "model": job.model.name,
        "images": row["train"],
        "threshold": calibration.threshold,
        "false_alarm_rate": calibration.false_alarm_rate,
        "seconds": row["fit_seconds"],
    }
