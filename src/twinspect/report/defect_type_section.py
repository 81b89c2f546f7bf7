"""Saturated PRO on the report: by kind of anomaly, where the test set has rules for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twinspect.evaluation.by_defect_type import DEFECT_TYPE_METRICS
from twinspect.evaluation.by_object import OBJECT_AUROC
from twinspect.evaluation.metric_row import mean_row
from twinspect.metrics import FURTHER_DEFINITIONS
from twinspect.metrics.definitions import TITLES
from twinspect.report.formatting import decimal
from twinspect.report.markup import NOTHING, Html, element, section, table
from twinspect.report.metric_sections import bounds_words

if TYPE_CHECKING:
    from twinspect.evaluation.by_defect_type import DefectTypeTable
    from twinspect.evaluation.metric_row import MetricRow


def kinds(found: DefectTypeTable) -> Html:
    """Tabulate each kind of each category, its mean over the categories and theirs; nothing without rules."""
    if not found.rows:
        return NOTHING
    lines = [(category, label, line) for category, own in found.rows.items() for label, line in own.items()]
    if len(found.rows) > 1:
        lines += [("mean", label, line) for label, line in found.by_label.items()]
    lines.append(("mean", "all kinds", found.mean))
    rows = [(category or "all images", label, *_cells(line)) for category, label, line in lines]
    columns = ("Category", "Kind", *[TITLES[key] for key in DEFECT_TYPE_METRICS])
    grid = table(
        columns, rows, "Saturated PRO and image AUROC of each kind of anomaly against the good images"
    )
    return section("Kinds of anomaly", grid, _bounds(found.category_error_bounds), _definitions())


def _cells(line: MetricRow) -> list[str]:
    return [decimal(line[key]) for key in DEFECT_TYPE_METRICS]


def _bounds(bounds: dict[str, Any]) -> Html:
    if not bounds:
        return NOTHING
    words = f"Saturated PRO from binned scores, off by at most: {bounds_words(bounds)}."
    return element("p", words, class_="note")


def _definitions() -> Html:
    keys = ("auspro", *DEFECT_TYPE_METRICS)
    terms = [
        part
        for key in keys
        for part in (element("dt", TITLES.get(key, "AUsPRO")), element("dd", FURTHER_DEFINITIONS[key]))
    ]
    return element("details", element("summary", "What each number means"), element("dl", *terms))


def objects(found: dict[str, MetricRow]) -> Html:
    """Tabulate the AUROC of objects by category; nothing where no image says which object it shows."""
    if not found:
        return NOTHING
    lines = [(name or "all images", line) for name, line in found.items()]
    if len(lines) > 1:
        lines.append(("mean", mean_row(list(found.values()))))
    rows = [(name, decimal(line[OBJECT_AUROC])) for name, line in lines]
    grid = table(("Category", TITLES[OBJECT_AUROC]), rows, "Objects, each by its highest image")
    return section("Objects", grid, element("p", FURTHER_DEFINITIONS[OBJECT_AUROC], class_="note"))
