"""What a folder's name says of what it holds."""

from __future__ import annotations

import pytest

from twinspect.data.folder_names import looks_defective, role_of
from twinspect.data.system_files import system_reason

NAMES = {
    "good": "good GOOD Normal ok OK okay normal_dir good_images GoodParts good1 defect-free no_defect i.O. pass "
    "ok_front front-ok OK_Front good_parts good_bottle_2 OKFront not_damaged no_defect_front nodefect_left",
    "defect": "bad NG abnormal_dir Anomaly anomalous not_good notOk defective NOK n.i.O. reject "
    "not_ok not_ok_front no_good nok def_front ng_1 NG_scratch line_defects bad_parts def bad-goods front_rejected",
    "masks": "mask masks label labels gt GT ground_truth groundtruth GroundTruth ground-truth annotation Annotations "
    "mask_dir mask_images defect_masks bad_masks bad_gt gt_masks Masken anno seg SegmentationClass "
    "SegmentationObject labels_png label_img Mask_PNG annots test_masks crack_gt gt_bad left_masks train_labels",
    "train": "train Training train_set",
    "calibration": "val valid validation Validation calibration",
    "test": "test Testing test_public test_images",
    "unlabelled": "test_private test_private_mixed",
    "images": "images Images img data Data",
    "batch": "2024-05-01 20240501 batch1 Batch_12 line3 cam_b monday week-12 images_2",
    "unknown": "pill good_crack goods_damage 7 01 screw broken latest abc label_missing "
    "good_but_scratched ok_crack good_and_bad goodbye okra train_good test_bad bad_labels good_labels label_ok "
    "seg_01 segment_3 face_mask normal_light fault_indicator io_board",
}


@pytest.mark.parametrize(("role", "names"), NAMES.items())
def test_names(role: str, names: str) -> None:
    assert {name: role_of(name) for name in names.split()} == dict.fromkeys(names.split(), role)


def test_names_of_several_words() -> None:
    assert role_of("Ground Truth") == "masks"
    assert role_of("Good Parts") == "good"
    assert role_of("no defects") == "good"


@pytest.mark.parametrize("name", ["scratch", "good_crack", "NG", "missing part", "Broken", "almost_ok"])
def test_names_that_may_well_be_defects(name: str) -> None:
    assert looks_defective(name)


@pytest.mark.parametrize("name", ["golden", "pill", "0", "latest", "ok_front"])
def test_names_that_may_be_good(name: str) -> None:
    assert not looks_defective(name)


@pytest.mark.parametrize(
    "name",
    [
        "@eaDir",
        "#recycle",
        "$RECYCLE.BIN",
        "lost+found",
        "System Volume Information",
        "__MACOSX",
        ".Trashes",
        "._1.png",
        ".DS_Store",
        "Thumbs.db",
        "DESKTOP.INI",
        "SYNOPHOTO_THUMB_M.png",
        "#snapshot",
        "~snapshot",
        ".snapshot",
        "@SynoResource",
        "@Recently-Snapshot",
        "thumbs",
        "Thumbnails",
        "@Recycle",
    ],
)
def test_what_systems_leave_is_never_looked_at(name: str) -> None:
    assert system_reason(name) in ("hidden", "made by the operating system")


@pytest.mark.parametrize("name", ["eaDir", "recycle", "1.png", "lost", "good", "system"])
def test_what_people_leave_is_looked_at(name: str) -> None:
    assert system_reason(name) is None
