"""A page of the good images that may not be good: the strangest first, and pairs of near-duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from PIL import Image

from twinspect.data.pixels import read_pixels
from twinspect.drawing.panels import SHOWN_SIDE, Panel
from twinspect.report.rendering import render_template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.data.samples import Sample
    from twinspect.evaluation.suspects import Suspects

MARK: Final = "<!-- twinspect suspects -->"
"""A line of the page that says what wrote it, so that another file of its name is not replaced."""
SHOWN: Final = 24
"""Images that are shown at least, with the strangest of those that are no suspects; and at most, as pairs."""
MOST: Final = 60
"""Images that are shown at most."""


class Shown(NamedTuple):
    """One image on the page.

    Attributes:
        name: of the image.
        strangeness: see :class:`twinspect.evaluation.suspects.Suspects`.
        panel: its picture.
    """

    name: str
    strangeness: float
    panel: Panel


def render_suspects(name: str, found: Suspects, samples: Sequence[Sample], *, bits: int | None = None) -> str:
    """Build the page: HTML with its style and images inside.

    Args:
        name: of the data set.
        found: what was found in it.
        samples: the images.
        bits: significant bits of 16-bit image files.

    Raises:
        ImageError: an image to show cannot be read again.
    """
    by_name = {sample.name: sample for sample in samples}
    ranked = found.ranked()[: min(MOST, max(SHOWN, len(found.names)))]

    def picture(key: str) -> Panel:
        return _thumbnail(by_name[key], bits)

    return render_template(
        "report/templates/suspects.html",
        mark=MARK,
        name=name,
        found=found,
        images=[Shown(key, found.strangeness[key], picture(key)) for key in ranked],
        pairs=[
            ((first, picture(first)), (later, picture(later))) for first, later in found.duplicates[:SHOWN]
        ],
    )


def _thumbnail(sample: Sample, bits: int | None) -> Panel:
    image = Image.fromarray(read_pixels(sample, bits=bits))
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return Panel("image", np.asarray(image))
