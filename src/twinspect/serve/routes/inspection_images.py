"""Images of an inspection: the original, a thumbnail and the anomaly map."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from PIL import Image

from twinspect.drawing.heatmaps import overlay as overlaid
from twinspect.drawing.heatmaps import overlay_layer
from twinspect.errors import ImageError, NotStoredError
from twinspect.images.formats import MEDIA_TYPES
from twinspect.images.reading import read_rgb
from twinspect.report.region_pictures import beside_good
from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.context import Context, ContextDep, Viewer, error_responses
from twinspect.serve.routes.inspections import Number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.serve.scoring.model_worker import ModelWorker
    from twinspect.serve.store import InspectionRow

ROUTER = APIRouter(prefix="/v1/inspections/{number}", tags=["inspections"])

THUMBNAIL_SIDE: Final = 256
PAIR_SIDE: Final = 160
"""The longer side of a region that is shown beside a good patch, in pixels."""
_MAP_NAME: Final = "map"
_RAW: Final = "application/octet-stream"


def image_responses(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """Describe an image of one of these media types for the OpenAPI document."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"content": dict.fromkeys(kinds, binary), "description": "the image"}}


@ROUTER.get(
    "/image",
    response_class=Response,
    responses={
        **image_responses(*MEDIA_TYPES.values()),
        **error_responses("unknown_inspection", "image_removed"),
    },
)
def image(
    context: ContextDep,
    _: Viewer,
    number: Number,
    image_format: Annotated[
        Literal["original", "png"],
        Query(alias="format", description="png: as the model sees it, for what browsers cannot show"),
    ] = "original",
) -> Response:
    """Return the original file."""
    row = context.inspection(number)
    if image_format == "png":
        return Response(_encode_png(_read_pixels(context, row)), media_type="image/png")
    try:
        data = context.store.archive.read(row.image_sha256)
    except NotStoredError:
        raise _removed_error(row) from None
    return Response(data, media_type=MEDIA_TYPES[row.image.suffix])


@ROUTER.get(
    "/thumbnail",
    response_class=Response,
    responses={**image_responses("image/jpeg"), **error_responses("unknown_inspection", "image_removed")},
)
def thumbnail(context: ContextDep, _: Viewer, number: Number) -> Response:
    """Return a JPEG of at most 256 pixels a side."""
    row = context.inspection(number)
    data = context.cached(
        context.thumbnails, row.image_sha256, lambda: encode_thumbnail(_read_pixels(context, row))
    )
    return Response(data, media_type="image/jpeg")


@ROUTER.get(
    "/map",
    response_class=Response,
    responses={
        **image_responses("image/png", "application/x-npz", _RAW),
        **error_responses(
            "unknown_inspection",
            "unknown_model",
            "image_removed",
            "image_damaged",
            "model_changed",
            "not_scored",
            "stopping",
        ),
    },
)
def anomaly_map(
    context: ContextDep,
    _: Viewer,
    number: Number,
    image_format: Annotated[
        Literal["png", "npz", "f32"],
        Query(
            alias="format",
            description="npz: raw float32 values, named map; f32: the same, little-endian, row after row; "
            "the headers X-Map-Width and X-Map-Height tell the size",
        ),
    ] = "png",
    overlay: Annotated[bool, Query(description="png: laid over the image, instead of see-through")] = False,
    side: Annotated[
        int | None,
        Query(
            ge=1, description="f32: reduced to at most so many values a side, each the highest of its block"
        ),
    ] = None,
) -> Response:
    """Return the anomaly map, computed from the archived image; a colour means the same value on every image."""
    row = context.inspection(number)
    if overlay and image_format == "png":
        return Response(overlay_png(context, row), media_type="image/png")
    values = _map_of(context, row, _read_pixels(context, row))
    if image_format == "npz":
        return Response(_encode_npz(values), media_type="application/x-npz")
    if image_format == "f32":
        return _raw_values(values if side is None else reduce_by_maximum(values, side))
    return Response(_encode_png(overlay_layer(values, _map_range(context, row))), media_type="image/png")


@ROUTER.get(
    "/regions/{region}",
    response_class=Response,
    responses={
        **image_responses("image/png"),
        **error_responses(
            "unknown_inspection",
            "unknown_model",
            "not_found",
            "image_removed",
            "image_damaged",
            "model_changed",
            "not_scored",
        ),
    },
)
def region_beside_good(
    context: ContextDep,
    _: Viewer,
    number: Number,
    region: Annotated[int, Path(ge=1, description="its place in the list, from 1")],
) -> Response:
    """Return a picture of a region and, to its right, of the good patch that it is most like, if there is one."""
    row = context.inspection(number)
    worker = _worker_of(context, row)
    found = (row.regions or [])[region - 1 : region]
    if not found:
        raise ApiError(
            "not_found", f"inspection {row.id} has no region {region}, of {len(row.regions or ())}"
        )
    box, patch = found[0]["box"], found[0].get("good_patch")  # which stores of earlier versions lack
    drawn = beside_good(_read_pixels(context, row), box, worker.version.detector.images_, patch, PAIR_SIDE)
    return Response(_encode_png(drawn), media_type="image/png")


def overlay_png(context: Context, row: InspectionRow) -> bytes:
    """Draw the anomaly map over the image.

    Raises:
        ApiError: there is no map, or no image any more.
    """
    pixels = _read_pixels(context, row)
    return _encode_png(overlaid(pixels, _map_of(context, row, pixels), _map_range(context, row)))


def _map_of(context: Context, row: InspectionRow, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    worker = _worker_of(context, row)
    key = (row.image_sha256, row.weights_sha256)
    return context.cached(context.maps, key, lambda: _compute_map(worker, pixels))


def _map_range(context: Context, row: InspectionRow) -> tuple[float, float]:
    return context.calibration(row.calibration_id or _worker_of(context, row).active.id).map_range


def _worker_of(context: Context, row: InspectionRow) -> ModelWorker:
    if row.state != "done":
        raise ApiError("not_scored", f"inspection {row.id} is {row.state}, so there is no map of it")
    worker = context.registry.get(row.model)
    if worker.version.weights_sha256 != row.weights_sha256:
        raise ApiError(
            "model_changed",
            f"inspection {row.id} was scored by other weights than {row.model!r} has now, or within another region, "
            "so there is no map of it; "
            "upload the image again",
        )
    return worker


def _read_pixels(context: Context, row: InspectionRow) -> NDArray[np.uint8]:
    bits = next(
        (worker.version.detector.bits for worker in context.registry if worker.name == row.model), None
    )
    try:
        return read_rgb(context.store.archive.path(row.image_sha256), bits=bits)
    except NotStoredError:
        raise _removed_error(row) from None
    except ImageError:
        raise ApiError("image_damaged", f"the image of inspection {row.id} cannot be read any more") from None


def _removed_error(row: InspectionRow) -> ApiError:
    return ApiError(
        "image_removed", f"the image of inspection {row.id} was removed by retention; its row is kept"
    )


def _compute_map(worker: ModelWorker, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    score = worker.score_with_map(pixels, _MAP_NAME)
    if score.map is None:
        raise ApiError("image_damaged", f"the image cannot be scored: {score.error}")
    return score.map


def encode_thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    """Return a JPEG of at most :data:`THUMBNAIL_SIDE` pixels a side of (H, W, 3) uint8 RGB."""
    thumbnail = Image.fromarray(pixels)
    thumbnail.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    buffer = io.BytesIO()
    thumbnail.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _encode_png(values: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _encode_npz(values: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, map=values)
    return buffer.getvalue()


def reduce_by_maximum(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Reduce a map such that no peak is lost.

    Args:
        values: (H, W) raw map.
        side: the most rows and columns that are left.

    Returns:
        (ceil(H / k), ceil(W / k)), the highest value of each block of k times k, with the smallest k that is enough.
    """
    step = -(-max(values.shape) // side)
    rows = np.maximum.reduceat(values, np.arange(0, values.shape[0], step), axis=0)
    reduced: NDArray[np.float32] = np.maximum.reduceat(rows, np.arange(0, values.shape[1], step), axis=1)
    return reduced


def _raw_values(values: NDArray[np.float32]) -> Response:
    height, width = values.shape
    headers = {"X-Map-Width": str(width), "X-Map-Height": str(height)}
    return Response(values.astype("<f4").tobytes(), media_type=_RAW, headers=headers)
