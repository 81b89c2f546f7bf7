"""The protocols: how a folder becomes tasks, each of which is trained and tested by itself.

A protocol of a public benchmark is one row of the table: its name, the loader in ``twinspect.data`` and how the
images are divided into tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, get_args

import twinspect.data
from twinspect.data import all_but_one, one_vs_rest, open_data
from twinspect.data.classes import read_classes, thinned
from twinspect.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from twinspect.data.samples import ClassSet, DataSet

How = Literal["per category", "multi-class", "one against the rest", "all but one"]
BY_CLASS: Final[tuple[How, ...]] = ("one against the rest", "all but one")


@dataclass(frozen=True)
class Protocol:
    """A row of the table.

    Attributes:
        name: what to type.
        summary: one line.
        how: what is trained and tested by itself: each category, all categories in one model, each class against
            the rest as the good one, or each class as the anomalous one.
        loader: a function of ``twinspect.data`` that takes the folder; empty for any layout that twinspect reads.
    """

    name: str
    summary: str
    how: How
    loader: str = ""


@dataclass(frozen=True)
class Task:
    """What one run trains and tests on.

    Attributes:
        name: unique in its protocol.
        read: lists the images; called when they are needed, for pixels may be in memory.
    """

    name: str
    read: Callable[[], DataSet]


@dataclass(frozen=True)
class Choice:
    """What of a set of classes is used; other protocols use everything.

    Attributes:
        classes: each of them gives a task; empty for all.
        most_train: at most so many training images of each class, evenly spaced; ``None`` for all.
        most_test: likewise of test images.
    """

    classes: tuple[str, ...] = ()
    most_train: int | None = None
    most_test: int | None = None


PER_CATEGORY, MULTI, OVR, ABO = get_args(How)
_ROWS: Final = (
    ("folder", "any layout that doctor reads: one model a category", PER_CATEGORY, ""),
    ("folder-multiclass", "any layout that doctor reads: one model for all", MULTI, ""),
    ("classes-ovr", "class folders or .npz: each class against the rest", OVR, ""),
    ("classes-all-but-one", "class folders or .npz: each class as the anomaly", ABO, ""),
    ("mvtec", "MVTec AD: one model a category", PER_CATEGORY, "MVTecAD"),
    ("mvtec-multiclass", "MVTec AD: one model for all", MULTI, "MVTecAD"),
    ("visa", "VisA: one model a category", PER_CATEGORY, "VisA"),
    ("visa-multiclass", "VisA: one model for all", MULTI, "VisA"),
    ("mvtec3d-rgb", "MVTec 3D-AD, colour images: one model a category", PER_CATEGORY, "MVTec3D"),
    ("loco", "MVTec LOCO: one model a category", PER_CATEGORY, "MVTecLOCO"),
    ("real-iad", "Real-IAD: one model a category", PER_CATEGORY, "RealIAD"),
    ("real-iad-multiclass", "Real-IAD: one model for all", MULTI, "RealIAD"),
    ("btad", "BTAD: one model a category", PER_CATEGORY, "BTAD"),
    ("mpdd", "MPDD: one model a category", PER_CATEGORY, "MPDD"),
    ("kolektor", "KolektorSDD", PER_CATEGORY, "KolektorSDD"),
    ("kolektor2", "KolektorSDD2", PER_CATEGORY, "KolektorSDD2"),
    ("magnetic-tile", "magnetic tiles", PER_CATEGORY, "MagneticTile"),
    ("dagm", "DAGM 2007: one model a category", PER_CATEGORY, "DAGM"),
    ("brain-mri", "brain MRI: tumour or none", PER_CATEGORY, "BrainMRI"),
    ("head-ct", "head CT: haemorrhage or none", PER_CATEGORY, "HeadCT"),
    ("retinal-oct", "retinal OCT: three diseases or none", PER_CATEGORY, "RetinalOCT"),
    ("cifar10-ovr", "CIFAR-10: each class against the rest", OVR, "CIFAR10"),
    ("cifar10-all-but-one", "CIFAR-10: each class as the anomaly", ABO, "CIFAR10"),
    ("cifar100-ovr", "CIFAR-100: each class against the rest", OVR, "CIFAR100"),
    ("cifar100-all-but-one", "CIFAR-100: each class as the anomaly", ABO, "CIFAR100"),
    ("mnist-ovr", "MNIST: each digit against the rest", OVR, "MNIST"),
    ("mnist-all-but-one", "MNIST: each digit as the anomaly", ABO, "MNIST"),
    ("fmnist-ovr", "Fashion-MNIST: each class against the rest", OVR, "FashionMNIST"),
    ("fmnist-all-but-one", "Fashion-MNIST: each class as the anomaly", ABO, "FashionMNIST"),
    ("view-ovr", "six natural scenes: each against the rest", OVR, "View"),
    ("view-all-but-one", "six natural scenes: each as the anomaly", ABO, "View"),
)
PROTOCOLS: Final = {name: Protocol(name, summary, how, loader) for name, summary, how, loader in _ROWS}


def protocol_named(name: str) -> Protocol:
    """Look a protocol up.

    Raises:
        ConfigError: there is none of that name; the message names the nearest.
    """
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


def tasks(protocol: Protocol, folder: str, choice: Choice) -> list[Task]:
    """Divide a folder into tasks.

    Args:
        protocol: says how.
        folder: the data; for sets of classes it may be an ``.npz``.
        choice: which classes, and how many images of them.

    Raises:
        DataError: the folder is not what the protocol takes.
        ConfigError: a class that is none; or a choice of classes for a protocol that has no classes.
    """
    if protocol.how in BY_CLASS:
        return _class_tasks(protocol, folder, choice)
    if choice != Choice():
        fitting = ", ".join(name for name, each in PROTOCOLS.items() if each.how in BY_CLASS)
        raise ConfigError(
            f"--classes, --most-train and --most-test are for sets of classes, not for {protocol.name}; "
            f"they go with: {fitting}"
        )
    data = _load(protocol, folder)
    if protocol.how == "multi-class" or len(data.categories) == 1:
        return [Task(data.name, lambda: data)]
    return [Task(category, partial(_of_category, data, category)) for category in data.categories]


def _load(protocol: Protocol, folder: str) -> DataSet:
    loaded: DataSet = (
        getattr(twinspect.data, protocol.loader)(folder) if protocol.loader else open_data(folder)
    )
    return loaded


def _load_classes(protocol: Protocol, folder: str) -> ClassSet:
    loaded: ClassSet = (
        getattr(twinspect.data, protocol.loader)(folder) if protocol.loader else read_classes(folder)
    )
    return loaded


def _of_category(data: DataSet, category: str) -> DataSet:
    return data.with_samples([sample for sample in data if sample.category == category])


def _class_tasks(protocol: Protocol, folder: str, choice: Choice) -> list[Task]:
    found = thinned(_load_classes(protocol, folder), choice.most_train, choice.most_test)
    for name in choice.classes:
        if name not in found.classes:
            raise unknown_name("class", name, found.classes)
    judged = one_vs_rest if protocol.how == "one against the rest" else all_but_one
    return [Task(name, partial(judged, found, name)) for name in choice.classes or found.classes]
