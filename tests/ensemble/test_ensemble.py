"""Joined detectors, against Noisy-OR written out in NumPy from what their members say."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.special import expit

import twinspect as ts
from drawn_parts import QUICK, blemish, stripes, write_image
from messages import error_lines
from twinspect.bundle.folder import read_record, rewrite_record
from twinspect.calibration.conformal import Calibration
from twinspect.data import pixels
from twinspect.errors import BundleError, CalibrationError, ConfigError, NotFittedError

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.ensemble.detector import JoinedDetector

Array = np.ndarray[Any, Any]
SHORT = {**QUICK, "steps": 30}


@pytest.fixture(scope="module")
def mkd(parts: Path) -> ts.Detector:
    return ts.Detector("mkd", **SHORT).fit(parts)


@pytest.fixture(scope="module")
def rd(parts: Path) -> ts.Detector:
    """Of another size, and with a crop."""
    return ts.Detector("rd", **{**SHORT, "size": 96, "crop": 64}).fit(parts)


@pytest.fixture(scope="module")
def join(mkd: ts.Detector, rd: ts.Detector) -> JoinedDetector:
    """Both; tests must not change it."""
    return ts.noisy_or([mkd, rd])


@pytest.fixture(scope="module")
def bundles(mkd: ts.Detector, rd: ts.Detector, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("members")
    for name, detector in (("mkd", mkd), ("rd", rd)):
        detector.save(root / f"{name}.twin")
    return [str(root / "mkd.twin"), str(root / "rd.twin")]


def pictures() -> Array:
    """Thirty good images and six damaged ones."""
    good = [stripes(2000 + number) for number in range(30)]
    return np.stack([*good, *(blemish(stripes(3000 + number)) for number in range(6))])


def places(scores: Array, good: Any) -> Array:
    """How far scores lie from those of good images: by the median and the quartiles, as a logistic has them."""
    low, middle, high = np.quantile(np.asarray(good, dtype=np.float64), [0.25, 0.5, 0.75])
    return (np.asarray(scores, dtype=np.float64) - middle) / ((high - low) / (2 * np.log(3)))


def surprise(scores: Array, good: Any) -> Array:
    return np.logaddexp(0, places(scores, good))


def with_calibration(detector: ts.Detector, calibration: Calibration, **data: Any) -> ts.Detector:
    """The same detector with another calibration."""
    copy = detector.clone()
    for name in ("model_", "losses_", "curves_"):
        setattr(copy, name, getattr(detector, name))
    copy.calibration_, copy.data_ = calibration, {**detector.data_, **data}
    return copy


def kept(names: str, seed: int, categories: tuple[str, ...] = ()) -> Calibration:
    """A calibration on images named by single letters."""
    scores = np.random.default_rng(seed).gamma(4, size=len(names)).astype(np.float32)
    return Calibration(tuple(map(float, scores)), 0.5, names=tuple(names), categories=categories)


# Scores and maps ------------------------------------------------------------------------------------------


def test_the_score_is_that_of_noisy_or_written_out(
    join: JoinedDetector, mkd: ts.Detector, rd: ts.Detector
) -> None:
    images = pictures()
    parts = [surprise(one.score(images, maps=False).image, one.calibration_.scores) for one in (mkd, rd)]
    scores = join.score(images, maps=False)
    np.testing.assert_allclose(scores.image, np.sum(parts, axis=0), rtol=1e-5)
    np.testing.assert_array_equal(scores.p_value, join.calibration_.p_values(scores.image))
    assert (scores.image[30:].min() > scores.image[:30]).all()


def test_images_come_in_the_order_of_the_probability(
    join: JoinedDetector, mkd: ts.Detector, rd: ts.Detector
) -> None:
    good = pictures()[:30]  # of the damaged ones p is 1 to the last bit of a float64
    probabilities = [
        expit(places(one.score(good, maps=False).image, one.calibration_.scores)) for one in (mkd, rd)
    ]
    p = 1 - (1 - probabilities[0]) * (1 - probabilities[1])
    np.testing.assert_array_equal(np.argsort(join.score(good, maps=False).image), np.argsort(p))


def test_the_map_is_noisy_or_of_the_members_maps_pixel_by_pixel(
    join: JoinedDetector, mkd: ts.Detector, rd: ts.Detector
) -> None:
    image = blemish(stripes(11, side=96))[
        None
    ]  # of the larger member's size: nothing is resized after the sum
    expected = 0
    for one in (mkd, rd):
        typical, peak = one.calibration_.map_range
        expected = expected + np.logaddexp(0, (one.score(image).map - typical) * np.log(9) / (peak - typical))
    np.testing.assert_allclose(join.score(image).map, expected, rtol=1e-3, atol=1e-4)


def test_maps_have_their_images_sizes_and_peak_on_the_defect(join: JoinedDetector) -> None:
    images = [blemish(stripes(21)), blemish(stripes(22, side=72)[:60], top=30, left=40)]
    scores = join.score(images)
    corners = [(8, 28), (30, 40)]
    for image, map_, (top, left) in zip(images, scores.map, corners, strict=True):
        assert map_.shape == image.shape[:2]
        assert map_.dtype == np.float32
        row, column = np.unravel_index(map_.argmax(), map_.shape)
        assert top - 3 <= row < top + 15
        assert left - 3 <= column < left + 15


def test_a_score_does_not_depend_on_batch_mates(join: JoinedDetector) -> None:
    images = pictures()[25:]
    together = join.score(images)
    for index in (0, 4, 10):
        alone = join.score(images[index : index + 1])
        np.testing.assert_allclose(alone.image[0], together.image[index], rtol=1e-3)
        np.testing.assert_allclose(alone.map[0], together.map[index], rtol=1e-2, atol=1e-3)


def test_forward_is_the_same_path_as_score(join: JoinedDetector) -> None:
    picture = stripes(31)
    with torch.inference_mode():
        output = join.model_(torch.from_numpy(picture).permute(2, 0, 1)[None])
    scores = join.score(picture[None])
    np.testing.assert_allclose(output.score, scores.image, rtol=1e-5)
    np.testing.assert_allclose(output.map, scores.map, rtol=1e-5)


def test_an_image_is_read_once_and_prepared_once_for_members_that_agree(
    mkd: ts.Detector, rd: ts.Detector, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ts.Detector("mkd", **{**SHORT, "steps": 2, "seed": 1}).fit(parts)
    three = ts.noisy_or([mkd, rd, other], good=pictures()[:9])
    read: list[Path] = []
    real = pixels.read_rgb
    monkeypatch.setattr(
        pixels, "read_rgb", lambda path, **options: read.append(path) or real(path, **options)
    )
    scores = three.score(parts / "test", maps=False)
    assert len(read) == len(set(read)) == 12
    assert three.model_.preprocessing.apply(torch.zeros(2, 3, 48, 48)).shape == (2, 3 * 64 * 64 + 3 * 64 * 64)
    parts_of_members = [
        surprise(m.score(parts / "test", maps=False).image, m.calibration_.scores) for m in (mkd, rd, other)
    ]
    np.testing.assert_allclose(scores.image, np.sum(parts_of_members, axis=0), rtol=1e-5)


def test_what_cannot_be_read_is_a_row_with_its_error(join: JoinedDetector, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", stripes(1))
    (tmp_path / "b.png").write_text("no image")
    scores = join.score(tmp_path)
    assert np.isnan(scores.image).tolist() == [False, True]
    assert "b.png" in scores.errors[1]


# Calibration ----------------------------------------------------------------------------------------------


def test_without_good_images_each_is_ranked_by_the_others(
    join: JoinedDetector, mkd: ts.Detector, rd: ts.Detector
) -> None:
    expected = {}
    for name in mkd.calibration_.names:
        total = 0.0
        for member in (mkd.calibration_, rd.calibration_):
            others = dict(zip(member.names, member.scores, strict=True))
            total += float(surprise(others.pop(name), list(others.values())))
        expected[name] = total
    calibration = join.calibration_
    assert len(calibration.names) == 9
    assert calibration.kind == "cv"
    assert "estimate" in calibration.promise()
    assert calibration.false_alarm_rate == pytest.approx(0.1)
    np.testing.assert_allclose(calibration.scores, [expected[name] for name in calibration.names], rtol=1e-4)


def test_only_images_held_out_by_all_count_but_all_say_what_good_scores_are(
    mkd: ts.Detector, rd: ts.Detector
) -> None:
    one, two = kept("abcdef", 0), kept("hfedcg", 1)
    calibration = ts.noisy_or([with_calibration(mkd, one), with_calibration(rd, two)]).calibration_
    assert sorted(calibration.names) == ["c", "d", "e", "f"]
    for name, score in zip(calibration.names, calibration.scores, strict=True):
        knowns = [dict(zip(member.names, member.scores, strict=True)) for member in (one, two)]
        total = sum(float(surprise(known.pop(name), list(known.values()))) for known in knowns)
        assert score == pytest.approx(total, rel=1e-4)


def test_with_good_images_it_is_split_conformal(
    join: JoinedDetector, mkd: ts.Detector, rd: ts.Detector
) -> None:
    good = np.stack([stripes(4000 + number) for number in range(19)])
    calibrated = ts.noisy_or([mkd, rd], good=good)
    scores = join.score(good).image
    assert calibrated.calibration_.kind == "split"
    assert calibrated.calibration_.false_alarm_rate == 0.05
    np.testing.assert_allclose(calibrated.calibration_.scores, np.sort(scores), rtol=1e-6)
    assert calibrated.calibration_.threshold == pytest.approx(scores.max())
    new = join.score(pictures(), maps=False).image
    expected = [(1 + (scores >= score).sum()) / 20 for score in new]
    np.testing.assert_array_equal(calibrated.score(pictures(), maps=False).p_value, expected)
    maps = join.score(good).map
    low, peak = np.median(np.median(maps, axis=(1, 2))), np.quantile(maps.max(axis=(1, 2)), 0.9)
    np.testing.assert_allclose(calibrated.calibration_.map_range, (low, peak), rtol=1e-4)


def test_it_is_calibrated_anew_as_any_detector(mkd: ts.Detector, rd: ts.Detector) -> None:
    join = ts.noisy_or([mkd, rd])
    before = join.score(pictures(), maps=False).image
    assert join.set_rate(0.3).calibration_.false_alarm_rate == 0.3
    assert join.calibration_.kind == "cv"
    good = np.stack([stripes(5000 + number) for number in range(9)])
    assert join.calibrate(good) is join
    assert join.calibration_.kind == "split"
    assert join.calibration_.threshold == pytest.approx(join.score(good, maps=False).image.max())
    np.testing.assert_array_equal(join.score(pictures(), maps=False).image, before)
    with pytest.raises(CalibrationError, match="needs 99"):
        join.set_rate(0.01)


def test_categories_are_told_apart_and_have_their_own_thresholds(mkd: ts.Detector, rd: ts.Detector) -> None:
    names = "abcdefghij" * 2  # the same file names in both categories
    categories = ("nut",) * 10 + ("bolt",) * 10
    one, two = kept(names, 2, categories), kept(names, 3, categories)
    join = ts.noisy_or([with_calibration(mkd, one), with_calibration(rd, two)])
    calibration = join.calibration_
    assert len(calibration.scores) == 20
    assert set(calibration.by_category) == {"nut", "bolt"}
    assert calibration.false_alarm_rate == pytest.approx(1 / 11)  # what the ten images of each can promise
    for category in ("nut", "bolt"):
        scores = [s for s, c in zip(calibration.scores, calibration.categories, strict=True) if c == category]
        assert calibration.of(category).threshold == max(scores)
        result = join.score(pictures(), maps=False, category=category)
        np.testing.assert_array_equal(result.is_anomalous, result.image > max(scores))


@pytest.mark.parametrize(
    ("names", "rate", "message"),
    [
        ("xyz", None, r"found 0 good images held out by every one of 2 detectors; a threshold needs 3"),
        ("abx", None, r"found 2 good images .* needs 3: give good images .*good=DATA.*--good DATA"),
        ("abcx", 0.2, r"found 3 good images .* a false-alarm rate of 0\.2 needs 4"),
        ("", None, r"found 0 good images"),
    ],
)
def test_too_few_images_in_common(
    mkd: ts.Detector, rd: ts.Detector, names: str, rate: float | None, message: str
) -> None:
    theirs = kept(names, 1) if names else Calibration((1.0, 2.0, 3.0), 0.5)
    pair = [with_calibration(mkd, kept("abcdef", 0)), with_calibration(rd, theirs)]
    with pytest.raises(CalibrationError, match=message):
        ts.noisy_or(pair, false_alarm_rate=rate)
    assert ts.noisy_or(pair, good=pictures()[:9], false_alarm_rate=0.1).calibration_.kind == "split"


def test_names_from_different_images_are_not_matched(mkd: ts.Detector, rd: ts.Detector) -> None:
    stranger = with_calibration(rd, rd.calibration_, fingerprint="0" * 64)
    with pytest.raises(CalibrationError, match=r"different images.*good=DATA"):
        ts.noisy_or([mkd, stranger])
    joined = ts.noisy_or([mkd, stranger], good=pictures()[:9])
    assert joined.data_["fingerprint"] == f"{mkd.data_['fingerprint']} + {'0' * 64}"


def test_a_member_whose_good_images_all_scored_alike_makes_nothing_infinite(
    mkd: ts.Detector, rd: ts.Detector
) -> None:
    flat = replace(rd.calibration_, scores=(0.5,) * 9, map_range=(0.2, 0.2))
    scores = ts.noisy_or([mkd, with_calibration(rd, flat)]).score(pictures())
    assert np.isfinite(scores.image).all()
    assert np.isfinite(scores.map).all()


# Errors ---------------------------------------------------------------------------------------------------


def test_what_cannot_be_joined_is_refused(mkd: ts.Detector, rd: ts.Detector, join: JoinedDetector) -> None:
    for given, message in (
        ([], "two detectors or more, got 0"),
        ([mkd], "two detectors or more, got 1"),
        (mkd, r"a list of detectors, got one Detector; type: noisy_or\(\[a, b\]\)"),
        ("parts.twin", "got one str"),
        (7, "got one int"),
        ([mkd, "rd.twin"], r"detector 2 is a str; allowed are .*twinspect\.load\(path\)"),
        ([join, mkd], r"detector 1 is a joined detector itself.*noisy_or\(\[\*join\.members_, other\]\)"),
        ([mkd, rd, mkd], r"detectors 1 and 3 are the same, Detector\('mkd'"),
        ([mkd, with_calibration(rd, rd.calibration_).set_params(bits=12)], "bits=12 and bits=None"),
    ):
        with pytest.raises(ConfigError, match=message):
            ts.noisy_or(given)
    with pytest.raises(NotFittedError, match=r"detector 2, Detector\('mkd'\), has not been fitted"):
        ts.noisy_or([mkd, ts.Detector("mkd")])
    with pytest.raises(ConfigError, match="no parameter 'sigma'"):
        join.set_params(sigma=1)
    with pytest.raises(ConfigError, match="no category 'nut'"):
        join.score(pictures(), category="nut")


def test_a_detector_loaded_twice_is_the_same_detector(bundles: list[str]) -> None:
    with pytest.raises(ConfigError, match="the same"):
        ts.noisy_or([ts.load(bundles[0]), ts.load(bundles[0])])


# Keeping --------------------------------------------------------------------------------------------------


def test_joining_alters_no_member_and_members_alter_no_join(
    mkd: ts.Detector, rd: ts.Detector, bundles: list[str]
) -> None:
    one, two = (ts.load(path, device="cpu") for path in bundles)
    weights = {name: tensor.clone() for name, tensor in one.model_.state_dict().items()}
    before = one.to_record()
    join = ts.noisy_or([one, two])
    scores = join.score(pictures(), maps=False).image
    record = join.to_record()
    assert one.to_record() == before
    for name, tensor in one.model_.state_dict().items():
        torch.testing.assert_close(tensor, weights[name], rtol=0, atol=0)
    one.calibrate(pictures()[:9])
    one.set_params(device="auto", sigma=1.0)
    join.calibrate(pictures()[:9]).set_params(workers=1)
    np.testing.assert_array_equal(join.score(pictures(), maps=False).image, scores)
    assert join.to_record()["members"] == record["members"]
    assert two.calibration_ == rd.calibration_


def test_saved_and_loaded_it_is_the_same_to_the_bit(join: JoinedDetector, tmp_path: Path) -> None:
    join.save(tmp_path / "j.twin")
    assert sorted(path.name for path in (tmp_path / "j.twin").iterdir()) == [
        "images",
        "learnt_images.json",
        "model.json",
        "weights.safetensors",
    ]
    record = json.loads((tmp_path / "j.twin" / "model.json").read_text())
    assert record["method"] == "noisy_or"
    assert [member["method"] for member in record["members"]] == ["mkd", "rd"]
    again = ts.load(tmp_path / "j.twin", device="cpu")
    one, two = join.score(pictures()), again.score(pictures())
    for name in ("image", "map", "p_value", "is_anomalous"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert again.calibration_ == join.calibration_
    assert again.data_ == join.data_
    assert again.method == join.method == "noisy_or"
    assert repr(again) == repr(join)
    assert repr(join).startswith("noisy_or([Detector('mkd', ")
    again.save(tmp_path / "k.twin")
    for file in ("model.json", "weights.safetensors"):
        assert (tmp_path / "j.twin" / file).read_bytes() == (tmp_path / "k.twin" / file).read_bytes()


def test_an_altered_bundle_is_refused(join: JoinedDetector, tmp_path: Path) -> None:
    join.save(tmp_path / "j.twin")
    for file in ("weights.safetensors", "model.json"):
        copy = shutil.copytree(tmp_path / "j.twin", tmp_path / file)
        content = bytearray((copy / file).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / file).write_bytes(content)
        with pytest.raises(BundleError, match=file):
            ts.load(copy)
    record = read_record(tmp_path / "j.twin")
    rewrite_record(tmp_path / "j.twin", {**record, "members": record["members"][::-1]})
    with pytest.raises(BundleError, match="does not fit"):
        ts.load(tmp_path / "j.twin")


# Command line ---------------------------------------------------------------------------------------------


def test_join_score_evaluate_calibrate(
    run: Any, bundles: list[str], join: JoinedDetector, parts: Path, tmp_path: Path
) -> None:
    model = tmp_path / "j.twin"
    code, text, _ = run("join", *bundles, "--out", model, "--device", "cpu")
    assert code == 0
    assert "mkd on test_byobnet and rd on test_byobnet, joined" in text
    assert "estimate from 9 held-out good images" in text
    code, text, _ = run("score", model, parts / "test", "--maps", tmp_path / "maps", "--json")
    rows = json.loads(text)["rows"]
    np.testing.assert_allclose(
        [row["score"] for row in rows], join.score(parts / "test", maps=False).image, rtol=1e-5
    )
    assert len(list((tmp_path / "maps").rglob("*.png"))) == 12

    assert run("evaluate", model, parts, "--out", tmp_path / "report")[0] == 0
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert metrics["mean"]["image_auroc"] == 1.0
    assert metrics["mean"]["pixel_auroc"] > 0.95
    about = metrics["model"]
    assert list(about) == ["path", "method", "teacher", "config", "seed", "members", "data"]
    assert [(member["method"], member["teacher"]["name"]) for member in about["members"]] == [
        ("mkd", "test_byobnet"),
        ("rd", "test_byobnet"),
    ]
    assert [member["config"]["size"] for member in about["members"]] == [64, 96]
    report = (tmp_path / "report" / "report.html").read_text()
    assert "Method noisy_or of mkd on teacher test_byobnet, rd on teacher test_byobnet." in report
    assert "Member 2: Setting: crop" in report

    code, text, _ = run("calibrate", model, parts / "test" / "good", "--json")
    assert json.loads(text)["calibration"] == "split"
    assert ts.load(model).calibration_.threshold == json.loads(text)["threshold"]
    assert run("calibrate", model, "--false-alarm-rate", 0.3)[0] == 0
    assert ts.load(model).calibration_.false_alarm_rate == 0.3


def test_join_with_good_images_as_json(run: Any, bundles: list[str], parts: Path, tmp_path: Path) -> None:
    good = parts / "test" / "good"
    code, text, _ = run(
        *("join", *bundles, "--out", tmp_path / "j.twin", "--good", good),
        *("--false-alarm-rate", 0.2, "--json"),
    )
    record = json.loads(text)
    assert code == 0
    assert record["calibration"] == "split"
    assert record["false_alarm_rate"] == 0.2
    assert record["images"] == 6
    assert [member["model"] for member in record["members"]] == bundles
    assert record["threshold"] == ts.load(tmp_path / "j.twin").calibration_.threshold


def test_mistakes_are_one_line(run: Any, bundles: list[str], parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "j.twin"
    for arguments, message in (
        ((bundles[0], "--out", out), "two detectors or more, got 1"),
        ((*bundles, bundles[0], "--out", out), "detectors 1 and 3 are the same"),
        ((*bundles, "--out", bundles[1]), "is one of the models to join"),
        ((*bundles, "--out", out, "--false-alarm-rate", 0.01), "needs 99"),
        ((*bundles, "--out", out, "--false-alarm-rate", 0), "lies between 0 and 1"),
        ((bundles[0], tmp_path / "none.twin", "--out", out), "no model at"),
    ):
        code, _, err = run("join", *arguments)
        assert code == 2
        assert message in err
        assert error_lines(err) == 1
    assert not out.exists()
    run("join", *bundles, "--out", out)
    code, _, err = run("join", out, bundles[0], "--out", tmp_path / "k.twin")
    assert (code, "is a joined detector itself" in err) == (2, True)
    code, _, err = run("evaluate", out, parts, "--out", tmp_path / "report", "--features")
    assert (code, "features are shown of one teacher" in err) == (2, True)
