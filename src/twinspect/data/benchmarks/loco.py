"""MVTec LOCO AD: structural and logical anomalies, with a mask a region and rules for the saturated PRO."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.data.benchmarks.by_category import read_categories
from twinspect.data.layouts import read_mvtec
from twinspect.data.listing import Found, subfolders
from twinspect.data.masks import attach_mask_folders
from twinspect.decoding import stored_values
from twinspect.errors import DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from twinspect.data.benchmarks.by_category import Categories
    from twinspect.data.samples import DataSet, Sample

CONFIG: Final = "defects_config.json"
_KEYS: Final = ("defect_name", "pixel_value", "saturation_threshold", "relative_saturation")


@dataclass(frozen=True)
class Saturation:
    """How much of a region must be found for the whole of it to count as found.

    Attributes:
        defect: the kind of defect.
        pixel_value: the value that marks it in a mask.
        threshold: an area in pixels, or a share of the region if ``relative``.
        relative: whether ``threshold`` is a share.
    """

    defect: str
    pixel_value: int
    threshold: float
    relative: bool

    def area(self, region: int) -> int:
        """Return the area in pixels at which a region of so many pixels is saturated; never more than it has."""
        return min(int(self.threshold * region) if self.relative else int(self.threshold), region)


@dataclass(frozen=True)
class Region:
    """One annotated region of an image.

    Attributes:
        marked: (H, W) bool, its pixels, which need not be connected.
        saturation: the rule for its kind of defect.
    """

    marked: NDArray[np.bool_]
    saturation: Saturation


def MVTecLOCO(root: str | os.PathLike[str], categories: Categories = None) -> DataSet:
    """MVTec LOCO AD: five products with logical and structural anomalies.

    ``<category>/train/good``, ``validation/good``, ``test/{good,logical_anomalies,structural_anomalies}``,
    ``ground_truth/<kind>/<image>/<nnn>.png``, ``defects_config.json``. The split is the official one; validation
    images are for calibration. An image's masks are in ``Sample.masks``; :func:`saturations` and :func:`regions`
    give what the saturated PRO is computed from.

    Args:
        root: the unpacked folder, which holds ``breakfast_box``, ``juice_bottle`` and so on.
        categories: some of them; otherwise all must be there.

    Raises:
        DataError: the folder is another one, still an archive, or lacks categories; says what to type.
        ConfigError: an unknown category.

    Warns:
        PartialCopyWarning: there are more or fewer images than published.

    Source: Bergmann et al., IJCV 2022; https://www.mvtec.com/company/research/datasets/mvtec-loco
    """
    parts = ("train", "validation", "test", "ground_truth")
    layout = "train/good, validation/good (calibration), test/<kind>, ground_truth/<kind>/<image>/<nnn>.png"
    return read_categories("MVTecLOCO", root, categories, read=_read, parts=parts, layout=layout)


def saturations(category: Path) -> dict[int, Saturation]:
    """Read ``defects_config.json`` of a category, by the value that marks a defect in its masks.

    Raises:
        DataError: it is missing, or not what it should be.
    """
    path = category / CONFIG
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        rules = [
            Saturation(name, int(value), float(threshold), bool(relative))
            for name, value, threshold, relative in ([row[key] for key in _KEYS] for row in rows)
        ]
    except (OSError, ValueError, TypeError, KeyError) as error:
        expected = f"a list of objects with {', '.join(_KEYS)}"
        raise DataError(
            f"{path}: cannot be read ({type(error).__name__}: {error}); expected {expected}"
        ) from error
    return {rule.pixel_value: rule for rule in rules}


def regions(sample: Sample, rules: Mapping[int, Saturation]) -> list[Region]:
    """Read the annotated regions of an image, one a mask file.

    Args:
        sample: an image of :func:`MVTecLOCO`.
        rules: the :func:`saturations` of its category.

    Raises:
        ImageError: a mask cannot be read.
        DataError: a mask holds another number of values than one, or a value without a rule.
    """
    return [_region(mask, rules) for mask in sample.masks]


def _region(path: Path, rules: Mapping[int, Saturation]) -> Region:
    values = stored_values(path, indices=True).values[..., 0]
    present = [int(value) for value in np.unique(values) if value]
    if len(present) != 1 or present[0] not in rules:
        allowed = ", ".join(str(value) for value in sorted(rules))
        raise DataError(f"{path}: marks pixels with {present}; allowed is one of {allowed}, as in {CONFIG}")
    return Region(values == present[0], rules[present[0]])


def _read(folder: Path, root: Path) -> Found:
    found = Found()
    folders = subfolders(folder, found)
    found.skipped = [left for left in found.skipped if left.path.name != CONFIG]
    found.add(read_mvtec(folders, root, attach_mask_folders))
    return found
