"""Several models as one: an image is read once, scored by each, and their scores are joined by Noisy-OR."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from twinspect import maps
from twinspect.bundle.description import JOINED_TAIL
from twinspect.errors import ConfigError
from twinspect.methods import noisy_or
from twinspect.methods.input_size import spelled
from twinspect.model.base import RawOutput, ScoringModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twinspect.calibration.conformal import Calibration
    from twinspect.model.preprocessing import Preprocessing
    from twinspect.model.whole_image import Model
    from twinspect.regions.areas import Region


@dataclass(frozen=True)
class JoinedPreprocessing:
    """How an image becomes the inputs of several models; members that agree on the input share it.

    Attributes:
        inputs: each preprocessing once.
    """

    inputs: tuple[Preprocessing, ...]

    @classmethod
    def of(cls, members: Iterable[Preprocessing]) -> JoinedPreprocessing:
        """Take the preprocessing of every member.

        Raises:
            ConfigError: they do not show the same part of an image at the same place.
        """
        inputs = tuple(dict.fromkeys(members))
        shapes = {Fraction(*member.size) if member.has_padding else None for member in inputs}
        if len(shapes) > 1:
            sizes = ", ".join(f"{member.resize} {spelled(*member.size)}" for member in inputs)
            raise ConfigError(
                f"members resize images in different ways ({sizes}), so their maps cannot be joined; join models "
                "with --resize squash, or with --resize letterbox to sizes of one shape"
            )
        return cls(inputs)

    @property
    def size(self) -> tuple[int, int]:
        """The largest height and width that members resize to, in pixels: those of the joined map."""
        heights, widths = zip(*(member.size for member in self.inputs), strict=True)
        return max(heights), max(widths)

    @property
    def has_padding(self) -> bool:
        """Whether there may be padding around an image, for all members or for none."""
        return self.inputs[0].has_padding

    def apply(self, rgb: Tensor) -> Tensor:
        """Prepare images for every member.

        Args:
            rgb: (B, 3, H, W) uint8, or float of the same range 0..255.

        Returns:
            (B, n) float32: the members' inputs one after the other, equal ones once.

        Raises:
            ImageError: a wrong shape, or sides too small to hold structure.
        """
        return torch.cat([member.apply(rgb).flatten(1) for member in self.inputs], dim=1)

    def divided(self, images: Tensor) -> dict[Preprocessing, Tensor]:
        """Take apart what :meth:`apply` put together: (B, 3, *input_sides) by preprocessing."""
        lengths = [3 * math.prod(member.input_sides) for member in self.inputs]
        parts = zip(self.inputs, images.split_with_sizes(lengths, dim=1), strict=True)
        return {member: part.view(len(part), 3, *member.input_sides) for member, part in parts}

    def inside(self, region: Region | None, size: tuple[int, int]) -> Tensor | None:
        """Say what lies in a region for every member, one after the other as in :meth:`apply`: (n / 3,) bool."""
        found = [member.inside(region, size) for member in self.inputs]
        parts = [part.flatten() for part in found if part is not None]
        return torch.cat(parts) if parts else None

    def inside_of(self, masks: Tensor) -> Tensor:
        """Do the same to the regions of several images, (B, H, W) bool: (B, n / 3) bool."""
        return torch.cat([member.inside_of(masks).flatten(1) for member in self.inputs], dim=1)

    def divided_regions(self, inside: Tensor | None) -> dict[Preprocessing, Tensor]:
        """Take apart what :meth:`inside` put together: (B, *input_sides) by preprocessing; empty for whole images."""
        if inside is None:
            return {}
        parts = inside.split_with_sizes([math.prod(member.input_sides) for member in self.inputs], dim=1)
        return {
            member: part.view(len(part), *member.input_sides)
            for member, part in zip(self.inputs, parts, strict=True)
        }

    def to_image(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring joined maps, (B, *size) float32, to the size of the images they came from."""
        return replace(self.inputs[0], size=self.size).from_canvas(scores, size)


class JoinedModel(ScoringModel):
    """Models of any methods, teachers and sizes, with the distribution of scores that each gives good images.

    Args:
        models: two or more; their networks are shared with whoever has them, not copied.

    Attributes:
        spreads: (members, 3) float32, the distribution of each member's score on good images; see
            :mod:`twinspect.methods.noisy_or`.
        pixel_spreads: (members, 3) float32, the distribution of the pixels of its map.
    """

    preprocessing: JoinedPreprocessing
    spreads: Tensor
    pixel_spreads: Tensor

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__()
        self._models = tuple(models)
        self.members = nn.ModuleList(models)
        self.preprocessing = JoinedPreprocessing.of([model.preprocessing for model in models])
        self.register_buffer("spreads", torch.ones(len(models), 3))
        self.register_buffer("pixel_spreads", torch.ones(len(models), 3))

    def measure(self, calibrations: Sequence[Calibration]) -> None:
        """Take in how each member scored good images that it had not learnt from, in the members' order."""
        for index, calibration in enumerate(calibrations):
            scores = torch.tensor(calibration.scores)
            self.spreads[index] = noisy_or.fit_distribution(scores, JOINED_TAIL)
            self.pixel_spreads[index] = noisy_or.distribution_from_range(*calibration.map_range)

    def infer(self, images: Tensor, inside: Tensor | None = None) -> RawOutput:
        """Score prepared images.

        Args:
            images: (B, n) float32, as :meth:`JoinedPreprocessing.apply` gives them.
            inside: (B, n / 3) bool, as :meth:`JoinedPreprocessing.inside` gives it; ``None`` for whole images.

        Returns:
            Score (B,) and map (B, h, w): -log(1 - p) of Noisy-OR, unbounded. The map covers the whole image at the
            largest size that a member resizes to.
        """
        inputs = self.preprocessing.divided(images)
        regions = self.preprocessing.divided_regions(inside)
        member_maps, scores = [], []
        for model, of_scores, of_pixels in zip(self._models, self.spreads, self.pixel_spreads, strict=True):
            output = model.infer(inputs[model.preprocessing], regions.get(model.preprocessing))
            whole = maps.enlarge(model.preprocessing.to_canvas(output.map.float()), self.preprocessing.size)
            member_maps.append(noisy_or.negative_log_p(whole, of_pixels, JOINED_TAIL))
            scores.append(noisy_or.negative_log_p(output.score.float(), of_scores, JOINED_TAIL))
        return RawOutput(torch.stack(member_maps).sum(dim=0), torch.stack(scores).sum(dim=0))

    def check_region(self, *, blank: bool) -> None:
        """Refuse a region of interest that a member's score cannot be confined to."""
        for model in self._models:
            model.check_region(blank=blank)

    def exportable(self) -> tuple[JoinedModel, tuple[str, ...]]:
        """Give what a graph without gradients can compute, and in words what differs."""
        members = [model.exportable() for model in self._models]
        differences = tuple(
            f"member {number}: {difference}; its part of the joined map is of another scale"
            for number, (_, member_differences) in enumerate(members, start=1)
            for difference in member_differences
        )
        if not differences:
            return self, ()
        joined = JoinedModel([model for model, _ in members]).eval()
        joined.spreads, joined.pixel_spreads = self.spreads, self.pixel_spreads
        return joined, differences


def expected_map_range(members: int) -> tuple[float, float]:
    """Compute the range of a joined map from the definition of its pixels alone.

    Returns:
        Its value where every member has its typical pixel, and where one of them has its peak and no other does.
    """
    typical = members * math.log(2)
    return typical, typical + math.log((1 + noisy_or.PEAK_ODDS) / 2)
