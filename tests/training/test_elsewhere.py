"""All that a method computes on its device, on one that no tensor of the CPU can be mixed with, as a GPU."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import twinspect as ts
from drawn_parts import TEACHER, quick, stripes
from elsewhere import Elsewhere, elsewhere, left_behind, move
from twinspect import maps
from twinspect.methods import dinomaly, method_class
from twinspect.methods.base import Batch
from twinspect.methods.config import make_config
from twinspect.methods.networks import feature_amplifier
from twinspect.model.whole_image import Model
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from twinspect.methods.base import Stage

SIDE, IMAGES = 64, 2
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{method: (method, {}) for method in sorted(ts.methods())},
    "aand contrastive": ("aand", {"preset": "contrastive"}),
    "aand simplenet": ("aand", {"preset": "simplenet"}),
    "mkd smoothgrad": ("mkd", {"localization": "smoothgrad", "smoothgrad_samples": 2}),
    "patchcore foreground": ("patchcore", {"foreground": True, "distance": "cosine", "top_share": 0.1}),
    "patchcore reduced": ("patchcore", {"channels": 8, "rotations": 2}),
}


def build(method: str, settings: dict[str, Any]) -> Model:
    config = method_class(method).Config
    names = {each.name for each in fields(config)}
    given = {name: value for name, value in (quick(method, 1) | settings).items() if name in names}
    made = make_config(config, settings.get("preset"), given)
    return Model.build(
        method, made, create_teacher(TEACHER["teacher"], weights="random", layers=TEACHER["layers"])
    )


def batch(model: Model, stage: Stage) -> Batch:
    pixels = torch.from_numpy(np.stack([stripes(seed) for seed in range(IMAGES)])).permute(0, 3, 1, 2)
    images = Elsewhere(model.preprocessing.apply(pixels).contiguous(memory_format=torch.channels_last))
    whole = torch.ones(IMAGES, SIDE, SIDE, dtype=torch.bool)
    part = Elsewhere(whole.tril(SIDE // 4))
    masks, foregrounds = (part, Elsewhere(whole)) if stage.synthesizer else (None, None)
    kinds = Elsewhere(torch.arange(IMAGES) % 2)
    return Batch(images, model.method.targets(images), masks, kinds, 0.5, foregrounds, part)


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Forget what other tests computed in inference mode: copies of that escape the modes of torch."""
    for cache in (maps._enlarging_matrix, maps._blurring_matrix, maps._touching, dinomaly.resizing_matrix):
        cache.cache_clear()
    feature_amplifier.position_encoding.cache_clear()


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_meets_a_tensor_of_the_cpu(variant: str) -> None:
    torch.manual_seed(0)
    method, settings = VARIANTS[variant]
    model = build(method, settings)
    move(model)
    with elsewhere(), torch.no_grad():
        for stage in model.method.stages():
            run(model, stage, given := batch(model, stage))
        images = given.images
        output = model.infer(images)
        left_out = model.left_out(8)
        scores = [output.score, *([left_out.infer(images).score] if left_out else [])]
    assert all(isinstance(each, Elsewhere) for each in (output.map, *scores))
    assert all(each.held.isfinite().all() for each in scores)
    assert not left_behind(model)


def run(model: Model, stage: Stage, given: Batch) -> None:
    """Do once what a stage does."""
    model.eval()
    if stage.gather:
        stage.gather(iter([given, given]))
    else:
        for module in stage.trained:
            module.train()
        assert isinstance(stage.loss(given), Elsewhere)
    model.eval()
    if stage.validate:
        assert np.isfinite(stage.validate(given)["loss"])
    if stage.measure:
        stage.measure([given, given])


@pytest.mark.parametrize("method", ["rd", "stfpm", "dual", "hybrid"])
def test_another_model_can_be_built_on_a_teacher_that_lies_there(method: str) -> None:
    """As those of the folds of a fit."""
    settings = {"student": "narrow"} if method == "stfpm" else {}
    first = build(method, settings)
    move(first)
    with elsewhere():
        second = Model.build(method, first.method.config, first.method.teacher)
    move(second)
    assert not left_behind(second)
