"""Versions of a product: compared, activated, downloaded, exported and put on trial."""

from __future__ import annotations

import html
import os
import tempfile
import zipfile
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Path
from fastapi.responses import FileResponse, Response

from twinspect.bundle.folder import is_model
from twinspect.errors import ConfigError, NotStoredError, TwinspectError
from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.context import (
    BODY_ERRORS,
    Admin,
    Context,
    ContextDep,
    Trainer,
    Viewer,
    error_responses,
)
from twinspect.serve.http.presenters import present_inspection
from twinspect.serve.http.product_presenters import present_job, present_product, present_version
from twinspect.serve.http.product_schemas import (
    Difference,
    ExportAsked,
    JobAnswer,
    OtherDecision,
    ProductAnswer,
    ReasonAsked,
    ShadowAnswer,
    ShadowAsked,
    VersionAnswer,
    VersionsAnswer,
)
from twinspect.serve.http.request_bodies import MAX_ID
from twinspect.serve.products.steps import REPORT
from twinspect.serve.routes.products import product_of, studio_of

if TYPE_CHECKING:
    from twinspect.serve.products.studio import Studio
    from twinspect.serve.store.product_records import ProductRow, ShadowScore, VersionRow

ROUTER = APIRouter(prefix="/v1/products/{name}", tags=["versions"])
Number = Annotated[int, Path(ge=1, le=MAX_ID)]
_UNKNOWN = ("unknown_product", "unknown_version")
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
)
_REPORT_HEADERS = {"Content-Security-Policy": f"{_REPORT_POLICY}img-src data:; frame-ancestors 'self'"}
"""A report is one file with all that it shows; it may not reach the server."""


def _files(*kinds: str) -> dict[int | str, dict[str, Any]]:
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {200: {"content": content, "description": "the file"}}


@ROUTER.get("/versions", responses=error_responses("unknown_product"))
def versions(context: ContextDep, _: Viewer, name: str) -> VersionsAnswer:
    """List the versions of a product, newest first."""
    studio = studio_of(context)
    product = product_of(studio, name)
    good = studio.products.counts(product.id)["good"]
    rows = studio.products.versions(product.id)
    return VersionsAnswer(versions=[present_version(context, studio, product, row, good) for row in rows])


@ROUTER.get(
    "/versions/{number}/report",
    response_class=Response,
    responses={**_files("text/html"), **error_responses(*_UNKNOWN, "not_found")},
)
def report(context: ContextDep, _: Viewer, name: str, number: Number) -> Response:
    """Return the report on a version: one file that needs no other."""
    studio, _product, _row = _find(context, name, number)
    folders = studio.folders(name)
    page = folders.report(number) / REPORT
    if not page.is_file():
        raise ApiError("not_found", f"version {number} of {name!r} has no report; the server's log says why")
    text = page.read_text(encoding="utf-8")
    for folder in (
        folders.folder.resolve(),
        folders.folder,
    ):  # where the server's files are is not for everyone
        text = text.replace(html.escape(f"{folder}{os.sep}"), "")
    return Response(text, media_type="text/html", headers=_REPORT_HEADERS)


@ROUTER.get(
    "/versions/{number}/download",
    response_class=FileResponse,
    responses={**_files("application/zip"), **error_responses(*_UNKNOWN)},
)
def download(
    context: ContextDep, _: Viewer, name: str, number: Number, tasks: BackgroundTasks
) -> FileResponse:
    """Return the model folder of a version, with its exports, as one file."""
    studio, _product, _row = _find(context, name, number)
    folder, called = studio.folders(name).model(number), f"{name.replace(' ', '-')}-{number}"
    if not is_model(folder):
        raise ApiError("unknown_version", f"the model folder of version {number} is missing on the server")
    packed = _pack(folder, f"{called}.twin")
    tasks.add_task(packed.unlink)
    return FileResponse(packed, media_type="application/zip", filename=f"{called}.zip", background=tasks)


def _pack(folder: FilePath, called: str) -> FilePath:
    """Pack a folder under another name into a temporary file, without compressing: weights hardly shrink."""
    with tempfile.NamedTemporaryFile(suffix=".zip", delete=False) as file:
        try:
            with zipfile.ZipFile(file, "w") as packed:
                for path in sorted(folder.rglob("*")):
                    if path.is_file():
                        packed.write(path, f"{called}/{path.relative_to(folder).as_posix()}")
        except BaseException:
            FilePath(file.name).unlink(missing_ok=True)
            raise
        return FilePath(file.name)


@ROUTER.post(
    "/versions/{number}/export",
    status_code=201,
    responses=error_responses(*_UNKNOWN, "conflict", *BODY_ERRORS),
)
def export(context: ContextDep, actor: Trainer, name: str, number: Number, body: ExportAsked) -> JobAnswer:
    """Export a version, checked against the model on good images; it is then part of the download."""
    studio, product, _ = _find(context, name, number)
    try:
        job = studio.jobs.add(product, "export", actor.name, version=number, target=body.to)
    except ConfigError as error:
        raise ApiError("conflict", str(error)) from None
    return present_job(studio, job)


@ROUTER.post("/versions/{number}/activate", responses=error_responses(*_UNKNOWN, "conflict", *BODY_ERRORS))
def activate(
    context: ContextDep, actor: Admin, name: str, number: Number, body: ReasonAsked
) -> VersionAnswer:
    """Let a version decide from the next image on; so does an earlier one again."""
    studio, _product, row = _find(context, name, number)
    try:
        studio.activate(name, number, actor.name, body.reason)
    except TwinspectError as error:
        raise ApiError("conflict", str(error)) from None
    product = studio.products.get(name)
    return present_version(context, studio, product, row, studio.products.counts(product.id)["good"])


@ROUTER.put("/shadow", responses=error_responses(*_UNKNOWN, "conflict", *BODY_ERRORS))
def set_shadow(context: ContextDep, actor: Admin, name: str, body: ShadowAsked) -> ProductAnswer:
    """Put a version on trial: it scores what is inspected from now on, and decides nothing."""
    studio = studio_of(context)
    product_of(studio, name)
    if body.version is not None:
        _find(context, name, body.version)
    try:
        return present_product(studio, studio.set_shadow(name, body.version, actor.name))
    except ConfigError as error:
        raise ApiError("conflict", str(error)) from None


@ROUTER.get("/shadow", responses=error_responses("unknown_product"))
def shadow(context: ContextDep, _: Viewer, name: str) -> ShadowAnswer:
    """Say on which images the version on trial decided otherwise than the one that decides, newest first."""
    studio = studio_of(context)
    product = product_of(studio, name)
    if product.shadow_version is None:
        return ShadowAnswer(version=None, compared=0, differ=[])
    version = studio.products.version(name, product.shadow_version)
    return ShadowAnswer(
        version=version.number,
        compared=studio.products.count_shadow_scores(version.id),
        differ=[_difference(context, score) for score in studio.products.shadow_differences(version.id)],
    )


def _difference(context: Context, score: ShadowScore) -> Difference:
    other = OtherDecision(
        score=score.score,
        threshold=score.threshold,
        p_value=score.p_value,
        is_anomalous=score.is_anomalous,
    )
    row = context.store.inspection(score.inspection_id)
    return Difference(inspection=present_inspection(context, row), other=other)


def _find(context: Context, name: str, number: int) -> tuple[Studio, ProductRow, VersionRow]:
    studio = studio_of(context)
    product = product_of(studio, name)
    try:
        return studio, product, studio.products.version(name, number)
    except NotStoredError as error:
        raise ApiError("unknown_version", str(error)) from None
