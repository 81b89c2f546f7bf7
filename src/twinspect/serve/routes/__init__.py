"""The server's routes, one file for each resource."""

from __future__ import annotations

__all__: list[str] = []
