"""Masks: which file marks the anomalous pixels of which image, told by name and never by sort order."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from twinspect.data.annotations import Annotations, NotRead, read_annotations
from twinspect.data.folder_names import masked_folder, role_of
from twinspect.data.listing import (
    ANNOTATION_SUFFIX,
    NO_LABEL,
    Listing,
    is_annotation,
    label_from,
    natural_key,
)
from twinspect.data.mask_names import image_names, name_key
from twinspect.data.samples import GOOD
from twinspect.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twinspect.data.folder_names import Role
    from twinspect.data.listing import FoundFiles
    from twinspect.data.samples import Sample

_NOT_PLACES = frozenset({"train", "calibration", "test", "unlabelled", "masks", "images"})
"""Folders of these roles are left out where the place of an image is compared with that of its mask."""
_ANNOTATION_WORDS = (b'"annotations"', b'"images"', b'"shapes"', b'"segmentation"')
"""What stands in files of annotations."""
_BEGINNING = 2**16
"""So many bytes of a damaged file are searched for them."""
_LONGEST_LABEL = 100
DEFECT = "defect"
"""The label of marked images whose annotations do not say which kind of defect they show."""
Place = tuple[str, ...]


def attach_masks(images: Listing, found: FoundFiles, folder: Path) -> Listing:
    """Give each image all masks that are named like it and lie in a folder like its own.

    Folders are compared below ``folder`` and without those that hold a split or masks: ``test/broken/7.jpg`` has the
    masks ``ground_truth/broken/7_mask.png``, ``broken/mask/7.gif``, ``test/masks/broken/7.json`` and
    ``ground_truth/broken/7/000.png``. Masks of no such folder, for instance all in one, are for the defective image
    of their name.

    Args:
        images: the images of one product.
        found: its masks and annotations.
        folder: holds both.

    Returns:
        The same images with their masks, beside those that they had; masks without an image are listed as skipped.
        An image that no folder labels is given a damaged annotation, too, see :func:`damage_of`; a damaged file
        about unknown images is a doubt.

    Raises:
        DataError: two images for one mask.
    """
    result = Listing(skipped=list(images.skipped), doubt=images.doubt)
    index = _ImageIndex(images.samples, folder)
    masks: dict[int, list[Path]] = defaultdict(list)
    for mask in found.masks:
        _assign(mask, index.find(mask), masks, result)
    for path in found.annotations:
        annotations = read_annotations(path)
        if isinstance(annotations, NotRead):
            numbers = index.find(path) if annotations.is_damaged else []
            numbers = [number for number in numbers if images.samples[number].label == NO_LABEL]
            if numbers:
                _assign(path, numbers, masks, result)
            else:
                result.skip(path, annotations.reason)
                result.doubt = result.doubt or _doubt_about(path, annotations, images.samples)
        elif annotations.for_one_image:
            _assign_single(annotations, index.find(path), masks, result)
        else:
            _assign_shared(annotations, images.samples, masks, result)
    for number, sample in enumerate(images.samples):
        files = sorted({*sample.masks, *masks[number]}, key=lambda path: natural_key(path.as_posix()))
        result.samples.append(replace(sample, mask=next(iter(files), None), further_masks=tuple(files[1:])))
    return result


def damage_of(sample: Sample) -> str:
    """Say what is wrong with an annotation of an image that cannot be read; empty if all can."""
    for path in sample.masks:
        if is_annotation(path) and isinstance(read := read_annotations(path), NotRead):
            return f"its annotation cannot be read, so it may be defective; repair {path.name}: {read.reason}"
    return ""


def label_of(sample: Sample) -> str:
    """Return the kind of defect of a marked image: what its annotations call it, if they have one word for all."""
    labels: set[str] = set()
    for path in filter(is_annotation, sample.masks):
        annotations = read_annotations(path)
        if not isinstance(annotations, NotRead):
            labels |= annotations.labels_of(sample.path)
    label = labels.pop() if len(labels) == 1 else ""
    return label if 0 < len(label) <= _LONGEST_LABEL and label_from(label) != GOOD else DEFECT


def _doubt_about(path: Path, unread: NotRead, samples: Sequence[Sample]) -> DataError | None:
    """Doubt that images are good which no folder labels, where a damaged file may mark any of them.

    JSON alone is about several images.
    """
    unlabelled = any(sample.label == NO_LABEL for sample in samples)
    is_shared = path.suffix.lower() == ANNOTATION_SUFFIX and _is_annotation(path)
    if not (unread.is_damaged and unlabelled and is_shared):
        return None
    remedy = "repair it, or move it away if it is of other images"
    return DataError(f"{path}: {unread.reason}, but it may mark defects in any image beside it; {remedy}")


def _is_annotation(path: Path) -> bool:
    """Tell by its names, or by words in it, whether a JSON file that cannot be read was an annotation."""
    if "masks" in (role_of(path.stem), role_of(path.parent.name)):
        return True
    try:
        with path.open("rb") as file:
            beginning = file.read(_BEGINNING)
    except OSError:
        return False
    return any(word in beginning for word in _ANNOTATION_WORDS)


def _assign(mask: Path, numbers: list[int], masks: dict[int, list[Path]], result: Listing) -> None:
    for number in numbers:
        masks[number].append(mask)
    if not numbers:
        result.skip(mask, "a mask without an image of that name")


def _assign_single(
    annotations: Annotations, numbers: list[int], masks: dict[int, list[Path]], result: Listing
) -> None:
    """Assign a file about one image; one that marks nothing is read, but is no mask."""
    if annotations.marked_images() or not numbers:
        _assign(annotations.path, numbers, masks, result)


def _assign_shared(
    annotations: Annotations, samples: Sequence[Sample], masks: dict[int, list[Path]], result: Listing
) -> None:
    """Assign a file about many images to each that it marks."""
    marked = annotations.marked_images()
    by_name: dict[str, list[int]] = defaultdict(list)
    for number, sample in enumerate(samples):
        if name := annotations.name_of(sample.path):
            by_name[name].append(number)
    for name in sorted(marked & by_name.keys(), key=natural_key):
        numbers = _best(name, by_name[name], samples)
        if len(numbers) > 1:
            raise _ambiguous(annotations.path, [samples[number].path for number in numbers])
        masks[numbers[0]].append(annotations.path)
    if missing := sorted(marked - by_name.keys(), key=natural_key):
        result.skip(
            annotations.path, f"marks images that are not there: {len(missing)}, such as {missing[0]!r}"
        )


def _best(name: str, numbers: list[int], samples: Sequence[Sample]) -> list[int]:
    """Choose between images that a file may call so: those whose paths end so before others, then as for masks."""
    exact = [number for number in numbers if _ends_in(samples[number].path, name)] or numbers
    return _likely_marked(exact, samples)


def _ends_in(path: Path, name: str) -> bool:
    return unicodedata.normalize("NFC", f"/{path.as_posix()}").endswith(f"/{name.lstrip('/')}")


def _likely_marked(numbers: list[int], samples: Sequence[Sample]) -> list[int]:
    """Choose defective images before others, and those for testing."""
    numbers = [number for number in numbers if not samples[number].is_good] or numbers
    return [number for number in numbers if samples[number].split == "test"] or numbers


def _ambiguous(mask: Path, images: list[Path]) -> DataError:
    return DataError(f"{mask} is the mask of two images, {images[0]} and {images[1]}; rename one")


class _ImageIndex:
    """Images by place and name."""

    def __init__(self, samples: Sequence[Sample], folder: Path) -> None:
        self._samples, self._folder = samples, folder
        self._by_place: dict[tuple[Place, str], list[int]] = defaultdict(list)
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._places = set()
        for number, sample in enumerate(samples):
            place, name = self._place(sample.path), name_key(sample.path.stem)
            self._by_place[place, name].append(number)
            self._places.add(place)
            self._by_name[name].append(number)

    def find(self, mask: Path) -> list[int]:
        """Find the image that a mask belongs to: one number, or none.

        Raises:
            DataError: there are several.
        """
        place, names = self._place(mask), image_names(mask)
        for likely, name in product((self._named_place(mask), place), names):
            if hits := self._by_place.get((likely, name_key(name))):
                return self._single(mask, name, hits)
        # One folder for each image: ground_truth/broken/7/000.png
        if place and (hits := self._by_place.get((place[:-1], place[-1]))):
            return self._single(mask, place[-1], hits)
        if (
            any(place[:length] in self._places for length in range(len(place), 0, -1))
            or place in self._places
        ):
            return []
        for name in names:
            if hits := self._by_name.get(name_key(name)):
                return self._single(mask, name, hits)
        return []

    def _single(self, mask: Path, name: str, hits: list[int]) -> list[int]:
        """Choose between images of one name: those of the mask's split, defective, for testing, in the same case."""
        samples = self._samples
        split = self._split(mask)
        hits = [number for number in hits if self._split(samples[number].path) == split] or hits
        hits = _likely_marked(hits, samples)
        hits = [number for number in hits if samples[number].path.stem == name] or hits
        if len(hits) > 1:
            raise _ambiguous(mask, [samples[number].path for number in hits])
        return hits

    def _place(self, path: Path) -> Place:
        """Say where a file lies, without folders that hold a split or masks."""
        names = path.relative_to(self._folder).parts[:-1]
        return tuple(name_key(label_from(name)) for name in names if role_of(name) not in _NOT_PLACES)

    def _split(self, path: Path) -> Role | None:
        """Say in the folder of which split a file lies, if in any."""
        roles = map(role_of, path.relative_to(self._folder).parts[:-1])
        return next((role for role in roles if role in ("train", "calibration", "test")), None)

    def _named_place(self, path: Path) -> Place:
        """Say where the images lie whose masks are in a folder called like theirs: ``crack`` for ``crack_masks``."""
        names = path.relative_to(self._folder).parts[:-1]
        inner = [masked_folder(name) if role_of(name) == "masks" else name for name in names]
        return tuple(
            name_key(label_from(name)) for name in inner if name and role_of(name) not in _NOT_PLACES
        )
