"""Parsing TOML with the parser that this Python version has."""

from __future__ import annotations

import sys
from typing import Any


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ValueError: the text is not valid TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - newer than the oldest supported Python
    else:
        import tomli as tomllib  # noqa: PLC0415
    loaded: dict[str, Any] = tomllib.loads(text)
    return loaded
