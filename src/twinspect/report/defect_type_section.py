"""Saturated PRO by kind of anomaly, where the test set has rules for it, and the AUROC of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twinspect.evaluation.by_defect_type import DEFECT_TYPE_METRICS
from twinspect.evaluation.by_object import OBJECT_AUROC
from twinspect.evaluation.metric_row import mean_row
from twinspect.metrics import FURTHER_DEFINITIONS
from twinspect.metrics.definitions import TITLES
from twinspect.report.formatting import decimal
from twinspect.report.rendering import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twinspect.evaluation.by_defect_type import DefectTypeTable
    from twinspect.evaluation.by_object import ObjectErrors
    from twinspect.evaluation.metric_row import MetricRow


def defect_type_section(metrics: DefectTypeTable) -> dict[str, Any] | None:
    """Compute what ``defect_types.html`` shows: nothing without rules."""
    if not metrics.rows:
        return None
    keys = ("auspro", *DEFECT_TYPE_METRICS)
    return {
        "table": _defect_type_table(metrics),
        "error_bounds": metrics.category_error_bounds,
        "definitions": {TITLES.get(key, "AUsPRO"): FURTHER_DEFINITIONS[key] for key in keys},
    }


def _defect_type_table(metrics: DefectTypeTable) -> Table:
    """Tabulate each kind of each category, its mean over the categories and theirs."""
    rows = [
        (category, label, row) for category, kinds in metrics.rows.items() for label, row in kinds.items()
    ]
    if len(metrics.rows) > 1:
        rows += [("mean", label, row) for label, row in metrics.by_label.items()]
    rows.append(("mean", "all kinds", metrics.mean))
    return Table(
        "Saturated PRO and image AUROC of each kind of anomaly against the good images",
        ("Category", "Kind", *[TITLES[key] for key in DEFECT_TYPE_METRICS]),
        [
            (category or "all images", label, *[decimal(row[key]) for key in DEFECT_TYPE_METRICS])
            for category, label, row in rows
        ],
    )


def object_section(
    metrics: dict[str, MetricRow], errors: Mapping[str, ObjectErrors]
) -> dict[str, Any] | None:
    """Compute what ``objects.html`` shows: nothing where no image says which object it shows."""
    if not metrics:
        return None
    rows = [(name or "all images", row) for name, row in metrics.items()]
    if len(rows) > 1:
        rows.append(("mean", mean_row(list(metrics.values()))))
    counts = {name or "all images": _error_counts(of_category) for name, of_category in errors.items()}
    cells = [(name, decimal(row[OBJECT_AUROC]), *counts.get(name, ("",) * 3)) for name, row in rows]
    columns = ("Category", TITLES[OBJECT_AUROC], "False alarms", "Misses", "Not inspectable")
    return {
        "table": Table("Objects, each by its highest image", columns, cells),
        "definition": FURTHER_DEFINITIONS[OBJECT_AUROC],
    }


def _error_counts(errors: ObjectErrors) -> tuple[str, str, str]:
    return (
        f"{errors.false_alarms} of {errors.good}",
        f"{errors.misses} of {errors.anomalous}",
        str(errors.not_inspectable),
    )
