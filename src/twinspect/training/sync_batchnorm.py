"""BatchNorm whose statistics are those of the whole batch where several processes each hold a part of it.

torch's own works on GPUs only; this module adds the same for CPUs.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@contextmanager
def synchronise_batchnorm(modules: Iterable[nn.Module], device_type: str) -> Iterator[None]:
    """Let every BatchNorm of some modules use the images of all processes while the block lasts.

    Modules, parameters and statistics stay the same objects, so that optimisers and checkpoints are unaffected.

    Args:
        modules: the trained modules; the same in every process.
        device_type: of their device, ``cuda`` or another.
    """
    norms: list[Any] = [
        norm for module in modules for norm in module.modules() if type(norm) is nn.BatchNorm2d
    ]
    norm_class: Any = nn.SyncBatchNorm if device_type == "cuda" else SynchronisedBatchNorm2d
    for norm in norms:
        norm.__class__ = norm_class
        norm.process_group = None  # needed by torch's own: all processes
    try:
        yield
    finally:
        for norm in norms:
            norm.__class__ = nn.BatchNorm2d
            del norm.process_group


class SynchronisedBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm whose mean and variance, in training, are those of all processes' images together."""

    def forward(self, images: Tensor) -> Tensor:
        """Normalise (B, C, H, W) float; B may differ between processes."""
        if not self.training:
            return super().forward(images)
        mean, variance, count = _moments(images.float())
        self._update_running_statistics(mean, variance, count)
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        shift = -mean * scale
        if self.affine:
            shift = shift + self.bias
        return (images * _per_channel(scale) + _per_channel(shift)).to(images.dtype)

    @torch.no_grad()
    def _update_running_statistics(self, mean: Tensor, variance: Tensor, count: float) -> None:
        """Update the running statistics as torch does, with the unbiased variance."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        factor = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, factor)
        self.running_var.lerp_(variance * (count / max(count - 1, 1)), factor)


def _moments(images: Tensor) -> tuple[Tensor, Tensor, float]:
    """Compute mean (C,), biased variance (C,) and the number of values of each channel over all processes."""
    values = images.numel() // images.shape[1]
    sums = _AllReduceSum.apply(torch.cat([images.sum(dim=(0, 2, 3)), images.new_tensor([values])]))
    count = float(sums[-1].detach())
    mean = sums[:-1] / count
    # A second exchange, because the mean of squares minus the squared mean would lose digits.
    squares = (images - _per_channel(mean)).square().sum(dim=(0, 2, 3))
    return mean, _AllReduceSum.apply(squares) / count, count


def _per_channel(channels: Tensor) -> Tensor:
    return channels[:, None, None]


class _AllReduceSum(torch.autograd.Function):
    """The sum over all processes, whose gradient is the sum of all processes' gradients."""

    @staticmethod
    def forward(_ctx: Any, values: Tensor) -> Tensor:
        """Add up."""
        return _all_reduce(values)

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        """Add up, since each process's value is part of every process's result."""
        return _all_reduce(gradient)


def _all_reduce(values: Tensor) -> Tensor:
    total = values.clone()
    dist.all_reduce(total)
    return total
