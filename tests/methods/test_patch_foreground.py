"""The foreground of patches: its component against scikit-learn, only credible masks, scores without background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_closing, binary_dilation
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

import twinspect as ts
from drawn_parts import quick, stripes
from twinspect.methods.config import make_config, to_record
from twinspect.methods.networks.patch_features import as_rows
from twinspect.methods.networks.patch_foreground import PatchForeground, first_component
from twinspect.methods.patchcore import PatchCore, PatchCoreConfig
from twinspect.methods.shortfall import shortfall

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 16


def discs(radius: float, *, inverted: bool = False, seed: int = 0) -> torch.Tensor:
    """Features of images with a disc, which differ in one direction of three: (4, 3, SIDE, SIDE)."""
    generator = torch.Generator().manual_seed(seed)
    features = 0.2 * torch.randn(4, 3, SIDE, SIDE, generator=generator)
    side = (disc(radius) * 4.0 - 1) * (-1 if inverted else 1)
    return features + side * torch.tensor([1.0, 0.5, -2.0]).view(1, 3, 1, 1) + 10


def disc(radius: float) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    return ((rows - 7.5).square() + (columns - 7.5).square() < radius**2).float()


def test_the_component_is_that_of_scikit_learn() -> None:
    patches = torch.randn(
        300, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    ) * torch.arange(8)
    expected = PCA(1).fit(patches.numpy()).components_[0]
    assert abs(float(first_component(patches) @ torch.from_numpy(expected))) == pytest.approx(1)


@pytest.mark.parametrize("inverted", [False, True])
def test_the_part_is_found_with_a_ring_around_it(inverted: bool) -> None:
    foreground = PatchForeground()
    foreground.gather((part, None) for part in discs(4, inverted=inverted).split(2))
    square = np.ones((3, 3), bool)
    drawn = np.pad(disc(4).numpy() > 0, 4)
    expected = binary_closing(binary_dilation(drawn, square), square)[4:-4, 4:-4]
    found = foreground(discs(4, inverted=inverted, seed=9))
    assert not foreground.is_whole
    for mask in found:
        np.testing.assert_array_equal(mask, expected)


def test_where_an_image_shows_no_part_all_of_it_counts() -> None:
    foreground = PatchForeground()
    foreground.gather([(discs(4), None)])
    assert foreground(discs(0)).min() == 1


@pytest.mark.parametrize(
    "features", [discs(11), discs(0.9), torch.randn(4, 3, SIDE, SIDE), torch.ones(2, 3, 4, 4)]
)
def test_all_patches_count_where_no_background_is_credible(features: torch.Tensor) -> None:
    foreground = PatchForeground()
    foreground.gather([(features, None)])
    assert foreground.is_whole
    assert foreground(features).min() == 1


def part(seed: int, *, scratched: str = "") -> NDArray[np.uint8]:
    """Draw a bright part in the middle of a dark frame, with a scratch on it or a fainter one beside it."""
    image = np.random.default_rng(seed).integers(0, 12, (96, 96, 3)).astype(np.uint8)
    image[28:68, 28:68] = stripes(seed, 40) // 3 + 160
    checks = np.indices((12, 12)).sum(0)[..., None] // 3 % 2
    if scratched == "part":
        image[40:52, 40:52] = 255 * checks
    if scratched == "background":
        image[4:16, 4:16] = 40 * checks
    return image


@pytest.fixture(scope="module")
def detector() -> ts.Detector:
    settings = {**quick("patchcore"), "size": 96, "preset": "anomalydino", "rotations": 2}
    return ts.Detector("patchcore", **settings).fit(np.stack([part(number) for number in range(6)]))


def test_the_background_is_neither_kept_nor_scored(detector: ts.Detector) -> None:
    method: Any = detector.model_.method
    assert method.note() == ""
    good, on_part, beside = (
        detector.score(part(7, scratched=where)[None]) for where in ("", "part", "background")
    )
    assert beside.image[0] == pytest.approx(good.image[0], rel=1e-3)
    assert on_part.image[0] > 1.5 * good.image[0]
    images = 2 * detector.data_["train"]
    assert len(method.memory.members) < 0.8 * images * np.prod(
        method.targets(torch.zeros(1, 3, 96, 96))[0].shape[2:]
    )


def test_the_score_is_the_mean_of_the_largest_cosine_distances(detector: ts.Detector) -> None:
    method: Any = detector.model_.method
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        levels, scores = method.targets(images), method.image_score(method(images))
    features = method._features(levels)
    patches, members = as_rows(features).double().numpy(), method.memory.members.double().numpy()
    distances = (
        cdist(patches, members, "cosine").min(axis=1).reshape(2, -1)
        * method.foreground(features).flatten(1).numpy()
    )
    count = int(0.01 * distances.shape[1])
    np.testing.assert_allclose(scores, np.sort(distances)[:, -max(1, count) :].mean(axis=1), rtol=1e-3)


def test_a_part_that_fills_the_frame_is_scored_whole_and_said_so() -> None:
    good = np.stack([stripes(number) for number in range(4)])
    settings = {**quick("patchcore"), "coreset": 1.0}
    masked, plain = (
        ts.Detector("patchcore", **settings, foreground=looked_for).fit(good) for looked_for in (True, False)
    )
    assert "all of their patches count" in masked.model_.method.note()
    assert masked.calibration_.scores == pytest.approx(plain.calibration_.scores, rel=1e-3)


def test_the_preset_is_a_paper_of_its_own() -> None:
    config = make_config(PatchCoreConfig, "anomalydino", {})
    assert to_record(config)["foreground"]
    assert shortfall(config, "vit_small_patch14_dinov2", [4]) == ""
    assert PatchCoreConfig().foreground is False
    assert PatchCore.Config is PatchCoreConfig
