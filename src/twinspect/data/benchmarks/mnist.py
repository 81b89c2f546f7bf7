"""MNIST and Fashion-MNIST: the idx files, gzipped or not."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.loader_base import build_data_set
from twinspect.data.benchmarks.root_folder import benchmark_root, missing_parts
from twinspect.data.class_arrays import array_samples
from twinspect.data.listing import Listing
from twinspect.data.samples import ClassSet
from twinspect.errors import DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from twinspect.data.benchmarks.catalogue import Benchmark
    from twinspect.data.samples import Sample, Split

_STEMS: Final[dict[Split, str]] = {"train": "train", "test": "t10k"}
_DIMENSIONS: Final = {"images": 3, "labels": 1}
_UINT8: Final = 8
"""The idx format's code for unsigned bytes."""


def MNIST(root: str | os.PathLike[str]) -> ClassSet:
    """MNIST: 70,000 handwritten digits of 28 x 28 pixels, for ``one_vs_rest`` and ``all_but_one``.

    ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte`` are for training, ``t10k-...`` for testing; each also
    with ``.gz`` at the end, or with a dot before ``idx``. The classes are ``0`` to ``9``. The pixels are held in
    memory. The files of Fashion-MNIST are called the same: nothing tells them apart.

    Args:
        root: the folder of the four files.

    Raises:
        DataError: it is another folder, files are missing, cut off or not idx files; says which.

    Source: LeCun et al., 1998; http://yann.lecun.com/exdb/mnist/
    """
    return _read("MNIST", root)


def FashionMNIST(root: str | os.PathLike[str]) -> ClassSet:
    """Fashion-MNIST: 70,000 garments of 28 x 28 pixels; files, split and errors as for :func:`MNIST`.

    The classes are called as in the paper, from ``T-shirt/top`` to ``Ankle boot``.

    Args:
        root: the folder of the four files.

    Source: Xiao et al., 2017; https://github.com/zalandoresearch/fashion-mnist
    """
    return _read("FashionMNIST", root)


def _read(key: str, root: str | os.PathLike[str]) -> ClassSet:
    entry = CATALOGUE[key]
    files = [(stem, kind) for stem in _STEMS.values() for kind in _DIMENSIONS]
    expected = f"{', '.join(_possible_names(*file)[0] for file in files)}, or each with .gz"
    folder = benchmark_root(
        root, entry, lambda path: any(_find_file(path, *file) for file in files), expected
    )
    listing = Listing()
    for split, stem in _STEMS.items():
        listing.samples += _half(folder, entry, split, stem)
    return ClassSet.of(build_data_set(entry, listing, folder, "idx files for training and testing"))


def _half(folder: Path, entry: Benchmark, split: Split, stem: str) -> Iterator[Sample]:
    grey, numbers = (_array(folder, entry, stem, kind) for kind in _DIMENSIONS)
    if len(grey) != len(numbers) or max(numbers.tolist(), default=0) >= len(entry.categories):
        raise DataError(f"{folder}: the images and labels of {stem} do not fit each other; get them again")
    pixels = np.broadcast_to(grey[..., None], (*grey.shape, 3))
    return array_samples(folder, split, pixels, [entry.categories[number] for number in numbers])


def _possible_names(stem: str, kind: str) -> list[str]:
    """List what a file may be called; the first is the official name."""
    dimensions = _DIMENSIONS[kind]
    names = [f"{stem}-{kind}{mark}idx{dimensions}-ubyte" for mark in "-."]
    return [f"{name}{gz}" for name in names for gz in ("", ".gz")]


def _find_file(folder: Path, stem: str, kind: str) -> Path | None:
    return next((folder / name for name in _possible_names(stem, kind) if (folder / name).is_file()), None)


def _array(folder: Path, entry: Benchmark, stem: str, kind: str) -> NDArray[np.uint8]:
    path = _find_file(folder, stem, kind)
    if path is None:
        raise missing_parts(folder, entry, _possible_names(stem, kind)[:1], f"get it from {entry.page}")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be unpacked ({error}); get it again") from error
    return _parse_idx(path, content, _DIMENSIONS[kind])


def _parse_idx(path: Path, content: bytes, dimensions: int) -> NDArray[np.uint8]:
    """Read an idx file: two zero bytes, the type, the number of dimensions, their lengths, the values."""
    start = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, _UINT8, dimensions)) or len(content) < start:
        raise DataError(f"{path}: not an idx file of {dimensions} dimensions of unsigned bytes; get it again")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise DataError(f"{path}: has {len(content) - start} values for {shape}; it is cut off: get it again")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
