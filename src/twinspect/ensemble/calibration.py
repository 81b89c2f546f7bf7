"""Calibrating a join without further images, by scores that its members kept of images that all of them held out.

The same images say what a member's scores are like on good ones, and are then ranked. So that none has a say in its
own rank, each is measured by the others; what comes out is an estimate, not the bound that other images would give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from twinspect.bundle.description import JOINED_TAIL
from twinspect.calibration.conformal import Calibration, check_rate, choose_rate_for_categories, images_needed
from twinspect.ensemble.model import expected_map_range
from twinspect.errors import CalibrationError
from twinspect.methods import noisy_or

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from twinspect.images.statistics import ImageStatistics

FEWEST = 3
"""Fewest images held out by all: without one of them, two are left to tell a spread by."""
GIVE_GOOD = (
    "give good images that none of the detectors has seen: noisy_or(detectors, good=DATA), "
    "or: twinspect join MODELS --out M.twin --good DATA"
)

Image = tuple[str, str]
"""The name and the category by which an image is known."""


def leave_one_out(members: Sequence[Calibration], asked: float | None) -> Calibration:
    """Rank the images that all members held out by their joined scores.

    Args:
        members: calibrations on images of one data set, so that one name is one image.
        asked: the false-alarm rate asked for; ``None`` for the smallest that these images allow.

    Returns:
        Of kind ``cv``. Its range of maps is that of :func:`.model.expected_map_range`, for only the members'
        own maps were seen.

    Raises:
        CalibrationError: too few images were held out by all of them.
    """
    known = [_index_by_image(own) for own in members]
    images = [image for image in known[0] if all(image in other for other in known)]
    _check_enough(len(images), len(members), asked)
    each = [
        _leave_one_out_evidence(own, [own_places[i] for i in images])
        for own, own_places in zip(members, known, strict=True)
    ]
    names, categories = zip(*images, strict=True)
    return Calibration(
        scores=tuple(torch.stack(each).sum(dim=0).tolist()),
        false_alarm_rate=choose_rate_for_categories(categories, asked),
        kind="cv",
        map_range=expected_map_range(len(members)),
        names=names,
        categories=categories,
        statistics=_statistics(members, known, images),
    )


def _index_by_image(calibration: Calibration) -> dict[Image, int]:
    """Say which score belongs to which image; none does where the names were not kept."""
    categories = calibration.categories or ("",) * len(calibration.names)
    return {image: place for place, image in enumerate(zip(calibration.names, categories, strict=True))}


def _statistics(
    members: Sequence[Calibration], known: Sequence[dict[Image, int]], images: Sequence[Image]
) -> tuple[ImageStatistics, ...]:
    """Take over what the images look like from a member that knows; they look alike to all."""
    for own, places in zip(members, known, strict=True):
        if own.statistics:
            return tuple(own.statistics[places[image]] for image in images)
    return ()


def _leave_one_out_evidence(calibration: Calibration, places: Sequence[int]) -> Tensor:
    """Say how surprising the scores at these places are, each to all other images of the member."""
    scores = torch.tensor(calibration.scores)
    others = [torch.cat([scores[:place], scores[place + 1 :]]) for place in places]
    spreads = [noisy_or.fit_distribution(rest, JOINED_TAIL) for rest in others]
    return torch.stack(
        [
            noisy_or.negative_log_p(scores[place], spread, JOINED_TAIL)
            for place, spread in zip(places, spreads, strict=True)
        ]
    )


def _check_enough(images: int, members: int, asked: float | None) -> None:
    needed = FEWEST if asked is None else max(FEWEST, images_needed(check_rate(asked)))
    if images < needed:
        purpose = "a threshold" if asked is None else f"a false-alarm rate of {asked:g}"
        found = (
            f"{images} good image{'' if images == 1 else 's'} held out by every one of {members} detectors"
        )
        raise CalibrationError(f"found {found}; {purpose} needs {needed}: {GIVE_GOOD}")
