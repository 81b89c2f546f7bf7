"""Images that keep their shape, and inputs that are no squares: geometry worked out by hand and against Pillow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from twinspect.errors import ConfigError
from twinspect.methods.config import config_of_record, make_config, parse_setting, to_record
from twinspect.methods.rd import RDConfig
from twinspect.methods.settings import config_class
from twinspect.model.letterbox import letterbox
from twinspect.model.preprocessing import Preprocessing
from twinspect.regions.areas import Region

PLAIN: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}


def batch(image: np.ndarray[Any, Any]) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("image", "around", "size", "first"),
    [
        ((100, 300), (64, 64), (21, 64), (21, 0)),  # 21.33 of 64 rows
        ((300, 100), (64, 64), (64, 21), (0, 21)),
        ((100, 100), (64, 64), (64, 64), (0, 0)),
        ((100, 100), (64, 128), (64, 64), (0, 32)),
        ((50, 100), (64, 128), (64, 128), (0, 0)),
        ((2, 1000), (64, 64), (1, 64), (31, 0)),  # never less than a row
        ((30, 20), (64, 128), (64, 43), (0, 42)),  # 42.67
    ],
)
def test_where_an_image_lies(
    image: tuple[int, int], around: tuple[int, int], size: tuple[int, int], first: tuple[int, int]
) -> None:
    place = letterbox(*image, around)
    assert place.size == size
    padded = place.pad(torch.ones(1, *size))
    assert padded.shape == (1, *around)
    rows, columns = padded[0].nonzero().amin(dim=0).tolist()
    assert (rows, columns) == first
    assert padded.sum() == size[0] * size[1]
    assert torch.equal(place.cut(padded), torch.ones(1, *size))


def test_the_image_is_pillows_and_around_it_is_zero() -> None:
    image = np.random.default_rng(0).integers(60, 200, (50, 150, 3), dtype=np.uint8)
    prepared = Preprocessing((64, 96), 0, **PLAIN, resize="letterbox").apply(batch(image))[0]
    pillow = np.asarray(Image.fromarray(image).resize((96, 32), Image.Resampling.BILINEAR))
    found = ((prepared[:, 16:48] * 0.25 + 0.5) * 255).permute(1, 2, 0).numpy()
    assert np.abs(found - pillow).max() <= 1.5  # Pillow rounds twice
    assert (prepared[:, :16] == 0).all()
    assert (prepared[:, 48:] == 0).all()


@pytest.mark.parametrize("crop", [0, 48])
@pytest.mark.parametrize("resize", ["squash", "letterbox"])
@pytest.mark.parametrize("size", [(64, 64), (64, 128), (96, 64)])
def test_a_spot_comes_back_to_its_place(size: tuple[int, int], resize: Any, crop: int) -> None:
    """A spot in a photograph of 3:1 is brightest where it was, as seen by a model that shows brightness."""
    image = np.zeros((60, 180, 3), np.uint8)
    image[27:33, 81:87] = 255  # its middle is (29.5, 83.5)
    preprocessing = Preprocessing(size, crop, **PLAIN, resize=resize)
    prepared = preprocessing.apply(batch(image)).mean(dim=1)
    assert prepared.shape[1:] == preprocessing.input_sides == ((crop, crop) if crop else size)
    found = preprocessing.to_image(prepared, (60, 180))[0]
    assert found.shape == (60, 180)
    rows, columns = (found > 0.5 * (found.max() + found.min())).nonzero().double().mean(dim=0).tolist()
    # To half a pixel of the input, which is at most 180 / 64 / 2 of the photograph's.
    assert abs(rows - 29.5) < 1.5
    assert abs(columns - 83.5) < 1.5


def test_what_counts_is_the_image_and_in_it_the_region() -> None:
    preprocessing = Preprocessing((64, 64), 0, **PLAIN, resize="letterbox")
    whole = preprocessing.inside(None, (50, 100))
    assert whole is not None
    expected = torch.zeros(64, 64, dtype=torch.bool)
    expected[16:48] = True
    assert torch.equal(whole, expected)
    left = np.zeros((50, 100), np.bool_)
    left[:, :50] = True
    expected[:, 32:] = False
    for region in (Region(left, any_size=False), Region(np.array([[True, False]]), any_size=True)):
        inside = preprocessing.inside(region, (50, 100))
        assert inside is not None
        assert torch.equal(inside, expected)
    assert torch.equal(preprocessing.inside_of(torch.from_numpy(left.copy())[None])[0], expected)
    assert preprocessing.to_input(np.ones((50, 100), np.bool_)).sum() == 32 * 64
    assert Preprocessing((64, 64), 0, **PLAIN).inside(None, (50, 100)) is None


def test_sizes_are_a_side_or_height_and_width() -> None:
    for typed, size, height, width in (("96", 96, 96, 96), ("64x128", "64x128", 64, 128)):
        assert parse_setting(RDConfig, "size", typed) == size
        config = make_config(RDConfig, None, {"size": size})
        assert config.input_sides == (height, width)
        assert config_of_record(RDConfig, to_record(config)) == config
        assert config_class("rd")(size=size).input_sides == (height, width)
    assert make_config(RDConfig, None, {"size": "64x128", "crop": 48}).input_sides == (48, 48)


@pytest.mark.parametrize(
    "wrong", ["64*128", "64x", "0x64", "64x70000", "64X128", "-64", 0, 70_000, True, (64, 9)]
)
def test_other_sizes_are_refused_with_an_example(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=r"size must be in 1\.\.65536, or HEIGHTxWIDTH such as 256x512"):
        make_config(RDConfig, None, {"size": wrong})


def test_a_crop_is_within_the_shorter_side() -> None:
    with pytest.raises(ConfigError, match="crop must be at most size, which is 64x128, got 96"):
        make_config(RDConfig, None, {"size": "64x128", "crop": 96})


@pytest.mark.parametrize("shape", [(600, 10), (600, 2), (2, 600)])
def test_the_narrowest_images_are_resized_as_pillow_does(shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    plain = Preprocessing((64, 64), 0, (0.0,) * 3, (1.0,) * 3, resize="letterbox")
    place = letterbox(*shape, (64, 64))
    wanted = [Image.fromarray(rgb[..., n]).convert("F").resize(place.size[::-1], 2) for n in range(3)]
    for batch in (
        torch.from_numpy(rgb).permute(2, 0, 1)[None],
        torch.from_numpy(rgb.transpose(2, 0, 1)[None].copy()),
    ):
        got = place.cut(plain.apply(batch))[0] * 255
        np.testing.assert_allclose(got.numpy(), np.stack([np.asarray(each) for each in wanted]), atol=1e-3)
