"""Reading TOML with whatever this Python has for it."""

from __future__ import annotations

import sys
from typing import Any


def from_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ValueError: it is none.
    """
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - younger than the oldest Python that will do
    else:
        import tomli as tomllib  # noqa: PLC0415
    loaded: dict[str, Any] = tomllib.loads(text)
    return loaded
