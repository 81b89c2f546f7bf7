"""How images become inputs, against Pillow; records of earlier versions."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from twinspect.errors import ConfigError
from twinspect.methods.aand import AANDConfig
from twinspect.methods.config import config_of_record, make_config, parse_setting, to_record
from twinspect.methods.rd import RDConfig
from twinspect.model.preprocessing import Preprocessing

PLAIN: dict[str, Any] = {"size": (64, 64), "crop": 0, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def photograph(height: int, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Smooth colours with hard edges; no black or white, at which Pillow cuts off between rows and columns."""
    random = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(random.normal(0, 1, (height, width, 3)), (6, 6, 0))
    values = 127 + 80 * np.tanh(8 * smooth / smooth.std())
    values[height // 4 : height // 2, width // 4 : width // 2] = (207, 47, 128)
    return values.astype(np.uint8)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("height", "width"), [(300, 420), (576, 768), (64, 64), (50, 40)])
def test_images_are_resized_as_pillow_does(
    height: int, width: int, interpolation: Literal["bilinear", "bicubic"]
) -> None:
    image = photograph(height, width)
    pillow = np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling[interpolation.upper()]))
    prepared = Preprocessing(**PLAIN, interpolation=interpolation).apply(
        torch.from_numpy(image).permute(2, 0, 1)[None]
    )
    found = (prepared[0] * 255).permute(1, 2, 0).numpy()
    # Pillow rounds to whole grey levels after the rows and after the columns.
    assert np.abs(found - pillow).max() <= 1.5
    assert np.abs(found - pillow).mean() < 0.35


def test_nothing_is_darker_than_black_or_lighter_than_white() -> None:
    edges = np.zeros((3, 90, 90), np.uint8)
    edges[:, :, 45:] = 255
    prepared = Preprocessing(**PLAIN, interpolation="bicubic").apply(torch.from_numpy(edges)[None])
    assert (float(prepared.min()), float(prepared.max())) == (0, 1)


def test_a_record_without_an_interpolation_is_bilinear() -> None:
    record = to_record(RDConfig())
    del record["interpolation"]
    assert config_of_record(RDConfig, record).interpolation == "bilinear"
    assert make_config(AANDConfig, "paper", {}).interpolation == "bicubic"


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_record_that_calls_the_interpolation_resize_means_what_it_meant(interpolation: str) -> None:
    record = to_record(RDConfig())
    del record["interpolation"]
    config = config_of_record(RDConfig, {**record, "resize": interpolation})
    assert (config.interpolation, config.resize) == (interpolation, "squash")
    assert make_config(AANDConfig, "paper", {"resize": interpolation}).interpolation == interpolation
    assert parse_setting(RDConfig, "resize", interpolation) == interpolation
    with pytest.raises(ConfigError, match="former name of interpolation, and both are given"):
        make_config(RDConfig, None, {"resize": interpolation, "interpolation": "bicubic"})
    with pytest.raises(ConfigError, match="one of 'squash', 'letterbox', got 'nearest'"):
        parse_setting(RDConfig, "resize", "nearest")
