"""The protocols: how a folder becomes tasks, each of which is trained and tested by itself.

A protocol of a public benchmark is one row of the table: its name, the loader in ``twinspect.data`` and how the
images are divided into tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import twinspect.data
from twinspect.data import all_but_one, one_vs_rest, open_data
from twinspect.data.class_protocols import read_classes, subsample
from twinspect.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twinspect.data.samples import ClassSet, DataSet

Division = Literal["per category", "multi-class", "one against the rest", "all but one", "each set"]
BY_CLASS: Final[tuple[Division, ...]] = ("one against the rest", "all but one")


@dataclass(frozen=True)
class Protocol:
    """A row of the table.

    Attributes:
        name: what to type.
        summary: one line.
        division: what is trained and tested by itself: each category, all categories in one model, each class as the
            good one against the rest, each class as the anomalous one, or each of several sets.
        loader: a function of ``twinspect.data`` that takes the folder; empty for any layout that twinspect reads.
        options: further arguments of the loader.
    """

    name: str
    summary: str
    division: Division
    loader: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ProtocolTask:
    """The data that one run trains and tests on.

    Attributes:
        name: unique in its protocol.
        read: lists the images; called only when they are needed, because their pixels may be in memory.
    """

    name: str
    read: Callable[[], DataSet]


@dataclass(frozen=True)
class ClassSelection:
    """The part of a set of classes that is used; protocols without classes use everything.

    Attributes:
        classes: each of them gives a task; empty for all.
        most_train: most training images of each class, evenly spaced; ``None`` for all.
        most_test: most test images of each class, evenly spaced; ``None`` for all.
    """

    classes: tuple[str, ...] = ()
    most_train: int | None = None
    most_test: int | None = None


PER_CATEGORY, MULTI_CLASS, ONE_VS_REST, ALL_BUT_ONE, EACH_SET = get_args(Division)
GENERIC: Final = {
    PER_CATEGORY: "folder",
    MULTI_CLASS: "folder-multiclass",
    ONE_VS_REST: "classes-ovr",
    ALL_BUT_ONE: "classes-all-but-one",
}
"""The protocol that divides any folder of one's own, by how it divides it."""
_SINGLE: Final = {"views": "single"}
_ROWS: Final = (
    Protocol("folder", "any layout that doctor reads: one model a category", PER_CATEGORY),
    Protocol("folder-multiclass", "any layout that doctor reads: one model for all", MULTI_CLASS),
    Protocol("classes-ovr", "class folders or .npz: each class against the rest", ONE_VS_REST),
    Protocol("classes-all-but-one", "class folders or .npz: each class as the anomaly", ALL_BUT_ONE),
    Protocol("mvtec", "MVTec AD: one model a category", PER_CATEGORY, "MVTecAD"),
    Protocol("mvtec-multiclass", "MVTec AD: one model for all", MULTI_CLASS, "MVTecAD"),
    Protocol("visa", "VisA: one model a category", PER_CATEGORY, "VisA"),
    Protocol("visa-multiclass", "VisA: one model for all", MULTI_CLASS, "VisA"),
    Protocol("mvtec3d-rgb", "MVTec 3D-AD, colour images: one model a category", PER_CATEGORY, "MVTec3D"),
    Protocol("loco", "MVTec LOCO: one model a category", PER_CATEGORY, "MVTecLOCO"),
    Protocol("loco-multiclass", "MVTec LOCO: one model for all", MULTI_CLASS, "MVTecLOCO"),
    Protocol("real-iad", "Real-IAD, five views: one model a category", PER_CATEGORY, "RealIAD"),
    Protocol("real-iad-multiclass", "Real-IAD, five views: one model for all", MULTI_CLASS, "RealIAD"),
    Protocol(
        "real-iad-single", "Real-IAD from above: one model a category", PER_CATEGORY, "RealIAD", _SINGLE
    ),
    Protocol("btad", "BTAD: one model a category", PER_CATEGORY, "BTAD"),
    Protocol("mpdd", "MPDD: one model a category", PER_CATEGORY, "MPDD"),
    Protocol("kolektor", "KolektorSDD", PER_CATEGORY, "KolektorSDD"),
    Protocol("kolektor2", "KolektorSDD2", PER_CATEGORY, "KolektorSDD2"),
    Protocol("magnetic-tile", "magnetic tiles", PER_CATEGORY, "MagneticTile"),
    Protocol("dagm", "DAGM 2007: one model a category", PER_CATEGORY, "DAGM"),
    Protocol("brain-mri", "brain MRI: tumour or none", PER_CATEGORY, "BrainMRI"),
    Protocol("head-ct", "head CT: haemorrhage or none", PER_CATEGORY, "HeadCT"),
    Protocol("retinal-oct", "retinal OCT: three diseases or none", PER_CATEGORY, "RetinalOCT"),
    Protocol("medical", "those of the three medical sets that are there", EACH_SET, "medical_sets"),
    Protocol("cifar10-ovr", "CIFAR-10: each class against the rest", ONE_VS_REST, "CIFAR10"),
    Protocol("cifar10-all-but-one", "CIFAR-10: each class as the anomaly", ALL_BUT_ONE, "CIFAR10"),
    Protocol("cifar100-ovr", "CIFAR-100: each class against the rest", ONE_VS_REST, "CIFAR100"),
    Protocol("cifar100-all-but-one", "CIFAR-100: each class as the anomaly", ALL_BUT_ONE, "CIFAR100"),
    Protocol("mnist-ovr", "MNIST: each digit against the rest", ONE_VS_REST, "MNIST"),
    Protocol("mnist-all-but-one", "MNIST: each digit as the anomaly", ALL_BUT_ONE, "MNIST"),
    Protocol("fmnist-ovr", "Fashion-MNIST: each class against the rest", ONE_VS_REST, "FashionMNIST"),
    Protocol("fmnist-all-but-one", "Fashion-MNIST: each class as the anomaly", ALL_BUT_ONE, "FashionMNIST"),
    Protocol("view-ovr", "six natural scenes: each against the rest", ONE_VS_REST, "View"),
    Protocol("view-all-but-one", "six natural scenes: each as the anomaly", ALL_BUT_ONE, "View"),
)
PROTOCOLS: Final = {row.name: row for row in _ROWS}


def get_protocol(name: str) -> Protocol:
    """Look up a protocol by its name.

    Raises:
        ConfigError: there is none of that name; the message names the closest.
    """
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


def tasks(
    protocol: Protocol,
    folder: str,
    selection: ClassSelection,
    notify: Callable[[str], None] | None = None,
) -> list[ProtocolTask]:
    """Divide a folder into tasks.

    Args:
        protocol: decides how.
        folder: the data; for sets of classes it may be an ``.npz``.
        selection: which classes, and how many images of them.
        notify: called with which of several sets are there, and which are not.

    Raises:
        DataError: the protocol does not take such a folder.
        ConfigError: an unknown class; or a selection of classes for a protocol that has no classes.
    """
    if protocol.division in BY_CLASS:
        return _class_tasks(protocol, folder, selection)
    if selection != ClassSelection():
        names = ", ".join(name for name, row in PROTOCOLS.items() if row.division in BY_CLASS)
        raise ConfigError(
            f"--classes, --most-train and --most-test are for sets of classes, not for {protocol.name}; "
            f"they go with: {names}"
        )
    if protocol.division == "each set":
        return _set_tasks(_load(protocol, folder), folder, notify)
    data: DataSet = _load(protocol, folder)
    if protocol.division == "multi-class" or len(data.categories) == 1:
        return [ProtocolTask(data.name, partial(_whole, data))]
    return [ProtocolTask(category, partial(_of_category, data, category)) for category in data.categories]


def _load(protocol: Protocol, folder: str, default: Callable[[str], Any] = open_data) -> Any:
    """Read a folder by the protocol's loader, or by the default one if the protocol has none."""
    if not protocol.loader:
        return default(folder)
    return getattr(twinspect.data, protocol.loader)(folder, **protocol.options)


def _of_category(data: DataSet, category: str) -> DataSet:
    return data.with_samples([sample for sample in data if sample.category == category])


def _class_tasks(protocol: Protocol, folder: str, selection: ClassSelection) -> list[ProtocolTask]:
    classes: ClassSet = _load(protocol, folder, read_classes)
    used = subsample(classes, selection.most_train, selection.most_test)
    for name in selection.classes:
        if name not in used.classes:
            raise unknown_name("class", name, used.classes)
    divide = one_vs_rest if protocol.division == "one against the rest" else all_but_one
    return [ProtocolTask(name, partial(divide, used, name)) for name in selection.classes or used.classes]


def _set_tasks(
    sets: Mapping[str, DataSet | None], folder: str, notify: Callable[[str], None] | None
) -> list[ProtocolTask]:
    present = {title: data for title, data in sets.items() if data is not None}
    if notify:
        roots = ", ".join(f"{title} ({data.root})" for title, data in present.items())
        missing = ", ".join(title for title in sets if title not in present) or "nothing"
        notify(f"{folder}: found {roots}; not found: {missing}")
    return [ProtocolTask(title, partial(_whole, data)) for title, data in present.items()]


def _whole(data: DataSet) -> DataSet:
    return data
