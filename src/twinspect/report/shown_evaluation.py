"""An evaluation that shows itself: in notebooks as a table with the worst images, and as the whole report."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.data import open_data
from twinspect.drawing.panels import LARGEST_THUMBNAIL
from twinspect.evaluation.evaluation import Evaluation
from twinspect.evaluation.evaluation import evaluate as compute
from twinspect.metrics import DEFINITIONS
from twinspect.metrics.definitions import TITLES
from twinspect.report.gallery import Gallery
from twinspect.report.image_section import image_groups
from twinspect.report.machine import describe_scoring
from twinspect.report.metric_sections import metric_section
from twinspect.report.page import Report, render_report
from twinspect.report.rendering import render_template
from twinspect.report.training_section import TrainingHistory
from twinspect.utils.desktop import open_in_browser
from twinspect.utils.notebooks import display_html, framed, in_notebook
from twinspect.utils.progress import AUTO, watched

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.data import DataSource
    from twinspect.evaluation.evaluation import Watch
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.results import ImageScore
    from twinspect.utils.progress import ProgressChoice

PAGE: Final = "report.html"
SHOWN: Final = 6
"""Images that a notebook shows: misses first, then false alarms, then what came nearest to one."""


@dataclass(repr=False)
class EvaluationReport(Evaluation):
    """The results of an evaluation, with its report.

    Attributes:
        report: what the page shows.
        path: the page, once it is written.
    """

    report: Report = field(kw_only=True)
    path: Path | None = field(default=None, kw_only=True)

    def __repr__(self) -> str:
        metrics = ", ".join(f"{key} {value:.4g}" for key, value in self.pooled.items() if value is not None)
        return f"Evaluation of {len(self.rows)} images: {metrics}"

    def _repr_html_(self) -> str:
        """Show metrics and the worst images in a notebook."""
        report = self.report
        groups = image_groups(report.gallery, report.calibration.map_range, (), report.bits)
        images = [(group.title, image) for group in groups for image in group.images]
        return render_template(
            "report/templates/notebook.html",
            data=report.data,
            count=len(self.rows),
            table=metric_section(self)["table"],
            meanings={TITLES.get(key, key): text for key, text in DEFINITIONS.items()},
            images=images[:SHOWN],
            calibration=report.calibration,
            largest=LARGEST_THUMBNAIL,
        )

    def to_html(self) -> str:
        """Build the whole report, one page that loads nothing.

        Raises:
            ImageError: an image to show cannot be read again.
        """
        return render_report(self.report)

    def show(self) -> Path | None:
        """Show the whole report: below the cell of a notebook, or else in a browser where there is a desktop.

        Without one its place is printed. The page is written once.

        Returns:
            The page's file; ``None`` in a notebook.

        Raises:
            ImageError: an image to show cannot be read again.
        """
        if in_notebook():
            display_html(framed(self.to_html()))
            return None
        if self.path is None or not self.path.exists():
            self.path = Path(tempfile.mkdtemp(prefix="twinspect-")) / PAGE
            self.path.write_bytes(as_bytes(self.to_html()))
        if not open_in_browser(self.path):
            print(self.path)  # noqa: T201 - a script has no other sign of it
        return self.path


def evaluate(
    detector: BaseDetector,
    data: DataSource,
    *,
    watch: Watch | None = None,
    shifts: bool = False,
    held_out: bool = False,
    progress: ProgressChoice = AUTO,
) -> EvaluationReport:
    """Score the test split of a data set and compute every metric; the result shows itself in notebooks.

    Maps and masks are compared at each image's own size, so no mask is resampled and no small defect vanishes. Good
    images that the detector was learnt from or calibrated on are left out, whatever their names are now.

    Args:
        detector: a fitted detector.
        data: a data set with a ``test`` split.
        watch: called with every scored image and its mask, for instance to draw a bar or keep the worst.
        shifts: whether to score all images once more under each change of :mod:`twinspect.evaluation.shifts`, which
            takes twelve times as long again.
        held_out: whether good images that the threshold was set with, and that nothing was learnt from, are tested
            too; how many of them are false alarms says nothing of others.
        progress: who is told how far it is, see :data:`.ProgressChoice`: a notebook shows a bar.

    Returns:
        The metrics and every image's score; ``show()`` opens the report.

    Raises:
        DataError: there is no test split, nothing new in it, or a mask does not fit its image.
    """
    test, gallery = open_data(data, split="test"), Gallery()

    def keep(row: ImageScore, mask: NDArray[Any] | None) -> None:
        gallery.add(row, mask)
        if watch:
            watch(row, mask)
        if told:
            if next(scored) == 0:
                told.start("evaluate", len(test.split("test")), 0)
            told.advance()

    with watched(progress) as told:
        scored = count()
        evaluation = compute(detector, test, watch=keep, shifts=shifts, held_out=held_out)
    return EvaluationReport(**vars(evaluation), report=_report(detector, test.name, evaluation, gallery))


def _report(detector: BaseDetector, data: str, evaluation: Evaluation, gallery: Gallery) -> Report:
    model = {
        "path": detector.method_name,
        "method": detector.method_name,
        **detector.about(),
        "data": detector.data_,
    }
    return Report(
        model,
        data,
        detector.calibration_,
        evaluation,
        gallery,
        TrainingHistory(detector.losses_, detector.curves_),
        bits=detector.bits,
        detectability=detector.detectability_,
        made=describe_scoring(detector.export_name or "torch"),
        good=detector.images_,
    )


def as_bytes(page: str) -> bytes:
    """Encode a page; not every file name in it is Unicode."""
    return page.encode(errors="backslashreplace")
