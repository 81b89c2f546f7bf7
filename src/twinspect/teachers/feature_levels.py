"""Levels of a teacher: feature maps that a student imitates. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Level:
    """One feature map of a teacher.

    Attributes:
        name: the network's name for it: ``layer1``, ``pool3``, ``stages.0``, ``blocks.5``.
        channels: C of the (B, C, h, w) map.
        reduction: stride, in pixels of the input per step of the map: h is about H / reduction.
        signed: whether features may be negative; if not, the level ends in a ReLU.
    """

    name: str
    channels: int
    reduction: int
    signed: bool


def select_levels(
    levels: Mapping[int, str], layers: Sequence[int | str], network_name: str
) -> tuple[str, ...]:
    """Turn requested layers into level names.

    Args:
        levels: names of all levels by number, fine to coarse.
        layers: numbers or names, in any order.
        network_name: for error messages.

    Returns:
        The names, fine to coarse.

    Raises:
        ConfigError: no such level, one given twice, or none at all; the message lists the levels.

    >>> select_levels({1: "fine", 2: "middle", 3: "coarse"}, [3, "fine"], "a network")
    ('fine', 'coarse')
    """
    requested = {levels.get(layer, layer) if isinstance(layer, int) else layer for layer in layers}
    if not requested <= set(levels.values()) or not 0 < len(requested) == len(layers):
        listed = ", ".join(f"{number}={name}" for number, name in levels.items())
        raise ConfigError(
            f"layers {', '.join(map(str, layers)) or '(none)'} are not levels of {network_name}; name one or "
            f"more of these, each once, by number or name: {listed}"
        )
    return tuple(name for name in levels.values() if name in requested)
