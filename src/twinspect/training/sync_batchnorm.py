"""BatchNorm that measures the whole batch where several processes each hold a part of it.

torch's own does so on GPUs and refuses CPUs, so there it is done here.
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
def synchronise_batchnorm(modules: Iterable[nn.Module], kind: str) -> Iterator[None]:
    """Let every BatchNorm of some modules measure all processes' images while the block lasts.

    Modules, parameters and statistics stay the same objects, so optimisers and checkpoints need not know.

    Args:
        modules: what is trained; every process has the same.
        kind: of the device that they are on, ``cuda`` or another.
    """
    norms: list[Any] = [
        norm for module in modules for norm in module.modules() if type(norm) is nn.BatchNorm2d
    ]
    chosen: Any = nn.SyncBatchNorm if kind == "cuda" else SynchronisedBatchNorm2d
    for norm in norms:
        norm.__class__ = chosen
        norm.process_group = None  # torch's own asks for it: all processes
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
        self._remember(mean, variance, count)
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        shift = -mean * scale
        if self.affine:
            shift = shift + self.bias
        return (images * _per_channel(scale) + _per_channel(shift)).to(images.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: float) -> None:
        """Move the running statistics as torch does, the variance without its bias."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        factor = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, factor)
        self.running_var.lerp_(variance * (count / max(count - 1, 1)), factor)


def _moments(images: Tensor) -> tuple[Tensor, Tensor, float]:
    """Measure each channel over all processes: mean (C,), biased variance (C,), and over how many values."""
    places = images.numel() // images.shape[1]
    sums = _AllReduceSum.apply(torch.cat([images.sum(dim=(0, 2, 3)), images.new_tensor([places])]))
    count = float(sums[-1].detach())
    mean = sums[:-1] / count
    # In a second exchange, for the mean of squares less the squared mean would lose digits.
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
        """Add up, for each process's value is in every process's result."""
        return _all_reduce(gradient)


def _all_reduce(values: Tensor) -> Tensor:
    total = values.clone()
    dist.all_reduce(total)
    return total
