"""The report: one page that holds everything, opens anywhere and loads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect._version import __version__
from twinspect.report import charts
from twinspect.report.defect_type_section import defect_type_section, object_section
from twinspect.report.detectability_section import detectability_section
from twinspect.report.false_alarm_section import false_alarm_section
from twinspect.report.formatting import detections, false_alarms
from twinspect.report.image_section import image_groups
from twinspect.report.metric_sections import curve_section, defect_table, metric_section, score_chart
from twinspect.report.region_section import region_section
from twinspect.report.rendering import Table, render_template
from twinspect.report.shift_section import shift_section
from twinspect.report.training_section import TrainingHistory, training_charts
from twinspect.report.tsne_section import patch_charts

if TYPE_CHECKING:
    from twinspect.calibration.conformal import Calibration
    from twinspect.calibration.detectability import Detectability
    from twinspect.evaluation.evaluation import Evaluation
    from twinspect.evaluation.patch_features import Patches
    from twinspect.report.gallery import Gallery


@dataclass(frozen=True)
class Report:
    """What a page shows.

    Attributes:
        model: what was evaluated, as in ``metrics.json``.
        data: the name of the test set.
        calibration: what the threshold promises, and the scores it was computed from.
        evaluation: the metrics and every image's score.
        gallery: the images to show.
        history: losses and curves of the training.
        bits: significant bits of 16-bit image files, to read those images again.
        patches: features to lay out on a plane; ``None`` if not asked for.
        detectability: which synthetic defects the model finds; ``None`` where that was not measured.
        made: when and by what the images were scored, in words.
        good: the good images that regions were compared with, as PNG files.
    """

    model: dict[str, Any]
    data: str
    calibration: Calibration
    evaluation: Evaluation
    gallery: Gallery
    history: TrainingHistory
    bits: int | None = None
    patches: Patches | None = None
    detectability: Detectability | None = None
    made: str = ""
    good: tuple[bytes, ...] = ()


def render_report(report: Report) -> str:
    """Build the page: HTML with its style, charts and images inside; the same bytes for the same report.

    Raises:
        ImageError: an image to show cannot be read again.
    """
    evaluation, calibration = report.evaluation, report.calibration
    return render_template(
        "report/templates/report.html",
        report=report,
        name=Path(report.model["path"]).name,
        evaluation=evaluation,
        calibration=calibration,
        alarms=false_alarms(evaluation.rows),
        hits=detections(evaluation.rows),
        unreadable=[(row.sample.name, row.error) for row in evaluation.rows if row.error],
        not_inspectable=[
            (row.sample.name, row.sample.label, row.not_inspectable)
            for row in evaluation.rows
            if row.not_inspectable
        ],
        noticed=[(row.sample.name, row.sample.label, row.notice) for row in evaluation.rows if row.notice],
        promise=false_alarm_section(calibration, evaluation),
        would_find=detectability_section(report.detectability, calibration),
        regions=region_section(evaluation.regions),
        shifts=shift_section(evaluation.shifts),
        metrics=metric_section(evaluation),
        score_chart=score_chart(calibration, evaluation),
        curves=curve_section(evaluation),
        defects=defect_table(evaluation),
        defect_types=defect_type_section(evaluation.defect_types),
        objects=object_section(evaluation.objects, evaluation.object_errors),
        map_legend=charts.colour_scale(calibration.map_range),
        image_groups=image_groups(report.gallery, calibration.map_range, report.good, report.bits),
        training_charts=training_charts(report.history),
        patch_charts=patch_charts(report.patches) if report.patches else {},
        origin=_origin_table(report),
    )


def _origin_table(report: Report) -> Table:
    """List what is needed to repeat the evaluation."""
    model = report.model
    facts = {
        "Model": model["path"],
        **_facts(model),
        "Test data": report.data,
        "Pixels compared at": report.evaluation.resolution,
        "twinspect": __version__,
        **_settings(model),
    }
    for number, member in enumerate(model.get("members", ()), start=1):
        for name, value in {**_facts(member), **_settings(member)}.items():
            facts[f"Member {number}: {name}"] = value
    rows = [(name, str(value)) for name, value in facts.items() if value is not None]
    return Table("Model, data and settings", ("What", "Value"), rows, wrapped=True)


def _facts(model: dict[str, Any]) -> dict[str, Any]:
    return {
        "Method": model["method"],
        "Teacher": model["teacher"]["name"],
        "Teacher weights, sha256": model["teacher"]["sha256"],
        "Seed": model["seed"],
        "Training data, fingerprint": model["data"]["fingerprint"],
    }


def _settings(model: dict[str, Any]) -> dict[str, Any]:
    return {f"Setting: {name}": value for name, value in model["config"].items()}
