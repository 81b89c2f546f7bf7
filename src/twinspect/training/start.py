"""What an update begins with: a trained model, and how gently it learns on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.checksummed_json import sha256
from twinspect.bundle.weights import serialize_weights
from twinspect.errors import ConfigError
from twinspect.model.tiled import TiledModel

if TYPE_CHECKING:
    from twinspect.methods.base import Method, Stage
    from twinspect.model.whole_image import Model

SHARE: Final = 1 / 3
"""Length of an update, as a share of the fit's: the networks know most of what they are shown."""
RATE: Final = 0.3
"""Step size of an update, as a share of the fit's: what was learnt is not to be thrown away."""


@dataclass(frozen=True)
class Start:
    """A trained model that learns on.

    Attributes:
        model: stays as it is; a copy of it is trained.
        weights: sha256 of its weights file.
        absent: images that it was learnt from and that the training has nothing of.
        steps: optimiser steps of all stages together; ``None`` for :data:`SHARE` of the fit's.
    """

    model: Model
    weights: str
    absent: int = 0
    steps: int | None = None

    @classmethod
    def of(cls, model: Model | TiledModel, steps: int | None) -> Start:
        """Begin with what scores.

        Raises:
            ConfigError: its method cannot be updated, or the steps are none.
        """
        if steps is not None and steps < 1:
            raise ConfigError(f"steps must be 1 or more, got {steps}")
        model.method.update_stages(0)
        weights = sha256(serialize_weights(model.state_dict()))
        return cls(model.model if isinstance(model, TiledModel) else model, weights, steps=steps)

    def identity(self) -> dict[str, Any]:
        """Return in plain JSON values what determines the weights."""
        return {"weights": self.weights, "absent": self.absent, "steps": self.steps}

    def stages(self, method: Method[Any], images: int, inputs: int) -> tuple[Stage, ...]:
        """List the stages of the update, shorter and gentler than those of a fit.

        Args:
            method: of the copy.
            images: that are learnt from.
            inputs: of the networks that they give: tiles, or changed copies too.

        Raises:
            ConfigError: the method cannot be updated.
        """
        stages = method.update_stages(round(self.absent * inputs / images))
        total = sum(stage.total_steps(inputs) for stage in stages if stage.gather is None)
        share = SHARE if self.steps is None else self.steps / max(1, total)
        return tuple(stage if stage.gather else _gentle(stage, inputs, share) for stage in stages)


def _gentle(stage: Stage, inputs: int, share: float) -> Stage:
    steps = max(1, round(share * stage.total_steps(inputs)))
    return replace(stage, steps=steps, epochs=0, rate=lambda done: RATE * stage.rate(done))
