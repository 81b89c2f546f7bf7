"""What images look like: each number against its definition, what moves it, and where it is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import ndimage

import twinspect as ts
from drawn_parts import TEACHER, stripes, write_image
from twinspect.calibration.conformal import Calibration
from twinspect.ensemble.calibration import leave_one_out
from twinspect.images import reading
from twinspect.images.statistics import ImageStatistics, image_statistics

if TYPE_CHECKING:
    from pathlib import Path

RANDOM = np.random.default_rng(0)


def noisy(side: int = 64, level: float = 120, sigma: float = 5.0) -> np.ndarray[Any, Any]:
    """An even image with noise of a known size, the same in all channels."""
    grey = (level + RANDOM.normal(0, sigma, (side, side))).round().clip(0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def test_every_number_equals_its_definition() -> None:
    rgb = RANDOM.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    grey = rgb.astype(float) @ [0.299, 0.587, 0.114]
    triples = slice(1, 39)  # at this size every row is looked at
    near = np.abs(np.diff(grey[triples], axis=1)).mean()
    far = np.abs(grey[triples, 4:] - grey[triples, :-4]).mean()
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
    response = ndimage.convolve(grey, kernel)[1:-1, 1:-1]
    sums = rgb.reshape(-1, 3).astype(float).sum(axis=0)
    expected = ImageStatistics(
        brightness=grey.mean(),
        contrast=grey.std(),
        red=sums[0] / sums.sum(),
        green=sums[1] / sums.sum(),
        blue=sums[2] / sums.sum(),
        saturation=(rgb.max(axis=-1).astype(float) - rgb.min(axis=-1)).mean(),
        sharpness=near / far,
        noise=np.sqrt(np.pi / 2) * np.abs(response).mean() / 6,
        clipped=((rgb == 0) | (rgb == 255)).any(axis=-1).mean(),
    )
    np.testing.assert_allclose(image_statistics(rgb), expected, atol=2e-4)


def test_noise_is_measured_in_grey_levels_also_on_a_slope() -> None:
    slope = np.linspace(-60, 60, 200)[None, :, None]
    rgb = (noisy(200, sigma=6.0) + slope).round().astype(np.uint8)
    assert image_statistics(rgb).noise == pytest.approx(6, rel=0.05)


@pytest.mark.parametrize(
    ("change", "name", "sign"),
    [
        (lambda x: x * 1.05, "brightness", 1),
        (lambda x: 128 + (x - 128) * 0.8, "contrast", -1),
        (lambda x: x * [1.1, 1, 1], "red", 1),
        (lambda x: x * [1, 1.1, 1], "green", 1),
        (lambda x: x * [1, 1, 0.9], "blue", -1),
        (lambda x: x.mean(axis=-1, keepdims=True) + 0 * x, "saturation", -1),
        (lambda x: ndimage.gaussian_filter(x, (1, 1, 0)), "sharpness", -1),
        (lambda x: x + np.random.default_rng(1).normal(0, 8, x.shape), "noise", 1),
        (lambda x: x * 2, "clipped", 1),
    ],
)
def test_a_change_moves_the_number_that_names_it(change: Any, name: str, sign: int) -> None:
    for seed in range(5):
        before = stripes(seed, side=96)
        after = change(before.astype(float)).round().clip(0, 255).astype(np.uint8)
        assert (
            sign * (getattr(image_statistics(after), name) - getattr(image_statistics(before), name)) > 0.002
        )


def test_a_large_image_looks_like_its_pixels_and_always_the_same() -> None:
    small = stripes(3, side=200)
    large = np.tile(small, (6, 7, 1))  # 1200 x 1400, looked at in part
    first = image_statistics(large)
    assert first == image_statistics(large.copy())
    np.testing.assert_allclose(first[:6], image_statistics(small)[:6], rtol=0.03)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (2, 300), (300, 2), (3, 3), (4, 5)])
def test_the_smallest_images_have_looks(shape: tuple[int, int]) -> None:
    assert np.isfinite(image_statistics(RANDOM.integers(0, 256, (*shape, 3), dtype=np.uint8))).all()


def test_black_and_grey_images_have_balanced_colours() -> None:
    assert image_statistics(np.zeros((9, 9, 3), np.uint8))[2:5] == (0.3333, 0.3333, 0.3333)
    assert {image_statistics(noisy(sigma=s))[2:6] for s in (0, 3, 9)} == {(0.3333, 0.3333, 0.3333, 0.0)}


# Where they are kept -----------------------------------------------------------------------------------------


def labelled(*values: float) -> tuple[ImageStatistics, ...]:
    return tuple(ImageStatistics(*[value] * len(ImageStatistics._fields)) for value in values)


def test_they_stay_with_their_image_through_sorting_categories_and_json() -> None:
    calibration = Calibration(
        (3.0, 1.0, 2.0, 4.0),
        0.4,
        names=("c", "a", "b", "d"),
        categories=("nut", "nut", "bolt", "bolt"),
        statistics=labelled(3, 1, 2, 4),
    )
    assert calibration.statistics == labelled(1, 2, 3, 4)
    assert calibration.by_category["bolt"].statistics == labelled(2, 4)
    record = json.loads(json.dumps(calibration.to_record()))
    assert record["looks"]["brightness"] == [1, 2, 3, 4]
    assert Calibration.from_record(record) == calibration


def test_records_without_them_or_with_others_still_load() -> None:
    calibration = Calibration((1.0, 2.0), 0.4, statistics=labelled(1, 2))
    record = calibration.to_record()
    other = {**record, "looks": {"roundness": [1.0, 2.0]}}
    del record["looks"]
    for old in (record, other):
        assert Calibration.from_record(old) == Calibration((1.0, 2.0), 0.4)


def test_a_number_of_them_that_is_not_the_scores_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        Calibration((1.0, 2.0), 0.4, statistics=labelled(1))


def test_a_join_takes_them_over_by_name() -> None:
    names = tuple("abcde")
    one = Calibration((5.0, 4.0, 3.0, 2.0, 1.0), 0.4, names=names)
    other = Calibration((2.0, 1.0, 4.0, 3.0, 5.0), 0.4, names=names, statistics=labelled(1, 2, 3, 4, 5))
    joined = leave_one_out([one, other], None)
    assert dict(zip(joined.names, joined.statistics, strict=True)) == dict(
        zip(names, labelled(1, 2, 3, 4, 5), strict=True)
    )
    assert leave_one_out([one, one], None).statistics == ()


@pytest.mark.parametrize("kind", ["split", "cv"])
def test_fit_keeps_them_with_the_images_held_out(parts: Path, kind: str, tmp_path: Path) -> None:
    detector = ts.Detector(
        "rd", **TEACHER, size=64, steps=2, device="cpu", workers=0, calibration=kind, keep_images=0
    ).fit(parts)
    kept = detector.calibration_
    for name, found in zip(kept.names, kept.statistics, strict=True):
        assert found == image_statistics(reading.read_rgb(parts / name)), name
    detector.save(tmp_path / "m.twin")
    assert ts.load(tmp_path / "m.twin", device="cpu").calibration_ == kept


def test_calibrating_anew_and_streaming_decode_each_file_once(
    fitted: ts.Detector, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    real = reading.read_rgb

    def spy(path: Path, *, bits: int | None = None) -> Any:
        read.append(path)
        return real(path, bits=bits)

    monkeypatch.setattr("twinspect.data.pixels.read_rgb", spy)
    copy = ts.Detector.from_record(fitted.to_record(), device="cpu")
    copy.model_ = fitted.model_
    copy.calibrate(parts / "test" / "good")
    assert len(read) == len(set(read)) == len(copy.calibration_.statistics) == 6
    read.clear()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    good = write_image(tmp_path / "good.png", stripes(1))
    rows = list(fitted.stream([good, broken], maps=False, statistics=True))
    assert [row.statistics for row in rows] == [image_statistics(stripes(1)), None]
    assert len(read) == 2
    plain = next(iter(fitted.stream([good], maps=False)))
    assert plain.statistics is None
    assert plain.score == rows[0].score
