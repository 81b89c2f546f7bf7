"""The protocols: how a folder becomes tasks, each of which is trained and tested by itself.

A protocol of a public benchmark is one row of the table: its name, the loader in ``twinspect.data`` and how the
images are divided into tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

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


PROTOCOLS: Final = {
    protocol.name: protocol
    for protocol in (
        Protocol("folder", "any layout that doctor reads: one model a category", "per category"),
        Protocol("folder-multiclass", "any layout that doctor reads: one model for all", "multi-class"),
        Protocol("classes-ovr", "class folders or .npz: each class against the rest", "one against the rest"),
        Protocol("classes-all-but-one", "class folders or .npz: each class as the anomaly", "all but one"),
    )
}


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
