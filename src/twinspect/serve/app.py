"""The application: its routes, its middleware, and its error responses."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from twinspect._version import __version__
from twinspect.errors import NotStoredError, StoreError
from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.monitoring import RequestCounter
from twinspect.serve.http.request_guard import Guard, internal_error
from twinspect.serve.routes import (
    actors,
    calibrating,
    feedback,
    health,
    inspection_images,
    inspections,
    model_health,
    models,
    score,
    sinks,
    sources,
    thresholds,
    trends,
)
from twinspect.serve.routes.page import add_page

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp

    from twinspect.serve.http.context import Context
    from twinspect.serve.http.rate_limit import RateLimit
    from twinspect.serve.http.request_guard import Hosts

LOG = logging.getLogger(__name__)

_DESCRIPTION = """Scores images of parts, keeps what was decided, takes feedback and recalibrates by it.

Raw scores are unbounded, higher is more anomalous. A p-value says how rare a score is among held-out good images; an
image is anomalous where its score is above the threshold that the promised false-alarm rate sets.

Errors are `{"error": {"code", "message"}}`; codes are stable names. Where the server says 429 or 503, `Retry-After`
says when to ask again, and nothing of the request was kept."""
_ROUTES = (
    health,
    actors,
    models,
    score,
    inspections,
    inspection_images,
    feedback,
    thresholds,
    calibrating,
    trends,
    model_health,
    sources,
    sinks,
)


def build_app(context: Context) -> FastAPI:
    """Build the application without its guard."""
    app = FastAPI(
        title="twinspect",
        version=__version__,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    for module in (*_ROUTES, *(_studio_routes() if context.studio else ())):
        app.include_router(module.ROUTER)
    add_page(app)
    _add_error_handlers(app)
    return app


def _studio_routes() -> tuple[Any, ...]:
    """Return the routes of products, which need more packages than inspecting does."""
    from twinspect.serve.routes import jobs, photos, products, versions  # noqa: PLC0415

    return products, photos, jobs, versions


_FULL: Final = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""Errors of a disk without room, and of a user who may use no more of it."""


def guard_app(app: FastAPI, context: Context, hosts: Hosts, rate: RateLimit) -> ASGIApp:
    """Wrap an application in the middleware that every request passes."""
    return Guard(RequestCounter(app, context.metrics), hosts, rate, context.limits.body_bytes, context.tokens)


def _add_error_handlers(app: FastAPI) -> None:
    """Give every error the same form of response, without internal details."""
    app.add_exception_handler(ApiError, lambda _, error: _error_response(error))
    app.add_exception_handler(HTTPException, lambda _, error: _error_response(_http_error(error)))
    app.add_exception_handler(
        RequestValidationError, lambda _, error: _error_response(_validation_error(error))
    )
    app.add_exception_handler(
        NotStoredError, lambda _, error: _error_response(ApiError("not_found", str(error)))
    )
    app.add_exception_handler(Exception, lambda _, __: _error_response(internal_error()))
    folder = app.state.context.store.archive.folder
    for kind in (StoreError, SQLAlchemyError, OSError):
        app.add_exception_handler(kind, lambda _, error: _error_response(_store_error(error, folder)))


def _error_response(error: Any) -> JSONResponse:
    return JSONResponse(error.body, error.status, headers=error.headers)


def _http_error(error: Any) -> ApiError:
    """Translate an error of the router."""
    code = {404: "not_found", 405: "method_not_allowed", 400: "bad_request"}.get(
        error.status_code, "bad_request"
    )
    api_error = ApiError(code, f"{error.detail}; see /openapi.json for what exists")
    api_error.extra_headers = dict(error.headers or {})
    return api_error


def _validation_error(error: Any) -> ApiError:
    """Name the first mistake of a request, without repeating its values."""
    errors = error.errors()
    location = ".".join(str(part) for part in errors[0]["loc"])
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return ApiError(
        "invalid_request", f"{location}: {errors[0]['msg']}{more}; see /openapi.json for what is allowed"
    )


def _store_error(error: Any, folder: Path) -> ApiError:
    """Say in one line of the log why the store cannot be used, and nothing of it to the client but a full disk."""
    LOG.error("the store cannot be used (its images are in %s): %s", folder, " ".join(str(error).split()))
    if getattr(error, "errno", None) in _FULL or "disk is full" in str(error):
        return ApiError("storage_full", "there is no room for more images; the server's owner must make some")
    return ApiError("store_unavailable", "the store is unavailable; the server's log says why", retry_after=5)
