"""Arrays by class: the images and labels of an ``.npz`` file, before anybody says which class is good."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.data.listing import Listing
from twinspect.data.samples import ClassSet, Sample
from twinspect.errors import DataError
from twinspect.utils.memory import available_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from twinspect.data.samples import Split

ARRAYS_SUFFIX: Final = ".npz"
_PARTS: Final[tuple[Split, ...]] = ("train", "test")
_REQUIRED: Final = tuple(f"{kind}_{part}" for part in _PARTS for kind in "xy")


def read_class_arrays(path: Path) -> ClassSet:
    """List the images of an ``.npz`` file, each labelled with its class.

    It holds ``x_train`` and ``x_test``, (N, H, W) grey or (N, H, W, 3) RGB uint8, and ``y_train`` and
    ``y_test``, (N,) or (N, 1) whole numbers or text. ``classes``, if it is there, names the classes: number
    0 is the first. Otherwise the labels themselves, as text, are the names.

    Returns:
        Samples called ``<split>/<class>/<index in the array>``. Their pixels may share memory and be read-only.

    Raises:
        DataError: an array is missing, or they do not fit each other.
    """
    arrays = _load(path)
    names = _class_names(path, arrays["classes"]) if "classes" in arrays else None
    listing = Listing()
    for part in _PARTS:
        pixels = _pixels(f"{path}: x_{part}", arrays[f"x_{part}"])
        labels = _labels(f"{path}: y_{part}", arrays[f"y_{part}"], len(pixels), names)
        listing.samples += array_samples(path, part, pixels, labels)
    return ClassSet.of(listing.to_data_set(path.stem, path, "arrays x_train and x_test"))


def array_samples(
    source: Path, split: Split, pixels: NDArray[np.uint8], labels: Sequence[str]
) -> Iterator[Sample]:
    """Give each image of an (N, H, W, 3) array as a sample called ``<split>/<class>/<index in the array>``."""
    for index, label in enumerate(labels):
        name = f"{split}/{label}/{index}"
        yield Sample(source / name, name, split, label, pixels=pixels[index])


def _load(path: Path) -> dict[str, NDArray[Any]]:
    """Load the arrays that matter, and only those."""
    try:
        # Opened here, because numpy leaves its own file open where the archive is damaged.
        with path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            if not isinstance(stored, np.lib.npyio.NpzFile):
                raise TypeError("it holds a single array")  # noqa: TRY301 - worded below, like every other damage
            names = stored.files
            wanted = [name for name in (*_REQUIRED, "classes") if name in names]
            _check_size(zipfile.ZipFile(file), wanted)
            arrays = {name: stored[name] for name in wanted}
            if broken := [name for name in wanted if not isinstance(arrays[name], np.ndarray)]:
                raise TypeError(f"{broken[0]} is no array")  # noqa: TRY301
    except Exception as error:  # numpy and zipfile fail in a dozen ways on damaged files
        remedy = "write one with np.savez; pickled objects are never loaded"
        raise DataError(f"{path}: not an .npz file of plain arrays ({error}); {remedy}") from error
    if missing := [name for name in _REQUIRED if name not in arrays]:
        needed = f"needed are {', '.join(_REQUIRED)}, and perhaps classes"
        raise DataError(
            f"{path}: no {' and no '.join(missing)} among {', '.join(names) or 'no arrays'}; {needed}"
        )
    return arrays


def _check_size(archive: zipfile.ZipFile, names: Sequence[str]) -> None:
    """Refuse arrays that the memory of this machine cannot hold, by the sizes that the archive states."""
    stated = sum(info.file_size for info in archive.infolist() if info.filename.removesuffix(".npy") in names)
    available = available_memory()
    if stated > available:
        raise ValueError(f"it unpacks to {stated / 2**30:.1f} GiB, and {available / 2**30:.1f} GiB are free")


def _class_names(path: Path, classes: NDArray[Any]) -> list[str]:
    if classes.ndim != 1 or classes.dtype.kind not in "Uiu":
        problem = f"classes is {classes.dtype} of shape {classes.shape}"
        raise DataError(f"{path}: {problem}; allowed is one text for each class: np.array(['cat', 'dog'])")
    names = [str(name) for name in classes]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"{path}: classes holds {twice[0]!r} twice; each class needs a name of its own")
    return names


def _pixels(what: str, array: NDArray[Any]) -> NDArray[np.uint8]:
    """View images as (N, H, W, 3), or say what is wrong with them."""
    if array.dtype != np.uint8:
        remedy = "from 0..1 make it with (x * 255).round().astype('uint8')"
        raise DataError(f"{what} is {array.dtype}; allowed is uint8, 0 to 255: {remedy}")
    if array.ndim == 3:
        array = np.broadcast_to(array[..., None], (*array.shape, 3))
    if array.ndim != 4 or array.shape[-1] != 3 or 0 in array.shape[1:]:
        raise DataError(f"{what} has shape {array.shape}; allowed are (N, H, W, 3) RGB and (N, H, W) grey")
    return array


def _labels(what: str, array: NDArray[Any], images: int, names: Sequence[str] | None) -> list[str]:
    """Name the class of each image."""
    if array.shape not in ((images,), (images, 1)):
        remedy = "from one column a class make it with y.argmax(1)"
        raise DataError(
            f"{what} has shape {array.shape} for {images} images; allowed is ({images},): {remedy}"
        )
    if array.dtype.kind not in "Uiu":
        raise DataError(
            f"{what} is {array.dtype}; allowed are whole numbers, or text: y.astype(int), y.astype(str)"
        )
    labels = array.reshape(-1).tolist()
    if names is None or array.dtype.kind == "U":
        return [str(label) for label in labels]
    if wrong := [label for label in labels if not 0 <= label < len(names)]:
        allowed = f"classes names {len(names)}, so allowed are 0 to {len(names) - 1}"
        raise DataError(f"{what} holds {wrong[0]}; {allowed}")
    return [names[label] for label in labels]
