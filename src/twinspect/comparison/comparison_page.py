"""The page of a comparison: the table, and heat maps of the same images side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from twinspect.comparison.comparison import COLUMNS, rows_of, sentences
from twinspect.data.pixels import read_truth
from twinspect.report.gallery import LowestRanked
from twinspect.report.rendering import Table, render_template

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.comparison.comparison import Comparison
    from twinspect.comparison.measure import Workshop
    from twinspect.data.samples import Sample
    from twinspect.drawing.panels import Panel
    from twinspect.inference.torch_detector import TorchDetector
    from twinspect.report.gallery import KeptImage

SHOWN: Final = 6
"""Images that are shown."""
SHOWN_GOOD: Final = 2
"""How many of them are good."""
SHOWN_SIZE: Final = 0.06
"""Size of the synthetic defects that are shown, as a share of the image's side."""


class ShownImage(NamedTuple):
    """An image, with what each candidate makes of it.

    Attributes:
        name: of the image.
        label: ``good``, or the kind of defect.
        panels: the image, its ground truth if there is one, and a heat map of each candidate.
    """

    name: str
    label: str
    panels: list[Panel]


def render_comparison(comparison: Comparison, workshop: Workshop) -> str:
    """Build the page: HTML that holds everything and loads nothing.

    Raises:
        ImageError: an image to show cannot be read again.
    """
    return render_template(
        "comparison/page.html",
        comparison=comparison,
        table_of_candidates=Table("Candidates, the best first", COLUMNS, rows_of(comparison)),
        sentences=sentences(comparison),
        images=_shown_images(comparison, workshop),
    )


def _shown_images(comparison: Comparison, workshop: Workshop) -> list[ShownImage]:
    """Draw the heat maps of all candidates on the images that they disagree on most."""
    samples: list[Sample] = []
    panels: list[list[Panel]] = []
    for compared in comparison.ranked:
        detector = workshop.load(compared.candidate)
        samples = samples or _choose(comparison, workshop, detector)
        map_range, text = detector.calibration_.map_range, compared.candidate.text
        drawn = [image.panels(map_range, detector.bits) for image in _kept(detector, samples)]
        if not panels:
            panels = [[own[0], *own[2:]] for own in drawn]
        for row, own in zip(panels, drawn, strict=True):
            row.append(replace(own[1], title=text))
    return [ShownImage(s.name, s.label, row) for s, row in zip(samples, panels, strict=True)]


def _kept(detector: TorchDetector, samples: Sequence[Sample]) -> list[KeptImage]:
    """Score images and keep their maps at the size they are shown."""
    order = {sample.name: number for number, sample in enumerate(samples)}
    kept = LowestRanked(len(samples), lambda row: order[row.sample.name])
    for row in detector.raw_scores(samples, maps=True):
        if row.map is not None:
            kept.add(row, _mask(row.sample, row.map.shape))
    return kept.images


def _mask(sample: Sample, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    return read_truth(sample, (shape[0], shape[1])) if sample.masks else None


def _choose(comparison: Comparison, workshop: Workshop, detector: TorchDetector) -> list[Sample]:
    """Choose the images on which the candidates' ranks differ most; synthetic defects where there are no labels."""
    if comparison.basis == "drawn":
        drawn = [samples[0] for size, samples in workshop.images.drawn(detector) if size == SHOWN_SIZE]
        return drawn[:SHOWN]
    by_name = {sample.name: sample for sample in workshop.images.labelled}
    spread = comparison.evidence.disagreement()
    known = [name for name in sorted(spread, key=lambda name: -spread[name]) if name in by_name]
    defective = [by_name[name] for name in known if not by_name[name].is_good][: SHOWN - SHOWN_GOOD]
    return defective + [by_name[name] for name in known if by_name[name].is_good][:SHOWN_GOOD]
