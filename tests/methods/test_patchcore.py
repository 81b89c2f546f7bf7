"""PatchCore: coreset, features and scores against brute force in NumPy; memory, few images, options."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
import torch
from scipy.ndimage import rotate
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, quick, stripes, write_image
from twinspect.calibration.conformal import Calibration
from twinspect.cli import main
from twinspect.cli.usability import warning
from twinspect.maps import gaussian_blur
from twinspect.methods import coreset
from twinspect.methods.coreset import greedy_coreset, sparse_projection, to_whole_numbers
from twinspect.methods.networks import patch_memory
from twinspect.methods.networks.patch_features import patch_features
from twinspect.methods.networks.patch_memory import PatchMemory
from twinspect.methods.patch_sample import PatchSample
from twinspect.methods.patchcore import PatchCore, PatchCoreConfig
from twinspect.methods.rotation import rotated

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def brute_force(points: NDArray[np.int64], count: int, first: int) -> list[int]:
    """Choose greedily by a loop over all points, in whole numbers."""
    chosen = [first]
    nearest = np.square(points - points[first]).sum(axis=1)
    while len(chosen) < count and nearest.max() > 0:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.square(points - points[chosen[-1]]).sum(axis=1))
    return chosen


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("active", [1, 7, 100, 10_000])
def test_the_members_are_those_of_brute_force(
    seed: int, active: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coreset, "ACTIVE", active)
    monkeypatch.setattr(coreset, "ROWS", 64)
    torch.manual_seed(seed)
    points = to_whole_numbers(torch.randn(20, 16)[torch.randint(20, (600,))] + 0.3 * torch.randn(600, 16))
    members = greedy_coreset(points, 150, first=seed).tolist()
    assert members == brute_force(points.long().numpy(), 150, seed)


def test_of_equally_far_points_the_lowest_is_chosen_and_none_twice() -> None:
    grid = torch.cartesian_prod(*[torch.arange(4.0)] * 3).repeat(2, 1)
    members = greedy_coreset(grid, 100).tolist()
    assert members == brute_force(grid.long().numpy(), 100, 0)
    assert len(members) == len({tuple(grid[member].tolist()) for member in members}) == 64


def test_squares_of_whole_numbers_are_exact_in_float32() -> None:
    torch.manual_seed(0)
    for dimensions in (3, 128, 384, 1536):
        points = to_whole_numbers(torch.randn(50, dimensions).sign() * 5 + 100)
        whole = points.long()
        largest = (2 * int(whole.abs().max())) ** 2 * dimensions
        assert 2**24 * 0.9 < largest <= 2**24
        exact = cdist(whole.numpy(), whole.numpy(), "sqeuclidean")
        norms = points.square().sum(dim=1)
        np.testing.assert_array_equal(norms[:, None] - 2 * points @ points.T + norms, exact)


def test_a_sparse_projection_keeps_distances() -> None:
    torch.manual_seed(0)
    onto = sparse_projection(400, 128)
    assert (onto != 0).float().mean().item() == pytest.approx(1 / 20, rel=0.1)
    points = torch.randn(60, 400, generator=torch.Generator().manual_seed(1))
    ratio = torch.pdist(points @ onto) / torch.pdist(points)
    assert ratio.mean().item() == pytest.approx(1, abs=0.02)
    assert ratio.std().item() < 0.1


def test_patch_features_are_local_means_side_by_side() -> None:
    generator = torch.Generator().manual_seed(0)
    fine, coarse = torch.rand(2, 4, 6, 6, generator=generator), torch.rand(2, 6, 3, 3, generator=generator)
    joined = patch_features([fine, coarse], 3)
    padded = np.pad(fine.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    means = sum(padded[:, :, row : row + 6, column : column + 6] for row in range(3) for column in range(3))
    np.testing.assert_allclose(joined[:, :4], means / 9, rtol=1e-5)
    assert joined.shape == (2, 10, 6, 6)
    fewer = patch_features([fine, coarse], 1, channels=6)
    np.testing.assert_allclose(fewer[:, 3:, 0, 0], coarse.view(2, 3, 2, 3, 3).mean(2)[:, :, 0, 0], rtol=1e-5)
    assert fewer.shape == (2, 6, 6, 6)


def memory_of(members: torch.Tensor) -> PatchMemory:
    memory = PatchMemory()
    memory.members = members
    return memory


def test_distances_and_weights_against_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch_memory, "BLOCK", 40)
    generator = torch.Generator().manual_seed(0)
    members, patches = torch.randn(130, 12, generator=generator), torch.randn(50, 12, generator=generator)
    memory = memory_of(members)
    distances, nearest = memory(patches)
    all_pairs = cdist(patches.double().numpy(), members.double().numpy())
    np.testing.assert_array_equal(nearest, all_pairs.argmin(axis=1))
    np.testing.assert_allclose(distances, all_pairs.min(axis=1), rtol=1e-5)
    around = cdist(members.double().numpy(), members.double().numpy()).argsort(axis=1)[:, :9]
    to_them = np.take_along_axis(all_pairs, around[nearest], axis=1)
    expected = 1 - np.exp(all_pairs.min(axis=1) - logsumexp(to_them, axis=1))
    np.testing.assert_allclose(memory.weights(patches, nearest, distances, 9), expected, rtol=1e-4)


def test_a_single_member_weighs_nothing() -> None:
    memory = memory_of(torch.zeros(1, 3))
    distances, nearest = memory(torch.ones(2, 3))
    assert memory.weights(torch.ones(2, 3), nearest, distances, 9).tolist() == [1.0, 1.0]


def test_a_sample_holds_no_more_than_allowed_and_draws_evenly() -> None:
    torch.manual_seed(0)
    sample = PatchSample(500)
    most = 0
    for batch in range(40):
        sample.add(torch.full((100, 2), float(batch)))
        most = max(most, len(sample))
    sample.close()
    assert len(sample) == 500
    assert most <= 1.25 * 500 + 100
    kept = sample.rows(torch.arange(500))[:, 0]
    counts = np.bincount(kept.long().numpy(), minlength=40)
    assert counts.min() > 3
    assert abs(counts[:20].sum() - 250) < 40


def test_rows_and_projections_are_in_one_order() -> None:
    sample = PatchSample(100)
    chunks = [torch.randn(count, 3) for count in (4, 1, 7)]
    for chunk in chunks:
        sample.add(chunk)
    numbers = torch.tensor([11, 0, 4, 5, 4])
    torch.testing.assert_close(sample.rows(numbers), torch.cat(chunks)[numbers])
    torch.testing.assert_close(sample.projected(torch.eye(3)), torch.cat(chunks))


@pytest.mark.parametrize("count", [12, 99])
def test_where_all_are_kept_none_is_searched_for(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its cost grows as the square.
    monkeypatch.setitem(PatchSample.coreset.__globals__, "greedy_coreset", None)
    sample = PatchSample(100)
    chunks = [torch.randn(count, 3) for count in (4, 1, 7)]
    for chunk in chunks:
        sample.add(chunk)
    torch.testing.assert_close(sample.coreset(count, 2), torch.cat(chunks))


@pytest.mark.parametrize("degrees", [-45, 10, 89.99999, 90, 135, 180, 270.00001])
def test_images_turn_as_scipy_turns_them(degrees: float) -> None:
    images = gaussian_blur(torch.rand(2, 33, 33, generator=torch.Generator().manual_seed(0)), 2.0)
    turned = rotated(images[:, None], degrees)[:, 0]
    expected = rotate(images.numpy(), degrees, axes=(1, 2), reshape=False, order=1, mode="reflect")
    rows, columns = np.mgrid[-16:17, -16:17]
    inside = np.hypot(rows, columns) < 15
    np.testing.assert_allclose(turned.numpy()[:, inside], expected[:, inside], atol=1e-3)


def test_the_usual_levels_have_strides_8_and_16() -> None:
    for teacher, layers in {
        "resnet18": (2, 3),
        "pocket": (2, 3),
        "vgg16": (3, 4),
        "convnext_tiny": (1, 2),
    }.items():
        assert PatchCore.usual_layers(teacher) == layers
    assert PatchCore.usual_layers("deit_tiny_patch16_224") is None


def test_turned_images_are_gathered_too() -> None:
    bars = np.full((9, 64, 64, 3), 40, np.uint8)
    bars[:, ::8] = bars[:, 1::8] = 200
    upright = bars.transpose(0, 2, 1, 3)
    settings = {**quick("patchcore"), "coreset": 0.05}
    plain, turned = (ts.Detector("patchcore", **settings, rotations=count).fit(bars) for count in (1, 4))
    ratio = [
        each.score(upright[:1]).image[0] / max(each.score(bars[:1]).image[0], 1e-3)
        for each in (plain, turned)
    ]
    assert ratio[0] > 10 * ratio[1]


def test_a_patch_that_was_kept_has_distance_zero() -> None:
    good = np.stack([stripes(number) for number in range(6)])
    detector = ts.Detector("patchcore", **{**quick("patchcore"), "coreset": 1.0}).fit(good)
    scores = detector.score(good).image
    assert (scores < 1e-3).sum() == detector.data_["train"]
    assert detector.losses_ == {}


def test_two_images_promise_what_two_can() -> None:
    detector = ts.Detector("patchcore", **{**quick("patchcore"), "calibration": None})
    detector.fit(np.stack([stripes(0), stripes(1)]))
    assert detector.calibration_.false_alarm_rate == pytest.approx(1 / 3)
    assert detector.data_["train"] == len(detector.calibration_.scores) == 2


def test_one_image_beside_others_that_set_the_threshold(tmp_path: Path) -> None:
    write_image(tmp_path / "train" / "good" / "0.png", stripes(0))
    for number in range(1, 5):
        write_image(tmp_path / "calibration" / "good" / f"{number}.png", stripes(number))
    detector = ts.Detector("patchcore", **quick("patchcore")).fit(tmp_path)
    assert (detector.data_["train"], detector.calibration_.false_alarm_rate) == (1, pytest.approx(1 / 5))


def test_the_command_fits_without_a_loss_and_says_what_the_paper_has(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        "--method",
        "patchcore",
        *AS_ARGUMENTS,
        "--size",
        "64",
        "--device",
        "cpu",
        "--no-detectability",
    ]
    assert main(["fit", str(parts), "--out", str(tmp_path / "m.twin"), *options, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert "first_loss" not in record
    assert "coreset 0.01 (0.1)" in record["note"]
    assert "channels 0 (1024)" in record["note"]
    assert "steps" not in record["note"]


def test_a_useless_model_is_not_told_to_learn_longer() -> None:
    detector = SimpleNamespace(
        losses_={},
        method="patchcore",
        method_name="patchcore",
        preset=None,
        calibration_=Calibration((0.1, 0.2, 0.3), 0.25),
        detectability_=SimpleNamespace(is_useless=lambda _: True),
        model_=SimpleNamespace(method=SimpleNamespace(config=PatchCoreConfig(size=128))),
    )
    text = warning(cast("ts.Detector", detector), ["fit", "parts", "--steps", "3"], 10.0)
    assert "--size 256" in text
    assert "--steps" not in text
