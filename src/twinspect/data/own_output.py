"""What twinspect itself writes, perhaps into a folder of data: never taken for images, wherever files are listed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

REASON: Final = "written by twinspect"
MAPS_MARKER: Final = ".twinspect-maps"
"""A file of this name says that a folder holds heat maps."""
_FILES: Final = (("model.json", "weights.safetensors"), ("report.html", "metrics.json"), (MAPS_MARKER,))
"""Files that lie together in a model, in a report, and in a folder of heat maps."""
_SHEET: Final = "contact_sheet.png"
_SHEET_TEXT: Final = b"Software\0twinspect synth"
"""What `synth` writes at the beginning of its sheets."""
_BEGINNING: Final = 4096


def is_own_folder(holds: Callable[[str], bool]) -> bool:
    """Tell whether twinspect has written a folder.

    Args:
        holds: whether a file of a name is in it.
    """
    return any(all(map(holds, files)) for files in _FILES)


def own_reason(entry: os.DirEntry[str], *, is_folder: bool) -> str | None:
    """Say that a folder, or a file, was written by twinspect; ``None`` if it was not."""
    if is_folder:
        own = is_own_folder(lambda name: os.path.lexists(os.path.join(entry.path, name)))  # noqa: PTH118 - 100,000
    else:
        own = entry.name == _SHEET and _is_sheet(entry.path)
    return REASON if own else None


def _is_sheet(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return _SHEET_TEXT in file.read(_BEGINNING)
    except OSError:
        return False
