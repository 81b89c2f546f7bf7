"""Whether the masks of a test set fit its images, before anything is scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.data.pixels import read_truth
from twinspect.data.prefetching import default_workers, prefetch
from twinspect.errors import DataError, ImageError
from twinspect.images.reading import image_size
from twinspect.utils.progress import announce

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinspect.data.samples import Sample

_SHOWN: Final = 3
"""So many masks that do not fit are named; of the rest the number is."""


def check_truth(samples: Iterable[Sample]) -> None:
    """Refuse a test set of which masks cannot be read, or do not fit their images.

    Raises:
        DataError: names the first of them, and says how many there are.
    """
    marked = [sample for sample in samples if sample.masks and sample.content is None]
    if not marked:
        return
    announce("checking the masks")
    workers = default_workers()
    reasons = [*filter(None, prefetch(marked, _reason_against, workers=workers, ahead=2 * workers))]
    if not reasons:
        return
    more = len(reasons) - _SHOWN
    rest = [f"and {more} more, which twinspect doctor lists"] if more > 0 else []
    count = f"{len(reasons)} of {len(marked)} marked images have masks that cannot be used: "
    raise DataError((count if len(reasons) > 1 else "") + "; ".join(reasons[:_SHOWN] + rest))


def _reason_against(sample: Sample) -> str:
    """Say why an image's masks cannot be used; empty if they can, or if the image itself cannot be read."""
    try:
        shape = image_size(sample.path) if sample.pixels is None else sample.pixels.shape[:2]
    except ImageError:
        return ""
    try:
        read_truth(sample, (shape[0], shape[1]))
    except DataError as error:
        return str(error)
    return ""
