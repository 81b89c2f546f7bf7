"""The detector's manners: parameters, splits, calibration, caching, and errors."""

from __future__ import annotations

import math
import shutil
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

import twinspect as ts
from drawn_parts import QUICK, blemish, stripes, write_image
from twinspect.errors import CalibrationError, ConfigError, DataError, MissingExtraError, NotFittedError
from twinspect.training.batches import TrainingImages
from twinspect.training.trainer import Trainer
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from pathlib import Path

SHORT = {**QUICK, "steps": 3}


def good_images(parts: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.stack([np.asarray(Image.open(parts / "train" / "good" / f"{n}.png")) for n in range(24)])


def test_the_constructor_stores_and_does_nothing() -> None:
    detector = ts.Detector("no such method", teacher="none", sigma="wide", steps=-1)
    assert detector.get_params()["sigma"] == "wide"
    assert repr(ts.Detector()) == "Detector()"
    assert repr(detector) == "Detector('no such method', teacher='none', steps=-1, sigma='wide')"
    with pytest.raises(NotFittedError, match="fit"):
        detector.score("anything")


def test_scikit_learn_can_clone_it(fitted: ts.Detector) -> None:
    from sklearn.base import clone

    for copy in (clone(fitted), fitted.clone()):
        assert copy.get_params() == fitted.get_params()
        assert not hasattr(copy, "model_")
    assert ts.Detector().set_params(seed=3, sigma=2.0).get_params()["sigma"] == 2.0


def test_fit_returns_itself_and_reads_no_test_image(parts: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(parts, tmp_path / "parts")
    for image in (copy / "test").rglob("*.png"):
        image.write_bytes(b"poison")  # reading one of these would be an error
    for mask in (copy / "ground_truth").rglob("*.png"):
        mask.write_bytes(b"poison")
    detector = ts.Detector("mkd", **SHORT)
    assert detector.fit(copy) is detector
    assert detector.data_["train"] == 15
    assert detector.data_["calibration"] == 9


def test_held_out_images_are_not_trained_on(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = Trainer.read

    def spy(self: Trainer, model: Any, samples: Any, **rest: Any) -> Any:
        seen.extend(sample.name for sample in samples)
        return real(self, model, samples, **rest)

    monkeypatch.setattr(Trainer, "read", spy)
    detector = ts.Detector("mkd", **SHORT).fit(parts)
    assert not set(seen) & set(detector.calibration_.names)
    assert len({*seen, *detector.calibration_.names}) == 24


def test_an_explicit_calibration_folder_is_used_whole(parts: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(parts, tmp_path / "parts")
    for number in range(7):
        write_image(copy / "validation" / "good" / f"{number}.png", stripes(900 + number))
    detector = ts.Detector("mkd", **SHORT).fit(copy)
    assert detector.data_["train"] == 24
    assert detector.calibration_.false_alarm_rate == 1 / 8
    with pytest.raises(CalibrationError, match="needs 99"):
        ts.Detector("mkd", **SHORT, false_alarm_rate=0.01).fit(copy)


def test_cross_conformal_calibration_scores_every_image_without_its_fold(parts: Path) -> None:
    detector = ts.Detector("mkd", **SHORT, calibration="cv", false_alarm_rate=0.05).fit(parts)
    assert detector.calibration_.kind == "cv"
    assert len(set(detector.calibration_.names)) == 24
    assert detector.data_["train"] == 24
    assert "cross-conformal estimate" in detector.calibration_.promise()
    again = ts.Detector("mkd", **SHORT, calibration="cv", false_alarm_rate=0.05).fit(parts)
    assert again.calibration_ == detector.calibration_


@pytest.mark.parametrize(
    ("images", "method", "asked_for", "kind"),
    [
        (2, None, None, "cv"),
        (18, None, None, "cv"),
        (19, None, None, "split"),
        (18, None, "split", "split"),
        (18, "patchcore", None, "cv"),
        (50, "padim", None, "cv"),
        (18, "mkd", None, "split"),
        (50, "mkd", "cv", "cv"),
    ],
)
def test_few_images_serve_both_training_and_calibration(
    images: int, method: str | None, asked_for: str | None, kind: str
) -> None:
    pixels = np.zeros((images, 8, 8, 3), np.uint8)
    train, held_out = ts.Detector(method, calibration=asked_for).split(pixels)
    assert len(train) + len(held_out) == images
    assert bool(held_out) == (kind == "split")


def test_pixels_in_memory_equal_files(parts: Path) -> None:
    paths = [parts / "train" / "good" / f"{n}.png" for n in range(24)]
    detector = ts.Detector("mkd", **SHORT).fit(paths)
    np.testing.assert_array_equal(
        detector.score(good_images(parts), maps=False).image, detector.score(paths, maps=False).image
    )
    assert ts.Detector("mkd", **SHORT).fit(good_images(parts)).data_["train"] == 15


def test_calibrate_replaces_the_threshold_and_nothing_else(fitted: ts.Detector, parts: Path) -> None:
    detector = ts.Detector(**fitted.get_params())
    detector.model_, detector.calibration_ = fitted.model_, fitted.calibration_
    new = np.stack([stripes(1000 + n) for n in range(9)])
    detector.calibrate(new)
    assert detector.calibration_.false_alarm_rate == 0.1
    assert detector.calibration_.threshold == pytest.approx(max(fitted.score(new).image))
    assert detector.set_rate(0.3).calibration_.threshold == pytest.approx(sorted(fitted.score(new).image)[-3])
    with pytest.raises(CalibrationError, match="needs 99"):
        detector.calibrate(new, false_alarm_rate=0.01)
    assert detector.calibration_.false_alarm_rate == 0.3


def test_what_is_not_kept_in_memory_is_computed_anew_to_the_same_batches(parts: Path) -> None:
    data = ts.data.open_data(parts).split("train")
    detector = ts.Detector("mkd", **SHORT).fit(parts)
    order = [[3, 20, 7], [23, 0]]
    found = []
    for cache_mb, workers in ((2048, 2), (0, 0), (1, 2)):
        images = TrainingImages(detector.model_, data, torch.device("cpu"), workers=workers)
        images.fill_cache(cache_mb * 2**20, NoProgress())
        found.append([_sorted(batch) for batch in images.batches(order)])
    # Of 1 MiB, the images that fit are kept in half precision, whose numbers have 11 bits.
    for other, precision in zip(found[1:], (1e-4, 2**-11), strict=True):
        for one, two in zip(found[0], other, strict=True):
            for a, b in zip(one, two, strict=True):
                torch.testing.assert_close(a, b, rtol=precision, atol=1e-5)


def test_half_precision_keeps_twice_as_many_images_and_bounds_them(parts: Path) -> None:
    data = ts.data.open_data(parts).split("train")
    model = ts.Detector("mkd", **SHORT).fit(parts).model_
    images = TrainingImages(model, data, torch.device("cpu"), workers=0)
    targets = model.method.targets
    model.method.targets = lambda batch: [1e6 * level for level in targets(batch)]  # type: ignore[method-assign]
    (exact,) = images.batches([[0, 1]])
    images.fill_cache(
        4 * exact.images[0].numel() + 4 * sum(level[0].numel() for level in exact.targets), NoProgress()
    )
    kept, read = images.batches([[0, 1], [2, 3]])
    for level, half, other in zip(exact.targets, kept.targets, read.targets, strict=True):
        assert half.dtype == other.dtype == torch.float32
        torch.testing.assert_close(half, level.clamp(-65504, 65504), rtol=2**-11, atol=0)
        assert other.max() > 65504


@pytest.mark.parametrize("cache_mb", [2048, 1, 0])
def test_some_of_the_images_give_the_batches_that_they_give_alone(
    parts: Path, fitted: ts.Detector, cache_mb: int
) -> None:
    data = ts.data.open_data(parts).split("train")
    model, chosen, order = fitted.model_, [5, 2, 20, 11, 23], [[4, 0], [1, 3, 2]]
    alone = TrainingImages(model, [data[image] for image in chosen], torch.device("cpu"), workers=0)
    images = TrainingImages(model, data, torch.device("cpu"), workers=0)
    images.fill_cache(cache_mb * 2**20, NoProgress())
    some = images.subset(chosen, model)
    assert (len(some), some.by_image) == (5, alone.by_image)
    assert some.subset([1, 3], model).by_category([0, 1]) == [[0, 1]]
    for one, two, bare in zip(
        some.batches(order), alone.batches(order), some.batches(order, pixels=False), strict=True
    ):
        for a, b in zip(_sorted(one), _sorted(two), strict=True):
            torch.testing.assert_close(a, b, rtol=2**-11 if cache_mb == 1 else 1e-4, atol=1e-5)
        assert bare.images.numel() == 0
        assert all(torch.equal(a, b) for a, b in zip(bare.targets, one.targets, strict=True))


def _sorted(batch: Any) -> list[torch.Tensor]:
    """Order a batch by its images' means: what is kept comes before what is read."""
    order = batch.images.mean(dim=(1, 2, 3)).argsort()
    return [batch.images[order], *(target[order] for target in batch.targets)]


def test_a_loss_that_is_no_number_stops_the_training(parts: Path) -> None:
    with pytest.raises(ts.errors.TrainingError, match=r"the loss became (nan|inf) at step \d+"):
        ts.Detector("mkd", **{**QUICK, "learning_rate": 1e15}).fit(parts)


def test_a_checkpoint_of_another_training_is_refused(parts: Path, tmp_path: Path) -> None:
    ts.Detector("mkd", **SHORT).fit(parts, checkpoint=tmp_path)
    with pytest.raises(ts.errors.TrainingError, match="other images, settings or seed"):
        ts.Detector("mkd", **SHORT, seed=1).fit(parts, checkpoint=tmp_path, resume=True)
    (tmp_path / "model.safetensors").write_bytes(b"rubbish")
    with pytest.raises(ts.errors.TrainingError, match="not a readable checkpoint"):
        ts.Detector("mkd", **SHORT).fit(parts, checkpoint=tmp_path, resume=True)
    ts.Detector("mkd", **SHORT).fit(parts, checkpoint=tmp_path)


def test_training_in_bf16_keeps_fp32_weights_and_learns_as_well(parts: Path) -> None:
    single, half = (ts.Detector("mkd", **QUICK, precision=p).fit(parts) for p in ("fp32", "bf16"))
    assert all(tensor.dtype != torch.bfloat16 for tensor in half.model_.state_dict().values())
    assert half.losses_["distil"][0] == pytest.approx(single.losses_["distil"][0], rel=0.01)
    assert half.losses_["distil"][-1] == pytest.approx(single.losses_["distil"][-1], rel=0.2)
    clean = np.stack([stripes(1100 + n) for n in range(6)])
    dirty = np.stack([blemish(each) for each in clean])
    assert (half.score(dirty).image > half.score(clean).image).all()


def test_no_good_images_and_bad_settings(parts: Path, tmp_path: Path) -> None:
    data = ts.data.open_data(parts)
    only_bad = data.with_samples([replace(s, label="bad") for s in data.split("train")])
    with pytest.raises(DataError, match="no good images to train on"):
        ts.Detector("mkd", **SHORT).fit(only_bad)
    with pytest.raises(ConfigError, match="steps=3 and epochs=2"):
        ts.Detector("mkd", **SHORT, epochs=2).fit(parts)
    with pytest.raises(ConfigError, match="no device 'tpu'"):
        ts.Detector("mkd", **{**SHORT, "device": "tpu"}).fit(parts)


def test_epochs_count_every_batch(parts: Path) -> None:
    settings = {key: value for key, value in SHORT.items() if key != "steps"}
    detector = ts.Detector("mkd", **{**settings, "epochs": 4, "batch_size": 6}).fit(parts)
    assert len(detector.losses_["distil"]) == 4 * math.ceil(15 / 6)
    detector = ts.Detector("mkd", **{**settings, "epochs": 4, "batch_size": 64}).fit(parts)
    assert len(detector.losses_["distil"]) == 4


def test_a_crop_is_cut_from_the_centre_and_its_map_keeps_its_place(parts: Path) -> None:
    detector = ts.Detector("mkd", **{**QUICK, "size": 80, "crop": 64}).fit(parts)
    model = detector.model_
    picture = torch.randint(0, 256, (1, 3, 80, 80), dtype=torch.uint8)
    whole = ts.Detector("mkd", **{**SHORT, "size": 80}).fit(parts).model_
    torch.testing.assert_close(
        model.preprocessing.apply(picture), whole.preprocessing.apply(picture)[..., 8:72, 8:72]
    )
    spike = torch.zeros(1, 64, 64)
    spike[0, 10, 20] = 1.0
    assert np.unravel_index(model.preprocessing.to_image(spike, (80, 80))[0].argmax().item(), (80, 80)) == (
        18,
        28,
    )


def test_normalisation_can_be_switched_off(parts: Path) -> None:
    picture = torch.full((1, 3, 64, 64), 255, dtype=torch.uint8)
    plain = ts.Detector("mkd", **SHORT, normalize=False).fit(parts).model_
    assert (plain.preprocessing.apply(picture) == 1).all()
    usual = ts.Detector("mkd", **SHORT).fit(parts).model_
    mean, std = usual.method.teacher.mean, usual.method.teacher.std
    expected = [(1 - m) / s for m, s in zip(mean, std, strict=True)]
    np.testing.assert_allclose(usual.preprocessing.apply(picture)[0, :, 0, 0], expected, rtol=1e-6)


def test_images_are_prepared_where_they_are_and_not_where_the_networks_are(fitted: ts.Detector) -> None:
    picture = torch.from_numpy(stripes(7)).permute(2, 0, 1)[None]
    elsewhere = deepcopy(fitted.model_).to("meta")  # as a GPU is, to tensors of the CPU
    torch.testing.assert_close(
        elsewhere.preprocessing.apply(picture), fitted.model_.preprocessing.apply(picture), rtol=0, atol=0
    )


def test_resizing_equals_pillows_antialiased_bilinear(fitted: ts.Detector) -> None:
    picture = stripes(5, 150)
    expected = np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BILINEAR))
    prepared = fitted.model_.preprocessing.apply(torch.from_numpy(picture).permute(2, 0, 1)[None])[0]
    mean, std = (
        torch.tensor(v).view(3, 1, 1)
        for v in (fitted.model_.preprocessing.mean, fitted.model_.preprocessing.std)
    )
    back = ((prepared * std + mean) * 255).permute(1, 2, 0).numpy()
    assert np.abs(back - expected).max() <= 1.0  # Pillow rounds to whole numbers, twice


def test_forward_is_the_same_path_as_score(fitted: ts.Detector) -> None:
    picture = blemish(stripes(6))
    with torch.inference_mode():
        output = fitted.model_(torch.from_numpy(picture).permute(2, 0, 1)[None])
    scores = fitted.score(picture[None])
    assert output.score[0].item() == pytest.approx(float(scores.image[0]), rel=1e-5)
    np.testing.assert_allclose(output.map, scores.map, rtol=1e-4, atol=1e-6)  # type: ignore[arg-type]


def test_a_missing_extra_is_named() -> None:
    assert ts.errors.optional("json", "all").loads("1") == 1
    with pytest.raises(MissingExtraError, match=r"pip install 'twinspect\[onnx\]'"):
        ts.errors.optional("no_such_module_at_all", "onnx")


@pytest.mark.shared
def test_on_real_photographs_it_tells_broken_cookies_from_whole_ones(shared: Path) -> None:
    detector = ts.Detector(
        "mkd",
        teacher="resnet18",
        weights=shared / "weights" / "resnet18_layers1-3.safetensors",
        size=128,
        steps=30,
        device="cpu",
    ).fit(shared / "data" / "cookies")
    found = ts.evaluate(detector, shared / "data" / "cookies").pooled
    assert found["image_auroc"] is not None
    assert found["image_auroc"] > 0.85
    assert found["pixel_auroc"] is not None
    assert found["pixel_auroc"] > 0.9
