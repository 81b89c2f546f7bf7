"""The View set: photographs of six kinds of scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.loader_base import build_data_set
from twinspect.data.benchmarks.root_folder import benchmark_root, missing_parts
from twinspect.data.class_folders import add_classes
from twinspect.data.listing import Listing, relative_name
from twinspect.data.samples import ClassSet

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from twinspect.data.samples import Split

_HALVES: Final[dict[str, Split]] = {"seg_train": "train", "seg_test": "test"}


def View(root: str | os.PathLike[str]) -> ClassSet:
    """View: natural scenes in six classes, for ``one_vs_rest`` and ``all_but_one``.

    ``seg_train/seg_train/<class>`` is for training and ``seg_test/seg_test/<class>`` for testing; also without the
    second folder of the same name. ``seg_pred`` has no labels and is not read.

    Args:
        root: the folder that holds ``seg_train`` and ``seg_test``.

    Raises:
        DataError: it is another folder or still an archive, or a half or a class is missing; says what to type.

    Warns:
        PartialCopyWarning: there are more or fewer images than published.

    Source: https://www.kaggle.com/datasets/puneet6060/intel-image-classification
    """
    entry = CATALOGUE["View"]
    expected = "seg_train/<class> and seg_test/<class>"
    folder = benchmark_root(
        root, entry, lambda path: any((path / half).is_dir() for half in _HALVES), expected
    )
    halves = {_half(folder, name): split for name, split in _HALVES.items()}
    folders = [half / name for half in halves for name in entry.categories]
    if missing := [relative_name(path, folder) for path in folders if not path.is_dir()]:
        raise missing_parts(folder, entry, missing, f"get it whole from {entry.page}")
    listing = Listing()
    for half, split in halves.items():
        add_classes(listing, half, folder, split)
    return ClassSet.of(build_data_set(entry, listing, folder, expected))


def _half(folder: Path, name: str) -> Path:
    nested = folder / name / name
    return nested if nested.is_dir() else folder / name
