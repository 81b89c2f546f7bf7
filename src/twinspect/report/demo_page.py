"""The page of the demo: each product's images at full size, with heat map, regions, ground truth and verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from twinspect.data.pixels import read_pixels, read_truth
from twinspect.drawing.heatmaps import draw_boxes, draw_ground_truth, overlay
from twinspect.drawing.panels import Panel
from twinspect.regions.finding import RegionRules
from twinspect.report import charts
from twinspect.report.formatting import Rate, decimal, detections, false_alarms
from twinspect.report.image_section import verdict_of
from twinspect.report.rendering import Table, render_template

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration
    from twinspect.data.samples import DataSet, Sample
    from twinspect.evaluation.evaluation import Evaluation
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.results import ImageScore

LARGEST_PICTURE: Final = 200_000
"""Bytes a picture may have: 45 pictures stay below 12 MB of page, as they are at full size."""
SHOWN_GOOD: Final = 1
"""Good images that are shown, besides one of each defect."""


class DemoImage(NamedTuple):
    """An image of the page.

    Attributes:
        row: its score and decision.
        panels: the image, its heat map with the regions found, and the ground truth.
        verdict: a class of the page's style, and words.
    """

    row: ImageScore
    panels: list[Panel]
    verdict: tuple[str, str]


@dataclass(frozen=True)
class DemoProduct:
    """A product of the page.

    Attributes:
        name: of the product.
        what: it is, in words.
        model: the folder of its model, as it is typed.
        report: where its report is, from the page.
        calibration: its threshold.
        metrics: of its test images.
        found: defective test images that were flagged.
        alarms: good test images that were.
        images: those that are shown.
        legend: the scale of colours, as SVG.
    """

    name: str
    what: str
    model: str
    report: str
    calibration: Calibration
    metrics: dict[str, Any]
    found: Rate
    alarms: Rate
    images: list[DemoImage]
    legend: str

    def in_words(self) -> str:
        """Say how many defects were found, and how many good images were flagged."""
        return (
            f"{self.found.flagged} of {self.found.images} defects found, "
            f"{self.alarms.flagged} of {self.alarms.images} good images flagged"
        )


def demo_product(
    detector: BaseDetector, data: DataSet, evaluation: Evaluation, *, what: str, model: str, report: str
) -> DemoProduct:
    """Draw a product's images: one of each defect, and of the good ones those with the highest scores.

    Args:
        detector: fitted.
        data: what it was tested on.
        evaluation: of that.
        what: the product is, in words.
        model: where the detector was saved.
        report: where the evaluation's report is, from the page.

    Raises:
        ImageError: an image to show cannot be read again.
    """
    map_range = detector.calibration_.map_range
    shown = data.with_samples(_choose(evaluation.rows))
    rows = detector.stream(shown, regions=RegionRules.of())
    return DemoProduct(
        data.name,
        what,
        model,
        report,
        detector.calibration_,
        evaluation.pooled,
        detections(evaluation.rows),
        false_alarms(evaluation.rows),
        [DemoImage(row, list(_panels(row, map_range)), verdict_of(row)) for row in rows],
        charts.colour_scale(map_range),
    )


def render_demo(products: Sequence[DemoProduct], seconds: float) -> str:
    """Build the page: HTML that holds everything and loads nothing.

    Args:
        products: in the order of the page.
        seconds: what the demo took so far.
    """
    return render_template(
        "report/templates/demo.html",
        products=products,
        seconds=seconds,
        overview=_overview(products),
        largest=LARGEST_PICTURE,
    )


def _overview(products: Sequence[DemoProduct]) -> Table:
    rows = [
        (
            product.name,
            decimal(product.metrics["image_auroc"]),
            f"{product.found.flagged} of {product.found.images}",
            f"{product.alarms.flagged} of {product.alarms.images}",
        )
        for product in products
    ]
    return Table("The test", ("Product", "Image AUROC", "Defects found", "False alarms"), rows)


def _choose(rows: Sequence[ImageScore]) -> list[Sample]:
    """Choose the test image of each defect with the median score, and the good ones nearest to a false alarm."""
    by_label: dict[str, list[ImageScore]] = {}
    for row in sorted(rows, key=lambda row: row.score):
        by_label.setdefault(row.sample.label, []).append(row)
    good = [row for row in rows if row.sample.is_good]
    defects = [found[len(found) // 2] for _, found in sorted(by_label.items()) if not found[0].sample.is_good]
    return [row.sample for row in (*defects, *sorted(good, key=lambda row: -row.score)[:SHOWN_GOOD])]


def _panels(row: ImageScore, map_range: tuple[float, float]) -> Iterator[Panel]:
    rgb: NDArray[Any] = read_pixels(row.sample)
    yield Panel("image", rgb)
    if row.map is not None:
        boxes = [region.box for region in row.regions or ()]
        yield Panel("heat map and regions", draw_boxes(overlay(rgb, row.map, map_range), boxes))
    yield Panel("ground truth", draw_ground_truth(rgb, read_truth(row.sample, (rgb.shape[0], rgb.shape[1]))))
