"""A model looks at its region of interest: in fit, calibrate, score and evaluate, and after it was saved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, QUICK, blemish, quick, stripes, write_image
from twinspect import maps
from twinspect.cli import main
from twinspect.errors import ConfigError, ImageError
from twinspect.images.quality import image_quality
from twinspect.images.statistics import image_statistics
from twinspect.methods.losses import agreeing_outside
from twinspect.methods.networks.map_scale import MapScale

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ("--size", "64", "--steps", "4", "--workers", "0")


def mask_of(rows: slice, columns: slice, side: int = 48) -> np.ndarray[Any, np.dtype[np.bool_]]:
    mask = np.zeros((side, side), np.bool_)
    mask[rows, columns] = True
    return mask


def mask_file(path: Path, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> Path:
    return write_image(path, (255 * mask).astype(np.uint8))


RIGHT = mask_of(slice(0, 30), slice(20, 48))
GOOD = np.stack([stripes(n) for n in range(60, 84)])
MORE = np.stack([stripes(n) for n in range(200, 224)])


@pytest.fixture(scope="module")
def whole() -> ts.Detector:
    """A model of whole images."""
    return ts.Detector("hybrid", **quick("hybrid", 20)).fit(GOOD)


@pytest.fixture
def model(whole: ts.Detector, tmp_path: Path) -> Path:
    whole.save(tmp_path / "m.twin")
    return tmp_path / "m.twin"


def test_the_image_score_is_that_of_the_pixels_inside() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(5, 13, 17)).astype(np.float32)
    inside = random.random((5, 13, 17)) > 0.8
    inside[3] = False
    inside[3, 4, 5] = True
    for share in (0.0, 0.02, 0.5):
        found = maps.image_score(torch.from_numpy(values), share, torch.from_numpy(inside))
        count = max(1, int(share * values[0].size))
        expected = [
            np.sort(value[where])[::-1][:count].mean() for value, where in zip(values, inside, strict=True)
        ]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (
        maps.image_score(torch.zeros(1, 4, 4), 0.1, torch.zeros(1, 4, 4, dtype=torch.bool)).item() == -np.inf
    )


@pytest.mark.parametrize("size", [(4, 4), (5, 7), (13, 17), (20, 3)])
def test_shares_of_places_are_those_of_adaptive_pooling(size: tuple[int, int]) -> None:
    inside = torch.from_numpy(np.random.default_rng(0).random((3, 13, 17)) > 0.7)
    pooled = torch.nn.functional.adaptive_avg_pool2d(inside[:, None].float(), size)[:, 0]
    np.testing.assert_allclose(maps.share_inside(inside, size), pooled, atol=1e-6)
    assert maps.inside_at(inside, size).flatten(1).any(dim=1).all()
    assert not maps.inside_at(torch.zeros(1, 13, 17, dtype=torch.bool), size).any()


def test_nothing_is_learnt_outside() -> None:
    teacher, student = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4, requires_grad=True)
    inside = torch.zeros(2, 8, 8, dtype=torch.bool)
    inside[:, :4] = True
    agreed = agreeing_outside(teacher, student, inside)
    assert torch.equal(agreed[:, :, :2], student[:, :, :2])
    assert torch.equal(agreed[:, :, 2:], teacher[:, :, 2:])
    (agreed - teacher).square().sum().backward()
    assert student.grad is not None
    assert (student.grad[:, :, 2:] == 0).all()
    assert agreeing_outside(teacher, student, None) is student


def test_the_scale_of_a_map_is_that_of_the_places_inside() -> None:
    scale, values = MapScale(1), torch.randn(6, 8, 8)
    inside = torch.rand(6, 8, 8) > 0.5
    scale.measure(0, list(values.split(3)), regions=list(inside.split(3)))
    centre = values[inside].mean()
    peaks = torch.stack([value[where].max() for value, where in zip(values, inside, strict=True)])
    torch.testing.assert_close(scale.centres[0], centre)
    torch.testing.assert_close(scale.ranges[0], peaks.mean() - centre)


def test_a_memory_leaves_patches_outside_out(tmp_path: Path) -> None:
    roi = mask_file(tmp_path / "roi.png", mask_of(slice(0, 24), slice(0, 12)))
    settings = {**quick("patchcore"), "coreset": 1.0, "projection": 0}
    members = ts.Detector("patchcore", **settings, roi=roi).fit(GOOD).model_.method.memory.members
    all_of_them = ts.Detector("patchcore", **settings).fit(GOOD).model_.method.memory.members
    assert len(members) == len(all_of_them) / 8


def test_statistics_and_quality_are_those_of_the_pixels_inside() -> None:
    image = blemish(stripes(3), 30, 5)
    inside, part = mask_of(slice(4, 30), slice(10, 44)), image[4:30, 10:44]
    np.testing.assert_allclose(image_quality(image, inside), image_quality(part), rtol=1e-4)
    found, expected = image_statistics(image, inside)._asdict(), image_statistics(part)._asdict()
    # Sharpness is also measured on the region's first and last row, which are no middle of three in the part.
    assert found.pop("sharpness") == pytest.approx(expected.pop("sharpness"), rel=0.05)
    assert found == pytest.approx(expected, rel=1e-4)
    changed = image.copy()
    changed[~inside] = 255
    assert image_quality(changed, inside) == image_quality(image, inside)
    assert image_statistics(changed, inside) == image_statistics(image, inside)


def test_calibrate_gives_a_region_to_a_model_without_one_and_trains_nothing(
    model: Path, tmp_path: Path
) -> None:
    roi = mask_file(tmp_path / "roi.png", RIGHT)
    detector, before = ts.load(model), ts.load(model)
    detector.calibrate(MORE, roi=roi)
    images = np.stack([blemish(stripes(300)), blemish(stripes(300), 34, 2)])
    inside, outside = detector.score(images).is_anomalous
    assert inside
    assert not outside
    assert before.score(images).is_anomalous.all()
    weights = [each.model_.state_dict() for each in (detector, before)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    detector.save_calibration(model)
    loaded = ts.load(model)
    np.testing.assert_array_equal(loaded.score(images).image, detector.score(images).image)
    again = mask_file(tmp_path / "again.png", RIGHT)
    loaded.score(images, roi=again)
    with pytest.raises(ConfigError, match="calibrated with another region of interest"):
        loaded.score(images, roi=mask_file(tmp_path / "other.png", ~RIGHT))
    with pytest.raises(ConfigError, match="calibrated with whole images"):
        before.score(images, roi=roi)
    assert main(["calibrate", str(model), "--undo"]) == 0
    np.testing.assert_array_equal(ts.load(model).score(images).image, before.score(images).image)


def test_an_image_of_another_size_than_the_mask_is_a_row_with_its_error(
    whole: ts.Detector, tmp_path: Path
) -> None:
    detector = whole.clone()
    for name in ("model_", "calibration_", "learnt_", "calibrated_on_", "data_", "losses_", "curves_"):
        setattr(detector, name, getattr(whole, name))
    detector.calibrate(MORE, roi=mask_file(tmp_path / "roi.png", RIGHT))
    paths = [write_image(tmp_path / f"{side}.png", stripes(1, side)) for side in (48, 60)]
    found = detector.score(paths)
    assert found.errors[0] == ""
    assert found.errors[1].startswith(f"{paths[1]}: the region of interest is a mask of 48x48 pixels")


def test_each_image_may_bring_its_own_region(model: Path, tmp_path: Path) -> None:
    lines = ["path,roi,label"]
    for number, image in enumerate(MORE):
        write_image(tmp_path / f"{number}.png", image)
        shifted = np.roll(RIGHT, -number % 3, axis=1)
        mask_file(tmp_path / f"roi_{number}.png", shifted)
        lines.append(f"{number}.png,roi_{number}.png,good")
    (tmp_path / "good.csv").write_text("\n".join(lines))
    detector = ts.load(model)
    with pytest.raises(ConfigError, match="column roi"):
        detector.score(tmp_path / "good.csv")
    with pytest.raises(ConfigError, match="leave one of them out"):
        detector.calibrate(tmp_path / "good.csv", roi=tmp_path / "roi_0.png")
    detector.calibrate(tmp_path / "good.csv")
    assert detector.scope_ is not None
    assert detector.scope_.fixed is None
    assert detector.score(tmp_path / "good.csv").errors == ("",) * 24
    assert "this one has none" in detector.score(tmp_path / "0.png").errors[0]


def test_metrics_count_what_is_inside(model: Path, tmp_path: Path) -> None:
    detector = ts.load(model).calibrate(MORE, roi=mask_file(tmp_path / "roi.png", RIGHT))
    images = {"good/0": stripes(400), "good/1": stripes(401), "bad/in": blemish(stripes(402), 24, 28)}
    images["bad/out"] = blemish(stripes(403), 34, 2)
    places = {"bad/in": (24, 28), "bad/out": (34, 2)}
    for name, image in images.items():
        write_image(tmp_path / f"set/test/{name}.png", image)
        if name in places:
            top, left = places[name]
            mask = mask_of(slice(top, top + 12), slice(left, left + 12))
            mask_file(tmp_path / f"set/ground_truth/{name}_mask.png", mask)
    evaluation = ts.evaluate(detector, tmp_path / "set")
    assert evaluation.outside_roi == 1
    assert evaluation.to_record()["outside_roi"] == 1
    counted = np.stack([images[name] for name in ("good/0", "good/1", "bad/in")])
    found = detector.score(counted)
    truth = np.stack([0 * RIGHT, 0 * RIGHT, mask_of(slice(24, 36), slice(28, 40))])[:, RIGHT].ravel()
    values = np.stack(found.map)[:, RIGHT].ravel()
    assert evaluation.mean["pixel_auroc"] == pytest.approx(roc_auc_score(truth, values))
    assert evaluation.mean["pixel_ap"] == pytest.approx(average_precision_score(truth, values))
    assert evaluation.mean["image_auroc"] == 1.0


def test_a_region_that_leaves_no_patch_is_refused_before_anything_is_learnt(tmp_path: Path) -> None:
    roi = mask_file(tmp_path / "roi.png", mask_of(slice(0, 2), slice(0, 48)))
    with pytest.raises(ImageError, match="in the margin that --crop 32 of --size 64 cuts off"):
        ts.Detector("patchcore", **quick("patchcore"), crop=32, roi=roi).fit(GOOD)


def test_dual_looks_at_a_region_only_where_the_rest_is_painted_over(tmp_path: Path) -> None:
    roi = mask_file(tmp_path / "roi.png", RIGHT)
    with pytest.raises(ConfigError, match="--roi-blank, or --branch local"):
        ts.Detector("dual", **quick("dual", 2), roi=roi).fit(GOOD)


def test_joined_detectors_look_at_the_same_region(tmp_path: Path) -> None:
    rois = [mask_file(tmp_path / f"{n}.png", mask) for n, mask in enumerate((RIGHT, ~RIGHT))]
    one, two, other = (
        ts.Detector(method, **{**quick(method, 4), "size": size}, roi=roi).fit(GOOD)
        for method, size, roi in (
            ("hybrid", 64, rois[0]),
            ("patchcore", 96, rois[0]),
            ("hybrid", 64, rois[1]),
        )
    )
    with pytest.raises(ConfigError, match="different regions of interest"):
        ts.noisy_or([one, other])
    joined = ts.noisy_or([one, two])
    images = np.stack([stripes(300), blemish(stripes(300)), blemish(stripes(300), 34, 2)])
    found = joined.score(images)
    assert found.image[1] > found.image[0]
    assert (np.stack(found.map)[:, ~RIGHT] == 0).all()
    joined.save(tmp_path / "joined.twin")
    np.testing.assert_array_equal(ts.load(tmp_path / "joined.twin").score(images).image, found.image)


def test_calibrating_within_another_region(whole: ts.Detector, tmp_path: Path, run: Any) -> None:
    """The threshold of before says nothing of images, and a mask that fits no image leaves none to calibrate by."""
    whole.save(tmp_path / "m.twin")
    for number in range(20):
        write_image(tmp_path / f"new/{number}.png", blemish(stripes(700 + number)))
    assert "old threshold" in run("calibrate", tmp_path / "m.twin", tmp_path / "new")[2]
    run("calibrate", tmp_path / "m.twin", "--undo")
    small = mask_file(tmp_path / "small.png", np.ones((24, 24), bool))
    code, _, error = run("calibrate", tmp_path / "m.twin", tmp_path / "new", "--roi", small)
    assert code == 2
    assert "no good images to calibrate with" in error
    assert "20 of the 20 images cannot be read: left out" in error.splitlines()[-1]
    code, _, error = run(
        "calibrate", tmp_path / "m.twin", tmp_path / "new", "--roi", mask_file(tmp_path / "m.png", RIGHT)
    )
    assert code == 0
    assert "old threshold" not in error


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, image in enumerate(GOOD):
        write_image(tmp_path / f"parts/{number}.png", image)
    roi = tmp_path / "roi.json"
    roi.write_text(json.dumps({"look": [[[0.4, 0], [1, 0], [1, 0.6], [0.4, 0.6]]]}))
    model = str(tmp_path / "m.twin")
    arguments = [
        "fit",
        str(tmp_path / "parts"),
        "--out",
        model,
        "--method",
        "patchcore",
        *AS_ARGUMENTS,
        *SMALL,
    ]
    assert main([*arguments, "--roi", str(roi), "--roi-blank"]) == 0
    assert "looks at 36 % of each image, the rest painted over" in capsys.readouterr().out
    assert main(["inspect", model]) == 0
    assert "looks at: 36 % of each image" in capsys.readouterr().out
    write_image(tmp_path / "bad.png", blemish(stripes(500)))
    assert main(["score", model, str(tmp_path / "bad.png"), "--roi", str(roi), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["rows"][0]
    assert row["is_anomalous"]
    mask = mask_file(tmp_path / "mask.png", RIGHT)
    assert main(["score", model, str(tmp_path / "bad.png"), "--roi", str(mask)]) == 2
    error = capsys.readouterr().err
    assert "another region of interest" in error
    assert f"twinspect calibrate {model} GOOD --roi {mask}" in error
    assert main(["calibrate", model, "--roi", str(mask)]) == 2
    assert "needs good images" in capsys.readouterr().err
    Image.new("L", (48, 48)).save(tmp_path / "black.png")
    assert main([*arguments, "--overwrite", "--roi", str(tmp_path / "black.png")]) == 2
    assert "is empty" in capsys.readouterr().err
    assert main([*arguments, "--overwrite", "--roi-blank"]) == 2
    assert "--roi FILE" in capsys.readouterr().err
    assert QUICK["size"] == 64
