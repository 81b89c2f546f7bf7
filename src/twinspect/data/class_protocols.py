"""Semantic protocols: a whole class of images is good or anomalous, not a region of an image.

*One against the rest*: the images of one class are good, those of all others anomalous. *All but one*: the other
way round. Both turn data sets made for classification into tests of anomaly detection.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np

from twinspect.data.class_arrays import ARRAYS_SUFFIX, read_class_arrays
from twinspect.data.class_folders import EXPECTED_CLASSES, read_class_folders
from twinspect.data.folder_names import is_good_name
from twinspect.data.listing import Listing
from twinspect.data.opening import as_path
from twinspect.data.samples import GOOD, ClassSet, DataSet
from twinspect.data.splits import check_test_every
from twinspect.errors import ConfigError, DataError, unknown_name
from twinspect.utils.even_sampling import evenly_spaced

if TYPE_CHECKING:
    from twinspect.data.samples import Sample

ClassSource: TypeAlias = Union[str, "os.PathLike[str]", ClassSet]
ClassNames: TypeAlias = str | int | Iterable[str | int]

TEST_EVERY = 5
"""Of class folders without a split, every fifth image of a class is for testing."""
_MAX_NAMES = 5


def one_vs_rest(source: ClassSource, classes: ClassNames, *, test_every: int = TEST_EVERY) -> DataSet:
    """Take the named classes for good and all others for anomalous.

    Training images are those of the good classes; training images of the others are left out. All test images
    are tested: good ones with the label ``good``, the others with the name of their class (a class that is
    called good, normal or ok has the label ``class good`` and so on). ``category`` is empty: which class an
    image shows is what is to be judged, so it cannot be known beforehand.

    Args:
        source: a folder with ``train/<class>`` and ``test/<class>``; a folder with one sub-folder a class; or an
            ``.npz`` file with ``x_train``, ``y_train``, ``x_test``, ``y_test`` and perhaps ``classes``, the
            images (N, H, W) or (N, H, W, 3) uint8, which are kept in memory; or a benchmark of classes, such as
            ``ts.data.CIFAR10(root)``.
        classes: the name of the good class, or several. Without ``classes`` in an ``.npz`` its labels as text.
        test_every: of class folders without a split, images n, 2n, 3n, ... of each class in sorted order are for
            testing. Where neighbours are alike, such as frames of one film, split them by hand into train/ and
            test/ instead.

    Raises:
        ConfigError: a name that is not a class, no name, every class named, or ``test_every`` is below 2.
        DataError: there are no classes, arrays do not fit each other, or the good classes have no training images.

    Example:
        data = ts.data.one_vs_rest("cifar10.npz", "cat")
        detector = ts.Detector("mkd", preset="cifar10").fit(data)
        ts.evaluate(detector, data).pooled["image_auroc"]
    """
    data = read_classes(source, test_every=test_every)
    known = {sample.label for sample in data}
    good = _check_names(classes, known, data, kind="normal", left="anomalous")
    name = f"{data.name}: {_listed(good)} against the rest"
    roles = f"good: {_listed(good)}; anomalous: {_describe_others(known - good)}"
    return _apply_protocol(replace(data, name=name, layout=f"{data.layout}; {roles}"), good)


def all_but_one(source: ClassSource, classes: ClassNames, *, test_every: int = TEST_EVERY) -> DataSet:
    """Take the named classes for anomalous and all others for good.

    Otherwise as :func:`one_vs_rest`. The detector sees the good classes as one, without their names.

    Args:
        source: as for :func:`one_vs_rest`.
        classes: the name of the anomalous class, or several.
        test_every: as for :func:`one_vs_rest`.

    Raises:
        ConfigError: a name that is not a class, no name, every class named, or ``test_every`` is below 2.
        DataError: there are no classes, arrays do not fit each other, or the good classes have no training images.
    """
    data = read_classes(source, test_every=test_every)
    known = {sample.label for sample in data}
    anomalous = _check_names(classes, known, data, kind="anomalous", left="good")
    name = f"{data.name}: all but {_listed(anomalous)}"
    roles = f"anomalous: {_listed(anomalous)}; good: {_describe_others(known - anomalous)}"
    return _apply_protocol(replace(data, name=name, layout=f"{data.layout}; {roles}"), known - anomalous)


def read_classes(source: ClassSource, *, test_every: int = TEST_EVERY) -> ClassSet:
    """List all images, their labels being the names of their classes.

    Args:
        source: as for :func:`one_vs_rest`.
        test_every: as for :func:`one_vs_rest`.

    Raises:
        ConfigError: ``test_every`` is below 2.
        DataError: there are no classes, or arrays do not fit each other.
    """
    check_test_every(test_every)
    if isinstance(source, ClassSet):
        return source
    if isinstance(source, DataSet):
        class_sets = "what benchmarks of classes give, such as ts.data.CIFAR10(root)"
        raise DataError(
            f"{source.name}: already says which of its images are good; allowed are paths and {class_sets}"
        )
    if not isinstance(source, (str, os.PathLike)):
        raise DataError(f"the classes' source is a {type(source).__name__}; {EXPECTED_CLASSES}")
    path = as_path(source)
    if path.is_dir():
        return read_class_folders(path, test_every)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; {EXPECTED_CLASSES}")
    if path.suffix.lower() != ARRAYS_SUFFIX:
        raise DataError(f"{path}: neither a folder nor an .npz by its name; {EXPECTED_CLASSES}")
    return read_class_arrays(path)


def subsample(data: ClassSet, most_train: int | None, most_test: int | None) -> ClassSet:
    """Keep at most so many images of each class, evenly spaced over those there are, for quicker tests.

    Args:
        data: images by class.
        most_train: of each class to train on; ``None`` for all.
        most_test: of each class to test; ``None`` for all.

    Raises:
        ConfigError: a number below 1.
    """
    most = {"train": most_train, "test": most_test}
    for split, number in most.items():
        if number is not None and number < 1:
            raise ConfigError(f"at most {number} images of a class to {split}; allowed is 1 or more")
    groups: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in data:
        groups[sample.split, sample.label].append(sample)
    kept = [
        sample
        for (split, _), group in groups.items()
        for sample in evenly_spaced(group, most.get(split) or len(group))
    ]
    return replace(data, samples=tuple(kept))


def _check_names(classes: ClassNames, known: set[str], data: DataSet, *, kind: str, left: str) -> set[str]:
    """Check the names given against those there are."""
    names = _names(classes)
    for name in names:
        if name not in known:
            raise unknown_name("class", name, known)
    if not names:
        raise ConfigError(f"no {kind} class is named; there are: {', '.join(sorted(known))}")
    if set(names) == known:
        allowed = f"name fewer than its {len(known)}" if len(known) > 1 else "at least two classes are needed"
        raise ConfigError(f"{data.root}: every class is named {kind}, so none is {left}; {allowed}")
    return set(names)


def _names(classes: ClassNames) -> list[str]:
    if isinstance(classes, (str, int, np.integer)):
        return [str(classes)]
    if isinstance(classes, Iterable):
        return [str(name) for name in classes]
    raise ConfigError(
        f"a class is named by a {type(classes).__name__}; allowed are a name and a list of names"
    )


def _apply_protocol(data: DataSet, good: set[str]) -> DataSet:
    """Keep what the protocol uses, and label it good or with its class."""
    result = Listing(skipped=list(data.skipped))
    unused: dict[str, list[Sample]] = defaultdict(list)
    for sample in data:
        if sample.label in good or sample.split == "test":
            result.samples.append(_labelled(sample, good))
        else:
            unused[sample.label].append(sample)
    _check_trains(result, data, good)
    for label, samples in unused.items():
        reason = f"one of {len(samples)} training images of class {label!r}, which is anomalous"
        result.skip(samples[0].path, f"{reason}: fit must not see them")
    return result.to_data_set(data.name, data.root, data.layout + _untested_note(data))


def _labelled(sample: Sample, good: set[str]) -> Sample:
    # Grey pixels come as a view that repeats one channel; what is kept gets memory of its own.
    pixels = None if sample.pixels is None else np.ascontiguousarray(sample.pixels)
    label = GOOD if sample.label in good else _anomaly_label(sample.label)
    return replace(sample, label=label, pixels=pixels)


def _anomaly_label(name: str) -> str:
    """Keep the name of an anomalous class from reading as good."""
    return f"class {name}" if is_good_name(name) else name


def _check_trains(result: Listing, data: DataSet, good: set[str]) -> None:
    if not any(sample.split == "train" for sample in result.samples):
        trained = {sample.label for sample in data.split("train")}
        there = f"there are some of: {_listed(trained)}" if trained else "there are none of any class"
        raise DataError(f"{data.root}: no training images of the good {_listed(good)}; {there}")


def _untested_note(data: DataSet) -> str:
    tested = {sample.label for sample in data.split("test")}
    missing = {sample.label for sample in data} - tested
    return f"; without test images: {_listed(missing)}" if missing else ""


def _listed(names: set[str]) -> str:
    """Join names, the first few of many."""
    shown = sorted(names)[:_MAX_NAMES]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _describe_others(names: set[str]) -> str:
    return f"the {len(names)} other classes" if len(names) > 1 else f"the other class, {_listed(names)}"
