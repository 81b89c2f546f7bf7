"""How the length of a fit is divided between two stages. Nothing here imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

    from twinspect.methods.config import MethodConfig

Unit = Literal["steps", "epochs"]


def divide(
    config: MethodConfig, length: int, unit: Unit, given: Collection[str], *, first: str, share: float
) -> dict[str, Any]:
    """Divide a length between two stages; a first stage whose length was given keeps its own.

    Args:
        config: whose settings are ``steps`` and ``epochs`` for the second stage, and the same with a prefix for the
            first.
        length: of both together, in steps or epochs.
        unit: which of the two.
        given: names of the settings that were chosen.
        first: the prefix, without its underscore.
        share: the usual share of the first stage.

    Returns:
        The settings that change.

    Raises:
        ConfigError: nothing is left for the second stage, or the length of the first is given in the other unit:
            neither could be kept then.
    """
    check_unit(config, length, unit, given, first)
    name = f"{first}_{unit}"
    taken = getattr(config, name) if name in given else max(1, round(length * share))
    if taken >= length:
        raise ConfigError(
            f"{unit}={length} is the total of both stages, and stage I takes {taken} of it; "
            f"give more {unit}, or a smaller {name}"
        )
    return named(unit, taken, length - taken, first=first)


def check_unit(config: MethodConfig, length: int, unit: Unit, given: Collection[str], first: str) -> None:
    """Refuse a total in one unit beside a first stage in the other.

    Raises:
        ConfigError: says what to give.
    """
    other = f"{first}_{'steps' if unit == 'epochs' else 'epochs'}"
    if other in given and getattr(config, other):
        raise ConfigError(
            f"got both {unit}={length}, the total of both stages, and {other}={getattr(config, other)}; "
            f"give one of them, or {first}_{unit} beside {unit}"
        )


def named(unit: Unit, of_first: int, of_second: int, *, first: str) -> dict[str, Any]:
    """Name the lengths of two stages; steps count only where epochs are 0, and a stage left out keeps one."""
    lengths = {f"{first}_{unit}": of_first, unit: of_second}
    if unit == "steps":
        lengths = {name: max(1, value) for name, value in lengths.items()}
        lengths |= {f"{first}_epochs": 0, "epochs": 0}
    return lengths
