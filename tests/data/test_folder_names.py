"""What a folder's name says of what it holds."""

from __future__ import annotations

import pytest

from twinspect.data.folder_names import role_of
from twinspect.data.system_files import system_reason

NAMES = {
    "good": "good GOOD Normal ok OK okay normal_dir good_images GoodParts good1 defect-free no_defect i.O. pass",
    "defect": "bad NG abnormal_dir Anomaly anomalous not_good notOk defective NOK n.i.O. reject",
    "masks": "mask masks label labels gt GT ground_truth groundtruth GroundTruth ground-truth annotation Annotations "
    "mask_dir mask_images defect_masks",
    "train": "train Training train_set",
    "calibration": "val valid validation Validation calibration",
    "test": "test Testing test_public test_images",
    "unlabelled": "test_private test_private_mixed",
    "images": "images Images img data Data",
    "batch": "2024-05-01 20240501 batch1 Batch_12 line3 cam_b monday week-12 images_2",
    "unknown": "pill good_crack goods_damage 7 01 screw broken latest abc label_missing",
}


@pytest.mark.parametrize(("role", "names"), NAMES.items())
def test_names(role: str, names: str) -> None:
    assert {name: role_of(name) for name in names.split()} == dict.fromkeys(names.split(), role)


def test_names_of_several_words() -> None:
    assert role_of("Ground Truth") == "masks"
    assert role_of("Good Parts") == "good"
    assert role_of("no defects") == "good"


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
        "@Recycle",
    ],
)
def test_what_systems_leave_is_never_looked_at(name: str) -> None:
    assert system_reason(name) in ("hidden", "made by the operating system")


@pytest.mark.parametrize("name", ["eaDir", "recycle", "1.png", "lost", "good", "system"])
def test_what_people_leave_is_looked_at(name: str) -> None:
    assert system_reason(name) is None
