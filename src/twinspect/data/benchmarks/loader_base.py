"""What every loader shares: images with their masks, what may be trained on, and whether the copy is whole."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING, Final, get_args

from twinspect.data.benchmarks.catalogue import ALL
from twinspect.data.benchmarks.root_folder import join_names
from twinspect.data.samples import Split
from twinspect.errors import DataError, PartialCopyWarning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from twinspect.data.benchmarks.catalogue import Benchmark, Counts
    from twinspect.data.listing import Listing
    from twinspect.data.samples import DataSet, Sample

_SPLITS: Final[tuple[Split, ...]] = get_args(Split)


def build_data_set(
    entry: Benchmark, listing: Listing, root: Path, layout: str, *, whole: bool = True
) -> DataSet:
    """Make a data set of what a loader listed, and warn where a copy has more or fewer images than published.

    Args:
        entry: the benchmark.
        listing: its images.
        root: where it lies.
        layout: how it was read and split, in words.
        whole: whether all categories were asked for, so that the counts of all together apply.

    Raises:
        DataError: there are no images at all.
    """
    data = listing.to_data_set(entry.title, root, layout)
    if not data.samples:
        raise DataError(f"{root}: no images of {entry.title} in it; get it whole from {entry.page}")
    if differing := _count_differences(entry, data, whole=whole):
        message = (
            f"{root}: not as many images as {entry.title} has: {join_names(differing)}; is the copy partial?"
        )
        warnings.warn(message, PartialCopyWarning, stacklevel=2)
    return data


def add_usable(listing: Listing, samples: Iterable[Sample]) -> None:
    """Add samples, except for anomalous ones to train on: those are listed as skipped."""
    for sample in samples:
        if sample.is_good or sample.split == "test":
            listing.samples.append(sample)
        else:
            listing.skip(sample.path, f"for training, but anomalous ({sample.label}): fit must not see it")


def pair_with_masks(
    images: Iterable[Path], masks: Iterable[Path], ending: str, listing: Listing
) -> Iterator[tuple[Path, Path | None]]:
    """Give each image with the mask that has its name and an ending; both are of one folder.

    Args:
        images: for instance ``7.png``.
        masks: for instance ``7_label.bmp``.
        ending: what a mask's name has after the image's, in any case: ``_label``.
        listing: notes masks without an image.
    """
    by_name = {mask.stem[: len(mask.stem) - len(ending)].casefold(): mask for mask in masks}
    for image in images:
        yield image, by_name.pop(image.stem.casefold(), None)
    for mask in by_name.values():
        listing.skip(mask, "a mask without an image of that name")


def _count_differences(entry: Benchmark, data: DataSet, *, whole: bool) -> list[str]:
    """List the numbers of images that are not as published, where those are known."""
    everything = Counter(sample.split for sample in data)
    differing = _compare_counts("", everything, entry.counts[ALL]) if whole and ALL in entry.counts else []
    for category in data.categories:
        if category in entry.counts:
            counts = Counter(sample.split for sample in data if sample.category == category)
            differing += _compare_counts(f"{category} ", counts, entry.counts[category])
    return differing


def _compare_counts(prefix: str, counts: Counter[Split], expected: Counts) -> list[str]:
    return [
        f"{prefix}{split} {counts[split]} (expected {number})"
        for split, number in zip(_SPLITS, expected, strict=True)
        if number is not None and counts[split] != number
    ]
