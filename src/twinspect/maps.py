"""Anomaly maps: pure functions on tensors that turn features or gradients into one number per pixel.

Every map is float32, unbounded above, and higher means more anomalous.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    OfTensor = TypeVar("OfTensor", bound=Callable[..., Tensor])


SHORTEST = 1e-8
"""Minimum length that a feature is divided by."""
ANOMALOUS_SHARE = 0.3
"""A patch counts as anomalous where a mask covers more than this share of it (AAND's code)."""


def beyond_fp16(compute: OfTensor) -> OfTensor:
    """Let a function compute in fp32 where autocast would in fp16, whose largest number is 65504.

    The squares of a few hundred features add up to more than that, and of small distances little is left.

    Args:
        compute: takes tensors, one of them first; those in fp16 are given in fp32.
    """

    @wraps(compute)
    def in_fp32(first: Tensor, *others: Any, **named: Any) -> Any:
        if not _is_fp16_autocast(first.device.type):
            return compute(first, *others, **named)
        given = (
            each.float() if getattr(each, "dtype", None) == torch.float16 else each
            for each in (first, *others)
        )
        with torch.autocast(first.device.type, enabled=False):
            return compute(*given, **named)

    return cast("OfTensor", in_fp32)


def _is_fp16_autocast(device: str) -> bool:
    return (
        torch.amp.is_autocast_available(device)
        and torch.is_autocast_enabled(device)
        and torch.get_autocast_dtype(device) == torch.float16
    )


@beyond_fp16
def cosine_map(teacher: Tensor, student: Tensor) -> Tensor:
    """Cosine distance 1 - s(a, b) over channels, at each location.

    Args:
        teacher: (B, C, h, w) float.
        student: (B, C, h, w) float.

    Returns:
        (B, h, w), in [0, 2].
    """
    # With channels adjacent in memory this is five times as fast as F.cosine_similarity over dim 1.
    teacher, student = teacher.movedim(1, -1), student.movedim(1, -1)
    lengths = [
        torch.linalg.vector_norm(features, dim=-1).clamp_min(SHORTEST) for features in (teacher, student)
    ]
    cosines: Tensor = torch.linalg.vecdot(teacher, student) / (lengths[0] * lengths[1])
    return 1 - cosines


@beyond_fp16
def unit_distance_map(teacher: Tensor, student: Tensor) -> Tensor:
    """Half the squared distance of unit vectors over channels, 1/2 |a/|a| - b/|b||^2, at each location.

    It is 1 - s(a, b), computed so that it is never negative, however close the two are.

    Args:
        teacher: (B, C, h, w) float.
        student: (B, C, h, w) float.

    Returns:
        (B, h, w), in [0, 2].
    """
    difference = _unit(teacher) - _unit(student)
    distances: Tensor = torch.linalg.vecdot(difference, difference) / 2
    return distances


def _unit(features: Tensor) -> Tensor:
    """Divide by the length, channels last. F.normalize does the same, but an export of it repeats every length."""
    features = features.movedim(1, -1)
    lengths: Tensor = torch.linalg.vector_norm(features, dim=-1, keepdim=True)
    return features / lengths.clamp_min(SHORTEST)


def enlarge(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps to (height, width) with bilinear interpolation, pixel centres aligned.

    Args:
        maps: (B, h, w) float.
        size: height and width in pixels.

    Returns:
        (B, height, width).
    """
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def fuse(maps: Sequence[Tensor], size: tuple[int, int], sigma: float = 0.0) -> Tensor:
    """Sum the maps of several levels at one size, and blur the sum.

    Enlarging and blurring are linear and separable into rows and columns, so that :func:`enlarge` followed by
    :func:`gaussian_blur` is two products with small matrices, a tenth of the work.

    Args:
        maps: one (B, h_k, w_k) per level.
        size: height and width in pixels.
        sigma: of the blur, in pixels of the sum; 0 for none.

    Returns:
        (B, height, width).
    """
    fused: Tensor | None = None
    for level in maps:
        down, across = (
            constant(_enlarging_matrix, side, target, sigma, like=level)
            for side, target in zip(level.shape[-2:], size, strict=True)
        )
        enlarged = down @ level @ across.T
        fused = enlarged if fused is None else fused + enlarged
    assert fused is not None  # noqa: S101 - there is always a level
    return fused


def multiply(maps: Sequence[Tensor], size: tuple[int, int], sigma: float = 0.0) -> Tensor:
    """Enlarge the maps of several levels to one size, multiply them there, and blur the product.

    Args:
        maps: one (B, h_k, w_k) per level.
        size: height and width in pixels.
        sigma: of the blur, in pixels of the product; 0 for none.

    Returns:
        (B, height, width).
    """
    product = fuse(maps[:1], size)
    for level in maps[1:]:
        product = product * fuse([level], size)
    return gaussian_blur(product, sigma)


def constant(make: Callable[..., Tensor], *numbers: float, like: Tensor) -> Tensor:
    """Make a tensor that depends on a few numbers alone, on the device and in the type of another.

    On CUDA it is kept for ever: to copy it would wait for the device, and CUDA graphs know it by its address.

    Args:
        make: gives it on the CPU, float32.
        *numbers: what it depends on.
        like: the other tensor.
    """
    if like.is_cuda:
        return _kept(make, numbers, like.device, like.dtype)
    return make(*numbers).to(like)


@cache
def _kept(
    make: Callable[..., Tensor], numbers: tuple[float, ...], device: torch.device, dtype: torch.dtype
) -> Tensor:
    with torch.inference_mode(mode=False):  # also what was made for a score may take part in training
        return make(*numbers).to(device, dtype)


@lru_cache(maxsize=64)
def _enlarging_matrix(side: int, target: int, sigma: float) -> Tensor:
    """Make the (target, side) matrix that enlarges and blurs a column of pixels; cached, so never change it."""
    columns = enlarge(torch.eye(side)[None], (target, side))[0]
    return _blurring_matrix(target, sigma) @ columns if sigma > 0 else columns


def image_score(maps: Tensor, top_share: float, inside: Tensor | None = None) -> Tensor:
    """Compute the image score of every map.

    Args:
        maps: (B, H, W) float.
        top_share: share of a map's highest values that are averaged, in [0, 1]; 0 for the peak.
        inside: (B, H, W) bool, the pixels that count; ``None`` for all.

    Returns:
        (B,); minus infinity where no pixel counts.
    """
    if top_share:
        return top_mean(maps, top_share, inside)
    return _only(maps, inside).flatten(1).amax(dim=1)


def top_mean(maps: Tensor, share: float, inside: Tensor | None = None) -> Tensor:
    """Average the highest values of every map.

    Args:
        maps: (B, H, W) float.
        share: of the values, in [0, 1]; at least one value is taken, so 0 gives the peak.
        inside: (B, H, W) bool, the pixels that count; ``None`` for all. As many values are averaged as of a whole
            map, for a defect is as large in a small region as in a large one; fewer where there are not so many.

    Returns:
        (B,); minus infinity where no pixel counts.
    """
    flat = _only(maps, inside).flatten(1)
    highest = flat.topk(max(1, int(share * flat.shape[1])), dim=1).values
    if inside is None:
        return highest.mean(dim=1)
    counts = inside.flatten(1).sum(dim=1, keepdim=True).clamp(1, highest.shape[1])
    taken = torch.arange(highest.shape[1], device=highest.device) < counts
    return torch.where(taken, highest, 0).sum(dim=1) / counts[:, 0]


def _only(maps: Tensor, inside: Tensor | None) -> Tensor:
    return maps if inside is None else torch.where(inside, maps, -math.inf)


@beyond_fp16
def share_inside(inside: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the share of every place that counts.

    Args:
        inside: (B, H, W) bool, the pixels that count.
        size: height and width in places.

    Returns:
        (B, height, width) float32 in [0, 1]: of the pixels that a place touches, as adaptive pooling takes them. Sums
        of ones are exact, so that every runtime gives the same.
    """
    ones = inside.float()
    down, across = (
        constant(_touching, side, target, like=ones)
        for side, target in zip(inside.shape[-2:], size, strict=True)
    )
    return down @ ones @ across.T / (down.sum(dim=1)[:, None] * across.sum(dim=1))


def inside_at(inside: Tensor, size: tuple[int, int]) -> Tensor:
    """Say which places count: those of which half or more do; where there are none, those of which most does.

    Args:
        inside: (B, H, W) bool, the pixels that count.
        size: height and width in places.

    Returns:
        (B, height, width) bool.
    """
    if tuple(inside.shape[-2:]) == tuple(size):
        return inside
    return mostly(share_inside(inside, size))


def mostly(shares: Tensor) -> Tensor:
    """Say which places count by the share of each that does, (B, h, w); see :func:`inside_at`."""
    largest = shares.flatten(1).amax(dim=1)[:, None, None]
    return (shares > 0) & (shares >= largest.clamp(max=0.5))


@lru_cache(maxsize=64)
def _touching(side: int, target: int) -> Tensor:
    """Make the (target, side) matrix of ones where a place touches a pixel; cached, so never change it."""
    places, pixels = torch.arange(target)[:, None], torch.arange(side)
    return ((pixels >= places * side // target) & (pixels < -(-(places + 1) * side // target))).float()


def gaussian_blur(maps: Tensor, sigma: float) -> Tensor:
    """Blur maps with a Gaussian that is cut at four standard deviations and mirrored at the border.

    Args:
        maps: (B, H, W) float.
        sigma: standard deviation in pixels of the map; 0 returns the maps untouched.

    Returns:
        (B, H, W). Equal to ``scipy.ndimage.gaussian_filter(mode="mirror")`` while the cut fits into the map.
    """
    if sigma <= 0:
        return maps
    # A product with two matrices; one-channel convolutions take four times as long on a CPU.
    down, across = (constant(_blurring_matrix, side, sigma, like=maps) for side in maps.shape[-2:])
    return down @ maps @ across.T


@lru_cache(maxsize=32)
def _blurring_matrix(side: int, sigma: float) -> Tensor:
    """Make the (side, side) matrix that blurs a column of pixels; cached, so never change it."""
    radius = min(math.ceil(4 * sigma), side - 1)
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    weights /= weights.sum()
    positions = torch.arange(side)[:, None]
    mirrored = (positions + offsets).abs()
    mirrored = torch.where(mirrored < side, mirrored, 2 * (side - 1) - mirrored)
    return torch.zeros(side, side).scatter_add_(1, mirrored, weights.expand(side, -1))


def covered(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the share of every patch that a mask covers.

    Args:
        masks: (B, H, W) bool, or the share of every pixel.
        size: height and width in patches.

    Returns:
        (B, height, width) float32 in [0, 1]; a patch is anomalous above :data:`ANOMALOUS_SHARE`.
    """
    return F.adaptive_avg_pool2d(masks[:, None].float(), size)[:, 0]


def saliency(gradient: Tensor) -> Tensor:
    """Turn the gradient of a score with respect to its image into one number per pixel.

    Args:
        gradient: (B, 3, H, W) float.

    Returns:
        (B, H, W): the sum over RGB of |gradient| (Salehi et al. 2021, section 3.3).
    """
    return gradient.abs().sum(dim=1)


def clip_and_rescale(maps: Tensor, percentile: float = 99.0) -> Tensor:
    """Clip every map at a percentile of its own values, then stretch it to [0, 1].

    A constant map becomes zero. This is how MKD's authors treat a gradient before they blur it. The result
    compares locations *within* one image; different images are no longer comparable.

    Args:
        maps: (B, H, W) float.
        percentile: in (0, 100].

    Returns:
        (B, H, W) in [0, 1].
    """
    flat = maps.flatten(1)
    high = torch.quantile(flat, percentile / 100, dim=1, keepdim=True)
    low = flat.amin(dim=1, keepdim=True)
    span = (high - low).clamp(min=torch.finfo(maps.dtype).tiny)
    return ((flat.minimum(high) - low) / span).view_as(maps)


def opening(maps: Tensor, size: int) -> Tensor:
    """Grey morphological opening with a square of ``size`` pixels: removes specks smaller than it.

    Args:
        maps: (B, H, W) float.
        size: odd; 1 or less returns the maps untouched.

    Returns:
        (B, H, W), nowhere above its input.
    """
    if size <= 1:
        return maps
    eroded = -_dilate(-maps, size)
    return _dilate(eroded, size)


def _dilate(maps: Tensor, size: int) -> Tensor:
    return F.max_pool2d(maps[:, None], size, stride=1, padding=size // 2)[:, 0]
