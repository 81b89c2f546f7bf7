"""Other ways to advance a teacher (AAND's table VI): contrastive learning, and SimpleNet's noise and classifier."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from twinspect.errors import ConfigError
from twinspect.methods.aand import AAND, AANDConfig, with_noise
from twinspect.methods.base import Batch
from twinspect.methods.config import make_config
from twinspect.methods.losses import contrastive_loss, truncated_loss
from twinspect.methods.networks.feature_classifier import FeatureClassifier
from twinspect.teachers import create_teacher


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# Losses -----------------------------------------------------------------------------------------------------------


def test_the_contrastive_loss_is_torchs_over_all_pairs() -> None:
    normal, anomalous = random(7, 5), random(4, 5, seed=1)
    same = [(normal[i], normal[j], 1.0) for i, j in combinations(range(7), 2)]
    other = [(normal[i], anomalous[j], -1.0) for i, j in product(range(7), range(4))]
    halves = []
    for pairs in (same, other):
        left, right = (torch.stack([pair[side] for pair in pairs]) for side in (0, 1))  # type: ignore[misc]
        halves.append(F.cosine_embedding_loss(left, right, torch.tensor([pair[2] for pair in pairs])))
    assert contrastive_loss(normal, anomalous) == pytest.approx(float(sum(halves) / 2), abs=1e-6)


@pytest.mark.parametrize(("normal", "anomalous"), [(0, 3), (1, 0), (0, 0), (1, 3), (5, 0)])
def test_the_contrastive_loss_without_pairs_is_finite(normal: int, anomalous: int) -> None:
    vectors = [random(count, 4).requires_grad_() for count in (normal, anomalous)]
    loss = contrastive_loss(*vectors)
    loss.backward()
    assert torch.isfinite(loss)
    assert 0 <= loss <= 1.5


def test_the_truncated_loss_is_zero_beyond_the_margin_only() -> None:
    logits, truth = random(3, 4, 5), random(3, 4, 5, seed=1) > 0.5
    values, wrong = logits.numpy(), truth.numpy()
    expected = np.mean([max(0.0, 0.5 - value) for value in values[wrong]])
    expected += np.mean([max(0.0, 0.5 + value) for value in values[~wrong]])
    assert truncated_loss(logits, truth, 0.5) == pytest.approx(float(expected), abs=1e-6)
    assert truncated_loss(torch.where(truth, 0.5, -0.5), truth, 0.5) == 0
    assert truncated_loss(torch.tensor([0.2]), torch.tensor([True]), 0.5) == pytest.approx(0.3)


# Noise and classifier ---------------------------------------------------------------------------------------------


def test_noise_is_gaussian_of_the_deviation_given_on_copies_alone() -> None:
    features = random(2, 8, 16, 16)
    torch.manual_seed(0)
    noised, truth = with_noise(features, 0.25)
    assert torch.equal(noised[:2], features)
    added = (noised[2:] - features).flatten()
    assert float(added.std()) == pytest.approx(0.25, rel=0.05)
    assert abs(float(added.mean())) < 0.02
    assert truth.shape == (4, 16, 16)
    assert (
        truth.flatten(1).all(dim=1).tolist()
        == truth.flatten(1).any(dim=1).tolist()
        == [False, False, True, True]
    )


def test_the_adaptor_reads_local_averages() -> None:
    """Of three by three locations; at the border, of those that there are."""
    classifier = FeatureClassifier(3)
    features = random(1, 3, 5, 6)
    adapted = classifier.adapt(features)
    weight, bias = classifier.adaptor.weight[..., 0, 0], classifier.adaptor.bias
    assert bias is not None
    for row, column in ((2, 3), (0, 0), (4, 5)):
        window = features[0, :, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        torch.testing.assert_close(adapted[0, :, row, column], weight @ window.mean(dim=(1, 2)) + bias)


def test_the_classifier_has_the_published_parts() -> None:
    """Adaptor C x C, hidden layer with BatchNorm, one output without bias."""
    channels = 6
    expected = channels * channels + channels + channels * channels + channels + 2 * channels + channels
    assert sum(p.numel() for p in FeatureClassifier(channels).parameters()) == expected
    assert FeatureClassifier(channels)(random(2, channels, 3, 4)).shape == (2, 3, 4)


def test_a_classifier_learns_to_tell_noise_from_features() -> None:
    torch.manual_seed(0)
    classifier = FeatureClassifier(8)
    features = random(8, 1, 6, 6).expand(-1, 8, -1, -1)  # on a line, from which noise leads away
    optimizer = torch.optim.Adam(classifier.parameters(), lr=2e-3)
    for _ in range(150):
        noised, truth = with_noise(classifier.adapt(features), 0.3)
        loss = truncated_loss(classifier(noised), truth, 0.5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        noised, truth = with_noise(classifier.eval().adapt(features), 0.3)
        logits = classifier(noised)
    assert logits[truth].mean() > logits[~truth].mean() + 0.3


# The method -------------------------------------------------------------------------------------------------------


def method(preset: str, **settings: Any) -> AAND:
    torch.manual_seed(0)
    teacher = create_teacher("test_byobnet", weights="random", layers=[0, 1])
    return AAND(teacher, make_config(AANDConfig, preset, {"size": 64, **settings})).eval()


def batch(of: AAND, masks: Tensor | None = None) -> Batch:
    images = random(2, 3, 64, 64)
    return Batch(images, of.targets(images), masks)


def test_simplenet_draws_no_anomalies_and_trains_one_stage() -> None:
    simple = method("simplenet")
    (stage,) = simple.stages()
    assert stage.synthesizer is None
    assert (stage.steps, stage.name) == (300, "amplify")
    assert not hasattr(simple, "student")
    assert set(simple.validate_amplification(batch(simple))) == {"loss"}


@pytest.mark.parametrize("preset", ["raa", "mrg", "arg", "contrastive"])
def test_noise_takes_the_place_of_drawn_anomalies(preset: str) -> None:
    of = method(preset, synthesis="noise", noise=0.1)
    stage = of.stages()[0]
    assert stage.synthesizer is None
    loss = stage.loss(batch(of))
    loss.backward()
    assert loss > 0
    assert all(p.grad is not None for p in stage.parameters())


def test_a_classifier_may_learn_from_drawn_anomalies() -> None:
    of = method("simplenet", synthesis="draem")
    assert of.stages()[0].synthesizer is not None
    masks = torch.zeros(2, 64, 64, dtype=torch.bool)
    masks[:, 8:40, 8:40] = True
    assert of.amplify_loss(batch(of, masks)) > 0


def test_the_contrast_of_a_gated_generator_leaves_normal_patches_as_they_are() -> None:
    """With a gate the loss depends on the residual of anomalous patches alone."""
    gated, free = method("contrastive", amplify="both"), method("contrastive")
    masks = torch.zeros(2, 64, 64, dtype=torch.bool)  # no anomaly
    for of, learns in ((gated, False), (free, True)):
        given = batch(of, masks)
        of.amplify_loss(given).backward()
        moved = [
            bool((p.grad != 0).any())
            for n, p in of.amplifiers.named_parameters()
            if "generator" in n and p.grad is not None
        ]
        assert any(moved) is learns


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"noise": -0.1}, "noise must be 0 or more, got -0.1"),
        ({"objective": "contrast"}, "objective must be one of 'amplification', 'contrastive'"),
        ({"synthesis": "gaussian"}, "synthesis must be one of"),
    ],
)
def test_wrong_settings_are_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AANDConfig(**setting)
