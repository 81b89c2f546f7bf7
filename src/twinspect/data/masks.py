"""Masks: which file marks the anomalous pixels of which image, told by name and never by sort order."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from twinspect.data.listing import Listing, find_images, relative_name
from twinspect.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from twinspect.data.samples import Sample

MASK_ENDINGS = ("_mask", "_gt", "")
"""What a mask's name may have after the name of its image: ``7_mask.png``, ``7_gt.png`` or ``7.png``."""


def attach_masks(images: Listing, image_root: Path, mask_root: Path) -> Listing:
    """Give each image the mask of the same name in the folder of the same name.

    Args:
        images: the images below ``image_root``, for instance ``test/broken/7.jpg``.
        image_root: ``test``.
        mask_root: ``ground_truth``, which holds ``broken/7_mask.png``.

    Returns:
        The same images with their masks. Masks without an image are listed as skipped.

    Raises:
        DataError: two masks for one image, or two images for one mask.
    """
    result = Listing(skipped=list(images.skipped))
    by_name = _masks_by_name(mask_root, result)
    owners: dict[Path, Sample] = {}
    for sample in images.samples:
        mask = _single_mask(by_name.get(_stem(sample.path, image_root), []), sample)
        if mask is not None:
            _assign(mask, sample, owners)
        result.samples.append(replace(sample, mask=mask))
    _skip_orphans({mask for masks in by_name.values() for mask in masks} - set(owners), result)
    return result


def attach_mask_folders(images: Listing, image_root: Path, mask_root: Path) -> Listing:
    """Give each image all masks in the folder named like the image.

    Args:
        images: the images below ``image_root``, for instance ``test/broken/7.png``.
        image_root: ``test``.
        mask_root: ``ground_truth``, which holds ``broken/7/000.png``, ``broken/7/001.png`` and so on.

    Returns:
        The same images with their masks. Masks without an image are listed as skipped.
    """
    result = Listing(skipped=list(images.skipped))
    by_folder: dict[str, list[Path]] = defaultdict(list)
    for mask in find_images(mask_root, result):
        by_folder[relative_name(mask.parent, mask_root)].append(mask)
    for sample in images.samples:
        masks = by_folder.pop(_stem(sample.path, image_root), [])
        result.samples.append(replace(sample, mask=next(iter(masks), None), further_masks=tuple(masks[1:])))
    _skip_orphans((mask for masks in by_folder.values() for mask in masks), result)
    return result


def _skip_orphans(masks: Iterable[Path], listing: Listing) -> None:
    for mask in masks:
        listing.skip(mask, "a mask without an image of that name")


def _masks_by_name(mask_root: Path, listing: Listing) -> dict[str, list[Path]]:
    """Index masks by the image names that they may belong to: ``broken/7`` for ``broken/7_mask.png``."""
    by_name = defaultdict(list)
    for mask in find_images(mask_root, listing):
        stem = _stem(mask, mask_root)
        for ending in MASK_ENDINGS:
            if stem.endswith(ending):
                by_name[stem.removesuffix(ending)].append(mask)
    return by_name


def _stem(path: Path, root: Path) -> str:
    return relative_name(path.with_suffix(""), root)


def _single_mask(masks: list[Path], sample: Sample) -> Path | None:
    if len(masks) > 1:
        raise DataError(f"{sample.path} has two masks, {masks[0]} and {masks[1]}; leave one")
    return masks[0] if masks else None


def _assign(mask: Path, sample: Sample, owners: dict[Path, Sample]) -> None:
    if mask in owners:
        raise DataError(
            f"{mask} is the mask of two images, {owners[mask].path} and {sample.path}; rename one"
        )
    owners[mask] = sample
