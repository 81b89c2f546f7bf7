"""The method that is used where none is named: the one place to change when another serves new users better.

It was chosen by what is measured in ``docs/measured.md``; nothing here imports torch.
"""

from __future__ import annotations

from typing import Final

AUTO: Final = "auto"
"""Asks `fit` to compare methods. Anywhere else it stands for the default, as ``None`` does: it once was its name."""
METHOD: Final = "hybrid"


def method_name(name: str | None) -> str:
    """Return the name of a method, the default one's where none was named."""
    return METHOD if name is None or name == AUTO else name
