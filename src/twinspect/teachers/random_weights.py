"""Random weights as a meaningful baseline: the mean and variance of every channel are measured.

A new network's BatchNorm assumes that every channel has mean 0 and variance 1. This does not hold, least of all in
deep layers, where all locations then look alike. With statistics measured on noise with the spectrum of natural
images, random features distinguish locations, without any training or images.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

IMAGES, SIDE = 16, 128
"""Number of noise images, and their side in pixels."""
SHARED_GREY = 2.0
"""Weight of the common part of R, G and B relative to the part of each alone: natural images are mostly grey."""


def calibrate_batchnorm(network: nn.Module, seed: int) -> None:
    """Measure the statistics of every BatchNorm on pink noise; everything else stays unchanged.

    Args:
        network: takes (B, 3, H, W) float32, normalised; in evaluation mode afterwards.
        seed: of the noise.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None  # torch's setting for a plain average, here over one batch
    with torch.no_grad():
        network(pink_noise(seed))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval()
        norm.momentum = momentum


def standardise(network: nn.Module, seed: int) -> None:
    """Give every convolution's outputs mean 0 and variance 1 on pink noise, in a network without BatchNorm.

    Args:
        network: of convolutions with a bias, each used once; takes (B, 3, H, W) float32, normalised.
        seed: of the noise.
    """

    def fold(layer: nn.Module, _inputs: object, outputs: Tensor) -> Tensor:
        assert isinstance(layer, nn.Conv2d)  # noqa: S101 - hooked to convolutions only
        assert layer.bias is not None  # noqa: S101 - see the docstring
        mean, std = outputs.mean((0, 2, 3)), outputs.std((0, 2, 3)).clamp_min(1e-6)
        layer.weight /= std[:, None, None, None]
        layer.bias.copy_((layer.bias - mean) / std)
        return (outputs - mean[:, None, None]) / std[:, None, None]

    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    hooks = [layer.register_forward_hook(fold) for layer in layers]
    with torch.no_grad():
        network(pink_noise(seed))
    for hook in hooks:
        hook.remove()


@lru_cache(maxsize=1)
def pink_noise(seed: int) -> Tensor:
    """Draw noise whose amplitude falls with frequency f as 1/f, as it does in photographs.

    Returns:
        (16, 3, 128, 128) float32, each image with mean 0 and variance 1; it is kept, so callers must not change it.
    """
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn((IMAGES, 3, SIDE, SIDE), generator=generator)
    frequency = torch.hypot(torch.fft.fftfreq(SIDE)[:, None], torch.fft.fftfreq(SIDE)[None])
    frequency[0, 0] = torch.inf  # no mean
    noise: Tensor = torch.fft.ifft2(torch.fft.fft2(white) / frequency).real
    noise = noise + SHARED_GREY * noise.mean(dim=1, keepdim=True)
    noise /= noise.std(dim=(1, 2, 3), keepdim=True)
    return noise
