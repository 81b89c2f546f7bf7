"""Which patches show a part and which its background, by the first principal component of good patches.

So does AnomalyDINO (Damm et al., WACV 2025, arXiv 2405.14529), with a threshold made for DINOv2's features, and
authors who look at the masks. Ours is Otsu's, and a mask is only used where it is credible by the rules of
:mod:`twinspect.synthesis.foreground`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from twinspect.maps import inside_at
from twinspect.methods.networks.gathered_buffers import GatheredBuffers
from twinspect.methods.networks.patch_features import rows_inside
from twinspect.methods.patch_sample import PatchSample
from twinspect.synthesis.foreground import MAX_BORDER, MIN_SEPARABILITY, SHARES, otsu

if TYPE_CHECKING:
    from collections.abc import Iterable

SAMPLED: Final = 40_000
"""Good patches that the component is computed from, drawn at random where there are more."""


class PatchForeground(GatheredBuffers):
    """Patches show the part where their features, projected onto ``axis``, (C,), are above ``least``, (1,)."""

    axis: Tensor
    least: Tensor

    def __init__(self) -> None:
        super().__init__("axis", "least")
        self._take_everything(1)

    @property
    def is_whole(self) -> bool:
        """Whether all patches count, as no background was found."""
        return not bool(self.axis.any())

    def gather(self, batches: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        """Find the component of good images' features, and the side of it that is the part.

        Args:
            batches: features (B, C, h, w), and which pixels are looked at, (B, H, W) bool; ``None`` for all.
        """
        sample = PatchSample(SAMPLED)
        for features, inside in batches:
            sample.add(rows_inside(torch.cat([features, _border_like(features, inside)], dim=1), inside))
        sample.close()
        rows = sample.rows(torch.arange(len(sample))).double()
        patches, is_border = rows[:, :-1], rows[:, -1] > 0
        axis = first_component(patches)
        projected = patches @ axis
        threshold, separability, _ = otsu(projected.cpu().numpy())
        is_upper = projected > threshold
        sign = -1 if is_upper[is_border].double().mean() > 0.5 else 1
        is_part = is_upper if sign > 0 else ~is_upper
        if separability >= MIN_SEPARABILITY and _is_credible(is_part, is_border):
            # Otsu's threshold may lie anywhere in the gap between the two; its middle errs on neither side.
            middle = (projected[is_upper].min() + projected[~is_upper].max()) / 2
            self.axis, self.least = sign * axis.float(), sign * middle.float().view(1)
        else:
            self._take_everything(patches.shape[1])

    def _take_everything(self, channels: int) -> None:
        self.axis, self.least = self.axis.new_zeros(channels), self.axis.new_full((1,), -1.0)

    def forward(self, features: Tensor) -> Tensor:
        """Tell which patches show the part, a ring around it included; all where an image shows none.

        Args:
            features: (B, C, h, w) float32.

        Returns:
            (B, h, w) float32: 1 for the part, 0 for background.
        """
        projected = (features * self.axis.view(-1, 1, 1)).sum(dim=1)
        part = (projected > self.least).to(features)
        closed = -_widened(-_widened(_widened(part)))
        return closed + (1 - closed.amax(dim=(1, 2), keepdim=True))


def first_component(patches: Tensor) -> Tensor:
    """Return the direction in which (n, C) float64 patches vary most: (C,), of length 1."""
    centred = patches - patches.mean(dim=0)
    direction: Tensor = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -1]
    return direction


def _is_credible(is_part: Tensor, is_border: Tensor) -> bool:
    """Tell whether the part is neither tiny nor nearly everything, and within the frame."""
    share, at_border = float(is_part.double().mean()), float(is_part[is_border].double().mean())
    return SHARES[0] <= share <= SHARES[1] and at_border <= MAX_BORDER


def _border_like(features: Tensor, inside: Tensor | None) -> Tensor:
    """Return (B, 1, h, w): 1 in the outermost of the places that are looked at."""
    size = (features.shape[-2], features.shape[-1])
    looked_at = features.new_ones(features.shape[0], *size)
    if inside is not None:
        looked_at = inside_at(inside, size).to(features)
    within = F.pad(looked_at, (1, 1, 1, 1))
    return (looked_at + _widened(1 - within)[:, 1:-1, 1:-1] - 1).clamp_min(0)[:, None]


def _widened(maps: Tensor) -> Tensor:
    """Give every place of (B, h, w) the highest value around it."""
    return F.max_pool2d(maps[:, None], 3, stride=1, padding=1)[:, 0]
