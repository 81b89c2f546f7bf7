"""Several models as one: an image is read once, judged by each, and what they find is joined by Noisy-OR."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from twinspect import maps
from twinspect.bundle.description import JOINED_TAIL
from twinspect.methods import noisy_or
from twinspect.methods.base import Output
from twinspect.model.base import ScoringModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.calibration.conformal import Calibration
    from twinspect.model.whole_image import Model


class JoinedModel(ScoringModel):
    """Models of any methods, teachers and sizes, with what good images look like to each.

    Args:
        models: two or more; their networks are shared with whoever has them, not copied.

    Attributes:
        spreads: (members, 3) float32, what each member's score is on good images; see
            :mod:`twinspect.methods.noisy_or`.
        pixel_spreads: likewise for the pixels of its map.
    """

    spreads: Tensor
    pixel_spreads: Tensor

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__()
        self._models = tuple(models)
        self.members = nn.ModuleList(models)
        # Members that agree on the input share it.
        self._by_input = {model.preprocessing: model for model in models}
        self._side = max(model.preprocessing.size for model in models)
        self.register_buffer("spreads", torch.ones(len(models), 3))
        self.register_buffer("pixel_spreads", torch.ones(len(models), 3))

    def measure(self, calibrations: Sequence[Calibration]) -> None:
        """Take in what each member made of good images that it had not learnt from, in the members' order."""
        for place, own in enumerate(calibrations):
            self.spreads[place] = noisy_or.fit_distribution(torch.tensor(own.scores), JOINED_TAIL)
            self.pixel_spreads[place] = noisy_or.distribution_from_range(*own.map_range)

    def prepare(self, rgb: Tensor) -> Tensor:
        """Prepare images for every member.

        Args:
            rgb: (B, 3, H, W) uint8, or float of the same range 0..255.

        Returns:
            (B, n) float32: the members' inputs one after the other, equal ones once.
        """
        return torch.cat([model.prepare(rgb).flatten(1) for model in self._by_input.values()], dim=1)

    def infer(self, images: Tensor) -> Output:
        """Score prepared images.

        Args:
            images: (B, n) float32, as :meth:`prepare` gives them.

        Returns:
            Score (B,) and map (B, side, side): -log(1 - p) of Noisy-OR, unbounded. The map covers the whole image at
            the largest size that a member resizes to.
        """
        inputs = self._inputs(images)
        found, scores = [], []
        for model, spread, pixels in zip(self._models, self.spreads, self.pixel_spreads, strict=True):
            output = model.infer(inputs[model.preprocessing])
            whole = model.enlarge(output.map.float(), (self._side, self._side))
            found.append(noisy_or.negative_log_p(whole, pixels, JOINED_TAIL))
            scores.append(noisy_or.negative_log_p(output.score.float(), spread, JOINED_TAIL))
        return Output(torch.stack(found).sum(dim=0), torch.stack(scores).sum(dim=0))

    def exportable(self) -> tuple[JoinedModel, tuple[str, ...]]:
        """Give what a graph without gradients can compute, and in words what differs."""
        found = [model.exportable() for model in self._models]
        differences = tuple(
            f"member {place}: {each}; its part of the joined map is of another scale"
            for place, (_, own) in enumerate(found, start=1)
            for each in own
        )
        if not differences:
            return self, ()
        joined = JoinedModel([model for model, _ in found]).eval()
        joined.spreads, joined.pixel_spreads = self.spreads, self.pixel_spreads
        return joined, differences

    def _inputs(self, images: Tensor) -> dict[object, Tensor]:
        """Take apart what :meth:`prepare` put together: (B, 3, side, side) by preprocessing."""
        lengths = [3 * how.side**2 for how in self._by_input]
        parts = zip(self._by_input, images.split_with_sizes(lengths, dim=1), strict=True)
        return {how: part.view(len(part), 3, how.side, how.side) for how, part in parts}

    def enlarge(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring maps to the size of the images they came from."""
        return maps.enlarge(scores, size)


def usual_range(members: int) -> tuple[float, float]:
    """Say what a joined map holds, by the definition of its pixels alone.

    Returns:
        Its value where every member has its typical pixel, and where one of them has its peak and no other does.
    """
    typical = members * math.log(2)
    return typical, typical + math.log((1 + noisy_or.PEAK_ODDS) / 2)
