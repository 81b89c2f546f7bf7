"""Opening data: a folder, a manifest, a list of files or pixels becomes a data set."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, Union, get_args

import numpy as np
from numpy.typing import NDArray

from twinspect.data.class_arrays import ARRAYS_SUFFIX
from twinspect.data.layouts import EXPECTED, read_all_good, read_folder
from twinspect.data.listing import Listing, check_unique
from twinspect.data.manifest import MANIFEST_SUFFIXES, read_manifest
from twinspect.data.samples import ClassSet, DataSet, Sample, Split
from twinspect.errors import ConfigError, DataError, UnlabelledError
from twinspect.images.formats import IMAGE_SUFFIXES
from twinspect.utils.progress import announce

DataSource: TypeAlias = Union[
    str,
    "os.PathLike[str]",
    DataSet,
    NDArray[np.uint8],
    Iterable[Union[str, "os.PathLike[str]"]],
    Iterable[NDArray[np.uint8]],
]
"""What every verb accepts as data: see `open_data`."""


def open_data(source: DataSource, *, name: str | None = None, split: Split = "train") -> DataSet:
    """List the images of a source, each with its split, label, category and mask.

    The images of a folder or manifest are sorted; those of a list or an array keep their order.

    Args:
        source: a folder in one of the layouts of `read_folder`; a manifest (see `read_manifest`); an
            image file; a list of any of these; (N, H, W, 3) RGB or (N, H, W) grey uint8 pixels, or a list
            of such images without the N; or a data set, which is returned as it is.
        name: what to call the data set in reports; otherwise the folder's or the file's name.
        split: of images whose source does not say what they are for: those of a plain folder, of a list, of an
            array, and the good ones of class folders.

    Raises:
        DataError: there is nothing there, it fits no layout, or it contradicts itself.
        ConfigError: ``split`` is not one of the splits.
    """
    if split not in get_args(Split):
        raise ConfigError(f"split is {split!r}; allowed are {', '.join(get_args(Split))}")
    data = _open(source, split)
    return data if name is None else replace(data, name=name)


def open_good(source: DataSource) -> list[Sample]:
    """List the good images of a source that are not for testing: for training or calibration.

    Args:
        source: as for :func:`open_data`; of a plain folder, a list or an array, every image is meant.

    Raises:
        DataError: as for :func:`open_data`.
    """
    return [
        sample for sample in open_data(source, split="train") if sample.is_good and sample.split != "test"
    ]


def all_good(source: str | os.PathLike[str], *, split: Split = "train") -> DataSet:
    """Take every image in a folder and below for good, whatever its sub-folders are called.

    Args:
        source: a folder.
        split: of the images.

    Raises:
        DataError: it is no folder, or holds no images.
    """
    path = as_path(source)
    if not path.is_dir():
        raise DataError(f"{path}: not a folder; every image of a folder can be taken for good")
    return read_all_good(path, split)


def open_called_good(source: DataSource) -> DataSet:
    """List the images of a source that somebody calls good: where its folders do not say which are, all are.

    Args:
        source: as for :func:`open_data`.

    Raises:
        DataError: as for :func:`open_data`.
    """
    try:
        return open_data(source, split="train")
    except UnlabelledError:
        return all_good(source)  # type: ignore[arg-type] # only folders are in doubt


def _open(source: Any, split: Split) -> DataSet:
    if isinstance(source, ClassSet):
        remedy = "twinspect.data.one_vs_rest(data, CLASS) or all_but_one(data, CLASS) does"
        raise DataError(f"{source.name}: does not say which of its classes are good; {remedy}")
    if isinstance(source, DataSet):
        return source
    if isinstance(source, (str, os.PathLike)):
        announce(f"listing the images of {os.fspath(source)}")
        return _open_path(as_path(source), split)
    if isinstance(source, np.ndarray):
        return _open_array(source, split)
    if isinstance(source, Iterable):
        return _open_list(list(source), split)
    raise DataError(
        f"data is a {type(source).__name__}; allowed are a path, a list of paths, or uint8 pixels"
    )


def as_path(text: str | os.PathLike[str]) -> Path:
    """Turn what a user typed into a path, with ``~`` for the home folder.

    Raises:
        DataError: nothing was typed, which is not meant for the current folder.
    """
    if not os.fspath(text):
        raise DataError("a path is empty; name a file or folder, or . for the current folder")
    path = Path(text)
    return path.expanduser() if path.parts[:1] == ("~",) else path


def _open_path(path: Path, split: Split) -> DataSet:
    suffix = path.suffix.lower()
    if path.is_dir():
        return read_folder(path, split)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; {EXPECTED}")
    if suffix in MANIFEST_SUFFIXES:
        return read_manifest(path)
    if suffix in IMAGE_SUFFIXES:
        listing = Listing([Sample(path, path.name, split)])
        return listing.to_data_set(path.name, path.parent, f"one image ({split})")
    if suffix == ARRAYS_SUFFIX:
        remedy = "fit, evaluate, calibrate and doctor take --normal CLASS or --anomalous CLASS"
        from_python = "from Python: twinspect.data.one_vs_rest(source, CLASS)"
        raise DataError(f"{path}: does not say which of its classes are good; {remedy}; {from_python}")
    raise DataError(f"{path}: neither a folder nor a manifest nor an image by its name; {EXPECTED}")


def _open_list(items: list[Any], split: Split) -> DataSet:
    if not items:
        raise DataError("the list of images is empty; expected at least one path")
    if all(isinstance(item, np.ndarray) for item in items):
        return _in_memory(
            [_image(item, f"image {index} of the list") for index, item in enumerate(items)], split
        )
    listing = Listing()
    for index, item in enumerate(items):
        if not isinstance(item, (str, os.PathLike)):
            allowed = "paths only, or uint8 arrays only"
            raise DataError(f"item {index} of the list is a {type(item).__name__}; allowed are {allowed}")
        listing.add(_list_item(as_path(item), split))
    check_unique(listing.samples)
    return listing.to_data_set("list", None, f"list of {len(items)} paths ({split} where they do not say)")


def _list_item(path: Path, split: Split) -> Listing:
    """Read one item of a list; a file is taken for an image, whatever its name and even if it is missing."""
    if not path.is_dir() and path.suffix.lower() not in MANIFEST_SUFFIXES:
        return Listing([Sample(path, path.as_posix(), split)])
    data = _open_path(path, split)
    folder = path if path.is_dir() else path.parent
    samples = [replace(sample, name=(folder / sample.name).as_posix()) for sample in data.samples]
    return Listing(samples, list(data.skipped), data.doubt)


def _open_array(pixels: NDArray[Any], split: Split) -> DataSet:
    if pixels.dtype == np.uint8 and (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in (3, 4))):
        raise DataError(
            f"got one image of shape {pixels.shape}; allowed are (N, H, W, 3) or (N, H, W): type x[None]"
        )
    if pixels.ndim not in (3, 4) or not len(pixels):
        raise DataError(
            f"got an array of shape {pixels.shape}; allowed are (N, H, W, 3) or (N, H, W) with N > 0"
        )
    return _in_memory([_image(image, f"array of shape {pixels.shape}") for image in pixels], split)


def _image(pixels: NDArray[Any], what: str) -> NDArray[np.uint8]:
    """Return one image as (H, W, 3) uint8, or say what is wrong with it."""
    if pixels.dtype != np.uint8:
        remedy = "from 0..1 make it with (x * 255).round().astype('uint8')"
        raise DataError(f"{what}: the pixels are {pixels.dtype}; allowed is uint8, 0 to 255: {remedy}")
    if not pixels.size or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] == 3)):
        raise DataError(f"{what}: one image is {pixels.shape}; allowed are (H, W, 3) RGB and (H, W) grey")
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1)


def _in_memory(images: list[NDArray[np.uint8]], split: Split) -> DataSet:
    listing = Listing()
    for index, pixels in enumerate(images):
        name = f"array[{index}]"
        listing.samples.append(Sample(Path(name), name, split, pixels=pixels))
    return listing.to_data_set("array", None, f"{len(images)} images in memory ({split})")
