"""Trained networks as an engine: images are prepared as they are read, and scored by torch."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from twinspect.model.folding import folded
from twinspect.model.preprocessing import as_batch
from twinspect.utils.devices import choose_device, to_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.inference.cuda_graphs import Infer
    from twinspect.model.base import ScoringModel
    from twinspect.regions.areas import Region


class Prepared(NamedTuple):
    """An image that waits to be scored.

    Attributes:
        image: as the model's preprocessing gives it, without the dimension of the batch.
        size: the height and width it had.
        region: where to look; ``None`` for everywhere.
    """

    image: Tensor
    size: tuple[int, int]
    region: Region | None


class TorchEngine:
    """Scores by a model as it was trained.

    Args:
        model: moved to the device, and left there. What scores is a copy in which BatchNorm is folded; on CUDA, what
            it does to a batch is captured as a graph.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """

    def __init__(self, model: ScoringModel, device: str) -> None:
        self._device = choose_device(device)
        self._model = folded(model.to(self._device))
        self._infer: Infer = self._model.infer
        if self._device.type == "cuda" and not model.one_by_one:
            from twinspect.inference.cuda_graphs import graphs_of  # noqa: PLC0415 - of no use without CUDA

            self._infer = graphs_of(self._model)
        # Images of one size, of a model with one region, share what is made of it.
        self._inside = lru_cache(maxsize=16)(model.preprocessing.inside)

    def prepare(self, rgb: NDArray[np.uint8], region: Region | None = None) -> Prepared:
        """Prepare one image, (H, W, 3) uint8 RGB, where it is: reading stays on the CPU.

        Raises:
            ImageError: it is too small, or its region does not fit it.
        """
        prepared = Prepared(
            self._model.preprocessing.apply(as_batch(rgb))[0], (rgb.shape[0], rgb.shape[1]), region
        )
        self._inside(region, prepared.size)
        return prepared

    def score(
        self, prepared: Sequence[Prepared], *, maps: bool
    ) -> tuple[list[float], list[NDArray[np.float32] | None]]:
        """Score prepared images of any original sizes, at once if the model can."""
        at_once = 1 if self._model.one_by_one else len(prepared)
        scores: list[float] = []
        image_maps: list[NDArray[np.float32] | None] = []
        for start in range(0, len(prepared), at_once):
            batch = prepared[start : start + at_once]
            with torch.inference_mode():
                images = to_device(torch.stack([each.image for each in batch]), self._device)
                output = self._infer(images, self._regions(batch))
                scores += output.score.float().cpu().tolist()
                for i, each in enumerate(batch):
                    image_maps.append(self._map(output.map[i : i + 1], each) if maps else None)
        return scores, image_maps

    def _regions(self, batch: Sequence[Prepared]) -> Tensor | None:
        """Stack where to look; either all of a batch is looked at or there is a part of each image."""
        inside = [self._inside(each.region, each.size) for each in batch]
        parts = [part for part in inside if part is not None]
        return to_device(torch.stack(parts), self._device) if parts else None

    def _map(self, output: Tensor, prepared: Prepared) -> NDArray[np.float32]:
        """Bring a map, with the dimension of the batch, to its image; it is 0 where nothing is looked at."""
        image_map: NDArray[np.float32] = (
            self._model.preprocessing.to_image(output.float(), prepared.size)[0].cpu().numpy()
        )
        return image_map if prepared.region is None else prepared.region.confine(image_map)
