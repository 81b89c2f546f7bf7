"""Brain MRI: slices without and with a tumour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.fixed_split import deal_each, stated
from twinspect.data.benchmarks.loader_base import add, finished
from twinspect.data.benchmarks.root_folder import whole_root
from twinspect.data.listing import Found, find_images, relative_name
from twinspect.data.samples import GOOD, Sample

if TYPE_CHECKING:
    import os

    from twinspect.data.samples import DataSet

_LABELS = {"no": GOOD, "yes": "tumor"}


def BrainMRI(root: str | os.PathLike[str], *, test_every: int = 5) -> DataSet:
    """Brain MRI: ``no/`` is good, ``yes/`` has a tumour. No masks.

    There is no official split. Here every tumour is tested, and of the good images, in the natural order of their
    names, number ``test_every``, 2 ``test_every`` and so on; the others are trained on.

    Args:
        root: the folder that holds ``yes`` and ``no``.
        test_every: see above.

    Raises:
        DataError: it is another folder or still an archive, or one of the two is missing; says what to type.
        ConfigError: ``test_every`` is below 2.

    Source: https://www.kaggle.com/datasets/navoneel/brain-mri-images-for-brain-tumor-detection
    """
    entry = CATALOGUE["BrainMRI"]
    folder = whole_root(root, entry, tuple(_LABELS))
    found = Found()
    samples = [
        Sample(path, relative_name(path, folder), "test", label, entry.key)
        for name, label in _LABELS.items()
        for path in find_images(folder / name, found)
    ]
    add(found, deal_each(samples, test_every))
    return finished(entry, found, folder, f"no/ is good, yes/ is not; {stated('images', test_every)}")
