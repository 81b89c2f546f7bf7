"""What a test set has in common with what a model was learnt from: copies are not tested, near ones counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twinspect.bundle.learnt_images import split_known
from twinspect.errors import DataError
from twinspect.images.perceptual_hash import near_duplicates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.data import DataSet
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.results import ImageScore


@dataclass(frozen=True)
class LearntOverlap:
    """Good test images that are not new to the model.

    Attributes:
        good: good images in the test set.
        left_out: names of those that the model was learnt from or calibrated on, by their content; not tested.
        near_duplicates: names of those that look nearly the same as such an image, by a perceptual hash; tested.
        defective: defective images in the test set.
        defective_learnt: names of those that the model was learnt from or calibrated on as if they were good; tested.
        held_out: names of good ones that the threshold was set with, where they are tested all the same.
    """

    good: int = 0
    left_out: tuple[str, ...] = ()
    near_duplicates: tuple[str, ...] = ()
    defective: int = 0
    defective_learnt: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """Say what was found; nothing if all images are new."""
        left_out, near = len(self.left_out), len(self.near_duplicates)
        found = []
        if left_out:
            were = "was" if left_out == 1 else "were"
            found.append(
                f"{left_out} of {self.good} good images {were} learnt from or calibrated on: left out"
            )
        if self.held_out:
            found.append(
                f"{len(self.held_out)} of {self.good} good images set the threshold, and nothing was learnt from "
                "them: tested, but how many of them are false alarms says nothing of others"
            )
        if near:
            looks = "looks" if near == 1 else "look"
            found.append(
                f"{near} of {self.good} good images {looks} nearly the same as one that was learnt from or "
                "calibrated on (perceptual hash): tested, but new images may have more false alarms"
            )
        if wrong := len(self.defective_learnt):
            were = "was" if wrong == 1 else "were"
            found.append(
                f"{wrong} of {self.defective} defective images {were} learnt from or calibrated on as good: take "
                "them out of the good images and fit again"
            )
        return found

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "good": self.good,
            "left_out": list(self.left_out),
            "near_duplicates": list(self.near_duplicates),
            "defective": self.defective,
            "defective_learnt": list(self.defective_learnt),
            **({"held_out": list(self.held_out)} if self.held_out else {}),
        }


def leave_out_learnt(
    detector: BaseDetector, test: DataSet, *, held_out: bool = False
) -> tuple[DataSet, LearntOverlap]:
    """Leave out the good images that a detector was learnt from or calibrated on; of old models nothing is known.

    Args:
        detector: the detector.
        test: the test set.
        held_out: whether those that it was calibrated on, and has not learnt from, are tested all the same.

    Raises:
        DataError: no image is left.
    """
    learnt = detector.learnt_.digests if detector.learnt_ else frozenset()
    good = sum(sample.is_good for sample in test)
    defective = len(test) - good
    if not (digests := learnt | detector.calibrated_on_):
        return test, LearntOverlap(good, defective=defective)  # no file needs to be hashed
    _, known, _ = split_known(test.samples, digests)
    names = {sample.name for sample in known if sample.is_good}
    kept: set[str] = set()
    if held_out:
        _, learnt_from, _ = split_known(test.samples, learnt)
        kept = names - {sample.name for sample in learnt_from}
        names -= kept
    left = [sample for sample in test if sample.name not in names]
    if not left:
        raise DataError(
            f"{test.name}: the model was fitted or calibrated on all {good} test images; test it on others"
        )
    wrong = tuple(sample.name for sample in known if not sample.is_good)
    left_out = tuple(sample.name for sample in known if sample.name in names)
    return test.with_samples(left), LearntOverlap(good, left_out, (), defective, wrong, tuple(sorted(kept)))


def find_near_duplicates(detector: BaseDetector, rows: Sequence[ImageScore]) -> tuple[str, ...]:
    """Name the good images that look nearly the same as one of those that a detector was fitted on."""
    if detector.learnt_ is None:
        return ()
    good = [row for row in rows if row.sample.is_good and row.perceptual_hash]
    near = near_duplicates([row.perceptual_hash for row in good], detector.learnt_.perceptual_hashes)
    return tuple(row.sample.name for row, is_near in zip(good, near, strict=True) if is_near)
