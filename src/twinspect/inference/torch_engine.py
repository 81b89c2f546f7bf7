"""Trained networks as an engine: images are prepared as they are read, and judged by torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from twinspect.utils.devices import choose_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from twinspect.data.samples import Sample
    from twinspect.inference.pipeline import Judged
    from twinspect.model.base import ScoringModel

Prepared = tuple["Tensor", tuple[int, int]]
"""A prepared image, and the height and width it had."""


class TorchEngine:
    """Scores by a model as it was trained.

    Args:
        model: moved to the device, and left there.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """

    def __init__(self, model: ScoringModel, device: str) -> None:
        self._device = choose_device(device)
        self._model = model.to(self._device)

    def read(self, sample: Sample, *, bits: int | None = None) -> Prepared:
        """Read and prepare one image; see :meth:`twinspect.model.base.ScoringModel.read`."""
        return self._model.read(sample, bits=bits)

    def score(self, read: Sequence[Prepared], *, maps: bool) -> list[Judged]:
        """Score prepared images of any original sizes, at once if the model can."""
        groups = [[each] for each in read] if self._model.one_by_one else [read]
        return [judged for group in groups for judged in self._score(group, maps=maps)]

    def _score(self, read: Sequence[Prepared], *, maps: bool) -> list[Judged]:
        images = torch.stack([image for image, _ in read])
        with torch.inference_mode():
            output = self._model.infer(images.to(self._device))
            scores = output.score.float().cpu().tolist()
            if not maps:
                return [(score, None) for score in scores]
            found = [
                self._model.enlarge(output.map[i : i + 1].float(), size)[0]
                for i, (_, size) in enumerate(read)
            ]
            return [(score, each.cpu().numpy()) for score, each in zip(scores, found, strict=True)]
