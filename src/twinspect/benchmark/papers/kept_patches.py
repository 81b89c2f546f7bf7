"""Features of patches, kept beside the store of runs as plain arrays, for figures of vanilla and advanced teacher."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.errors import DataError
from twinspect.evaluation.patch_features import Patches, sample_levels
from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from twinspect.data.samples import DataSet
    from twinspect.detector import Detector

_NOTHING: Final = "nothing"
"""Name of the array that says why there are no patches."""


def patches_file(out: Path, key: str) -> Path:
    """Return where the patches of a run are kept."""
    return out / "patches" / f"{key}.npz"


def save_patches(path: Path, detector: Detector, data: DataSet) -> None:
    """Keep patches of the test images at every level, or why there are none: the run itself is as good without."""
    arrays: dict[str, NDArray[Any]] = {}
    try:
        levels = sample_levels(detector, data)
    except DataError as error:
        levels, arrays[_NOTHING] = [], np.array(str(error))
    for patches in levels:
        arrays[f"{patches.level} vanilla"] = patches.vanilla
        arrays[f"{patches.level} is_anomalous"] = patches.is_anomalous
        if patches.amplified is not None:
            arrays[f"{patches.level} amplified"] = patches.amplified
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, buffer.getvalue())


def load_patches(path: Path) -> tuple[list[Patches], str]:
    """Read what :func:`save_patches` kept: patches level by level, and why there are none."""
    with np.load(path, allow_pickle=False) as arrays:
        if _NOTHING in arrays:
            return [], str(arrays[_NOTHING])
        levels = dict.fromkeys(name.rpartition(" ")[0] for name in arrays)
        return [
            Patches(
                level,
                arrays[f"{level} vanilla"],
                arrays.get(f"{level} amplified"),
                arrays[f"{level} is_anomalous"],
            )
            for level in levels
        ], ""
