"""The size of a model's input as it is written: the side of a square, or HEIGHTxWIDTH."""

from __future__ import annotations

import re
from typing import Final

from twinspect.errors import ConfigError

MOST: Final = 65_536
"""The longest side, in pixels."""
_WRITTEN: Final = re.compile(r"([0-9]+)x([0-9]+)")


def sides(size: int | str, name: str = "size") -> tuple[int, int]:
    """Give height and width of a size.

    Args:
        size: side of a square in pixels, or text such as ``256x512``.
        name: of the setting, for the error message.

    Raises:
        ConfigError: it is neither, or a side is not allowed.

    >>> sides(256), sides("256x512")
    ((256, 256), (256, 512))
    """
    found: tuple[int, ...] = ()
    if isinstance(size, str) and (written := _WRITTEN.fullmatch(size)):
        found = tuple(map(int, written.groups()))
    elif isinstance(size, int) and not isinstance(size, bool):
        found = (size, size)
    if not found or not all(1 <= side <= MOST for side in found):
        raise ConfigError(
            f"{name} must be in 1..{MOST}, or HEIGHTxWIDTH such as 256x512 (256 high, 512 wide), got {size!r}"
        )
    return found[0], found[1]


def parse_size(text: str) -> int | str:
    """Read what was typed: a whole number where it is one, else text that :func:`sides` takes.

    Raises:
        ConfigError: it is neither.
    """
    size = int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else text
    sides(size)
    return size


def spelled(height: int, width: int) -> int | str:
    """Write a size, as :func:`sides` reads it.

    >>> spelled(256, 256), spelled(256, 512)
    (256, '256x512')
    """
    return height if height == width else f"{height}x{width}"
