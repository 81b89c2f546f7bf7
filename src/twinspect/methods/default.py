"""The method that is used where none is named: the one place to change when another serves new users better.

Measured on the sets in ``docs/measured.md`` at its settings for a CPU; nothing here imports torch.
"""

from __future__ import annotations

from typing import Any, Final

from twinspect.methods.config import PAPER, is_length

AUTO: Final = "auto"
"""Asks `fit` to compare methods. Anywhere else it stands for the default, as ``None`` does: it once was its name."""
METHOD: Final = "rd"
ON_CPU: Final[dict[str, Any]] = {"size": 128, "steps": 100}
"""Its settings on a CPU, so that a first model takes a minute or two; elsewhere the method's own are used."""


def is_default(name: str | None) -> bool:
    """Tell whether no method was named."""
    return name is None or name == AUTO


def method_name(name: str | None) -> str:
    """Return the name of a method, the default one's where none was named."""
    return METHOD if name is None or name == AUTO else name


def default_settings(
    name: str | None, *, preset: str | None, length: str | None = None, on_cpu: bool
) -> dict[str, Any]:
    """Return the settings that come with the default; none for a method or a preset that was named."""
    if not is_default(name) or preset is not None or not on_cpu:
        return {}
    return {key: value for key, value in ON_CPU.items() if length != PAPER or not is_length(key)}
