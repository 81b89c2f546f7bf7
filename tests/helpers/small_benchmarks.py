"""Small copies of every public benchmark, written in the layout of its archive."""

from __future__ import annotations

import gzip
import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from drawn_parts import write_image
from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.errors import DataError, TwinspectError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twinspect.data import DataSet

# Every tiny copy has fewer images than the published one; one test looks at that warning itself.
pytestmark = pytest.mark.filterwarnings("ignore::twinspect.errors.PartialCopyWarning")

SIDE = 4


def image(path: Path, value: int = 100) -> None:
    write_image(path, np.full((SIDE, SIDE), value, np.uint8))


def images(root: Path, *names: str) -> None:
    for name in names:
        image(root / name)


def mask(path: Path, value: int = 255, at: int = 0) -> None:
    """A mask that marks one pixel, or none if the value is 0."""
    values = np.zeros((SIDE, SIDE), np.uint8)
    values[at, at] = value
    write_image(path, values)


def rows(data: DataSet) -> set[tuple[str, str, str, str]]:
    return {(sample.name, sample.split, sample.label, sample.category) for sample in data}


def masks(data: DataSet) -> dict[str, list[str]]:
    assert data.root is not None
    return {
        sample.name: [path.relative_to(data.root).as_posix() for path in sample.masks]
        for sample in data
        if sample.masks
    }


def reasons(data: DataSet) -> dict[str, str]:
    assert data.root is not None
    return {left.path.relative_to(data.root).as_posix(): left.reason for left in data.skipped}


def refused(
    load: Callable[..., Any], *given: Any, error: type[TwinspectError] = DataError, **options: Any
) -> str:
    with pytest.raises(error) as caught:
        load(*given, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ------------------------------------------------------------------------------------------ the tiny copies


def mvtec_category(root: Path, good: str = "good", defect: str = "broken", suffix: str = "png") -> None:
    images(root, f"train/{good}/000.{suffix}", f"train/{good}/001.{suffix}")
    images(root, f"test/{good}/000.{suffix}", f"test/{defect}/000.{suffix}", f"test/{defect}/001.{suffix}")


def write_mvtec(key: str, root: Path) -> None:
    for name in CATALOGUE[key].categories:
        mvtec_category(root / name)
        for number in (0, 1):
            mask(root / name / f"ground_truth/broken/{number:03d}_mask.png", at=number)


def write_btad(root: Path) -> None:
    for name in CATALOGUE["BTAD"].categories:
        mvtec_category(root / name, "ok", "ko", "bmp")
        for number in (0, 1):
            mask(root / name / f"ground_truth/ko/{number:03d}.png", at=number)


LOCO_RULES = [
    {"defect_name": "two", "pixel_value": 255, "saturation_threshold": 0.5, "relative_saturation": True},
    {"defect_name": "few", "pixel_value": 254, "saturation_threshold": 3, "relative_saturation": False},
]


def write_loco(root: Path) -> None:
    for name in CATALOGUE["MVTecLOCO"].categories:
        folder = root / name
        images(folder, "train/good/000.png", "validation/good/000.png", "test/good/000.png")
        images(folder, "test/logical_anomalies/000.png", "test/structural_anomalies/000.png")
        for number, value in enumerate((255, 254)):
            mask(folder / f"ground_truth/logical_anomalies/000/{number:03d}.png", value, at=number)
        mask(folder / "ground_truth/structural_anomalies/000/000.png", at=3)
        (folder / "defects_config.json").write_text(json.dumps(LOCO_RULES), encoding="utf-8")


def write_3d(root: Path) -> None:
    for name in CATALOGUE["MVTec3D"].categories:
        for kind in ("train/good", "validation/good", "test/good", "test/hole"):
            images(root / name / kind, "rgb/000.png", "xyz/000.tiff")
            mask(root / name / kind / "gt/000.png", 255 if kind == "test/hole" else 0)
        (root / name / "calibration").mkdir()


VISA_ROWS = [
    ("train", "normal", "Data/Images/Normal/0000.JPG", ""),
    ("test", "normal", "Data/Images/Normal/0001.JPG", ""),
    ("test", "anomaly", "Data/Images/Anomaly/000.JPG", "Data/Masks/Anomaly/000.png"),
]


def write_visa(root: Path) -> None:
    lines = ["object,split,label,image,mask"]
    for name in CATALOGUE["VisA"].categories:
        for split, label, picture, truth in VISA_ROWS:
            image(root / name / picture)
            lines.append(f"{name},{split},{label},{name}/{picture},{truth and f'{name}/{truth}'}")
        mask(root / name / "Data/Masks/Anomaly/000.png", value=1)
    (root / "split_csv").mkdir()
    (root / "split_csv/1cls.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def real_iad_json(name: str) -> dict[str, Any]:
    """Two training images and a good and a damaged one to test; the second of each is seen from the side."""
    content: dict[str, Any] = {"meta": {"normal_class": "OK"}}
    for split, kind in (("train", "OK"), ("test", "OK"), ("test", "NG/AK")):
        for view in (1, 2):
            path = f"{kind}/S{len(kind)}{split}/{name}_C{view}_x.jpg"
            row = {
                "category": name,
                "anomaly_class": kind.split("/")[-1],
                "image_path": path,
                "mask_path": None,
            }
            row["mask_path"] = path.replace(".jpg", ".png") if kind == "NG/AK" else None
            content.setdefault(split, []).append(row)
    return content


def write_real_iad(root: Path, jsons: str = "realiad_jsons", size: int = 1024) -> None:
    for name in CATALOGUE["RealIAD"].categories:
        content = real_iad_json(name)
        for row in (*content["train"], *content["test"]):
            image(root / f"realiad_{size}" / name / row["image_path"])
            if row["mask_path"]:
                mask(root / f"realiad_{size}" / name / row["mask_path"])
        path = root / jsons / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")


def cifar_record(labels: tuple[int, ...], colours: tuple[int, int, int]) -> bytes:
    return bytes(labels) + b"".join(bytes([colour]) * 1024 for colour in colours)


def write_cifar10(root: Path) -> None:
    root.mkdir(parents=True)
    for number in range(1, 6):
        content = cifar_record((3,), (number, 20, 30)) + cifar_record((5,), (number, 50, 60))
        (root / f"data_batch_{number}.bin").write_bytes(content)
    (root / "test_batch.bin").write_bytes(cifar_record((3,), (1, 2, 3)) + cifar_record((9,), (4, 5, 6)))
    (root / "batches.meta.txt").write_text("airplane\n", encoding="utf-8")


def write_cifar100(root: Path) -> None:
    root.mkdir(parents=True)
    (root / "train.bin").write_bytes(cifar_record((1, 0), (1, 2, 3)) + cifar_record((0, 2), (4, 5, 6)))
    (root / "test.bin").write_bytes(cifar_record((1, 1), (7, 8, 9)) + cifar_record((0, 2), (9, 9, 9)))
    (root / "fine_label_names.txt").write_text("apple\nrose\nwolf\n", encoding="utf-8")
    (root / "coarse_label_names.txt").write_text("beasts\nplants\n", encoding="utf-8")


def idx(values: np.ndarray[Any, Any]) -> bytes:
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_idx(root: Path, ending: str = "", dot: str = "-", count: int = 10) -> None:
    root.mkdir(parents=True)
    for stem, number in (("train", 2 * count), ("t10k", count)):
        pixels = np.arange(number, dtype=np.uint8)[:, None, None] + np.zeros((number, 5, 6), np.uint8)
        content = {
            f"{stem}-images{dot}idx3-ubyte": idx(pixels),
            f"{stem}-labels{dot}idx1-ubyte": idx(np.arange(number, dtype=np.uint8) % 10),
        }
        for name, data in content.items():
            (root / f"{name}{ending}").write_bytes(gzip.compress(data) if ending else data)


def write_view(root: Path, train: str = "seg_train/seg_train", test: str = "seg_test/seg_test") -> None:
    for name in CATALOGUE["View"].categories:
        images(root, f"{train}/{name}/1.jpg", f"{train}/{name}/2.jpg", f"{test}/{name}/3.jpg")
    images(root, "seg_pred/seg_pred/9.jpg")


def write_oct(root: Path) -> None:
    for name in ("NORMAL", "CNV", "DME", "DRUSEN"):
        images(root, f"train/{name}/{name}-1-1.jpeg", f"test/{name}/{name}-2-1.jpeg", f"val/{name}/3.jpeg")


def write_brain(root: Path) -> None:
    images(root, *(f"no/{number} no.jpg" for number in range(1, 11)), "yes/Y1.jpg", "yes/Y2.JPG")


def write_head(root: Path, folder: str = "head_ct") -> None:
    images(root, *(f"{folder}/{number:03d}.png" for number in range(12)))
    lines = ["id, hemorrhage", *(f"{number},{int(number < 2)}" for number in range(12))]
    (root / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_kolektor(root: Path) -> None:
    for number in range(1, 6):
        for part in (0, 1):
            image(root / f"kos{number:02d}" / f"Part{part}.jpg")
            marked = 255 if (number, part) in {(1, 1), (5, 0)} else 0
            mask(root / f"kos{number:02d}" / f"Part{part}_label.bmp", marked)


def write_kolektor2(root: Path) -> None:
    for part, numbers in (("train", (10000, 10001)), ("test", (20000, 20001))):
        for number in numbers:
            image(root / part / f"{number}.png")
            mask(root / part / f"{number}_GT.png", 255 * (number % 2))


def write_tiles(root: Path) -> None:
    for kind in ("Blowhole", "Break", "Crack", "Fray", "Uneven"):
        image(root / f"MT_{kind}/Imgs/exp1_num_7.jpg")
        mask(root / f"MT_{kind}/Imgs/exp1_num_7.png")
    for number in range(1, 6):
        image(root / f"MT_Free/Imgs/exp1_num_{number}.jpg")
        mask(root / f"MT_Free/Imgs/exp1_num_{number}.png", 0)


def write_dagm(root: Path) -> None:
    for name in CATALOGUE["DAGM"].categories:
        for part in ("Train", "Test"):
            images(root / name / part, "0001.PNG", "0002.PNG")
            mask(root / name / part / "Label/0002_label.PNG")
            (root / name / part / "Label/Labels.txt").write_text("1\n", encoding="utf-8")


WRITERS: dict[str, Callable[[Path], None]] = {
    "MVTecAD": lambda root: write_mvtec("MVTecAD", root),
    "MPDD": lambda root: write_mvtec("MPDD", root),
    "BTAD": write_btad,
    "MVTecLOCO": write_loco,
    "MVTec3D": write_3d,
    "VisA": write_visa,
    "RealIAD": write_real_iad,
    "CIFAR10": write_cifar10,
    "CIFAR100": write_cifar100,
    "MNIST": write_idx,
    "FashionMNIST": write_idx,
    "View": write_view,
    "RetinalOCT": write_oct,
    "BrainMRI": write_brain,
    "HeadCT": write_head,
    "KolektorSDD": write_kolektor,
    "KolektorSDD2": write_kolektor2,
    "MagneticTile": write_tiles,
    "DAGM": write_dagm,
}
