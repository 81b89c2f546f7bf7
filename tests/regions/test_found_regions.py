"""What was found, as users get it: in Python, in tables of every kind, as masks, crops and COCO, and by exports."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import twinspect as ts
from drawn_parts import blemish, quick, stripes, write_image
from twinspect.bundle.folder import read_record, rewrite_record
from twinspect.data.annotations import NotRead, read_annotations

GOOD = np.stack([stripes(n) for n in range(60, 100)])
CLEAN, DAMAGED = (
    np.stack([stripes(n) for n in range(200, 212)]),
    np.stack([blemish(stripes(300 + n)) for n in range(3)]),
)


@pytest.fixture(scope="module")
def detector() -> ts.Detector:
    return ts.Detector("hybrid", **quick("hybrid", 20)).fit(GOOD)


@pytest.fixture
def model(detector: ts.Detector, tmp_path: Path) -> Path:
    detector.save(tmp_path / "m.twin")
    return tmp_path / "m.twin"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number, image in enumerate(DAMAGED):
        write_image(tmp_path / "today" / f"bad{number}.png", image)
    write_image(tmp_path / "today" / "good.png", CLEAN[0])
    (tmp_path / "today" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    return tmp_path / "today"


def rows_of(path: Path) -> dict[str, Any]:
    with path.open(newline="") as file:
        return {Path(row["path"]).name: row["regions"] for row in csv.DictReader(file)}


def test_the_peak_of_a_region_is_above_the_good_images_and_where_the_defect_is(detector: ts.Detector) -> None:
    scores = detector.score(DAMAGED, mm_per_px=0.1)
    assert scores.regions is not None
    maps = detector.calibration_.of_maps
    assert maps is not None
    for found, anomaly_map in zip(scores.regions, scores.map, strict=True):  # type: ignore[arg-type]
        assert found
        first = found[0]
        assert first.peak == anomaly_map.max() > maps.threshold
        assert first.p_value == maps.p_values([first.peak])[0]
        x, y = first.centre
        assert 8 - 6 <= y <= 20 + 6
        assert 28 - 6 <= x <= 40 + 6
        assert first.area_mm2 == pytest.approx(0.01 * first.area_px)
    assert detector.score(DAMAGED, regions=False).regions is None
    assert detector.score(DAMAGED, maps=False).regions is None
    assert detector.score(DAMAGED, maps=False, regions=True).regions == detector.score(DAMAGED).regions
    assert detector.score(DAMAGED, min_area=2304).regions == ((),) * 3


def test_another_rate_is_another_level(detector: ts.Detector) -> None:
    from copy import copy

    looser = copy(detector).set_rate(0.5)
    clean, before = looser.score(CLEAN).regions, detector.score(CLEAN).regions
    assert clean is not None
    assert before is not None
    assert sum(map(bool, clean)) > sum(map(bool, before))


def test_tables_of_every_kind_hold_the_same_regions(
    run: Any, detector: ts.Detector, model: Path, images: Path, tmp_path: Path
) -> None:
    outs = [tmp_path / f"o.{suffix}" for suffix in ("csv", "jsonl", "parquet")]
    for out in outs:
        code, said, _ = run("score", model, images, "--out", out, "--mm-per-px", "0.1", "--json")
        assert (code, json.loads(said)["with_regions"]) == (3, 3)
    by_csv = {name: json.loads(cell) if cell else None for name, cell in rows_of(outs[0]).items()}
    lines = [json.loads(line) for line in outs[1].read_text().splitlines()]
    assert {Path(row["path"]).name: row["regions"] for row in lines} == by_csv
    stored = {Path(row["path"]).name: row["regions"] for row in pq.read_table(outs[2]).to_pylist()}
    assert stored == by_csv
    assert (by_csv["good.png"], by_csv["torn.png"]) == ([], None)
    regions = detector.score(str(images / "bad0.png"), mm_per_px=0.1).regions
    assert regions is not None
    assert regions[0] is not None
    assert by_csv["bad0.png"] == [region.to_record() for region in regions[0]]


def test_a_table_goes_on_with_the_same_sizes_only(
    run: Any, model: Path, images: Path, tmp_path: Path
) -> None:
    whole, out = tmp_path / "w.csv", tmp_path / "o.csv"
    for table in (whole, out):
        assert run("score", model, images, "--out", table, "--min-area", 3)[0] == 3
    out.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[:3]))
    code, _, errors = run("score", model, images, "--out", out, "--min-area", 4)
    assert (code, "begun with another --min-area" in errors) == (2, True)
    assert run("score", model, images, "--out", out, "--min-area", 3)[0] == 3
    assert out.read_bytes() == whole.read_bytes()


def test_masks_crops_and_coco_agree_with_the_table(
    run: Any, model: Path, images: Path, tmp_path: Path
) -> None:
    out, masks, crops, coco = (tmp_path / name for name in ("o.csv", "masks", "crops", "coco.json"))
    code, *_ = run("score", model, images, "--out", out, "--masks", masks, "--crops", crops, "--coco", coco)
    assert code == 3
    assert sorted(path.name for path in masks.glob("*.png")) == [
        "bad0.png",
        "bad1.png",
        "bad2.png",
        "good.png",
    ]
    annotations = read_annotations(coco)
    assert not isinstance(annotations, NotRead)
    for name, cell in rows_of(out).items():
        if name == "torn.png":
            continue
        regions = json.loads(cell)
        mask = np.asarray(Image.open(masks / name))
        assert set(np.unique(mask)) <= {0, 255}
        assert (mask > 0).sum() == sum(region["area_px"] for region in regions)
        drawn = annotations.draw(images / name, mask.shape)
        assert (drawn & (mask > 0)).sum() >= 0.85 * (drawn | (mask > 0)).sum()
        folder = crops / Path(name).stem
        written = [folder / f"region-{number}.png" for number in range(1, len(regions) + 1)]
        alike = {
            folder / f"region-{at + 1}-good.png" for at, each in enumerate(regions) if each["good_patch"]
        }
        assert set(folder.glob("*.png")) == {*written, *alike}
        for region, crop in zip(regions, written, strict=True):
            _, _, width, height = region["box"]
            for path in {crop, *alike} if len(regions) == 1 else {crop}:
                with Image.open(path) as picture:
                    assert width < picture.width <= 48
                    assert height < picture.height <= 48
    record = json.loads(coco.read_text())
    assert {entry["file_name"] for entry in record["images"]} == {
        "bad0.png",
        "bad1.png",
        "bad2.png",
        "good.png",
    }
    assert len(record["annotations"]) == sum(len(json.loads(cell)) for cell in rows_of(out).values() if cell)


def test_pycocotools_reads_what_score_writes(run: Any, model: Path, images: Path, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    out, masks, path = tmp_path / "o.csv", tmp_path / "masks", tmp_path / "coco.json"
    assert run("score", model, images, "--out", out, "--masks", masks, "--coco", path)[0] == 3
    found = coco.COCO(str(path))
    assert [each["name"] for each in found.loadCats(found.getCatIds())] == ["anomaly"]
    assert len(found.anns) >= 3
    for image in found.loadImgs(found.getImgIds()):
        mask = np.asarray(Image.open(masks / image["file_name"])) > 0
        assert mask.shape == (image["height"], image["width"])
        drawn = np.zeros_like(mask)
        for mark in found.loadAnns(found.getAnnIds(image["id"])):
            left, top, width, height = mark["bbox"]
            assert found.annToMask(mark)[top : top + height, left : left + width].sum() == pytest.approx(
                mark["area"], rel=0.15
            )
            drawn |= found.annToMask(mark) > 0
        assert (drawn & mask).sum() >= 0.85 * (drawn | mask).sum()
    # As results they can be judged against a truth with the same numbers of images.
    judged = found.loadRes([dict(mark) for mark in found.anns.values()])
    assert sorted(mark["score"] for mark in judged.anns.values()) == sorted(
        region["peak"] for cell in rows_of(out).values() if cell for region in json.loads(cell)
    )


@pytest.mark.filterwarnings("ignore")  # of the packages that it imports
def test_fiftyone_reads_what_score_writes(run: Any, model: Path, images: Path, tmp_path: Path) -> None:
    fiftyone = pytest.importorskip("fiftyone.utils.coco", reason="install fiftyone to read COCO with it")
    out, path = tmp_path / "o.csv", tmp_path / "coco.json"
    assert run("score", model, images, "--out", out, "--coco", path)[0] == 3
    importer = fiftyone.COCODetectionDatasetImporter(
        data_path=str(images), labels_path=str(path), label_types="segmentations"
    )
    importer.setup()
    read = {Path(name).name: labels.detections if labels else [] for name, _, labels in importer}
    for name, cell in rows_of(out).items():
        regions = json.loads(cell) if cell else []  # one could not be read
        assert len(read.get(name, [])) == len(regions)
        for found, region in zip(read.get(name, []), regions, strict=True):
            assert (found.label, found.confidence, found.p_value) == (
                "anomaly",
                region["peak"],
                region["p_value"],
            )
            assert found.mask.sum() == pytest.approx(region["area_px"], rel=0.15)


def test_coco_tells_images_of_one_name_apart(run: Any, model: Path, images: Path, tmp_path: Path) -> None:
    other = tmp_path / "yesterday"
    write_image(other / "bad0.png", DAMAGED[1])
    assert run("score", model, images, other, "--coco", tmp_path / "c.json")[0] == 3
    named = [entry["file_name"] for entry in json.loads((tmp_path / "c.json").read_text())["images"]]
    assert sorted(named) == [
        *(f"today/{name}.png" for name in ("bad0", "bad1", "bad2", "good")),
        "yesterday/bad0.png",
    ]


def test_pictures_that_are_asked_for_later_are_written_and_the_table_stays(
    run: Any, model: Path, images: Path, tmp_path: Path
) -> None:
    out, masks, crops = (tmp_path / name for name in ("o.csv", "masks", "crops"))
    assert run("score", model, images, "--out", out)[0] == 3
    before = out.read_bytes()
    _, _, said = run("score", model, images, "--out", out, "--masks", masks, "--crops", crops)
    assert "and 5 with an error or without a picture once more" in said
    assert out.read_bytes() == before
    assert len(list(masks.glob("*.png"))) == 4
    assert sorted(path.name for path in crops.iterdir() if path.is_dir()) == ["bad0", "bad1", "bad2"]
    _, _, said = run("score", model, images, "--out", out, "--masks", masks, "--crops", crops)
    assert "and 1 with an error or without a picture once more" in said


@pytest.mark.parametrize("option", ["--masks", "--crops", "--maps", "--coco", "--parts"])
def test_a_place_that_cannot_be_written_to_is_refused_before_scoring(
    option: str, run: Any, model: Path, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    code, _, errors = run("score", model, images, option, tmp_path / "file" / "o.csv")
    assert (code, "file is not a folder; choose another place" in errors.splitlines()[-1]) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--mm-per-px", "0"), "--mm-per-px 0; allowed is"),
        (
            ("--mm-per-px", "1e-200", "--min-area", "1mm2"),
            "--mm-per-px 1e-200; allowed is a number from 1e-06",
        ),
        (("--mm-per-px", "1e200"), "--mm-per-px 1e+200; allowed is"),
        (("--min-area", "1mm2"), "--mm-per-px X"),
        (("--min-area", ""), "--min-area ; allowed are 0 or more pixels"),
        (("--masks", "m", "--maps", "m"), "--maps and --masks name the same folder"),
        (("--coco", "c.json", "--engine", "local", "--out", "o"), "--coco cannot be combined with --engine"),
    ],
)
def test_wrong_options_are_one_line(
    arguments: tuple[str, ...], said: str, run: Any, model: Path, images: Path
) -> None:
    code, _, errors = run("score", model, images, *arguments)
    assert (code, said in errors.splitlines()[-1]) == (2, True)


def test_a_coco_file_replaces_only_another_of_its_kind(
    run: Any, model: Path, images: Path, tmp_path: Path
) -> None:
    by_hand, own, table = (tmp_path / name for name in ("hand.json", "own.json", "t.csv"))
    by_hand.write_text('{"images": []}')
    taken = [by_hand, next(images.glob("*.png")), model / "model.json", tmp_path]
    before = [path.read_bytes() for path in taken if path.is_file()]
    for path in taken:
        code, _, errors = run("score", model, images, "--out", table, "--coco", path)
        assert (code, f"--coco {path}" in errors) == (2, True)
    assert [path.read_bytes() for path in taken if path.is_file()] == before
    assert not table.exists()
    for _ in range(2):
        assert run("score", model, images, "--out", table, "--coco", own)[0] == 3
    assert run("score", model, images, "--out", table, "--coco", table)[0] == 2
    assert table.read_text().startswith("path,")
    assert run("score", model, images, "--coco", by_hand, "--overwrite")[0] == 3
    assert json.loads(by_hand.read_text())["info"]


def test_a_model_of_an_earlier_version_has_none_until_it_is_calibrated(
    run: Any, model: Path, images: Path, tmp_path: Path
) -> None:
    record = read_record(model)
    del record["calibration"]["map_peaks"]
    rewrite_record(model, record)
    assert ts.load(model).score(DAMAGED).regions is None
    assert run("score", model, images, "--out", tmp_path / "o.csv")[0] == 3
    assert set(rows_of(tmp_path / "o.csv").values()) == {""}
    code, _, errors = run("score", model, images, "--out", tmp_path / "p.csv", "--masks", tmp_path / "masks")
    assert (code, "type: twinspect calibrate" in errors) == (2, True)
    assert not [path.name for path in tmp_path.iterdir() if "p.csv" in path.name and path.suffix == ".json"]


@pytest.mark.slow
def test_an_export_finds_the_same_regions(detector: ts.Detector, model: Path) -> None:
    pytest.importorskip("onnxruntime", reason="pip install 'twinspect[onnx]'")
    from twinspect.export import export

    export(model, "onnx")
    expected, found = detector.score(DAMAGED).regions, ts.load(model, runtime="onnx").score(DAMAGED).regions
    assert expected is not None
    assert found is not None
    for ours, theirs in zip(expected, found, strict=True):
        assert [region.box for region in ours or ()] == [region.box for region in theirs or ()]
        for one, other in zip(ours or (), theirs or (), strict=True):
            np.testing.assert_allclose(other.peak, one.peak, rtol=1e-4)
            np.testing.assert_allclose(other.area_px, one.area_px, rtol=0.01, atol=2)
            assert (other.words, other.good_patch) == (one.words, one.good_patch)


def test_a_region_is_compared_with_the_good_images_that_the_model_keeps(detector: ts.Detector) -> None:
    from copy import copy

    spotted = np.stack([stripes(400 + n) for n in range(3)])
    spotted[:, 10:20, 10:20] = (0, 0, 120)
    regions = detector.score(spotted).regions
    assert regions is not None
    found = [each[0] for each in regions if each]
    assert found
    for region in found:
        assert {"darker", "other colour", "less texture"} >= set(region.words)
        assert region.good_patch is not None
        number, x, y = region.good_patch
        assert 0 <= number < len(detector.images_) == 3
        assert 0 <= x <= 48 - region.box[2]
        assert 0 <= y <= 48 - region.box[3]
    assert any("darker" in region.words for region in found)
    without = copy(detector)
    without.images_ = ()
    plain = without.score(spotted).regions
    assert plain is not None
    assert [(region.words, region.good_patch) for each in plain for region in each or ()] == [
        ((), None) for each in regions for _ in each or ()
    ]


def test_rows_without_words_are_read(run: Any, model: Path, images: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "w.jsonl", tmp_path / "o.jsonl"
    for table in (whole, out):
        assert run("score", model, images, "--out", table)[0] == 3
    earlier = [json.loads(line) for line in out.read_text().splitlines()]
    for region in (region for row in earlier for region in row["regions"] or ()):
        del region["words"], region["good_patch"]
    out.write_text("".join(json.dumps(row) + "\n" for row in earlier[:2]))
    assert run("score", model, images, "--out", out)[0] == 3
    assert len(out.read_text().splitlines()) == len(whole.read_text().splitlines())
