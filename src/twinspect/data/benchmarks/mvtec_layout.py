"""Benchmarks in the MVTec layout: MVTec AD itself, MPDD and BTAD."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.data.benchmarks.by_category import read_categories
from twinspect.data.layouts import read_mvtec

if TYPE_CHECKING:
    import os

    from twinspect.data.benchmarks.by_category import Categories
    from twinspect.data.samples import DataSet

LAYOUT: Final = "train/good, test/good and test/<defect>, ground_truth/<defect>/<name>_mask.png"
PARTS: Final = ("train", "test", "ground_truth")


def MVTecAD(root: str | os.PathLike[str], categories: Categories = None) -> DataSet:
    """MVTec AD: 15 textures and objects, with masks.

    ``<category>/train/good``, ``test/good``, ``test/<defect>``, ``ground_truth/<defect>/<name>_mask.png``; the
    split is the official one. No image is set aside for calibration.

    Args:
        root: the unpacked folder, which holds ``bottle``, ``cable`` and so on.
        categories: some of them; otherwise all must be there.

    Raises:
        DataError: the folder is another one, still an archive, or lacks categories; says what to type.
        ConfigError: an unknown category.

    Warns:
        PartialCopyWarning: there are more or fewer images than published.

    Source: Bergmann et al., CVPR 2019; https://www.mvtec.com/company/research/datasets/mvtec-ad
    """
    return read_categories("MVTecAD", root, categories, read=read_mvtec, parts=PARTS, layout=LAYOUT)


def MPDD(root: str | os.PathLike[str], categories: Categories = None) -> DataSet:
    """MPDD: six painted metal parts, with masks; layout, split and errors as for :func:`MVTecAD`.

    Args:
        root: the unpacked folder, which holds ``bracket_black``, ``tubes`` and so on.
        categories: some of them; otherwise all must be there.

    Source: Jezek et al., ICUMT 2021; https://github.com/stepanje/MPDD
    """
    return read_categories("MPDD", root, categories, read=read_mvtec, parts=PARTS, layout=LAYOUT)


def BTAD(root: str | os.PathLike[str], categories: Categories = None) -> DataSet:
    """BTAD: three industrial products, with masks.

    ``01|02|03/train/ok``, ``test/ok``, ``test/ko``, ``ground_truth/ko/<name>``, BMP or PNG; the split is the official
    one. A mask belongs to the image of its name, whatever their endings. Errors as for :func:`MVTecAD`.

    Args:
        root: the unpacked folder, which holds ``01``, ``02`` and ``03``.
        categories: some of them; otherwise all must be there.

    Source: Mishra et al., ISIE 2021; https://github.com/pankajmishra000/VT-ADL
    """
    layout = "train/ok, test/ok, test/ko, ground_truth/ko"
    return read_categories("BTAD", root, categories, read=read_mvtec, parts=PARTS, layout=layout)
