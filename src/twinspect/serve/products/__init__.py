"""Products: photographs in, versions of a model out, one of which decides; trainings run as child processes."""

from __future__ import annotations

__all__: list[str] = []
