"""Folders as people have them: what is good, defective, a mask or left out is told by names, or asked for."""

from __future__ import annotations

import os
import random
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from twinspect.data import DataSet, all_good, open_data
from twinspect.data.listing import relative_name
from twinspect.data.pixels import read_truth
from twinspect.data.summary import count_images, summarize
from twinspect.errors import DataError, ImageError
from twinspect.evaluation.labelled_set import open_test_set
from twinspect.images.reading import read_mask
from twinspect.scale.listing import SkippedFiles, list_images
from twinspect.serve.sources.folder_scan import scan_folder


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def rows(data: DataSet) -> list[tuple[str, str, str, list[str]]]:
    root = data.root
    assert root is not None
    return [(s.name, s.split, s.label, [relative_name(mask, root) for mask in s.masks]) for s in data]


def reasons(data: DataSet) -> dict[str, str]:
    assert data.root is not None
    return {relative_name(left.path, data.root): left.reason for left in data.skipped}


def refused(source: Path) -> str:
    with pytest.raises(DataError) as error:
        open_data(source)
    assert "\n" not in str(error.value)
    return str(error.value)


# ---------------------------------------------------------------------------------------- folders of masks


@pytest.mark.parametrize(
    "folder", ["mask", "Masks", "label", "gt", "ground truth", "groundtruth", "mask_dir"]
)
@pytest.mark.parametrize("place", ["{}/crack", "crack/{}", "{}"])
def test_masks_beside_class_folders_inside_them_and_all_in_one(
    tmp_path: Path, folder: str, place: str
) -> None:
    mask = f"{place.format(folder)}/7.png"
    touch(tmp_path, "good/7.png", "good/8.png", "crack/7.png", "crack/8.png", mask)
    assert rows(open_data(tmp_path)) == [
        ("good/7.png", "train", "good", []),
        ("good/8.png", "train", "good", []),
        ("crack/7.png", "test", "crack", [mask]),
        ("crack/8.png", "test", "crack", []),
    ]
    assert open_data(tmp_path).skipped == ()


@pytest.mark.parametrize(
    "mask",
    [
        "test/masks/crack/7.png",
        "test/crack/gt/7.png",
        "masks/test/crack/7.png",
        "ground_truth/CRACK/7.png",
        "labels/7.png",
        "ground_truth/all/7_mask.png",
    ],
)
def test_masks_in_the_mvtec_layout(tmp_path: Path, mask: str) -> None:
    touch(tmp_path, "train/good/7.png", "test/good/7.png", "test/crack/7.png", mask)
    data = open_data(tmp_path)
    assert {s.name: [relative_name(m, tmp_path) for m in s.masks] for s in data if s.masks} == {
        "test/crack/7.png": [mask]
    }
    assert len(data) == 3


def test_images_beside_masks(tmp_path: Path) -> None:
    touch(tmp_path, "images/good/1.png", "images/crack/2.png", "masks/crack/2.png")
    assert rows(open_data(tmp_path)) == [
        ("images/good/1.png", "train", "good", []),
        ("images/crack/2.png", "test", "crack", ["masks/crack/2.png"]),
    ]


def test_an_image_that_only_a_mask_labels_is_defective(tmp_path: Path) -> None:
    touch(tmp_path / "flat", "images/1.png", "images/2.png", "images/3.png", "masks/2.png")
    assert [row[:3] for row in rows(open_data(tmp_path / "flat"))] == [
        ("images/1.png", "train", "good"),
        ("images/3.png", "train", "good"),
        ("images/2.png", "test", "defect"),
    ]
    touch(tmp_path / "tested", "train/1.png", "test/2.png", "test/3.png", "ground_truth/2_mask.png")
    data = open_data(tmp_path / "tested")
    assert [row[:3] for row in rows(data)] == [
        ("train/1.png", "train", "good"),
        ("test/2.png", "test", "defect"),
    ]
    assert reasons(data) == {"test/3.png": "has no label; put it into test/good or test/<defect>"}


def test_a_folder_of_masks_is_never_scored_nor_learnt_from(tmp_path: Path) -> None:
    touch(tmp_path, "1.png", "2.png", "mask/1.png", "mask/5.png")
    for split in ("train", "test"):
        data = open_data(tmp_path, split=split)  # type: ignore[arg-type]
        assert {s.name for s in data} == {"1.png", "2.png"}
        assert reasons(data) == {"mask/5.png": "a mask without an image of that name"}
    assert {s.name for s in open_data(tmp_path / "mask")} == {"1.png", "5.png"}


@pytest.mark.parametrize(
    "mask",
    [
        "7_MASK.png",
        "7_label.bmp",
        "mask_7.png",
        "MASK-7.png",
        "gt_7.png",
        "7-gt.gif",
        "7_mask.GIF",
        "7 mask.png",
        "7_mask_2.png",
        "7_mask2.png",
        "7.jpg.png",
        "7.jpg_mask.png",
        "7_ground_truth.png",
        "7_seg.tif",
    ],
)
def test_masks_of_other_names(tmp_path: Path, mask: str) -> None:
    touch(tmp_path, "train/good/0.png", "test/broken/7.jpg", f"ground_truth/broken/{mask}")
    assert rows(open_data(tmp_path))[-1][3] == [f"ground_truth/broken/{mask}"]


def test_upper_and_lower_case_names_are_not_confused(tmp_path: Path) -> None:
    touch(tmp_path, "good/0.png", "bad/A1.png", "gt/bad/a1.png")
    assert rows(open_data(tmp_path))[-1][3] == ["gt/bad/a1.png"]


def test_masks_beside_their_images(tmp_path: Path) -> None:
    touch(tmp_path, "good/1.png", "bad/2.jpg", "bad/2_label.bmp", "bad/3_mask.png", "bad/gt_2.png")
    assert rows(open_data(tmp_path)) == [
        ("good/1.png", "train", "good", []),
        ("bad/2.jpg", "test", "bad", ["bad/2_label.bmp", "bad/gt_2.png"]),
        ("bad/3_mask.png", "test", "bad", []),  # there is no image 3
    ]


@pytest.mark.parametrize(
    "name", ["bad_masks", "bad_gt", "gt_masks", "Masken", "anno", "seg", "SegmentationClass"]
)
@pytest.mark.parametrize("place", ["", "bad/"])
def test_folders_of_masks_of_other_names(tmp_path: Path, name: str, place: str) -> None:
    mask = f"{place}{name}/7.png"
    touch(tmp_path, "good/1.png", "bad/7.png", mask)
    assert rows(open_data(tmp_path)) == [
        ("good/1.png", "train", "good", []),
        ("bad/7.png", "test", "bad", [mask]),
    ]


def test_a_folder_of_masks_says_of_which_folder_they_are(tmp_path: Path) -> None:
    folders = ("crack", "stain", "crack_masks", "gt_stain")
    touch(tmp_path, "train/good/7.png", *(f"test/{folder}/7.png" for folder in folders))
    assert {label: masks for _, _, label, masks in rows(open_data(tmp_path))} == {
        "good": [],
        "crack": ["test/crack_masks/7.png"],
        "stain": ["test/gt_stain/7.png"],
    }


def draw(path: Path, *values: int) -> None:
    """Draw columns of these values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.tile(np.array(values, dtype=np.uint8), (4, 1))).save(path)


@pytest.mark.parametrize("ending", ["binary", "anno", "seg", "m", "defekt"])
def test_images_of_two_values_beside_an_image_are_its_masks(tmp_path: Path, ending: str) -> None:
    for number in range(3):
        draw(tmp_path / f"{number}.png", 1, 2, 3)
        draw(tmp_path / f"{number}_{ending}.png", 0, 255 * (number == 2), 0)
    assert rows(open_data(tmp_path)) == [
        ("0.png", "train", "good", [f"0_{ending}.png"]),
        ("1.png", "train", "good", [f"1_{ending}.png"]),
        ("2.png", "test", "defect", [f"2_{ending}.png"]),
    ]


def test_images_of_more_values_are_images_whatever_their_names(tmp_path: Path) -> None:
    draw(tmp_path / "1.png", 1, 2, 3)
    draw(tmp_path / "1_left.png", 4, 5, 6)
    draw(tmp_path / "2_left.png", 0, 255)
    draw(tmp_path / "1_2.png", 0, 255)  # another number
    draw(tmp_path / "2.bmp", 0, 255)  # all images have two values
    draw(tmp_path / "2_b.bmp", 0, 255)
    names = ["1.png", "1_2.png", "1_left.png", "2.bmp", "2_b.bmp", "2_left.png"]
    assert [s.name for s in open_data(tmp_path)] == names


def test_names_with_accents_agree_in_any_form(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "\u00e9") for form in ("NFC", "NFD"))
    masks = [f"masks/{composed}1.png", f"{apart}b/{composed}2_mask.png"]
    touch(tmp_path, "good/1.png", f"bad/{apart}1.png", f"{apart}b/{apart}2.png", *masks)
    data = open_data(tmp_path)
    assert [row[3] for row in rows(data)] == [[], [masks[0]], [masks[1]]]
    assert data.skipped == ()


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("folders", [("good", "bad", "masks"), ("train/good", "test/bad", "ground_truth")])
def test_good_images_whose_masks_mark_something_are_left_out(
    tmp_path: Path, split: str, folders: tuple[str, ...]
) -> None:
    good, bad, masks = (tmp_path / folder for folder in folders)
    for path in (good / "0.png", good / "1.png", good / "2.png", bad / "3.png"):
        draw(path, 1, 2, 3)
    draw(masks / "1.png", 0, 255, 0)
    draw(masks / "2.png", 0, 0, 0)
    data = open_data(tmp_path, split=split)  # type: ignore[arg-type]
    assert [s.path.name for s in data if s.is_good] == ["0.png", "2.png"]
    assert [(left.path.name, left.reason) for left in data.skipped] == [
        ("1.png", "lies with good images, but its mask marks a defect or cannot be read")
    ]
    assert summarize(data).endswith(
        "1 left out: lies with good images, but its mask marks a defect or cannot be read"
    )


def test_masks_are_those_of_the_images_in_their_split(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for number in range(2):
            draw(tmp_path / split / f"image/{number}.png", 1, 2, 3)
            draw(tmp_path / split / f"label/{number}.png", 0, 255 * number, 0)
    data = open_data(tmp_path)
    assert [row[:3] for row in rows(data)] == [
        ("train/image/0.png", "train", "good"),
        ("test/image/1.png", "test", "defect"),
        ("test/image/0.png", "test", "good"),
    ]
    assert reasons(data) == {"train/image/1.png": "its mask marks a defect; only good images may be in train"}


def test_every_mask_of_an_image_counts(tmp_path: Path) -> None:
    first, second = np.zeros((2, 6, 8), dtype=np.uint8)
    first[1:3, 1:3], second[4, 5:] = 255, 1
    touch(tmp_path, "train/good/0.png", "ground_truth/broken/x", "test/broken/x")
    Image.new("RGB", (8, 6)).save(tmp_path / "test/broken/0.png")
    Image.fromarray(first).save(tmp_path / "ground_truth/broken/0_mask.png")
    Image.fromarray(second).save(tmp_path / "ground_truth/broken/0_mask_2.bmp")
    (sample,) = (sample for sample in open_data(tmp_path) if not sample.is_good)
    np.testing.assert_array_equal(read_truth(sample, (6, 8)), (first > 0) | (second > 0))


def test_masks_that_fit_two_images_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "good/0.png", "crack/7.png", "stain/7.png", "masks/7.png")
    assert f"{tmp_path / 'masks/7.png'} is the mask of two images" in refused(tmp_path)


def test_a_folder_of_masks_for_each_image(tmp_path: Path) -> None:
    masks = ["ground_truth/crack/7/000.png", "ground_truth/crack/7/001.png"]
    touch(
        tmp_path,
        "train/good/0.png",
        "test/crack/7.png",
        "test/crack/000.png",
        *masks,
        "ground_truth/crack/9/000.png",
    )
    data = open_data(tmp_path)
    assert {row[0]: row[3] for row in rows(data)}["test/crack/7.png"] == masks
    assert reasons(data) == {"ground_truth/crack/9/000.png": "a mask without an image of that name"}


@pytest.mark.parametrize("white_first", [False, True])
def test_gif_masks_count_by_colour_not_by_palette_entry(tmp_path: Path, white_first: bool) -> None:
    expected = np.random.default_rng(0).random((9, 7)) > 0.5
    image = Image.fromarray((expected ^ white_first).astype(np.uint8), "P")
    image.putpalette([255, 255, 255, 0, 0, 0] if white_first else [0, 0, 0, 255, 255, 255])
    path = tmp_path / "m.gif"
    image.save(path, optimize=False)
    np.testing.assert_array_equal(read_mask(path, (9, 7)), expected)


def test_gif_masks_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.gif"
    path.write_bytes(b"GIF89a\x01")
    with pytest.raises(ImageError, match="cannot be read as GIF"):
        read_mask(path, (9, 7))
    frames = [Image.new("L", (7, 9), colour) for colour in (0, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="holds several pictures"):
        read_mask(path, (9, 7))


# ------------------------------------------------------------------------------------------ known data sets


@pytest.mark.parametrize("split", ["train", "test"])
def test_mvtec_ad_2_as_downloaded(tmp_path: Path, split: str) -> None:
    for category in ("can", "vial"):
        touch(
            tmp_path / "mvtec_ad_2" / category,
            "train/good/000_regular.png",
            "validation/good/001_regular.png",
            "test_public/good/002_regular.png",
            "test_public/bad/003_overexposed.png",
            "test_public/ground_truth/bad/003_overexposed_mask.png",
            "test_private/004_regular.png",
            "test_private_mixed/005_mixed.png",
        )
    data = open_data(tmp_path / "mvtec_ad_2", split=split)  # type: ignore[arg-type]
    assert data.categories == ("can", "vial")
    assert rows(data)[:4] == [
        ("can/train/good/000_regular.png", "train", "good", []),
        ("can/validation/good/001_regular.png", "calibration", "good", []),
        (
            "can/test_public/bad/003_overexposed.png",
            "test",
            "bad",
            ["can/test_public/ground_truth/bad/003_overexposed_mask.png"],
        ),
        ("can/test_public/good/002_regular.png", "test", "good", []),
    ]
    private = {f"{category}/test_private{mixed}" for category in data.categories for mixed in ("", "_mixed")}
    assert reasons(data) == dict.fromkeys(private, "its images have no labels")


def test_visa_as_downloaded(tmp_path: Path) -> None:
    for category in ("candle", "pcb1"):
        touch(
            tmp_path / category,
            "Data/Images/Normal/0000.JPG",
            "Data/Images/Anomaly/000.JPG",
            "Data/Masks/Anomaly/000.png",
            "image_anno.csv",
        )
    touch(tmp_path, "split_csv/1cls.csv")
    data = open_data(tmp_path)
    assert rows(data)[:2] == [
        ("candle/Data/Images/Normal/0000.JPG", "train", "good", []),
        ("candle/Data/Images/Anomaly/000.JPG", "test", "Anomaly", ["candle/Data/Masks/Anomaly/000.png"]),
    ]
    assert data.categories == ("candle", "pcb1")
    assert rows(open_data(tmp_path / "candle"))[1][3] == ["Data/Masks/Anomaly/000.png"]


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [("Training", "Valid", "testing"), ("train", "val", "TEST"), ("train_set", "validation", "tests")],
)
def test_splits_of_other_names(tmp_path: Path, train: str, validation: str, test: str) -> None:
    touch(
        tmp_path, f"{train}/normal/1.png", f"{validation}/ok/2.png", f"{test}/good/3.png", f"{test}/bad/4.png"
    )
    assert [row[1:3] for row in rows(open_data(tmp_path))] == [
        ("train", "good"),
        ("calibration", "good"),
        ("test", "bad"),
        ("test", "good"),
    ]


def test_normal_dir_and_abnormal_dir(tmp_path: Path) -> None:
    touch(tmp_path, "normal_dir/0.png", "normal_dir/1.png", "abnormal_dir/0.png", "mask_dir/0.png")
    assert rows(open_data(tmp_path)) == [
        ("normal_dir/0.png", "train", "good", []),
        ("normal_dir/1.png", "train", "good", []),
        ("abnormal_dir/0.png", "test", "abnormal_dir", ["mask_dir/0.png"]),
    ]


def test_folders_that_differ_in_case_alone_are_both_read(tmp_path: Path) -> None:
    touch(tmp_path, "good/1.png", "Bad/2.png", "OK/3.png")
    (tmp_path / "bad").mkdir(exist_ok=True)  # the same folder on a file system without case
    touch(tmp_path, "bad/4.png")
    assert len(open_data(tmp_path)) == 4


def test_defects_alone(tmp_path: Path) -> None:
    touch(tmp_path, "defective/1.png")
    assert "has defects (defective/) but no good images; expected them in good/" in refused(tmp_path)
    assert [row[2] for row in rows(open_data(tmp_path, split="test"))] == ["defective"]


def test_images_beside_a_folder_of_defects(tmp_path: Path) -> None:
    touch(tmp_path, "0.png", "NG/1.png")
    assert refused(tmp_path) == (
        f"{tmp_path}: NG/ holds defects by its name, so the images beside it are not all good; "
        "put good ones into good/"
    )
    assert len(open_data(tmp_path, split="test")) == 2  # all can be scored
    with pytest.raises(DataError, match="NG/ holds defects by its name"):
        open_test_set(tmp_path)


def test_batches_in_train(tmp_path: Path) -> None:
    touch(tmp_path, "train/batch1/0.png", "train/2024-05-01/1.png", "train/scratch/2.png")
    data = open_data(tmp_path)
    assert [row[:3] for row in rows(data)] == [
        ("train/2024-05-01/1.png", "train", "good"),
        ("train/batch1/0.png", "train", "good"),
    ]
    assert set(reasons(data)) == {"train/scratch/2.png"}


def test_masks_that_mark_nothing_are_those_of_good_images(tmp_path: Path) -> None:
    for number, folder in enumerate(("train", "train", "test", "test")):
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / f"{folder}/{number}.png")
        Image.new("L", (4, 4), 255 * (number % 2)).save(tmp_path / f"{folder}/{number}_GT.png")
    data = open_data(tmp_path)
    assert [row[:3] for row in rows(data)] == [
        ("train/0.png", "train", "good"),
        ("test/3.png", "test", "defect"),
        ("test/2.png", "test", "good"),
    ]
    assert reasons(data) == {"train/1.png": "its mask marks a defect; only good images may be in train"}


# --------------------------------------------------------------------------------------------- unknown names


def test_sub_folders_of_unknown_names_are_not_all_good(tmp_path: Path) -> None:
    root = tmp_path / "my parts"
    touch(root, "broken/1.png", "broken/5.png", "pill/2.png", "tablet/3.png", "tablet/4.png", "zinc/6.png")
    text = refused(root)
    assert text == (
        f"{root}: its sub-folders broken/, pill/, tablet/ and 1 more do not say which images are good; "
        f"pass twinspect.data.one_vs_rest('{root}', ['tablet']) if tablet is good and the others defects, "
        f"or pass twinspect.data.all_good('{root}') if all are good"
    )
    assert len(open_data(root, split="test")) == 6  # to score them nobody needs to know
    with pytest.raises(DataError, match="do not say which images are good"):
        open_test_set(root)
    assert [s.split for s in all_good(root)] == ["train"] * 6
    assert open_test_set(all_good(root, split="test")).doubt is None


def test_images_beside_a_folder_of_unknown_name(tmp_path: Path) -> None:
    touch(tmp_path, "1.png", "new ones/2.png")
    text = refused(tmp_path)
    assert f"pass '{tmp_path / 'new ones'}' if new ones is good" in text
    assert f"or pass twinspect.data.all_good('{tmp_path}') if all are good" in text


@pytest.mark.parametrize(
    "names",
    [
        ("2024-05-01", "2024-05-02"),
        ("batch1", "Batch 2", "lot_3"),
        ("line 1/cam_a", "line 2/cam_b"),
        ("monday", "tuesday", "images"),
        ("whatever/deep/batch1", "whatever/deep/batch2"),
    ],
)
def test_sub_folders_by_date_or_batch_are_one_set(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path, *(f"{name}/1.png" for name in names))
    assert len(open_data(tmp_path).split("train")) == len(names)
    assert (
        f"(plain folder and its {len(names)} sub-folders without labels): {len(names)} good to train"
        in summarize(open_data(tmp_path))
    )


def test_all_good_needs_a_folder_with_images(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", "masks/1.png")
    with pytest.raises(DataError, match="no images in it"):
        all_good(tmp_path)
    with pytest.raises(DataError, match="not a folder"):
        all_good(tmp_path / "notes.txt")


# ------------------------------------------------------------------------------------- what systems leave


def test_what_systems_leave_is_skipped_wherever_files_are_listed(tmp_path: Path) -> None:
    made = ["@eaDir/1.png/SYNOPHOTO_THUMB_M.png", "#recycle/2.png", "$RECYCLE.BIN/2.png", "lost+found/2.png"]
    made += [
        "System Volume Information/2.png",
        ".Trashes/2.png",
        "__MACOSX/2.png",
        "SYNOPHOTO_THUMB_XL.png",
        "Thumbs.db",
    ]
    touch(tmp_path, "1.png", *made)
    assert [s.name for s in open_data(tmp_path)] == ["1.png"]
    assert len(open_data(tmp_path).skipped) == len(made)
    assert [Path(arrival.path).name for arrival in scan_folder(tmp_path)] == ["1.png"]
    for source in (str(tmp_path), tmp_path.as_uri()):
        assert [item.path.rpartition("/")[2] for item in list_images([source], SkippedFiles())] == ["1.png"]
    archive = tmp_path / "a.tar"
    subprocess.run(["tar", "-cf", archive, "-C", tmp_path, "1.png", *made], check=True)
    assert [item.path for item in list_images([str(archive)], SkippedFiles())] == [f"{archive}/1.png"]


def test_what_twinspect_writes_is_no_data(tmp_path: Path) -> None:
    touch(tmp_path, "good/1.png", "bad/2.png", "report/notes.png", "model.json", "bad/contact_sheet.png")
    touch(tmp_path, "good/m.twin/model.json", "good/m.twin/weights.safetensors", "good/m.twin/images/0.png")
    touch(tmp_path, "r/report.html", "r/metrics.json", "r/7.png", "maps/.twinspect-maps", "maps/2.png")
    about = PngInfo()
    about.add_text("Software", "twinspect synth")
    Image.new("RGB", (8, 8)).save(tmp_path / "good/contact_sheet.png", pnginfo=about)
    own = {"r", "maps", "good/m.twin", "good/contact_sheet.png"}
    data = open_data(tmp_path)
    expected = {"good/1.png", "bad/2.png", "bad/contact_sheet.png", "report/notes.png"}
    assert {s.name for s in data} == expected
    assert {name for name, reason in reasons(data).items() if reason == "written by twinspect"} == own
    assert {
        Path(arrival.path).relative_to(tmp_path).as_posix() for arrival in scan_folder(tmp_path)
    } == expected
    listed = {
        item.path.partition(f"{tmp_path.name}/")[2]
        for item in list_images([tmp_path.as_uri()], SkippedFiles())
    }
    assert listed == {*expected, "good/contact_sheet.png"}  # no file by URI is opened


# ------------------------------------------------------------------------------------------- what is said


def test_what_was_taken_for_what_in_one_line(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    touch(parts, *(f"train/good/{n}.png" for n in range(6)), "val/good/6.png", "test/good/7.png")
    touch(
        parts, "test/crack/8.png", "test/crack/9.png", "ground_truth/crack/8.png", "ground_truth/crack/x.png"
    )
    touch(parts, *(f"train/good/{n}.heif_" for n in range(100)), "train/good/.hidden")
    data = open_data(parts)
    assert summarize(data) == (
        "parts (MVTec layout): 6 good to train, 1 good to calibrate, 1 good to test, 2 defective to test, 1 mask, "
        "1 defective without a mask; 102 left out: 100 'not an image by its name (.heif_)', "
        "1 'a mask without an image of that name', 1 'hidden'"
    )
    assert count_images(data) == {
        "train_good": 6,
        "calibration_good": 1,
        "test_good": 1,
        "test_defective": 2,
        "masks": 1,
        "defective_without_mask": 1,
        "left_out": 102,
    }


def test_masks_that_match_nothing_are_said(tmp_path: Path) -> None:
    touch(tmp_path, "good/1.png", "bad/2.png", "bad/3.png", "masks/bad/first.png", "masks/bad/second.png")
    assert summarize(open_data(tmp_path)).endswith(
        "1 good to train, 2 defective to test, 2 defective without a mask; "
        "2 left out: a mask without an image of that name"
    )


def test_any_order_of_the_file_system_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, *(f"bad/{n}.png" for n in range(12)), "good/1.png")
    touch(tmp_path, *(f"bad/masks/{n}_mask_{part}.png" for n in range(12) for part in (1, 2, 10)))
    expected = open_data(tmp_path)
    real = os.scandir

    class Shuffled:
        def __init__(self, path: object) -> None:
            self.entries = list(real(path))  # type: ignore[call-overload]
            random.Random(1).shuffle(self.entries)

        def __enter__(self) -> object:
            return iter(self.entries)

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(os, "scandir", Shuffled)
    assert open_data(tmp_path) == expected
    assert [mask.name for mask in expected.samples[-1].masks] == [
        "11_mask_1.png",
        "11_mask_2.png",
        "11_mask_10.png",
    ]
