"""Maps and losses against SciPy and NumPy written out from the equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from twinspect import maps
from twinspect.methods import losses


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_cosine_map_equals_the_equation() -> None:
    teacher, student = random(2, 5, 3, 4), random(2, 5, 3, 4, seed=1) - 0.5
    a, b = teacher.double().numpy(), student.double().numpy()
    expected = 1 - (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))
    np.testing.assert_allclose(maps.cosine_map(teacher, student), expected, atol=1e-6)


def test_unit_distance_map_equals_the_equation_and_the_cosine_distance() -> None:
    teacher, student = random(2, 5, 3, 4), random(2, 5, 3, 4, seed=1) - 0.5
    a, b = (each.double().numpy() for each in (teacher, student))
    a, b = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (a, b))
    actual = maps.unit_distance_map(teacher, student)
    np.testing.assert_allclose(actual, ((a - b) ** 2).sum(1) / 2, atol=1e-6)
    torch.testing.assert_close(actual, maps.cosine_map(teacher, student), atol=1e-6, rtol=1e-5)


def test_multiply_enlarges_every_level_to_the_size() -> None:
    fine, coarse = random(2, 8, 6), random(2, 4, 3, seed=1)
    product = maps.enlarge(fine, (16, 12)) * maps.enlarge(coarse, (16, 12))
    torch.testing.assert_close(maps.multiply([fine, coarse], (16, 12)), product)
    blurred = maps.gaussian_blur(product, 1.5)
    torch.testing.assert_close(maps.multiply([fine, coarse], (16, 12), 1.5), blurred)


def test_direction_loss_takes_the_cosine_over_the_whole_map() -> None:
    teacher, student = random(3, 4, 2, 5), random(3, 4, 2, 5, seed=1) - 0.3
    a, b = teacher.double().numpy().reshape(3, -1), student.double().numpy().reshape(3, -1)
    expected = 1 - (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(losses.direction_loss(teacher, student), expected, atol=1e-6)


def test_value_loss_is_the_mean_square_of_each_image() -> None:
    teacher, student = random(3, 4, 2, 5), random(3, 4, 2, 5, seed=1)
    expected = ((teacher - student).numpy() ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(losses.value_loss(teacher, student), expected, atol=1e-7)


@pytest.mark.parametrize("sigma", [0.7, 2.0, 4.0])
def test_blur_equals_scipy(sigma: float) -> None:
    values = random(2, 40, 50)
    expected = [ndimage.gaussian_filter(each, sigma, mode="mirror", truncate=4.0) for each in values.numpy()]
    if not (4 * sigma).is_integer():  # SciPy rounds the cut to the nearest pixel, this rounds it up
        expected = [
            ndimage.gaussian_filter(e, sigma, mode="mirror", radius=int(np.ceil(4 * sigma)))
            for e in values.numpy()
        ]
    np.testing.assert_allclose(maps.gaussian_blur(values, sigma), expected, atol=1e-6)


def test_blur_fits_into_maps_smaller_than_its_kernel() -> None:
    values = torch.full((1, 5, 3), 7.0)
    torch.testing.assert_close(maps.gaussian_blur(values, 4.0), values)


def test_opening_equals_scipy_inside_the_border() -> None:
    values = random(2, 12, 15)
    expected = np.stack([ndimage.grey_opening(each, size=(3, 3)) for each in values.numpy()])
    np.testing.assert_allclose(maps.opening(values, 3)[:, 2:-2, 2:-2], expected[:, 2:-2, 2:-2])


def test_clip_and_rescale_clips_each_map_at_its_own_percentile() -> None:
    values = torch.stack([random(10, 10), 100 * random(10, 10, seed=1)])
    for found, each in zip(maps.clip_and_rescale(values, 99.0), values.numpy(), strict=True):
        high = np.percentile(each, 99)
        np.testing.assert_allclose(found, (each.clip(max=high) - each.min()) / (high - each.min()), rtol=1e-4)


def test_clip_and_rescale_makes_a_constant_map_zero() -> None:
    assert maps.clip_and_rescale(torch.full((1, 4, 4), 3.0)).abs().max() == 0


def test_fuse_sums_levels_at_one_size() -> None:
    levels = [torch.full((1, 2, 2), 1.0), torch.full((1, 4, 4), 2.0)]
    torch.testing.assert_close(maps.fuse(levels, (8, 6)), torch.full((1, 8, 6), 3.0))


def test_saliency_sums_absolute_gradients_over_rgb() -> None:
    gradient = torch.tensor([[[[-1.0]], [[2.0]], [[-3.0]]]])
    assert maps.saliency(gradient).item() == 6


@pytest.mark.parametrize("sigma", [0.0, 1.5, 4.0])
@pytest.mark.parametrize("size", [(32, 48), (7, 64), (16, 12)])
def test_fused_maps_are_enlarged_summed_and_blurred(sigma: float, size: tuple[int, int]) -> None:
    random = torch.Generator().manual_seed(0)
    levels = [torch.rand((2, *side), generator=random) for side in ((16, 12), (5, 8), (1, 1), size)]
    total = torch.zeros(2, *size)
    for level in levels:
        total += torch.nn.functional.interpolate(level[:, None], size=size, mode="bilinear")[:, 0]
    expected = [ndimage.gaussian_filter(each, sigma, mode="mirror", truncate=4.0) for each in total.numpy()]
    if min(size) > 4 * sigma:  # the blur is cut where it does not fit into the map
        np.testing.assert_allclose(maps.fuse(levels, size, sigma), expected, atol=1e-5)
    torch.testing.assert_close(maps.fuse(levels, size, sigma), maps.gaussian_blur(total, sigma))
