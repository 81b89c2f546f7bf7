"""Calibrating a joined detector without further images, from the scores of images that all members held out.

The same images give the distribution of a member's scores on good images and are ranked by it. Each image is
therefore left out of the distribution that ranks it, with all that show the same part. The result is an estimate, not
the bound that other images give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from twinspect.bundle.description import JOINED_TAIL
from twinspect.calibration.conformal import Calibration, check_rate, choose_rate_for_categories, images_needed
from twinspect.calibration.parts import part_keys
from twinspect.ensemble.model import expected_map_range
from twinspect.errors import CalibrationError
from twinspect.methods import noisy_or

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from twinspect.calibration.parts import PartKey
    from twinspect.images.statistics import ImageStatistics

MIN_IMAGES = 3
"""Minimum of images held out by all members: without one of them, two are left to estimate a scale."""
GIVE_GOOD = (
    "give good images that none of the detectors has seen: noisy_or(detectors, good=DATA), "
    "or: twinspect join MODELS --out M.twin --good DATA"
)

Image = tuple[str, str]
"""The name and the category that identify an image."""


def leave_one_out(members: Sequence[Calibration], requested: float | None) -> Calibration:
    """Rank the images that all members held out by their joined scores.

    Args:
        members: calibrations on images of one data set, where a name and a category identify one image.
        requested: the false-alarm rate; ``None`` for the smallest that these images can promise.

    Returns:
        A calibration of kind ``cv``. Its map range is :func:`.model.expected_map_range`, since the joined maps of
        these images are not known.

    Raises:
        CalibrationError: too few images were held out by all members.
    """
    indices = [_index_by_image(member) for member in members]
    images = [image for image in indices[0] if all(image in index for index in indices)]
    parts = _parts(members, indices, images)
    keys = set(part_keys(len(images), [category for _, category in images], parts))
    _check_enough(len(images), len(keys), len(members), requested)
    evidence = [
        _leave_one_out_evidence(member, [index[image] for image in images])
        for member, index in zip(members, indices, strict=True)
    ]
    names, categories = zip(*images, strict=True)
    return Calibration(
        scores=tuple(torch.stack(evidence).sum(dim=0).tolist()),
        false_alarm_rate=choose_rate_for_categories([category for category, _, _ in keys], requested),
        kind="cv",
        map_range=expected_map_range(len(members)),
        names=names,
        categories=categories,
        statistics=_statistics(members, indices, images),
        good_ranges=next((member.good_ranges for member in members if member.good_ranges), {}),
        parts=parts,
    )


def _index_by_image(calibration: Calibration) -> dict[Image, int]:
    """Map each image to the index of its score; empty where the names were not kept."""
    categories = calibration.categories or ("",) * len(calibration.names)
    return {image: index for index, image in enumerate(zip(calibration.names, categories, strict=True))}


def _statistics(
    members: Sequence[Calibration], indices: Sequence[dict[Image, int]], images: Sequence[Image]
) -> tuple[ImageStatistics, ...]:
    """Take the statistics of the images from a member that has them; they are the same for all members."""
    for member, index in zip(members, indices, strict=True):
        if member.statistics:
            return tuple(member.statistics[index[image]] for image in images)
    return ()


def _parts(
    members: Sequence[Calibration], indices: Sequence[dict[Image, int]], images: Sequence[Image]
) -> tuple[str, ...]:
    """Take the parts that the images show from a member that knows them."""
    for member, index in zip(members, indices, strict=True):
        if any(member.parts):
            return tuple(member.parts[index[image]] for image in images)
    return ()


def _leave_one_out_evidence(calibration: Calibration, indices: Sequence[int]) -> Tensor:
    """Compute -log(1 - p) of the scores at some indices, each from the distribution of all other parts' scores."""
    scores = torch.tensor(calibration.scores)
    numbers: dict[PartKey, int] = {}
    keys = part_keys(len(scores), calibration.categories, calibration.parts)
    parts = torch.tensor([numbers.setdefault(key, len(numbers)) for key in keys])
    others = [scores[parts != parts[index]] for index in indices]
    distributions = [noisy_or.fit_distribution(rest, JOINED_TAIL) for rest in others]
    return torch.stack(
        [
            noisy_or.negative_log_p(scores[index], distribution, JOINED_TAIL)
            for index, distribution in zip(indices, distributions, strict=True)
        ]
    )


def _check_enough(images: int, parts: int, members: int, requested: float | None) -> None:
    needed = MIN_IMAGES if requested is None else max(MIN_IMAGES, images_needed(check_rate(requested)))
    if parts < needed:
        purpose = "a threshold" if requested is None else f"a false-alarm rate of {requested:g}"
        held_out = (
            f"{images} good image{'' if images == 1 else 's'} held out by every one of {members} detectors"
        )
        shown = "" if parts == images else f", which show {parts} part{'' if parts == 1 else 's'}"
        raise CalibrationError(f"found {held_out}{shown}; {purpose} needs {needed}: {GIVE_GOOD}")
