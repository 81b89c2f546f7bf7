"""Trained networks as an engine: images are prepared as they are read, and scored by torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

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
        model: moved to the device, and left there.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """

    def __init__(self, model: ScoringModel, device: str) -> None:
        self._device = choose_device(device)
        self._model = model.to(self._device)

    def prepare(self, rgb: NDArray[np.uint8]) -> Prepared:
        """Prepare one image, (H, W, 3) uint8 RGB, where it is: reading stays on the CPU.

        Raises:
            ImageError: it is too small.
        """
        return self._model.prepare_image(rgb), (rgb.shape[0], rgb.shape[1])

    def score(
        self, prepared: Sequence[Prepared], *, maps: bool
    ) -> tuple[list[float], list[NDArray[np.float32] | None]]:
        """Score prepared images of any original sizes, at once if the model can."""
        if not self._model.one_by_one:
            return self._score(prepared, maps=maps)
        parts = [self._score([image], maps=maps) for image in prepared]
        return [scores[0] for scores, _ in parts], [image_maps[0] for _, image_maps in parts]

    def _score(
        self, prepared: Sequence[Prepared], *, maps: bool
    ) -> tuple[list[float], list[NDArray[np.float32] | None]]:
        images = torch.stack([image for image, _ in prepared])
        with torch.inference_mode():
            output = self._model.infer(images.to(self._device))
            scores: list[float] = output.score.float().cpu().tolist()
            if not maps:
                return scores, [None] * len(scores)
            sizes = [size for _, size in prepared]
            return scores, [
                self._model.enlarge(output.map[i : i + 1].float(), size)[0].cpu().numpy()
                for i, size in enumerate(sizes)
            ]
