"""One level of a teacher: what a student has to imitate there. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Level:
    """One feature map that a teacher gives.

    Attributes:
        name: what the network calls it: ``layer1``, ``pool3``, ``stages.0``, ``blocks.5``.
        channels: C of the (B, C, h, w) map.
        reduction: stride, in pixels of the input per step of the map: h is about H / reduction.
        signed: whether features may be negative; if not, the level ends in a ReLU.
    """

    name: str
    channels: int
    reduction: int
    signed: bool


def select_levels(known: Mapping[int, str], layers: Sequence[int | str], who: str) -> tuple[str, ...]:
    """Turn what was asked for into level names.

    Args:
        known: names of all levels by number, fine to coarse.
        layers: numbers or names, in any order.
        who: name of the network, for messages.

    Returns:
        The names, fine to coarse.

    Raises:
        ConfigError: no such level, one named twice, or none at all; the message lists what there is.

    >>> select_levels({1: "fine", 2: "middle", 3: "coarse"}, [3, "fine"], "a network")
    ('fine', 'coarse')
    """
    wanted = {known.get(layer, layer) if isinstance(layer, int) else layer for layer in layers}
    if not wanted <= set(known.values()) or not 0 < len(wanted) == len(layers):
        listed = ", ".join(f"{number}={name}" for number, name in known.items())
        raise ConfigError(
            f"layers {', '.join(map(str, layers)) or '(none)'} are not levels of {who}; name one or "
            f"more of these, each once, by number or name: {listed}"
        )
    return tuple(name for name in known.values() if name in wanted)
