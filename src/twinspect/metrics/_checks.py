"""Checks of labels, masks and scores before a metric uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.errors import ConfigError, DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def as_booleans(values: ArrayLike, name: str) -> NDArray[np.bool_]:
    """Read 0/1 values as booleans.

    Args:
        values: any shape; bool, or numbers that are all 0 (good) or 1 (anomalous).
        name: what the values are called in the error.

    Raises:
        DataError: a value other than 0 and 1, such as the 255 of a mask read from a PNG.
    """
    array = np.asarray(values)
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iuf":
        raise DataError(f"{name} came as {array.dtype}; allowed: bool, or numbers that are 0 or 1")
    flags = array.astype(bool)
    wrong = array != flags
    if wrong.any():
        raise DataError(
            f"{name} holds the value {array[wrong].flat[0].item()}; allowed: 0 (good) and 1 (anomalous); "
            "for a mask read from an image file type: mask > 0"
        )
    return flags


def as_scores(values: ArrayLike, name: str) -> NDArray[Any]:
    """Read scores as float32 or float64 without loss of precision.

    Args:
        values: any shape; float16 (widened), float32, float64, or integers (as float64). Finite.
        name: what the values are called in the error.

    Raises:
        DataError: another type, an empty array, or a value that is NaN or infinite.
    """
    array = np.asarray(values)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    elif array.dtype == np.float16:
        array = array.astype(np.float32)
    if array.dtype not in (np.float32, np.float64):
        raise DataError(f"{name} came as {array.dtype}; allowed: float16, float32, float64 and integers")
    if array.size == 0:
        raise DataError(f"{name} of shape {array.shape} holds no value; at least one is needed")
    _check_finite(array, name)
    return array


def _check_finite(array: NDArray[Any], name: str) -> None:
    finite = np.isfinite(array)
    if finite.all():
        return
    index = tuple(int(axis) for axis in np.argwhere(~finite)[0])
    raise DataError(
        f"{name}: {int(array.size - finite.sum())} of {array.size} values are NaN or infinite, the first at "
        f"index {index}; only finite scores can be ranked: find out why the model returned them, or leave "
        "them out"
    )


def as_pair(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Read labels and scores that belong together.

    Args:
        labels: (N,) bool or 0/1, 1 is anomalous.
        scores: (N,) finite floats, higher is more anomalous.

    Raises:
        DataError: see :func:`as_booleans` and :func:`as_scores`; also other shapes than (N,) and (N,).
    """
    flags, values = as_booleans(labels, "labels"), as_scores(scores, "scores")
    if flags.ndim != 1 or flags.shape != values.shape:
        raise DataError(
            f"labels of shape {flags.shape} came with scores of shape {values.shape}; allowed: two 1-D "
            "arrays of the same length; for images type: labels.ravel(), scores.ravel()"
        )
    return flags, values


def check_limit(limit: float) -> None:
    """Refuse a false-positive rate to integrate up to that is not in (0, 1].

    Raises:
        ConfigError: the limit is outside.
    """
    if not 0 < limit <= 1:
        raise ConfigError(f"limit={limit!r}; allowed: a false-positive rate in (0, 1], usually 0.3 or 0.05")


def check_level(level: float) -> None:
    """Refuse a confidence level that is not in (0, 1).

    Raises:
        ConfigError: the level is outside.
    """
    if not 0 < level < 1:
        raise ConfigError(f"level={level!r}; allowed: between 0 and 1, usually 0.95")
