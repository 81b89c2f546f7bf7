"""Public names of a package that are imported on first use, so that importing the package stays light."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def public_names(package: str, *modules: str) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a package that hands on the public names of its modules.

    Args:
        package: its ``__name__``.
        modules: asked in turn.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807 - it becomes the package's own
        for module in modules if not name.startswith("_") else ():
            if hasattr(found := importlib.import_module(module), name):
                return getattr(found, name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return __getattr__
