"""Protocols: which tasks a folder gives, and which images each of them holds."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import twinspect as ts
from benchmark_data import command, write_category
from drawn_parts import stripes, write_image
from twinspect.benchmark import protocols
from twinspect.benchmark.protocols import BY_CLASS, PROTOCOLS, ClassSelection, Protocol, ProtocolTask, tasks
from twinspect.benchmark.published import all_published
from twinspect.cli import main
from twinspect.data import DataSet, open_data
from twinspect.data.class_protocols import read_classes, subsample
from twinspect.errors import ConfigError, DataError

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


def made(name: str, folder: Path, choice: ClassSelection = ClassSelection()) -> dict[str, DataSet]:  # noqa: B008 - frozen
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
    found = made(
        "classes-all-but-one", tmp_path / "set.npz", ClassSelection(("1",), most_train=4, most_test=3)
    )
    assert list(found) == ["1"]
    assert Counter(sample.label for sample in found["1"].split("train")) == {"good": 8}
    assert Counter(sample.label for sample in found["1"].split("test")) == {"good": 6, "1": 3}


def test_a_choice_of_images_is_evenly_spaced(classes: Path) -> None:
    found = subsample(read_classes(classes), 4, 2)
    dogs = [sample.name for sample in found if sample.label == "dog"]
    numbers = {part: [int(Path(n).stem) for n in dogs if n.startswith(part)] for part in ("train", "test")}
    assert numbers == {"train": [0, 3, 6, 9], "test": [10, 14]}
    assert subsample(read_classes(classes), None, 99).samples == read_classes(classes).samples
    with pytest.raises(ConfigError, match="at most 0"):
        subsample(read_classes(classes), 0, None)


def test_a_class_that_is_none_is_named(classes: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'owl'"):
        tasks(PROTOCOLS["classes-ovr"], str(classes), ClassSelection(("owls",)))


def test_a_named_protocol_is_one_row(products: Path, classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaders of public benchmarks are functions of `twinspect.data`."""

    def load_classes(folder: str) -> ClassSet:
        return read_classes(folder)

    monkeypatch.setattr(protocols.twinspect.data, "Parts", open_data, raising=False)
    monkeypatch.setattr(protocols.twinspect.data, "Beasts", load_classes, raising=False)

    def names(how: protocols.Division, loader: str, folder: Path) -> list[str]:
        found: list[ProtocolTask] = tasks(Protocol("mine", "", how, loader), str(folder), ClassSelection())
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
    assert {row.protocol for row in all_published()} <= set(PROTOCOLS)


def test_named_protocols_read_their_official_folders(tmp_path: Path) -> None:
    for kind in ("bottle", "cable"):
        for place in ("train/good", "test/good", "test/broken"):
            write_image(tmp_path / "mvtec" / kind / place / "000.png", stripes(0, 8))
        mask = np.full((8, 8), 255, np.uint8)
        write_image(tmp_path / "mvtec" / kind / "ground_truth" / "broken" / "000_mask.png", mask)
    with pytest.raises(ts.errors.DataError, match="capsule"):  # thirteen categories are missing, by name
        tasks(PROTOCOLS["mvtec"], str(tmp_path / "mvtec"), ClassSelection())


def write_medical(root: Path) -> None:
    """Brain MRI and head CT in folders that are called anything, retinal OCT two levels down."""
    for name in (*(f"no/{number}" for number in range(6)), "yes/1"):
        write_image(root / "scans" / f"{name}.png", stripes(0, 8))
    for number in range(12):
        write_image(root / "ct" / "head_ct" / f"{number:03d}.png", stripes(number, 8))
    lines = ["id,hemorrhage", *(f"{number},{int(number < 2)}" for number in range(12))]
    (root / "ct" / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    for name in ("train/NORMAL", "test/NORMAL", "test/CNV", "test/DME", "test/DRUSEN"):
        write_image(root / "kermany" / "OCT2017" / name / "1.png", stripes(0, 8))


def test_each_medical_set_that_is_there_is_a_task(tmp_path: Path) -> None:
    write_medical(tmp_path)
    told: list[str] = []
    found = {
        t.name: t.read() for t in tasks(PROTOCOLS["medical"], str(tmp_path), ClassSelection(), told.append)
    }
    assert {name: data.root for name, data in found.items()} == {
        "Brain MRI": tmp_path / "scans",
        "Head CT (haemorrhage)": tmp_path / "ct",
        "Retinal OCT": tmp_path / "kermany" / "OCT2017",
    }
    assert found["Brain MRI"].samples == ts.data.BrainMRI(tmp_path / "scans").samples
    assert len(told) == 1
    assert told[0].endswith("; not found: nothing")

    shutil.rmtree(tmp_path / "ct")
    assert list(made("medical", tmp_path)) == ["Brain MRI", "Retinal OCT"]
    tasks(PROTOCOLS["medical"], str(tmp_path), ClassSelection(), told.append)
    assert f"found Brain MRI ({tmp_path / 'scans'}), Retinal OCT" in told[1]
    assert told[1].endswith("; not found: Head CT (haemorrhage)")
    assert list(made("medical", tmp_path / "scans")) == ["Brain MRI"]


def test_a_medical_set_known_by_its_name_alone_says_what_it_lacks(tmp_path: Path) -> None:
    write_image(tmp_path / "brain-mri" / "1.png", stripes(0, 8))
    with pytest.raises(DataError, match="no copy of Brain MRI begins here"):
        made("medical", tmp_path)
    write_medical(tmp_path)
    assert list(made("medical", tmp_path)) == ["Brain MRI", "Head CT (haemorrhage)", "Retinal OCT"]
    shutil.rmtree(tmp_path / "kermany" / "OCT2017" / "test" / "DME")
    with pytest.raises(DataError, match=r"partial copy of Retinal OCT.*, without test/DME"):
        made("medical", tmp_path)


def test_without_any_medical_set_the_command_ends_with_what_it_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    assert main(command(tmp_path / "data", tmp_path / "out", protocol="medical")) == 2
    said = capsys.readouterr().err
    assert "none of the medical sets is in it; expected any of: Brain MRI, a folder with yes and no" in said
    assert main(command(tmp_path / "nowhere", tmp_path / "out", protocol="medical")) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert main(command(tmp_path, tmp_path / "out", "--classes", "a", protocol="medical")) == 2


def test_a_row_hands_its_options_to_the_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def reading(folder: str, **options: object) -> DataSet:
        given.append(options)
        return open_data(folder)

    write_category(tmp_path / "brick", 0)
    monkeypatch.setattr(protocols.twinspect.data, "RealIAD", reading, raising=False)
    made("real-iad", tmp_path)
    made("real-iad-single", tmp_path)
    assert given == [{}, {"views": "single"}]


def test_the_protocol_may_stand_behind_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing, out = str(tmp_path / "missing"), str(tmp_path / "out")
    assert main(["benchmark", "--data", missing, "folder", "--out", out]) == 2
    assert f"{missing}: no such" in capsys.readouterr().err
    assert main(["benchmark", "--data", missing, "--out", out]) == 2
    assert "which protocol?" in capsys.readouterr().err
