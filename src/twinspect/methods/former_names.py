"""Names that settings had before: records, configuration files and commands with them mean what they meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_INTERPOLATIONS: Final = ("bilinear", "bicubic")
"""What ``resize`` said before ``interpolation`` did."""


def is_former(name: str, value: Any) -> bool:
    """Tell whether a setting is written as it was before."""
    return name == "resize" and value in _INTERPOLATIONS


def as_named_now(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give settings by the names that they have now.

    Raises:
        ConfigError: one is given by both names.

    >>> as_named_now({"size": 64, "resize": "bicubic"})
    {'size': 64, 'interpolation': 'bicubic'}
    """
    if not is_former("resize", settings.get("resize")):
        return dict(settings)
    value = settings["resize"]
    if "interpolation" in settings:
        raise ConfigError(
            f"resize={value!r} is the former name of interpolation, and both are given; leave resize out"
        )
    kept = {name: each for name, each in settings.items() if name != "resize"}
    return {**kept, "interpolation": value}
