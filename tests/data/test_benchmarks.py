"""Public benchmarks: a tiny copy of each official layout, and what is said of any other folder."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinspect as ts
from small_benchmarks import (
    SIDE,
    WRITERS,
    idx,
    images,
    mask,
    masks,
    mvtec_category,
    real_iad_json,
    reasons,
    refused,
    rows,
    write_brain,
    write_cifar10,
    write_head,
    write_idx,
    write_kolektor,
    write_loco,
    write_real_iad,
    write_view,
    write_visa,
)
from twinspect.data import ClassSet, DataSet, all_but_one, benchmarks, one_vs_rest, open_data
from twinspect.data.benchmarks.catalogue import ALL, CATALOGUE
from twinspect.data.benchmarks.loader_base import pair_with_masks
from twinspect.data.listing import Listing
from twinspect.data.pixels import read_truth
from twinspect.data.saturation_rules import read_regions, read_rules
from twinspect.errors import ConfigError, DataError, PartialCopyWarning

# Every tiny copy has fewer images than the published one; one test looks at that warning itself.
pytestmark = pytest.mark.filterwarnings("ignore::twinspect.errors.PartialCopyWarning")

KEYS = sorted(WRITERS)


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny copy of every benchmark, each called by its key; tests must not change it."""
    root = tmp_path_factory.mktemp("benchmarks")
    for key, write in WRITERS.items():
        write(root / key)
    return root


def load(key: str, root: Path, **options: Any) -> DataSet:
    found: DataSet = getattr(ts.data, key)(root, **options)
    return found


# ------------------------------------------------------------------------------------------------ every one


def test_every_benchmark_of_the_table_is_tested_and_has_a_loader() -> None:
    assert KEYS == sorted(CATALOGUE) == sorted(benchmarks.HOMES)
    assert set(KEYS) < set(ts.data.__all__)
    assert set(KEYS) < set(benchmarks.__all__)
    assert all(getattr(ts.data, key) is getattr(benchmarks, key) for key in KEYS)
    with pytest.raises(AttributeError, match="no attribute 'MVTec4D'"):
        _ = ts.data.MVTec4D
    with pytest.raises(AttributeError, match="no attribute 'MVTec4D'"):
        _ = benchmarks.MVTec4D


@pytest.mark.parametrize("key", KEYS)
def test_every_loader_gives_a_checked_data_set(key: str, copies: Path) -> None:
    data = load(key, copies / key)
    assert data == load(key, copies / key)
    assert (data.name, data.root) == (CATALOGUE[key].title, copies / key)
    assert data.layout
    assert len({sample.name for sample in data}) == len(data)
    assert all(sample.path.is_file() for sample in data if sample.pixels is None)
    assert all(path.is_file() for sample in data for path in sample.masks)
    assert not {sample.path for sample in data} & {left.path for left in data.skipped}
    assert {sample.split for sample in data} >= {"train", "test"}
    if not isinstance(data, ClassSet):
        assert all(sample.is_good for sample in data if sample.split != "test")
        assert {sample.is_good for sample in data.split("test")} == {True, False}
        assert all(sample.mask is None for sample in data if sample.is_good)
        assert all(sample.category for sample in data)
        assert not data.unmasked


@pytest.mark.parametrize("key", KEYS)
def test_text_and_tilde_are_paths_too(key: str, copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(copies))
    monkeypatch.setenv("USERPROFILE", str(copies))
    assert load(key, f"~/{key}").samples == load(key, copies / key).samples  # type: ignore[arg-type]


@pytest.mark.skipif(os.name == "nt", reason="making links takes special rights on Windows")
@pytest.mark.parametrize("key", KEYS)
def test_the_folder_above_and_two_above_are_told_apart_from_it(
    key: str, copies: Path, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / key).symlink_to(copies / key, target_is_directory=True)
    remedy = f"type ts.data.{key}('{(tmp_path / 'a' / key).as_posix()}')"
    assert remedy in refused(load, key, tmp_path / "a")
    assert remedy in refused(load, key, tmp_path)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", ["set.tar", "set.tar.xz", "set.tgz", "set.zip", "set.7z"])
def test_an_archive_is_answered_by_how_to_unpack_it(key: str, name: str, tmp_path: Path) -> None:
    archive = tmp_path / name
    archive.write_bytes(b"x")
    module = "zipfile" if name.endswith("zip") else "tarfile"
    how = f"unpack {archive} into" if name.endswith("7z") else f"python -m {module} -e {archive} {tmp_path}"
    for given in (archive, tmp_path):
        assert how in refused(load, key, given)


@pytest.mark.parametrize("key", KEYS)
def test_another_folder_a_file_and_nothing_are_refused(key: str, tmp_path: Path) -> None:
    entry = CATALOGUE[key]
    (tmp_path / "holiday").mkdir()
    message = refused(load, key, tmp_path)
    assert message.startswith(f"{tmp_path}: no copy of {entry.title} begins here; expected ")
    assert "there is: holiday" in message
    assert entry.page in message
    assert "no such folder" in refused(load, key, tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    assert "is a file; expected the folder" in refused(load, key, tmp_path / "notes.txt")


def test_a_partial_copy_is_warned_of_by_number(tmp_path: Path) -> None:
    mvtec_category(tmp_path / "bottle")
    (tmp_path / "bottle/ground_truth").mkdir()
    with pytest.warns(PartialCopyWarning) as caught:
        ts.data.MVTecAD(tmp_path, "bottle")
    assert "bottle train 2 (expected 209), bottle test 3 (expected 83)" in str(caught[0].message)
    write_brain(tmp_path / "brain")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ts.data.BrainMRI(tmp_path / "brain")


def test_counts_of_all_together_hold_only_when_all_are_there(copies: Path) -> None:
    with pytest.warns(PartialCopyWarning, match=r"train 12 \(expected 888\), test 18 \(expected 458\)"):
        ts.data.MPDD(copies / "MPDD")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ts.data.MPDD(copies / "MPDD", ["tubes", "connector"])


@pytest.mark.parametrize(
    ("key", "counts"),
    [
        ("MVTecAD", (3629, 0, 1725)),
        ("MVTecLOCO", (1778, 305, 1568)),
        ("MVTec3D", (2656, 294, 1197)),
        ("VisA", (8659, 0, 2162)),
        ("BTAD", (1799, 0, 741)),
    ],
)
def test_the_tables_counts_add_up_to_those_of_the_archives(key: str, counts: tuple[int, int, int]) -> None:
    assert tuple(map(sum, zip(*CATALOGUE[key].counts.values(), strict=True))) == counts  # type: ignore[arg-type]


def test_the_table_counts_half_of_the_16_100_images_of_dagm_as_tested() -> None:
    assert sum(tests or 0 for _, _, tests in CATALOGUE["DAGM"].counts.values()) == 16100 // 2


def test_the_table_names_what_it_counts() -> None:
    for entry in CATALOGUE.values():
        assert set(entry.counts) <= {*entry.categories, ALL}
        assert entry.page.startswith("http")
        assert entry.licence
    sizes = {"MVTecAD": 15, "MVTecLOCO": 5, "MVTec3D": 10, "VisA": 12, "RealIAD": 30, "MPDD": 6, "DAGM": 10}
    assert {key: len(CATALOGUE[key].categories) for key in sizes} == sizes


def test_the_table_imports_nothing_heavy_of_its_own() -> None:
    loaders = [f"twinspect.data.benchmarks.{home}" for home in set(benchmarks.HOMES.values())]
    code = f"import twinspect.data, sys; print([n for n in {[*loaders, 'torch']} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ----------------------------------------------------------------------------------------------- categories

BY_CATEGORY = ["BTAD", "DAGM", "MPDD", "MVTec3D", "MVTecAD", "MVTecLOCO", "RealIAD", "VisA"]


@pytest.mark.parametrize("key", BY_CATEGORY)
def test_some_categories_are_enough_when_named(key: str, copies: Path) -> None:
    first, second = CATALOGUE[key].categories[:2]
    assert load(key, copies / key).categories == tuple(sorted(CATALOGUE[key].categories))
    assert load(key, copies / key, categories=first).categories == (first,)
    both = load(key, copies / key, categories=iter([second, first, second]))
    assert both.categories == tuple(sorted((first, second)))
    assert f"known: {', '.join(sorted(CATALOGUE[key].categories))}" in refused(
        load, key, copies / key, categories=["bottel"], error=ConfigError
    )
    assert "no category is named" in refused(load, key, copies / key, categories=[], error=ConfigError)


@pytest.mark.parametrize("key", BY_CATEGORY)
def test_missing_categories_are_named(key: str, tmp_path: Path) -> None:
    WRITERS[key](tmp_path)
    first, second, *_ = CATALOGUE[key].categories
    above = tmp_path / "realiad_1024" if key == "RealIAD" else tmp_path
    (above / first).rename(tmp_path / "elsewhere")
    message = refused(load, key, tmp_path)
    assert f"a partial copy of {CATALOGUE[key].title}, without {first}; " in message
    assert f"categories=['{second}'" in message
    assert load(key, tmp_path, categories=[second]).categories == (second,)


def test_a_category_left_packed_and_one_cut_off_are_named(tmp_path: Path) -> None:
    mvtec_category(tmp_path / "bottle")
    (tmp_path / "cable.tar.xz").write_bytes(b"x")
    message = refused(ts.data.MVTecAD, tmp_path, ["bottle", "cable"])
    assert (
        "without bottle/ground_truth, cable; there are archives: unpack it with: python -m tarfile" in message
    )


@pytest.mark.parametrize("key", ["MVTecAD", "MVTecLOCO", "VisA", "DAGM"])
def test_the_folder_of_one_category_is_answered_by_the_one_above(key: str, copies: Path) -> None:
    inside = copies / key / CATALOGUE[key].categories[0]
    assert f"type ts.data.{key}('{(copies / key).as_posix()}')" in refused(load, key, inside)


# --------------------------------------------------------------------------------------------- MVTec layout


def test_mvtec_layout(copies: Path) -> None:
    data = ts.data.MVTecAD(copies / "MVTecAD", "grid")
    assert rows(data) == {
        ("grid/train/good/000.png", "train", "good", "grid"),
        ("grid/train/good/001.png", "train", "good", "grid"),
        ("grid/test/good/000.png", "test", "good", "grid"),
        ("grid/test/broken/000.png", "test", "broken", "grid"),
        ("grid/test/broken/001.png", "test", "broken", "grid"),
    }
    assert masks(data) == {
        f"grid/test/broken/{number}.png": [f"grid/ground_truth/broken/{number}_mask.png"]
        for number in ("000", "001")
    }


def test_btad_is_good_or_ko_and_masks_may_end_otherwise(copies: Path) -> None:
    data = ts.data.BTAD(copies / "BTAD", "02")
    assert Counter((s.split, s.label) for s in data) == {
        ("train", "good"): 2,
        ("test", "good"): 1,
        ("test", "ko"): 2,
    }
    assert masks(data)["02/test/ko/001.bmp"] == ["02/ground_truth/ko/001.png"]


def test_a_file_that_is_no_image_is_listed(tmp_path: Path) -> None:
    mvtec_category(tmp_path / "bottle")
    (tmp_path / "bottle/ground_truth").mkdir()
    (tmp_path / "bottle/license.txt").write_text("x", encoding="utf-8")
    assert list(reasons(ts.data.MVTecAD(tmp_path, "bottle"))) == ["bottle/license.txt"]


# ---------------------------------------------------------------------------------------------------- LOCO


def test_loco_has_all_masks_of_an_image(copies: Path) -> None:
    data = ts.data.MVTecLOCO(copies / "MVTecLOCO", "pushpins")
    assert rows(data) == {
        ("pushpins/train/good/000.png", "train", "good", "pushpins"),
        ("pushpins/validation/good/000.png", "calibration", "good", "pushpins"),
        ("pushpins/test/good/000.png", "test", "good", "pushpins"),
        ("pushpins/test/logical_anomalies/000.png", "test", "logical_anomalies", "pushpins"),
        ("pushpins/test/structural_anomalies/000.png", "test", "structural_anomalies", "pushpins"),
    }
    truth = "pushpins/ground_truth"
    assert masks(data) == {
        "pushpins/test/logical_anomalies/000.png": [
            f"{truth}/logical_anomalies/000/000.png",
            f"{truth}/logical_anomalies/000/001.png",
        ],
        "pushpins/test/structural_anomalies/000.png": [f"{truth}/structural_anomalies/000/000.png"],
    }
    assert not data.skipped


def test_a_loco_image_is_anomalous_where_any_of_its_masks_says_so(copies: Path) -> None:
    data = ts.data.MVTecLOCO(copies / "MVTecLOCO", "pushpins")
    marked = {s.label: np.argwhere(read_truth(s, (SIDE, SIDE))).tolist() for s in data.split("test")}
    assert marked == {"good": [], "logical_anomalies": [[0, 0], [1, 1]], "structural_anomalies": [[3, 3]]}


def test_loco_regions_carry_their_saturation(copies: Path) -> None:
    rules = read_rules(copies / "MVTecLOCO/pushpins/defects_config.json")
    data = ts.data.MVTecLOCO(copies / "MVTecLOCO", "pushpins")
    (sample,) = (sample for sample in data if sample.label == "logical_anomalies")
    first, second = read_regions(sample, rules)
    assert [np.argwhere(region.marked).tolist() for region in (first, second)] == [[[0, 0]], [[1, 1]]]
    assert (first.saturation.defect, second.saturation.defect) == ("two", "few")
    assert [first.saturation.area(size) for size in (1, 2, 10, 11)] == [1, 1, 5, 5]
    assert [second.saturation.area(size) for size in (2, 3, 100)] == [2, 3, 3]
    with pytest.raises(DataError, match=r"marks pixels with \[255\]; allowed is one of 254"):
        read_regions(sample, {254: rules[254]})


@pytest.mark.parametrize("content", [None, "{", "[1]", '[{"defect_name": "x"}]'])
def test_a_damaged_loco_config_is_named(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "defects_config.json").write_text(content, encoding="utf-8")
    assert "expected a list of objects with defect_name, pixel_value" in refused(
        read_rules, tmp_path / "defects_config.json"
    )


def test_a_loco_mask_without_its_image_is_listed(tmp_path: Path) -> None:
    write_loco(tmp_path)
    (tmp_path / "pushpins/test/structural_anomalies/000.png").unlink()
    images(tmp_path, "pushpins/test/structural_anomalies/001.png")
    data = ts.data.MVTecLOCO(tmp_path, "pushpins")
    orphan = "pushpins/ground_truth/structural_anomalies/000/000.png"
    assert reasons(data) == {orphan: "a mask without an image of that name"}
    assert [sample.name for sample in data.unmasked] == ["pushpins/test/structural_anomalies/001.png"]


# ------------------------------------------------------------------------------------------ MVTec 3D, VisA


def test_mvtec_3d_reads_colour_images_only(copies: Path) -> None:
    data = ts.data.MVTec3D(copies / "MVTec3D", "rope")
    assert rows(data) == {
        ("rope/train/good/rgb/000.png", "train", "good", "rope"),
        ("rope/validation/good/rgb/000.png", "calibration", "good", "rope"),
        ("rope/test/good/rgb/000.png", "test", "good", "rope"),
        ("rope/test/hole/rgb/000.png", "test", "hole", "rope"),
    }
    assert masks(data) == {"rope/test/hole/rgb/000.png": ["rope/test/hole/gt/000.png"]}


def test_visa_is_split_by_its_table(copies: Path) -> None:
    data = ts.data.VisA(copies / "VisA", "pcb1")
    assert rows(data) == {
        ("pcb1/Data/Images/Normal/0000.JPG", "train", "good", "pcb1"),
        ("pcb1/Data/Images/Normal/0001.JPG", "test", "good", "pcb1"),
        ("pcb1/Data/Images/Anomaly/000.JPG", "test", "anomaly", "pcb1"),
    }
    assert masks(data) == {"pcb1/Data/Images/Anomaly/000.JPG": ["pcb1/Data/Masks/Anomaly/000.png"]}
    assert "split_csv/1cls.csv" in data.layout


@pytest.mark.parametrize("inside", ["", "1cls"])
def test_visa_in_mvtec_layout(inside: str, tmp_path: Path) -> None:
    for name in CATALOGUE["VisA"].categories:
        mvtec_category(tmp_path / inside / name, defect="bad", suffix="JPG")
        mask(tmp_path / inside / name / "ground_truth/bad/000.png")
    data = ts.data.VisA(tmp_path, "candle")
    assert data.root == tmp_path / inside
    assert masks(data) == {"candle/test/bad/000.JPG": ["candle/ground_truth/bad/000.png"]}
    assert ts.data.VisA(tmp_path).categories == tuple(sorted(CATALOGUE["VisA"].categories))


def test_files_that_visa_lists_must_be_there(tmp_path: Path) -> None:
    write_visa(tmp_path)
    (tmp_path / "candle/Data/Images/Normal/0001.JPG").unlink()
    (tmp_path / "candle/Data/Masks/Anomaly/000.png").unlink()
    message = refused(ts.data.VisA, tmp_path)
    assert (
        "without candle/Data/Images/Normal/0001.JPG, candle/Data/Masks/Anomaly/000.png; 2 listed" in message
    )
    assert len(ts.data.VisA(tmp_path, "fryum")) == 3


@pytest.mark.parametrize(
    "table",
    [
        "object,split\ncandle,train\n",
        "object,split,label,image,mask\ncandle,val,normal,x.png,\n",
        "object,split,label,image,mask\ncandle,train\n",
        b"\xff\xfe\xff",
    ],
)
def test_a_damaged_table_of_visa_is_named(table: str | bytes, tmp_path: Path) -> None:
    write_visa(tmp_path)
    path = tmp_path / "split_csv/1cls.csv"
    path.write_bytes(table if isinstance(table, bytes) else table.encode())
    assert refused(ts.data.VisA, tmp_path).startswith(str(path))


# ------------------------------------------------------------------------------------------------- Real-IAD


def test_real_iad_has_all_views(copies: Path) -> None:
    data = ts.data.RealIAD(copies / "RealIAD", "usb")
    assert Counter((s.split, s.label) for s in data) == {
        ("train", "good"): 2,
        ("test", "good"): 2,
        ("test", "AK"): 2,
    }
    prefix = "realiad_1024/usb/NG/AK/S5test/usb"
    assert masks(data) == {f"{prefix}_C{view}_x.jpg": [f"{prefix}_C{view}_x.png"] for view in (1, 2)}
    objects = Counter(sample.group for sample in data)
    assert objects["realiad_1024/usb/NG/AK/S5test"] == 2
    assert list(objects.values()) == [2, 2, 2]


def test_real_iad_from_above_only(copies: Path, tmp_path: Path) -> None:
    data = ts.data.RealIAD(copies / "RealIAD", "usb", views="single")
    assert len(data) == 3
    assert all("_C1_" in sample.name and not sample.group for sample in data)
    assert "_C1_ only" in data.layout
    write_real_iad(tmp_path, "realiad_jsons/realiad_jsons", size=256)
    own = real_iad_json("usb")
    own["train"] = own["train"][:1]
    path = tmp_path / "realiad_jsons/realiad_jsons_sv/usb.json"
    path.parent.mkdir()
    path.write_text(json.dumps(own), encoding="utf-8")
    assert len(ts.data.RealIAD(tmp_path, "usb", size=256)) == 6
    single = ts.data.RealIAD(tmp_path, "usb", size=256, views="single")
    assert len(single) == 5
    assert "realiad_jsons_sv" in single.layout
    missing = refused(ts.data.RealIAD, tmp_path, ["usb", "toy"], size=256, views="single")
    assert "without realiad_jsons/realiad_jsons_sv/toy.json" in missing


def test_a_view_that_does_not_show_the_defect_is_good(tmp_path: Path) -> None:
    write_real_iad(tmp_path)
    path = tmp_path / "realiad_jsons/usb.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["test"][-1]["anomaly_class"] = "OK"
    path.write_text(json.dumps(content), encoding="utf-8")
    data = ts.data.RealIAD(tmp_path, "usb")
    assert {s.name[-8:]: s.is_good for s in data if "/NG/" in s.name} == {"C1_x.jpg": False, "C2_x.jpg": True}
    assert len(masks(data)) == 1


def test_real_iad_choices_and_damage_are_named(tmp_path: Path) -> None:
    assert "views is 'all'" in refused(ts.data.RealIAD, tmp_path, views="all", error=ConfigError)
    assert "allowed are 256, 512, 1024" in refused(ts.data.RealIAD, tmp_path, size=64, error=ConfigError)
    write_real_iad(tmp_path)
    assert "expected realiad_512/ and realiad_jsons/" in refused(ts.data.RealIAD, tmp_path, size=512)
    (tmp_path / "realiad_jsons/usb.json").write_text('{"train": []}', encoding="utf-8")
    assert "expected 'train' and 'test', lists of image_path" in refused(ts.data.RealIAD, tmp_path)


# ------------------------------------------------------------------------------------------------ class sets


def test_cifar10(copies: Path) -> None:
    data = ts.data.CIFAR10(copies / "CIFAR10")
    assert isinstance(data, ClassSet)
    assert data.classes == ("cat", "dog", "truck")
    assert Counter((s.split, s.label) for s in data) == {
        ("train", "cat"): 5,
        ("train", "dog"): 5,
        ("test", "cat"): 1,
        ("test", "truck"): 1,
    }
    (cat,) = (s for s in data if (s.split, s.label) == ("test", "cat"))
    assert cat.pixels is not None
    assert cat.pixels.shape == (32, 32, 3)
    assert (cat.pixels == [1, 2, 3]).all()
    dogs = [s.pixels for s in data if (s.split, s.label) == ("train", "dog")]
    assert [pixels[0, 0].tolist() for pixels in dogs if pixels is not None] == [
        [n, 50, 60] for n in range(1, 6)
    ]


def test_cifar100_by_fine_and_coarse_labels(copies: Path) -> None:
    fine = ts.data.CIFAR100(copies / "CIFAR100")
    assert [(s.split, s.label) for s in fine] == [
        ("train", "apple"),
        ("train", "wolf"),
        ("test", "rose"),
        ("test", "wolf"),
    ]
    coarse = ts.data.CIFAR100(copies / "CIFAR100", labels="coarse")
    assert coarse.classes == ("beasts", "plants")
    assert "allowed are 'fine' and 'coarse'" in refused(
        ts.data.CIFAR100, copies, labels="medium", error=ConfigError
    )


@pytest.mark.parametrize(
    ("key", "folder", "file", "archive"),
    [
        ("CIFAR10", "cifar-10-batches-py", "data_batch_1", "cifar-10-binary.tar.gz"),
        ("CIFAR100", "cifar-100-python", "meta", "cifar-100-binary.tar.gz"),
    ],
)
def test_pickled_cifar_is_never_opened(
    key: str, folder: str, file: str, archive: str, tmp_path: Path
) -> None:
    (tmp_path / folder).mkdir()
    for name in (file, "train", "test", "data_batch_2"):
        (tmp_path / folder / name).write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    for given in (tmp_path, tmp_path / folder):
        message = refused(load, key, given)
        assert "pickled" in message
        assert f"unpack {archive} from {CATALOGUE[key].page}" in message
    packed = tmp_path / "cifar-10-python.tar.gz" if key == "CIFAR10" else tmp_path / "cifar-100-python.tar.gz"
    packed.write_bytes(b"x")
    assert f"unpack {archive}" in refused(load, key, packed)


def test_a_pickled_copy_beside_the_binary_one_does_no_harm(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "cifar-10-batches-bin")
    images(tmp_path, "cifar-10-batches-py/x.png")
    remedy = f"type ts.data.CIFAR10('{(tmp_path / 'cifar-10-batches-bin').as_posix()}')"
    assert remedy in refused(ts.data.CIFAR10, tmp_path)


def test_partial_and_damaged_cifar_are_named(tmp_path: Path) -> None:
    root = tmp_path / "cifar"
    write_cifar10(root)
    batch = (root / "data_batch_3.bin").read_bytes()
    (root / "data_batch_3.bin").write_bytes(batch[:-1])
    assert "data_batch_3.bin: has 6145 bytes; expected 3073 an image" in refused(ts.data.CIFAR10, root)
    (root / "data_batch_3.bin").write_bytes(bytes([10]) + batch[1:])
    assert "holds class number 10" in refused(ts.data.CIFAR10, root)
    (root / "data_batch_3.bin").unlink()
    assert "a partial copy of CIFAR-10, without data_batch_3.bin" in refused(ts.data.CIFAR10, root)


@pytest.mark.parametrize(("ending", "dot"), [("", "-"), (".gz", "-"), ("", ".")])
def test_mnist_packed_or_not(ending: str, dot: str, tmp_path: Path) -> None:
    write_idx(tmp_path / "raw", ending, dot)
    data = ts.data.MNIST(tmp_path / "raw")
    assert data.classes == tuple("0123456789")
    sevens = [sample for sample in data if sample.label == "7"]
    assert [(s.split, s.pixels.shape, s.pixels.max()) for s in sevens if s.pixels is not None] == [
        ("train", (5, 6, 3), 7),
        ("train", (5, 6, 3), 17),
        ("test", (5, 6, 3), 7),
    ]


def test_fashion_mnist_names_its_classes(copies: Path) -> None:
    data = ts.data.FashionMNIST(copies / "FashionMNIST")
    (boot,) = (s for s in data.split("test") if s.label == "Ankle boot")
    assert boot.pixels is not None
    assert boot.pixels.max() == 9


def test_damaged_idx_files_are_named(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_idx(root, ".gz")
    images_file, labels_file = (root / f"t10k-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
    whole = gzip.decompress(images_file.read_bytes())
    for content, part in [
        (b"no gzip", "cannot be unpacked"),
        (gzip.compress(whole)[:-9], "cannot be unpacked"),
        (gzip.compress(whole[:-1]), "has 299 values for (10, 5, 6); it is cut off"),
        (gzip.compress(whole[:9]), "not an idx file of 3 dimensions"),
        (labels_file.read_bytes(), "not an idx file of 3 dimensions"),
        (gzip.compress(idx(np.zeros((9, 5, 6), np.uint8))), "do not fit each other"),
    ]:
        images_file.write_bytes(content)
        assert part in refused(ts.data.MNIST, root)
    images_file.unlink()
    assert "a partial copy of MNIST, without t10k-images-idx3-ubyte" in refused(ts.data.MNIST, root)


@pytest.mark.parametrize("nested", [True, False])
def test_view(nested: bool, tmp_path: Path) -> None:
    train, test = ("seg_train/seg_train", "seg_test/seg_test") if nested else ("seg_train", "seg_test")
    write_view(tmp_path, train, test)
    data = ts.data.View(tmp_path)
    assert data.classes == CATALOGUE["View"].categories
    assert Counter(sample.split for sample in data) == {"train": 12, "test": 6}
    assert (f"{train}/sea/2.jpg", "train", "sea", "") in rows(data)
    (tmp_path / test / "sea/3.jpg").unlink()
    (tmp_path / test / "sea").rmdir()
    assert f"without {test}/sea" in refused(ts.data.View, tmp_path)


@pytest.mark.parametrize(
    ("key", "name"),
    [("CIFAR10", "cat"), ("CIFAR100", "wolf"), ("MNIST", "3"), ("FashionMNIST", "Bag"), ("View", "sea")],
)
def test_class_sets_go_into_both_protocols(key: str, name: str, copies: Path) -> None:
    found = load(key, copies / key)
    one, but = one_vs_rest(found, name), all_but_one(found, name)
    for data, good in ((one, {name}), (but, {sample.label for sample in found} - {name})):
        assert not isinstance(data, ClassSet)
        assert open_data(data) is data
        kept = [s for s in found if s.split == "test" or s.label in good]
        assert {s.name: s.is_good for s in data} == {s.name: s.label in good for s in kept}
        assert all(s.pixels is None or s.pixels.flags.c_contiguous for s in data)
        assert CATALOGUE[key].title in data.name


def test_a_class_set_needs_a_protocol_and_a_judged_set_needs_none(copies: Path) -> None:
    classes, judged = load("MNIST", copies / "MNIST"), load("BrainMRI", copies / "BrainMRI")
    assert "twinspect.data.one_vs_rest(data, CLASS) or all_but_one" in refused(open_data, classes)
    assert "MNIST: does not say" in refused(ts.Detector("mkd").fit, classes)
    assert "already says which of its images are good" in refused(one_vs_rest, judged, "good")


# -------------------------------------------------------------------------------------------------- medical


def test_retinal_oct_leaves_diseases_and_val_out(copies: Path) -> None:
    data = ts.data.RetinalOCT(copies / "RetinalOCT")
    assert rows(data) == {
        ("train/NORMAL/NORMAL-1-1.jpeg", "train", "good", "RetinalOCT"),
        ("test/NORMAL/NORMAL-2-1.jpeg", "test", "good", "RetinalOCT"),
        *((f"test/{name}/{name}-2-1.jpeg", "test", name, "RetinalOCT") for name in ("CNV", "DME", "DRUSEN")),
    }
    assert set(reasons(data)) == {"train/CNV", "train/DME", "train/DRUSEN", "val"}


def test_partial_retinal_oct_is_named(tmp_path: Path) -> None:
    images(tmp_path, "train/NORMAL/1.jpeg", "test/NORMAL/2.jpeg", "test/CNV/3.jpeg")
    assert "without test/DME, test/DRUSEN" in refused(ts.data.RetinalOCT, tmp_path)


def test_brain_mri_tests_every_fifth_good_image(copies: Path) -> None:
    data = ts.data.BrainMRI(copies / "BrainMRI")
    good = {s.name for s in data.split("test") if s.is_good}
    assert good == {"no/5 no.jpg", "no/10 no.jpg"}
    assert {s.name for s in data if not s.is_good} == {"yes/Y1.jpg", "yes/Y2.JPG"}
    assert len(data.split("train")) == 8
    assert "number 5, 10, ..." in data.layout
    assert len(ts.data.BrainMRI(copies / "BrainMRI", test_every=2).split("train")) == 5
    assert "allowed is 2" in refused(ts.data.BrainMRI, copies / "BrainMRI", test_every=1, error=ConfigError)


def test_partial_brain_mri_is_named(tmp_path: Path) -> None:
    images(tmp_path, "yes/1.jpg")
    assert "without no;" in refused(ts.data.BrainMRI, tmp_path)
    (tmp_path / "no").mkdir()
    (tmp_path / "yes/1.jpg").unlink()
    assert "no images of Brain MRI" in refused(ts.data.BrainMRI, tmp_path)


@pytest.mark.parametrize("folder", ["head_ct", "head_ct/head_ct"])
def test_head_ct_is_labelled_by_its_table(folder: str, tmp_path: Path) -> None:
    write_head(tmp_path, folder)
    images(tmp_path, f"{folder}/012.png", f"{folder}/other.png")
    data = ts.data.HeadCT(tmp_path)
    assert {s.name for s in data if not s.is_good} == {f"{folder}/000.png", f"{folder}/001.png"}
    assert {s.name for s in data.split("test") if s.is_good} == {f"{folder}/006.png", f"{folder}/011.png"}
    assert len(data.split("train")) == 8
    assert set(reasons(data)) == {f"{folder}/012.png", f"{folder}/other.png"}


def test_partial_head_ct_is_named(tmp_path: Path) -> None:
    write_head(tmp_path)
    (tmp_path / "head_ct/003.png").unlink()
    assert "without head_ct/003.png" in refused(ts.data.HeadCT, tmp_path)
    for table in ("id\n1\n", "id, hemorrhage\nx,1\n", "id, hemorrhage\n1,2\n", "id, hemorrhage\n1\n"):
        (tmp_path / "labels.csv").write_text(table, encoding="utf-8")
        assert "expected the columns id" in refused(ts.data.HeadCT, tmp_path)


# ----------------------------------------------------------------------------------------- other industrial


def test_kolektor_is_split_by_commutator(copies: Path) -> None:
    data = ts.data.KolektorSDD(copies / "KolektorSDD")
    category = "KolektorSDD"
    assert rows(data) == {
        ("kos01/Part0.jpg", "train", "good", category),
        ("kos01/Part1.jpg", "test", "defect", category),
        *((f"kos0{n}/Part{part}.jpg", "train", "good", category) for n in (2, 3, 4) for part in (0, 1)),
        ("kos05/Part0.jpg", "test", "defect", category),
        ("kos05/Part1.jpg", "test", "good", category),
    }
    assert masks(data) == {
        "kos01/Part1.jpg": ["kos01/Part1_label.bmp"],
        "kos05/Part0.jpg": ["kos05/Part0_label.bmp"],
    }


def test_kolektor_images_that_nobody_judged_are_left_out(tmp_path: Path) -> None:
    write_kolektor(tmp_path)
    (tmp_path / "kos02/Part0_label.bmp").unlink()
    (tmp_path / "kos03/Part0_label.bmp").write_bytes(b"x")
    (tmp_path / "kos04/Part0.jpg").unlink()
    found = reasons(ts.data.KolektorSDD(tmp_path))
    assert set(found) == {"kos02/Part0.jpg", "kos03/Part0.jpg", "kos04/Part0_label.bmp"}
    assert "has no mask" in found["kos02/Part0.jpg"]
    assert "cannot be read" in found["kos03/Part0.jpg"]


def test_kolektor2_leaves_defective_training_images_out(copies: Path, tmp_path: Path) -> None:
    data = ts.data.KolektorSDD2(copies / "KolektorSDD2")
    assert {(s.name, s.split, s.label) for s in data} == {
        ("train/10000.png", "train", "good"),
        ("test/20000.png", "test", "good"),
        ("test/20001.png", "test", "defect"),
    }
    assert masks(data) == {"test/20001.png": ["test/20001_GT.png"]}
    assert reasons(data) == {"train/10001.png": "for training, but anomalous (defect): fit must not see it"}
    mask(tmp_path / "train/1_GT.png")
    assert "without test;" in refused(ts.data.KolektorSDD2, tmp_path)


def test_magnetic_tiles(copies: Path, tmp_path: Path) -> None:
    data = ts.data.MagneticTile(copies / "MagneticTile")
    assert {s.label for s in data} == {"good", "Blowhole", "Break", "Crack", "Fray", "Uneven"}
    assert [s.name for s in data.split("test") if s.is_good] == ["MT_Free/Imgs/exp1_num_5.jpg"]
    assert len(data.split("train")) == 4
    assert masks(data)["MT_Crack/Imgs/exp1_num_7.jpg"] == ["MT_Crack/Imgs/exp1_num_7.png"]
    assert len(masks(data)) == 5
    images(tmp_path, "MT_Free/Imgs/1.jpg")
    assert "without MT_Blowhole/Imgs, MT_Break/Imgs" in refused(ts.data.MagneticTile, tmp_path)


def test_dagm(copies: Path) -> None:
    data = ts.data.DAGM(copies / "DAGM", "Class10")
    assert {(s.name, s.split, s.label) for s in data} == {
        ("Class10/Train/0001.PNG", "train", "good"),
        ("Class10/Test/0001.PNG", "test", "good"),
        ("Class10/Test/0002.PNG", "test", "defect"),
    }
    assert masks(data) == {"Class10/Test/0002.PNG": ["Class10/Test/Label/0002_label.PNG"]}
    assert "anomalous" in reasons(data)["Class10/Train/0002.PNG"]
    assert data.categories == ("Class10",)


def test_masks_are_paired_by_name_and_never_by_order() -> None:
    found = Listing()
    pictures = [Path("a/2.png"), Path("a/10.png"), Path("a/X.png")]
    truths = [Path("a/10_Label.png"), Path("a/x_label.png"), Path("a/3_label.png")]
    pairs = list(pair_with_masks(pictures, truths, "_label", found))
    assert pairs == [(pictures[0], None), (pictures[1], truths[0]), (pictures[2], truths[1])]
    assert [left.path for left in found.skipped] == [truths[2]]


def test_validation_images_of_a_benchmark_calibrate(copies: Path) -> None:
    data = ts.data.MVTecLOCO(copies / "MVTecLOCO", "pushpins")
    detector = ts.Detector("mkd", calibration="split", false_alarm_rate=0.5)
    train, held = detector.split(data)
    assert [sample.split for sample in (*train, *held)] == ["train", "calibration"]
