"""RD++: its losses against NumPy and PyTorch's own, its parameters against the published number, its noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from twinspect.methods.base import Batch
from twinspect.methods.config import make_config
from twinspect.methods.networks.projector import Projector
from twinspect.methods.rdpp import RDPP, RDPPConfig, add_noise, contrast_loss, transport_loss
from twinspect.teachers import create_teacher


def picture(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def method_of(**settings: object) -> RDPP:
    torch.manual_seed(0)
    return RDPP(create_teacher("pocket"), make_config(RDPPConfig, None, {"size": 64, **settings})).eval()


@pytest.fixture(scope="module")
def method() -> RDPP:
    return method_of()


def test_the_size_is_the_published_one() -> None:
    """176.57 million parameters with WRN-50, where RD has 161,078,568 (AAND, table VIII)."""
    projectors = [Projector(channels) for channels in (256, 512, 1024)]
    count = sum(parameter.numel() for projector in projectors for parameter in projector.parameters())
    assert count == 15_486_912
    assert round((161_078_568 + count) / 1e6, 2) == 176.57


def cosines(a: Tensor, b: Tensor, axis: int) -> np.ndarray:
    x, y = (each.detach().double().numpy() for each in (a, b))
    products: np.ndarray = (x * y).sum(axis=axis)
    return products / np.linalg.norm(x, axis=axis) / np.linalg.norm(y, axis=axis)


def test_the_loss_equals_the_equation(method: RDPP) -> None:
    images = picture(3, 3, 64, 64)
    targets = method.targets(images)
    with torch.no_grad():
        torch.manual_seed(5)
        actual = float(method.loss(Batch(images, targets)))
        torch.manual_seed(5)
        noisy = method.targets(add_noise(images, method._amplitudes))
        projected, noisy_projected = method.project(targets), method.project(noisy)
        rebuilt = method.student(projected)
    distillation = projection = 0.0
    for target, output, raw, dirty, clean in zip(
        targets, rebuilt, noisy, noisy_projected, projected, strict=True
    ):
        distillation += (1 - cosines(target.flatten(1), output.flatten(1), 1)).mean()
        reconstruction = (1 - cosines(dirty, clean, 1)).mean()
        contrast = np.maximum(cosines(raw.flatten(1), clean.flatten(1), 1) - 0.5, 0).mean()
        projection += (0 + 0.01 * reconstruction + 0.1 * contrast) / 1.11
    assert actual == pytest.approx(distillation + 0.2 * projection, abs=1e-5)


@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_contrast_is_pytorchs_cosine_embedding(margin: float) -> None:
    a, b = picture(4, 3, 2, 2), picture(4, 3, 2, 2, seed=1) + 1
    expected = nn.CosineEmbeddingLoss(margin=margin)(a.flatten(1), b.flatten(1), -torch.ones(4))
    torch.testing.assert_close(contrast_loss(a, b, margin), expected)


def test_optimal_transport_of_a_batch_to_itself_is_nothing() -> None:
    """As in the authors' code, where geomloss gives -3e-14, and gradients of 2e-15."""
    features = (10 * picture(5, 8, 4, 4)).requires_grad_()
    loss = transport_loss(features)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    assert features.grad is not None
    assert float(features.grad.abs().max()) < 1e-6


def test_the_student_gets_projections_and_rebuilds_the_teachers_own_features(method: RDPP) -> None:
    levels = method.targets(picture(2, 3, 64, 64))
    with torch.no_grad():
        pairs = method.feature_pairs(levels)
        rebuilt = method.student(method.project(levels))
    assert all(torch.equal(target, level) for (target, _), level in zip(pairs, levels, strict=True))
    assert all(torch.equal(output, own) for (_, output), own in zip(pairs, rebuilt, strict=True))


def test_parts_are_batches_of_their_own() -> None:
    """The loss of two parts, and its gradient, are the means of two losses."""
    images, method = picture(4, 3, 64, 64), method_of(parts=2, noise=0.0)
    method.student.train()
    parts = [method._part_loss(half, None, method.targets(half)) for half in images.split(2)]
    whole = method.loss(Batch(images, method.targets(images)))
    torch.testing.assert_close(whole, torch.stack(parts).mean())


def test_student_and_projectors_have_step_sizes_of_their_own(method: RDPP) -> None:
    stage = method.stages()[0]
    groups = stage.optimizer(stage.parameters()).param_groups
    assert [group["lr"] for group in groups] == [5e-3, 1e-3]
    assert [parameter for group in groups for parameter in group["params"]] == stage.parameters()
    loss = method.loss(Batch(images := picture(2, 3, 64, 64), method.targets(images)))
    gradients = torch.autograd.grad(loss, stage.parameters(), allow_unused=True)
    assert sum(gradient is not None and bool((gradient != 0).any()) for gradient in gradients) > 0.8 * len(
        gradients
    )


@pytest.mark.parametrize(("side", "sides"), [(256, (10, 31)), (64, (2, 7)), (32, (1, 3))])
def test_noise_is_a_small_patch_in_every_image(side: int, sides: tuple[int, int]) -> None:
    images = picture(6, 3, side, side)
    torch.manual_seed(1)
    noisy = add_noise(images, (0.2, 0.4, 0.2))
    torch.manual_seed(1)
    assert torch.equal(noisy, add_noise(images, (0.2, 0.4, 0.2)))
    for image, dirty in zip(images, noisy, strict=True):
        changed = (dirty != image).any(dim=0).nonzero()
        spans = (changed.amax(dim=0) - changed.amin(dim=0) + 1).tolist()
        assert all(1 <= span <= sides[1] for span in spans)
        assert all(span >= sides[0] - 1 for span in spans)  # an edge of it may be 0
        assert float((dirty - image).abs().max()) <= 0.4 * 2.4


def test_the_paper_is_spelt_out() -> None:
    config = make_config(RDPPConfig, "paper", {})
    assert (config.batch_size, config.parts, config.epochs, config.size, config.decay) == (
        32,
        2,
        200,
        256,
        False,
    )
    assert config.PAPER_TEACHER == "wide_resnet50_2"
