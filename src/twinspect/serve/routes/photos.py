"""Photos of products: uploaded, or taken from what was inspected."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from twinspect.errors import ImageError, NotStoredError
from twinspect.images.formats import MEDIA_TYPES
from twinspect.images.reading import read_rgb
from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.context import (
    BODY_ERRORS,
    Context,
    ContextDep,
    Trainer,
    Viewer,
    error_responses,
)
from twinspect.serve.http.presenters import present_refused
from twinspect.serve.http.product_presenters import present_photo
from twinspect.serve.http.product_schemas import (
    FromInspectionsAsked,
    PhotoAnswer,
    PhotosAdded,
    PhotosPage,
    RoleAsked,
    RoleName,
)
from twinspect.serve.http.request_bodies import MAX_ID
from twinspect.serve.products.studio import QuotaError, Studio
from twinspect.serve.routes.inspection_images import encode_thumbnail, image_responses
from twinspect.serve.routes.products import product_of, studio_of
from twinspect.serve.routes.score import ONE_IMAGE, UPLOAD_BODY, read_request
from twinspect.serve.scoring.work_queue import stopping_error
from twinspect.serve.uploads.checks import Upload, check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinspect.serve.store.product_records import PhotoRow, ProductRow

ROUTER = APIRouter(prefix="/v1/products/{name}/photos", tags=["photos"])
PhotoId = Annotated[int, Path(ge=1, le=MAX_ID)]
_UPLOAD_ERRORS = (
    "bad_multipart",
    "no_images",
    "too_many_images",
    "unsupported_media_type",
    "stopping",
    "quota_exceeded",
)


@ROUTER.get("", responses=error_responses("unknown_product"))
def photos(
    context: ContextDep,
    _: Viewer,
    name: str,
    role: RoleName | None = None,
    after: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> PhotosPage:
    """List the photos of a product, newest first."""
    studio = studio_of(context)
    rows = studio.products.photos(product_of(studio, name).id, role, after, limit + 1)
    shown = [present_photo(context, name, row) for row in rows[:limit]]
    return PhotosPage(photos=shown, next=shown[-1].id if len(rows) > limit else None)


@ROUTER.post(
    "",
    responses=error_responses("unknown_product", *ONE_IMAGE, *_UPLOAD_ERRORS, *BODY_ERRORS),
    openapi_extra={"requestBody": UPLOAD_BODY},
)
async def add(
    request: Request,
    context: ContextDep,
    actor: Trainer,
    name: str,
    role: RoleName = "good",
) -> PhotosAdded:
    """Add photos: up to 64 files in form fields `images`, or one image as the body.

    What is not an image is refused with its reason, beside the others; what the product has already is named.
    """
    studio = studio_of(context)
    product = await to_thread.run_sync(product_of, studio, name)
    if context.stopping:
        raise stopping_error()
    with context.incoming.body() as body:
        uploads = await read_request(request, context, body)
        async with context.receiving:
            store = partial(_add_uploads, context, studio, product, uploads, role, actor.name)
            return await to_thread.run_sync(store, limiter=context.decoding)


def _add_uploads(
    context: Context,
    studio: Studio,
    product: ProductRow,
    uploads: Iterable[Upload],
    role: Literal["good", "defect"],
    who: str,
) -> PhotosAdded:
    added = PhotosAdded(photos=[], duplicates=[], refused=[])
    for upload in uploads:
        row = _add_or_refuse(context, studio, product, upload, role, who)
        if isinstance(row, ApiError):
            added.refused.append(present_refused(upload.name, row))
        else:
            _count(context, product.name, upload.name, row, added)
    return added


def _add_or_refuse(
    context: Context,
    studio: Studio,
    product: ProductRow,
    upload: Upload,
    role: Literal["good", "defect"],
    who: str,
) -> PhotoRow | ApiError | None:
    """Add an upload; returns ``None`` if the product has it, and an error that concerns this one alone."""
    try:
        return _add_upload(context, studio, product, upload, role, who)
    except ApiError as error:
        if error.code.startswith("image_"):
            return error
        raise


def _add_upload(
    context: Context,
    studio: Studio,
    product: ProductRow,
    upload: Upload,
    role: Literal["good", "defect"],
    who: str,
) -> PhotoRow | None:
    image = check(upload, context.limits)
    try:
        studio.check_quota(upload.size)
    except QuotaError as error:
        raise ApiError("quota_exceeded", str(error)) from None
    height, width = image.pixels.shape[:2]
    stored = context.store.archive.put(image.data, image.suffix, width, height)
    return studio.products.add_photo(product.id, stored, name=image.name, role=role, who=who)


def _count(context: Context, product: str, name: str, row: PhotoRow | None, added: PhotosAdded) -> None:
    if row is None:
        added.duplicates.append(name)
    else:
        added.photos.append(present_photo(context, product, row))


@ROUTER.post(
    "/from-inspections",
    responses=error_responses("unknown_product", "unknown_inspection", "quota_exceeded", *BODY_ERRORS),
)
def add_inspected(context: ContextDep, actor: Trainer, name: str, body: FromInspectionsAsked) -> PhotosAdded:
    """Make photos of inspected images."""
    studio = studio_of(context)
    product = product_of(studio, name)
    added = PhotosAdded(photos=[], duplicates=[], refused=[])
    for number in body.inspection_ids:
        inspection = context.inspection(number)
        try:
            row = studio.add_inspected(product, number, body.role, actor.name)
        except NotStoredError as error:
            added.refused.append(present_refused(inspection.name, ApiError("image_removed", str(error))))
        except QuotaError as error:
            raise ApiError("quota_exceeded", str(error)) from None
        else:
            _count(context, name, inspection.name, row, added)
    return added


@ROUTER.patch("/{photo}", responses=error_responses("unknown_product", "unknown_photo", *BODY_ERRORS))
def change_role(
    context: ContextDep, actor: Trainer, name: str, photo: PhotoId, body: RoleAsked
) -> PhotoAnswer:
    """Say that a photo is good, or shows a defect, after all."""
    studio, product, _row = _find(context, name, photo)
    return present_photo(context, name, studio.products.change_role(product.id, photo, body.role, actor.name))


@ROUTER.delete("/{photo}", status_code=204, responses=error_responses("unknown_product", "unknown_photo"))
def remove(context: ContextDep, actor: Trainer, name: str, photo: PhotoId) -> None:
    """Take a photo out: no later training learns from it."""
    studio, product, _row = _find(context, name, photo)
    studio.products.remove_photo(product.id, photo, actor.name)


@ROUTER.get(
    "/{photo}/image",
    response_class=Response,
    responses={
        **image_responses(*MEDIA_TYPES.values()),
        **error_responses("unknown_product", "unknown_photo", "image_removed"),
    },
)
def image(context: ContextDep, _: Viewer, name: str, photo: PhotoId) -> Response:
    """Return the original file."""
    _studio, _product, row = _find(context, name, photo)
    try:
        data = context.store.archive.read(row.image.sha256)
    except NotStoredError as error:
        raise ApiError("image_removed", str(error)) from None
    return Response(data, media_type=MEDIA_TYPES[row.image.suffix])


@ROUTER.get(
    "/{photo}/thumbnail",
    response_class=Response,
    responses={
        **image_responses("image/jpeg"),
        **error_responses("unknown_product", "unknown_photo", "image_removed"),
    },
)
def thumbnail(context: ContextDep, _: Viewer, name: str, photo: PhotoId) -> Response:
    """Return a JPEG of at most 256 pixels a side."""
    _studio, _product, row = _find(context, name, photo)
    data = context.cached(context.thumbnails, row.image.sha256, lambda: _draw(context, row))
    return Response(data, media_type="image/jpeg")


def _draw(context: Context, row: PhotoRow) -> bytes:
    try:
        return encode_thumbnail(read_rgb(context.store.archive.path(row.image.sha256)))
    except (NotStoredError, ImageError) as error:
        raise ApiError("image_removed", f"the photo cannot be read any more: {error}") from None


def _find(context: Context, name: str, photo: int) -> tuple[Studio, ProductRow, PhotoRow]:
    studio = studio_of(context)
    product = product_of(studio, name)
    try:
        return studio, product, studio.products.photo(product.id, photo)
    except NotStoredError as error:
        raise ApiError("unknown_photo", str(error)) from None
