"""Classes as good or anomalous: what is trained on and tested, from folders and arrays, and every refusal."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, QUICK, stripes, write_image
from twinspect.cli.parser import build_parser
from twinspect.data import all_but_one, one_vs_rest, open_data
from twinspect.errors import ConfigError, DataError, TwinspectError

if TYPE_CHECKING:
    from twinspect.data import DataSet


def touch(root: Path, *names: str) -> None:
    """Make files; classes are told by names, so most need no pixels."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def rows(data: DataSet) -> list[tuple[str, str, str]]:
    return [(sample.name, sample.split, sample.label) for sample in data]


def reasons(data: DataSet) -> dict[str, str]:
    assert data.root is not None
    return {left.path.relative_to(data.root).as_posix(): left.reason for left in data.skipped}


def refused(
    source: Any, classes: Any = "cat", error: type[TwinspectError] = DataError, **options: Any
) -> str:
    with pytest.raises(error) as caught:
        one_vs_rest(source, classes, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def arrays(**changes: Any) -> dict[str, Any]:
    """Six training and four test images of three classes, each image filled with its own number."""
    content = {
        "x_train": np.arange(6, dtype=np.uint8)[:, None, None, None] + np.zeros((6, 4, 5, 3), np.uint8),
        "y_train": np.array([0, 1, 2, 0, 1, 2]),
        "x_test": np.arange(50, 54, dtype=np.uint8)[:, None, None, None] + np.zeros((4, 4, 5, 3), np.uint8),
        "y_test": np.array([2, 0, 1, 0]),
        "classes": np.array(["cat", "dog", "T-shirt/top"]),
    }
    return {name: value for name, value in {**content, **changes}.items() if value is not None}


def npz(folder: Path, **changes: Any) -> Path:
    path = folder / "animals.npz"
    np.savez(path, **arrays(**changes))
    return path


SPLIT = [
    *("train/cat/0.png", "train/cat/deep/er/1.JPG", "train/dog/0.png", "train/dog/1.png", "train/emu/0.png"),
    *("test/cat/0.png", "test/dog/0.png", "test/emu/7.webp"),
]


# --------------------------------------------------------------------------------------------- split folders


def test_one_class_is_good_and_the_others_are_tested_only(tmp_path: Path) -> None:
    root = tmp_path / "zoo"
    touch(root, *SPLIT)
    data = one_vs_rest(root, "cat")
    assert rows(data) == [
        ("train/cat/0.png", "train", "good"),
        ("train/cat/deep/er/1.JPG", "train", "good"),
        ("test/dog/0.png", "test", "dog"),
        ("test/emu/7.webp", "test", "emu"),
        ("test/cat/0.png", "test", "good"),
    ]
    assert [sample.path for sample in data] == [root / sample.name for sample in data]
    assert data.categories == ("",)
    assert (data.name, data.root) == ("zoo: cat against the rest", root)
    assert data.layout == "train/<class> and test/<class>; good: cat; anomalous: the 2 other classes"
    assert reasons(data) == {
        "train/dog/0.png": "one of 2 training images of class 'dog', which is anomalous: fit must not see them",
        "train/emu/0.png": "one of 1 training images of class 'emu', which is anomalous: fit must not see them",
    }


def test_all_but_one_is_the_other_way_round(tmp_path: Path) -> None:
    touch(tmp_path, *SPLIT)
    data = all_but_one(tmp_path, "cat")
    assert [name for name, split, _ in rows(data) if split == "train"] == [
        *("train/dog/0.png", "train/dog/1.png", "train/emu/0.png")
    ]
    assert {sample.name: sample.label for sample in data.split("test")} == {
        "test/cat/0.png": "cat",
        "test/dog/0.png": "good",
        "test/emu/7.webp": "good",
    }
    assert data.name.endswith(": all but cat")
    assert data.layout.endswith("anomalous: cat; good: the 2 other classes")
    assert rows(all_but_one(tmp_path, ["dog", "emu"])) == rows(one_vs_rest(tmp_path, "cat"))
    assert rows(one_vs_rest(tmp_path, ("emu", "dog", "dog"))) == rows(data)


def test_images_set_aside_for_calibration_are_good_ones_only(tmp_path: Path) -> None:
    touch(tmp_path, *SPLIT, "validation/cat/8.png", "validation/dog/8.png")
    data = one_vs_rest(tmp_path, "cat")
    assert [sample.name for sample in data.split("calibration")] == ["validation/cat/8.png"]
    assert not any("validation/dog" in sample.name for sample in data)


def test_what_is_no_image_of_a_class_is_named(tmp_path: Path) -> None:
    touch(tmp_path, *SPLIT, "labels.txt", "notes/a.png", "test/stray.png", "train/cat/readme.md")
    found = reasons(one_vs_rest(tmp_path, ["cat", "dog"]))
    assert found["labels.txt"].startswith("not an image by its name (.txt)")
    assert found["notes"].startswith("lies beside train/ and test/")
    assert found["test/stray.png"] == "lies beside the class folders, so its class is unknown"
    assert found["train/cat/readme.md"].startswith("not an image by its name")


def test_classes_without_test_images_are_fine_and_mentioned(tmp_path: Path) -> None:
    touch(tmp_path, *SPLIT, "train/fox/0.png", "test/gnu/0.png")
    data = one_vs_rest(tmp_path, "fox")
    assert data.layout.endswith("; without test images: fox")
    assert {sample.label for sample in data.split("test")} == {"cat", "dog", "emu", "gnu"}


@pytest.mark.parametrize("name", ["good", "Normal", "OK"])
def test_a_class_that_is_called_good_is_a_class_like_any_other(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "train/cat/0.png", f"train/{name}/0.png", "test/cat/0.png", f"test/{name}/0.png")
    data = one_vs_rest(tmp_path, "cat")
    assert [(sample.name, sample.label, sample.is_good) for sample in data.split("test")] == [
        (f"test/{name}/0.png", f"class {name}", False),
        ("test/cat/0.png", "good", True),
    ]
    assert [sample.name for sample in data.split("train")] == ["train/cat/0.png"]
    other = {sample.name: sample.is_good for sample in one_vs_rest(tmp_path, name)}
    assert other == {f"train/{name}/0.png": True, f"test/{name}/0.png": True, "test/cat/0.png": False}


def test_classes_are_told_apart_by_case(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{part}/{name}/0.png" for part in ("train", "test") for name in ("Cat", "cat")))
    if len(list((tmp_path / "train").iterdir())) == 1:
        pytest.skip("this file system takes Cat and cat for one name")
    assert rows(one_vs_rest(tmp_path, "cat")) == [
        ("train/cat/0.png", "train", "good"),
        ("test/Cat/0.png", "test", "Cat"),
        ("test/cat/0.png", "test", "good"),
    ]


# ------------------------------------------------------------------------------------- folders without a split


def test_without_a_split_every_fifth_image_of_a_class_is_tested(tmp_path: Path) -> None:
    touch(tmp_path, *(f"cat/{number}.png" for number in range(12)), *(f"dog/{n}/a.png" for n in range(6)))
    data = one_vs_rest(tmp_path, "cat")
    # Sorted by value: 0 1 2 3 (4) 5 6 7 8 (9) 10 11.
    assert [sample.name for sample in data.split("test")] == ["dog/4/a.png", "cat/4.png", "cat/9.png"]
    assert [sample.name for sample in data.split("train")] == [
        f"cat/{number}.png" for number in range(12) if number not in (4, 9)
    ]
    assert data.layout.startswith(
        "class folders without a split: image 5, 10, ... of each is for testing; good"
    )
    halves = one_vs_rest(tmp_path, "cat", test_every=2)
    assert [sample.name for sample in halves.split("test") if sample.is_good] == [
        f"cat/{number}.png" for number in range(1, 12, 2)
    ]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{name}/{number}.png" for name in ("bus", "train") for number in range(5)))
    data = one_vs_rest(tmp_path, "train")
    assert Counter((sample.split, sample.label) for sample in data) == {
        ("train", "good"): 4,
        ("test", "good"): 1,
        ("test", "bus"): 1,
    }


# ---------------------------------------------------------------------------------------------------- arrays


def test_arrays_are_read_by_class(tmp_path: Path) -> None:
    path = npz(tmp_path)
    data = one_vs_rest(path, "cat")
    assert rows(data) == [
        ("train/cat/0", "train", "good"),
        ("train/cat/3", "train", "good"),
        ("test/dog/2", "test", "dog"),
        ("test/cat/1", "test", "good"),
        ("test/cat/3", "test", "good"),
        ("test/T-shirt/top/0", "test", "T-shirt/top"),
    ]
    numbers = {sample.name: int(pixels(sample)[0, 0, 0]) for sample in data}
    assert numbers == {
        "train/cat/0": 0,
        "train/cat/3": 3,
        "test/T-shirt/top/0": 50,
        "test/cat/1": 51,
        "test/dog/2": 52,
        "test/cat/3": 53,
    }
    assert all(pixels(sample).shape == (4, 5, 3) for sample in data)
    assert data.samples[0].path == path / "train/cat/0"
    assert (data.root, data.name) == (path, "animals: cat against the rest")
    assert reasons(data)["train/T-shirt/top/2"].startswith("one of 2 training images of class 'T-shirt/top'")


def pixels(sample: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    assert sample.pixels.dtype == np.uint8
    return sample.pixels


def test_grey_arrays_become_rgb_with_memory_of_their_own(tmp_path: Path) -> None:
    grey = np.arange(4 * 4 * 5, dtype=np.uint8).reshape(4, 4, 5)
    data = one_vs_rest(npz(tmp_path, x_test=grey, x_train=np.zeros((6, 4, 5), np.uint8)), "cat")
    first = next(sample for sample in data if sample.name == "test/cat/1")
    np.testing.assert_array_equal(pixels(first), np.stack([grey[1]] * 3, axis=-1))
    assert all(pixels(sample).flags.writeable and pixels(sample).flags.c_contiguous for sample in data)


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"classes": None}, "0"),
        ({"classes": None}, 0),
        ({"classes": None}, np.int64(0)),
        ({"classes": np.array([7, 8, 9])}, 7),
        ({"y_train": np.array([[0], [1], [2], [0], [1], [2]], np.uint8)}, "cat"),
        ({"y_train": np.array(list("abcabc")), "y_test": np.array(list("caba")), "classes": None}, "a"),
    ],
    ids=["number as text", "number", "numpy number", "numbers for names", "a column", "text"],
)
def test_labels_may_be_numbers_columns_or_text(tmp_path: Path, labels: dict[str, Any], name: Any) -> None:
    data = one_vs_rest(npz(tmp_path, **labels), name)
    assert [int(pixels(sample)[0, 0, 0]) for sample in data.split("train")] == [0, 3]
    assert sorted(int(pixels(s)[0, 0, 0]) for s in data.split("test") if s.is_good) == [51, 53]


def test_folders_and_arrays_agree(tmp_path: Path) -> None:
    content = arrays(classes=np.array(["cat", "dog", "emu"]))
    np.savez(tmp_path / "zoo.npz", **content)
    for part in ("train", "test"):
        for place, label in enumerate(content[f"y_{part}"]):
            name = content["classes"][label]
            write_image(tmp_path / "zoo" / part / str(name) / f"{place}.png", content[f"x_{part}"][place])
    for protocol in (one_vs_rest, all_but_one):
        folders, stored = protocol(tmp_path / "zoo", "dog"), protocol(tmp_path / "zoo.npz", "dog")
        assert [(n.removesuffix(".png"), s, label) for n, s, label in rows(folders)] == rows(stored)


# ------------------------------------------------------------------------------------------------- refusals


def test_an_unknown_class(tmp_path: Path) -> None:
    touch(tmp_path, *SPLIT)
    assert refused(tmp_path, "cta", ConfigError) == "no class 'cta'; did you mean 'cat'? known: cat, dog, emu"
    assert "'Cat'; did you mean 'cat'" in refused(tmp_path, ["dog", "Cat"], ConfigError)


def test_every_class_or_none(tmp_path: Path) -> None:
    touch(tmp_path, *SPLIT)
    everything = ["emu", "cat", "dog"]
    assert refused(tmp_path, everything, ConfigError) == (
        f"{tmp_path}: every class is named normal, so none is anomalous; name fewer than its 3"
    )
    with pytest.raises(ConfigError, match="every class is named anomalous, so none is good; name fewer"):
        all_but_one(tmp_path, everything)
    assert refused(tmp_path, [], ConfigError) == "no normal class is named; there are: cat, dog, emu"
    assert "named by a NoneType" in refused(tmp_path, None, ConfigError)
    touch(tmp_path / "one", *(f"cat/{number}.png" for number in range(5)))
    assert "at least two classes are needed" in refused(tmp_path / "one", "cat", ConfigError)


@pytest.mark.parametrize("name", [None, "loose.png", "cat/notes.txt"])
def test_no_class_folders(tmp_path: Path, name: str | None) -> None:
    touch(tmp_path, *([name] if name else []))
    assert refused(tmp_path).startswith(
        f"{tmp_path}: no class folders with images in it; expected train/<class> and test/<class>; or"
    )


def test_half_a_split(tmp_path: Path) -> None:
    touch(tmp_path, "train/cat/0.png", "validation/cat/0.png")
    remedy = f"add test/<class>, or name {tmp_path / 'train'} itself to have it split"
    assert refused(tmp_path) == f"{tmp_path}: has train/ but no test/; {remedy}"
    touch(tmp_path / "b", "test/cat/0.png")
    assert "has test/ but no train/" in refused(tmp_path / "b")


@pytest.mark.parametrize("inner", ["train/good/0.png", "Test/cat/0.png", "validation/0.png"])
def test_a_layout_further_down_is_not_taken_for_classes(tmp_path: Path, inner: str) -> None:
    touch(tmp_path, f"bottle/{inner}", "cat/0.png")
    text = refused(tmp_path)
    assert f"{tmp_path / 'bottle'}: holds {Path(inner).parts[0]}/, so it is not a class folder" in text


def test_no_training_images_of_the_good_classes(tmp_path: Path) -> None:
    touch(tmp_path, *SPLIT, "test/gnu/0.png", "validation/gnu/0.png")
    assert refused(tmp_path, "gnu") == (
        f"{tmp_path}: no training images of the good gnu; there are some of: cat, dog, emu"
    )
    touch(tmp_path / "b", "train/readme.txt", "test/cat/0.png", "test/dog/0.png")
    assert refused(tmp_path / "b").endswith("of the good cat; there are none of any class")


def test_a_source_that_is_none(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv")
    assert "a.csv: neither a folder nor an .npz by its name; expected" in refused(tmp_path / "a.csv")
    assert "no such file or folder; expected" in refused(tmp_path / "gone.npz")
    assert "source is a list; expected" in refused([tmp_path])
    assert "test_every is 1; allowed is 2" in refused(tmp_path, error=ConfigError, test_every=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "no y_test among x_train, y_train, x_test, classes; needed are x_train, y_train"),
        ({"x_train": None, "y_train": None}, "no x_train and no y_train among x_test, y_test, classes"),
        ({"y_train": np.arange(5)}, "y_train has shape (5,) for 6 images; allowed is (6,)"),
        (
            {"y_test": np.eye(4, 3)},
            "y_test has shape (4, 3) for 4 images; allowed is (4,): from one column a class",
        ),
        ({"y_test": np.zeros(4)}, "y_test is float64; allowed are whole numbers, or text"),
        ({"y_test": np.array([0, 1, 2, 3])}, "y_test holds 3; classes names 3, so allowed are 0 to 2"),
        ({"y_test": np.array([0, 1, 2, -1])}, "y_test holds -1; classes names 3"),
        ({"x_test": np.zeros((4, 4, 5, 3))}, "x_test is float64; allowed is uint8, 0 to 255: from 0..1"),
        (
            {"x_test": np.zeros((4, 3, 4, 5), np.uint8)},
            "x_test has shape (4, 3, 4, 5); allowed are (N, H, W, 3)",
        ),
        ({"x_test": np.zeros((4, 20), np.uint8)}, "x_test has shape (4, 20); allowed are"),
        ({"x_test": np.zeros((4, 0, 5), np.uint8)}, "allowed are (N, H, W, 3) RGB and (N, H, W) grey"),
        ({"classes": np.array(["cat", "dog", "cat"])}, "classes holds 'cat' twice"),
        ({"classes": np.array("cat")}, "classes is <U3 of shape (); allowed is one text for each class"),
        ({"classes": np.array(["cat", "dog", None])}, "pickled objects are never loaded"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    text = refused(npz(tmp_path, **changes))
    assert message in text
    assert text.startswith(str(tmp_path / "animals.npz"))


def test_a_damaged_file(tmp_path: Path) -> None:
    path = npz(tmp_path)
    whole = path.read_bytes()
    for content in (b"", b"not an archive", whole[: len(whole) // 2]):
        path.write_bytes(content)
        assert "animals.npz: not an .npz file of plain arrays (" in refused(path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    assert "it holds a single array" in refused(path)


def test_open_data_says_what_an_npz_needs(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="does not say which of its classes are good; fit, evaluate, calibrate"
    ):
        open_data(npz(tmp_path))


# ---------------------------------------------------------------------------------------------- command line


@pytest.mark.parametrize(
    "arguments",
    [
        ["data", "--normal", "cat,dog", "--out", "m"],
        ["--normal", "cat,dog", "data", "--out", "m"],
        ["--normal", "cat", "--normal", " dog ", "data", "--out", "m"],
        ["--out", "m", "--normal=cat", "data", "--normal=dog"],
    ],
)
def test_classes_are_gathered_wherever_the_data_stands(arguments: list[str]) -> None:
    options = build_parser().parse_args(["fit", *arguments])
    assert (options.normal, options.anomalous, options.data) == (["cat", "dog"], None, "data")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--normal", "cta"], "no class 'cta'; did you mean 'cat'"),
        (["--normal", "cat,"], "expected names of classes such as cat,dog, got 'cat,'"),
        (["--normal", "cat", "--anomalous", "dog"], "not allowed with argument"),
        (["--anomalous", "cat,dog,T-shirt/top"], "every class is named anomalous"),
        ([], "--normal CLASS or --anomalous CLASS"),
    ],
)
def test_a_mistake_is_one_line(run: Any, tmp_path: Path, arguments: list[str], message: str) -> None:
    for verb in (["doctor"], ["fit", "--out", tmp_path / "m.twin", "--teacher", "pocket"]):
        code, out, err = run(*verb, npz(tmp_path), *arguments)
        assert (code, out) == (2, "")
        assert message in err
        assert "Traceback" not in err


def test_classes_without_data(run: Any, model: Path) -> None:
    for verb in (["doctor"], ["calibrate", model]):
        code, _, err = run(*verb, "--normal", "cat")
        assert (code, "says how to read data, but none is named" in err) == (2, True)


def shapes(kind: str, numbers: range) -> list[np.ndarray[Any, Any]]:
    """Images of a class: stripes, or stripes the other way in other colours, or noise."""
    images = [stripes(number) for number in numbers]
    if kind == "back":
        return [image[:, ::-1, ::-1].copy() for image in images]
    if kind == "noise":
        return [np.random.default_rng(number).integers(0, 256, (48, 48, 3), np.uint8) for number in numbers]
    return images


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .npz of three classes: 20 training and 8 test images each."""
    kinds = ("back", "noise", "stripes")
    path = tmp_path_factory.mktemp("drawn") / "drawn.npz"
    train = [shapes(kind, range(20)) for kind in kinds]
    test = [shapes(kind, range(100, 108)) for kind in kinds]
    labels = {"y_train": np.repeat([0, 1, 2], 20), "y_test": np.repeat([0, 1, 2], 8)}
    np.savez(
        path, x_train=np.concatenate(train), x_test=np.concatenate(test), classes=np.array(kinds), **labels
    )
    return path


QUICKLY = [
    *AS_ARGUMENTS,
    *("--size", QUICK["size"], "--steps", QUICK["steps"]),
    *("--batch-size", QUICK["batch_size"], "--device", QUICK["device"], "--workers", QUICK["workers"]),
]


def test_fit_evaluate_and_calibrate_by_class(run: Any, drawn: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.twin"
    code, text, err = run("fit", "--normal", "stripes", drawn, "--out", model, *QUICKLY, "--json")
    counts = "(arrays x_train and x_test): 20 good to train, 8 good to test, 16 defective to test; 2 left out"
    assert (code, counts in err, "error" in err) == (0, True, False)
    assert json.loads(text)["images"]["train"] + json.loads(text)["images"]["calibration"] == 20
    assert ts.load(model).data_["categories"] == [""]

    code, text, _ = run(
        "evaluate", model, drawn, "--normal", "stripes", "--out", tmp_path / "report", "--json"
    )
    found = json.loads(text)
    assert code == 0
    assert found["images"] == {"good": 8, "anomalous": 16, "unreadable": 0}
    assert {line["label"]: line["images"] for line in found["defects"]} == {"good": 8, "back": 8, "noise": 8}
    assert found["pooled"]["image_auroc"] > 0.95
    assert found["pooled"]["pixel_auroc"] is None
    assert set(found["categories"]) == {""}
    assert "test/noise/" in (tmp_path / "report" / "scores.csv").read_text()

    code, text, err = run("calibrate", model, drawn, "--normal", "stripes", "--json")
    assert (code, json.loads(text)["images"]) == (0, 8)
    assert "fitted on 12 of the 20 images: left out" in err


def test_a_configuration_file_names_classes_and_the_command_line_wins(
    run: Any, drawn: Path, tmp_path: Path
) -> None:
    config, model = tmp_path / "c.toml", tmp_path / "m.twin"
    fit = ["fit", drawn, "--out", model, "--method", "mkd", *QUICKLY, "--steps", 1, "--no-detectability"]
    fit += ["--config", config, "--json", "--overwrite"]
    config.write_text('normal = ["stripes", "back"]\n')
    assert json.loads(run(*fit)[1])["images"]["train"] == 40 - 16
    config.write_text('normal = "stripes,back"\n')
    assert json.loads(run(*fit)[1])["images"]["train"] == 40 - 16
    assert json.loads(run(*fit, "--normal", "noise")[1])["images"]["train"] == 20 - 8
    code, _, err = run(*fit, "--anomalous", "noise")
    assert (code, "both --normal and --anomalous, perhaps one of them from --config" in err) == (2, True)


def test_doctor_says_what_would_be_trained_on(run: Any, drawn: Path) -> None:
    code, text, _ = run("doctor", "--anomalous", "noise", drawn, "--json")
    record = json.loads(text)["data"]
    roles = Counter((image["read_as"], image["label"]) for image in record["images"])
    assert code == 0
    assert roles == {
        ("train", "good"): 24,
        ("calibration", "good"): 16,
        ("test good", "good"): 16,
        ("test defect", "noise"): 8,
    }
    assert [left["reason"].split(" of class")[0] for left in record["left_out"]] == [
        "one of 20 training images"
    ]


def test_fit_reads_training_images_of_good_classes_only(tmp_path: Path) -> None:
    root = tmp_path / "zoo"
    for number in range(12):
        write_image(root / "train" / "cat" / f"{number}.png", stripes(number))
    touch(root, "train/dog/0.png", "test/cat/0.png", "test/dog/0.png")  # reading one of these would fail
    data = one_vs_rest(root, "cat")
    detector = ts.Detector("mkd", **{**QUICK, "steps": 1}).fit(data)
    assert detector.data_["train"] + detector.data_["calibration"] == 12
    assert all(name.startswith("train/cat/") for name in detector.calibration_.names)
    assert [bool(row.error) for row in ts.evaluate(detector, data).rows] == [True, True]
