"""The method that is used where none is named: the one place to change when another serves new users better.

It was chosen by what is measured in ``docs/measured.md``; nothing here imports torch.
"""

from __future__ import annotations

from typing import Any, Final

AUTO: Final = "auto"
"""Asks `fit` to compare methods. Anywhere else it stands for the default, as ``None`` does: it once was its name."""
METHOD: Final = "hybrid"
FEW: Final = 3
"""Below so many images to learn from, another method is the default: the hybrid brings its maps to one scale by
images that it did not learn from, and models of a single image, which have none, score others too high."""
FOR_FEW: Final = "patchcore"


def is_named(name: str | None) -> bool:
    """Tell whether a method was named."""
    return name not in (None, AUTO)


def method_name(name: str | None, *, has_few: bool = False) -> str:
    """Return the name of a method, the default one's where none was named.

    Args:
        name: the method's, if any.
        has_few: whether it has few images to learn from.
    """
    if name is not None and is_named(name):
        return name
    return FOR_FEW if has_few else METHOD


def default_settings(*, has_few: bool) -> dict[str, Any]:
    """Return the settings of the default method: of few images all patches are kept, as a hundredth is too little."""
    return {"coreset": 1.0} if has_few else {}
