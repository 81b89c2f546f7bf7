"""What a notebook shows of scores: verdicts, the promise, and the worst images with their heat maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from twinspect.drawing.panels import LARGEST_THUMBNAIL, shrink_map
from twinspect.drawing.templates import render_fragment
from twinspect.errors import DataError
from twinspect.inference.result_panels import result_panels
from twinspect.inference.score_summary import count_verdicts, worst_first
from twinspect.inference.verdicts import explain_p_value, in_thresholds, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration
    from twinspect.inference.results import ImageScore
    from twinspect.inference.score_table import Row

SHOWN: Final = 12
"""Images with pictures."""
NAMED: Final = 20
"""Images that are named at most, of those on which nothing was decided."""
SIDE: Final = 160
"""Of a picture, in pixels."""


class Thumbnail(NamedTuple):
    """An image as it is shown.

    Attributes:
        name: of the image.
        verdict: in a word.
        kind: the same as a class of the style.
        score: as a multiple of its threshold.
        p_value: of the score.
        p_meaning: the same in words.
        notes: regions and other remarks, in words.
        pictures: what each shows, and its URL; none where it cannot be read again.
    """

    name: str
    verdict: str
    kind: str
    score: str
    p_value: float
    p_meaning: str
    notes: list[str]
    pictures: list[tuple[str, str]]


def scores_html(
    results: Sequence[ImageScore],
    maps: Sequence[NDArray[np.float32]] | NDArray[np.float32] | None,
    calibration: Calibration,
    rows: Sequence[Row],
    *,
    bits: int | None = None,
) -> str:
    """Build a fragment of HTML with pictures inside, which loads nothing and runs nothing.

    Args:
        results: all images.
        maps: theirs; ``None`` without any.
        calibration: that decided.
        rows: theirs in the score table; their regions in any form.
        bits: significant bits of 16-bit image files.
    """
    order = [index for index in worst_first(rows, calibration) if not results[index].error]
    undecided = [
        (result.sample.address, result.error or f"not inspectable: {result.not_inspectable}")
        for result in results
        if not result.is_inspectable
    ]
    return render_fragment(
        "inference/scores.html",
        counts=count_verdicts(rows),
        promise=calibration.promise(),
        images=[
            _thumbnail(results[index], None if maps is None else maps[index], calibration, bits)
            for index in order[:SHOWN]
        ],
        more=max(0, len(order) - SHOWN),
        undecided=undecided[:NAMED],
        more_undecided=max(0, len(undecided) - NAMED),
    )


def _thumbnail(
    result: ImageScore, values: NDArray[np.float32] | None, calibration: Calibration, bits: int | None
) -> Thumbnail:
    own = calibration.of(result.sample.category)
    word = verdict(result.is_anomalous, is_inspectable=result.is_inspectable)
    notes = [_regions(result), result.notice]
    try:
        pictures = _pictures(result, values, calibration, bits)
    except DataError as error:
        pictures, notes = [], [*notes, str(error)]
    return Thumbnail(
        result.sample.address,
        word,
        word.partition(" ")[0],
        in_thresholds(result.score, own.threshold),
        result.p_value,
        explain_p_value(result.p_value, len(own.part_scores)),
        list(filter(None, notes)),
        pictures,
    )


def _pictures(
    result: ImageScore, values: NDArray[np.float32] | None, calibration: Calibration, bits: int | None
) -> list[tuple[str, str]]:
    small, shape = (None, None) if values is None else (shrink_map(values, SIDE), values.shape)
    panels = result_panels(result, small, shape, calibration.map_range, bits=bits, side=SIDE)
    return [(panel.title, panel.data_url(LARGEST_THUMBNAIL)) for panel in panels]


def _regions(result: ImageScore) -> str:
    """Say how many regions there are, and what is different in them where that is known."""
    if not result.regions:
        return ""
    count = f"{len(result.regions)} region{'s' * (len(result.regions) > 1)}"
    words = "; ".join(dict.fromkeys(", ".join(region.words) for region in result.regions if region.words))
    return f"{count}: {words}" if words else count
