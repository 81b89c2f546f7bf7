"""Which file beside an image is its mask, told by its name, and where that leaves doubt by its pixels."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath
from typing import TYPE_CHECKING

from twinspect.errors import DataError
from twinspect.images.formats import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from pathlib import Path

_MARK = r"(?:masks?|gt|labels?|seg|segmentation|ground[ _-]?truth|annotations?|anno)"
_MARK_AFTER = re.compile(rf"(.+?)[ _.-]{_MARK}(?:[ _.-]?[0-9]+)?", re.IGNORECASE)
_MARK_BEFORE = re.compile(rf"{_MARK}[ _.-](.+)", re.IGNORECASE)
_ENDING = re.compile(r"(.+)_([^\W\d_]+)")
"""An image's name and any word after it."""


def name_key(name: str) -> str:
    """Return what is the same for different spellings of one name: in any case, and with accents in any form."""
    return unicodedata.normalize("NFC", name).casefold()


def named_image(stem: str) -> str | None:
    """Return the image's name within the name of a mask, without endings; ``None`` if nothing in it says mask.

    >>> named_image("7_mask"), named_image("MASK_7"), named_image("7_mask_2"), named_image("7")
    ('7', '7', '7', None)
    """
    match = _MARK_AFTER.fullmatch(stem) or _MARK_BEFORE.fullmatch(stem)
    return match.group(1) if match else None


def image_names(mask: Path) -> list[str]:
    """List what the image of a mask may be called, the likeliest first."""
    names = [mask.stem]
    if (name := named_image(mask.stem)) is not None:
        names.append(name)
    # 7.jpg.png, 7.jpg_mask.png
    inner = [PurePath(name).stem for name in names if PurePath(name).suffix.lower() in IMAGE_SUFFIXES]
    # 7_binary.png, 7_scratch.png
    ends = [name] if (name := _without_ending(mask.stem)) else []
    return names + inner + ends


def masks_beside_images(images: list[Path]) -> dict[Path, None]:
    """Find masks in the folders of their images: ``7_mask.png`` beside ``7.jpg``.

    Beside ``7.jpg`` an image ``7_m.png``, or with any other word at its end, is one if it has at most two values and
    ``7.jpg`` has more.
    """
    by_name = {(path.parent, name_key(path.stem)): path for path in images}

    def is_mask(path: Path) -> bool:
        name, ended = named_image(path.stem), _without_ending(path.stem)
        if name and (path.parent, name_key(name)) in by_name:
            return True
        image = by_name.get((path.parent, name_key(ended))) if ended else None
        return image is not None and _has_two_values(path) and not _has_two_values(image)

    return dict.fromkeys(filter(is_mask, images))


def _without_ending(stem: str) -> str | None:
    match = _ENDING.fullmatch(stem)
    return match.group(1) if match else None


def _has_two_values(path: Path) -> bool:
    # Imported here because few folders need them.
    import numpy as np  # noqa: PLC0415

    from twinspect.images.bounded import stored_values  # noqa: PLC0415

    try:
        values = stored_values(path, indices=True).values
    except DataError:
        return False
    # Most photographs show it in their first line.
    return all(len(np.unique(part)) <= 2 for part in (values[:1], values))
