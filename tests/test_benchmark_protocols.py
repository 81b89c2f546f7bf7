"""Protocols: which tasks a folder gives, and which images each of them holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import twinspect as ts
from benchmark_data import write_category
from conftest import stripes, write_image
from twinspect.benchmark import protocols
from twinspect.benchmark.protocols import BY_CLASS, PROTOCOLS, Choice, Protocol, Task, tasks
from twinspect.benchmark.published import everything
from twinspect.data import DataSet, open_data
from twinspect.data.classes import read_classes, thinned
from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from twinspect.data.samples import ClassSet


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("protocols") / "products"
    write_category(root / "brick", 0)
    write_category(root / "tile", 300, tests=4)
    return root


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, 10 training and 5 test images each, in class folders."""
    root = tmp_path_factory.mktemp("protocols") / "classes"
    for place, name in enumerate(("cat", "dog", "owl")):
        for number in range(15):
            part = "train" if number < 10 else "test"
            write_image(root / part / name / f"{number}.png", stripes(100 * place + number, 16))
    return root


def made(name: str, folder: Path, choice: Choice = Choice()) -> dict[str, DataSet]:  # noqa: B008 - frozen
    return {task.name: task.read() for task in tasks(PROTOCOLS[name], str(folder), choice)}


def test_folder_gives_a_task_a_category(products: Path) -> None:
    found = made("folder", products)
    assert {name: data.categories for name, data in found.items()} == {"brick": ("brick",), "tile": ("tile",)}
    assert [len(data) for data in found.values()] == [11, 13]
    assert list(made("folder", products / "tile")) == ["tile"]


def test_folder_multiclass_gives_one_task(products: Path) -> None:
    ((name, data),) = made("folder-multiclass", products).items()
    assert (name, data.categories, len(data)) == ("products", ("brick", "tile"), 24)


def test_each_class_against_the_rest(classes: Path) -> None:
    found = made("classes-ovr", classes)
    assert list(found) == ["cat", "dog", "owl"]
    assert Counter(sample.label for sample in found["dog"].split("test")) == {"good": 5, "cat": 5, "owl": 5}
    assert {sample.name.split("/")[1] for sample in found["dog"].split("train")} == {"dog"}


def test_each_class_as_the_anomaly_from_arrays_and_a_choice(tmp_path: Path) -> None:
    pixels = np.arange(60 * 64, dtype=np.uint8).reshape(60, 8, 8)
    labels = np.arange(60) % 3
    np.savez(tmp_path / "set.npz", x_train=pixels, y_train=labels, x_test=pixels, y_test=labels)
    found = made("classes-all-but-one", tmp_path / "set.npz", Choice(("1",), most_train=4, most_test=3))
    assert list(found) == ["1"]
    assert Counter(sample.label for sample in found["1"].split("train")) == {"good": 8}
    assert Counter(sample.label for sample in found["1"].split("test")) == {"good": 6, "1": 3}


def test_a_choice_of_images_is_evenly_spaced(classes: Path) -> None:
    found = thinned(read_classes(classes), 4, 2)
    dogs = [sample.name for sample in found if sample.label == "dog"]
    numbers = {part: [int(Path(n).stem) for n in dogs if n.startswith(part)] for part in ("train", "test")}
    assert numbers == {"train": [0, 2, 5, 7], "test": [10, 12]}
    assert thinned(read_classes(classes), None, 99).samples == read_classes(classes).samples
    with pytest.raises(ConfigError, match="at most 0"):
        thinned(read_classes(classes), 0, None)


def test_a_class_that_is_none_is_named(classes: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'owl'"):
        tasks(PROTOCOLS["classes-ovr"], str(classes), Choice(("owls",)))


def test_a_named_protocol_is_one_row(products: Path, classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaders of public benchmarks are functions of `twinspect.data`."""

    def load_classes(folder: str) -> ClassSet:
        return read_classes(folder)

    monkeypatch.setattr(protocols.twinspect.data, "Parts", open_data, raising=False)
    monkeypatch.setattr(protocols.twinspect.data, "Beasts", load_classes, raising=False)

    def names(how: protocols.How, loader: str, folder: Path) -> list[str]:
        found: list[Task] = tasks(Protocol("mine", "", how, loader), str(folder), Choice())
        return [task.name for task in found]

    assert names("per category", "Parts", products) == ["brick", "tile"]
    assert names("multi-class", "Parts", products) == ["products"]
    for how in BY_CLASS:
        assert names(how, "Beasts", classes) == ["cat", "dog", "owl"]


def test_the_help_names_every_protocol() -> None:
    from twinspect.cli.parser import build_parser

    (verbs,) = (action for action in build_parser()._actions if action.dest == "verb")
    text = "".join(verbs.choices["benchmark"].format_help().split())  # type: ignore[index]
    for name in PROTOCOLS:
        base, ending = name, ""
        for each in ("-ovr", "-all-but-one", "-multiclass"):
            if name.endswith(each) and name not in text:
                base, ending = name.removesuffix(each), each
        assert base in text
        assert ending in text


def test_every_named_protocol_has_a_loader_and_published_numbers_have_a_protocol() -> None:
    for protocol in PROTOCOLS.values():
        if protocol.loader:
            assert callable(getattr(ts.data, protocol.loader))
    assert {row.protocol for row in everything()} <= set(PROTOCOLS)


def test_named_protocols_read_their_official_folders(tmp_path: Path) -> None:
    for kind in ("bottle", "cable"):
        for place in ("train/good", "test/good", "test/broken"):
            write_image(tmp_path / "mvtec" / kind / place / "000.png", stripes(0, 8))
        mask = np.full((8, 8), 255, np.uint8)
        write_image(tmp_path / "mvtec" / kind / "ground_truth" / "broken" / "000_mask.png", mask)
    with pytest.raises(ts.errors.DataError, match="capsule"):  # thirteen categories are missing, by name
        tasks(PROTOCOLS["mvtec"], str(tmp_path / "mvtec"), Choice())
