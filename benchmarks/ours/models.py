"""Our networks on the given ResNet-18 weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from twinspect.methods import method_class
from twinspect.methods.config import make_config, with_length
from twinspect.model.whole_image import Model
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from pathlib import Path


def build(
    method: str, weights: Path, *, seed: int = 0, steps: int | None = None, textures: Path | None = None
) -> Model:
    """Make an untrained model; what learns is drawn from the seed. Steps, if given, are those of every stage."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = {"textures": str(textures)} if textures else {}
    if steps and method == "aand":
        settings["amplify_steps"], steps = steps, 2 * steps
    config = make_config(method_class(method).Config, None, settings)
    config = with_length(config, steps=steps, epochs=None, given=settings)
    return Model.build(method, config, create_teacher("resnet18", weights=weights))
