"""How the good images of an update are shared: what is learnt, learnt again, held out now, and held out before.

Images are told by their contents, whatever their names are now. What an earlier version held out stays held out for
ever; of the new ones a part is held out, which depends on the seed and the contents alone.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from twinspect.calibration.conformal import images_needed
from twinspect.calibration.hold_out import MAX_SHARE, counts_to_hold_out
from twinspect.calibration.parts import count_parts
from twinspect.data.splits import hold_out, parts_by_category

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from twinspect.data.samples import Sample

FEWEST: Final = 3
"""New images of which one can be held out."""
REHEARSED: Final = 3
"""Images of before that are learnt again for each new one, against forgetting."""
LEAST_REHEARSED: Final = 50
"""Minimum of them, where there are so many."""


@dataclass(frozen=True)
class UpdateImages:
    """Good images of an update.

    Attributes:
        new: to learn from, known to no version.
        again: that were learnt from before, and are learnt again.
        held: new ones that are held out from now on.
        kept: that earlier versions held out.
        known: how many of the given images were learnt from before.
    """

    new: tuple[Sample, ...]
    again: tuple[Sample, ...]
    held: tuple[Sample, ...]
    kept: tuple[Sample, ...]
    known: int

    @property
    def train(self) -> tuple[Sample, ...]:
        """What is learnt from."""
        return (*self.again, *self.new)

    @property
    def calibration(self) -> tuple[Sample, ...]:
        """What the threshold comes from: nobody has learnt from it."""
        return (*self.kept, *self.held)

    @property
    def all(self) -> tuple[Sample, ...]:
        """Every image that is read."""
        return (*self.train, *self.calibration)


def without_copies(samples: Sequence[Sample], digests: Mapping[str, str]) -> list[Sample]:
    """Keep the first of images with the same content."""
    first = {digests[sample.name]: sample.name for sample in reversed(samples)}
    return [sample for sample in samples if first[digests[sample.name]] == sample.name]


def share_update(
    samples: Sequence[Sample],
    digests: Mapping[str, str],
    learnt: Collection[str],
    held_out: Collection[str],
    *,
    false_alarms: Collection[str] = (),
    rate: float | None,
    seed: int,
    rehearses: bool,
) -> UpdateImages:
    """Share good images of different contents.

    Args:
        samples: the images.
        digests: of their contents, by name.
        learnt: digests of the images that earlier versions learnt from.
        held_out: those of images that they held out.
        false_alarms: names of the images that were chosen because the old version called them anomalous. They are
            learnt from unless they were held out before: to calibrate on them would count mistakes more often than
            they occur.
        rate: the false-alarm rate asked for, if any.
        seed: another seed holds out others.
        rehearses: whether images of before are learnt again.
    """
    known = [sample for sample in samples if digests[sample.name] in learnt]
    kept = [s for s in samples if digests[s.name] in held_out and digests[s.name] not in learnt]
    old = {sample.name for sample in (*known, *kept)}
    # All images of a part are on one side.
    parts_learnt = {sample.part for sample in known}
    parts_kept = {sample.part for sample in kept} - parts_learnt
    fresh = [sample for sample in samples if sample.name not in old]
    parts_learnt |= {sample.part for sample in fresh if sample.name in false_alarms} - parts_kept
    new = [sample for sample in fresh if sample.part in parts_learnt]
    parts_kept |= {sample.part for sample in fresh if sample.split == "calibration"} - parts_learnt
    held = [sample for sample in fresh if sample.part in parts_kept]
    free = [sample for sample in fresh if sample.part not in parts_learnt | parts_kept]
    names = _held_out(free, digests, rate, count_parts([*kept, *held]), seed)
    new += [sample for sample in free if sample.name not in names]
    held += [sample for sample in free if sample.name in names]
    again = (
        _drawn(known, digests, max(LEAST_REHEARSED, REHEARSED * len(new)), seed + len(learnt))
        if rehearses
        else []
    )
    return UpdateImages(tuple(new), tuple(again), tuple(held), tuple(kept), len(known))


def _held_out(
    samples: Sequence[Sample], digests: Mapping[str, str], rate: float | None, there: int, seed: int
) -> set[str]:
    """Name the new images to hold out: as many as a fit would of so many, or more if the rate takes them."""
    images = parts_by_category(samples)
    if images.total() < FEWEST:
        return set()
    needed = images_needed(rate) - there if rate else 0
    counts = {
        category: min(math.floor(images[category] * MAX_SHARE), max(usual, needed))
        for category, usual in counts_to_hold_out(images, None).items()
    }
    by_content = [replace(sample, name=digests[sample.name]) for sample in samples]
    chosen = {sample.name for sample in hold_out(by_content, counts, seed)[1]}
    return {sample.name for sample in samples if digests[sample.name] in chosen}


def _drawn(samples: Sequence[Sample], digests: Mapping[str, str], count: int, seed: int) -> list[Sample]:
    """Draw some images by their contents."""

    def rank(sample: Sample) -> str:
        text = f"{seed}:{digests[sample.name]}"
        return hashlib.sha256(text.encode()).hexdigest()

    drawn = {sample.name for sample in sorted(samples, key=rank)[:count]}
    return [sample for sample in samples if sample.name in drawn]


def more_needed(images: UpdateImages, rate: float) -> int:
    """Count the further good images that a promise takes, of which two in five are held out."""
    missing = images_needed(rate) - count_parts(images.calibration)
    return math.ceil(max(0, missing) / MAX_SHARE)
