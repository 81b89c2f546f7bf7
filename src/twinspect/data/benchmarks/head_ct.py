"""Head CT: slices without and with a haemorrhage."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.fixed_split import describe_split, split_images
from twinspect.data.benchmarks.loader_base import add_usable, build_data_set
from twinspect.data.benchmarks.root_folder import benchmark_root, missing_parts
from twinspect.data.listing import Listing, find_images, relative_name
from twinspect.data.samples import GOOD, Sample
from twinspect.errors import DataError

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from twinspect.data.samples import DataSet

_TABLE: Final = "labels.csv"
_IMAGES: Final = "head_ct"
_LABELS: Final = {"0": GOOD, "1": "hemorrhage"}


def HeadCT(root: str | os.PathLike[str], *, test_every: int = 5) -> DataSet:
    """Head CT: 200 slices, half of them with a haemorrhage. No masks.

    ``head_ct/000.png`` and so on, also in a second ``head_ct`` folder inside the first, beside ``labels.csv`` with
    the columns ``id`` and ``hemorrhage`` (1 or 0); an image belongs to the id that its name is as a number. There is
    no official split. Here every haemorrhage is tested, and of the good images, in the natural order of their names,
    number ``test_every``, 2 ``test_every`` and so on; the others are trained on.

    Args:
        root: the folder that holds ``head_ct`` and ``labels.csv``.
        test_every: see above.

    Raises:
        DataError: it is another folder or still an archive, or images or labels are missing; says what to type.
        ConfigError: ``test_every`` is below 2.

    Source: https://www.kaggle.com/datasets/felipekitamura/head-ct-hemorrhage
    """
    entry = CATALOGUE["HeadCT"]
    expected = f"{_IMAGES}/ and {_TABLE}"
    folder = benchmark_root(root, entry, lambda path: (path / _TABLE).is_file(), expected)
    labels = _labels(folder / _TABLE)
    listing = Listing()
    samples = []
    for path in find_images(folder / _IMAGES, listing):
        label = labels.pop(int(path.stem), None) if path.stem.isdecimal() else None
        if label is None:
            listing.skip(path, f"{_TABLE} has no label for it")
        else:
            samples.append(Sample(path, relative_name(path, folder), "test", label, entry.key))
    if labels:
        names = [f"{_IMAGES}/{number:03d}.png" for number in labels]
        raise missing_parts(folder, entry, names, f"get them from {entry.page}")
    add_usable(listing, split_images(samples, test_every))
    return build_data_set(entry, listing, folder, f"labels.csv; {describe_split('images', test_every)}")


def _labels(path: Path) -> dict[int, str]:
    """Read the label of each number."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            # The published header has a blank behind its comma.
            rows = csv.DictReader(stream, skipinitialspace=True)
            return {int(row["id"]): _LABELS[row["hemorrhage"].strip()] for row in rows}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        expected = "the columns id, a number, and hemorrhage, 0 or 1"
        raise DataError(
            f"{path}: cannot be read ({type(error).__name__}: {error}); expected {expected}"
        ) from error
