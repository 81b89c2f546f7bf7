"""CIFAR-10 and CIFAR-100, from the binary archives. The Python archives are pickled, so they are never opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.loader_base import build_data_set
from twinspect.data.benchmarks.root_folder import complete_root
from twinspect.data.class_arrays import array_samples
from twinspect.data.listing import Listing
from twinspect.data.opening import as_path
from twinspect.data.samples import ClassSet
from twinspect.errors import ConfigError, DataError

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from numpy.typing import NDArray

    from twinspect.data.samples import Split

_Files = dict["Split", tuple[str, ...]]
_FILES10: Final[_Files] = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
_FILES100: Final[_Files] = {"train": ("train.bin",), "test": ("test.bin",)}
_PICKLED: Final = ("cifar-10-batches-py", "cifar-100-python", "data_batch_1", "meta")
_SHAPE: Final = (3, 32, 32)
_LABEL_COLUMNS: Final = {"coarse": 0, "fine": 1}


def CIFAR10(root: str | os.PathLike[str]) -> ClassSet:
    """CIFAR-10: 60,000 images of 32 x 32 pixels in ten classes, for ``one_vs_rest`` and ``all_but_one``.

    ``data_batch_1.bin`` to ``data_batch_5.bin`` are for training, ``test_batch.bin`` is for testing. The pixels are
    held in memory.

    Args:
        root: ``cifar-10-batches-bin``, as unpacked from ``cifar-10-binary.tar.gz``.

    Raises:
        DataError: it is another folder, still an archive or the Python version, or files are missing or cut off.

    Source: Krizhevsky, 2009; https://www.cs.toronto.edu/~kriz/cifar.html
    """
    folder = _root(root, "CIFAR10", "cifar-10-binary.tar.gz", _all(_FILES10))
    return _read("CIFAR10", folder, _FILES10, CATALOGUE["CIFAR10"].categories, columns=1, column=0)


def CIFAR100(root: str | os.PathLike[str], *, labels: Literal["fine", "coarse"] = "fine") -> ClassSet:
    """CIFAR-100: 60,000 images of 32 x 32 pixels in 100 classes, or the 20 that they are grouped into.

    ``train.bin`` and ``test.bin``, with names in ``fine_label_names.txt`` and ``coarse_label_names.txt``. The pixels
    are held in memory.

    Args:
        root: ``cifar-100-binary``, as unpacked from ``cifar-100-binary.tar.gz``.
        labels: ``fine`` for the 100 classes, ``coarse`` for the 20.

    Raises:
        DataError: it is another folder, still an archive or the Python version, or files are missing or cut off.
        ConfigError: ``labels`` is neither.

    Source: Krizhevsky, 2009; https://www.cs.toronto.edu/~kriz/cifar.html
    """
    if labels not in _LABEL_COLUMNS:
        raise ConfigError(f"labels is {labels!r}; allowed are 'fine' and 'coarse'")
    names = f"{labels}_label_names.txt"
    folder = _root(root, "CIFAR100", "cifar-100-binary.tar.gz", (*_all(_FILES100), names))
    classes = tuple((folder / names).read_text(encoding="utf-8").split())
    return _read("CIFAR100", folder, _FILES100, classes, columns=2, column=_LABEL_COLUMNS[labels])


def _all(files: _Files) -> tuple[str, ...]:
    return tuple(name for names in files.values() for name in names)


def _root(root: str | os.PathLike[str], key: str, archive: str, needed: tuple[str, ...]) -> Path:
    entry = CATALOGUE[key]
    path = as_path(root)
    binary = any(True for name in needed for pattern in (name, f"*/{name}") for _ in path.glob(pattern))
    if not binary and (pickled := _pickled(path)):
        why = "the Python version, which is pickled: opening it can run any code"
        raise DataError(f"{pickled}: {why}; unpack {archive} from {entry.page} and name that folder")
    return complete_root(root, entry, needed)


def _pickled(path: Path) -> Path | None:
    """Return the file that shows a folder or archive to be the pickled Python version."""
    if path.name.startswith(("cifar-10-python", *_PICKLED[:2])) and path.exists():
        return path
    return next((path / name for name in _PICKLED if (path / name).exists()), None)


def _read(
    key: str, folder: Path, files: _Files, classes: tuple[str, ...], *, columns: int, column: int
) -> ClassSet:
    entry = CATALOGUE[key]
    listing = Listing()
    for split, names in files.items():
        records = np.concatenate([_records(folder / name, columns) for name in names])
        numbers = records[:, column].tolist()
        if max(numbers) >= len(classes):
            raise DataError(
                f"{folder}: holds class number {max(numbers)}, but there are only {len(classes)} classes"
            )
        pixels = records[:, columns:].reshape(-1, *_SHAPE).transpose(0, 2, 3, 1)
        listing.samples += array_samples(folder, split, pixels, [classes[number] for number in numbers])
    return ClassSet.of(build_data_set(entry, listing, folder, "binary files for training and testing"))


def _records(path: Path, columns: int) -> NDArray[np.uint8]:
    """Read (images, bytes a record): the labels, then the colours one after the other."""
    length = columns + int(np.prod(_SHAPE))
    values = np.fromfile(path, dtype=np.uint8)
    if not len(values) or len(values) % length:
        raise DataError(
            f"{path}: has {len(values)} bytes; expected {length} an image: unpack the archive again"
        )
    return values.reshape(-1, length)
