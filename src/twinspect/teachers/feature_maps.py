"""Feature maps of timm's networks, one a level; defined without timm, which other teachers do not need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence


class TimmMaps(nn.Module):
    """Feature maps of a network as timm's extractor returns them.

    Args:
        net: made by timm with ``features_only=True``.
    """

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self._channels_last = getattr(net, "output_fmt", "NCHW") == "NHWC"

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Describe normalised images (B, 3, H, W); one (B, C, h, w) map per level."""
        maps = self.net(images)
        if self._channels_last:
            maps = [level.permute(0, 3, 1, 2).contiguous() for level in maps]
        return tuple(maps)


class VGGPools(nn.Module):
    """Outputs of the poolings of a VGG.

    Args:
        net: made by timm with ``features_only=True``, at least as deep as the last pooling.
        pools: which poolings, counted from 1.
    """

    def __init__(self, net: Any, pools: Sequence[int]) -> None:
        super().__init__()
        layers = list(net.children())
        ends = [index for index, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        self._ends = frozenset(ends[pool - 1] for pool in pools)
        self.features = nn.Sequential(*layers[: max(self._ends) + 1])

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Describe normalised images (B, 3, H, W); one (B, C, h, w) map per pooling."""
        maps = []
        for index, layer in enumerate(self.features):
            images = layer(images)
            if index in self._ends:
                maps.append(images)
        return tuple(maps)


class TokenMaps(nn.Module):
    """Patch tokens of a vision transformer as maps, before its final normalisation.

    Args:
        net: a transformer of timm, cut after its last selected block.
        blocks: which blocks, counted from 0.
    """

    def __init__(self, net: Any, blocks: Sequence[int]) -> None:
        super().__init__()
        self.net = net
        self._blocks = list(blocks)
        self._native: tuple[Tensor, tuple[int, int]] | None = None

    def set_input_size(self, height: int, width: int) -> None:
        """Resample the position embeddings once for images of one size, in pixels, instead of at every image.

        Images of another size still work, with embeddings resampled from these. Every call starts from the original
        embeddings.
        """
        if getattr(self.net, "pos_embed", None) is None or not hasattr(self.net, "set_input_size"):
            return
        if self._native is None:
            self._native = self.net.pos_embed.detach().clone(), tuple(self.net.patch_embed.img_size)
        embeddings, size = self._native
        requires_grad = self.net.pos_embed.requires_grad
        self.net.patch_embed.set_input_size(img_size=size)
        self.net.pos_embed = nn.Parameter(embeddings.clone(), requires_grad=requires_grad)
        self.net.set_input_size((height, width))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Describe normalised images (B, 3, H, W); one (B, C, h, w) map per block."""
        return tuple(self.net.forward_intermediates(images, indices=self._blocks, intermediates_only=True))

    def with_class_tokens(self, images: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Describe normalised images; also each block's (B, C) class token, or its mean patch token without one."""
        maps, prefixes = self.with_prefix_tokens(images)
        if getattr(self.net, "cls_token", None) is None:
            return maps, tuple(level.mean((2, 3)) for level in maps)
        return maps, tuple(prefix[:, 0] for prefix in prefixes)

    def with_prefix_tokens(self, images: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Describe normalised images; also each block's (B, P, C) tokens that are no patches: class and registers.

        There may be none of them, P = 0.
        """
        if not self.net.num_prefix_tokens:
            maps = self(images)
            return maps, tuple(level.new_zeros(len(level), 0, level.shape[1]) for level in maps)
        pairs = self.net.forward_intermediates(
            images, indices=self._blocks, intermediates_only=True, return_prefix_tokens=True
        )
        return tuple(level for level, _ in pairs), tuple(prefix for _, prefix in pairs)
