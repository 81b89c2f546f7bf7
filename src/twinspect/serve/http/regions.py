"""Regions that clients draw, checked before they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twinspect.errors import DataError
from twinspect.regions.polygons import region_of_polygons
from twinspect.serve.api_errors import ApiError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from twinspect.regions.areas import Region


def drawn_region(body: BaseModel | None) -> dict[str, Any] | None:
    """Return the polygons of a drawn region; ``None`` where nothing is drawn.

    Raises:
        ApiError: ``invalid_request``, they are no region.
    """
    region = body.model_dump(exclude_none=True) if body is not None else None
    if not region:
        return None
    parse_region(region)
    return region


def parse_region(record: dict[str, Any]) -> Region:
    """Draw the polygons of a region.

    Raises:
        ApiError: ``invalid_request``, they are no region.
    """
    try:
        return region_of_polygons(record, "the region")
    except DataError as error:
        raise ApiError("invalid_request", str(error)) from None
