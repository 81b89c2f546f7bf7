"""The photos of a product as folders of files, for the command line."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from twinspect.serve.store.archive import Archive
    from twinspect.serve.store.product_records import PhotoRow, ProductRow, VersionRow

GOOD, DEFECTS, REGION, COMPLETE = "good", "defects", "roi.json", "complete"
FALSE_ALARMS = "false-alarms"
ANEW, TRAIN, CALIBRATION = "anew", "train", "calibration"
_LONGEST: Final = 60
"""Letters of a client's name that are kept."""


def write_training_data(
    folder: Path,
    archive: Archive,
    product: ProductRow,
    photos: Iterable[PhotoRow],
    versions: Sequence[VersionRow] = (),
) -> None:
    """Write a product's photos and region of interest, once: what a training began with stays for its resumption.

    Args:
        folder: gets ``good``, ``false-alarms`` (good ones that were called anomalous), ``defects`` and ``roi.json``;
            and, where there are versions, ``anew``, with all good ones once more in the layout that says which are
            held out.
        archive: where the images are.
        product: whose they are.
        photos: all of them.
        versions: those that there are.

    Raises:
        OSError: the disk is full or not writable.
        NotStoredError: an image is missing.
    """
    if (folder / COMPLETE).exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    for part in (GOOD, FALSE_ALARMS, DEFECTS):
        (folder / part).mkdir(parents=True)
    held_out = HeldOut.by(versions)
    for photo in photos:
        path = archive.path(photo.image.sha256)
        _link(path, folder / _part(photo) / file_name(photo))
        if versions and photo.role == "good":
            _link(path, folder / ANEW / held_out.split_of(photo) / GOOD / file_name(photo))
    if product.region is not None:
        write_atomically(folder / REGION, json.dumps(product.region).encode())
    (folder / COMPLETE).touch()


def _part(photo: PhotoRow) -> str:
    if photo.role == "defect":
        return DEFECTS
    return FALSE_ALARMS if photo.is_false_alarm else GOOD


@dataclass(frozen=True)
class HeldOut:
    """Which photos no training learns from, so that versions can be compared on them.

    Attributes:
        photos: ids of those that a version held out; they stay held out.
        newest: the highest id that a version knew; of later photos two of five are held out, by their contents, but
            no false alarms: calibrated on, mistakes would count more often than they occur.
    """

    photos: frozenset[int]
    newest: int

    @classmethod
    def by(cls, versions: Sequence[VersionRow]) -> HeldOut:
        """Collect what versions have held out."""
        known = [set(version.figures["held_out"]) for version in versions]
        newest = max((version.figures["newest_photo"] for version in versions), default=0)
        return cls(frozenset().union(*known), newest)

    def split_of(self, photo: PhotoRow) -> str:
        """Name the folder of the layout that a photo belongs to."""
        is_new = photo.id > self.newest and not photo.is_false_alarm
        drawn = is_new and int(photo.image.sha256[:8], 16) % 5 < 2
        return CALIBRATION if photo.id in self.photos or drawn else TRAIN


def file_name(photo: PhotoRow) -> str:
    """Name a photo's file: its number, and what of the client's name is harmless in a path."""
    stem = photo.name.rpartition(".")[0] or photo.name
    harmless = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in stem)
    return f"{photo.id:06d}-{harmless[:_LONGEST]}{photo.image.suffix}"


def photo_id(path: str) -> int | None:
    """Return the id of the photo whose file this is, whatever folders it lies in; ``None`` for another file."""
    number = path.replace("\\", "/").rpartition("/")[2].partition("-")[0]
    return int(number) if number.isdecimal() else None


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system cannot."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)
