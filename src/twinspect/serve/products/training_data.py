"""The photos of a product as folders of files, for the command line."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from twinspect.serve.store.archive import Archive
    from twinspect.serve.store.product_records import PhotoRow, ProductRow

GOOD, DEFECTS, REGION, COMPLETE = "good", "defects", "roi.json", "complete"
_LONGEST: Final = 60
"""Letters of a client's name that are kept."""


def write_training_data(
    folder: Path, archive: Archive, product: ProductRow, photos: Iterable[PhotoRow]
) -> None:
    """Write a product's photos and region of interest, once: what a training began with stays for its resumption.

    Args:
        folder: gets ``good``, ``defects`` and ``roi.json``.
        archive: where the images are.
        product: whose they are.
        photos: all of them.

    Raises:
        OSError: the disk is full or not writable.
        NotStoredError: an image is missing.
    """
    if (folder / COMPLETE).exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    for part in (GOOD, DEFECTS):
        (folder / part).mkdir(parents=True)
    for photo in photos:
        part = GOOD if photo.role == "good" else DEFECTS
        _link(archive.path(photo.image.sha256), folder / part / file_name(photo))
    if product.region is not None:
        write_atomically(folder / REGION, json.dumps(product.region).encode())
    (folder / COMPLETE).touch()


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
    with suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)
