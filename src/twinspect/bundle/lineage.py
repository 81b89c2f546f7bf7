"""Which versions a model comes from, in words, from its record alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def lineage_lines(lineage: Mapping[str, Any] | None) -> list[str]:
    """Say what a model was updated from, and how it compares with that; nothing of a first version."""
    if not lineage:
        return []
    parent, compared = lineage["parent"], lineage["comparison"]
    date = f", fitted {parent['fitted_at'].partition('T')[0]}" if parent["fitted_at"] else ""
    images = lineage["images"]
    added = f"{images['learnt']} new images to learn from, {images['held_out']} held out"
    parents = f"{parent['weights'][:12]}…{date}"
    lines = [f"version: {lineage['generation']}, updated from weights {parents}; {added}"]
    if compared.get("worse"):
        lines.append(f"worse than the version before: {'; '.join(compared['reasons'])}")
    return lines
