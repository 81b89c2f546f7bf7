"""What can be seen of an inspection: the image as it came, small, and with its map."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from fastapi import APIRouter, Query
from fastapi.responses import Response
from PIL import Image

from twinspect.errors import ImageError, NotStoredError
from twinspect.images.formats import MEDIA_TYPES
from twinspect.images.reading import read_rgb
from twinspect.report.heatmaps import overlay as overlaid
from twinspect.report.heatmaps import overlay_layer
from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.context import Context, Here, Viewer, refusals
from twinspect.serve.routes.inspections import Number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.serve.scoring.model_worker import ModelWorker
    from twinspect.serve.store import InspectionRow

ROUTER = APIRouter(prefix="/v1/inspections/{number}", tags=["inspections"])

SMALL_SIDE: Final = 256
_MAP_NAME: Final = "map"


def _bytes(*kinds: str) -> dict[int | str, dict[str, Any]]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"content": dict.fromkeys(kinds, binary), "description": "the picture"}}


@ROUTER.get(
    "/image",
    response_class=Response,
    responses={**_bytes(*MEDIA_TYPES.values()), **refusals("unknown_inspection", "image_removed")},
)
def image(
    here: Here,
    _: Viewer,
    number: Number,
    form: Annotated[
        Literal["original", "png"],
        Query(alias="format", description="png: as the model sees it, for what browsers cannot show"),
    ] = "original",
) -> Response:
    """Give the original bytes."""
    row = here.inspection(number)
    if form == "png":
        return Response(_png(_pixels(here, row)), media_type="image/png")
    try:
        data = here.store.archive.read(row.image_sha256)
    except NotStoredError:
        raise _removed(row) from None
    return Response(data, media_type=MEDIA_TYPES[row.image.suffix])


@ROUTER.get(
    "/thumbnail",
    response_class=Response,
    responses={**_bytes("image/jpeg"), **refusals("unknown_inspection", "image_removed")},
)
def thumbnail(here: Here, _: Viewer, number: Number) -> Response:
    """Give a picture of at most 256 pixels a side."""
    row = here.inspection(number)
    data = here.cached(here.thumbnails, row.image_sha256, lambda: _small(_pixels(here, row)))
    return Response(data, media_type="image/jpeg")


@ROUTER.get(
    "/map",
    response_class=Response,
    responses={
        **_bytes("image/png", "application/x-npz"),
        **refusals(
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
    here: Here,
    _: Viewer,
    number: Number,
    form: Annotated[
        Literal["png", "npz"], Query(alias="format", description="npz: raw float32 values, named map")
    ] = "png",
    overlay: Annotated[bool, Query(description="png: laid over the image, instead of see-through")] = False,
) -> Response:
    """Give the anomaly map, computed anew from the archived image; one colour means one value on every image."""
    row = here.inspection(number)
    served = _same_model(here, row)
    pixels = _pixels(here, row)
    key = (row.image_sha256, row.weights_sha256)
    values = here.cached(here.maps, key, lambda: _map(served, pixels))
    if form == "npz":
        return Response(_npz(values), media_type="application/x-npz")
    low_high = here.calibration(row.calibration_id or served.active.id).map_range
    drawn = overlaid(pixels, values, low_high) if overlay else overlay_layer(values, low_high)
    return Response(_png(drawn), media_type="image/png")


def _same_model(here: Context, row: InspectionRow) -> ModelWorker:
    if row.state != "done":
        raise ApiError("not_scored", f"inspection {row.id} is {row.state}, so there is no map of it")
    served = here.registry.get(row.model)
    if served.loaded.weights_sha256 != row.weights_sha256:
        raise ApiError(
            "model_changed",
            f"inspection {row.id} was scored by other weights than {row.model!r} has now, so there is no map of it; "
            "upload the image again",
        )
    return served


def _pixels(here: Context, row: InspectionRow) -> NDArray[np.uint8]:
    bits = next((served.loaded.judge.bits for served in here.registry if served.name == row.model), None)
    try:
        return read_rgb(here.store.archive.path(row.image_sha256), bits=bits)
    except NotStoredError:
        raise _removed(row) from None
    except ImageError:
        raise ApiError("image_damaged", f"the image of inspection {row.id} cannot be read any more") from None


def _removed(row: InspectionRow) -> ApiError:
    return ApiError(
        "image_removed", f"the image of inspection {row.id} was removed by retention; its row is kept"
    )


def _map(served: ModelWorker, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    found = served.maps(pixels, _MAP_NAME)
    if found.map is None:
        raise ApiError("image_damaged", f"the image cannot be scored: {found.error}")
    return found.map


def _small(pixels: NDArray[np.uint8]) -> bytes:
    picture = Image.fromarray(pixels)
    picture.thumbnail((SMALL_SIDE, SMALL_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _png(values: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _npz(values: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, map=values)
    return buffer.getvalue()
