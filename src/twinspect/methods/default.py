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
OF_FEW: Final = Default(
    "patchcore",
    {"coreset": 1.0, "patches": 20_000, "neighbourhood": 1, "distance": "cosine", "top_share": 0.01},
)
"""Below :data:`FEW` good images, models of the others score each of them: several fits, of which none may take long.
All patches are kept, and sharp, as AnomalyDINO keeps them; 18 images have 18 432 at 256 pixels. Of the many more of
tiles and large sizes, a limited number is drawn. Distances between patches have one unit, where the hybrid needs
images that it did not learn from to bring its maps to one scale."""
OF_FEW_WITH_SETTINGS: Final = Default("hybrid", {"imitate_steps": 0})
"""Of few images where settings of the usual method were given: without the student that takes longest."""
FEWEST: Final = 3
"""Images to learn from; below it, images to calibrate on do not make up for them, however many."""


def is_named(name: str | None) -> bool:
    """Tell whether a method was named."""
    return name not in (None, AUTO)


def default_for(name: str | None, learnt: int, held_out: int, *, has_settings: bool) -> Default:
    """Return the default for some good images; settings that were given keep the method that has them.

    Args:
        name: of the method; the usual default stands for one that was named.
        learnt: how many are learnt from.
        held_out: how many more there are.
        has_settings: whether there are such settings, or a number of steps or passes.
    """
    if is_named(name):
        return USUAL
    if learnt + held_out >= FEW and (learnt >= FEWEST or has_settings):
        return USUAL
    return OF_FEW_WITH_SETTINGS if has_settings else OF_FEW


def method_name(name: str | None, default: Default = USUAL) -> str:
    """Return the name of a method, the default one's where none was named."""
    return name if name is not None and is_named(name) else default.method
