"""What every loader shares: images with their masks, what may be trained on, and whether the copy is whole."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING, Final, get_args

from twinspect.data.benchmarks.catalogue import ALL
from twinspect.data.benchmarks.root_folder import listed
from twinspect.data.samples import Split
from twinspect.errors import DataError, PartialCopyWarning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from twinspect.data.benchmarks.catalogue import Benchmark, Counts
    from twinspect.data.listing import Found
    from twinspect.data.samples import DataSet, Sample

_SPLITS: Final[tuple[Split, ...]] = get_args(Split)


def finished(entry: Benchmark, found: Found, root: Path, layout: str, *, whole: bool = True) -> DataSet:
    """Make a data set of what a loader found, and warn where a copy has more or fewer images than published.

    Args:
        entry: the benchmark.
        found: its images.
        root: where it lies.
        layout: how it was read and split, in words.
        whole: whether all categories were asked for, so that the counts of all together apply.

    Raises:
        DataError: there are no images at all.
    """
    data = found.data_set(entry.title, root, layout)
    if not data.samples:
        raise DataError(f"{root}: no images of {entry.title} in it; get it whole from {entry.page}")
    if differing := _differing(entry, data, whole=whole):
        message = (
            f"{root}: not as many images as {entry.title} has: {listed(differing)}; is the copy partial?"
        )
        warnings.warn(message, PartialCopyWarning, stacklevel=2)
    return data


def add(found: Found, samples: Iterable[Sample]) -> None:
    """Take samples over, except for anomalous ones to train on: those are named among the skipped."""
    for sample in samples:
        if sample.is_good or sample.split == "test":
            found.samples.append(sample)
        else:
            found.skip(sample.path, f"for training, but anomalous ({sample.label}): fit must not see it")


def paired(
    images: Iterable[Path], masks: Iterable[Path], ending: str, found: Found
) -> Iterator[tuple[Path, Path | None]]:
    """Give each image with the mask that has its name and an ending; both are of one folder.

    Args:
        images: for instance ``7.png``.
        masks: for instance ``7_label.bmp``.
        ending: what a mask's name has more, in any case: ``_label``.
        found: is told about masks without an image.
    """
    by_name = {mask.stem[: len(mask.stem) - len(ending)].casefold(): mask for mask in masks}
    for image in images:
        yield image, by_name.pop(image.stem.casefold(), None)
    for mask in by_name.values():
        found.skip(mask, "a mask without an image of that name")


def _differing(entry: Benchmark, data: DataSet, *, whole: bool) -> list[str]:
    """Word each number of images that is not as published, where that is known."""
    everything = Counter(sample.split for sample in data)
    differing = _compared("", everything, entry.counts[ALL]) if whole and ALL in entry.counts else []
    for category in data.categories:
        if category in entry.counts:
            own = Counter(sample.split for sample in data if sample.category == category)
            differing += _compared(f"{category} ", own, entry.counts[category])
    return differing


def _compared(prefix: str, have: Counter[Split], expected: Counts) -> list[str]:
    return [
        f"{prefix}{split} {have[split]} (expected {number})"
        for split, number in zip(_SPLITS, expected, strict=True)
        if number is not None and have[split] != number
    ]
