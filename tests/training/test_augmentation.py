"""Changed copies of training images: what they are, and that they stay with their image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import QUICK, stripes
from twinspect.data import Sample
from twinspect.data.pixels import read_pixels
from twinspect.errors import ConfigError
from twinspect.training.augmentation import COPIES, Augmentation
from twinspect.training.training_inputs import training_inputs

if TYPE_CHECKING:
    from twinspect.detector import Detector

GREY = np.full((60, 40, 3), 100, dtype=np.uint8)


def samples(*images: Any) -> list[Sample]:
    return [Sample(Path(str(n)), str(n), "train", pixels=image) for n, image in enumerate(images)]


def augmentation(names: str) -> Augmentation:
    found = Augmentation.of(names, 0)
    assert found
    return found


def test_copies_follow_their_image_and_always_are_the_same() -> None:
    first, second = (
        augmentation("lighting,shift").with_copies(samples(stripes(1), stripes(2))) for _ in "ab"
    )
    assert [sample.name for sample in first[:5]] == ["0", "0 (copy 1)", "0 (copy 2)", "0 (copy 3)", "1"]
    pixels = [read_pixels(sample) for sample in first]
    assert all(map(np.array_equal, pixels, map(read_pixels, second)))
    assert np.array_equal(pixels[0], stripes(1))
    assert len({values.tobytes() for values in pixels}) == 2 * (1 + COPIES)


def test_light_changes_by_what_is_stated_and_evenly_over_the_image() -> None:
    for copy in augmentation("lighting").with_copies(samples(*[GREY] * 20)):
        values = read_pixels(copy)
        assert (values == values[0, 0]).all()
        red, green, blue = values[0, 0] / 100
        assert 0.8 <= green <= 1.2
        assert all(0.89 <= channel / green <= 1.11 for channel in (red, blue))


def test_a_shift_is_no_larger_than_stated() -> None:
    dot = GREY.copy()
    dot[28:32, 18:22] = 255
    places = []
    for copy in augmentation("shift").with_copies(samples(*[dot] * 20)):
        weight = read_pixels(copy)[..., 0].astype(float) - 100
        places.append([(weight * axis).sum() / weight.sum() for axis in np.indices(weight.shape)])
    distances = np.abs(np.array(places) - (29.5, 19.5))
    assert 0.4 < distances.max() <= 0.02 * 40 + 0.02


def test_copies_belong_to_their_image(fitted: Detector) -> None:
    model: Any = fitted.model_
    inputs = training_inputs(model, samples(stripes(1), stripes(2)), None, None, None, augmentation("shift"))
    assert inputs.by_image == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(inputs.categories) == 8


def test_an_unknown_name_is_refused_before_images_are_read() -> None:
    with pytest.raises(ConfigError, match="no augmentation 'lightning'; did you mean 'lighting'"):
        ts.Detector("mkd", **QUICK, augment="lightning").fit("nowhere")
    with pytest.raises(ConfigError, match="once"):
        Augmentation.of("shift,shift", 0)


def test_a_fit_learns_from_copies_and_promises_from_images(tmp_path: Path) -> None:
    images = np.stack([stripes(number) for number in range(20)])
    settings: dict[str, Any] = {**QUICK, "steps": 4}
    plain = ts.Detector("mkd", **settings).fit(images)
    other = ts.Detector("mkd", **settings, augment="lighting").fit(images)
    again = ts.Detector("mkd", **settings, augment="lighting").fit(images)
    assert other.losses_ == again.losses_
    assert other.losses_ != plain.losses_
    assert other.data_ == plain.data_
    assert set(other.calibration_.names) == set(plain.calibration_.names)
    other.save(tmp_path / "m.twin")
    assert ts.load(tmp_path / "m.twin").get_params()["augment"] == "lighting"
