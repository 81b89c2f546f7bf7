"""Trained networks as an engine: images are prepared as they are read, and scored by torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from twinspect.model.folding import folded
from twinspect.model.preprocessing import as_batch
from twinspect.utils.devices import choose_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from twinspect.model.base import ScoringModel

Prepared = tuple["Tensor", tuple[int, int]]
"""A prepared image without the dimension of the batch, and the height and width it had."""


class TorchEngine:
    """Scores by a model as it was trained.

    Args:
        model: moved to the device, and left there. What scores is a copy in which BatchNorm is folded.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """

    def __init__(self, model: ScoringModel, device: str) -> None:
        self._device = choose_device(device)
        self._model = folded(model.to(self._device))

    def prepare(self, rgb: NDArray[np.uint8]) -> Prepared:
        """Prepare one image, (H, W, 3) uint8 RGB, where it is: reading stays on the CPU.

        Raises:
            ImageError: it is too small.
        """
        return self._model.preprocessing.apply(as_batch(rgb))[0], (rgb.shape[0], rgb.shape[1])

    def score(
        self, prepared: Sequence[Prepared], *, maps: bool
    ) -> tuple[list[float], list[NDArray[np.float32] | None]]:
        """Score prepared images of any original sizes, at once if the model can."""
        at_once = 1 if self._model.one_by_one else len(prepared)
        to_image = self._model.preprocessing.to_image
        scores: list[float] = []
        image_maps: list[NDArray[np.float32] | None] = []
        for start in range(0, len(prepared), at_once):
            images, sizes = zip(*prepared[start : start + at_once], strict=True)
            with torch.inference_mode():
                output = self._model.infer(torch.stack(images).to(self._device))
                scores += output.score.float().cpu().tolist()
                for i, size in enumerate(sizes):
                    single = output.map[i : i + 1].float()
                    image_maps.append(to_image(single, size)[0].cpu().numpy() if maps else None)
        return scores, image_maps
