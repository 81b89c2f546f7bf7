"""PaDiM: Gaussians and distances against NumPy and SciPy; what it refuses."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import mahalanobis

import twinspect as ts
from drawn_parts import quick
from twinspect.data import open_data
from twinspect.data.pixels import read_pixels
from twinspect.errors import ConfigError
from twinspect.methods.base import Batch
from twinspect.methods.config import make_config
from twinspect.methods.networks import place_gaussians
from twinspect.methods.networks.place_gaussians import PlaceGaussians
from twinspect.methods.padim import PaDiM, PaDiMConfig
from twinspect.model.preprocessing import as_batch
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("batches", [[23], [1, 9, 13], [1] * 23])
def test_distances_are_those_of_numpy_and_scipy(batches: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place_gaussians, "PLACES", 5)
    generator = torch.Generator().manual_seed(0)
    features = 100 + torch.randn(23, 7, 3, 4, generator=generator) * torch.arange(1.0, 8)[:, None, None]
    new = 100 + 5 * torch.randn(2, 7, 3, 4, generator=generator)
    gaussians = PlaceGaussians()
    gaussians.gather(features.split(batches), 0.01)
    found = gaussians(new)
    for row, column in np.ndindex(3, 4):
        here = features[:, :, row, column].double().numpy()
        precision = np.linalg.inv(np.cov(here, rowvar=False) + 0.01 * np.eye(7))
        expected = [
            mahalanobis(x, here.mean(axis=0), precision) for x in new[:, :, row, column].double().numpy()
        ]
        np.testing.assert_allclose(found[:, row, column], expected, rtol=1e-4)


def test_map_and_score_are_those_of_numpy_scipy_and_pillow() -> None:
    """From the levels on: repeated to the finest, chosen, compared, enlarged, blurred, and the peak taken."""
    torch.manual_seed(0)
    method = PaDiM(create_teacher("pocket"), make_config(PaDiMConfig, None, {"size": 64})).eval()
    images = torch.randn(9, 3, 64, 64)
    with torch.no_grad():
        method.gather([Batch(images[:8], method.targets(images[:8]))])
        found = method(images[8:])
        levels = [level.double().numpy() for level in method.teacher(images)]
    joined = np.concatenate(
        [np.kron(level, np.ones((1, 1, 2**depth, 2**depth))) for depth, level in enumerate(levels)], axis=1
    )[:, method.chosen]
    assert joined.shape == (9, 100, 16, 16)
    distances = np.empty((16, 16), np.float32)
    for row, column in np.ndindex(16, 16):
        *good, new = joined[:, :, row, column]
        precision = np.linalg.inv(np.cov(good, rowvar=False) + 0.01 * np.eye(100))
        distances[row, column] = mahalanobis(new, np.mean(good, axis=0), precision)
    enlarged = np.array(Image.fromarray(distances).resize((64, 64), Image.Resampling.BILINEAR))
    expected = gaussian_filter(enlarged, 4.0, mode="mirror")
    np.testing.assert_allclose(found.map[0], expected, rtol=1e-3)
    assert float(method.image_score(found)) == pytest.approx(expected.max(), rel=1e-3)


@pytest.mark.parametrize("images", [3, 9, 30])
def test_an_image_left_out_has_the_distance_to_a_gaussian_of_the_others(images: int) -> None:
    generator = torch.Generator().manual_seed(images)
    features = torch.randn(images, 12, 2, 3, generator=generator) * torch.arange(1.0, 13)[:, None, None] / 4
    gaussians = PlaceGaussians()
    gaussians.gather(features.split(4), 0.01)
    found = gaussians.left_out(features, images)
    for image, row, column in np.ndindex(images, 2, 3):
        here = features[:, :, row, column].double().numpy()
        others = np.delete(here, image, axis=0)
        covariance = np.cov(others, rowvar=False) + 0.01 * (images - 1) / (images - 2) * np.eye(12)
        expected = mahalanobis(here[image], others.mean(axis=0), np.linalg.inv(covariance))
        assert float(found[image, row, column]) == pytest.approx(expected, rel=1e-3)


def test_cross_conformal_scores_come_from_one_fit(parts: Path) -> None:
    """As if each image had been left out of a fit of its own."""
    detector = ts.Detector("padim", **{**quick("padim"), "calibration": "cv"}, channels=10).fit(parts)
    calibration, method = detector.calibration_, detector.model_.method
    good = open_data(parts, split="train").split("train")
    images = {each.name: detector.model_.preprocessing.apply(as_batch(read_pixels(each))) for each in good}
    assert detector.data_["train"] == len(calibration.scores) == len(images)
    last = calibration.names[-1]
    alone = copy.deepcopy(method)
    others = torch.cat([image for name, image in images.items() if name != last])
    factor = (len(images) - 1) / (len(images) - 2)
    with torch.no_grad():
        alone.gaussians.gather(method.targets(others), 0.01 * factor)
        expected = float(alone.image_score(alone(images[last])))
        assert expected > float(method.image_score(method(images[last])))
    assert calibration.scores[-1] == pytest.approx(expected, rel=1e-3)


def test_a_single_image_leaves_the_regularization_alone() -> None:
    gaussians = PlaceGaussians()
    gaussians.gather([torch.zeros(1, 2, 1, 1)], 0.01)
    assert gaussians(torch.tensor([0.3, 0.4]).view(1, 2, 1, 1)).item() == pytest.approx(0.5 / 0.1)


def test_the_features_are_a_random_part_drawn_by_the_seed(parts: Path) -> None:
    chosen = [
        ts.Detector("padim", **quick("padim"), channels=20, seed=seed)
        .fit(parts)
        .model_.method.chosen.tolist()
        for seed in (0, 0, 1)
    ]
    assert chosen[0] == chosen[1] != chosen[2]
    assert len(set(chosen[0])) == 20


def test_tiles_are_refused_with_what_to_type(parts: Path) -> None:
    with pytest.raises(ConfigError, match="--method patchcore"):
        ts.Detector("padim", **quick("padim"), tile=32, overlap=8).fit(parts)
