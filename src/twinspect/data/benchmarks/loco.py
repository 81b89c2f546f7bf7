"""MVTec LOCO AD: structural and logical anomalies, with a mask a region and rules for the saturated PRO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.data.benchmarks.by_category import read_categories
from twinspect.data.layouts import read_mvtec

if TYPE_CHECKING:
    import os

    from twinspect.data.benchmarks.by_category import Categories
    from twinspect.data.samples import DataSet


def MVTecLOCO(root: str | os.PathLike[str], categories: Categories = None) -> DataSet:
    """MVTec LOCO AD: five products with logical and structural anomalies.

    ``<category>/train/good``, ``validation/good``, ``test/{good,logical_anomalies,structural_anomalies}``,
    ``ground_truth/<kind>/<image>/<nnn>.png``, ``defects_config.json``. The split is the official one; validation
    images are for calibration. An image's masks are in ``Sample.masks``, and ``Sample.rules`` is the file that the
    saturated PRO needs besides; ``twinspect.data.saturation_rules`` reads both.

    Args:
        root: the unpacked folder, which holds ``breakfast_box``, ``juice_bottle`` and so on.
        categories: some of them; otherwise all must be there.

    Raises:
        DataError: the folder is another one, still an archive, or lacks categories; says what to type.
        ConfigError: an unknown category.

    Warns:
        PartialCopyWarning: there are more or fewer images than in the archive.

    Source: Bergmann et al., IJCV 2022; https://www.mvtec.com/company/research/datasets/mvtec-loco
    """
    parts = ("train", "validation", "test", "ground_truth")
    layout = "train/good, validation/good (calibration), test/<kind>, ground_truth/<kind>/<image>/<nnn>.png"
    return read_categories("MVTecLOCO", root, categories, read=read_mvtec, parts=parts, layout=layout)
