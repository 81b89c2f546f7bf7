"""The method that is used where none is named: the one place to change when another serves new users better.

It was chosen by what is measured in ``docs/measured.md``; nothing here imports torch.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

AUTO: Final = "auto"
"""Asks `fit` to compare methods. Anywhere else it stands for the default, as ``None`` does: it once was its name."""


class Default(NamedTuple):
    """A method that is used where none is named.

    Attributes:
        method: its name.
        settings: those in which it differs from how it is where it is named.
    """

    method: str
    settings: dict[str, Any]


USUAL: Final = Default("hybrid", {})
FEW: Final = 19
OF_FEW: Final = Default("hybrid", {"imitate_steps": 0})
"""Below :data:`FEW` good images, models of the others score each of them: several trainings, of which none may take
as long as a student that sees the image."""
FEWEST: Final = 3
OF_FEWEST: Final = Default("patchcore", {"coreset": 1.0})
"""Below :data:`FEWEST` to learn from, another method is the default: the hybrid brings its maps to one scale by
images that it did not learn from, and models of a single image, which have none, score others too high. All patches
are kept, as a hundredth is too little."""


def is_named(name: str | None) -> bool:
    """Tell whether a method was named."""
    return name not in (None, AUTO)


def default_for(name: str | None, learnt: int, held_out: int, *, has_settings: bool) -> Default:
    """Return the default for some good images; settings that were given keep the method that has them.

    Args:
        name: of the method; the usual default stands for one that was named.
        learnt: how many are learnt from.
        held_out: how many more there are.
        has_settings: whether there are such settings.
    """
    if is_named(name):
        return USUAL
    if learnt < FEWEST and not has_settings:
        return OF_FEWEST
    return OF_FEW if learnt + held_out < FEW else USUAL


def method_name(name: str | None, default: Default = USUAL) -> str:
    """Return the name of a method, the default one's where none was named."""
    return name if name is not None and is_named(name) else default.method
