"""Opening data: every layout, what is left out and why, and the message of every refusal."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import twinspect.data
from twinspect.data import DataSet, all_good, open_data
from twinspect.data.listing import natural_key, relative_name
from twinspect.errors import ConfigError, DataError
from twinspect.images.reading import image_size, read_mask

if TYPE_CHECKING:
    from twinspect.data import Split


links = pytest.mark.skipif(os.name == "nt", reason="making links takes special rights on Windows")


def touch(root: Path, *names: str) -> None:
    """Make files; layouts are told by names, so most need no pixels."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def rows(data: DataSet) -> list[tuple[str, str, str]]:
    return [(sample.name, sample.split, sample.label) for sample in data.samples]


def reasons(data: DataSet) -> dict[str, str]:
    assert data.root is not None
    return {relative_name(left.path, data.root): left.reason for left in data.skipped}


def refused(source: Any, **options: Any) -> str:
    with pytest.raises(DataError) as error:
        open_data(source, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


MVTEC = [
    "train/good/0.png",
    "train/good/1.png",
    "test/good/0.png",
    "test/broken/anomaly-1.jpg",
    "test/broken/anomaly-10.jpg",
    "ground_truth/broken/anomaly-1_mask.png",
    "ground_truth/broken/anomaly-10_mask.png",
]


# ---------------------------------------------------------------------------------------------- plain folder


@pytest.mark.parametrize("split", ["train", "calibration", "test"])
def test_plain_folder_is_read_with_all_below(tmp_path, split: Split):
    touch(tmp_path, "b.png", "a.JPG", "monday/c.tiff", "monday/shift 2/d.webp")
    data = open_data(tmp_path, split=split)
    assert rows(data) == [
        (name, split, "good") for name in ("a.JPG", "b.png", "monday/c.tiff", "monday/shift 2/d.webp")
    ]
    assert data.name == tmp_path.name
    assert data.root == tmp_path
    assert data.categories == ("",)
    assert split in data.layout
    assert data.samples[0].path == tmp_path / "a.JPG"


def test_numbers_sort_by_value_whatever_the_file_system_says(tmp_path, monkeypatch):
    names = [f"anomaly-{number}.png" for number in (1, 2, 9, 10, 11, 100)]
    touch(tmp_path, *names)
    real = os.scandir

    class Shuffled:
        def __init__(self, path: Any) -> None:
            self.entries = list(real(path))
            random.Random(1).shuffle(self.entries)

        def __enter__(self) -> Any:
            return iter(self.entries)

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(os, "scandir", Shuffled)
    assert [sample.name for sample in open_data(tmp_path)] == names


def test_natural_key_breaks_ties_by_the_exact_text():
    names = ["a01", "a1", "A1", "a", "1", "a1b2", "a1b10", ""]
    ordered = sorted(names, key=natural_key)
    assert ordered == ["", "1", "a", "A1", "a01", "a1", "a1b2", "a1b10"]
    names.reverse()
    assert sorted(names, key=natural_key) == ordered


def test_what_is_left_out_is_named(tmp_path):
    touch(
        tmp_path,
        "a.png",
        "notes.txt",
        "README",
        ".hidden.png",
        "Thumbs.db",
        ".DS_Store",
        ".git/x.png",
        "__MACOSX/a.png",
    )
    data = open_data(tmp_path)
    assert [sample.name for sample in data] == ["a.png"]
    found = reasons(data)
    assert found.keys() == {
        "notes.txt",
        "README",
        ".hidden.png",
        "Thumbs.db",
        ".DS_Store",
        ".git",
        "__MACOSX",
    }
    assert found["notes.txt"] == (
        "not an image by its name (.txt); images end in .avif, .bmp, .dcm, .heic, .heif, .jpeg, .jpg, "
        ".png, .tif, .tiff, .webp"
    )
    assert found["README"].startswith("not an image by its name (no ending)")
    assert found[".hidden.png"] == found[".DS_Store"] == found[".git"] == "hidden"
    assert found["Thumbs.db"] == found["__MACOSX"] == "made by the operating system"


@links
def test_an_unreadable_image_stays_in(tmp_path):
    touch(tmp_path, "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
    assert [sample.name for sample in open_data(tmp_path)] == ["a.png", "b.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a Unix thing")
def test_a_pipe_is_left_out(tmp_path):
    touch(tmp_path, "a.png")
    os.mkfifo(tmp_path / "b.png")
    assert reasons(open_data(tmp_path)) == {"b.png": "not a regular file"}


@links
def test_links_do_not_go_in_circles(tmp_path):
    touch(tmp_path, "parts/a.png", "parts/deep/b.png", "other/c.png")
    (tmp_path / "parts/deep/back").symlink_to(tmp_path / "parts", target_is_directory=True)
    (tmp_path / "parts/deep/up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "parts/deep/self.png").symlink_to("self.png")
    (tmp_path / "parts/more").symlink_to(tmp_path / "other", target_is_directory=True)
    data = open_data(tmp_path / "parts", split="test")
    assert [sample.name for sample in data] == ["a.png", "deep/b.png", "deep/self.png", "more/c.png"]
    assert reasons(data).keys() == {"deep/back", "deep/up"}
    assert "was read already" in reasons(data)["deep/back"]


def test_the_current_folder(tmp_path, monkeypatch):
    touch(tmp_path, "a.png", "batch2/c.png")
    monkeypatch.chdir(tmp_path)
    data = open_data(".")
    assert [sample.name for sample in data] == ["a.png", "batch2/c.png"]
    assert data.name == tmp_path.name


def test_empty_folder(tmp_path):
    text = refused(tmp_path)
    assert text.startswith(f"{tmp_path}: no images in it; expected a folder of good images; or train/good")
    touch(tmp_path, "a.txt")
    assert "no images in it (1 left out, such as 'a.txt': not an image by its name (.txt)" in refused(
        tmp_path
    )


def test_missing_folder(tmp_path):
    assert refused(tmp_path / "nope").startswith(f"{tmp_path / 'nope'}: no such file or folder; expected")


@pytest.mark.parametrize("inner", ["good", "train", "test", "Validation", "OK"])
def test_defects_deep_below_do_not_pass_for_good(tmp_path, inner):
    touch(tmp_path, f"line/monday/{inner}/a.png", "line/monday/scratch/b.png", "c.png")
    text = refused(tmp_path)
    assert f"line/monday/{inner}/ is part of a layout that does not start here" in text
    assert len(open_data(tmp_path, split="test")) == 3


# --------------------------------------------------------------------------------------------- MVTec layout


def test_mvtec_layout_of_one_category(tmp_path):
    root = tmp_path / "bottle"
    touch(root, *MVTEC, "license.txt", "stray.png", "notes/x.png")
    data = open_data(root)
    assert rows(data) == [
        ("train/good/0.png", "train", "good"),
        ("train/good/1.png", "train", "good"),
        ("test/broken/anomaly-1.jpg", "test", "broken"),
        ("test/broken/anomaly-10.jpg", "test", "broken"),
        ("test/good/0.png", "test", "good"),
    ]
    assert data.categories == ("bottle",)
    assert data.layout == "MVTec layout"
    masks = {sample.name: sample.mask for sample in data if sample.mask}
    assert masks == {
        "test/broken/anomaly-1.jpg": root / "ground_truth/broken/anomaly-1_mask.png",
        "test/broken/anomaly-10.jpg": root / "ground_truth/broken/anomaly-10_mask.png",
    }
    found = reasons(data)
    assert found.keys() == {"license.txt", "stray.png", "notes"}
    assert found["stray.png"] == "lies beside the folders that say what an image is"
    assert found["notes"].startswith("not part of the MVTec layout, which has train/")


@pytest.mark.parametrize("folder", ["validation", "calibration"])
def test_mvtec_calibration_images(tmp_path, folder):
    touch(tmp_path, *MVTEC, f"{folder}/good/7.png")
    held = open_data(tmp_path).split("calibration")
    assert [(sample.name, sample.label) for sample in held] == [(f"{folder}/good/7.png", "good")]


def test_folder_names_in_other_words_and_cases(tmp_path):
    touch(tmp_path, "Train/OK/0.png", "Test/Normal/1.png", "Test/NG/2.png", "Ground_Truth/NG/2.png")
    data = open_data(tmp_path)
    assert rows(data) == [
        ("Train/OK/0.png", "train", "good"),
        ("Test/Normal/1.png", "test", "good"),
        ("Test/NG/2.png", "test", "NG"),
    ]
    assert [sample.mask for sample in data if sample.label == "NG"] == [tmp_path / "Ground_Truth/NG/2.png"]


def test_images_directly_in_train_are_good_and_those_directly_in_test_have_no_label(tmp_path):
    touch(tmp_path, "train/0.png", "test/1.png", "test/good/2.png")
    data = open_data(tmp_path)
    assert rows(data) == [("train/0.png", "train", "good"), ("test/good/2.png", "test", "good")]
    assert reasons(data) == {"test/1.png": "has no label; put it into test/good or test/<defect>"}


def test_defects_in_train_are_left_out(tmp_path):
    touch(tmp_path, "train/good/0.png", "train/broken/1.png")
    data = open_data(tmp_path)
    assert [sample.name for sample in data] == ["train/good/0.png"]
    assert reasons(data)["train/broken/1.png"].startswith("only good images may be in train/")


def test_test_without_train(tmp_path):
    touch(tmp_path, "test/good/0.png", "test/broken/1.png", "ground_truth/broken/1.png")
    text = refused(tmp_path)
    assert text.startswith(
        f"{tmp_path}: has test/ but no train/; add train/good, or name the folder of good images"
    )
    data = open_data(tmp_path, split="test")
    assert len(data.split("test")) == 2
    assert data.layout == "MVTec layout without train/, for testing only"
    assert [sample.mask is not None for sample in data] == [True, False]


def test_train_without_images(tmp_path):
    touch(tmp_path, "train/good/readme.txt", "test/good/0.png")
    assert refused(tmp_path).startswith(
        f"{tmp_path / 'train'}: no images to train on; expected them in train/good"
    )


def test_folder_of_categories(tmp_path):
    for category in ("screw", "bottle"):
        touch(tmp_path / category, *MVTEC)
    touch(tmp_path, "license.txt", "papers/a.pdf")
    data = open_data(tmp_path)
    assert data.categories == ("bottle", "screw")
    assert data.layout == "folder of 2 categories, each: MVTec layout"
    assert len(data) == 10
    assert data.samples[0].name == "bottle/train/good/0.png"
    assert data.samples[0].category == "bottle"
    assert [sample.category for sample in data] == ["bottle"] * 5 + ["screw"] * 5
    assert all(f"/{s.category}/ground_truth/" in s.mask.as_posix() for s in data if s.mask)
    assert reasons(data)["papers"] == "not a category: it holds neither train/ nor good/"
    assert "license.txt" in reasons(data)


def test_one_category_gives_the_same_as_inside_a_folder_of_them(tmp_path):
    touch(tmp_path / "bottle", *MVTEC)
    alone, inside = open_data(tmp_path / "bottle"), open_data(tmp_path)
    assert [sample.path for sample in alone] == [sample.path for sample in inside]
    assert alone.categories == inside.categories


# --------------------------------------------------------------------------------------------- class folders


def test_good_beside_defects(tmp_path):
    touch(
        tmp_path,
        "good/1.png",
        "broken/2.png",
        "Scratched/3.png",
        "ground_truth/broken/2_mask.png",
        "stray.png",
    )
    data = open_data(tmp_path)
    assert rows(data) == [
        ("good/1.png", "train", "good"),
        ("broken/2.png", "test", "broken"),
        ("Scratched/3.png", "test", "Scratched"),
    ]
    assert data.layout == "class folders: good (train); for testing, as defects: Scratched, broken"
    assert data.samples[1].mask == tmp_path / "ground_truth/broken/2_mask.png"
    assert set(reasons(data)) == {"stray.png"}
    assert [sample.name for sample in data.unmasked] == ["Scratched/3.png"]
    assert data.categories == (tmp_path.name,)
    assert [sample.split for sample in open_data(tmp_path, split="test")] == ["test"] * 3


def test_only_a_good_folder(tmp_path):
    touch(tmp_path, "good/1.png")
    assert rows(open_data(tmp_path)) == [("good/1.png", "train", "good")]


def test_categories_of_class_folders(tmp_path):
    touch(tmp_path, "bolt/good/1.png", "bolt/bad/2.png", "nut/good/1.png")
    data = open_data(tmp_path)
    assert data.categories == ("bolt", "nut")
    assert rows(data)[1] == ("bolt/bad/2.png", "test", "bad")


# ---------------------------------------------------------------------------------------------------- masks


@pytest.mark.parametrize("mask", ["7_mask.png", "7.png", "7_gt.png", "7_mask.BMP", "7.tif"])
def test_names_a_mask_may_have(tmp_path, mask):
    touch(tmp_path, "train/good/0.png", "test/broken/7.jpg", f"ground_truth/broken/{mask}")
    assert open_data(tmp_path).samples[-1].mask == tmp_path / "ground_truth/broken" / mask


@pytest.mark.parametrize(
    "mask", ["10_mask.png", "1_mask_mask.png", "01.png", "1_2.png", "a1.png", "1mask.png", "mask1.png"]
)
def test_names_that_only_look_alike(tmp_path, mask):
    touch(tmp_path, "train/good/0.png", "test/broken/1.jpg", f"ground_truth/broken/{mask}")
    data = open_data(tmp_path)
    assert data.samples[-1].mask is None
    assert reasons(data) == {f"ground_truth/broken/{mask}": "a mask without an image of that name"}


def test_masks_are_told_by_name_not_by_order(tmp_path):
    # Sorted as text, images and masks come in different orders.
    numbers = (1, 2, 10, 20, 100)
    touch(tmp_path, "train/good/0.png", *(f"test/broken/{n}.jpg" for n in numbers))
    touch(tmp_path, *(f"ground_truth/broken/{n}_mask.png" for n in numbers))
    for sample in open_data(tmp_path).split("test"):
        assert sample.mask is not None
        assert sample.mask.name == f"{sample.path.stem}_mask.png"


def test_masks_of_another_defect_do_not_count(tmp_path):
    touch(
        tmp_path, "train/good/0.png", "test/broken/1.jpg", "test/bent/1.jpg", "ground_truth/bent/1_mask.png"
    )
    data = open_data(tmp_path)
    assert {sample.name: sample.mask is not None for sample in data.split("test")} == {
        "test/broken/1.jpg": False,
        "test/bent/1.jpg": True,
    }
    assert [sample.name for sample in data.unmasked] == ["test/broken/1.jpg"]


def test_no_masks_at_all_is_fine(tmp_path):
    touch(tmp_path, "train/good/0.png", "test/broken/1.jpg")
    assert open_data(tmp_path).skipped == ()


def test_two_masks_for_one_image(tmp_path):
    touch(
        tmp_path,
        "train/good/0.png",
        "test/broken/1.jpg",
        "ground_truth/broken/1.png",
        "ground_truth/broken/1_mask.png",
    )
    folder = tmp_path / "ground_truth/broken"
    assert open_data(tmp_path).samples[-1].masks == (folder / "1.png", folder / "1_mask.png")


def test_two_images_for_one_mask(tmp_path):
    touch(
        tmp_path,
        "train/good/0.png",
        "test/broken/1.jpg",
        "test/broken/1.png",
        "ground_truth/broken/1_mask.png",
    )
    assert f"is the mask of two images, {tmp_path / 'test/broken/1.jpg'} and" in refused(tmp_path)


def test_masks_in_nested_folders(tmp_path):
    touch(tmp_path, "train/good/0.png", "test/broken/deep/1.jpg", "ground_truth/broken/deep/1_mask.png")
    assert open_data(tmp_path).samples[-1].mask == tmp_path / "ground_truth/broken/deep/1_mask.png"


# ------------------------------------------------------------------------------------- lists, arrays, others


def test_list_of_paths_keeps_its_order(tmp_path):
    touch(tmp_path, "b.png", "a.png")
    paths = [tmp_path / "b.png", str(tmp_path / "a.png"), tmp_path / "missing.png"]
    data = open_data(paths, split="test")
    assert [sample.path for sample in data] == [Path(path) for path in paths]
    assert data.samples[0].name == (tmp_path / "b.png").as_posix()
    assert {sample.split for sample in data} == {"test"}
    assert open_data(iter(paths), split="test") == data


def test_list_of_folders_and_manifests(tmp_path):
    touch(tmp_path, "one/a.png", "two/b.png", "two/notes.txt", "three/c.png")
    (tmp_path / "three/m.csv").write_text("path\nc.png\n")
    data = open_data([tmp_path / "one", tmp_path / "two", tmp_path / "three/m.csv"])
    assert [sample.name for sample in data] == [
        (tmp_path / name).as_posix() for name in ("one/a.png", "two/b.png", "three/c.png")
    ]
    assert [left.path.name for left in data.skipped] == ["notes.txt"]


def test_a_file_listed_twice(tmp_path):
    touch(tmp_path, "a.png")
    assert "is listed twice" in refused([tmp_path / "a.png", tmp_path / "x" / ".." / "a.png"])


@pytest.mark.parametrize("source", [[], ()])
def test_empty_list(source):
    assert refused(source) == "the list of images is empty; expected at least one path"


def test_list_of_something_else():
    assert refused([1, 2]) == "item 0 of the list is a int; allowed are paths only, or uint8 arrays only"
    assert refused(3) == "data is a int; allowed are a path, a list of paths, or uint8 pixels"
    assert refused("") == "a path is empty; name a file or folder, or . for the current folder"
    assert "item 1 of the list is a ndarray" in refused(["a.png", np.zeros((2, 2), np.uint8)])


def test_one_image_file(tmp_path):
    touch(tmp_path, "a.png")
    data = open_data(tmp_path / "a.png", split="test")
    assert rows(data) == [("a.png", "test", "good")]
    assert "neither a folder nor a manifest nor an image by its name" in refused(_text_file(tmp_path))


def _text_file(folder: Path) -> Path:
    touch(folder, "a.yaml")
    return folder / "a.yaml"


def test_a_data_set_is_returned_as_it_is(tmp_path):
    touch(tmp_path, "a.png")
    data = open_data(tmp_path)
    assert open_data(data) is data
    assert open_data(data, name="mine").name == "mine"
    assert open_data(tmp_path, name="mine").name == "mine"


def test_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    touch(tmp_path, "parts/a.png")
    assert open_data("~/parts").root == tmp_path / "parts"
    assert open_data(["~lock.png"]).samples[0].path == Path("~lock.png")


def test_pixels_in_memory():
    pixels = np.random.default_rng(0).integers(0, 256, (12, 5, 7, 3), dtype=np.uint8)
    data = open_data(pixels, split="calibration")
    assert len(data) == 12
    assert [sample.name for sample in data] == [f"array[{place}]" for place in range(12)]
    assert {sample.split for sample in data} == {"calibration"}
    assert data.root is None
    for sample, expected in zip(data, pixels, strict=True):
        np.testing.assert_array_equal(sample.pixels, expected)


def test_grey_pixels_and_lists_of_pixels():
    grey = np.random.default_rng(0).integers(0, 256, (2, 5, 7), dtype=np.uint8)
    for source in (grey, list(grey)):
        for sample, expected in zip(open_data(source), grey, strict=True):
            np.testing.assert_array_equal(sample.pixels, np.stack([expected] * 3, axis=-1))
    shapes = [sample.pixels.shape for sample in open_data([grey[0], grey[1, :3]])]
    assert shapes == [(5, 7, 3), (3, 7, 3)]


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7, 4), (5, 7)])
def test_one_image_without_the_n(shape):
    text = refused(np.zeros(shape, dtype=np.uint8))
    assert text == f"got one image of shape {shape}; allowed are (N, H, W, 3) or (N, H, W): type x[None]"


@pytest.mark.parametrize("shape", [(0, 5, 7, 3), (5,), (1, 1, 5, 7, 3)])
def test_arrays_of_no_images(shape):
    assert f"got an array of shape {shape}" in refused(np.zeros(shape, dtype=np.uint8))


@pytest.mark.parametrize("shape", [(2, 5, 7, 4), (2, 5, 7, 1), (2, 0, 7, 3)])
def test_arrays_of_other_images(shape):
    assert f"one image is {shape[1:]}; allowed are (H, W, 3) RGB and (H, W) grey" in refused(
        np.zeros(shape, np.uint8)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_, np.uint16])
def test_arrays_of_other_types(dtype):
    text = refused(np.zeros((2, 5, 7, 3), dtype=dtype))
    assert f"the pixels are {np.dtype(dtype)}; allowed is uint8" in text


def test_unknown_split(tmp_path):
    with pytest.raises(ConfigError, match="split is 'val'; allowed are train, calibration, test"):
        open_data(tmp_path, split="val")


def test_names_have_forward_slashes_on_windows():
    path, root = PureWindowsPath("C:/parts/test/good/1.png"), PureWindowsPath("C:\\parts")
    assert relative_name(path, root) == "test/good/1.png"


def test_public_names():
    names = {"GOOD", "SPLITS", "DataSet", "DataSource", "Sample", "Skipped", "Split", "open_data"}
    assert set(twinspect.data.__all__) >= names
    assert all(hasattr(twinspect.data, name) for name in twinspect.data.__all__)


def test_opening_a_folder_imports_nothing_heavy(tmp_path):
    touch(tmp_path, "a.png")
    program = (
        "import sys; from twinspect.data import open_data; open_data(sys.argv[1]); "
        "print([name for name in ('torch', 'pyarrow', 'tifffile', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == "[]"


# ------------------------------------------------------------------------------------------- the real images


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "label", "counts"), [("cookies", "broken", (31, 14, 32)), ("deeppcb", "defect", (200, 75, 75))]
)
def test_real_sets_have_every_mask(shared, name, label, counts):
    data = open_data(shared / "data" / name)
    test = data.split("test")
    defects = [sample for sample in test if sample.label == label]
    assert (len(data.split("train")), sum(sample.is_good for sample in test), len(defects)) == counts
    assert all(sample.mask.stem == f"{sample.path.stem}_mask" for sample in defects)
    assert data.skipped == ()
    for sample in defects[:5]:
        assert read_mask(sample.mask, image_size(sample.path)).any()


@pytest.mark.shared
def test_real_sets_without_masks(shared):
    data = open_data(shared / "data" / "aliens")
    assert (len(data.split("train")), len(data.split("test"))) == (47, 71)
    assert not any(sample.mask for sample in data)
    assert len(all_good(shared / "data" / "textures")) == 200


def test_masks_are_read_at_the_size_of_their_image(tmp_path):
    for name in ("train/good/0.png", "test/broken/1.png", "ground_truth/broken/1_mask.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        Image.new("L", (8, 6), 255).save(tmp_path / name)
    sample = open_data(tmp_path).split("test")[0]
    assert sample.mask is not None
    assert read_mask(sample.mask, image_size(sample.path)).all()
