"""Brain MRI: slices without and with a tumour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.fixed_split import describe_split, split_images
from twinspect.data.benchmarks.loader_base import add_usable, build_data_set
from twinspect.data.benchmarks.root_folder import complete_root
from twinspect.data.listing import Listing, find_images, relative_name
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
    folder = complete_root(root, entry, tuple(_LABELS))
    listing = Listing()
    samples = [
        Sample(path, relative_name(path, folder), "test", label, entry.key)
        for name, label in _LABELS.items()
        for path in find_images(folder / name, listing)
    ]
    add_usable(listing, split_images(samples, test_every))
    return build_data_set(
        entry, listing, folder, f"no/ is good, yes/ is not; {describe_split('images', test_every)}"
    )
