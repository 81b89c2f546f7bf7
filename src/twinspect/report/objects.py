"""Objects seen in several images, on the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.evaluation.by_object import OBJECT_AUROC
from twinspect.evaluation.metric_row import mean_line
from twinspect.metrics import FURTHER_DEFINITIONS
from twinspect.report.formatting import decimal
from twinspect.report.markup import NOTHING, Html, element, section, table
from twinspect.report.metric_sections import TITLES

if TYPE_CHECKING:
    from twinspect.evaluation.metric_row import Line


def objects(found: dict[str, Line]) -> Html:
    """Tabulate the AUROC of objects by category; nothing where no image says which object it shows."""
    if not found:
        return NOTHING
    lines = [(name or "all images", line) for name, line in found.items()]
    if len(lines) > 1:
        lines.append(("mean", mean_line(list(found.values()))))
    rows = [(name, decimal(line[OBJECT_AUROC])) for name, line in lines]
    grid = table(("Category", TITLES[OBJECT_AUROC]), rows, "Objects, each by its highest image")
    return section("Objects", grid, element("p", FURTHER_DEFINITIONS[OBJECT_AUROC], class_="note"))
