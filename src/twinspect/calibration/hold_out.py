"""How many good images to hold out for a threshold."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from twinspect.calibration.conformal import (
    Kind,
    check_kind,
    check_promise,
    check_rate,
    choose_rate,
    images_needed,
    smallest_rate,
)
from twinspect.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Mapping


MAX_SHARE = Fraction(2, 5)
"""At most this share of the good images is held out."""
DEFAULT_SHARE = Fraction(1, 5)
"""This share is held out if that is more than the requested rate needs: the threshold is then steadier."""
DEFAULT_RATE = Fraction(1, 20)
"""The rate aimed at, images permitting, where none is requested."""
MAX_DEFAULT_COUNT = 199
"""Most images held out where no rate is requested: 1 false alarm in 200 is strict enough."""
FOLDS = 5
"""Most folds in cross-conformal calibration."""
LEAST_FOLDS = 2
"""Fewest: a model of the other images is needed for each."""


def choose_kind(asked_for: str | None, images: int, below: int) -> Kind:
    """Choose how good images are shared between training and calibration, unless that was asked for.

    Args:
        asked_for: the kind, if any.
        images: good images to share; 0 where those for the calibration are apart.
        below: of fewer images the method takes ``cv``.

    Returns:
        ``copies`` for a single image, ``cv`` where they are few, ``split`` otherwise.

    Raises:
        ConfigError: there is no such kind.
    """
    usual: Kind = "cv" if LEAST_FOLDS <= images < below else "split"
    kind = usual if asked_for is None else check_kind(asked_for)
    return "copies" if kind == "split" and images == 1 else kind


def counts_to_hold_out(images: Mapping[str, int], requested: float | None) -> dict[str, int]:
    """Decide how many good images of each category are kept from training for calibration.

    Where a category has too few for the requested rate, as many as allowed are held out, and it shares the pooled
    threshold. A single image is learnt from, and its copies set a threshold that promises nothing.

    Args:
        images: available good images, by category.
        requested: the false-alarm rate, if any.

    Raises:
        CalibrationError: all together are too few for the requested rate, or for any.
    """
    if sum(images.values()) == 1:
        refuse_rate_of_one_image(requested)
        return dict.fromkeys(images, 0)
    total = count_to_hold_out(sum(images.values()), requested)
    if len(images) == 1:
        return dict.fromkeys(images, total)
    maximum = {name: math.floor(count * MAX_SHARE) for name, count in images.items()}
    held = {name: _count_or_maximum(maximum[name], images[name], requested) for name in images}
    if requested is not None:
        check_promise(sum(held.values()), requested)
    return held


def refuse_rate_of_one_image(requested: float | None) -> None:
    """Refuse to promise a rate from a single good image.

    Raises:
        CalibrationError: a rate is requested.
    """
    if requested is not None:
        needed = math.ceil(images_needed(check_rate(requested)) / MAX_SHARE)
        raise CalibrationError(
            f"a single good image promises no false-alarm rate: give at least {needed} good images for "
            f"{requested:g}, or leave out --false-alarm-rate and rank by the scores"
        )


def _count_or_maximum(maximum: int, images: int, requested: float | None) -> int:
    try:
        return count_to_hold_out(images, requested)
    except CalibrationError:
        return maximum


def count_to_hold_out(images: int, requested: float | None) -> int:
    """Decide how many of the good images are kept from training for calibration.

    Args:
        images: available good images.
        requested: the false-alarm rate, if any.

    Raises:
        CalibrationError: too few images for the requested rate, or for any.
    """
    most = math.floor(images * MAX_SHARE)
    if most < 1:
        raise CalibrationError(
            f"{images} good image{'s' if images != 1 else ''} cannot be split into training and calibration; "
            "give at least 3, and 50 for a false-alarm rate below 5 %; two can do with --calibration cv"
        )
    usual = math.floor(images * DEFAULT_SHARE)
    if requested is None:
        return min(most, MAX_DEFAULT_COUNT, max(images_needed(float(DEFAULT_RATE)), usual))
    needed = images_needed(check_rate(requested))
    if needed > most:
        total = math.ceil(needed / MAX_SHARE)
        raise CalibrationError(
            f"a false-alarm rate of {requested:g} needs {needed} held-out good images, and at most 40 % of "
            f"{images} are held out: {most}. Give at least {total} images, ask for a rate of "
            f"{_round_up(smallest_rate(most)):g} or more, or type: --calibration cv"
        )
    return min(most, max(needed, usual))


def count_folds(images: int) -> int:
    """Count the folds of cross-conformal calibration: where images are few, each is one, but a single one is none."""
    return min(FOLDS, images) if images >= LEAST_FOLDS else 0


def check_folds(images: int, requested: float | None) -> None:
    """Refuse cross-conformal calibration with too few images.

    Raises:
        CalibrationError: a single image, or fewer than the requested rate needs.
    """
    if images < LEAST_FOLDS:
        raise CalibrationError(
            f"--calibration cv scores each image by a model of the others and needs {LEAST_FOLDS} good images, got "
            f"{images}; leave it out for a model without a promise"
        )
    choose_rate(images, requested)


def _round_up(rate: float) -> float:
    """Round up to three decimals, for a suggestion that can be typed."""
    return math.ceil(rate * 1000) / 1000
